"""What a view must know before the first record: ranks, files, sizes, phases."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import numpy as np

from piotutor import pattern
from piotutor.trace import Layer, Op, Trace
from piotutor.units import format_size
from piotutor.workload import Workload

MAX_EVENTS = 200_000
"""Transfers that are drawn one by one; more are counted in a heat map."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The stage on which a run takes place.

    Attributes
    ----------
    ranks : int
        Number of ranks.
    file_sizes : tuple of int
        Bytes of each file when all is written.
    transfer : int
        Bytes of one transfer.
    ops : tuple of str
        ``write``, ``read``: what will be seen.
    transfers : int
        How many transfers are expected in all.
    """

    ranks: int
    file_sizes: tuple[int, ...]
    transfer: int
    ops: tuple[str, ...] = ("write",)
    transfers: int = 0

    @classmethod
    def of_workload(cls, workload: Workload) -> Scene:
        """Foresee the scene from the workload, before anything has run."""
        phases = len(workload.phases) * workload.repetitions
        each = workload.block_size // workload.transfer_size * workload.segment_count
        ops = {"write" if phase == "write" else "read": None for phase in workload.phases}
        return cls(
            ranks=workload.num_tasks,
            file_sizes=tuple(int(n) for n in pattern.file_sizes(workload)),
            transfer=workload.transfer_size,
            ops=tuple(ops),
            transfers=each * workload.num_tasks * phases,
        )

    @classmethod
    def of_trace(cls, trace: Trace) -> Scene:
        """Find the scene in a trace, of whatever origin."""
        records = trace.records
        calls = records[
            (records["layer"] == Layer.APP) & np.isin(records["op"], (Op.READ, Op.WRITE))
        ]
        if not len(calls):
            return cls(ranks=1, file_sizes=(1,), transfer=1)
        sizes = np.zeros(int(calls["file"].max()) + 1, np.int64)
        np.maximum.at(sizes, np.maximum(calls["file"], 0), calls["offset"] + calls["length"])
        ops = [n for n, op in (("write", Op.WRITE), ("read", Op.READ)) if (calls["op"] == op).any()]
        return cls(
            ranks=int(calls["rank"].max()) + 1,
            file_sizes=tuple(int(n) for n in sizes),
            transfer=max(1, int(np.median(calls["length"]))),
            ops=tuple(ops),
            transfers=len(calls),
        )

    @property
    def size(self) -> int:
        """Bytes of all files on end."""
        return max(1, sum(self.file_sizes))

    @property
    def page(self) -> int:
        """Bytes of a memory page of this machine."""
        return mmap.PAGESIZE

    @property
    def bases(self) -> list[int]:
        """Where each file begins when the files are put on end."""
        return [0, *np.cumsum(self.file_sizes)[:-1].tolist()]

    @property
    def grids(self) -> list[tuple[int, str]]:
        """Distances of grid lines to choose from: none, pages, transfers, usual stripes."""
        names = {self.page: f"pages of {format_size(self.page)}", self.transfer: "transfers"}
        for stripe in (64 << 10, 1 << 20, 4 << 20):
            names.setdefault(stripe, f"stripes of {format_size(stripe)}")
        return [(0, "none"), *sorted((n, w) for n, w in names.items() if n <= self.size)]
