"""What each layer touched of one file, or when: the numbers of the descent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from piotutor.metrics import TRANSFERS, distinct
from piotutor.trace import Flag, Layer, Op, Trace
from piotutor.trace.calls import CALLS
from piotutor.trace.nesting import enclosing

EXACT = 4000  # up to so many transfers of a lane each is drawn as its own rectangle
COLUMNS = 1000  # cells of a row, where there are more
ROWS = 32  # more ranks share rows

NAMES = {
    Layer.APP: "application",
    Layer.HDF5: "HDF5",
    Layer.MPIIO: "MPI-IO",
    Layer.POSIX: "system calls",
    Layer.BLOCK: "block requests",
}
"""The layers that have a lane, from the top down."""


class Shapes(NamedTuple):
    """Rectangles of a lane, in the order of their starts.

    Attributes
    ----------
    low, high : numpy.ndarray of float
        Where they begin and end on the axis: bytes or seconds.
    row : numpy.ndarray of int
        Row of the lane, from the top.
    rank : numpy.ndarray of int
        Whose they are; -1 for nobody's.
    op : numpy.ndarray of int
        ``READ`` or ``WRITE``.
    """

    low: np.ndarray
    high: np.ndarray
    row: np.ndarray
    rank: np.ndarray
    op: np.ndarray


class Kind(NamedTuple):
    """What the calls of one op have in common.

    Attributes
    ----------
    name : str
        The exact call, as ``pwrite``; empty where it is unknown or there are several.
    collective : bool or None
        None where some are and others not.
    """

    name: str = ""
    collective: bool | None = False


@dataclass(frozen=True, eq=False)
class Lane:
    """One layer of the descent.

    Attributes
    ----------
    layer : Layer
        Whose it is.
    ranks : numpy.ndarray
        Rank numbers, ascending; each has a row, or shares one above `ROWS`.
    rows : int
        Number of rows.
    shapes : Shapes
        At most ``max(EXACT, ROWS * COLUMNS)`` of them.
    exact : bool
        Whether each transfer is a rectangle; else they are the cells that any transfer touched.
    unplaced : int
        Calls whose place in the file isn't known.
    split : bool
        Whether extents stand for calls.
    domains : bool
        Whether it shows file domains: what each aggregator moved in a collective call.
    kinds : dict
        For reads and writes: `Kind`.
    """

    layer: Layer
    ranks: np.ndarray
    rows: int
    shapes: Shapes
    exact: bool
    unplaced: int = 0
    split: bool = False
    domains: bool = False
    kinds: dict[Op, Kind] = field(default_factory=dict)


class Axis(NamedTuple):
    """The axis that all lanes share.

    Attributes
    ----------
    by : str
        ``offset`` or ``time``.
    low, high : int
        Its ends: bytes, or ns since `origin`.
    origin : int
        ns of the trace's clock; 0 for offsets.
    """

    by: str
    low: int
    high: int
    origin: int = 0

    @property
    def unit(self) -> float:
        """What one on the axis is, in bytes or seconds."""
        return 1.0 if self.by == "offset" else 1e-9


class Drawn(NamedTuple):
    """What is drawn of the calls of one layer.

    Attributes
    ----------
    mask : numpy.ndarray
        The records.
    unplaced : int
        Calls that have no known place.
    split : bool
        Whether there are extents among the records.
    """

    mask: np.ndarray
    unplaced: int = 0
    split: bool = False


def drawn(trace: Trace, calls: np.ndarray, by: str) -> Drawn:
    """Choose what is drawn of some transfers of one layer.

    By offset these are the extents of strided calls in place of the calls, and of the rest those
    whose offset is known; by time they are the calls.
    """
    if by == "time":
        return Drawn(calls)
    placed = trace.column("offset") >= 0
    parts = ~trace.where(without=Flag.PART)
    if parts.any():
        parent = trace.column("parent")
        parts &= trace.where(op=TRANSFERS) & (parent >= 0) & calls[parent]
        calls = calls.copy()
        calls[parent[parts]] = False
    unplaced, split = int(np.count_nonzero(calls & ~placed)), bool(parts.any())
    return Drawn((calls | parts if split else calls) & placed, unplaced, split)


def lane(trace: Trace, layer: Layer, calls: np.ndarray, what: Drawn, axis: Axis) -> Lane:
    """Make the lane of one layer, of the mask of its calls and of what is drawn of them."""
    mask, unplaced, split = what
    ranks = distinct(trace.column("rank"), mask)
    pieces = _pieces(trace, mask, axis)
    shown = _lane(layer, ranks, int(np.count_nonzero(mask)), pieces, axis)
    return replace(shown, unplaced=unplaced, split=split, kinds=_kinds(trace, calls))


def _kinds(trace: Trace, calls: np.ndarray) -> dict[Op, Kind]:
    """Name the exact call of each op, and say whether it is collective, where all are alike."""
    kinds = distinct(trace.column("kind"), calls)  # layer, op and flags
    found = {}
    for op in TRANSFERS:
        flags = (kinds[(kinds >> 8 & 255) == op] >> 16).tolist()
        names = {CALLS.get(one >> 8, "") for one in flags}
        collective = {bool(one & Flag.COLLECTIVE) for one in flags}
        if flags:
            name = names.pop() if len(names) == 1 else ""
            found[op] = Kind(name, collective.pop() if len(collective) == 1 else None)
    return found


def domains(trace: Trace, posix: np.ndarray, axis: Axis) -> Lane | None:
    """Make the lane of file domains; None where no aggregator worked for others."""
    found = file_domains(trace, posix)
    if not len(found.call):
        return None
    rank, op = (trace.column(name)[found.call] for name in ("rank", "op"))
    piece = (found.low, found.high, rank, op)
    return _lane(Layer.MPIIO, np.unique(rank), len(rank), [piece], axis, domains=True)


class FileDomains(NamedTuple):
    """What aggregators moved, a collective call at a time.

    Attributes
    ----------
    call : numpy.ndarray
        The aggregator's own collective call.
    first : numpy.ndarray
        The first system call inside it.
    low, high : numpy.ndarray
        The range of all its system calls, in bytes of the file.
    """

    call: np.ndarray
    first: np.ndarray
    low: np.ndarray
    high: np.ndarray


def file_domains(trace: Trace, posix: np.ndarray) -> FileDomains:
    """Find file domains from the system calls of a mask, at known offsets.

    A collective call whose system calls reach just over what its own rank asked for moved nothing
    for others: it has no domain.
    """
    which = np.flatnonzero(posix & (trace.column("offset") >= 0))
    call = enclosing(trace, Layer.MPIIO, which)
    inside = (call >= 0) & ~trace.where(without=Flag.COLLECTIVE)[call]
    which, call = which[inside], call[inside]
    calls, first, low, high = _reach(trace, call, which)
    asked = _asked(trace, calls)
    others = (low != asked[0]) | (high != asked[1])
    return FileDomains(calls[others], first[others], low[others], high[others])


def _ends(trace: Trace, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    offset, length = (trace.column(name)[which] for name in ("offset", "length"))
    return offset, offset + length


def _asked(trace: Trace, calls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what MPI-IO calls asked for: where the first extent begins and the last one ends."""
    low, high = _ends(trace, calls)
    parts = np.flatnonzero(trace.where(layer=Layer.MPIIO) & ~trace.where(without=Flag.PART))
    if len(parts):
        parent = trace.column("parent")[parts]
        mine = np.isin(parent, calls)
        split, _, *reach = _reach(trace, parent[mine], parts[mine])
        low[np.searchsorted(calls, split)], high[np.searchsorted(calls, split)] = reach
    return low, high


