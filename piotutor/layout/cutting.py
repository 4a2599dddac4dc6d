"""Extents, checked and cut where units end: in blocks that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from piotutor.errors import UsageError
from piotutor.layout.shapes import Ints, Layout, Sizes
from piotutor.units import INT64_MAX

BLOCK, MOST = 8192, 10**8
Cut: TypeAlias = tuple[Ints, Ints, Ints]
"""Offset and length of each part, and the index of what it is a part of."""


def columns_of(**given: npt.ArrayLike) -> list[Ints]:
    """Return columns of one length from numbers and arrays."""
    columns = []
    for name, values in given.items():
        column = np.atleast_1d(np.asarray(values))
        if column.ndim > 1 or (column.size and column.dtype.kind not in "iu"):
            raise UsageError(f"{name}: give whole numbers in one row")
        columns.append(column.astype(np.int64, copy=False))
        if column.size and columns[-1].min() < 0:
            raise UsageError(f"{name}: give numbers from 0 to 2^63 - 1")
    try:
        return list(np.broadcast_arrays(*columns))
    except ValueError:
        sizes = ", ".join(
            f"{len(column)} of {name}" for name, column in zip(given, columns, strict=True)
        )
        raise UsageError(f"{sizes}: give as many of each") from None


def need_extents(layout: Layout, offset: Ints, length: Ints) -> None:
    """Refuse extents that no file has, or that lie beyond the layout."""
    if not len(offset):
        return
    if offset.max() > INT64_MAX - length.max() and (offset > INT64_MAX - length).any():
        raise UsageError("offset, length: give extents below 2^63")
    if layout.end is not None and (offset + length).max() > layout.end:
        raise UsageError(
            f"bytes up to {(offset + length).max()} lie beyond the layout's last component, which "
            f"ends at {layout.end} (Lustre refuses them with ENODATA): let the last have no end"
        )


def need_ranges(layout: Layout, object: Ints, object_offset: Ints, length: Ints) -> None:
    """Refuse objects that the layout hasn't, and ranges that no file's byte lies in."""
    if not len(object):
        return
    objects, size = layout.reach
    if object.max() >= objects:
        raise UsageError(f"object: give an index from 0 to {objects - 1}")
    if (object_offset > size - length).any():
        raise UsageError(f"object_offset, length: give ranges within 0 to {size}")


def cuts(layout: Layout, offset: Ints, length: Ints) -> Iterator[Cut]:
    """Yield the pieces of extents: offset and length in the file, and index of the extent."""
    at = 0
    while at < len(offset):
        starts, lengths = offset[at : at + BLOCK], length[at : at + BLOCK]
        need_extents(layout, starts, lengths)
        pieces = 1 + int(lengths.max()) // int(np.min(layout.unit_at(starts)))
        if pieces > MOST:
            raise UsageError(f"an extent of over {MOST:,} pieces: give shorter ones")
        starts, lengths = starts[: -(-BLOCK // pieces)], lengths[: -(-BLOCK // pieces)]
        begin, size, source = _cut(layout, starts, lengths)
        yield begin, size, source + at
        at += len(starts)


def _cut(layout: Layout, offset: Ints, length: Ints) -> Cut:
    """Cut extents at the layout's edges and at the ends of units."""
    if not layout.edges:
        return cut_units(offset, length, layout.unit_at(offset))
    first, last = np.zeros_like(offset), np.zeros_like(offset)
    for edge in layout.edges:
        first += offset >= edge
        last += offset + length > edge
    bounds = np.array([0, *layout.edges, INT64_MAX], np.int64)
    begin, size, part = _spread(
        offset, length, first, last, lambda number, _: (bounds[number], bounds[number + 1])
    )
    begin, size, source = cut_units(begin, size, layout.unit_at(begin))
    return begin, size, part[source]


def _units(offset: Ints, length: Ints, unit: Sizes) -> tuple[Ints, Ints]:
    """Return each extent's first and last unit; the last is before the first if it is empty."""
    first = offset // unit
    last = (offset + (length - 1)) // unit
    if len(length) and length.min() == 0:
        last = np.where(length == 0, first - 1, last)
    return first, last


def cut_units(offset: Ints, length: Ints, unit: Sizes) -> Cut:
    """Cut ranges at the multiples of a unit, or each at those of its own."""
    first, last = _units(offset, length, unit)

    def bounds(number: Ints, source: Ints) -> tuple[Ints, Ints]:
        size = unit if isinstance(unit, int) else unit[source]
        begin = number * size
        return begin, begin + np.minimum(size, INT64_MAX - begin)

    return _spread(offset, length, first, last, bounds)


def _spread(
    offset: Ints,
    length: Ints,
    first: Ints,
    last: Ints,
    bounds: Callable[[Ints, Ints], tuple[Ints, Ints]],
) -> Cut:
    """Cut each extent into what lies in the ranges number `first` to `last`, which have bounds."""
    if (first == last).all():
        return offset, length, np.arange(len(offset))
    count = last - first + 1
    ends = np.cumsum(count)
    source = np.repeat(np.arange(len(offset)), count)
    number = np.arange(len(source)) + (first - (ends - count))[source]
    begin, end = bounds(number, source)
    begin = np.maximum(begin, offset[source])
    return begin, np.minimum(end, (offset + length)[source]) - begin, source
