"""Transfers under the stripes of their file: which rank's touch which targets, which cross."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from piotutor import layout as layouts
from piotutor.layout import Target
from piotutor.metrics import few
from piotutor.metrics_targets import file_of, stripe_maps
from piotutor.plots import style as looks
from piotutor.plots.access_map import chosen
from piotutor.plots.extents import EXACT
from piotutor.plots.style import GRID, INK, Recipe, Style, byte_axis, empty, scaled
from piotutor.plots.target_words import readable, target_looks
from piotutor.stripemap import StripeMap, Stripes
from piotutor.trace import Trace
from piotutor.units import format_count, format_size

STRIPES, MOST = 24, 48
"""Stripes drawn of a long file, and how many a file may have to be drawn whole."""
_NOTHING = "where the file's stripes lie isn't known"


@dataclass(frozen=True, eq=False)
class StripeAccessData:
    """What the map of transfers under stripes shows.

    Attributes
    ----------
    op : str
        ``write`` or ``read``.
    map : StripeMap or None
        Where the file's bytes lie; None where nobody told.
    stripes : Stripes
        The stripes in the window.
    window : tuple of int
        From where to where in the file transfers are drawn.
    operations, crossing : int
        All transfers, and those of them that cross a boundary of stripes.
    lengths : list of int
        Their different lengths, at most three of them.
    ranks : numpy.ndarray
        Rank numbers, ascending.
    offset, length, rank, crosses : numpy.ndarray
        The transfers in the window: bytes, row in `ranks`, whether it crosses.
    badge : str
        How it came about, and on what.
    """

    op: str
    map: StripeMap | None
    stripes: Stripes
    window: tuple[int, int]
    operations: int
    crossing: int
    lengths: list[int]
    ranks: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    rank: np.ndarray
    crosses: np.ndarray
    badge: str

    @property
    def whole(self) -> bool:
        """Whether all of the file is drawn."""
        return self.map is None or self.window == (0, self.map.size)

    @property
    def targets(self) -> list[Target]:
        """All targets of the file."""
        return [] if self.map is None else self.map.targets


@dataclass
class _Found:
    """What one pass over the transfers gathers."""

    operations: int = 0
    crossing: int = 0
    lengths: set[int] = field(default_factory=set)
    ranks: set[int] = field(default_factory=set)
    parts: list[np.ndarray] = field(default_factory=list)

    def add(self, one: StripeMap, columns: tuple[np.ndarray, ...], low: int, high: int) -> None:
        offset, length, rank = columns
        crosses = layouts.crossings(one.layout, offset, length) > 0
        self.operations += len(offset)
        self.crossing += int(np.count_nonzero(crosses))
        self.ranks.update(few(rank).tolist())
        if len(self.lengths) < 4:
            self.lengths.update(few(length)[:4].tolist())
        some = (offset < high) & (offset + length > low)
        if some.any():
            self.parts.append(np.stack([offset, length, rank, crosses])[:, some])


def stripe_map_data(
    trace: Trace,
    *,
    op: str | None = None,
    repetition: int | None = None,
    layer: int | None = None,
    file: int = 0,
    window: tuple[int, int] | None = None,
) -> StripeAccessData:
    """Compute which transfers lie on which stripes.

    Parameters
    ----------
    trace : Trace
        Of a run that knows its files' maps.
    op : str, optional
        ``write`` or ``read``; by default writes, where there are any.
    repetition : int, optional
        By default the first.
    layer : Layer, optional
        Whose transfers: by default the top layer's, what the ranks asked for.
    file : int
        Which of the files that have maps.
    window : tuple of int, optional
        From where to where in the file transfers are drawn; by default all of a short file and the
        first stripes of a long one, fewer where there are more transfers than can be drawn.
        What is counted is always the whole.
    """
    op, mask = chosen(trace, op, repetition, layer)
    maps = stripe_maps(trace)
    one = maps[file] if 0 <= file < len(maps) else None
    number = None if one is None else file_of(trace, one)
    low, high = (0, 0) if one is None else window or _window(one.stripes)
    found = _Found()
    if one is not None and number is not None:
        for part in _transfers(trace, mask, number):
            found.add(one, part, low, high)
    drawn = np.concatenate([np.zeros((4, 0), np.int64), *found.parts], axis=1)
    if window is None and drawn.shape[1] > EXACT:
        high = int(np.sort(drawn[0])[EXACT])
        drawn = drawn[:, drawn[0] < high]
    ranks = np.array(sorted(found.ranks), np.int64)
    offset, length, rank, crosses = drawn
    return StripeAccessData(
        op=op,
        map=one,
        stripes=_between(one, low, high),
        window=(low, high),
        operations=found.operations,
        crossing=found.crossing,
        lengths=sorted(found.lengths)[:3],
        ranks=ranks,
        offset=offset,
        length=length,
        rank=np.searchsorted(ranks, rank),
        crosses=crosses.astype(bool),
        badge=looks.badge(trace),
    )


def _transfers(trace: Trace, mask: np.ndarray, number: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield offset, length and rank of the transfers of one file."""
    for file, *columns in trace.blocks(mask, "file", "offset", "length", "rank"):
        some = file == number
        if some.any():
            yield tuple(column[some] for column in columns)


