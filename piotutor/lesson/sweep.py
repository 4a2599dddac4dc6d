"""Sweeps of queue depth: what was in flight, done per second and waited for, depth by depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from piotutor.errors import UsageError
from piotutor.lesson import table
from piotutor.metrics_depth import Depth, bounds, depths
from piotutor.queueing import Closed
from piotutor.trace import Trace
from piotutor.units import format_rate, format_seconds, format_size

_HEAD = (
    "run",
    "reads of",
    "asked for",
    "in flight (N)",
    "reads/s (X)",
    "each takes (R)",
    "bytes/s",
)


class Seen(NamedTuple):
    """Two of the three numbers of one depth: requests in flight, and seconds that each takes."""

    in_flight: float
    seconds: float


def sweep(run: Any) -> list[Depth]:
    """Return what a run measured at each depth, ascending.

    Parameters
    ----------
    run
        A run or a recorded one.
    """
    return sorted(depths(run.trace), key=lambda one: one.asked)


def knee(run: Any) -> float | None:
    """Return where the two bounds of a run's sweep meet; None without one read at a time."""
    limits = bounds(depths(run.trace))
    return None if limits is None else limits.knee


@dataclass(frozen=True, repr=False)
class Sweeps(table.Shown):
    """Sweeps of several runs under their names; in a notebook they show themselves as a table."""

    traces: Mapping[str, Trace]

    def at(self, asked: int) -> Seen:
        """Return N and R of the first run at a depth.

        Raises
        ------
        UsageError
            It hasn't been there.
        """
        name, trace = next(iter(self.traces.items()))
        found = {one.asked: one for one in depths(trace)}
        if asked not in found:
            known = ", ".join(map(str, sorted(found))) or "none, as it was stopped"
            raise UsageError(f"{name!r} had no depth of {asked}: it has {known}")
        return Seen(found[asked].in_flight, found[asked].seconds)

    def picture(self, *, demand: float, slowest: float) -> Any:
        """Draw the first run with bounds that are foretold, not measured.

        Parameters
        ----------
        demand
            D: seconds of one read that meets no other.
        slowest
            Dmax: seconds from one end to the next at the busiest part.
        """
        from piotutor.plots.queue import plot_queue

        return plot_queue(next(iter(self.traces.values())), limits=Closed(demand, slowest))

    def _lines(self) -> Iterator[tuple[str, ...]]:
        yield _HEAD
        for name, trace in self.traces.items():
            for one in sorted(depths(trace), key=lambda one: one.asked):
                yield (
                    name,
                    format_size(one.size),
                    str(one.asked),
                    f"{one.in_flight:.1f}",
                    f"{one.rate:,.0f}",
                    format_seconds(one.seconds),
                    format_rate(one.rate * one.size),
                )
