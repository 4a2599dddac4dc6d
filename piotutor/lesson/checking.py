"""`check`: judge an answer, and say why."""

from __future__ import annotations

from typing import Any

from piotutor.errors import UsageError
from piotutor.lesson import course, journal
from piotutor.lesson.verdict import Point, Status, Verdict, judge, unanswered


def check(name: str, answer: object, *evidence: Any) -> Verdict:
    """Say what is right in an answer, what isn't, and why.

    Parameters
    ----------
    name
        Lesson and check, ``"04.offsets"``.
    answer
        The learner's answer; ``...`` where it is still open.
    *evidence
        What the answer is about, where the exercise says so: a run, or several.

    Returns
    -------
    Verdict
        Which shows itself.

    Raises
    ------
    UsageError
        There is no such check.

    Examples
    --------
    >>> check("04.offsets", ...).status.value  # doctest: +SKIP
    'not answered yet'
    """
    lesson = name.partition(".")[0]
    checks = course.load(lesson).checks
    if name not in checks:
        raise UsageError(f"no check is called {name!r}: lesson {lesson} has {list(checks)}")
    missing = unanswered(answer)
    if missing:
        text = f"Put your answer in place of the three dots ({', '.join(missing)})."
        return Verdict(name, Status.OPEN, (Point(None, text),))
    verdict = judge(name, checks[name](answer, *evidence))
    journal.append(journal.PROGRESS, check=name, status=verdict.status.value)
    return verdict
