"""Questions that are answered before a run: a choice, or a number with its unit.

A wrong answer is worth as much as the right one: each stands for a misconception that has a
name, and gets an answer of its own. Nothing here draws or stores anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from piotutor.errors import UsageError

Value = str | float


@dataclass(frozen=True, kw_only=True)
class Option:
    """One answer that a learner may give.

    Attributes
    ----------
    value
        What is given: the key of a choice ("a", "b"), or a number.
    text
        A choice in words; not shown where the question asks for a number.
    reply
        What to say to someone who chose it.
    misconception
        The belief that it stands for, in a few words; None for the right answer, empty where it has
        no name.
    """

    value: Value
    reply: str
    text: str = ""
    misconception: str | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question of a lesson.

    Attributes
    ----------
    name
        Its name within the lesson.
    text
        The question, as it is shown.
    options
        The answers that are foreseen, exactly one of them right.
    unit
        The unit of the number asked for; None when one of the options is to be chosen.
    measure
        From a finished run to the measured value, or None where the run can't tell.
    """

    name: str
    text: str
    options: tuple[Option, ...]
    unit: str | None = None
    measure: Callable[[Any], float | None] | None = None

    @property
    def right(self) -> Option:
        """The option without a misconception."""
        return next(option for option in self.options if option.misconception is None)

    def read(self, given: object) -> Value:
        """Turn what a learner gave into a value of this question.

        Raises
        ------
        UsageError
            It is no choice, or no number.
        """
        return self._read_choice(given) if self.unit is None else self._read_number(given)

    def reply(self, value: Value) -> Option:
        """Return the option that stands for a value; one made up for an unforeseen number."""
        made_up = Option(value=value, reply=self.right.reply, misconception="")
        return next((option for option in self.options if option.value == value), made_up)

    def _read_choice(self, given: object) -> str:
        keys = [str(option.value) for option in self.options]
        key = str(given).strip().lower()
        if key not in keys:
            raise UsageError(f"{given!r} is no answer to {self.name!r}: give one of {keys}")
        return key

    def _read_number(self, given: object) -> float:
        try:
            number = float(str(given).replace(",", ""))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise UsageError(
                f"{given!r} is no answer to {self.name!r}: give a number, in {self.unit}"
            )
        return number


def with_unit(value: Value, unit: str | None) -> str:
    """Write a value with its unit: ``"1,280 KiB"``, ``"1 call"``; a choice as it is."""
    if isinstance(value, str) or unit is None:
        return str(value)
    word = len(unit) > 3  # no sign of a unit, such as "s" or "ms"
    return f"{value:,.6g} {unit.removesuffix('s') if value == 1 and word else unit}"
