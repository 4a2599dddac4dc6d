"""The same bytes on every layer: what was asked for, and what the layers below made of it."""

from __future__ import annotations

import textwrap
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from piotutor.plots.descent_data import DescentData, descent_data
from piotutor.plots.descent_words import descent_alt, descent_finding, lane_words, ratio_words
from piotutor.plots.lanes import Lane
from piotutor.plots.style import (
    GRID,
    INK,
    SEVERAL,
    Look,
    Style,
    Words,
    byte_axis,
    empty,
    picture,
    rank_looks,
    scaled,
    time_axis,
    top_legend,
)
from piotutor.trace import Layer, Op, Trace
from piotutor.units import format_size

__all__ = ["descent_alt", "descent_data", "descent_finding", "plot_descent"]

_HEAD = 1.15  # height of a lane's heading, in rows
_BODY = 8.0  # rows of a lane are made thinner where they would take more than this
_WIDE = 1 / 250  # share of the axis from which a hatch can be seen
_ROOM = 1 / 7  # share of the axis in which a caption fits
_CAPTIONS = 24  # of a lane
_DISK = Look(SEVERAL, "")


def plot_descent(
    data: DescentData | Trace, *, ax: Axes | None = None, style: Style | None = None, **options: Any
) -> Figure:
    """Draw how one file's bytes go down through the layers.

    Parameters
    ----------
    data : DescentData or Trace
        Of a trace, `options` are those of `descent_data`: ``file, op, repetition, window, by``.
    ax : Axes, optional
        Draw without title and badge here.
    style : Style, optional
        Sizes of type and lines.
    """
    data = descent_data(data, **options) if isinstance(data, Trace) else data
    words = Words(descent_finding(data), data.badge, descent_alt(data))
    rows = sum(_HEAD + _body(shown) for shown in data.lanes)
    height = min(9.0, 1.9 + 0.21 * (rows + len(data.absent)))
    return picture(partial(_draw, data), words, ax, style, height)


def _body(shown: Lane) -> float:
    """Return the height of a lane's rows together; reads and writes have half a row each."""
    return min(shown.rows * (1.0 + 0.6 * _both(shown)), _BODY)


def _both(shown: Lane) -> bool:
    return len(shown.kinds) > 1


def _draw(data: DescentData, ax: Axes) -> None:
    if not data.lanes:
        return empty(ax, "no transfers of this kind in the trace")
    ratios = {lower: ratio_words(found) for _, lower, found in data.between()}
    unit = data.axis.unit
    low, high = data.axis.low * unit, data.axis.high * unit
    ax.set_xlim(low, high)
    most = max(int(shown.ranks.max(initial=-1)) for shown in data.lanes)
    looks = [*rank_looks(range(most + 1)), _DISK]  # the last is rank -1's
    y, ticks = 0.0, []
    for shown in data.lanes:
        _heading(
            ax, y, lane_words(data, shown), "" if shown.domains else ratios.get(shown.layer, "")
        )
        y += _HEAD
        _draw_lane(ax, shown, y, high - low, data.axis.by, looks)
        ticks += _ticks(shown, y)
        y += _body(shown)
    ax.set_ylim(y + 0.3, 0)
    ax.set_yticks([place for place, _ in ticks], [name for _, name in ticks])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    _label(data, ax, high)
    _legend(data, ax)


def _heading(ax: Axes, y: float, left: str, right: str) -> None:
    place: dict[str, Any] = {"va": "center", "transform": ax.get_yaxis_transform()}
    ax.axhline(y, color=GRID, lw=0.5)
    ax.text(0.0, y + _HEAD * 0.55, left, ha="left", **place)
    ax.text(1.0, y + _HEAD * 0.55, right, ha="right", weight="bold", **place)


def _draw_lane(ax: Axes, shown: Lane, top: float, span: float, by: str, looks: list[Look]) -> None:
    """Draw a row for each rank; where there are reads and writes, reads in the upper half."""
    shapes = shown.shapes
    each = _body(shown) / shown.rows
    both = _both(shown)
    half = each * (0.42 if both else 0.84)
    y = top + (shapes.row + 0.08) * each + half * (both & (shapes.op == Op.WRITE))
    wide = np.maximum(shapes.high - shapes.low, span / 1500)
    visible = shown.exact & (wide > span * _WIDE)
    alike = np.stack([shapes.rank, shapes.op, visible])
    for rank, op, seen in np.unique(alike, axis=1).T.tolist():
        mine = (shapes.rank == rank) & (shapes.op == op) & (visible == seen)
        edges = (shapes.low[mine], y[mine], wide[mine], half)
        ax.add_collection(_boxes(*edges, **_face(looks[rank], op, shown.domains, bool(seen))))
    _captions(ax, shown, y + half / 2, span, by)


