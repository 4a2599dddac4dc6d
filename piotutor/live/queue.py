"""A sweep of queue depth while it goes deeper: rate, time of one read, and their product."""

from __future__ import annotations

from typing import Any

import numpy as np

from piotutor.live import frames, wire
from piotutor.live.view import View
from piotutor.metrics_depth import Depth, bounds, of_reads
from piotutor.trace import RECORD, Op, Trace, repetition_of

_Whole = tuple[dict[str, Any], wire.Arrays]
_COLUMNS = ("asked", "rate", "seconds", "in_flight")


class QueueSweep(View):
    """Reads per second, time of one, and N = X R as an area, for each depth so far."""

    _esm = wire.module("queue")
    name = "queue"

    def _start(self) -> None:
        self._reads = np.empty(0, RECORD)
        self._found: dict[int, Depth] = {}
        self._count = 0

    def meta(self) -> dict[str, Any]:
        """Return how many reads there were, and the two bounds as the sweep shows them."""
        limits = bounds(list(self._found.values()))
        told = {} if limits is None else {"demand": limits.demand, "slowest": limits.slowest}
        return {"reads": self._count, **told}

    def _empty(self) -> wire.Arrays:
        every = list(self._found.values())
        columns = {name: np.array([getattr(one, name) for one in every]) for name in _COLUMNS}
        ends = np.array([one.end for one in every], np.int64)
        when = frames.milliseconds(ends, self.origin or 0)
        return {"when": when, **{name: column.astype("<f4") for name, column in columns.items()}}

    def _more(self, records: np.ndarray) -> wire.Arrays | None:
        news = frames.calls(records)
        news = news.compress(news["op"] == int(Op.READ))
        if not len(news):
            return None
        self._count += len(news)
        self._take(news)
        return self._empty()

    def _take(self, news: np.ndarray) -> None:
        """Measure again what is new; of earlier repetitions only the numbers are kept."""
        every = np.concatenate([self._reads, news])
        self._found |= {one.repetition: one for one in of_reads(every)}
        number = repetition_of(every["aux"])
        self._reads = every.compress(number == number.max())

    def _whole(self, trace: Trace) -> _Whole:
        self._start()
        reads = frames.calls(trace.records)
        reads = reads.compress(reads["op"] == int(Op.READ))
        self._count = len(reads)
        self._found = {one.repetition: one for one in of_reads(reads)}
        return self.meta(), self._empty()
