"""What lies where in an HDF5 file: data, metadata and gaps, with grids; and what was written there.

It isn't drawn from a trace but from the file: its badge names the file, and the HDF5 that read it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from piotutor.capture.h5map import AddressMap, Kind, Range
from piotutor.capture.h5map import h5map as read
from piotutor.plots import style
from piotutor.plots.address_map_data import (
    NO_METADATA,
    AddressMapData,
    Touches,
    address_map_alt,
    address_map_data,
    address_map_finding,
)
from piotutor.plots.style import GRID, INK, Look, Style, Words, picture
from piotutor.units import format_size

__all__ = [
    "DrawnMap",
    "address_map_alt",
    "address_map_data",
    "address_map_finding",
    "h5map",
    "plot_address_map",
]

_LINES = 200  # more grid lines than these would be a grey area
_SEEN = 1 / 400  # share of the axis that the smallest range has at least
_ROOM = 1 / 90  # share of the lens that a letter takes
_METADATA = Look(INK, "")
_NOTHING = "#EDEDED"
_LENS = ("", "//", "..", "xx", "\\\\", "--")
_IN_LENS = [kind for kind in Kind if kind not in NO_METADATA]


@dataclass(frozen=True, repr=False)
class DrawnMap(AddressMap):
    """An address map that shows itself in a notebook."""

    options: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def figure(self) -> Figure:
        """The picture."""
        return plot_address_map(self, **self.options)

    def _repr_html_(self) -> str:
        figure = self.figure
        return style.figure_html(figure, getattr(figure, "alt", ""))


def h5map(where: str | os.PathLike[str] | AddressMap, **options: Any) -> DrawnMap:
    """Show what each byte of an HDF5 file is: ``pio.h5map("result.h5", alignment="1m")``.

    Parameters
    ----------
    where : path or AddressMap
        A file that nobody has open for writing, or a map that is there already.
    **options
        For `address_map_data`: `alignment`, `stripe`, `trace`, `op`, `layer`.

    Raises
    ------
    UsageError
        It can't be read, or an option makes no sense.
    """
    found = where if isinstance(where, AddressMap) else read(where)
    address_map_data(found, **options)  # refuse options before it is shown
    return DrawnMap(found.name, found.size, found.hdf5, found.ranges, options)


def plot_address_map(
    data: AddressMapData | AddressMap,
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw an address map.

    Parameters
    ----------
    data : AddressMapData or AddressMap
        Of a map, `options` are those of `address_map_data`.
    ax : Axes, optional
        Draw only the file, without lens, writes, title and badge, here.
    style : Style, optional
        Sizes of type and lines.
    """
    data = address_map_data(data, **options) if isinstance(data, AddressMap) else data
    lanes: dict[Callable[[AddressMapData, Axes], None], float] = {_draw_file: 1.0}
    if data.touches is not None:
        lanes[_draw_touches] = 1.6
    if data.lens:
        lanes[_draw_lens] = 0.9

    def panels(figure: Figure) -> None:
        axes = np.atleast_1d(figure.subplots(len(lanes), 1, height_ratios=[*lanes.values()]))
        for lane, draw in zip(axes, lanes, strict=True):
            draw(data, lane)

    words = Words(address_map_finding(data), data.badge, address_map_alt(data))
    height = 0.9 + 1.35 * sum(lanes.values())
    return picture(partial(_draw_file, data), words, ax, style, height, panels)


# ------------------------------------------------------------------------------- the file


def _draw_file(data: AddressMapData, ax: Axes) -> None:
    """Draw the whole file from left to right, so that no range is too small to be seen."""
    size, unit = style.byte_axis(data.map.size)
    ax.set(xlim=(0, data.map.size or 1), ylim=(0, 1), yticks=[])
    ax.set_xlabel(f"address in {data.map.name} ({unit})")
    ax.axhspan(0, 1, color=_NOTHING, lw=0)
    looks = _looks(data)
    for number, look in enumerate(looks):
        mine = [r for r in data.map.of(Kind.DATA) if data.group(r) == number]
        _bars(ax, mine, look, 0, 1)
    _bars(ax, [r for r in data.map.ranges if r.kind not in NO_METADATA], _METADATA, 0, 1)
    _bars(ax, data.map.of(Kind.USERBLOCK), Look(GRID, "oo"), 0, 1)
    _grids(data, ax)
    style.scaled(ax.xaxis, size)
    style.top_legend(ax, _legend(data, looks))


def _looks(data: AddressMapData) -> list[Look]:
    return style.rank_looks(range(len(data.groups)))


def _bars(ax: Axes, ranges: list[Range], look: Look, low: float, high: float) -> None:
    """Draw ranges, each at least a line wide."""
    if not ranges:
        return
    least = ax.get_xlim()[1] * _SEEN
    left = np.array([one.offset for one in ranges], float)
    right = np.maximum(left + least, [one.end for one in ranges])
    wide = bool(np.median(right - left) > 4 * least)
    edge = {"edgecolor": "white" if wide else look.color, "lw": 0.7 if wide else 0.0}
    shown = {"facecolor": look.color, "hatch": look.hatch * wide, **edge}
    ax.add_collection(_boxes(left, right, np.full(len(left), low), high - low, **shown))


def _boxes(
    left: np.ndarray, right: np.ndarray, low: np.ndarray, height: float, **look: Any
) -> PolyCollection:
    high = low + height
    corners = np.stack([left, low, left, high, right, high, right, low], axis=1)
    return PolyCollection(list(corners.reshape(-1, 4, 2)), **look)