def _boxes(x: np.ndarray, y: np.ndarray, w: np.ndarray, h: float, **look: Any) -> PolyCollection:
    corners = np.stack([x, y, x, y + h, x + w, y + h, x + w, y], axis=1)
    return PolyCollection(list(corners.reshape(-1, 4, 2)), **look)


def _face(look: Look, op: int, domains: bool, visible: bool) -> dict[str, Any]:
    """Return how rectangles look: writes filled, reads outlined, file domains pale."""
    if domains:
        pale = tuple(0.35 * part + 0.65 for part in to_rgb(look.color))
        return {"facecolor": pale, "edgecolor": look.color, "lw": 0.7}
    if op == Op.READ:
        return {"facecolor": "white" if visible else look.color, "edgecolor": look.color, "lw": 1.4}
    edge = "white" if visible else look.color
    return {"facecolor": look.color, "edgecolor": edge, "hatch": look.hatch * visible, "lw": 0.7}


def _captions(ax: Axes, shown: Lane, y: np.ndarray, span: float, by: str) -> None:
    """Write into wide rectangles what they are."""
    shapes = shown.shapes
    if not shown.exact or not (shown.domains or shown.layer in (Layer.POSIX, Layer.BLOCK)):
        return
    taken: dict[float, float] = {}  # how far each row has captions
    large = shapes.high - shapes.low > span * _ROOM
    for at in np.flatnonzero(large)[: _CAPTIONS if _body(shown) / shown.rows >= 1 else 0]:
        if shapes.low[at] < taken.get(y[at], shapes.low[at]):
            continue
        taken[y[at]] = shapes.high[at]
        op = Op(int(shapes.op[at]))
        text = shown.kinds[op].name or op.name.lower() if shown.kinds else ""
        if shown.domains:
            text = f"aggregator = rank {shapes.rank[at]}"
        elif by == "offset":
            text += f" {format_size(int(shapes.high[at] - shapes.low[at]))}"
        middle = (shapes.low[at] + shapes.high[at]) / 2
        box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 0.6}
        ax.text(middle, y[at], text, ha="center", va="center", size="small", bbox=box)


def _ticks(shown: Lane, top: float) -> list[tuple[float, str]]:
    """Name the rows; of many only some."""
    each = _body(shown) / shown.rows
    if shown.ranks.max(initial=-1) < 0:
        return []
    step = max(1, int(np.ceil(0.9 / each)))
    leaders = np.linspace(0, len(shown.ranks), shown.rows, endpoint=False).astype(int)
    rows = range(0, shown.rows, step)
    return [(top + (row + 0.5) * each, f"rank {shown.ranks[leaders[row]]}") for row in rows]


def _label(data: DescentData, ax: Axes, high: float) -> None:
    """Label the axis, and say what isn't here and why."""
    if data.axis.by == "time":
        scale, name = time_axis(high)
    else:
        scale, unit = byte_axis(high)
        of = f" (of {data.files} files)" if data.files > 1 else ""
        name = f"offset in {data.file.rsplit('/', 1)[-1]}{of}, {unit}"
    missing = [f"not captured here: {name} ({why})" for name, why in data.absent.items()]
    notes = "\n".join(textwrap.fill(line, 100) for line in missing)
    ax.set_xlabel(f"{name}\n{notes}" if notes else name)
    scaled(ax.xaxis, scale)


def _legend(data: DescentData, ax: Axes) -> None:
    """Tell reads from writes, where there are both."""
    ops = {int(op) for shown in data.lanes for op in shown.shapes.op.tolist()}
    if len(ops) > 1:
        write = Patch(facecolor=GRID, edgecolor=INK, label="write: filled")
        read = Patch(facecolor="white", edgecolor=INK, lw=1.4, label="read: outlined")
        top_legend(ax, [write, read])
