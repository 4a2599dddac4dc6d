"""Prediction, model and measurement of one question, side by side."""

from __future__ import annotations

from html import escape
from typing import Any

from piotutor.lesson.question import Option, Question, Value, with_unit
from piotutor.lesson.table import UNKNOWN

APART = 1.25
"""Factor from which on an emulated run is said to have been disturbed."""


class Comparison:
    """What was predicted, what the rule says and what was measured; in a notebook it shows itself.

    Parameters
    ----------
    question
        What was asked.
    predicted
        The learner's value; None without one.
    measured
        The run's value; None where there is none to measure, or none here.
    run
        What was run; None where a device was played, which isn't here.
    """

    def __init__(
        self, question: Question, predicted: Value | None, measured: float | None, run: Any
    ) -> None:
        self.question, self.predicted, self.measured = question, predicted, measured
        self.run = run

    @property
    def how(self) -> str:
        """How the number came about that isn't the learner's: ``measured``, ``emulated``, ..."""
        return "modelled" if self.run is None else str(self.run.trace.provenance)

    @property
    def option(self) -> Option:
        """The answer that the learner gave, or the right one where none was given."""
        if self.predicted is None:
            return self.question.right
        return self.question.reply(self.predicted)

    @property
    def lines(self) -> list[str]:
        """The comparison in words."""
        unit, option = self.question.unit, self.option
        made = self.predicted is not None
        told = [f"You predicted {self._in_words(option)}." if made else "You made no prediction."]
        if self.question.unit is not None:
            measured = UNKNOWN if self.measured is None else with_unit(self.measured, unit)
            rule = with_unit(self.question.right.value, unit)
            told.append(f"The rule: {rule}; {self.how}: {measured}.")
        elif option.misconception is not None or self.predicted is None:
            told.append(f"Right is {self._in_words(self.question.right)}.")
        if option.misconception:
            told.append(f"What may stand behind it: {option.misconception}.")
        return [*told, option.reply, *self._disturbed]

    @property
    def _disturbed(self) -> list[str]:
        """What to say of an emulated run that isn't what the rule says."""
        if self.measured is None or self.how != "emulated":
            return []
        low, high = sorted((self.measured, float(self.question.right.value)))
        if high <= APART * low:
            return []
        return ["The run isn't what the rule says: this machine was too busy for it. Run it again."]

    def _in_words(self, option: Option) -> str:
        if self.question.unit is None:
            return f"{option.value}) {option.text}"
        return with_unit(option.value, self.question.unit)

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        words = "".join(f"<p>{escape(line)}</p>" for line in self.lines)
        return f"<div>{self._picture()}{words}</div>"

    def _picture(self) -> str:
        if self.question.unit is None:
            return ""
        from piotutor.plots.comparison_data import badge_of
        from piotutor.plots.prediction import plot_prediction, prediction_data
        from piotutor.plots.style import figure_html

        data = prediction_data(
            predicted=None if self.predicted is None else float(self.predicted),
            model=float(self.question.right.value),
            measured=self.measured,
            unit=self.question.unit,
            how=self.how,
            badge=self.how if self.run is None else badge_of(self.run),
        )
        shown: Any = plot_prediction(data)
        return figure_html(shown, shown.alt)
