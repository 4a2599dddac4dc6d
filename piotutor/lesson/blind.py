"""Runs without labels: the learner tells them apart by what they left behind."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from piotutor.lesson.evidence import Evidence, EvidenceTable, evidence


@dataclass(frozen=True, repr=False)
class Blind:
    """Some runs under letters.

    Attributes
    ----------
    runs
        Letter to what is known of that run.
    truth
        Letter to its label; not shown.
    note
        A remark under the table, such as where recorded runs come from.
    """

    runs: dict[str, Evidence]
    truth: dict[str, str]
    note: str = ""

    def __repr__(self) -> str:
        return f"{EvidenceTable(self.runs)!r}\n{self._labels}"

    def _repr_html_(self) -> str:
        return f"{EvidenceTable(self.runs)._repr_html_()}<p>{escape(self._labels)}</p>"

    @property
    def _labels(self) -> str:
        return f"Each label once: {', '.join(sorted(self.truth.values()))}. {self.note}"


def shuffled(runs: Mapping[str, Any], note: str = "") -> Blind:
    """Put labelled runs under letters, in an order that nobody knows."""
    order = random.SystemRandom().sample(sorted(runs), len(runs))
    letters = dict(zip("ABCDEFGH", order, strict=False))
    found = {letter: evidence(runs[label].trace) for letter, label in letters.items()}
    return Blind(found, letters, note)
