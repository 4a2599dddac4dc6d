"""What a run left behind that a stopwatch can't see: device bytes, residency, syncs.

A label such as "that was memory" is judged by these numbers and never by a speed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from piotutor.lesson import table
from piotutor.trace import Flag, Layer, Op, Trace
from piotutor.trace.record import UNKNOWN
from piotutor.units import format_size

_HEAD = (
    "run", "written by the ranks", "read by the ranks", "calls of fsync", "written by the device",
    "read by the device", "of the file in memory", "of it dirty",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The numbers of one run, in bytes (`syncs`: calls); None is unknown, not nothing.

    Attributes
    ----------
    written, read
        What the ranks asked for and got.
    syncs
        Calls of fsync by all ranks.
    device_written, device_read
        What passed at the device meanwhile, for whomever: a floor for our share when the
        machine is busy with nothing else.
    resident, dirty
        Bytes of the files in memory when they were last seen, and those of them not yet on the
        device.
    """

    written: int
    read: int
    syncs: int
    device_written: int | None
    device_read: int | None
    resident: int | None
    dirty: int | None

    @property
    def row(self) -> tuple[str, ...]:
        """The numbers as they are shown in a table."""
        below = (self.device_written, self.device_read, self.resident, self.dirty)
        asked = (format_size(self.written), format_size(self.read), str(self.syncs))
        return (*asked, *(table.told(size, format_size) for size in below))


def evidence(trace: Trace) -> Evidence:
    """Collect the evidence of one run from its trace."""
    app = trace.records[trace.records["layer"] == Layer.APP]
    device = _last(trace, Layer.DEVICE)
    cache = _last_of_each_file(trace)
    return Evidence(
        written=_bytes(app, Op.WRITE),
        read=_bytes(app, Op.READ),
        syncs=int(np.count_nonzero(app["op"] == Op.SYNC)),
        device_written=None if device is None else int(device["length"]),
        device_read=None if device is None else int(device["result"]),
        resident=_sum(cache["result"], -1),
        dirty=_sum(cache["aux"], UNKNOWN),
    )


class EvidenceTable(table.Named):
    """Evidence of several runs under their names; in a notebook it shows itself."""

    head = _HEAD


def _bytes(app: Any, op: Op) -> int:
    done = app[(app["op"] == op) & (app["flags"] & Flag.PART == 0) & (app["result"] > 0)]
    return int(done["result"].sum())


def _last(trace: Trace, layer: Layer) -> Any:
    samples = _samples(trace, layer)
    return samples[-1] if len(samples) else None


def _last_of_each_file(trace: Trace) -> Any:
    samples = _samples(trace, Layer.POSIX)
    _, backwards = np.unique(samples["file"][::-1], return_index=True)
    return samples[::-1][backwards]


def _samples(trace: Trace, layer: Layer) -> Any:
    records = trace.records
    return records[(records["layer"] == layer) & (records["op"] == Op.SAMPLE)]


def _sum(values: Any, unknown: int) -> int | None:
    if len(values) == 0 or bool(np.any(values == unknown)):
        return None
    return int(values.sum())
