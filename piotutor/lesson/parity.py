"""What an erasure-coded pool wrote for the writes of a run, beside what its rule foretells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from piotutor.lesson import table
from piotutor.metrics import transfers
from piotutor.metrics_targets import COUNTERS, target_work
from piotutor.trace import Op
from piotutor.units import format_size

DATA, CODING, CHUNK = 3, 1, 1 << 14
"""Chunks of a stripe that hold data, those of parity, and the bytes of one."""
STRIPE = DATA * CHUNK
"""Bytes of a file that make one stripe."""
_HEAD = (
    "run", "writes", "bytes of each", "in all", "stripes touched", "the rule says",
    "the servers wrote", "for each byte",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Coded:
    """The writes of one run on a coded pool; None is unknown, not nothing.

    Attributes
    ----------
    writes, each, asked
        How many there were, the bytes of the first, and of all.
    stripes
        How often a write touched a stripe.
    written
        Bytes that the servers wrote, by their own counts.
    """

    writes: int
    each: int
    asked: int
    stripes: int
    written: int | None

    @property
    def rule(self) -> int:
        """Bytes written if each write writes every stripe anew that it touches, parity included."""
        return self.stripes * (DATA + CODING) * CHUNK

    @property
    def row(self) -> tuple[str, ...]:
        """The numbers as they are shown in a table."""
        shown = (self.writes, self.each, self.asked, self.stripes)
        ratio = table.told(self.written, lambda size: f"{size / self.asked:.2f} bytes")
        return (
            *map(table.told, shown),
            format_kib(self.rule),
            table.told(self.written, format_kib),
            ratio,
        )


def format_kib(size: int) -> str:
    """Write whole KiB as such, anything else as `format_size` does: ``1,024 KiB``."""
    return format_size(size) if size % 1024 else f"{size // 1024:,} KiB"


def coded(run: Any) -> Coded:
    """Count what a run's writes asked for, and what the servers made of it.

    Parameters
    ----------
    run
        A run or a recorded one, with one rank or more, on a pool coded ``3+1`` in chunks of 16 KiB.
    """
    wrote = run.trace.records[transfers(run.trace, Op.WRITE)]
    first, last = wrote["offset"], wrote["offset"] + wrote["length"] - 1
    work = target_work(run.trace)
    counted = work is not None and work.how == COUNTERS
    return Coded(
        writes=len(wrote),
        each=int(wrote["length"][0]) if len(wrote) else 0,
        asked=int(wrote["length"].sum()),
        stripes=int(np.sum(last // STRIPE - first // STRIPE + 1)),
        written=int(work.totals("write").bytes.sum()) if work is not None and counted else None,
    )


class CodedTable(table.Named):
    """What became of the writes of several runs, by their names; in a notebook it shows itself."""

    head = _HEAD
