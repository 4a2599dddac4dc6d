"""Between the layers: what became of the application's transfers on their way down.

Only reads and writes count, and of these only calls: the extents of a strided one don't.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
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
        Whether these are reads whose bytes were written back inside the same call of a layer
        above: data sieving and two-phase I/O read what lies in the holes between requests.
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
    kinds = {(kind & 255, kind >> 8 & 255) for kind in distinct(trace.column("kind")).tolist()}
    for code, op in sorted(kinds & set(product(Layer, TRANSFERS))):
        mine = trace.where(layer=code, op=op, without=Flag.PART)
        mine = mine if mask is None else mine & mask
        back = reads_for_writes(trace, mine) if op == Op.READ else np.zeros_like(mine)
        for some, for_write in ((mine & ~back, False), (back, True)):
            if some.any():
                found.append(Step(Layer(code), Op(op), *amount(trace, some), for_write))
    return found


def amount(trace: Trace, mask: np.ndarray) -> Amount:
    """Count the records of a mask, and the bytes that they moved."""
    moved = sum(int(np.maximum(result, 0).sum()) for (result,) in trace.blocks(mask, "result"))
    return Amount(int(np.count_nonzero(mask)), moved)


def reads_for_writes(trace: Trace, reads: np.ndarray) -> np.ndarray:
    """Find the reads whose bytes are written back: data sieving, two-phase I/O with holes.

    Parameters
    ----------
    trace : Trace
    reads : numpy.ndarray of bool
        Reads of one layer.

    Returns
    -------
    numpy.ndarray of bool
        Those of them that lay in a write of a layer above, within the range that the same call
        wrote in their own layer.
    """
    back = np.zeros(len(trace), bool)
    which = np.flatnonzero(reads)
    if len(which):
        layer = int(trace.records["layer"][which[0]])
        writes = np.flatnonzero(trace.where(layer=layer, op=Op.WRITE, without=Flag.PART))
        if len(writes):
            back[which] = _within(trace, which, writes, layer)
    return back


def _within(trace: Trace, reads: np.ndarray, writes: np.ndarray, layer: int) -> np.ndarray:
    offset, length, op = trace.columns("offset", "length", "op")
    calls, place = np.unique(_around(trace, writes, layer), return_inverse=True)
    low, high = np.full(len(calls), 2**62), np.full(len(calls), -1)
    np.minimum.at(low, place, offset[writes])
    np.maximum.at(high, place, (offset + length)[writes])
    call = _around(trace, reads, layer)
    place = np.minimum(np.searchsorted(calls, call), len(calls) - 1)
    inside = (call >= 0) & (calls[place] == call) & (op[call] == Op.WRITE)
    inside &= (offset[reads] < high[place]) & ((offset + length)[reads] > low[place])
    return np.asarray(inside)


def _around(trace: Trace, which: np.ndarray, layer: int) -> np.ndarray:
    """Return the innermost call of the layers above `layer` around each record; -1 for none."""
    found = np.full(len(which), -1)
    for upper in (Layer.MPIIO, Layer.HDF5, Layer.APP):
        left = np.flatnonzero(found < 0)
        if upper < layer and len(left) and trace.where(layer=upper).any():
            found[left] = enclosing(trace, upper, which[left])
    return found


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
