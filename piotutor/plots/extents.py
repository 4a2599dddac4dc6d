"""Transfers as rectangles: what access maps and pattern maps draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from piotutor.plots import bins
from piotutor.units import format_count, format_seconds, format_size

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

    def take(self, which: np.ndarray) -> Extents:
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


def extents_data(
    extents: Extents,
    *,
    op: str,
    against: str,
    files: list[str],
    grid: int | None,
    grid_name: str,
    badge: str,
    shape: tuple[int, int] = SHAPE,
) -> AccessData:
    """Compute an access map from transfers whose ``rank`` field holds rank numbers."""
    ranks, extents = _rows(extents)
    offset, length = extents.offset, extents.length
    few = len(offset) <= EXACT
    size = int((offset + length).max()) if len(offset) else 0
    seconds = float(extents.end.max()) if len(offset) else 0.0
    apart = None
    if grid and len(offset):
        apart = float(np.mean((offset % grid != 0) | ((offset + length) % grid != 0)))
    return AccessData(
        op=op,
        against=against,
        files=files,
        ranks=ranks,
        operations=len(offset),
        bytes=int(length.sum()),
        seconds=seconds,
        size=size,
        lengths=_some_lengths(length),
        unaligned=apart,
        grid=grid,
        grid_name=grid_name,
        extents=extents if few else None,
        cover=None if few else _cover(extents, against, len(ranks), seconds, size, shape),
        order=_order(extents) if few and len(offset) else None,
        lens=_lens(extents),
        badge=badge,
    )


def _rows(extents: Extents) -> tuple[np.ndarray, Extents]:
    """Replace ranks by their rows; fast for many records of few ranks."""
    lowest = int(extents.rank.min()) if len(extents.rank) else 0
    ranks = np.flatnonzero(np.bincount(extents.rank - lowest)) + lowest
    row = np.zeros(int(ranks.max(initial=0)) - lowest + 1, np.int32)
    row[ranks - lowest] = np.arange(len(ranks))
    return ranks, extents._replace(rank=row[extents.rank - lowest])


def _some_lengths(length: np.ndarray) -> np.ndarray:
    if not len(length) or (length == length[0]).all():
        return length[:1]
    return np.unique(length)[-3:]


def _cover(
    extents: Extents, against: str, ranks: int, seconds: float, size: int, shape: tuple[int, int]
) -> bins.Cover:
    rows, columns = shape
    last = extents.offset + np.maximum(extents.length, 1) - 1
    if against == "rank":
        x = (bins.to_bins(extents.offset, 0, size, columns), bins.to_bins(last, 0, size, columns))
        return bins.cover(x, (extents.rank, extents.rank), extents.rank, (ranks, columns))
    y = (bins.to_bins(extents.offset, 0, size, rows), bins.to_bins(last, 0, size, rows))
    scale = columns / max(seconds, 1e-9)
    first = np.minimum((extents.start * scale).astype(np.int32), columns - 1)
    final = np.minimum((extents.end * scale).astype(np.int32), columns - 1)
    return bins.cover((first, final), y, extents.rank, shape)


def _order(extents: Extents) -> Order:
    along = np.argsort(extents.offset, kind="stable")
    by_rank = np.lexsort((extents.start, extents.rank))
    steps = np.diff(extents.offset[by_rank])[np.diff(extents.rank[by_rank]) == 0]
    turns = int(np.count_nonzero(np.diff(extents.rank[along])))
    return Order(turns, float(np.mean(steps < 0)) if len(steps) else 0.0)


def _lens(extents: Extents) -> Extents:
    """Take the records at the lowest offsets, each offset once."""
    few = min(len(extents.offset), 16 * LENS)
    if few == 0:
        return extents
    lowest = np.argpartition(extents.offset, few - 1)[:few]
    lowest = lowest[np.lexsort((extents.start[lowest], extents.offset[lowest]))]
    _, first = np.unique(extents.offset[lowest], return_index=True)
    return extents.take(lowest[first[:LENS]])


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
