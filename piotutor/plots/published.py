"""Published figures, as curves over a number of writers; nothing in them was measured here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from piotutor.plots.style import SEVERAL, Style, Words, picture, rank_looks


@dataclass(frozen=True)
class Published:
    """Figures from elsewhere.

    Attributes
    ----------
    title
        What they are, in a few words.
    curves
        Name to rate (MiB/s) by number of writers.
    suspect
        A rate that nobody should believe, and why; None where there is none.
    source
        Where they stand.
    """

    title: str
    curves: Mapping[str, Mapping[int, float]]
    suspect: tuple[float, str] | None
    source: str


def published_alt(data: Published) -> str:
    """Describe the picture for a reader who can't see it."""
    parts = [
        f"{name}: " + ", ".join(f"{rate:,.0f} MiB/s with {n:,} writers" for n, rate in one.items())
        for name, one in data.curves.items()
    ]
    if data.suspect:
        parts.append(
            f"far above all, a dotted line: {data.suspect[0]:,.0f} MiB/s, {data.suspect[1]}"
        )
    return f"{'; '.join(parts)}. Both axes are logarithmic."


def plot_published(
    data: Published, *, ax: Axes | None = None, style: Style | None = None
) -> Figure:
    """Draw them on logarithmic axes; a suspect is a dotted line.

    Parameters
    ----------
    data : Published
    ax : Axes, optional
        Draw without title here.
    style : Style, optional
        Sizes of type and lines.
    """
    words = Words(data.title, f"published · {data.source}", published_alt(data))
    return picture(partial(_draw, data), words, ax, style)


def _draw(data: Published, ax: Axes) -> None:
    looks = rank_looks(range(len(data.curves)))
    for look, marker, (name, curve) in zip(looks, "os^D", data.curves.items(), strict=False):
        ax.plot([*curve], [*curve.values()], marker=marker, color=look.color)
        last = [*curve.items()][-1]
        ax.annotate(name, last, (8, 0), textcoords="offset points", va="center")
    places = sorted({n for curve in data.curves.values() for n in curve})
    if data.suspect:
        rate, why = data.suspect
        ax.axhline(rate, color=SEVERAL, ls=":")
        at = (places[0], rate)
        ax.annotate(f"{rate:,.0f}: {why}", at, (0, -14), textcoords="offset points", color=SEVERAL)
    _scale(ax, places)


def _scale(ax: Axes, places: list[int]) -> None:
    ax.set(xscale="log", yscale="log", xlabel="writers", ylabel="MiB/s, the highest seen")
    ax.set_xlim(places[0] * 0.8, places[-1] * 8)
    ax.set_xticks(places, [f"{n:,}" for n in places])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.grid(alpha=0.3)
