"""Which rank touched which bytes, and when: offset against time, or rank against offset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from piotutor.metrics import distinct, top_layer
from piotutor.plots import style
from piotutor.plots.extents import (
    SHAPE,
    AccessData,
    Extents,
    access_alt,
    access_finding,
    extents_data,
)
from piotutor.plots.style import Recipe, Style
from piotutor.trace import Flag, Layer, Op, Phase, Trace, phase_of, repetition_of
from piotutor.units import format_size

_LINES = 200  # more grid lines than these would be a grey area


def chosen(
    trace: Trace, op: str | None, repetition: int | None, layer: int | None = None
) -> tuple[str, np.ndarray]:
    """Choose the transfers to draw: one kind, one repetition, the extents of strided calls.

    Parameters
    ----------
    trace : Trace
    op : str, optional
        ``write`` or ``read``; by default writes, where there are any.
    repetition : int, optional
        By default the first.
    layer : Layer, optional
        Whose transfers: by default the top layer's.

    Returns
    -------
    op : str
    mask : numpy.ndarray
        Verification is left out, and each call whose extents are known.
    """
    layer = top_layer(trace) if layer is None else layer
    if op is None:
        op = "write" if trace.where(layer=layer, op=Op.WRITE).any() else "read"
    mask = trace.where(layer=layer, op=Op[op.upper()])
    if layer == Layer.APP:
        mask = _one_repetition(trace.column("aux"), mask, repetition)
    mask &= trace.records["offset"] >= 0
    extents = mask & ~trace.where(without=Flag.PART)
    if extents.any():
        parents = trace.records["parent"][extents]
        mask[parents[parents >= 0]] = False
    return op, mask


def _one_repetition(aux: np.ndarray, mask: np.ndarray, repetition: int | None) -> np.ndarray:
    keys = distinct(aux, mask)
    checks = np.isin(phase_of(keys), (Phase.VERIFY_WRITE, Phase.VERIFY_READ))
    turns = repetition_of(keys)
    first = int(turns[~checks].min(initial=turns.max(initial=0)))
    wanted = keys[~checks & (turns == (first if repetition is None else repetition))]
    if len(wanted) == len(keys):
        return mask
    return mask & (aux == wanted[0] if len(wanted) == 1 else np.isin(aux, wanted))


def access_map_data(
    trace: Trace,
    *,
    op: str | None = None,
    against: str = "time",
    repetition: int | None = None,
    layer: int | None = None,
    grid: int | None = None,
    grid_name: str = "page",
    shape: tuple[int, int] = SHAPE,
) -> AccessData:
    """Compute an access map.

    Parameters
    ----------
    trace : Trace
    op : str, optional
        ``write`` or ``read``; by default writes, where there are any.
    against : str
        ``time`` (offset over time) or ``rank`` (one row for each rank).
    repetition : int, optional
        By default the first.
    layer : Layer, optional
        Whose transfers: by default the top layer's.
    grid : int, optional
        Bytes of a page, stripe or lock unit, for grid lines and the share of unaligned records.
    grid_name : str
        What a unit of the grid is called.
    shape : tuple
        Rows and columns of cells, where there are more transfers than `EXACT`.
    """
    op, mask = chosen(trace, op, repetition, layer)
    began = int(trace.records["start"][mask.argmax()]) if mask.any() else 0
    names, base = _places(trace, mask, stacked=against == "time")

    def parts() -> Iterator[Extents]:
        names = ("file", "start", "end", "offset", "length", "rank")
        for file, start, end, offset, length, rank in trace.blocks(mask, *names):
            place = offset + base[file + 1] if base.any() else offset
            yield Extents(start - began, end - began, place, length, rank)

    return extents_data(
        parts,
        op=op,
        against=against,
        files=names,
        grid=grid,
        grid_name=grid_name,
        shape=shape,
        badge=style.badge(trace),
    )


def _places(trace: Trace, mask: np.ndarray, stacked: bool) -> tuple[list[str], np.ndarray]:
    """Name the files touched, and say where each begins when `stacked` one after another."""
    ends = np.full(len(trace.files) + 1, -1)
    if len(trace.files) < 2:
        ends[1:] = 0
    else:
        for file, offset, length in trace.blocks(mask, "file", "offset", "length"):
            np.maximum.at(ends, file.astype(np.int64) + 1, offset + length)
    touched = np.flatnonzero(ends >= 0)
    names = [PurePath(trace.files[n - 1]).name if n else "?" for n in touched]
    sizes = np.maximum(ends, 0)
    base = np.cumsum(sizes) - sizes if stacked else np.zeros_like(sizes)
    return names, base


def plot_access_map(
    data: AccessData | Trace, *, ax: Axes | None = None, style: Style | None = None, **options: Any
) -> Figure:
    """Draw an access map.

    Parameters
    ----------
    data : AccessData or Trace
        Of a trace, `options` are those of `access_map_data`.
    ax : Axes, optional
        Draw only the map, without lens, title and badge, here.
    style : Style, optional
        Sizes of type and lines.
    """
    recipe = Recipe(access_map_data, access_finding, access_alt, _draw_map, panels=_draw_panels)
    return recipe.plot(data, ax, style, options)


def _draw_panels(data: AccessData, figure: Figure) -> None:
    main, lens = figure.subplots(1, 2, width_ratios=[2.4, 1])
    _draw_map(data, main)
    _draw_lens(data, lens)


def _draw_map(data: AccessData, ax: Axes) -> None:
    size, unit = style.byte_axis(data.size)
    place = "offset in the file" if len(data.files) < 2 else "offset in its own file"
    if not data.operations:
        return style.empty(ax, "no transfers of this kind in the trace")
    if data.against == "rank":
        ax.set(xlim=(0, data.size or 1), ylim=(len(data.ranks) - 0.5, -0.5))
        ax.set(xlabel=f"{place} ({unit})")
        _rank_ticks(ax, data.ranks)
        style.scaled(ax.xaxis, size)
        lines: Any = ax.axvline
    else:
        place = "offset in the file" if len(data.files) < 2 else "offset, file after file"
        scale, name = style.time_axis(data.seconds)
        ax.set(xlim=(0, data.seconds or 1.0), ylim=(0, data.size or 1))
        ax.set(xlabel=name, ylabel=f"{place} ({unit})")
        style.scaled(ax.xaxis, scale)
        style.scaled(ax.yaxis, size)
        lines = ax.axhline
    if data.grid and data.size / data.grid <= _LINES / 4:
        for edge in range(data.grid, data.size, data.grid):
            lines(edge, color=style.GRID, lw=0.6, zorder=0)
    _draw_extents(data, ax) if data.extents is not None else _draw_cover(data, ax)
    _legend(data, ax)


def _draw_extents(data: AccessData, ax: Axes) -> None:
    """Draw each transfer as a rectangle, at least a line thick so that none is lost."""
    extents = data.extents
    assert extents is not None
    low, high = extents.offset, extents.offset + extents.length
    wide = data.against == "rank" and int(extents.length.min()) * 100 > data.size
    for row, look in enumerate(style.rank_looks(data.ranks)):
        mine = extents.rank == row
        if data.against == "rank":
            y = np.full(int(mine.sum()), float(row))
            box = (low[mine], high[mine], y - 0.4, y + 0.4)
        else:
            box = (extents.start[mine], extents.end[mine], low[mine], high[mine])
        corners = np.stack([box[0], box[2], box[0], box[3], box[1], box[3], box[1], box[2]], axis=1)
        shapes = PolyCollection(
            list(corners.reshape(-1, 4, 2)),
            facecolor=look.color,
            edgecolor="white" if wide else look.color,
            hatch=look.hatch if wide else "",
            lw=0.7,
        )
        ax.add_collection(shapes)


def _draw_cover(data: AccessData, ax: Axes) -> None:
    """Draw who touched each cell; cells of several ranks are dark grey."""
    assert data.cover is not None
    colors = [to_rgba(look.color) for look in style.rank_looks(data.ranks)]
    table = np.array([*colors, to_rgba(style.SEVERAL), (1, 1, 1, 0)])
    image = table[data.cover.owner]  # -1: nobody, -2: several
    top = (-0.5, len(data.ranks) - 0.5) if data.against == "rank" else (0, data.size)
    right = data.size if data.against == "rank" else data.seconds
    ax.imshow(
        image, extent=(0, right, *top), origin="lower", aspect="auto", interpolation="nearest"
    )
    if data.against == "rank":
        ax.set_ylim(len(data.ranks) - 0.5, -0.5)


def _rank_ticks(ax: Axes, ranks: np.ndarray) -> None:
    step = -(-len(ranks) // 16)
    ax.set_yticks(range(0, len(ranks), step), [f"rank {rank}" for rank in ranks[::step]])


def _draw_lens(data: AccessData, ax: Axes) -> None:
    """Draw the first records of the file large, with their lengths in bytes."""
    lens = data.lens
    if not len(lens.offset):
        return style.empty(ax, "nothing to look at")
    low, high = int(lens.offset[0]), int((lens.offset + lens.length).max())
    size, unit = style.byte_axis(high - low)
    looks = style.rank_looks(data.ranks)
    for offset, length, rank in zip(*lens[2:], strict=True):
        ax.bar(0.5, length, 0.8, offset, **style.hatched(looks[rank]))
        ax.hlines([offset, offset + length], 0.1, 0.9, color="black", lw=1.5)
        ax.text(
            0.5,
            offset + length / 2,
            f"rank {data.ranks[rank]}: {format_size(int(length))}",
            ha="center",
            va="center",
            bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5},
        )
    ax.set(xlim=(0, 1), ylim=(low, max(high, low + 1)), xticks=[], ylabel=f"offset ({unit})")
    style.scaled(ax.yaxis, size)
    ax.set_title(f"lens: the first {len(lens.rank)} records")
    if data.grid and (high - low) / data.grid <= _LINES:
        first = -(-low // data.grid) * data.grid
        for edge in range(first, high + 1, data.grid):
            ax.axhline(edge, color="black", lw=0.5)
        ax.set_xlabel(f"lines: {data.grid_name}s of {format_size(data.grid)}")


def _legend(data: AccessData, ax: Axes) -> None:
    """Name the colours, unless the rows already do."""
    several = data.cover is not None and (data.cover.owner == -2).any()
    if data.against == "time":
        more = [style.handle(style.Look(style.SEVERAL, ""), "several")] if several else []
        style.rank_legend(ax, data.ranks, more)
