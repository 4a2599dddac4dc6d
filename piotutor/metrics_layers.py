"""Between the layers: what became of the application's transfers on their way down.

Only reads and writes count, and of these only calls: the extents of a strided one don't.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from piotutor.metrics import TRANSFERS, distinct
from piotutor.trace import Flag, Layer, Op, Trace
from piotutor.trace.nesting import enclosing


class Amount(NamedTuple):
    """How many calls, and bytes moved by all of them."""

    operations: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Step:
    """What one layer did of one kind.

    Attributes
    ----------
    layer : Layer
    op : Op
        ``READ`` or ``WRITE``.
    operations, bytes : int
        Calls, and bytes that they reported as moved.
    for_write : bool
        Whether these are reads that were made inside a write of a layer above: data sieving and
        two-phase I/O read what lies in the holes, to write it back.
    """

    layer: Layer
    op: Op
    operations: int
    bytes: int
    for_write: bool = False


@dataclass(frozen=True)
class Amplification:
    """What became of the transfers of one layer in a lower one.

    Attributes
    ----------
    upper, lower : Amount
        Of both layers; `lower` includes `read_back`.
    read_back : Amount
        Reads of the lower layer that only serve its writes.
    """

    upper: Amount
    lower: Amount
    read_back: Amount

    @property
    def operations(self) -> float:
        """Calls of the lower layer for each call of the upper one."""
        return self.lower.operations / self.upper.operations

    @property
    def bytes(self) -> float:
        """Bytes that the lower layer moved for each byte of the upper one; nan for no bytes."""
        return self.lower.bytes / self.upper.bytes if self.upper.bytes else float("nan")


def descent(trace: Trace, mask: np.ndarray | None = None) -> list[Step]:
    """Count what each layer read and wrote, from the application down.

    Parameters
    ----------
    trace : Trace
    mask : numpy.ndarray of bool, optional
        The records that count; by default all.
    """
    found = []
    for code in distinct(trace.column("layer")).tolist():
        for op in TRANSFERS:
            mine = trace.where(layer=code, op=op, without=Flag.PART)
            mine = mine if mask is None else mine & mask
            back = reads_for_writes(trace, mine) if op == Op.READ else np.zeros_like(mine)
            for some, for_write in ((mine & ~back, False), (back, True)):
                count, size = amount(trace, some)
                if count:
                    found.append(Step(Layer(code), op, count, size, for_write))
    return found


def amount(trace: Trace, mask: np.ndarray) -> Amount:
    """Count the records of a mask, and the bytes that they moved."""
    moved = sum(int(np.maximum(result, 0).sum()) for (result,) in trace.blocks(mask, "result"))
    return Amount(int(np.count_nonzero(mask)), moved)


def reads_for_writes(trace: Trace, reads: np.ndarray) -> np.ndarray:
    """Return the mask of those of some reads of one layer that lay inside a write above it."""
    back = np.zeros(len(trace), bool)
    which = np.flatnonzero(reads)
    if len(which):
        op = trace.column("op")
        lowest = int(trace.column("layer")[which[0]])
        for layer in (Layer.APP, Layer.HDF5, Layer.MPIIO, Layer.POSIX):
            if layer < lowest and trace.where(layer=layer, op=Op.WRITE).any():
                outer = enclosing(trace, layer, which)
                back[which] |= (outer >= 0) & (op[outer] == Op.WRITE)
    return back


def amplification(
    steps: Iterable[Step], upper: int, lower: int, op: int | None = None
) -> Amplification | None:
    """Compare two layers.

    Parameters
    ----------
    steps : iterable of Step
        From `descent`.
    upper, lower : Layer
        The layers.
    op : Op, optional
        ``WRITE``: writes, and below also the reads made for them. ``READ``: all other reads. By
        default both.

    Returns
    -------
    Amplification or None
        None where one of the layers did nothing of the kind.
    """
    kept = [s for s in steps if op is None or op == (Op.WRITE if s.for_write else s.op)]
    above, below = (_total(s for s in kept if s.layer == layer) for layer in (upper, lower))
    if not above.operations or not below.operations:
        return None
    return Amplification(above, below, _total(s for s in kept if s.layer == lower and s.for_write))


def _total(steps: Iterable[Step]) -> Amount:
    kept = list(steps)
    return Amount(sum(s.operations for s in kept), sum(s.bytes for s in kept))
