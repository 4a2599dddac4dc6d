"""What the engine is held to: each module computes some rows of the table in ``docs/engine.md``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MS = 1e-3
MIB = 1 << 20


class Claim(NamedTuple):
    """One row: what is claimed, who says so, what they say and what the engine says."""

    claim: str
    source: str
    published: str
    ours: str
    holds: bool

    def row(self) -> str:
        """Return it as a row of a table."""
        cells = (self.claim, self.source, self.published, self.ours, "yes" if self.holds else "no")
        return f"| {' | '.join(cells)} |"


HEAD = "| claim | source | published | ours | holds |\n| --- | --- | --- | --- | --- |"


def near(published: Iterable[float], ours: Iterable[float], share: float = 0.02) -> bool:
    """Return whether each of ours lies within a share of what is published."""
    pairs = zip(published, ours, strict=True)
    return all(abs(mine - theirs) <= share * theirs for theirs, mine in pairs)


def listed(values: Iterable[float], form: str = ".3g") -> str:
    """Return numbers with commas between."""
    return ", ".join(f"{value:{form}}" for value in values)
