"""Known causes of slow I/O, found or not, with their evidence: a table as a picture."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from piotutor.diagnosis import Verdicts, verdicts
from piotutor.plots.style import INK, Recipe, Style, badge
from piotutor.trace import Trace

LOOKS = {True: ("#D55E00", "!"), False: ("#009E73", "\u2013"), None: ("#767676", "?")}
"""Colour and sign of what is found, not found, and can't be told."""
_WIDE = 74  # characters of a line, also in the type for a projector


@dataclass(frozen=True, eq=False)
class VerdictsData:
    """What the picture shows.

    Attributes
    ----------
    verdicts : Verdicts
        All of them, found or not.
    badge : str
        How the trace came about, and on what.
    """

    verdicts: Verdicts
    badge: str


def verdicts_data(trace: Trace, **thresholds: float) -> VerdictsData:
    """Judge a trace; `thresholds` as for `piotutor.diagnosis.verdicts`."""
    return VerdictsData(verdicts(trace, **thresholds), badge(trace))


def verdicts_finding(data: VerdictsData) -> str:
    """Say what was found."""
    found = [verdict.name for verdict in data.verdicts.found]
    open_ = sum(verdict.found is None for verdict in data.verdicts)
    said = f"{len(found)} of {len(data.verdicts)} known causes found: {', '.join(found)}"
    none = f"None of {len(data.verdicts)} known causes found"
    return (said if found else none) + (f"; {open_} can't be told" if open_ else "")


def verdicts_alt(data: VerdictsData) -> str:
    """Give all verdicts in words."""
    return " ".join(f"{v.name}, {v.word}: {v.text}." for v in data.verdicts)


def plot_verdicts(
    data: VerdictsData | Trace,
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw the verdicts on a trace as a table.

    Parameters
    ----------
    data : VerdictsData or Trace
        Of a trace, `options` are those of `verdicts_data`.
    ax : Axes, optional
        Draw without title and badge here.
    style : Style, optional
        Sizes of type and lines.
    """
    recipe = Recipe(verdicts_data, verdicts_finding, verdicts_alt, _draw, _height)
    return recipe.plot(data, ax, style, options)


def _lines(data: VerdictsData) -> list[list[str]]:
    """Return the wrapped lines of each verdict: evidence and, where it is found, advice."""
    return [
        [*textwrap.wrap(v.text, _WIDE), *textwrap.wrap(f"To do: {v.advice}" * bool(v.found), _WIDE)]
        for v in data.verdicts
    ]


def _height(data: VerdictsData) -> float:
    return 0.9 + 0.24 * sum(len(lines) + 0.5 for lines in _lines(data))


def _draw(data: VerdictsData, ax: Axes) -> None:
    ax.set_axis_off()
    top = 0.0
    for verdict, told in zip(data.verdicts, _lines(data), strict=True):
        color, sign = LOOKS[verdict.found]
        ax.broken_barh([(0.0, 0.022)], (top - 0.45, 0.9), facecolor=color)
        ax.text(0.011, top, sign, color="white", weight="bold", va="center", ha="center")
        weight = "bold" if verdict.found else "normal"
        ax.text(0.035, top, verdict.name, weight=weight, va="center", color=INK)
        for number, line in enumerate(told):
            ax.text(0.225, top + number, line, va="center", color=INK)
        top += len(told) + 0.5
    ax.set(xlim=(0, 1), ylim=(top - 0.5, -0.5))
