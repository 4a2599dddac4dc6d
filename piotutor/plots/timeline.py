"""What each rank does, and when: open, transfer, sync, close, wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from piotutor.metrics import distinct, top_layer
from piotutor.plots import bins
from piotutor.plots.style import (
    KINDS,
    Look,
    Recipe,
    Style,
    badge,
    empty,
    handle,
    hatched,
    scaled,
    time_axis,
    top_legend,
)
from piotutor.trace import Flag, Op, Trace
from piotutor.units import format_seconds

_KIND_OF = {
    Op.OPEN: "open",
    Op.READ: "transfer",
    Op.WRITE: "transfer",
    Op.SYNC: "sync",
    Op.CLOSE: "close",
    Op.BARRIER: "wait",
}
_NAMES = tuple(KINDS)


@dataclass(frozen=True, eq=False)
class TimelineData:
    """What a timeline shows.

    Attributes
    ----------
    edges : numpy.ndarray
        Edges of the time bins, in seconds since the first call; ``n + 1`` of them.
    ranks : numpy.ndarray
        Rank numbers, ascending.
    kinds : tuple of str
        ``open, transfer, sync, close, wait``.
    busy : numpy.ndarray
        Seconds that each rank spent in each kind in each bin: shape (ranks, kinds, n). Exact:
        its sum is the time spent in all calls.
    badge : str
        How it came about, and on what.
    """

    edges: np.ndarray
    ranks: np.ndarray
    kinds: tuple[str, ...]
    busy: np.ndarray
    badge: str

    @property
    def shares(self) -> np.ndarray:
        """Share of the whole time that each rank spent in each kind: shape (ranks, kinds)."""
        shares: np.ndarray = self.busy.sum(axis=2) / max(float(self.edges[-1]), 1e-12)
        return shares


def timeline_data(trace: Trace, *, steps: int = 600, layer: int | None = None) -> TimelineData:
    """Compute how each rank spent its time.

    Parameters
    ----------
    trace : Trace
    steps : int
        Number of time bins.
    layer : Layer, optional
        Whose calls: by default the top layer's.
    """
    layer = top_layer(trace) if layer is None else layer
    table = np.full(256, -1, np.int8)
    for op, name in _KIND_OF.items():
        table[op] = _NAMES.index(name)
    rank = trace.column("rank")
    mask = trace.where(layer=layer, op=list(_KIND_OF), without=Flag.PART) & (rank >= 0)
    ranks = distinct(rank, mask)
    row = np.zeros(int(ranks.max(initial=-1)) + 1, np.int64)
    row[ranks] = np.arange(len(ranks)) * len(_NAMES)
    began, ended = trace.span(mask) or (0, 0)
    span = max(ended - began, 1)

    def parts() -> Iterator[bins.Amounts]:
        scale = steps / span
        for rank, op, start, end in trace.blocks(mask, "rank", "op", "start", "end"):
            first, last = (start - began) * scale, (end - began) * scale
            yield bins.Amounts(row[rank] + table[op], first, last, end - start)

    busy = bins.spread(parts(), (len(ranks) * len(_NAMES), steps))
    return TimelineData(
        np.linspace(0, span / 1e9, steps + 1),
        ranks,
        _NAMES,
        np.maximum(busy / 1e9, 0).reshape(len(ranks), len(_NAMES), steps),
        badge(trace),
    )


def timeline_finding(data: TimelineData) -> str:
    """Say on what the ranks spent most of their time, or who waits most."""
    if not len(data.ranks):
        return "Nobody did anything"
    shares = data.shares
    mean = shares.mean(axis=0)
    wait = shares[:, data.kinds.index("wait")]
    if wait.max() > 0.25 and wait.max() > 2 * wait.min():
        most, least = int(wait.argmax()), int(wait.argmin())
        text = f"Rank {data.ranks[most]} waits {wait[most]:.0%} of the time"
        return f"{text}, rank {data.ranks[least]} {wait[least]:.0%}"
    if mean.sum() < 0.5:
        return f"The ranks spend {1 - mean.sum():.0%} of the time between their I/O calls"
    best = int(mean.argmax())
    doing = {"open": "opening", "transfer": "transfers", "close": "closing", "wait": "waiting"}
    what = doing.get(data.kinds[best], data.kinds[best])
    return f"The ranks spend {mean[best]:.0%} of the time on {what}"


def timeline_alt(data: TimelineData) -> str:
    """Describe the picture for a reader who can't see it."""
    if not len(data.ranks):
        return "An empty picture: the trace holds no calls."
    rows = [
        f"rank {rank}: "
        + ", ".join(f"{kind} {share:.1%}" for kind, share in zip(data.kinds, shares, strict=True))
        for rank, shares in zip(data.ranks[:8], data.shares, strict=False)
    ]
    more = "" if len(data.ranks) <= 8 else f"; {len(data.ranks) - 8} more ranks follow"
    return (
        "Each rank has one row, time runs to the right, for "
        f"{format_seconds(float(data.edges[-1]))}. Shares of this time: {'; '.join(rows)}{more}. "
        "The rest is the program between its calls."
    )


def plot_timeline(
    data: TimelineData | Trace,
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw what each rank does, and when.

    Parameters
    ----------
    data : TimelineData or Trace
        Of a trace, `options` are those of `timeline_data`.
    ax : Axes, optional
        Draw without title and badge here.
    style : Style, optional
        Sizes of type and lines.
    """
    recipe = Recipe(timeline_data, timeline_finding, timeline_alt, _draw, _height)
    return recipe.plot(data, ax, style, options)


def _height(data: TimelineData) -> float:
    return min(6.0, 2.4 + 0.45 * len(data.ranks))


def _draw(data: TimelineData, ax: Axes) -> None:
    if not len(data.ranks):
        return empty(ax, "no calls in the trace")
    _draw_few(data, ax) if len(data.ranks) <= 16 else _draw_many(data, ax)
    scale, name = time_axis(data.edges[-1])
    step = -(-len(data.ranks) // 16)
    names = [f"rank {rank}" for rank in data.ranks[::step]]
    ax.set(xlim=(0, data.edges[-1]), ylim=(len(data.ranks) - 0.5, -0.5), xlabel=name)
    ax.set_yticks(range(0, len(data.ranks), step), names)
    scaled(ax.xaxis, scale)
    top_legend(ax, [handle(Look(*KINDS[kind]), kind) for kind in data.kinds])


def _draw_few(data: TimelineData, ax: Axes) -> None:
    """Stack each bin's kinds in the rank's row: a full row means a rank that is never idle."""
    width = data.edges[1] - data.edges[0]
    for row, busy in enumerate(data.busy):
        base = np.full(busy.shape[1], row + 0.42)
        for kind, seconds in zip(data.kinds, busy, strict=True):
            top = base - 0.84 * seconds / width
            ax.stairs(top, data.edges, baseline=base, fill=True, **hatched(Look(*KINDS[kind])))
            base = top


def _draw_many(data: TimelineData, ax: Axes) -> None:
    """Mix the kinds' colours in each bin, in proportion."""
    width = data.edges[1] - data.edges[0]
    colors = np.array([to_rgba(KINDS[kind][0])[:3] for kind in data.kinds])
    share = np.clip(data.busy / width, 0, 1)
    idle = 1 - np.clip(share.sum(axis=1), 0, 1)[..., None]
    image = np.clip(np.einsum("rkn,kc->rnc", share, colors) + idle, 0, 1)
    ends = (0, data.edges[-1], len(data.ranks) - 0.5, -0.5)
    ax.imshow(image, extent=ends, aspect="auto", interpolation="nearest")
