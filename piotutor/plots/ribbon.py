"""The file as a ribbon of stripes, and the same stripes folded onto objects and targets."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from piotutor.plots.ribbon_data import NOBODY, SEVERAL, RibbonData, ribbon_data
from piotutor.plots.ribbon_words import example, ribbon_alt, ribbon_finding, stripe_words, turn
from piotutor.plots.style import (
    GRID,
    INK,
    Look,
    Recipe,
    Style,
    empty,
    handle,
    hatched,
    rank_looks,
    top_legend,
)
from piotutor.plots.style import SEVERAL as MIXED
from piotutor.plots.target_words import target_looks
from piotutor.stripemap import StripeMap
from piotutor.trace import Trace
from piotutor.units import format_size

_FOLD = 4.0  # rows from the ribbon to where the targets begin
_NAMED = 10  # columns with room for a name


def plot_ribbon(
    data: RibbonData | StripeMap | Trace,
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw a file as a ribbon, and folded onto its objects and targets.

    Parameters
    ----------
    data : RibbonData, StripeMap or Trace
        Of a map or a trace, `options` are those of `ribbon_data`.
    ax : Axes, optional
        Draw without title and badge here.
    style : Style, optional
        Sizes of type and lines.
    """
    shown = data if isinstance(data, RibbonData) else ribbon_data(data, **options)
    recipe = Recipe(ribbon_data, ribbon_finding, ribbon_alt, _draw, _height)
    return recipe.plot(shown, ax, style, {})


def stripe_colors(data: RibbonData, by: str) -> list[Look]:
    """Return the look of each stripe that is drawn: its target's, or its writer's (`by` rank)."""
    if by == "target":
        known = [] if data.map is None else data.map.targets
        palette = dict(zip(known, target_looks(len(known)), strict=True))
        return [palette[data.fold.targets[column]] for column in data.fold.column]
    ranks = dict(zip(data.ranks.tolist(), rank_looks(data.ranks), strict=True))
    others = {SEVERAL: Look(MIXED, ""), NOBODY: Look("#E0E0E0", "")}
    return [(ranks | others)[writer] for writer in data.writer[data.fold.number].tolist()]


def writer_looks(data: RibbonData) -> list[tuple[str, Look]]:
    """Name the looks of who wrote: of many ranks only those of the first and the last."""
    looks = [
        (f"rank {n}", look) for n, look in zip(data.ranks, rank_looks(data.ranks), strict=True)
    ]
    kept = looks if len(looks) <= 8 else [looks[0], looks[-1]]
    several = bool((data.writer == SEVERAL).any())
    return [*kept, *([("several ranks", Look(MIXED, ""))] if several else [])]


def _height(data: RibbonData) -> float:
    return 1.3 + 0.3 * (_FOLD + data.fold.rows)


def _draw(data: RibbonData, ax: Axes) -> None:
    if data.map is None or not data.count:
        return empty(ax, ribbon_finding(data))
    fold = data.fold
    ax.set_axis_off()
    ax.set(xlim=(0, 1), ylim=(_FOLD + fold.rows + 0.3, -2.2))
    pointed = example(data)
    for place, (number, look) in enumerate(
        zip(fold.number, stripe_colors(data, data.by), strict=True)
    ):
        ribbon, folded = _in_ribbon(data, place), _in_object(data, place)
        edge = 2.5 if number == pointed else 0.0
        for spot in (ribbon, folded):
            _block(ax, spot, str(number), look, edge)
        if number < min(turn(data), 8) or number == pointed:
            left, wide = _column(data, int(fold.column[place]))
            end = left + wide / 2, _FOLD - 0.9
            thick = 2.2 if number == pointed else 1.0
            ax.plot(*zip(_middle(ribbon, 1.0), end, strict=True), color=look.color, lw=thick)
    _draw_ruler(data, ax)
    _draw_boxes(data, ax)
    named = f'the file "{data.map.name}"' if data.map.name else "the file"
    ax.text(0, -1.75, f"{named}: {stripe_words(data, pointed)}", va="center")
    if data.by == "rank":
        top_legend(ax, [handle(look, name) for name, look in writer_looks(data)], 9)


