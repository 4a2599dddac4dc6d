"""What the engine is held to: each module computes some rows of the table in ``docs/engine.md``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MS = 1e-3
MIB = 1 << 20
APART = "no two repeats overlap"
"""What makes an order of measured rates more than scatter."""


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


def order(ratios: Iterable[float]) -> list[int]:
    """Return 1 for each that is ahead, -1 for behind, 0 where less than 5% tells them apart."""
    return [(ratio > 1.05) - (ratio < 1 / 1.05) for ratio in ratios]


def rising(*rates: float) -> bool:
    """Return whether each is ahead of the one before."""
    return order(rates[i] / rates[i - 1] for i in range(1, len(rates))) == [1] * (len(rates) - 1)


def listed(values: Iterable[float], form: str = ".3g") -> str:
    """Return numbers with commas between."""
    return ", ".join(f"{value:{form}}" for value in values)
