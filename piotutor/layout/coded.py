"""The layout with copies or parity: DAOS's classes and RAID."""

from __future__ import annotations

from dataclasses import dataclass

from piotutor.errors import UsageError
from piotutor.layout.shapes import (
    Ints,
    Layout,
    Sizes,
    Target,
    need_multiple,
    need_positive,
    need_targets,
)
from piotutor.units import INT64_MAX


@dataclass(frozen=True)
class Coded(Layout):
    """Cells in rows, with copies or parity: DAOS's classes, RAID 1, 4, 5 and 6.

    A chunk of the file lies on one group of objects, the next chunk on the next. Within a chunk,
    cells go in turn over the group's `data` objects, row by row; copies or parity of a row lie on
    the objects that follow. From chunk to chunk all of them move on by `rotation` within the group.

    Parameters
    ----------
    cell : int
        Bytes that lie together.
    chunk : int
        Bytes of the file that one group holds before the next one's turn: a multiple of `cell`.
    data, parity, copies : int
        How many cells a row has of each; copies only of a single cell.
    groups : int
        How many groups there are.
    rotation, first : int
        Chunk n begins at the object ``first + rotation n`` of its group, counted in a ring.
    targets : tuple of int or of str
        The target of each object, group by group.
    """

    cell: int
    chunk: int
    data: int = 1
    parity: int = 0
    copies: int = 0
    groups: int = 1
    rotation: int = 0
    first: int = 0
    targets: tuple[Target, ...] = ()

    def __post_init__(self) -> None:
        need_positive(cell=self.cell, data=self.data, groups=self.groups)
        need_multiple("chunk", self.chunk, "cell", self.cell)
        if min(self.parity, self.copies) < 0 or (self.copies and (self.parity or self.data > 1)):
            raise UsageError("parity, copies: give one of them; copies are of a single cell")
        need_targets(self.targets, self.objects)

    @property
    def members(self) -> int:
        """How many objects a group has."""
        return self.data + self.parity + self.copies

    @property
    def objects(self) -> int:
        """Those of all groups."""
        return self.groups * self.members

    @property
    def reach(self) -> tuple[int, int]:
        """How many objects, and bytes of each, are of a file (see `Layout`)."""
        return self.objects, INT64_MAX // (self.groups * self.data) - self.chunk

    @property
    def rows(self) -> int:
        """How many rows a chunk has; the last one may not be full."""
        return -(-self.chunk // (self.data * self.cell))

    @property
    def full_rows(self) -> int:
        """How many rows of a chunk are full: only they are written without reading before."""
        return self.chunk // (self.data * self.cell)

    def unit_at(self, offset: Ints) -> int:
        """Return the cell's size."""
        return self.cell

    def unit_in(self, object: Ints) -> int:
        """Return the cell's size."""
        return self.cell

    def row_at(self, offset: Ints) -> tuple[Ints, Ints]:
        """Return the number of the chunk and of the row in it, for each byte."""
        chunk = offset // self.chunk
        return chunk, (offset - chunk * self.chunk) // (self.data * self.cell)

    def member(self, chunk: Ints, row: Ints, column: Sizes) -> tuple[Ints, Ints]:
        """Return the object and the offset in it of a row's cell: data first, then the rest."""
        turn, ring = chunk, column + self.first + self.rotation * chunk
        object = ring - ring // self.members * self.members
        if self.groups > 1:
            turn = chunk // self.groups
            object += (chunk - turn * self.groups) * self.members
        return object, (turn * self.rows + row) * self.cell

    def put(self, offset: Ints) -> tuple[Ints, Ints]:
        """Return object and offset in it (see `Layout`)."""
        chunk, row = self.row_at(offset)
        within = offset - (chunk * self.chunk + row * (self.data * self.cell))
        column = within // self.cell
        object, begin = self.member(chunk, row, column)
        return object, begin + (within - column * self.cell)

    def get(self, object: Ints, object_offset: Ints) -> Ints:
        """Return the byte of the file (see `Layout`): -1 for parity; for a copy, what it copies."""
        group, cell = object // self.members, object_offset // self.cell
        turn = cell // self.rows
        row, chunk = cell - turn * self.rows, turn * self.groups + group
        column: Ints = (
            object - group * self.members - self.first - self.rotation * chunk
        ) % self.members
        if self.copies:
            column[:] = 0
        within = (row * self.data + column) * self.cell
        offset: Ints = chunk * self.chunk + within + (object_offset - cell * self.cell)
        offset[(column >= self.data) | (within >= self.chunk)] = -1
        return offset
