"""What each lesson asks, and how its answers are judged: one file a lesson, one line in a table."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from piotutor.errors import UsageError
from piotutor.lesson.question import Question
from piotutor.lesson.verdict import Point
from piotutor.workload import Workload

COURSE = {
    "00": "piotutor.lesson.course.lab",
    "01": "piotutor.lesson.course.memory",
    "02": "piotutor.lesson.course.queues",
    "03": "piotutor.lesson.course.hardware",
    "04": "piotutor.lesson.course.patterns",
    "05": "piotutor.lesson.course.striping",
    "06": "piotutor.lesson.course.locks",
    "07": "piotutor.lesson.course.layers",
    "08": "piotutor.lesson.course.arrays",
}

Check = Callable[..., Iterable[Point]]


@dataclass(frozen=True, kw_only=True)
class Content:
    """One lesson's questions and checks; its text is the notebook.

    Attributes
    ----------
    name, title, minutes
        "04", the question that the lesson is about, and how long it takes.
    questions
        What is predicted.
    answers
        Question to the name of the run that answers it, and that locks it when it starts.
    checks
        "04.offsets" to the function that judges an answer.
    blind
        Label to workload, of runs that the learner shall tell apart.
    published
        Figures from elsewhere that the lesson shows: a `piotutor.plots.published.Published`'s
        fields.
    """

    name: str
    title: str
    minutes: int
    questions: tuple[Question, ...]
    answers: Mapping[str, str]
    checks: Mapping[str, Check]
    blind: Mapping[str, Workload] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=dict)

    def answered_by(self, run: str) -> list[str]:
        """Questions that a run answers."""
        return [question for question, name in self.answers.items() if name == run]


def load(name: str) -> Content:
    """Return the lesson of that number.

    Raises
    ------
    UsageError
        There is none.
    """
    if name not in COURSE:
        raise UsageError(f"there is no lesson {name!r}: the lessons are {', '.join(COURSE)}")
    content: Content = importlib.import_module(COURSE[name]).CONTENT
    return content
