"""How many requests were in flight, how many were done a second, how long each took.

Three numbers, measured apart: rate by counting ends, time by the calls' own clocks, number in
flight by looking, at evenly spaced moments, how many have begun and aren't over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from piotutor.metrics import quantiles, transfers
from piotutor.queueing import Closed
from piotutor.trace import Op, Phase, Trace, phase_of, repetition_of

LOOKS = 2000
"""Moments at which it is counted how many are in flight."""


@dataclass(frozen=True)
class Depth:
    """The reads of one repetition, while all who read were at it.

    Attributes
    ----------
    repetition : int
        Counted from 0.
    asked : int
        How many were to be in flight: threads that read, over all ranks.
    operations : int
        Reads that ended meanwhile.
    size : int
        Bytes of one.
    rate : float
        X: reads that ended, per second.
    seconds : float
        R: how long one took, in the mean.
    median : float
        Seconds that half of them didn't exceed: what one takes that nothing disturbs.
    in_flight : float
        N: how many were under way at a moment, in the mean.
    end : int
        When the last one of the repetition was over, in ns of the trace's clock.
    """

    repetition: int
    asked: int
    operations: int
    size: int
    rate: float
    seconds: float
    median: float
    in_flight: float
    end: int


def depths(trace: Trace) -> list[Depth]:
    """Return what was measured at each depth, in the order of the repetitions."""
    return of_reads(trace.records[transfers(trace, Op.READ)])


def of_reads(reads: np.ndarray) -> list[Depth]:
    """Return the same of the records of reads, which may be of several repetitions."""
    return [_of_one(number, some) for number, some in _repetitions(reads)]


def bounds(found: list[Depth]) -> Closed | None:
    """Return the bounds that a sweep shows: D from one read at a time, Dmax from the best rate.

    D is the median, as a machine's other work makes some reads longer.

    Returns
    -------
    Closed or None
        None without a depth of one.
    """
    alone = [one.median for one in found if one.asked == 1]
    if not alone:
        return None
    demand = sum(alone) / len(alone)
    return Closed(demand, min(demand, 1 / max(one.rate for one in found)))


def _repetitions(reads: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    reads = reads[phase_of(reads["aux"]) == Phase.READ]
    number = repetition_of(reads["aux"])
    for one in np.unique(number).tolist():
        yield one, reads[number == one]


def _of_one(number: int, reads: np.ndarray) -> Depth:
    start, end = reads["start"], reads["end"]
    asked, first, last = _while_all(reads)
    ended = (end > first) & (end <= last)
    took = end[ended] - start[ended]
    told = quantiles(took.copy())
    assert told is not None  # the window reaches to the end of a read
    return Depth(
        repetition=number,
        asked=asked,
        operations=len(took),
        size=int(np.median(reads["length"])),
        rate=len(took) / (last - first) * 1e9,
        seconds=float(took.mean()) / 1e9,
        median=told.p50,
        in_flight=_looked_at(start, end, first, last),
        end=int(end.max()),
    )


def _while_all(reads: np.ndarray) -> tuple[int, int, int]:
    """Return how many threads there were, and from when until when all of them were at it.

    That is from the first end after each has one read behind it (they begin together, so the
    first ones wait less than those that follow) to the end of the first thread that has no more:
    from end to end, as a device may end several at once. All the time where there is no such span.
    """
    who = reads["rank"].astype(np.int64) << 32 | (reads["thread"].astype(np.int64) + 1)
    names, place = np.unique(who, return_inverse=True)
    first = np.full(len(names), np.iinfo(np.int64).max)
    last = np.zeros(len(names), np.int64)
    np.minimum.at(first, place, reads["end"])
    np.maximum.at(last, place, reads["end"])
    later = reads["end"][reads["end"] > first.max()]
    begun, over = int(later.min(initial=last.max())), int(last.min())
    if not ((reads["end"] > begun) & (reads["end"] <= over)).any():
        begun, over = int(reads["start"].min()), int(last.max())
    return len(names), begun, over


def _looked_at(start: np.ndarray, end: np.ndarray, first: int, last: int) -> float:
    """Return how many are under way, in the mean of `LOOKS` moments."""
    moments = first + (np.arange(LOOKS) + 0.5) * ((last - first) / LOOKS)
    begun = np.searchsorted(np.sort(start), moments, side="right")
    over = np.searchsorted(np.sort(end), moments, side="right")
    return float((begun - over).mean())
