"""What a check answers: which parts are right, which are not, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from html import escape


class Status(Enum):
    """The four things that a check can say of an answer."""

    RIGHT = "right"
    NOT_YET = "not yet"
    OPEN = "not answered yet"
    INCONCLUSIVE = "inconclusive here"


_SIGN = {True: "✓", False: "✗", None: "?"}
_COLOUR = {
    Status.RIGHT: "#009E73",
    Status.NOT_YET: "#D55E00",
    Status.OPEN: "#767676",
    Status.INCONCLUSIVE: "#0072B2",
}


@dataclass(frozen=True)
class Point:
    """One thing that a check looked at.

    Attributes
    ----------
    ok
        Whether it is right; None where this machine can't tell.
    text
        What is right or not, and why.
    """

    ok: bool | None
    text: str


@dataclass(frozen=True)
class Verdict:
    """The answer of a check; in a notebook it shows itself.

    Attributes
    ----------
    name
        The check's name, such as ``04.offsets``.
    status
        The whole in one word.
    points
        The parts, each with its reason.
    """

    name: str
    status: Status
    points: tuple[Point, ...]

    def __repr__(self) -> str:
        lines = [f"{self.name}: {self.status.value}"]
        return "\n".join([*lines, *(f"  {_SIGN[p.ok]} {p.text}" for p in self.points)])

    def _repr_html_(self) -> str:
        items = "".join(
            f"<li style='list-style:none'>{_SIGN[p.ok]} {escape(p.text)}</li>" for p in self.points
        )
        return (
            f"<div role='status' style='border-left:6px solid {_COLOUR[self.status]};"
            f"padding:.2em 1em'><strong>{escape(self.name)}: {self.status.value}</strong>"
            f"<ul style='margin:.3em 0;padding-left:0'>{items}</ul></div>"
        )


def judge(name: str, points: Iterable[Point]) -> Verdict:
    """Sum up points: one wrong is "not yet", one that can't be told is "inconclusive here"."""
    kept = tuple(points)
    found = {point.ok for point in kept}
    if False in found:
        status = Status.NOT_YET
    else:
        status = Status.INCONCLUSIVE if None in found or not kept else Status.RIGHT
    return Verdict(name, status, kept)


def unanswered(answer: object) -> list[str]:
    """Name the parts of an answer that are still ``...``; the whole is called ``answer``.

    Examples
    --------
    >>> unanswered({"A": "buffered", "B": ...})
    ["'B'"]
    """
    if answer is ...:
        return ["answer"]
    if isinstance(answer, dict):
        return [repr(key) for key, value in answer.items() if value is ...]
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        return [f"number {n}" for n, value in enumerate(answer, 1) if value is ...]
    return []
