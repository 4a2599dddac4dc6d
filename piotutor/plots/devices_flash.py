"""Flash: blocks whose dead pages are collected, and what this adds to each write."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from piotutor.engine.devices import DEAD, ERASED, LIVE, Flash, amplification
from piotutor.plots import style as looks
from piotutor.plots.style import GRID, INK, Look, Style, Words, picture

PUBLISHED: Mapping[float, float] = {0.3: 2.35}
"""Amplification by overprovisioning, as simulated by Xiang and Kurkoski, arXiv:1110.4245."""
SPARES = (0.1, 0.2, 0.3, 0.5)
_STATES = {
    LIVE: Look("#0072B2", ""),
    DEAD: Look("#E69F00", "xx"),
    ERASED: Look("#FFFFFF", ""),
}
_MANY = 32  # blocks, which then are drawn finer
_NAMES = {LIVE: "live", DEAD: "dead"}


@dataclass(frozen=True, eq=False)
class Collection:
    """One write that blocks had to be collected for, the emptiest first.

    Attributes
    ----------
    before, after : ndarray
        What each page of each block was (blocks x pages).
    blocks : list of int
        Which were collected.
    moved : int
        Pages that were still live in them.
    written : int
        Pages that the user has written so far.
    """

    before: np.ndarray
    after: np.ndarray
    blocks: list[int]
    moved: int
    written: int


@dataclass(frozen=True, eq=False)
class FlashData:
    """What the picture shows.

    Attributes
    ----------
    collections : list of Collection
        One after the other, of a small flash.
    overprovisioning : float
        Of this small one.
    ours : dict
        Overprovisioning to amplification, by the engine.
    badge : str
        ``modelled``, and by what.
    """

    collections: list[Collection]
    overprovisioning: float
    ours: dict[float, float]
    badge: str


def published_amplification(overprovisioning: float) -> float:
    """Return the published amplification of uniform random writes under greedy collection.

    ``alpha / (alpha + W(-alpha exp(-alpha)))`` with ``alpha = 1 + overprovisioning`` and Lambert's
    W: with u, the live share of a block that is collected, it is ``1 / (1 - u)``.

    Examples
    --------
    >>> round(published_amplification(0.3), 2)
    2.36
    """
    alpha, live = 1 + overprovisioning, 0.0
    for _ in range(2000):
        live = math.exp(-alpha * (1 - live))
    return 1 / (1 - live)


def flash_data(
    overprovisioning: float = 0.3,
    *,
    blocks: int = 32,
    pages_per_block: int = 16,
    collections: int = 12,
    spares: Sequence[float] = SPARES,
    curve_blocks: int = 512,
) -> FlashData:
    """Write a small flash with random pages, watch collections; measure amplification of larger.

    Parameters
    ----------
    overprovisioning, blocks, pages_per_block
        Of the small one, whose pages are shown; it is written six times over first.
    collections : int
        How many are kept.
    spares : sequence of float
        At which overprovisioning amplification is counted, with 256 pages a block.
    curve_blocks : int
        Blocks of those.
    """
    flash = Flash(overprovisioning, pages_per_block=pages_per_block, blocks=blocks)
    flash.write(range(flash.user_pages))
    flash.write_random(6 * flash.user_pages)
    ours = {spare: amplification(spare, blocks=curve_blocks, turns=4) for spare in spares}
    found = watch(flash, collections)
    told = f"modelled · flash, random writes; the curve: 256 pages a block, {curve_blocks:,} blocks"
    return FlashData(found, overprovisioning, ours, told)


def watch(flash: Flash, count: int, *, seed: int = 1) -> list[Collection]:
    """Go on writing random pages one by one until so many blocks were collected."""
    random = np.random.default_rng(seed)
    found: list[Collection] = []
    while len(found) < count:
        before, erased = flash.pages, flash.erased
        moved = int(flash.write([int(random.integers(flash.user_pages))])[0])
        if flash.erased > erased:
            after = flash.pages
            gone = _erased(before, after)
            found.append(Collection(before, after, gone, moved, flash.written))
    return found


def _erased(before: np.ndarray, after: np.ndarray) -> list[int]:
    """Find the blocks that were erased in between: nothing else makes a dead page free again."""
    revived = (before == DEAD) & (after != DEAD) | (before == LIVE) & (after == ERASED)
    return [int(block) for block in np.flatnonzero(revived.any(1))]


def flash_finding(data: FlashData, number: int = 0) -> str:
    """Say what a collection moves, and what it comes to."""
    told = [f"{ours:.2f} at {spare:g}" for spare, ours in data.ours.items()]
    rest = f"; pages written for each of the user's: {', '.join(told)}" if told else ""
    if not data.collections:
        return "Nothing is collected yet" + rest
    one = data.collections[number]
    count = len(one.blocks)
    gone = f"{count} blocks are" if count != 1 else f"Block {one.blocks[0]} is"
    return f"{gone} erased for one write, {one.moved} live pages move first{rest}"


def flash_alt(data: FlashData, number: int = 0) -> str:
    """Describe the picture for a reader who can't see it."""
    curve = ", ".join(
        f"{spare:g}: {ours:.2f} (published {published_amplification(spare):.2f})"
        for spare, ours in data.ours.items()
    )
    maps = "No block was collected. "
    if data.collections:
        one = data.collections[number]
        maps = (
            f"Two maps of {len(one.before)} blocks of {one.before.shape[1]} pages, before and "
            f"after a write that blocks {', '.join(map(str, one.blocks))} were erased for; "
            f"{one.moved} pages in them were still live, and moved. "
        )
    return f"{maps}A curve of amplification over overprovisioning: {curve}."


