"""Transfers as rectangles: what access maps and pattern maps draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from piotutor.metrics import apart, few
from piotutor.plots import bins
from piotutor.units import INT64_MAX, format_count, format_seconds, format_size

EXACT = 4000  # up to so many transfers each is drawn as its own rectangle
LENS = 6  # records under the lens
SHAPE = (320, 640)


class Extents(NamedTuple):
    """Transfers as rectangles: seconds, bytes, and the row of the rank in `AccessData.ranks`."""

    start: np.ndarray
    end: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    rank: np.ndarray

    def select(self, which: np.ndarray) -> Extents:
        """Return some of the transfers."""
        return Extents(*(column[which] for column in self))


class Order(NamedTuple):
    """How transfers follow each other.

    Attributes
    ----------
    turns : int
        How often the rank changes from one record to the next along the file.
    back : float
        Share of a rank's steps that go backwards in the file.
    """

    turns: int
    back: float


@dataclass(frozen=True, eq=False)
class AccessData:
    """What an access map shows.

    Attributes
    ----------
    op : str
        ``write`` or ``read``.
    against : str
        ``time`` or ``rank``.
    files : list of str
        Names of the files touched; for ``time`` they stand one after another.
    ranks : numpy.ndarray
        Rank numbers, ascending.
    operations, bytes : int
        Transfers and bytes of all of them.
    seconds : float
        From the first start to the last end.
    size : int
        Bytes that the offset axis spans.
    lengths : numpy.ndarray
        The different lengths of transfers: at most three of them.
    unaligned : float or None
        Share of transfers that begin or end inside a unit of the grid.
    grid : int or None
        Bytes of a unit.
    grid_name : str
        What a unit is called: ``page``, ``stripe``, ``lock unit``.
    extents : Extents or None
        Every transfer; None above `EXACT` of them.
    cover : Cover or None
        Instead: for each cell of a grid who touched it (exactly: nothing is sampled).
    order : Order or None
        Known with `extents`.
    lens : Extents
        The records at the lowest offsets.
    badge : str
        How it came about, and on what.
    """

    op: str
    against: str
    files: list[str]
    ranks: np.ndarray
    operations: int
    bytes: int
    seconds: float
    size: int
    lengths: np.ndarray
    unaligned: float | None
    grid: int | None
    grid_name: str
    extents: Extents | None
    cover: bins.Cover | None
    order: Order | None
    lens: Extents
    badge: str


Parts = Callable[[], Iterable[Extents]]


@dataclass
class _Summary:
    """What one pass over all transfers gathers."""

    operations: int = 0
    bytes: int = 0
    size: int = 0
    seconds: float = 0.0
    apart: int = 0
    ranks: set[int] = field(default_factory=set)
    lengths: set[int] = field(default_factory=set)
    lens: list[Extents] = field(default_factory=list)
    edge: int = INT64_MAX

    def add(self, part: Extents, grid: int | None) -> None:
        low, length = part.offset, part.length
        high = low + length
        self.operations += len(low)
        self.bytes += int(length.sum())
        self.size = max(self.size, int(high.max()))
        self.seconds = max(self.seconds, float(part.end.max()) / 1e9)
        if grid:
            self.apart += apart(low, high, grid)
        self.ranks.update(few(part.rank).tolist())
        if len(self.lengths) < 4:
            self.lengths.update(few(length)[:4].tolist())
        self._look(part)

    def _look(self, part: Extents) -> None:
        """Keep what may be under the lens: not what lies beyond all that is there."""
        lower = np.flatnonzero(part.offset < self.edge)
        if len(lower):
            self.lens.append(_lowest(part.select(lower)))
            if len(self.lens[-1].offset) >= LENS:
                self.edge = int(self.lens[-1].offset[LENS - 1])


def extents_data(
    parts: Parts,
    *,
    op: str,
    against: str,
    files: list[str],
    grid: int | None,
    grid_name: str,
    badge: str,
    shape: tuple[int, int] = SHAPE,
) -> AccessData:
    """Compute an access map in two passes over the transfers.

    `parts` begins a pass: it returns all transfers in pieces, whose ``rank`` fields hold rank
    numbers, and whose times are ns since the first start. The other parameters are those of
    `AccessData`.
    """
    total = _Summary()
    for part in parts():
        total.add(part, grid)
    ranks = np.array(sorted(total.ranks), np.int64)
    exact = total.operations <= EXACT
    whole = _join(parts(), ranks) if exact else None
    frame = (total.seconds, total.size, shape)
    return AccessData(
        op=op,
        against=against,
        files=files,
        ranks=ranks,
        operations=total.operations,
        bytes=total.bytes,
        seconds=total.seconds,
        size=total.size,
        lengths=np.array(sorted(total.lengths), np.int64)[:3],
        unaligned=total.apart / total.operations if grid and total.operations else None,
        grid=grid,
        grid_name=grid_name,
        extents=whole,
        cover=None if exact else _cover(parts(), against, ranks, *frame),
        order=_order(whole) if whole is not None and total.operations else None,
        lens=_lowest(_join(total.lens, ranks), LENS),
        badge=badge,
    )


def _join(parts: Iterable[Extents], ranks: np.ndarray) -> Extents:
    """Put pieces together, with ranks replaced by their rows, and times in seconds."""
    empty = Extents(*(np.zeros(0), np.zeros(0), *(np.zeros(0, np.int64) for _ in range(3))))
    joined = Extents(*(np.concatenate(columns) for columns in zip(empty, *parts, strict=True)))
    start, end = joined.start / 1e9, joined.end / 1e9
    return joined._replace(start=start, end=end, rank=np.searchsorted(ranks, joined.rank))


def _lowest(part: Extents, most: int = 16 * LENS) -> Extents:
    """Take the transfers at the lowest offsets; of several at one offset the first."""
    count = min(len(part.offset), 16 * LENS)
    if count == 0:
        return part
    lowest = np.argpartition(part.offset, count - 1)[:count]
    lowest = lowest[np.lexsort((part.start[lowest], part.offset[lowest]))]
    _, first = np.unique(part.offset[lowest], return_index=True)
    return part.select(lowest[first[:most]])


def _cover(
    parts: Iterable[Extents],
    against: str,
    ranks: np.ndarray,
    seconds: float,
    size: int,
    shape: tuple[int, int],
) -> bins.Cover:
    rows, columns = shape
    scale = columns / max(seconds * 1e9, 1.0)
    row = np.zeros(int(ranks[-1]) + 2, np.int64)
    row[ranks] = np.arange(len(ranks))

    def boxes() -> Iterator[bins.Boxes]:
        for part in parts:
            rank = row[part.rank]
            low, high = part.offset, part.offset + np.maximum(part.length, 1) - 1
            if against == "rank":
                first, last = (bins.to_bins(edge, size, columns) for edge in (low, high))
                yield bins.Boxes(first, last, rank, rank, rank)
            else:
                first, last = (_column(time, scale, columns) for time in (part.start, part.end))
                bottom, top = (bins.to_bins(edge, size, rows) for edge in (low, high))
                yield bins.Boxes(first, last, bottom, top, rank)

    return bins.cover(boxes(), shape if against == "time" else (len(ranks), columns))


def _column(time: np.ndarray, scale: float, columns: int) -> np.ndarray:
    column: np.ndarray = np.minimum((time * scale).astype(np.int64), columns - 1)
    return column


def _order(extents: Extents) -> Order:
    along = np.argsort(extents.offset, kind="stable")
    by_rank = np.lexsort((extents.start, extents.rank))
    steps = np.diff(extents.offset[by_rank])[np.diff(extents.rank[by_rank]) == 0]
    turns = int(np.count_nonzero(np.diff(extents.rank[along])))
    return Order(turns, float(np.mean(steps < 0)) if len(steps) else 0.0)


def access_finding(data: AccessData) -> str:
    """Say what the map shows, from its numbers."""
    if not data.operations:
        return "Nothing was transferred"
    if data.grid and data.unaligned is not None:
        return _alignment(data)
    return f"{_count(data)}: {_sharing(data)}"


def _count(data: AccessData) -> str:
    plural = data.op + "s" * (data.operations != 1)
    size = f" of {format_size(int(data.lengths[0]))}" if len(data.lengths) == 1 else ""
    return f"{format_count(data.operations)} {plural}{size}"


def _alignment(data: AccessData) -> str:
    apart = round(data.operations * (data.unaligned or 0))
    unit = f"{format_size(data.grid or 0)} {data.grid_name}"
    if apart == 0:
        return f"{_count(data)}: all begin and end at the edge of a {unit}"
    if apart == data.operations:
        return f"All {_count(data)} begin or end inside a {unit}"
    return f"{format_count(apart)} of {_count(data)} begin or end inside a {unit}"


def _sharing(data: AccessData) -> str:
    ranks, order = len(data.ranks), data.order
    if len(data.files) > 1 and len(data.files) == ranks:
        return "each rank has a file of its own"
    if ranks == 1:
        return "one rank does it all"
    if order is None:
        cover = data.cover
        shared = 0.0 if cover is None else np.mean(cover.owner[cover.touches > 0] == -2)
        return f"{ranks} ranks, and {shared:.0%} of the dots belong to several of them"
    if order.back > 0.2:
        return f"{ranks} ranks jump about in the file"
    if order.turns == ranks - 1:
        return f"each of {ranks} ranks keeps to a part of its own"
    if order.turns >= data.operations - 1:
        return f"{ranks} ranks take turns, record by record"
    return f"along the file, {ranks} ranks change places {format_count(order.turns)} times"


def access_alt(data: AccessData) -> str:
    """Describe the map for a reader who can't see it."""
    if not data.operations:
        return "An empty map: there are no transfers of this kind."
    ranks = ", ".join(str(rank) for rank in data.ranks[:8])
    more = "" if len(data.ranks) <= 8 else f" and {len(data.ranks) - 8} more"
    axes = {
        "time": "The horizontal axis is time, the vertical one the offset in the file",
        "rank": "Each rank has one row; the horizontal axis is the offset in the file",
    }[data.against]
    span = f", {format_seconds(data.seconds)} in all" if data.seconds else ""
    records = "; ".join(
        f"rank {data.ranks[rank]}: {length:,} bytes at offset {offset:,}"
        for offset, length, rank in zip(*data.lens[2:], strict=True)
    )
    return (
        f"{axes}{span}. Ranks {ranks}{more} {data.op} {format_size(data.bytes)} in "
        f"{data.operations:,} transfers. A lens shows the first records of the file: {records}."
    )