def _grids(data: AddressMapData, ax: Axes) -> None:
    size = data.map.size
    if data.stripe and size / data.stripe <= _LINES:
        for number, low in enumerate(range(0, size, data.stripe)):
            shade = "white" if number % 2 else GRID
            ax.axvspan(low, min(low + data.stripe, size), 0, 0.12, facecolor=shade, edgecolor=INK)
    if data.alignment and size / data.alignment <= _LINES:
        for edge in range(0, size + 1, data.alignment):
            ax.axvline(edge, color=INK, lw=1.2, ls=(0, (4, 2)))


def _legend(data: AddressMapData, looks: list[Look]) -> list[Any]:
    handles: list[Any] = [
        style.handle(look, f"data of {name.lstrip('/')}")
        for name, look in zip(data.groups, looks, strict=False)
    ]
    if data.lens:
        handles.append(style.handle(_METADATA, "metadata"))
    if data.map.of(Kind.UNACCOUNTED) or data.map.of(Kind.FREE):
        handles.append(Patch(facecolor=_NOTHING, edgecolor=GRID, label="free or unaccounted"))
    if data.map.of(Kind.USERBLOCK):
        handles.append(style.handle(Look(GRID, "oo"), "user block"))
    if data.stripe:
        label = f"stripes of {format_size(data.stripe)}"
        handles.append(Patch(facecolor="white", edgecolor=INK, label=label))
    if data.alignment:
        line = mpl.lines.Line2D([], [], color=INK, lw=1.2, ls=(0, (4, 2)))
        line.set_label(f"every {format_size(data.alignment)}")
        handles.append(line)
    return handles


# ------------------------------------------------------------------------------- the lens


def _draw_lens(data: AddressMapData, ax: Axes) -> None:
    """Draw the metadata alone, side by side: beside much data they would be a line."""
    end = data.lens[-1].high
    ax.set(xlim=(0, end), ylim=(0, 1), yticks=[])
    kinds = [kind for kind in _IN_LENS if any(p.range.kind == kind for p in data.lens)]
    looks = dict(zip(_IN_LENS, _lens_looks(), strict=True))
    for kind in kinds:
        mine = [piece for piece in data.lens if piece.range.kind == kind]
        left, right = (np.array([getattr(p, side) for p in mine]) for side in ("low", "high"))
        right = np.maximum(right, left + end * _SEEN)
        wide = {"edgecolor": "white", "lw": 0.7, "hatch": looks[kind].hatch}
        boxes = _boxes(left, right, np.zeros(len(left)), 1, facecolor=looks[kind].color, **wide)
        ax.add_collection(boxes)
    for piece in data.lens:
        _name(ax, piece.low, piece.high, piece.range)
    _islands(data, ax)
    style.top_legend(ax, [style.handle(looks[kind], kind.value) for kind in kinds], 6)


def _lens_looks() -> list[Look]:
    cividis = mpl.colormaps["cividis"]
    shades = np.linspace(0, 1, len(_IN_LENS))
    return [Look(mpl.colors.to_hex(cividis(s)), h) for s, h in zip(shades, _LENS, strict=True)]


def _name(ax: Axes, low: float, high: float, one: Range) -> None:
    """Write into a wide piece whose it is, or what."""
    text = one.what if one.kind == Kind.ATTRIBUTE else one.owner.lstrip("/") or one.owner
    text = text or one.kind.value
    if high - low > len(text) * ax.get_xlim()[1] * _ROOM:
        box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.0}
        ax.text((low + high) / 2, 0.5, text, ha="center", va="center", size="small", bbox=box)


def _islands(data: AddressMapData, ax: Axes) -> None:
    """Give each piece of metadata its address, as far as there is room."""
    starts = [
        p for n, p in enumerate(data.lens) if not n or data.lens[n - 1].range.end < p.range.offset
    ]
    room, shown = ax.get_xlim()[1] / 11, [starts[0]]
    for piece in starts[1:]:
        if piece.low - shown[-1].low > room:
            shown.append(piece)
    ax.set_xticks([p.low for p in shown], [f"{p.range.offset:,}" for p in shown], ha="left")
    apart = ", what lies between left out" if len(starts) > 1 else ""
    ax.set_xlabel(f"lens: the metadata alone{apart}; numbers are addresses in bytes")


# ------------------------------------------------------------------------- what was touched


def _draw_touches(data: AddressMapData, ax: Axes) -> None:
    """Draw a row for each transfer, the first at the top, coloured by what it moved."""
    found = data.touches
    assert found is not None
    count = len(found.offset)
    if not count:
        return style.empty(ax, f"no {found.op}s of this file in the trace")
    size, _ = style.byte_axis(data.map.size)
    ax.set(xlim=(0, data.map.size or 1), ylim=(count, 0))
    ax.set_ylabel(f"{found.op}s, in order")
    ax.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4, integer=True))
    looks = {
        "data": Look("#0072B2", ""),
        "metadata": Look("#D55E00", ""),
        "both": Look("#CC79A7", ""),
    }
    for name, mask in _masks(found).items():
        left, low = found.offset[mask].astype(float), np.flatnonzero(mask) + 0.08
        right = np.maximum(left + found.length[mask], left + (data.map.size or 1) * _SEEN)
        boxes = _boxes(left, right, low, 0.84, facecolor=looks[name].color, lw=0.5)
        boxes.set_edgecolor(looks[name].color)
        ax.add_collection(boxes)
    style.scaled(ax.xaxis, size)
    counts = {name: np.count_nonzero(mask) for name, mask in _masks(found).items()}
    words = {name: f"{found.op}s of {name}: {count:,}" for name, count in counts.items() if count}
    style.top_legend(ax, [style.handle(looks[name], text) for name, text in words.items()])


def _masks(found: Touches) -> dict[str, np.ndarray]:
    data, metadata = found.data > 0, found.metadata > 0
    return {"data": data & ~metadata, "metadata": metadata & ~data, "both": data & metadata}
