"""What each target did when: a strip for each, as a heat map over time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from piotutor.errors import UsageError
from piotutor.metrics import PhaseResult
from piotutor.metrics_targets import (
    Part,
    Straggler,
    TargetWork,
    Totals,
    main_op,
    rank_phases,
    straggler,
    target_work,
    write_amplification,
)
from piotutor.plots import bins
from piotutor.plots.style import INK, Recipe, Style, badge, byte_axis, empty, scaled, time_axis
from piotutor.plots.target_words import NOBODY, late_words, readable, share_words, slow_words
from piotutor.trace import Trace
from piotutor.units import format_rate, format_seconds

WHAT = ("bytes", "operations")


@dataclass(frozen=True, eq=False)
class TargetsData:
    """What a heat strip shows.

    Attributes
    ----------
    edges : numpy.ndarray
        Edges of the time bins, in seconds since the ranks' first call; ``n + 1`` of them.
    what : str
        ``bytes`` or ``operations``.
    op : str or None
        ``write`` or ``read``; None: both.
    rate : numpy.ndarray
        Bytes/s, or operations/s, of each target in each bin. What was counted between two looks is
        spread evenly over the time between them, so rate times bin width sums to all.
    work : TargetWork or None
        What targets did; None where nobody told.
    totals : Totals or None
        The same summed up.
    late : Straggler or None
        A target that was done long after the others.
    grown : float or None
        Bytes that targets wrote for each that ranks wrote, of erasure-coded data.
    phases : list of PhaseResult
        The ranks' write and read phases.
    began : int
        Time 0 of the picture, in ns of the trace's clock.
    badge : str
        How it came about, and on what.
    """

    edges: np.ndarray
    what: str
    op: str | None
    rate: np.ndarray
    work: TargetWork | None
    totals: Totals | None
    late: Straggler | None
    grown: float | None
    phases: list[PhaseResult]
    began: int
    badge: str


def targets_data(
    trace: Trace, *, what: str = "bytes", op: str | None = None, steps: int = 160
) -> TargetsData:
    """Compute the heat strip.

    Parameters
    ----------
    trace : Trace
    what : str
        ``bytes`` or ``operations``, each per second.
    op : str, optional
        Only what was written (``write``) or read (``read``).
    steps : int
        Number of time bins.

    Raises
    ------
    UsageError
        `what` or `op` is none of these.
    """
    if what not in WHAT or op not in (None, "write", "read"):
        raise UsageError(f"what={what!r}, op={op!r}: give bytes or operations; write, read or None")
    work = target_work(trace)
    found = rank_phases(trace)
    nothing = TargetsData(
        np.array([0.0, 1.0]), what, op, np.zeros((0, 1)), None, None, None, None, found, 0,
        badge(trace),
    )  # fmt: skip
    if work is None:
        return nothing
    totals = work.totals(op)
    began, ended = window(trace, totals)
    span = ended - began

    def parts() -> Iterator[bins.Amounts]:
        scale = steps / span
        for part in work.parts(op):
            amount = part.bytes if what == "bytes" else part.operations
            some = (amount > 0) & (part.end >= began)
            kept = part if some.all() else Part(*(column[some] for column in part))
            start, end = ((np.clip(t, began, ended) - began) * scale for t in kept[1:3])
            yield bins.Amounts(kept.row, start, end, amount[some])

    rate = bins.spread(parts(), (len(work.targets), steps)) / (span / steps / 1e9)
    return replace(
        nothing,
        edges=np.linspace(0, span / 1e9, steps + 1),
        rate=np.maximum(rate, 0),
        work=work,
        totals=totals,
        late=straggler(work, op or main_op(work), found),
        grown=write_amplification(trace, work) if op != "read" and _coded(trace) else None,
        began=began,
    )


def _coded(trace: Trace) -> bool:
    layout = (trace.meta.get("environment") or {}).get("layout") or {}
    return "erasure" in layout.get("note", "")


def window(trace: Trace, totals: Totals) -> tuple[int, int]:
    """Return from when to when there is something to see (ns): ranks' calls and targets' work."""
    ranks = trace.span(trace.column("rank") >= 0)
    busy = totals.working
    ends = [(int(totals.first[busy].min()), int(totals.last[busy].max()))] if busy.any() else []
    ends += [ranks] if ranks else []
    began = min((start for start, _ in ends), default=0)
    return began, max(max((end for _, end in ends), default=1), began + 1)


def targets_finding(data: TargetsData) -> str:
    """Say what the strip shows: a straggler, or how the work lay on the targets."""
    work, totals = data.work, data.totals
    if work is None or totals is None:
        return "Where the bytes went isn't known"
    if not totals.working.any():
        return f"The {work.word}s did nothing"
    if data.late:
        return late_words(work.names, data.late, totals)
    slow = slow_words(work)
    if slow:
        return slow
    shares = share_words(work.names, work.word, totals.bytes, "bytes")
    if data.grown:
        return f"For each byte of the ranks the {work.word}s write {data.grown:.3g}; {shares}"
    busy = totals.working
    seconds = (int(totals.last[busy].max()) - int(totals.first[busy].min())) / 1e9
    together = f", together {format_rate(totals.bytes.sum() / seconds)}" if seconds else ""
    return shares[0].upper() + shares[1:] + together


def targets_alt(data: TargetsData) -> str:
    """Describe the picture for a reader who can't see it."""
    work, totals = data.work, data.totals
    if work is None or totals is None:
        return f"An empty picture: {NOBODY}."
    rows = [
        _row_words(name, data, row)
        for row, name in enumerate(work.names[:16])
        if totals.working[row]
    ]
    idle = [n for n, busy in zip(work.names, totals.working, strict=True) if not busy]
    none = f" Nothing at {', '.join(idle[:8])}." if idle else ""
    look = f", looks up to {format_seconds(work.look / 1e9)} apart" if work.look else ""
    return (
        f"Each {work.word} has one row, time runs to the right, for "
        f"{format_seconds(float(data.edges[-1]))}; the colour is {data.what} per second, "
        f"{work.whose}{look}. {'; '.join(rows)}.{none}"
    )


