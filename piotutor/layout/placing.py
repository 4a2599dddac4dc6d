"""Extents to pieces of objects and back, for every layout, many at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from piotutor.errors import UsageError
from piotutor.layout.coded import Coded
from piotutor.layout.cutting import (
    BLOCK,
    MOST,
    Cut,
    columns_of,
    cut_units,
    cuts,
    need_extents,
    need_ranges,
)
from piotutor.layout.shapes import Ints, Layout, Target


class Pieces(NamedTuple):
    """Parts of extents, each in one unit of one object, in the extents' order.

    Attributes
    ----------
    target : ndarray of int64 or of str
        The object's target: its number or name, or the object's index if that isn't known.
    object : ndarray of int64
        Index into the file's list of objects.
    object_offset : ndarray of int64
        Where the piece begins in its object, in bytes.
    length : ndarray of int64
        Bytes, never 0.
    source : ndarray of int64
        Index of the extent that it is a part of.
    """

    target: npt.NDArray[Any]
    object: Ints
    object_offset: Ints
    length: Ints
    source: Ints


class Located(NamedTuple):
    """Ranges of a file, found from ranges of its objects.

    Attributes
    ----------
    offset, length : ndarray of int64
        Bytes of the file; the length is never 0.
    source : ndarray of int64
        Index of the range of an object that it is a part of.
    """

    offset: Ints
    length: Ints
    source: Ints


def place(layout: Layout, offset: npt.ArrayLike, length: npt.ArrayLike) -> Pieces:
    """Return where the bytes of extents lie, each byte once (see `redundancy` for the rest).

    Parameters
    ----------
    layout : Layout
        How the file is laid out.
    offset, length : array_like of int
        The extents, of any number, in bytes; one length may stand for all. An extent of no bytes
        has no pieces.

    Returns
    -------
    Pieces
        Extent by extent, in the order of the file. Pieces that follow on each other in an object,
        too, are not joined.

    Raises
    ------
    UsageError
        An extent is negative, beyond 2^63 - 1 or beyond the layout's end (Lustre refuses that with
        ENODATA); it lies in an object that the list of targets doesn't reach; or there would be
        more than 10^8 pieces, were all stripes as small as the smallest.
    """
    starts, lengths = columns_of(offset=offset, length=length)
    parts = ((*layout.put(begin), *rest) for begin, *rest in cuts(layout, starts, lengths))
    return _pieces(layout, *_gathered(4, parts, _room(layout, lengths)))


def locate(
    layout: Layout,
    object: npt.ArrayLike,
    object_offset: npt.ArrayLike,
    length: npt.ArrayLike,
) -> Located:
    """Return which bytes of the file ranges of its objects hold: the inverse of `place`.

    Parameters
    ----------
    layout : Layout
        How the file is laid out.
    object : array_like of int
        Indices into the file's list of objects (not targets: a target may have several of them).
    object_offset, length : array_like of int
        Ranges of these objects, in bytes.

    Returns
    -------
    Located
        Range by range. Parity, and what no byte of a file lies in, is left out; a copy is found
        as what it copies.

    Raises
    ------
    UsageError
        There is no such object, or a range is negative or beyond any file.
    """
    columns = columns_of(object=object, object_offset=object_offset, length=length)
    need_ranges(layout, *columns)
    parts = (
        _locate(layout, at, *(column[at : at + BLOCK] for column in columns))
        for at in range(0, len(columns[0]), BLOCK)
    )
    return Located(*_gathered(3, parts, _room(layout, columns[2])))


def redundancy(layout: Layout, offset: npt.ArrayLike, length: npt.ArrayLike) -> Pieces:
    """Return where the copies and parity of extents lie.

    Parameters
    ----------
    layout : Layout
        How the file is laid out.
    offset, length : array_like of int
        The extents, in bytes.

    Returns
    -------
    Pieces
        The further copies of each piece; or, for each extent and each row that it touches, the
        row's whole parity cells (P, then Q). None where the layout has neither.

    Raises
    ------
    UsageError
        As `place`.
    """
    pieces = place(layout, offset, length)
    if not isinstance(layout, Coded):
        return Pieces(*(column[:0] for column in pieces))
    chunk, row = layout.row_at(layout.get(pieces.object, pieces.object_offset))
    inside, size, source = pieces.object_offset % layout.cell, pieces.length, pieces.source
    if layout.parity:
        new = np.ones(len(row), bool)
        new[1:] = (np.diff(source) | np.diff(chunk) | np.diff(row)) != 0
        chunk, row, source = chunk[new], row[new], source[new]
        inside, size = np.zeros_like(source), np.full_like(source, layout.cell)
    further = np.arange(layout.data, layout.members)
    column = np.tile(further, len(row))
    each = (np.repeat(values, len(further)) for values in (chunk, row, inside, size, source))
    chunk, row, inside, size, source = each
    object, begin = layout.member(chunk, row, column)
    return _pieces(layout, object, begin + inside, size, source)


def bytes_by_target(
    layout: Layout, offset: npt.ArrayLike, length: npt.ArrayLike
) -> dict[Target, int]:
    """Return how many bytes of extents lie on each target, without copies and parity.

    Parameters
    ----------
    layout : Layout
        How the file is laid out.
    offset, length : array_like of int
        The extents, in bytes.

    Returns
    -------
    dict of int or str to int
        Of each target of the layout, also if it has none of the bytes; of each object by its
        index, if the targets aren't known.

    Raises
    ------
    UsageError
        As `place`; but only a single extent can have too many pieces.
    """
    known: dict[Target, int] = dict.fromkeys(layout.targets or range(layout.objects or 0), 0)
    for begin, size, _ in cuts(layout, *columns_of(offset=offset, length=length)):
        found, inverse = np.unique(layout.put(begin)[0], return_inverse=True)
        sums = np.zeros(len(found), np.int64)
        np.add.at(sums, inverse, size)
        names = _targets(layout, found).tolist()
        for name, share in zip(names, sums.tolist(), strict=True):
            known[name] = known.get(name, 0) + share
    return known


def crossings(layout: Layout, offset: npt.ArrayLike, length: npt.ArrayLike) -> Ints:
    """Return how many ends of units lie within each extent: it has one piece more than that.

    Parameters
    ----------
    layout : Layout
        How the file is laid out.
    offset, length : array_like of int
        The extents, in bytes.

    Returns
    -------
    ndarray of int64
        One number for each extent; 0 for one of no bytes.

    Raises
    ------
    UsageError
        As `place`; but only a single extent can have too many pieces.
    """
    starts, lengths = columns_of(offset=offset, length=length)
    pieces = np.zeros(len(starts), np.int64)
    for _, _, source in cuts(layout, starts, lengths):
        first = source[0] if len(source) else 0
        found = np.bincount(source - first)
        pieces[first : first + len(found)] = found
    return np.maximum(pieces, 1) - 1


def unaligned(layout: Layout, offset: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return whether each offset lies within a unit, not where one begins.

    Parameters
    ----------
    layout : Layout
        How the file is laid out.
    offset : array_like of int
        Bytes; `unaligned(...).mean()` is the unaligned share.

    Raises
    ------
    UsageError
        As `place`.
    """
    starts, lengths = columns_of(offset=offset, length=1)
    need_extents(layout, starts, lengths)
    within = np.asarray(starts % layout.unit_at(starts) != 0)
    return within & ~np.isin(starts, layout.edges)


