"""Made-up traces of all layers, as the interposer and the kernel would have written them."""

from __future__ import annotations

import numpy as np

from piotutor.trace import RECORD, Flag, Layer, Op, Phase, Trace, pack_aux
from piotutor.trace.calls import call_flag

US = 1000
NAMES = {Layer.POSIX: {Op.WRITE: "pwrite", Op.READ: "pread"}}


class Layered:
    """Collects records; `add` returns the number of the new one, to be a parent."""

    def __init__(self, files=("/s/a",), **meta):
        self.rows, self.files, self.meta = [], files, meta

    def add(self, layer, op, rank, start, end, offset=-1, length=0, parent=-1, flags=0, **fields):
        row = np.zeros((), RECORD)
        row["thread"], row["target"] = 0, -1
        row["layer"], row["op"], row["rank"], row["parent"] = layer, op, rank, parent
        row["flags"] = flags | call_flag(NAMES.get(layer, {}).get(op, ""))
        row["start"], row["end"] = start * US, end * US
        row["offset"], row["length"], row["result"] = offset, length, length
        if layer == Layer.APP:
            row["aux"] = pack_aux(0, Phase.WRITE if op == Op.WRITE else Phase.READ)
        for name, value in fields.items():
            row[name] = value
        self.rows.append(row)
        return len(self.rows) - 1

    def trace(self):
        records = np.array(self.rows, RECORD) if self.rows else np.empty(0, RECORD)
        return Trace.from_records(records, files=self.files, meta=self.meta)


def independent(ranks=4, n=4, size=4096, op=Op.WRITE):
    """Make a trace in which each transfer is one MPI-IO call and one system call."""
    made = Layered(workload={"api": "MPIIO"})
    for i in range(n):
        for rank in range(ranks):
            at, offset = 100 * i, (i * ranks + rank) * size
            made.add(Layer.APP, op, rank, at, at + 50, offset, size)
            call = made.add(Layer.MPIIO, op, rank, at + 5, at + 45, offset, size)
            made.add(Layer.POSIX, op, rank, at + 10, at + 40, offset, size, call)
    return made.trace()


def collective(ranks=4, n=4, size=4096, aggregators=1, block=True):
    """Make a trace of one collective write of `n` strided extents a rank, and one block request."""
    made = Layered(workload={"api": "MPIIO"})
    total = ranks * n * size
    for rank in range(ranks):
        for layer, at in ((Layer.APP, 0), (Layer.MPIIO, 5)):
            when = (rank, at, 100 - at)
            call = made.add(layer, Op.WRITE, *when, 0, n * size, flags=Flag.COLLECTIVE)
            for i in range(n):
                offset = (i * ranks + rank) * size
                made.add(layer, Op.WRITE, *when, offset, size, call, Flag.PART | Flag.COLLECTIVE)
        if rank < aggregators:
            share = total // aggregators
            made.add(Layer.POSIX, Op.WRITE, rank, 50, 90, rank * share, share, call)
    if block:
        made.add(Layer.BLOCK, Op.WRITE, -1, 200, 300, 0, total)
    return made.trace()


def sieved(ranks=4, n=4, size=4096):
    """Make a trace of strided writes in which each rank reads its range and writes it back."""
    made = Layered(workload={"api": "MPIIO"})
    for rank in range(ranks):
        made.add(Layer.APP, Op.WRITE, rank, 0, 100, rank * size, n * size)
        call = made.add(Layer.MPIIO, Op.WRITE, rank, 5, 95, rank * size, n * size)
        for i in range(n):
            offset = (i * ranks + rank) * size
            made.add(Layer.MPIIO, Op.WRITE, rank, 5, 95, offset, size, call, Flag.PART)
        span = ((n - 1) * ranks + 1) * size
        at = 10 + 20 * rank
        made.add(Layer.POSIX, Op.READ, rank, at, at + 5, rank * size, span, call)
        made.add(Layer.POSIX, Op.WRITE, rank, at + 5, at + 10, rank * size, span, call)
    return made.trace()


def many(n=100_000, ranks=64):
    """Make a trace of so many transfers that they must be drawn as cells."""
    records = np.zeros(2 * n, RECORD)
    for layer, half in ((Layer.APP, slice(0, None, 2)), (Layer.POSIX, slice(1, None, 2))):
        part = records[half]
        part["layer"], part["op"], part["rank"] = layer, Op.WRITE, np.arange(n) % ranks
        part["offset"], part["length"], part["result"] = np.arange(n) * 4096, 4096, 4096
        inside = layer == Layer.POSIX
        part["start"] = np.arange(n) * 1000 + inside * 100
        part["end"] = part["start"] + 900 - inside * 200
    records["parent"] = -1
    return Trace(records, ["/s/a"])
