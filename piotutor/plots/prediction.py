"""Prediction, model and measurement of one number, on one axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from piotutor.plots.style import Style, Words, hatched, picture, rank_looks
from piotutor.trace.record import PROVENANCES

NEAR = 1.1
"""Up to such a factor apart, a prediction holds."""


@dataclass(frozen=True)
class PredictionData:
    """What the picture shows.

    Attributes
    ----------
    values : dict
        ``you predicted``, ``the model says``, and the word of what was seen, such as
        ``measured``: those that are known.
    unit : str
        What they count.
    badge : str
        How what was seen came about, and on what; empty where that isn't told.
    """

    values: dict[str, float]
    unit: str
    badge: str = ""


def prediction_data(
    *,
    predicted: float | None,
    model: float | None,
    measured: float | None,
    unit: str,
    how: str = "measured",
    badge: str = "",
) -> PredictionData:
    """Collect the values that are known and finite; `how` is the provenance of what was seen."""
    given = {"you predicted": predicted, "the model says": model, how: measured}
    known = {
        name: float(value)
        for name, value in given.items()
        if value is not None and math.isfinite(value)
    }
    return PredictionData(known, unit, badge)


def prediction_finding(data: PredictionData) -> str:
    """Say how far the prediction was from the measurement, or from the model."""
    guess, model = (data.values.get(name) for name in ("you predicted", "the model says"))
    told = next((how for how in PROVENANCES if how in data.values), "the model says")
    truth = data.values.get(told)
    if truth is None:
        return "Nothing to compare yet"
    if guess is None:
        return _model_finding(model, truth, told, data.unit)
    if math.isclose(guess, truth, rel_tol=1e-9, abs_tol=1e-12):
        return "Your prediction holds"
    if guess > 0 and truth > 0:
        factor = max(guess, truth) / min(guess, truth)
        if factor <= NEAR:
            return f"Your prediction holds, within {math.ceil(100 * (factor - 1))}%"
        if model is not None and math.isclose(guess, model, rel_tol=1e-9):
            return f"You and the model agree; {told} was {truth / guess:.3g} times as much"
        return f"Your prediction was {factor:.3g} times too {'high' if guess > truth else 'low'}"
    return f"You predicted {guess:,.6g}, and it is {truth:,.6g}"


def _model_finding(model: float | None, truth: float, told: str, unit: str) -> str:
    """Say how the model and what was seen fit, where nobody predicted anything."""
    if told == "the model says":
        return f"The model says {truth:,.6g} {unit}"
    if model is None:
        return f"{truth:,.6g} {unit} were {told}"
    if math.isclose(model, truth, rel_tol=1e-9, abs_tol=1e-12):
        return f"{truth:,.6g} {unit}, as the model says"
    return f"The model says {model:,.6g} {unit}, {told}: {truth:,.6g}"


def prediction_alt(data: PredictionData) -> str:
    """Describe the picture for a reader who can't see it."""
    if not data.values:
        return "An empty picture: nothing was predicted or measured."
    parts = (f"{name} {value:,.6g} {data.unit}" for name, value in data.values.items())
    return f"Bars on one axis: {', '.join(parts)}."


def plot_prediction(
    data: PredictionData, *, ax: Axes | None = None, style: Style | None = None
) -> Figure:
    """Draw prediction, model and measurement as bars.

    Parameters
    ----------
    data : PredictionData
    ax : Axes, optional
        Draw without title here.
    style : Style, optional
        Sizes of type and lines.
    """
    words = Words(prediction_finding(data), data.badge, prediction_alt(data))
    return picture(partial(_draw, data), words, ax, style, height=2.9 if data.badge else 2.6)


def _draw(data: PredictionData, ax: Axes) -> None:
    seen, *others = rank_looks(range(3))
    colors = dict(zip(("you predicted", "the model says"), others, strict=True))
    for row, (name, value) in enumerate(data.values.items()):
        ax.barh(row, value, 0.7, **hatched(colors.get(name, seen)))
        ax.annotate(
            f"{value:,.6g}", (value, row), xytext=(5, 0), textcoords="offset points", va="center"
        )
    ax.set_yticks(range(len(data.values)), [*data.values])
    ax.invert_yaxis()
    ax.margins(x=0.15)
    if not any(data.values.values()):
        ax.set(xlim=(0, 1), xticks=(0, 1))
    ax.set_xlabel(data.unit)
