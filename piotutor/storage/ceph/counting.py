"""What each OSD has done for a run, by its own counters, while it goes on and at its end."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from piotutor.storage.ceph.monitor import CephError
from piotutor.storage.ceph.reach import Reach
from piotutor.trace.record import Layer, Op
from piotutor.trace.writer import TraceWriter

PERIOD = 0.1
"""Seconds between looks."""
QUIET = 0.15
"""Seconds without a change after which the servers are at rest."""
SECTIONS = ("mds", "mds_server", "mds_sessions", "osd", "bluestore")
"""Of a daemon's counters: those about what clients ask for, and what it stores."""
PATIENCE = 5.0
"""Seconds to wait for that."""


class Counts(NamedTuple):
    """What an OSD has done: operations, their bytes, and nanoseconds spent on them."""

    writes: int
    written: int
    reads: int
    read: int
    busy: int

    @classmethod
    def of(cls, osd: dict[str, Any], store: dict[str, Any] | None = None) -> Counts:
        """Take them from the section ``osd`` of its counters: what clients asked it for.

        With the section ``bluestore``, written is what its store wrote instead: of coded data
        clients write to one OSD, which sends the others their parts, parity included.
        """
        writes, written = osd["op_w"], osd["op_w_in_bytes"]
        if store is not None:
            writes = sum(store[f"bluestore_write_{size}"] for size in ("big", "small"))
            written = sum(store[f"bluestore_write_{size}_bytes"] for size in ("big", "small"))
        busy = round(osd["op_latency"]["sum"] * 1e9)
        return cls(writes, written, osd["op_r"], osd["op_r_out_bytes"], busy)

    def since(self, before: Counts) -> Counts:
        """Return what was added since."""
        return Counts._make(now - was for now, was in zip(self, before, strict=True))


class Counting:
    """Looks at the OSDs' counters now and then, in a thread of its own, and keeps records.

    Each is one of `Op.SAMPLE` of `Layer.SERVER`; all counts are since the beginning: ``length``
    bytes written, ``result`` bytes read, ``offset`` nanoseconds spent on both (-1 of coded data:
    only the first of its OSDs counts them), ``aux`` write operations and, from bit 32 on, read
    operations.

    Parameters
    ----------
    reach : Reach
        The Ceph.
    path : path
        The new trace file.
    coded : bool
        Whether the data is erasure-coded: then what the OSDs' stores wrote is counted.
    """

    def __init__(self, reach: Reach, path: Path, *, coded: bool = False) -> None:
        self._reach, self._coded = reach, coded
        self._before = self._rest()
        self._since = time.monotonic_ns()
        self._writer = TraceWriter(path, rank=-1, writer="servers", notes={"system": "ceph"})
        self._over = threading.Event()
        self._record()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until the servers are at rest, take the last records, and close the file."""
        self._over.set()
        self._thread.join()
        self._rest()
        self._record()
        self._writer.close()

    def _rest(self) -> list[Counts]:
        """Wait until nothing changes any more, but not for ever; return the counts."""
        deadline, last = time.monotonic() + PATIENCE, self._look()
        while time.monotonic() < deadline:
            time.sleep(QUIET)
            now = self._look()
            if now == last:
                break
            last = now
        return last

    def _follow(self) -> None:
        with suppress(CephError):  # a dead OSD ends the run elsewhere
            while not self._over.wait(PERIOD):
                self._record()

    def _look(self) -> list[Counts]:
        return [self._look_at(f"osd.{number}") for number in range(self._reach.osds)]

    def _look_at(self, name: str) -> Counts:
        store = self._reach.counters(name, "bluestore") if self._coded else None
        return Counts.of(self._reach.counters(name, "osd"), store)

    def _record(self) -> None:
        counts = [now.since(was) for now, was in zip(self._look(), self._before, strict=True)]
        start, self._since = self._since, time.monotonic_ns()
        for target, count in enumerate(counts):
            self._writer.append(
                layer=Layer.SERVER,
                op=Op.SAMPLE,
                start=start,
                end=self._since,
                offset=-1 if self._coded else count.busy,
                length=count.written,
                result=count.read,
                target=target,
                aux=count.writes | count.reads << 32,
            )


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return by how much a daemon's counters rose, by section, where they did."""
    rose: dict[str, dict[str, int]] = {}
    for section in SECTIONS:
        was = before.get(section, {})
        for name, now in after.get(section, {}).items():
            if isinstance(now, int) and now != was.get(name, 0):
                rose.setdefault(section, {})[name] = now - was.get(name, 0)
    return rose
