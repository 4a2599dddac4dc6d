"""What each OSD has done for a run, by its own counters, while it goes on and at its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from piotutor.storage.ceph.monitor import CephError
from piotutor.trace.record import Layer, Op
from piotutor.trace.writer import TraceWriter

PERIOD = 0.1
"""Seconds between looks."""
QUIET = 0.15
"""Seconds without a change after which the servers are at rest."""
PATIENCE = 5.0

Counts = tuple[int, int, int, int]
"""Write operations and bytes, read operations and bytes."""
NAMES = ("op_w", "op_w_in_bytes", "op_r", "op_r_out_bytes")
"""Of Ceph's counters."""


class Counting:
    """Looks at the OSDs' counters now and then, in a thread of its own, and keeps records.

    Parameters
    ----------
    look : callable
        Returns the counters of an OSD by its number.
    osds : int
        How many there are.
    path : path
        The new trace file.
    """

    def __init__(self, look: Callable[[int], Counts], osds: int, path: Path) -> None:
        self._look, self._osds = look, osds
        self._before = self._all()
        self._since = time.monotonic_ns()
        self._writer = TraceWriter(path, rank=-1, writer="servers", notes={"system": "ceph"})
        self._over = threading.Event()
        self._record(self._counts())
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def finish(self) -> list[Counts]:
        """Wait until the servers are at rest; take the last records; return them."""
        self._over.set()
        self._thread.join()
        self._quiet()
        counts = self._counts()
        self._record(counts)
        self._writer.close()
        return counts

    def _follow(self) -> None:
        with suppress(CephError):  # a dead OSD ends the run elsewhere
            while not self._over.wait(PERIOD):
                self._record(self._counts())

    def _quiet(self) -> None:
        deadline, last = time.monotonic() + PATIENCE, self._all()
        while time.monotonic() < deadline:
            time.sleep(QUIET)
            now = self._all()
            if now == last:
                return
            last = now

    def _record(self, counts: list[Counts]) -> None:
        start, self._since = self._since, time.monotonic_ns()
        for target, (writes, written, reads, was_read) in enumerate(counts):
            self._writer.append(
                layer=Layer.SERVER,
                op=Op.SAMPLE,
                start=start,
                end=self._since,
                length=written,
                result=was_read,
                target=target,
                aux=writes | reads << 32,
            )

    def _counts(self) -> list[Counts]:
        pairs = zip(self._all(), self._before, strict=True)
        return [tuple(a - b for a, b in zip(now, was, strict=True)) for now, was in pairs]  # type: ignore[misc]

    def _all(self) -> list[Counts]:
        return [self._look(number) for number in range(self._osds)]
