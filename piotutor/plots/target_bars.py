"""Targets side by side: bytes and operations of each, and when each had its last byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from piotutor.metrics_targets import (
    Straggler,
    TargetWork,
    Totals,
    imbalance,
    main_op,
    rank_phases,
    slowest,
    straggler,
    target_work,
)
from piotutor.plots import style as looks
from piotutor.plots.style import INK, Recipe, Style, badge, byte_axis, empty, scaled
from piotutor.plots.target_words import (
    EVEN,
    NOBODY,
    late_words,
    share_words,
    slow_words,
    table_words,
)
from piotutor.trace import Trace
from piotutor.units import format_seconds

_MANY = 24  # names under bars
_KINDS = {"write": looks.Look("#0072B2", ""), "read": looks.Look("#E69F00", "//")}
_LABELS = {"write": "written", "read": "read"}


@dataclass(frozen=True, eq=False)
class TotalsData:
    """What bars of targets show.

    Attributes
    ----------
    work : TargetWork or None
        What targets did; None where nobody told.
    totals : Totals or None
        Of reads and writes together.
    by_op : dict
        The same apart: ``write`` and ``read``, where there were any.
    badge : str
        How it came about, and on what.
    """

    work: TargetWork | None
    totals: Totals | None
    by_op: dict[str, Totals]
    badge: str

    @property
    def imbalance(self) -> tuple[float, float]:
        """Return the largest share over the even one, of bytes and of operations."""
        if self.totals is None:
            return 1.0, 1.0
        return imbalance(self.totals.bytes), imbalance(self.totals.operations)


def target_totals_data(trace: Trace) -> TotalsData:
    """Sum up what each target did."""
    work = target_work(trace)
    if work is None:
        return TotalsData(None, None, {}, badge(trace))
    apart = {op: work.totals(op) for op in _KINDS}
    kept = {op: totals for op, totals in apart.items() if totals.operations.any()}
    return TotalsData(work, work.totals(), kept, badge(trace))


def target_totals_finding(data: TotalsData) -> str:
    """Say how evenly bytes and operations lie on the targets."""
    work, totals = data.work, data.totals
    if work is None or totals is None:
        return "Where the bytes went isn't known"
    if not totals.operations.any():
        return f"The {work.word}s did nothing"
    names = work.names
    text = share_words(names, work.word, totals.bytes, "bytes")
    if data.imbalance[1] > EVEN * data.imbalance[0]:
        text += f"; {share_words(names, work.word, totals.operations, 'operations')}"
    told = f" (imbalance {data.imbalance[0]:.2f})"
    return text[0].upper() + text[1:] + told * (len(names) > 1)


def target_totals_alt(data: TotalsData) -> str:
    """Describe the picture for a reader who can't see it."""
    if data.work is None or data.totals is None:
        return f"An empty picture: {NOBODY}."
    even = data.totals.bytes.sum() / max(len(data.work.names), 1)
    return (
        f"Bars of bytes, and of operations, of each {data.work.word}, {data.work.whose}; a line at "
        f"the even share, {even:,.0f} bytes; imbalance is the largest share over the even one. "
        f"{table_words(data.work, data.totals)}."
    )


def plot_target_totals(
    data: TotalsData | Trace, *, ax: Axes | None = None, style: Style | None = None
) -> Figure:
    """Draw bytes and operations of each target.

    Parameters
    ----------
    data : TotalsData or Trace
    ax : Axes, optional
        Draw only the bytes, without title and badge, here.
    style : Style, optional
        Sizes of type and lines.
    """
    recipe = Recipe(
        target_totals_data,
        target_totals_finding,
        target_totals_alt,
        _draw_bars,
        lambda _data: 4.0,
        _draw_panels,
    )
    return recipe.plot(data, ax, style, {})


def _draw_panels(data: TotalsData, figure: Figure) -> None:
    for panel, what in zip(figure.subplots(1, 2), ("bytes", "operations"), strict=True):
        _draw_bars(data, panel, what)


