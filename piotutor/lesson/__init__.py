"""Lessons: predictions that are locked, runs that are real, checks that say why."""

from __future__ import annotations

from piotutor.lesson.book import Lesson
from piotutor.lesson.checking import check
from piotutor.lesson.evidence import Evidence, evidence
from piotutor.lesson.progress import Progress
from piotutor.lesson.recorded import Recorded
from piotutor.lesson.verdict import Point, Status, Verdict

__all__ = [
    "Evidence",
    "Lesson",
    "Point",
    "Progress",
    "Recorded",
    "Status",
    "Verdict",
    "check",
    "evidence",
]
