"""Bytes per second over time, by rank, with the phases as IOR counts them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from piotutor.metrics import PhaseResult, distinct, phases, top_layer, transfers
from piotutor.plots import bins
from piotutor.plots.style import (
    INK,
    Recipe,
    Style,
    badge,
    byte_axis,
    empty,
    hatched,
    rank_legend,
    rank_looks,
    scaled,
    time_axis,
)
from piotutor.trace import Layer, Op, Phase, Trace, phase_of
from piotutor.units import format_rate, format_size


@dataclass(frozen=True, eq=False)
class ThroughputData:
    """What a throughput picture shows.

    Attributes
    ----------
    edges : numpy.ndarray
        Edges of the time bins, in seconds since the first open; ``n + 1`` of them.
    ranks : numpy.ndarray
        Rank numbers, ascending.
    rate : dict
        ``write`` and ``read``, where they happened: bytes/s, shape (ranks, n). A transfer's
        bytes are spread evenly over its duration, so rate times bin width sums to all bytes.
    phases : list of PhaseResult
        The write and read phases.
    began : int
        Time 0 of the picture, in ns of the trace's clock.
    badge : str
        How it came about, and on what.
    """

    edges: np.ndarray
    ranks: np.ndarray
    rate: dict[str, np.ndarray]
    phases: list[PhaseResult]
    began: int
    badge: str


def throughput_data(trace: Trace, *, steps: int = 150, layer: int | None = None) -> ThroughputData:
    """Compute throughput over time.

    Parameters
    ----------
    trace : Trace
    steps : int
        Number of time bins.
    layer : Layer, optional
        Whose transfers: by default the top layer's; verification is left out.
    """
    layer = top_layer(trace) if layer is None else layer
    found = phases(trace)
    masks = {op: moved(trace, op, layer) for op in (Op.WRITE, Op.READ)}
    calls = {op: reach for op, mask in masks.items() if (reach := trace.span(mask))}
    ends = [*calls.values(), *((phase.start, phase.end) for phase in found)]
    began = min((start for start, _ in ends), default=0)
    span = max((end - began for _, end in ends), default=1) or 1
    rank = trace.column("rank")
    seen = (distinct(rank, masks[op]) for op in calls)
    ranks = np.unique(np.concatenate([rank[:0], *seen]))
    row = np.zeros(int(ranks.max(initial=0)) + 2, np.int64)
    row[ranks] = np.arange(len(ranks))

    def parts(op: Op) -> Iterator[bins.Amounts]:
        fields = trace.blocks(masks[op], "rank", "start", "end", "result")
        for rank, start, end, result in fields:
            first, last = ((time - began) * (steps / span) for time in (start, end))
            yield bins.Amounts(row[rank], first, last, np.maximum(result, 0))

    rate = {
        op.name.lower(): bins.spread(parts(op), (len(ranks), steps)) / (span / steps / 1e9)
        for op in calls
    }
    edges = np.linspace(0, span / 1e9, steps + 1)
    return ThroughputData(edges, ranks, rate, found, began, badge(trace))


def moved(trace: Trace, op: int, layer: int) -> np.ndarray:
    """Return the mask of the transfers of one kind, without verification."""
    mask = transfers(trace, op, layer)
    if layer == Layer.APP:
        aux = trace.column("aux")
        for key in distinct(aux, mask):
            if phase_of(key) in (Phase.VERIFY_WRITE, Phase.VERIFY_READ):
                mask &= aux != key
    return mask


def throughput_finding(data: ThroughputData) -> str:
    """Say how fast it was, and which way was faster."""
    if not data.phases:
        return "Nothing was transferred"
    best: dict[str, float] = {}
    for phase in data.phases:
        best[phase.op] = max(best.get(phase.op, 0.0), phase.bandwidth)
    text = " and ".join(f"{op} {format_rate(rate)}" for op, rate in best.items())
    slow, fast = min(best, key=lambda op: best[op]), max(best, key=lambda op: best[op])
    if len(best) > 1 and best[slow] > 0 and best[fast] >= 1.5 * best[slow]:
        text += f": {fast} is {best[fast] / best[slow]:.1f} times faster"
    many = "Best of all repetitions: " if len(data.phases) > len(best) else "From open to close: "
    return many + text


def throughput_alt(data: ThroughputData) -> str:
    """Describe the picture for a reader who can't see it."""
    if not data.rate:
        return "An empty picture: the trace holds no transfers."
    parts = []
    for op, rate in data.rate.items():
        total = rate.sum(axis=0)
        peak = int(total.argmax())
        parts.append(
            f"{op} peaks at {format_rate(total[peak])}, {data.edges[peak]:.3g} s after the start"
        )
    runs = "; ".join(
        f"{phase.op} {phase.repetition}: {format_size(phase.bytes)} in {phase.seconds:.3g} s, "
        f"{format_rate(phase.bandwidth)}"
        for phase in data.phases
    )
    return (
        "The horizontal axis is time, the vertical one bytes per second, stacked by rank: "
        f"{len(data.ranks)} ranks. {'; '.join(parts)}. Phases from open to close: {runs}."
    )


def plot_throughput(
    data: ThroughputData | Trace,
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw throughput over time.

    Parameters
    ----------
    data : ThroughputData or Trace
        Of a trace, `options` are those of `throughput_data`.
    ax : Axes, optional
        Draw without title and badge here.
    style : Style, optional
        Sizes of type and lines.
    """
    recipe = Recipe(throughput_data, throughput_finding, throughput_alt, _draw)
    return recipe.plot(data, ax, style, options)


def _draw(data: ThroughputData, ax: Axes) -> None:
    if not data.rate:
        return empty(ax, "no transfers in the trace")
    top = 0.0
    for rate in data.rate.values():
        base = np.zeros(rate.shape[1])
        for row, look in zip(rate, rank_looks(data.ranks), strict=True):
            ax.stairs(base + row, data.edges, baseline=base, fill=True, **hatched(look))
            base = base + row
        top = max(top, float(base.max()))
    ax.set(xlim=(0, data.edges[-1]), ylim=(0, 1.25 * top or 1.0))
    for place, phase in enumerate(data.phases):
        _draw_phase(ax, data, phase, top * (1.2 - 0.1 * (place % 2)))
    size, unit = byte_axis(1.25 * top)
    scale, name = time_axis(data.edges[-1])
    ax.set(xlabel=name, ylabel=f"{unit}/s")
    scaled(ax.xaxis, scale)
    scaled(ax.yaxis, size)
    rank_legend(ax, data.ranks, [Line2D([], [], color=INK, ls="--", label="open to close")])


def _draw_phase(ax: Axes, data: ThroughputData, phase: PhaseResult, height: float) -> None:
    """Draw the mean of a phase as a dashed line over its whole length."""
    left, right = (phase.start - data.began) / 1e9, (phase.end - data.began) / 1e9
    ax.hlines(phase.bandwidth, left, right, color="white", lw=5)
    ax.hlines(phase.bandwidth, left, right, color=INK, ls="--")
    ax.annotate(
        f"{phase.op} {format_rate(phase.bandwidth)}",
        ((left + right) / 2, height),
        ha="center",
        va="top",
        bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5},
    )