def _reach(
    trace: Trace, call: np.ndarray, which: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the different calls, and the first record, first begin and last end inside each."""
    if (call[1:] < call[:-1]).any():
        order = np.argsort(call, kind="stable")
        call, which = call[order], which[order]
    if not len(call):
        return call, which, which, which
    first = np.flatnonzero(np.append(True, call[1:] != call[:-1]))
    begin, end = _ends(trace, which)
    low, high = np.minimum.reduceat(begin, first), np.maximum.reduceat(end, first)
    return call[first], which[first], low, high


_Piece = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _pieces(trace: Trace, mask: np.ndarray, axis: Axis) -> Iterator[_Piece]:
    """Yield begin and end on the axis, rank and op of the records of a mask."""
    names = ("offset", "length") if axis.by == "offset" else ("start", "end")
    for low, high, rank, kind in trace.blocks(mask, *names, "rank", "kind"):
        yield (
            low - axis.origin,
            (low + high if axis.by == "offset" else high) - axis.origin,
            rank,
            (kind >> 8).astype(np.uint8),
        )


def _lane(
    layer: Layer,
    ranks: np.ndarray,
    count: int,
    pieces: Iterable[_Piece],
    axis: Axis,
    domains: bool = False,
) -> Lane:
    exact = count <= EXACT
    low, high, rank, op = _all(pieces) if exact else _touched(pieces, ranks, axis)
    shapes = Shapes(low * axis.unit, high * axis.unit, row_of(ranks, rank), rank, op)
    return Lane(layer, ranks, min(max(len(ranks), 1), ROWS), shapes, exact, domains=domains)


def row_of(ranks: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Return the row of each rank: its own, or one that it shares with its neighbours."""
    if len(ranks) and ranks[-1] - ranks[0] == len(ranks) - 1:  # none is missing
        place = rank.astype(np.int64) - ranks[0]
    else:
        place = np.searchsorted(ranks, rank)
    row: np.ndarray = place * ROWS // len(ranks) if len(ranks) > ROWS else place
    return row


def _all(pieces: Iterable[_Piece]) -> _Piece:
    none = tuple(np.empty(0, np.int64) for _ in range(4))
    low, high, rank, op = (np.concatenate(column) for column in zip(none, *pieces, strict=True))
    return low, high, rank, op


def _touched(pieces: Iterable[_Piece], ranks: np.ndarray, axis: Axis) -> _Piece:
    return runs(touched(pieces, ranks, axis), ranks, axis)


def touched(pieces: Iterable[_Piece], ranks: np.ndarray, axis: Axis) -> np.ndarray:
    """Cut each row into cells, and tell which were touched: nothing is left out.

    Returns
    -------
    numpy.ndarray of bool
        For each row one line of reads and one of writes, `COLUMNS` wide.
    """
    rows, span, wide = min(len(ranks), ROWS), max(1, axis.high - axis.low), COLUMNS + 1
    edges = np.zeros(2 * rows * wide, np.int64)
    for low, high, rank, op in pieces:
        row = (2 * row_of(ranks, rank) + (op == Op.WRITE)) * wide
        last = np.maximum(high - 1, low)
        first, last = ((edge - axis.low) * COLUMNS // span for edge in (low, last))
        np.add.at(edges, row + np.minimum(first, COLUMNS - 1), 1)
        np.add.at(edges, row + np.minimum(last, COLUMNS - 1) + 1, -1)
    cells: np.ndarray = np.cumsum(edges.reshape(-1, wide), axis=1)[:, :-1] > 0
    return cells


def runs(cells: np.ndarray, ranks: np.ndarray, axis: Axis) -> _Piece:
    """Join cells that lie side by side: return begin, end, rank (the row's first) and op."""
    turns = np.diff(cells.astype(np.int8), axis=1, prepend=0, append=0)
    row, first = np.nonzero(turns == 1)
    after = np.nonzero(turns == -1)[1]
    size = max(1, axis.high - axis.low) / COLUMNS
    low, high = (axis.low + place * size for place in (first, after))
    leaders = ranks[np.searchsorted(row_of(ranks, ranks), np.arange(len(cells) // 2))]
    return low, high, leaders[row // 2], np.where(row % 2, Op.WRITE, Op.READ)