def plot_flash(
    data: FlashData, *, number: int = 0, ax: Axes | None = None, style: Style | None = None
) -> Figure:
    """Draw a collection, before and after, and amplification over overprovisioning.

    Parameters
    ----------
    data : FlashData
    number : int
        Which collection.
    ax : Axes, optional
        Draw only the curve, without title and badge, here.
    style : Style, optional
        Sizes of type and lines.
    """
    words = Words(flash_finding(data, number), data.badge, flash_alt(data, number))
    tall = data.collections and len(data.collections[0].before) > _MANY
    panels = partial(_draw_panels, data, number)
    return picture(partial(_draw_curve, data), words, ax, style, 6.4 if tall else 4.8, panels)


def _draw_panels(data: FlashData, number: int, figure: Figure) -> None:
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 1.3])
    if data.collections:
        one = data.collections[number]
        _draw_pages(one.before, left, one.blocks, "before")
        _draw_pages(one.after, middle, one.blocks, "after")
        handles = [looks.handle(_STATES[state], _NAMES[state]) for state in (LIVE, DEAD)]
        looks.top_legend(left, handles, 2)
    _draw_curve(data, right)


def _draw_pages(pages: np.ndarray, ax: Axes, erased: list[int], when: str) -> None:
    colors = ListedColormap([_STATES[state].color for state in (ERASED, LIVE, DEAD)])
    ax.pcolormesh(pages, cmap=colors, vmin=ERASED, vmax=DEAD, edgecolors="white", lw=0.5)
    rows, columns = np.nonzero(pages == DEAD)
    ax.plot(columns + 0.5, rows + 0.5, "x", color=INK, ms=3, mew=0.8)
    thick = 2.5 if len(pages) <= _MANY else 1.6
    for block in erased:
        ax.add_patch(
            Rectangle((0, block), pages.shape[1], 1, fill=False, edgecolor=INK, lw=thick, zorder=5)
        )
    ax.set(xlabel=f"page · {when}", ylabel="block", xlim=(0, pages.shape[1]))
    ax.set_ylim(len(pages), 0)
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color(GRID)


def _draw_curve(data: FlashData, ax: Axes) -> None:
    spares = np.linspace(0.07, 0.6, 60)
    curve = [published_amplification(float(spare)) for spare in spares]
    ax.plot(spares, curve, color=INK, label="published formula")
    if data.ours:
        ax.plot([*data.ours], [*data.ours.values()], "o", color="#0072B2", ms=9, label="the engine")
    ax.plot([*PUBLISHED], [*PUBLISHED.values()], "D", color="#E69F00", label="published simulation")
    ax.set(xlabel="overprovisioning", ylabel="pages written / user's pages", ylim=(1, 9))
    ax.grid(alpha=0.3)
    ax.legend()