def _window(stripes: Stripes) -> tuple[int, int]:
    """Choose what is drawn: all of a short file, the first stripes of a long one."""
    last = len(stripes.offset) - 1 if len(stripes.offset) <= MOST else STRIPES - 1
    return 0, int(stripes.offset[last] + stripes.length[last]) if last >= 0 else 0


def _between(one: StripeMap | None, low: int, high: int) -> Stripes:
    if one is None:
        return Stripes(*[np.zeros(0, np.int64)] * 5)
    some = (one.stripes.offset < high) & (one.stripes.offset + one.stripes.length > low)
    return Stripes(*(column[some] for column in one.stripes))


def stripe_map_finding(data: StripeAccessData) -> str:
    """Say how many transfers cross a boundary of stripes."""
    if data.map is None:
        return f"{_NOTHING[0].upper()}{_NOTHING[1:]}"
    if not data.operations:
        return f"Nothing was transferred: no {data.op}s of this file"
    size = f" of {format_size(data.lengths[0])}" if len(data.lengths) == 1 else ""
    plural = data.op + "s" * (data.operations != 1)
    many = f"{format_count(data.operations)} {plural}{size}"
    if not data.crossing:
        return f"None of {many} crosses a stripe boundary: each asks one {data.map.word}"
    if data.crossing == data.operations:
        return f"All {many} cross a stripe boundary: each asks for two stripes or more"
    return f"{format_count(data.crossing)} of {many} cross a stripe boundary"


def stripe_map_alt(data: StripeAccessData) -> str:
    """Describe the picture for a reader who can't see it."""
    if data.map is None or not data.operations:
        return "An empty picture: no transfers under stripes that are known."
    places = ", ".join(
        f"{format_size(int(offset)) if offset else 0}: {data.map.word} {target}"
        for offset, target in list(zip(data.stripes.offset, data.stripes.target, strict=True))[:8]
    )
    rows = "; ".join(
        f"rank {data.ranks[rank]}: {length:,} bytes at {offset:,}{' (crosses)' * bool(crosses)}"
        for offset, length, rank, crosses in list(
            zip(data.offset, data.length, data.rank, data.crosses, strict=True)
        )[:8]
    )
    return (
        f"The horizontal axis is the offset in the file, {_part(data)}. A band above shows the "
        f"stripes and their {data.map.word}s ({data.map.source}): {places}. Below, each rank has a "
        f"row with its {data.op}s, those that cross a boundary framed: {rows}."
    )


