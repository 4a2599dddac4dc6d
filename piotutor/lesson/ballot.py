"""A question as it is put to the learner: shown, answered, then locked."""

from __future__ import annotations

import importlib.util
from html import escape
from typing import Any

from piotutor.errors import UsageError
from piotutor.lesson import journal
from piotutor.lesson.question import Question, Value, with_unit


class Ballot:
    """The state of one question in one lesson: open, answered, locked.

    Parameters
    ----------
    lesson
        The lesson's number, ``"04"``.
    question
        What is asked.

    Attributes
    ----------
    value
        The prediction so far; None before there is one.
    locked
        Whether the run has begun: from then on nothing changes it.
    """

    def __init__(self, lesson: str, question: Question) -> None:
        self.lesson = lesson
        self.question = question
        self.value: Value | None = None
        self.locked = False
        self._widget: Any = None

    def put(self, given: object) -> None:
        """Note a prediction; it may be changed until the run starts.

        Raises
        ------
        UsageError
            It is no answer to this question, or the run has begun.
        """
        if self.locked:
            raise UsageError(
                "the run has begun, so predictions are locked; to predict anew, run the "
                f'lesson\'s first code cell again: lesson = pio.Lesson("{self.lesson}")'
            )
        self.value = self.question.read(given)

    def lock(self) -> None:
        """Close the question, and append what was predicted to the learner's own record."""
        if self.locked:
            return
        self.locked = True
        if self._widget is not None:
            self._widget.close_question()
        if self.value is not None:
            journal.append(
                journal.PREDICTIONS,
                lesson=self.lesson,
                question=self.question.name,
                value=self.value,
                unit=self.question.unit,
            )

    @property
    def said(self) -> str:
        """What stands now, in words."""
        if self.value is None:
            return "no prediction" if self.locked else "no prediction yet"
        return f"your prediction: {with_unit(self.value, self.question.unit)}"

    @property
    def call(self) -> str:
        """The plain call that answers without a widget."""
        example = '"a"' if self.question.unit is None else "a number"
        return f'lesson.predict("{self.question.name}", {example})'

    def __repr__(self) -> str:
        shown = [self.question.text]
        if self.question.unit is None:
            shown += [f"  {option.value}) {option.text}" for option in self.question.options]
        else:
            shown.append(f"  (a number, in {self.question.unit})")
        return "\n".join([*shown, f"[{self.said}{self._how}]"])

    @property
    def _how(self) -> str:
        return "" if self.locked else f"; answer with {self.call}"

    def _repr_html_(self) -> str:
        if self.question.unit is None:
            asked = "".join(
                f"<li style='list-style:none'><strong>{option.value})</strong> "
                f"{escape(option.text)}</li>"
                for option in self.question.options
            )
        else:
            asked = f"<li style='list-style:none'>A number, in {escape(self.question.unit)}.</li>"
        how = "" if self.locked else f"; answer with <code>{escape(self.call)}</code>"
        return (
            f"<div><p><strong>{escape(self.question.text)}</strong></p>"
            f"<ul style='padding-left:1em'>{asked}</ul>"
            f"<p><em>{escape(self.said)}{how}</em></p></div>"
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        static: dict[str, Any] = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if self.locked or importlib.util.find_spec("ipywidgets") is None:
            return static
        from piotutor.live.question import QuestionBox

        if self._widget is None:
            self._widget = QuestionBox(self)
        return {**static, **self._widget.mimebundle()}
