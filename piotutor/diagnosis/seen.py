"""What verdicts look at: the requests of a layer as columns, made once for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from piotutor.metrics import TRANSFERS, sum_by, top_layer, transfers
from piotutor.metrics_layers import reads_for_writes
from piotutor.trace import Flag, Layer, Op, Trace
from piotutor.units import format_count

NAMES = {
    Layer.APP: "application",
    Layer.HDF5: "HDF5",
    Layer.MPIIO: "MPI-IO",
    Layer.POSIX: "POSIX",
    Layer.BLOCK: "block",
    Layer.SERVER: "server",
    Layer.DEVICE: "device",
}
WORST = 3
_DENSE = 1 << 24  # groups that are numbered without sorting


class Requests(NamedTuple):
    """Reads and writes, or extents of them, in the order in which they began.

    `length` is what was asked for, `moved` what the calls reported.
    """

    place: np.ndarray
    op: np.ndarray
    rank: np.ndarray
    file: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    moved: np.ndarray
    flags: np.ndarray

    def __len__(self) -> int:
        return len(self.place)

    def keep(self, mask: np.ndarray) -> Requests:
        """Return those of a mask."""
        return self if mask.all() else Requests(*(column.compress(mask) for column in self))


class Seen:
    """A trace, and what verdicts ask of it.

    Attributes
    ----------
    trace : Trace
    top, lowest : Layer
        The highest and the lowest layer of calls that moved bytes: what was asked for, and what
        reached the file system. Block requests aren't calls.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.top = top_layer(trace)
        below = (Layer.POSIX, Layer.MPIIO, Layer.HDF5)
        self.lowest = next((layer for layer in below if self.has(layer)), self.top)

    def has(self, layer: int) -> bool:
        """Say whether a layer moved bytes."""
        return bool(transfers(self.trace, layer=layer).any())

    @cached_property
    def reaching(self) -> Requests:
        """What reached the file system: the transfers of the lowest layer."""
        return self.requests(transfers(self.trace, layer=self.lowest))

    @cached_property
    def placed(self) -> Requests:
        """Those of them whose offset is known."""
        return self.reaching.keep(self.reaching.offset >= 0)

    @cached_property
    def reads(self) -> Requests:
        """Those that read something, but not to fill the holes of a write."""
        found = self.placed.keep((self.placed.op == Op.READ) & (self.placed.moved > 0))
        mask = np.zeros(len(self.trace), bool)
        mask[found.place] = True
        return found.keep(~reads_for_writes(self.trace, mask)[found.place])

    def generation(self, found: Requests) -> np.ndarray:
        """Tell for some of `placed` in which of its file's lives: each writing begins one."""
        if (self.placed.op == Op.READ).all():
            return np.zeros(len(found), np.int64)
        code, many = group(self.placed.file)
        order = stable(code, many)
        code, write = code[order], self.placed.op[order] == Op.WRITE
        anew = np.append(False, write[:-1] & ~write[1:] & (code[1:] == code[:-1]))
        number = np.zeros(len(self.trace), np.int64)
        number[self.placed.place[order]] = np.cumsum(anew[: len(order)])
        return np.asarray(number[found.place])

    def extents(self, layer: int) -> Requests:
        """Return what calls of a layer touched: their extents, or themselves if they have none."""
        found = self.requests(self.trace.where(layer=layer, op=TRANSFERS))
        part = (found.flags & Flag.PART) != 0
        if part.any():
            whole = np.zeros(len(self.trace) + 1, bool)
            whole[self.trace.column("parent")[found.place[part]]] = True
            found = found.keep(part | ~whole[found.place])
        return found.keep(found.offset >= 0)

    def requests(self, mask: np.ndarray) -> Requests:
        """Return the records of a mask as columns."""
        names = ("op", "rank", "file", "offset", "length", "result", "flags")
        found = Requests(
            np.flatnonzero(mask), *(c.compress(mask) for c in self.trace.columns(*names))
        )
        for column in (found.length, found.moved):
            np.maximum(column, 0, out=column)
        return found

    def file_name(self, number: int) -> str:
        """Return a file's name."""
        known = 0 <= number < len(self.trace.files)
        return self.trace.files[number] if known else "a file without a name"

    def worst_files(self, files: np.ndarray) -> list[dict[str, Any]]:
        """Return the files that occur most often, and how often."""
        return [
            {"file": self.file_name(number), "count": count} for number, count in most_of(files)
        ]


def most_of(values: np.ndarray) -> list[tuple[int, int]]:
    """Return the values that occur most often, and how often, at most three."""
    if not len(values):
        return []
    low = int(values.min())
    counts = np.bincount(values - low)
    order = np.argsort(-counts, kind="stable")[:WORST]
    return [(int(i) + low, int(counts[i])) for i in order if counts[i]]


def group(*columns: np.ndarray) -> tuple[np.ndarray, int]:
    """Give each combination of integers a number; return the numbers, and how many at most."""
    code, many = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
        code = code * (high - low + 1) + (column - low) if high > low else code
        many *= high - low + 1
    if many <= _DENSE:
        return code, many
    names, place = np.unique(code, return_inverse=True)
    return place, len(names)


def stable(code: np.ndarray, many: int) -> np.ndarray:
    """Return the order that puts equal numbers together and changes nothing else."""
    return np.argsort(code.astype(np.uint16) if many <= 1 << 16 else code, kind="stable")


def laid(code: np.ndarray, many: int, offset: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Lay all groups on one line, one behind the other; return where each extent begins."""
    low, high = np.full(many, 2**62), np.zeros(many, np.int64)
    np.minimum.at(low, code, offset)
    np.maximum.at(high, code, offset + length)
    base = np.concatenate([[0], np.cumsum(np.maximum(high - low, 0))[:-1]])
    begin: np.ndarray = offset + (base - low)[code]
    return begin


def covered(code: np.ndarray, offset: np.ndarray, length: np.ndarray, many: int) -> np.ndarray:
    """Return how many different bytes each group's extents cover.

    They are swept once: groups must lie together, and each group's extents ascend.
    """
    begin = laid(code, many, offset, length)
    reached = np.maximum.accumulate(begin + length)
    before = np.concatenate([begin[:1], reached[:-1]])
    return sum_by(code, np.maximum(reached - np.maximum(begin, before), 0), many)


def several(parts: Iterable[str]) -> str:
    """Join the parts of a sentence."""
    return " and ".join(parts)


def count(n: int, name: str) -> str:
    """Write a number of things: ``1 write``, ``1,200 writes``."""
    return f"{format_count(n)} {name}{'s' * (n != 1)}"


def kind(op: int) -> str:
    """Return the name of a kind of transfer."""
    return Op(op).name.lower()