def _part(data: StripeAccessData) -> str:
    if data.whole or data.map is None:
        return "all of it"
    (low, high), size = data.window, readable(data.map.size)
    shown = f"{readable(low)} to {readable(high)}" if low else f"the first {readable(high)}"
    return f"{shown} of {size}; all are counted"


def plot_stripe_map(
    data: StripeAccessData | Trace,
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw transfers under the stripes of their file.

    Parameters
    ----------
    data : StripeAccessData or Trace
        Of a trace, `options` are those of `stripe_map_data`.
    ax : Axes, optional
        Draw without title and badge here.
    style : Style, optional
        Sizes of type and lines.
    """
    recipe = Recipe(stripe_map_data, stripe_map_finding, stripe_map_alt, _draw, _height)
    return recipe.plot(data, ax, style, options)


def _height(data: StripeAccessData) -> float:
    return min(7.0, 2.8 + 0.35 * len(data.ranks))


def _draw(data: StripeAccessData, ax: Axes) -> None:
    if data.map is None or not data.operations:
        return empty(ax, stripe_map_finding(data))
    low, high = data.window
    tall = max(0.7, len(data.ranks) / 16)
    ax.set(xlim=(low, high), ylim=(len(data.ranks) - 0.5, -1.05 - tall))
    _draw_band(data, ax, tall)
    for row, look in enumerate(looks.rank_looks(data.ranks)):
        for crosses in (False, True):
            mine = (data.rank == row) & (data.crosses == crosses)
            _draw_transfers(data, ax, row, look, mine, crosses)
    step = -(-len(data.ranks) // 16)
    names = [f"rank {rank}" for rank in data.ranks[::step]]
    ax.set_yticks([-0.8 - tall / 2, *range(0, len(data.ranks), step)], [f"{data.map.word}", *names])
    size, unit = byte_axis(high - low)
    part = "" if data.whole else f"; {_part(data)}"
    ax.set_xlabel(f"offset in the file ({unit}){part}")
    scaled(ax.xaxis, size)
    frame = looks.handle(looks.Look("#FFFFFF", ""), f"{data.op} that crosses a stripe boundary")
    frame.set(edgecolor=INK, linewidth=1.8)
    looks.top_legend(ax, [frame])


def _draw_band(data: StripeAccessData, ax: Axes, tall: float) -> None:
    """Draw the stripes in the colours of their targets, and their boundaries down to the ranks."""
    palette = dict(zip(data.targets, target_looks(len(data.targets)), strict=True))
    low, high = data.window
    stripes = data.stripes
    for offset, length, target in zip(
        stripes.offset.tolist(), stripes.length.tolist(), stripes.target.tolist(), strict=True
    ):
        ax.broken_barh([(offset, length)], (-0.8 - tall, tall), facecolor=palette[target].color)
        ax.axvline(offset, color=GRID, lw=0.8, zorder=0)
        middle = (max(offset, low) + min(offset + length, high)) / 2
        if length > (high - low) / (2 * STRIPES + 2):
            white = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.0}
            ax.text(middle, -0.8 - tall / 2, str(target), ha="center", va="center", bbox=white)


def _draw_transfers(
    data: StripeAccessData,
    ax: Axes,
    row: int,
    look: looks.Look,
    mine: np.ndarray,
    crosses: bool,
) -> None:
    """Draw one rank's transfers; those that cross are framed and a little taller."""
    left, right = data.offset[mine], data.offset[mine] + data.length[mine]
    half = 0.4 if crosses else 0.33
    top, bottom = np.full(len(left), row - half), np.full(len(left), row + half)
    corners = np.stack([left, top, left, bottom, right, bottom, right, top], axis=1)
    wide = len(left) < EXACT / 20
    shapes = PolyCollection(
        list(corners.reshape(-1, 4, 2).astype(float)),
        facecolor=look.color,
        edgecolor=INK if crosses else "white" if wide else look.color,
        hatch=look.hatch if wide else "",
        lw=1.8 if crosses and wide else 0.7,
        zorder=3 if crosses else 2,
    )
    ax.add_collection(shapes)