def _row_words(name: str, data: TargetsData, row: int) -> str:
    totals = data.totals
    assert totals is not None
    first, last = ((int(at[row]) - data.began) / 1e9 for at in (totals.first, totals.last))
    return (
        f"{name}: {readable(int(totals.bytes[row]))} in {totals.operations[row]:,} operations, "
        f"from {first:.3g} to {last:.3g} s"
    )


def plot_targets(
    data: TargetsData | Trace,
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw what each target did when.

    Parameters
    ----------
    data : TargetsData or Trace
        Of a trace, `options` are those of `targets_data`.
    ax : Axes, optional
        Draw without title and badge here.
    style : Style, optional
        Sizes of type and lines.
    """
    recipe = Recipe(targets_data, targets_finding, targets_alt, _draw, _height)
    return recipe.plot(data, ax, style, options)


def _height(data: TargetsData) -> float:
    return min(6.0, 2.2 + 0.5 * len(data.rate))


def _draw(data: TargetsData, ax: Axes) -> None:
    work = data.work
    if work is None or not len(data.rate):
        return empty(ax, NOBODY)
    most = float(data.rate.max()) or 1.0
    size, unit = byte_axis(most) if data.what == "bytes" else (1.0, "operations")
    ends = (0, data.edges[-1], len(data.rate) - 0.5, -0.5)
    shown: Any = {"aspect": "auto", "interpolation": "nearest", "cmap": "cividis"}
    image = ax.imshow(data.rate / size, extent=ends, vmin=0, vmax=most / size, **shown)
    figure = ax.get_figure()
    assert figure is not None
    figure.colorbar(image, ax=ax, label=f"{unit}/s", pad=0.02)
    step = -(-len(data.rate) // 24)
    ax.set_yticks(range(0, len(data.rate), step), work.names[::step])
    for edge in range(1, len(data.rate) if len(data.rate) <= 24 else 0):
        ax.axhline(edge - 0.5, color="white", lw=2)
    scale, name = time_axis(data.edges[-1])
    look = f", looks up to {format_seconds(work.look / 1e9)} apart" if work.look else ""
    ax.set(xlim=(0, data.edges[-1]), xlabel=f"{name}, {work.whose}{look}")
    scaled(ax.xaxis, scale)
    _mark_phases(data, ax)


def _mark_phases(data: TargetsData, ax: Axes) -> None:
    """Say above the strips what the ranks did meanwhile, from open to close."""
    for phase in data.phases:
        left, right = ((at - data.began) / 1e9 for at in (phase.start, phase.end))
        at = ax.get_xaxis_transform()
        ax.plot([left, right], [1.02, 1.02], color=INK, marker="|", transform=at, clip_on=False)
        if right - left > 0.06 * data.edges[-1]:
            middle = (left + right) / 2
            ax.text(middle, 1.04, f"ranks {phase.op}", transform=at, ha="center", va="bottom")
