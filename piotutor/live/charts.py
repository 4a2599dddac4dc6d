"""Throughput, latency, timeline and tank: one small class for each view."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from piotutor.live import frames, tank_frame, wire
from piotutor.live.view import View
from piotutor.plots.levels import tank_data
from piotutor.plots.style import KINDS
from piotutor.trace import RECORD, Trace

_Whole = tuple[dict[str, Any], wire.Arrays]


class Throughput(View):
    """Bytes per second over time, stacked by rank (up to eight), and each phase's bandwidth."""

    _esm = wire.module("throughput")
    name = "throughput"

    def _start(self) -> None:
        self._rows = self.scene.ranks if self.scene.ranks <= 8 else 1
        self._bins = frames.RateBins(self._rows)
        self._operations = 0
        self._phases: list[dict[str, Any]] = []

    def meta(self) -> dict[str, Any]:
        """Return the bins' geometry, the phases, and how many transfers are in it."""
        b = self._bins
        return {
            "ranks": self.scene.ranks,
            "rows": b.rows,
            "bins": b.bins,
            "width": b.width,
            "operations": self._operations,
            "phases": self._phases,
        }

    def _empty(self) -> wire.Arrays:
        return {"rates": self._bins.rates()}

    def _more(self, records: np.ndarray) -> wire.Arrays | None:
        found = frames.calls(records)
        if not len(found):
            return None
        assert self.origin is not None
        self._bins.add(found, self.origin)
        self._operations += len(found)
        return {"rates": self._bins.rates()}

    def _whole(self, trace: Trace) -> _Whole:
        found = frames.calls(trace.records)
        assert self.origin is not None
        self._bins = frames.RateBins(self._rows, bins=100, width=self.span / 100 * (1 + 1e-9))
        self._bins.add(found, self.origin)
        self._operations = len(found)
        self._phases = frames.phase_spans(trace.records, self.origin)
        return self.meta(), {"rates": self._bins.rates()}


class LatencyHistogram(View):
    """How long one transfer takes, as a histogram with its quantiles."""

    _esm = wire.module("latency")
    name = "latency"

    def _start(self) -> None:
        self._counts = np.zeros((len(self.scene.ops), frames.LATENCY_BINS), np.int64)

    def meta(self) -> dict[str, Any]:
        """Return the operations, the bins, and the range of bins that are used."""
        used = np.flatnonzero(self._counts.sum(axis=0))
        low, high = (int(used[0]), int(used[-1]) + 1) if len(used) else (48, 72)
        return {
            "ops": self.scene.ops,
            "bins": frames.LATENCY_BINS,
            "per": frames.PER_OCTAVE,
            "range": [max(0, low - 4), min(frames.LATENCY_BINS, high + 4)],
            "operations": int(self._counts.sum()),
        }

    def _empty(self) -> wire.Arrays:
        return self._columns(self._counts[None], frames.quantiles_of(self._counts)[None], [0.0])

    @staticmethod
    def _columns(counts: np.ndarray, quantiles: np.ndarray, when: Any) -> wire.Arrays:
        return {
            "when": np.asarray(when, "<f4"),
            "counts": counts.astype("<u4").ravel(),
            "quantiles": quantiles.astype("<f8").ravel(),
        }

    def _more(self, records: np.ndarray) -> wire.Arrays | None:
        found = frames.calls(records)
        if not len(found):
            return None
        self._counts += frames.histogram(found, self.scene.ops)
        return self._empty()

    def _whole(self, trace: Trace) -> _Whole:
        found = frames.in_order(frames.calls(trace.records))
        moments = frames.slices(found, 60)
        cuts = [0, *np.searchsorted(found["end"], moments, side="right")]
        parts = [frames.histogram(found[a:b], self.scene.ops) for a, b in pairwise(cuts)]
        counts = np.cumsum(parts, axis=0) if parts else self._counts[None] * 0
        quantiles = frames.quantiles_of(counts)
        quantiles[-1] = frames.quantiles(found, self.scene.ops)
        self._counts = counts[-1]
        assert self.origin is not None
        when = (moments - self.origin) / 1e6 if parts else [0.0]
        return self.meta(), self._columns(counts, quantiles, when)


class RankTimeline(View):
    """What every rank was doing, when: open, write, read, sync, close, wait."""

    _esm = wire.module("timeline")
    name = "timeline"
    appends = True

    def meta(self) -> dict[str, Any]:
        """Return the ranks and the kinds of calls with their colours."""
        colors = [KINDS[kind][0] for kind in frames.TIMELINE_KINDS]
        return {"ranks": self.scene.ranks, "kinds": frames.TIMELINE_KINDS, "colors": colors}

    def _empty(self) -> wire.Arrays:
        return frames.timeline_columns(np.empty(0, RECORD), 0)

    def _more(self, records: np.ndarray) -> wire.Arrays | None:
        assert self.origin is not None
        columns = frames.timeline_columns(records, self.origin)
        return columns if len(columns["t0"]) else None

    def _whole(self, trace: Trace) -> _Whole:
        assert self.origin is not None
        return self.meta(), frames.timeline_columns(trace.records, self.origin)


class Tank(View):
    """Bytes written, dirty in memory and at the device on one clock, and the file's residency."""

    _esm = wire.module("tank")
    name = "tank"

    def _start(self) -> None:
        self._kept = [np.empty(0, RECORD)]
        self._look_at(Trace.from_records(self._kept[0], meta=_NOT_YET))

    def meta(self) -> dict[str, Any]:
        """Return span, extremes, what is missing and why, and the marks."""
        return self._shown[0]

    def _look_at(self, trace: Trace) -> _Whole:
        self._shown = tank_frame.frame(tank_data(trace))
        return self._shown

    def _empty(self) -> wire.Arrays:
        return self._shown[1]

    def _more(self, records: np.ndarray) -> wire.Arrays | None:
        news = tank_frame.condensed(records)
        if not len(news):
            return None
        self._kept.append(news)
        return self._look_at(Trace.from_records(np.concatenate(self._kept), meta=_NOT_YET))[1]

    def _whole(self, trace: Trace) -> _Whole:
        return self._look_at(trace)


_NOT_YET = dict.fromkeys(("device", "residency"), "no sample yet")