def _draw_bars(data: TotalsData, ax: Axes, what: str = "bytes") -> None:
    work, totals = data.work, data.totals
    if work is None or totals is None:
        return empty(ax, NOBODY)
    place = np.arange(len(work.targets))
    base = np.zeros(len(place))
    for op, part in data.by_op.items():
        values = getattr(part, what)
        ax.bar(place, values, 0.8, base, **looks.hatched(_KINDS[op], label=_LABELS[op]))
        base = base + values
    even = base.sum() / max(len(place), 1)
    line = ax.axhline(even, color=INK, ls="--")
    size, unit = byte_axis(float(base.max(initial=1))) if what == "bytes" else (1.0, what)
    ax.set(xlim=(-0.6, len(place) - 0.4), ylim=(0, 1.05 * float(base.max(initial=0)) or 1))
    ax.set(ylabel=unit, xlabel=f"{work.word}, {work.whose}")
    step = -(-len(place) // (_MANY // 2))
    ax.set_xticks(place[::step], [str(number) for number in work.targets[::step]])
    if what == "bytes":
        scaled(ax.yaxis, size)
    else:
        ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    kinds = [looks.handle(_KINDS[op], _LABELS[op]) for op in data.by_op]
    even_line = Line2D([], [], color=line.get_color(), ls="--", label="even share")
    looks.top_legend(ax, [*kinds, even_line], 3)


@dataclass(frozen=True, eq=False)
class StragglerData:
    """What the picture of the straggler shows.

    Attributes
    ----------
    op : str
        ``write`` or ``read``.
    work : TargetWork or None
        What targets did; None where nobody told.
    totals : Totals or None
        Of this kind of transfers.
    both : Totals or None
        Of reads and writes together: only of these it is known how long they took.
    late : Straggler or None
        A target that was done long after all others; None where no single one was.
    badge : str
        How it came about, and on what.
    """

    op: str
    work: TargetWork | None
    totals: Totals | None
    both: Totals | None
    late: Straggler | None
    badge: str

    @property
    def began(self) -> int:
        """When the first byte began on any target, in ns."""
        return int(self.totals.first.min(initial=2**62)) if self.totals is not None else 0

    @property
    def busy(self) -> np.ndarray:
        """From when to when each target had bytes, in seconds: shape (targets, 2); 0 where none."""
        if self.totals is None:
            return np.zeros((0, 2))
        ends = np.stack([self.totals.first, self.totals.last], axis=1)
        return np.where(self.totals.working[:, None], (ends - self.began) / 1e9, 0.0)


def straggler_data(trace: Trace, *, op: str | None = None) -> StragglerData:
    """Compute when each target had its last byte.

    Parameters
    ----------
    trace : Trace
    op : str, optional
        ``write`` or ``read``; by default writes, where there are any.
    """
    work = target_work(trace)
    if work is None:
        return StragglerData(op or "write", None, None, None, None, badge(trace))
    op = op or main_op(work)
    totals = work.totals(op)
    late = straggler(work, op, rank_phases(trace))
    return StragglerData(op, work, totals, work.totals(), late, badge(trace))


def straggler_finding(data: StragglerData) -> str:
    """Say who kept the run waiting, if the data say so."""
    work, totals = data.work, data.totals
    if work is None or totals is None:
        return "Where the bytes went isn't known"
    done = np.flatnonzero(totals.working)
    if not len(done):
        return f"The {work.word}s did nothing of the kind: {data.op}"
    if len(done) == 1:
        return f"{work.names[done[0]]} has all the bytes: nobody else to wait for"
    if data.late:
        return late_words(work.names, data.late, totals)
    slow = slow_words(work)
    if slow:
        return slow
    ends = data.busy[done, 1]
    apart = max(float(ends.max() - ends.min()), work.look / 1e9)
    near = f"within {format_seconds(apart)} of each other" if apart else "at the same moment"
    return f"No straggler: all {len(done)} {work.word}s had their last byte {near}"


def straggler_alt(data: StragglerData) -> str:
    """Describe the picture for a reader who can't see it."""
    work, totals = data.work, data.totals
    if work is None or totals is None:
        return f"An empty picture: {NOBODY}."
    rows = [
        f"{name}: last byte after {end:.3g} s{_mean_words(data, row)}"
        for row, (name, (_, end)) in enumerate(zip(work.names, data.busy, strict=True))
        if totals.working[row]
    ]
    look = f" Moments are known to {format_seconds(work.look / 1e9)}." if work.look else ""
    return (
        f"A bar for each {work.word}, from its first byte ({data.op}) to its last, {work.whose}. "
        f"{'; '.join(rows[:16])}.{look}"
    )


def _mean_words(data: StragglerData, row: int) -> str:
    both = data.both
    if both is None or both.took[row] < 0 or not both.operations[row]:
        return ""
    return f", {format_seconds(both.took[row] / both.operations[row] / 1e9)} an operation"


def plot_straggler(
    data: StragglerData | Trace,
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw when each target had its last byte.

    Parameters
    ----------
    data : StragglerData or Trace
        Of a trace, `options` are those of `straggler_data`.
    ax : Axes, optional
        Draw without title and badge here.
    style : Style, optional
        Sizes of type and lines.
    """
    recipe = Recipe(straggler_data, straggler_finding, straggler_alt, _draw_straggler, _height)
    return recipe.plot(data, ax, style, options)


def _height(data: StragglerData) -> float:
    return min(6.0, 2.2 + 0.4 * len(data.busy))


def _draw_straggler(data: StragglerData, ax: Axes) -> None:
    work, totals = data.work, data.totals
    if work is None or totals is None:
        return empty(ax, NOBODY)
    late = data.late or slowest(work)
    span = float(data.busy.max(initial=0)) or 1.0
    for row, (first, last) in enumerate(data.busy):
        stands_out = late is not None and row == late.row
        kind = looks.Look("#D55E00", "//") if stands_out else _KINDS["write"]
        if totals.working[row]:
            width = max(last - first, 0.002 * span)
            ax.barh(row, width, 0.7, first, **looks.hatched(kind))
            told = f"{format_seconds(float(last))}{_mean_words(data, row)}"
        else:
            told = "no bytes"
        if stands_out or len(data.busy) <= _MANY:
            ax.text(last + 0.01 * span, row, told, va="center")
    scale, name = looks.time_axis(span)
    step = -(-len(data.busy) // _MANY)
    ax.set_yticks(range(0, len(data.busy), step), work.names[::step])
    ax.set(xlim=(0, 1.3 * span), ylim=(len(data.busy) - 0.5, -0.5))
    verb = {"write": "written", "read": "read"}[data.op]
    ax.set_xlabel(f"{name} from the first byte {verb} to the last, {work.whose}")
    scaled(ax.xaxis, scale)
