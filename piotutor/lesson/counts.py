"""What became of a run's writes on their way down, as numbers side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from piotutor import metrics, twophase
from piotutor.errors import UsageError
from piotutor.hints import answers
from piotutor.lesson import table
from piotutor.trace import Flag, Layer, Op, Trace
from piotutor.units import format_size
from piotutor.workload import Workload

_HEAD = (
    "run", "pieces asked for", "MPI-IO calls", "system calls, by the rule",
    "system calls that write", "that read", "that lock", "ranks that write", "written by them",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The writes of one run, layer by layer; None is unknown, not nothing.

    Attributes
    ----------
    pieces
        Ranges of the file that the ranks asked to be written.
    calls
        Calls of MPI-IO that write, by all ranks.
    foretold
        System calls that write, by the rules of `piotutor.twophase`.
    writes, reads, locks
        System calls, by all ranks.
    writers
        Ranks that made system calls that write.
    written
        Bytes that these wrote.
    """

    pieces: int
    calls: int | None
    foretold: int | None
    writes: int | None
    reads: int | None
    locks: int | None
    writers: int | None
    written: int | None

    @property
    def row(self) -> tuple[str, ...]:
        """The numbers as they are shown in a table."""
        calls = (self.pieces, self.calls, self.foretold, self.writes, self.reads, self.locks)
        counted = (*calls, self.writers)
        return (*map(table.told, counted), table.told(self.written, format_size))


def counts(trace: Trace, workload: Workload) -> Counts:
    """Count a run that wrote."""
    seen = captured(trace)
    writes = metrics.transfers(trace, Op.WRITE, Layer.POSIX)
    calls = np.count_nonzero(metrics.transfers(trace, Op.WRITE, Layer.MPIIO))
    return Counts(
        pieces=workload.total_bytes // workload.transfer_size,
        calls=int(calls) or None,
        foretold=_foretold(workload),
        writes=_number(trace, Op.WRITE) if seen else None,
        reads=_number(trace, Op.READ) if seen else None,
        locks=_number(trace, Op.LOCK) if seen else None,
        writers=len(np.unique(trace.column("rank")[writes])) if seen else None,
        written=int(trace.column("result")[writes].sum()) if seen else None,
    )


def captured(trace: Trace) -> bool:
    """Say whether system calls were recorded."""
    return bool(trace.where(layer=Layer.POSIX, op=(*metrics.TRANSFERS, Op.OPEN)).any())


def _number(trace: Trace, op: Op) -> int:
    return int(np.count_nonzero(trace.where(layer=Layer.POSIX, op=op, without=Flag.PART)))


def _foretold(workload: Workload) -> int | None:
    try:
        return sum(twophase.writes(workload))
    except UsageError:
        return None


class CountsTable(table.Named):
    """Counts of several runs under their names; in a notebook it shows itself."""

    head = _HEAD


@dataclass(frozen=True)
class HintsTable:
    """What was asked of MPI-IO by hints, what it answered, and whether that is so."""

    found: dict[str, Any]

    def _rows(self) -> list[tuple[str, str, str, str]]:
        rows = [
            (each.asked, each.echoed or "nothing", each.obeyed, each.why)
            for each in answers(self.found)
        ]
        driver = self.found.get("echoed", {}).get("romio_filesystem_type", "it doesn't say")
        return [*rows, ("(which driver?)", driver, "", "it decides which hints can be obeyed")]

    def __repr__(self) -> str:
        return "\n".join(
            f"{asked}: answered {answer}; obeyed: {obeyed} ({why})"
            for asked, answer, obeyed, why in self._rows()
        )

    def _repr_html_(self) -> str:
        heads = ("you asked", "the file answers", "obeyed", "why")
        return table.html(heads, self._rows(), left=True)
