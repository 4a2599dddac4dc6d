"""What a model foretells of runs, beside what was measured, on one axis."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from piotutor.engine import Machine
from piotutor.plots.comparison_data import WHAT, ComparisonData, comparison_data
from piotutor.plots.style import (
    INK,
    Style,
    Words,
    byte_axis,
    hatched,
    picture,
    rank_looks,
    scaled,
    time_axis,
)

_AGREE = 1.1
"""Factor up to which a model and a run are said to agree."""
_WORDS = ("measured", "you predicted", "modelled", "emulated")


def comparison_finding(data: ComparisonData) -> str:
    """Say how far model and runs are apart, and whether both order the runs alike."""
    factors = [group.factor for group in data.groups if group.factor is not None]
    words = {bar.word for group in data.groups for bar in group.bars[-1:]}
    seen = words.pop() if len(words) == 1 else "found"
    if not factors:
        return _without_factor(data, seen)
    low, high = min(factors), max(factors)
    says = f"On {data.machine} the model says" if data.machine else "The model says"
    if low >= 1 / _AGREE and high <= _AGREE:
        apart = max(high - 1, 1 / low - 1)
        told = f"Modelled and {seen} agree within {max(1, round(100 * apart))}%"
    elif len(factors) == 1:
        told = f"{says} {low:.2g} times what was {seen}"
    else:
        told = f"{says} {low:.2g} to {high:.2g} times what was {seen}"
    return told + _order(data) + _guessed(data)


def _without_factor(data: ComparisonData, seen: str) -> str:
    """Say what model and runs have where one of each pair is nothing."""
    form, name = WHAT[data.what].words, WHAT[data.what].name
    pairs = [tuple(form(bar.value) for bar in group.bars[-2:]) for group in data.groups]
    if all(foretold == found for foretold, found in pairs):
        return f"Modelled and {seen} agree: {pairs[0][1]} {name}"
    told = ", ".join(f"{foretold} against {found}" for foretold, found in pairs)
    return f"{name.capitalize()}, modelled against {seen}: {told}"


def _guessed(data: ComparisonData) -> str:
    """Say how far the first prediction was from what was found."""
    bars = next((group.bars for group in data.groups if len(group.bars) > 2), None)
    if bars is None or not bars[0].value > 0 or not bars[-1].value > 0:
        return ""
    factor = bars[0].value / bars[-1].value
    if not _apart(factor, 1):
        return "; your prediction holds"
    times, way = (factor, "high") if factor > 1 else (1 / factor, "low")
    return f"; your prediction was {times:.2g} times too {way}"


def _order(data: ComparisonData) -> str:
    """Say whether the model orders runs as they were found, those that clearly differ."""
    pairs = [
        (one.bars, other.bars)
        for one, other in combinations(data.groups, 2)
        if one.op == other.op and _apart(one.bars[-1].value, other.bars[-1].value)
    ]
    if not pairs:
        return ""
    alike = all(
        (one[-1].value < other[-1].value) == (one[-2].value < other[-2].value)
        for one, other in pairs
    )
    return "; both in the same order" if alike else "; not in the same order"


def _apart(one: float, other: float) -> bool:
    return max(one, other) > _AGREE * min(one, other)


def comparison_alt(data: ComparisonData) -> str:
    """Describe the picture for a reader who can't see it."""
    form = WHAT[data.what].words
    parts = [
        f"{group.name}: " + ", ".join(f"{bar.word} {form(bar.value)}" for bar in group.bars)
        for group in data.groups
    ]
    return f"Bars on one axis, {WHAT[data.what].name}. {'; '.join(parts)}."


def plot_comparison(
    data: ComparisonData, *, ax: Axes | None = None, style: Style | None = None
) -> Figure:
    """Draw a bar for each number; repetitions are dots on it.

    Parameters
    ----------
    data : ComparisonData
    ax : Axes, optional
        Draw without title here.
    style : Style, optional
        Sizes of type and lines.
    """
    words = Words(comparison_finding(data), "\n".join(data.badges), comparison_alt(data))
    bars = sum(len(group.bars) for group in data.groups)
    height = 1.3 + 0.36 * bars + 0.2 * len(data.badges)
    return picture(partial(_draw, data), words, ax, style, height=height)


def compare(
    runs: Any, machine: Machine | str | None = None, *, style: Style | None = None, **options: Any
) -> Figure:
    """Show what a model foretells of runs beside what was measured: one picture, its text, badges.

    Parameters
    ----------
    runs, machine
        As for `comparison_data`: ``pio.compare(run, "small-lustre")``.
    style : Style, optional
        Sizes of type and lines.
    **options
        Those of `comparison_data`: `what`, `predicted`, `stripe_size`, `stripe_count`.

    Raises
    ------
    UsageError
        A run can't be modelled, or nobody knows on what.
    """
    return plot_comparison(comparison_data(runs, machine, **options), style=style)


def _draw(data: ComparisonData, ax: Axes) -> None:
    form, looks = WHAT[data.what].words, dict(zip(_WORDS, rank_looks(range(4)), strict=True))
    y, ticks = 0.0, []
    for group in data.groups:
        for bar in group.bars:
            ax.barh(y, bar.value, 0.8, **hatched(looks[bar.word]))
            if len(bar.each) > 1:
                ax.plot(bar.each, [y] * len(bar.each), "o", ms=4, color=INK, mfc="white")
            most = max((bar.value, *bar.each))
            ax.annotate(form(bar.value), (most, y), (6, 0), textcoords="offset points", va="center")
            first = bar is group.bars[0]
            ticks.append((y, f"{group.name}:  " * first + bar.word))
            y += 1
        y += 0.6
    ax.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
    ax.invert_yaxis()
    ax.margins(x=0.18)
    ax.set_xlim(left=0)
    _scale(data, ax)


def _scale(data: ComparisonData, ax: Axes) -> None:
    """Label the axis in a unit that fits."""
    name, most = WHAT[data.what].name, ax.get_xlim()[1]
    dots = "; dots: repetitions" * any(len(b.each) > 1 for group in data.groups for b in group.bars)
    if data.what == "callbacks":
        ax.set_xlabel(name + dots)
        return
    size, unit = byte_axis(most) if data.what == "bandwidth" else time_axis(most)
    scaled(ax.xaxis, size)
    ax.set_xlabel(f"{name} ({unit}{'/s' * (data.what == 'bandwidth')}){dots}")
