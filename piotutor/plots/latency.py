"""How long transfers take: a histogram with its quantiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from piotutor.metrics import Latency, durations, quantiles
from piotutor.plots.style import (
    INK,
    Recipe,
    Style,
    badge,
    empty,
    handle,
    hatched,
    rank_looks,
    top_legend,
)
from piotutor.trace import Op, Trace
from piotutor.units import format_seconds

_PER_DECADE = 20
_PIECE = 8192  # durations looked at at a time, so that they stay in the processor's cache


@dataclass(frozen=True, eq=False)
class LatencyData:
    """What a latency histogram shows.

    Attributes
    ----------
    edges : numpy.ndarray
        Edges of the bins in seconds, evenly spaced in the logarithm.
    counts : dict
        ``write`` and ``read``, where they happened: transfers in each bin; every one counts.
    quantiles : dict
        `Latency` of each, from all durations, not from the bins.
    badge : str
        How it came about, and on what.
    """

    edges: np.ndarray
    counts: dict[str, np.ndarray]
    quantiles: dict[str, Latency]
    badge: str


def latency_data(trace: Trace, *, layer: int | None = None) -> LatencyData:
    """Compute a latency histogram of the transfers of one layer, by default the top one.

    Durations that the capture itself made longer (``INFLATED``) are left out.
    """
    found = {op.name.lower(): durations(trace, op, layer) for op in (Op.WRITE, Op.READ)}
    found = {op: took for op, took in found.items() if len(took)}
    low = min((int(took.min()) for took in found.values()), default=1000)
    high = max((int(took.max()) for took in found.values()), default=1_000_000)
    first = math.floor(math.log10(max(low, 1)) * _PER_DECADE)
    last = max(math.floor(math.log10(max(high, 1)) * _PER_DECADE) + 1, first + 1)
    edges = 10.0 ** (np.arange(first, last + 1) / _PER_DECADE)
    counts = {op: _histogram(took, first, edges) for op, took in found.items()}
    summary = {op: quantiles(took) for op, took in found.items()}
    known = {op: numbers for op, numbers in summary.items() if numbers is not None}
    return LatencyData(edges / 1e9, counts, known, badge(trace))


def _histogram(took: np.ndarray, first: int, edges: np.ndarray) -> np.ndarray:
    """Count durations in ns; what is below the first edge (0 ns) counts in the first bin."""
    whole = np.ceil(edges).astype(np.int64)
    counts = np.zeros(len(edges) - 1, np.int64)
    for start in range(0, len(took), _PIECE):
        piece = took[start : start + _PIECE]
        near = np.floor(np.log10(np.maximum(piece, 1)) * _PER_DECADE).astype(np.int64) - first
        place = np.clip(near, 0, len(counts) - 1)
        place -= (piece < whole[place]) & (place > 0)  # the logarithm is rounded
        place += piece >= whole[place + 1]
        counts += np.bincount(place, minlength=len(counts))
    return counts


def latency_finding(data: LatencyData) -> str:
    """Say how far the slow transfers are from the usual ones."""
    if not data.quantiles:
        return "Nothing was timed"
    op, numbers = max(data.quantiles.items(), key=lambda item: item[1].p99 / max(item[1].p50, 1e-9))
    usual, slow = format_seconds(numbers.p50), format_seconds(numbers.p99)
    return f"Half of the {op}s took at most {usual}, one in a hundred over {slow}"


def latency_alt(data: LatencyData) -> str:
    """Describe the picture for a reader who can't see it."""
    if not data.quantiles:
        return "An empty picture: the trace holds no timed transfers."
    parts = [
        f"{int(data.counts[op].sum()):,} {op}s: half took at most {format_seconds(n.p50)}, 95% at "
        f"most {format_seconds(n.p95)}, 99% at most {format_seconds(n.p99)}, the slowest "
        f"{format_seconds(n.max)}, the mean is {format_seconds(n.mean)}"
        for op, n in data.quantiles.items()
    ]
    return (
        "A histogram: the horizontal axis is the duration of one transfer, each step ten times "
        f"longer than the last; the vertical axis counts transfers. {'; '.join(parts)}."
    )


def plot_latency(
    data: LatencyData | Trace,
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw a latency histogram with its quantiles.

    Parameters
    ----------
    data : LatencyData or Trace
        Of a trace, `options` are those of `latency_data`.
    ax : Axes, optional
        Draw without title and badge here.
    style : Style, optional
        Sizes of type and lines.
    """
    recipe = Recipe(latency_data, latency_finding, latency_alt, _draw)
    return recipe.plot(data, ax, style, options)


def _draw(data: LatencyData, ax: Axes) -> None:
    if not data.counts:
        return empty(ax, "no timed transfers in the trace")
    looks = dict(zip(data.counts, rank_looks(range(2)), strict=False))
    tallest = max(int(count.max()) for count in data.counts.values())
    ax.set(xscale="log", xlim=(data.edges[0], 2 * data.edges[-1]), ylim=(0, 1.6 * tallest))
    for place, (op, count) in enumerate(data.counts.items()):
        ax.stairs(count, data.edges, fill=True, alpha=0.85, **hatched(looks[op]))
        heights = tallest * (1.55 - 0.08 * np.arange(3 * place, 3 * place + 3))
        _draw_quantiles(ax, data.quantiles[op], looks[op].color, heights)
    ax.xaxis.set_major_locator(LogLocator(10))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_seconds(value)))
    ax.set(xlabel="duration of one transfer", ylabel="transfers")
    top_legend(ax, [handle(look, op) for op, look in looks.items()])


def _draw_quantiles(ax: Axes, numbers: Latency, color: str, heights: np.ndarray) -> None:
    named = (("half", numbers.p50), ("95%", numbers.p95), ("99%", numbers.p99))
    for (name, value), height in zip(named, heights, strict=True):
        ax.vlines(value, 0, height, color=INK, lw=2.5)
        ax.vlines(value, 0, height, color=color, lw=1.5)
        ax.annotate(
            f"{name} {format_seconds(value)}",
            (value, height),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.5},
        )