def _room(layout: Layout, length: Ints) -> int:
    """Return a number of pieces that cutting ranges doesn't pass."""
    units = layout.unit_in(np.arange(layout.objects or 1))
    room = len(length) * (2 + len(layout.edges)) + length.sum(dtype=float) / np.min(units)
    if room > 2 * len(length) + MOST:
        raise UsageError(f"over {MOST:,} pieces aren't worked out at once: give fewer extents")
    return int(room) + 1


def _gathered(width: int, parts: Iterable[Sequence[Ints]], room: int) -> list[Ints]:
    """Return columns from their parts.

    New memory costs more than the arithmetic, and only what is written is ever taken: so there is
    room for all parts from the beginning, and none is kept until the end.
    """
    columns = [np.empty(room, np.int64) for _ in range(width)]
    done = 0
    for part in parts:
        now = slice(done, done + len(part[0]))
        for column, values in zip(columns, part, strict=True):
            column[now] = values
        done = now.stop
    return [column[:done] for column in columns]


def _pieces(layout: Layout, object: Ints, *rest: Ints) -> Pieces:
    return Pieces(_targets(layout, object), object, *rest)


def _targets(layout: Layout, object: Ints) -> npt.NDArray[Any]:
    if not layout.targets:
        return object
    known = len(layout.targets)
    if layout.objects is None and len(object) and object.max() >= known:
        raise UsageError(
            f"object {object.max()}: targets are given of {known} objects only; give more of them"
        )
    return np.array(layout.targets)[object]


def _locate(layout: Layout, at: int, object: Ints, object_offset: Ints, length: Ints) -> Cut:
    begin, size, source = cut_units(object_offset, length, layout.unit_in(object))
    object = object[source]
    offset = layout.get(object, begin)
    start, stop = layout.span(object)
    first = np.maximum(offset, start)
    size = np.minimum(offset + size, stop) - first
    keep = (offset >= 0) & (size > 0)
    return first[keep], size[keep], source[keep] + at
