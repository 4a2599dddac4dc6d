"""Servers while a job runs: what each target did when, and how much in all."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets

from piotutor.live import target_frame, wire
from piotutor.live.view import View
from piotutor.metrics_targets import target_work
from piotutor.stripemap import target_word
from piotutor.trace import Trace

_Whole = tuple[dict[str, Any], wire.Arrays]


class TargetStrips(View):
    """Bytes or operations per second of each target over time, and how much each did in all.

    Attributes
    ----------
    what : str
        ``bytes`` or ``operations``.
    """

    _esm = wire.module("targets")
    name = "targets"

    what = traitlets.Enum(list(target_frame.KINDS), "bytes").tag(sync=True)

    def meta(self) -> dict[str, Any]:
        """Return the targets' names and the geometry of the bins; `first` is the first one sent."""
        b, word = self._bins, self._word or target_word(self.system)
        return {
            "names": [f"{word} {target}" for target in b.targets],
            "bins": b.count,
            "width": b.width,
            "first": self._sent[0],
            "reached": b.reached,
            "over": self._over,
        }

    def _start(self) -> None:
        self._bins, self._sent = target_frame.StripBins(), (0, 128)
        self._word, self._over = "", False

    def _empty(self) -> wire.Arrays:
        return self._bins.columns(*self._sent)

    def _so_far(self) -> wire.Arrays:
        self._sent = (0, self._bins.count)
        return self._empty()

    def _asked(self, widget: Any, content: Any, buffers: Any) -> None:
        self._sent = (0, self._bins.count)
        super()._asked(widget, content, buffers)

    def _more(self, records: np.ndarray) -> wire.Arrays | None:
        assert self.origin is not None
        sent = self._bins.take(records, self.origin)
        if sent is None:
            return None
        self._sent = sent
        return self._empty()

    def _whole(self, trace: Trace) -> _Whole:
        work = target_work(trace)
        assert self.origin is not None
        self._start()
        self._over = True
        if work is not None:
            self._bins = target_frame.whole(work, self.origin, self.span)
            self._word = work.word
        self._sent = (0, self._bins.count)
        return self.meta(), self._empty()