def _in_ribbon(data: RibbonData, place: int) -> tuple[float, float, float]:
    """Return left edge, top and width of a stripe in the ribbon."""
    wide = 1 / data.fold.cells
    return float(data.fold.cell[place]) * wide, 0.0, wide


def _in_object(data: RibbonData, place: int) -> tuple[float, float, float]:
    """Return left edge, top and width of a stripe on its target."""
    fold = data.fold
    left, wide = _column(data, int(fold.column[place]))
    slot = wide / fold.slots
    return left + slot * float(fold.slot[place]), _FOLD + float(fold.row[place]), slot


def _column(data: RibbonData, column: int) -> tuple[float, float]:
    """Return left edge and width of a target's column."""
    each = 1 / len(data.fold.targets)
    wide = min(0.8 * each, 0.16 * data.fold.slots)
    return (column + 0.5) * each - wide / 2, wide


def _middle(spot: tuple[float, float, float], end: float) -> tuple[float, float]:
    left, top, wide = spot
    return left + wide / 2, top + end


def _block(ax: Axes, spot: tuple[float, float, float], text: str, look: Look, edge: float) -> None:
    left, top, wide = spot
    gap = min(0.003, 0.06 * wide)
    box = (left + gap, top + 0.06), wide - 2 * gap, 0.88
    ax.add_patch(Rectangle(*box, **hatched(Look(look.color, ""))))
    if edge:
        ax.add_patch(Rectangle(*box, fill=False, ec=INK, lw=edge, zorder=3))
    light = float(np.dot(to_rgb(look.color), (0.299, 0.587, 0.114))) > 0.55
    _, middle = _middle(spot, 0.5)
    ink = INK if light else "white"
    small = "small" if len(text) < 4 else "x-small"
    ax.text(left + wide / 2, middle, text, color=ink, ha="center", va="center", fontsize=small)


def _draw_ruler(data: RibbonData, ax: Axes) -> None:
    """Write offsets above the ribbon, and how many stripes aren't drawn."""
    fold, wide = data.fold, 1 / data.fold.cells
    step = max(1, -(-len(fold.number) // 8))
    for place in range(0, len(fold.number), step):
        at = int(data.stripes.offset[fold.number[place]])
        ax.text(fold.cell[place] * wide, -0.35, _short(at), fontsize="small", va="center")
    if data.hidden:
        cell = int(fold.cell[np.flatnonzero(np.diff(fold.number) > 1)[0]]) + 1
        ax.text((cell + 0.5) * wide, 0.5, "…", ha="center", va="center", weight="bold")
        told = f"{data.hidden:,} more"
        ax.text((cell + 0.5) * wide, 1.35, told, ha="center", va="center", fontsize="small")


def _short(size: int) -> str:
    return format_size(size).replace(" bytes", "") if size else "offset 0"


def _draw_boxes(data: RibbonData, ax: Axes) -> None:
    """Frame the objects, and name them and their targets; of many columns by their numbers."""
    many = len(data.names) > _NAMED
    for column, name in enumerate(data.names):
        left, wide = _column(data, column)
        told = str(data.fold.targets[column])[-6:] if many else name
        ax.text(left + wide / 2, _FOLD - 0.45, told, ha="center", va="center", weight="bold")
    for box in data.fold.boxes:
        left, wide = _column(data, box.column)
        top = _FOLD + box.top
        frame = Rectangle((left - 0.004, top + 0.05), wide + 0.008, box.rows - 0.05)
        frame.set(fill=False, edgecolor=GRID, linewidth=1)
        ax.add_patch(frame)
        told = str(box.object) if many else f"object {box.object}"
        ax.text(left + wide / 2, top + 0.5, told, ha="center", va="center", fontsize="small")
    if many and data.map is not None:
        told = f"below, the numbers of {data.map.word}s; in boxes, of objects"
        ax.text(1, 2.1, told, ha="right", va="center", fontsize="small")
    for column, row in data.fold.gaps:
        left, wide = _column(data, column)
        ax.text(left + wide / 2, _FOLD + row + 0.4, "…", ha="center", va="center", weight="bold")
