"""Prediction, model and measurement of one number, on one axis."""

from __future__ import annotations

from typing import NamedTuple, cast

from matplotlib.axes import Axes

from piotutor.plots.style import INK, Picture, Style, rank_looks

_MARKERS = ("D", "o", "s")


class PredictionData(NamedTuple):
    """Up to three values of one quantity.

    Attributes
    ----------
    names
        Who says so: ``you``, ``the rule``, ``the run``.
    values
        What they say, in `unit`.
    unit
        The unit of all of them.
    title
        The finding.
    """

    names: tuple[str, ...]
    values: tuple[float, ...]
    unit: str
    title: str

    @property
    def alt(self) -> str:
        """The picture in words."""
        said = ", ".join(
            f"{name}: {value:,.6g} {self.unit}"
            for name, value in zip(self.names, self.values, strict=True)
        )
        return f"{self.title}. On one axis, {said}."


def prediction_data(
    *, predicted: float | None, model: float, measured: float | None, unit: str
) -> PredictionData:
    """Put together what is known.

    Parameters
    ----------
    predicted
        The learner's number; None without one.
    model
        What the rule gives.
    measured
        What the run gave; None where it can't be known.
    unit
        The unit of all three.
    """
    said = {"you": predicted, "the rule": model, "the run": measured}
    known = {name: value for name, value in said.items() if value is not None}
    return PredictionData(tuple(known), tuple(known.values()), unit, _finding(known))


def plot_prediction(
    data: PredictionData, ax: Axes | None = None, style: Style | None = None
) -> Picture:
    """Draw the values as marks on one axis, each with its name and number.

    Parameters
    ----------
    data
        What is known.
    ax
        Draw here; without it in a figure of its own.
    style
        Sizes of type and lines.
    """
    style = style or Style()
    with style.applied():
        if ax is None:
            ax = style.figure(height=1.9).add_subplot()
        figure = cast(Picture, ax.figure)
        figure.alt = data.alt
        for row, value in enumerate(data.values):
            _mark(ax, row, value, style)
        ax.set_yticks([-row for row in range(len(data.names))], data.names)
        ax.set_ylim(0.6 - len(data.names), 0.6)
        ax.set_xlim(*_limits(data.values))
        ax.set_xlabel(data.unit)
        ax.set_title(data.title, weight="bold")
    return figure


def _mark(ax: Axes, row: int, value: float, style: Style) -> None:
    color = rank_looks([row])[0].color
    ax.hlines(-row, 0, value, color=color, lw=style.line * 2)
    ax.plot(value, -row, _MARKERS[row], color=color, ms=style.font * 0.9, mec=INK)
    beside = {"xytext": (style.font, 0), "textcoords": "offset points", "va": "center"}
    ax.annotate(f"{value:,.6g}", (value, -row), **beside)


def _limits(values: tuple[float, ...]) -> tuple[float, float]:
    low, high = min(0.0, *values), max(0.0, *values)
    span = (high - low) or 1.0
    return (low - 0.02 * span if low < 0 else 0.0), high + 0.12 * span


def _finding(known: dict[str, float]) -> str:
    if "the run" not in known:
        return "The run could not measure it here"
    agree = abs(known["the rule"] - known["the run"]) <= 0.02 * max(1.0, abs(known["the rule"]))
    rule = "The run did what the rule says" if agree else "The run differs from the rule"
    if "you" not in known:
        return rule
    return f"{rule}; {'so did you' if known['you'] == known['the rule'] else 'you said otherwise'}"
