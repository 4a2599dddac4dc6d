"""Locks while a job runs: who holds what of an object, and what the servers are doing."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets

from piotutor.live import locks_frame, wire
from piotutor.live.view import View
from piotutor.metrics_servers import ServerBook
from piotutor.trace import Trace


class Locks(View):
    """Granted extents of one object over time, and every server's queue and bytes.

    Attributes
    ----------
    object : int
        The number of the object that is shown; -1: the one with most callbacks.
    by : str
        What runs downwards when the run is over: ``transfer``, a row for each of the first ones,
        or ``time``. While it runs it is time.
    """

    _esm = wire.module("locks")
    name = "locks"

    object = traitlets.Int(-1).tag(sync=True)
    by = traitlets.Enum(["transfer", "time"], "transfer").tag(sync=True)

    def meta(self) -> dict[str, Any]:
        """Return objects, clients, counts and how far it is known."""
        return {**self._meta, "over": not self._live}

    def _start(self) -> None:
        self._book = ServerBook()
        self._meta, self._nothing = locks_frame.now(self._book, 0)

    def _empty(self) -> wire.Arrays:
        return self._nothing

    def _more(self, records: np.ndarray) -> wire.Arrays | None:
        if not self._book.take(records):
            return None
        assert self.origin is not None
        self._meta, columns = locks_frame.now(self._book, self.origin)
        return columns

    def _whole(self, trace: Trace) -> tuple[dict[str, Any], wire.Arrays]:
        assert self.origin is not None
        self._meta, columns = locks_frame.whole(trace, self.origin, self.span)
        return self.meta(), columns
