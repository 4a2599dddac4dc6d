"""Verdicts while a job runs: judged anew now and then, and whole when it is over."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from piotutor.diagnosis import Verdicts, verdicts
from piotutor.live import wire
from piotutor.live.view import View
from piotutor.trace import Trace

EVERY = 1.0
"""Seconds between two judgements, at least."""
SHARE = 0.05
"""Share of the time that may go into judging."""
MOST = 1_000_000
"""Records that are judged while the job runs; with more it waits for the end."""

_CODES = {False: 0, True: 1, None: 2}


class VerdictPanel(View):
    """Known causes of slow I/O: found, not found, or can't be told, with evidence and advice.

    While the job runs, files have no names yet and calls no parents: what lay inside what is then
    found by rank and time.
    """

    _esm = wire.module("verdicts")
    name = "verdicts"
    below = True

    def meta(self) -> dict[str, Any]:
        """Return the verdicts in words."""
        rows = [{"name": v.name, "text": v.text, "advice": v.advice} for v in self._judged]
        return {"rows": rows, "records": self._count, "waits": self._count > MOST}

    def _start(self) -> None:
        self._judged = Verdicts()
        self._kept: list[np.ndarray] = []
        self._count, self._due = 0, 0.0

    def _empty(self) -> wire.Arrays:
        return {"found": np.array([_CODES[v.found] for v in self._judged], "u1")}

    def _more(self, records: np.ndarray) -> wire.Arrays | None:
        self._count += len(records)
        began = time.monotonic()
        if self._count > MOST:
            self._kept.clear()
            return None
        self._kept.append(records)
        if began < self._due:
            return None
        together = np.concatenate(self._kept)
        together["parent"] = -1
        self._kept = [together]
        self._judged = verdicts(Trace.from_records(together))
        took = time.monotonic() - began
        self._due = began + max(EVERY, took / SHARE)
        return self._empty()

    def _whole(self, trace: Trace) -> tuple[dict[str, Any], wire.Arrays]:
        self._judged, self._count = verdicts(trace), len(trace)
        self._kept.clear()
        return {**self.meta(), "waits": False}, self._empty()
