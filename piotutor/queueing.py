"""Waiting in a closed system, by arithmetic: how rate, time and number in flight hang together.

A sweep of queue depth is a closed system: N requests are always under way, and a new one begins
when one is over. Sources: Little 1961 (N = X R); Denning and Buzen 1978, Lazowska et al. 1984 (the
two bounds). All recalled, none read again.
"""

from __future__ import annotations

from dataclasses import dataclass

from piotutor.errors import UsageError


def in_flight(rate: float, seconds: float) -> float:
    """Return N = X R: how many are under way, from requests/s and the seconds that each takes."""
    return rate * seconds


def rate(in_flight: float, seconds: float) -> float:
    """Return X = N / R, in requests/s.

    Examples
    --------
    >>> rate(32, 0.0004)
    80000.0
    """
    return in_flight / seconds


@dataclass(frozen=True)
class Closed:
    """A closed system, by the two numbers that bound it.

    Attributes
    ----------
    demand
        D: seconds that a request takes when it meets no other one, all parts together.
    slowest
        Dmax: seconds of it at the part that is busiest, over how many that part serves at once.

    Raises
    ------
    UsageError
        They aren't positive, or the slowest part takes longer than the whole.

    Examples
    --------
    >>> disk = Closed(demand=0.004, slowest=0.0005)
    >>> disk.knee
    8.0
    >>> disk.most(4), disk.most(64)
    (1000.0, 2000.0)
    >>> disk.least(64)
    0.032
    """

    demand: float
    slowest: float

    def __post_init__(self) -> None:
        if not 0 < self.slowest <= self.demand:
            raise UsageError(
                f"demand {self.demand} s, slowest {self.slowest} s: give positive seconds, "
                "and the slowest part no more than all together"
            )

    @property
    def knee(self) -> float:
        """N*: how many in flight it takes until the slowest part never rests (D / Dmax)."""
        return self.demand / self.slowest

    def most(self, in_flight: float) -> float:
        """Return the requests/s that can't be passed: min(N / D, 1 / Dmax)."""
        return min(in_flight / self.demand, 1 / self.slowest)

    def least(self, in_flight: float) -> float:
        """Return the seconds that a request takes at least: max(D, N Dmax)."""
        return max(self.demand, in_flight * self.slowest)
