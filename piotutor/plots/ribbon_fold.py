"""Where stripes are drawn: along the ribbon, and folded onto their objects and targets.

Stripes are counted from 0 along the file. Of a long file the first ones and the last ones are
drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from piotutor.layout import Target
from piotutor.stripemap import Stripes

HEAD, TAIL = 16, 8
"""Stripes drawn of the beginning and of the end of a long file, about."""
WIDE = 6
"""Stripes side by side in all columns together, where columns are few."""


class Box(NamedTuple):
    """An object: its number, the column of its target, its uppermost row, and how many rows."""

    object: int
    column: int
    top: int
    rows: int


class Gap(NamedTuple):
    """Where "..." stands for stripes of an object that aren't drawn."""

    column: int
    row: int


@dataclass(frozen=True, eq=False)
class Fold:
    """The stripes that are drawn, in the order of the file: in the ribbon, and folded.

    Attributes
    ----------
    number, cell : numpy.ndarray
        Which stripe, and its place along the ribbon, where one place is left free for "...".
    column, row, slot : numpy.ndarray
        The column of its target, the row in it, and the place in the row.
    boxes : list of Box
        The objects: a row for the name of each, then its stripes.
    gaps : list of Gap
        Rows with stripes that aren't drawn.
    targets : list
        The columns.
    slots : int
        Places in a row of a column.
    """

    number: np.ndarray
    cell: np.ndarray
    column: np.ndarray
    row: np.ndarray
    slot: np.ndarray
    boxes: list[Box]
    gaps: list[Gap]
    targets: list[Target]
    slots: int

    @property
    def rows(self) -> int:
        """Rows of the longest column."""
        return max((box.top + box.rows for box in self.boxes), default=0)

    @property
    def cells(self) -> int:
        """Places along the ribbon."""
        return int(self.cell[-1]) + 1 if len(self.cell) else 0


def folded(stripes: Stripes, turn: int) -> Fold:
    """Choose the stripes to draw and find their places.

    Parameters
    ----------
    stripes : Stripes
        All of the file.
    turn : int
        Over how many objects they go in turn.
    """
    number = _chosen(len(stripes.offset), turn)
    cell = np.arange(len(number)) + np.cumsum(np.diff(number, prepend=-1) > 1)
    targets = [*np.unique(stripes.target[number]).tolist()]
    column = np.searchsorted(np.array(targets), stripes.target[number])
    slots = max(1, WIDE // max(len(targets), 1))
    row, slot, boxes, gaps = _stacked(stripes, number, column, slots)
    return Fold(number, cell, column, row, slot, boxes, gaps, targets, slots)


def _chosen(count: int, turn: int) -> np.ndarray:
    """Choose the stripes to draw: all of a short file, whole turns at both ends of a long one."""
    if count <= HEAD + TAIL:
        return np.arange(count)
    head = HEAD // turn * turn if turn <= TAIL else HEAD
    tail = (count - 1) // turn * turn - (TAIL // turn - 1) * turn if turn <= TAIL else count - TAIL
    return np.concatenate([np.arange(head), np.arange(max(tail, head), count)])


def _stacked(
    stripes: Stripes, number: np.ndarray, column: np.ndarray, slots: int
) -> tuple[np.ndarray, np.ndarray, list[Box], list[Gap]]:
    """Put the stripes into their objects, and these below each other on their targets."""
    row, slot = np.zeros((2, len(number)), np.int64)
    boxes: list[Box] = []
    gaps: list[Gap] = []
    below: dict[int, int] = {}
    for object_ in np.unique(stripes.object[number]).tolist():
        mine = np.flatnonzero(stripes.object[number] == object_)
        here = int(column[mine[0]])
        top = below.get(here, 0)
        at = _within(stripes, number[mine], slots)
        row[mine], slot[mine] = top + 1 + at.row, at.slot
        gaps += [Gap(here, top + 1 + gap) for gap in at.gaps]
        boxes.append(Box(object_, here, top, at.rows + 1))
        below[here] = top + at.rows + 1
    return row, slot, boxes, gaps


class _Within(NamedTuple):
    """Where stripes lie within the box of their object, and the rows of what isn't drawn."""

    row: np.ndarray
    slot: np.ndarray
    gaps: list[int]
    rows: int


def _within(stripes: Stripes, number: np.ndarray, slots: int) -> _Within:
    """Put an object's stripes into rows, with a row wherever some are left out."""
    all_ = np.flatnonzero(stripes.object == stripes.object[number[0]])
    ordinal = np.searchsorted(all_, number)
    row, slot = np.zeros((2, len(number)), np.int64)
    gaps: list[int] = []
    at, used, next_ = 0, 0, 0
    for i, here in enumerate(ordinal.tolist()):
        if here > next_:
            at += used > 0
            gaps.append(at)
            at, used = at + 1, 0
        if used == slots:
            at, used = at + 1, 0
        row[i], slot[i] = at, used
        used, next_ = used + 1, here + 1
    at += 1
    more = next_ < len(all_)
    return _Within(row, slot, [*gaps, at] if more else gaps, at + more)
