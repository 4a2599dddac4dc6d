"""Heaps of an HDF5 file, and the lists of its free space."""

from __future__ import annotations

from collections.abc import Iterator

from piotutor.capture.h5image import Block, Image, Kind
from piotutor.capture.h5index import log2, tree_and_records, width

_GLOBAL = b"GCOL\x01\x00\x00\x00"


def local_heap(image: Image, at: int) -> Iterator[Block]:
    """Names of a group's links."""
    image.expect(at, b"HEAP")
    yield Block(at, 8 + 2 * image.L + image.O, Kind.HEAP, "HEAP")
    data = image.address(at + 8 + 2 * image.L)
    if data is not None:
        yield Block(data, image.length(at + 8), Kind.HEAP, "HEAP data")


def global_heaps(image: Image, low: int, high: int) -> Iterator[Block]:
    """Find the collections in a part of the file: only elements of the data point to them."""
    at = image.find(_GLOBAL, low, high)
    while at is not None:
        size = image.length(at + 8) if at + 8 + image.L <= high else 0
        whole = 16 < size <= high - at
        if whole:
            yield Block(at, size, Kind.HEAP, "GCOL")
        at = image.find(_GLOBAL, at + (size if whole else 1), high)


def fractal_heap(image: Image, at: int) -> Iterator[Block]:
    """Links or attributes of an object that has many."""
    image.expect(at, b"FRHP")
    heap = _Fractal(image, at)
    yield Block(at, heap.size, Kind.HEAP, "FRHP")
    if heap.huge is not None:
        yield from _huge(image, heap.huge)
    if heap.free is not None:
        yield from free_space(image, heap.free)
    if heap.root is not None and heap.rows:
        yield from heap.indirect(heap.root, heap.rows)
    elif heap.root is not None:
        yield from heap.direct(heap.root, heap.filtered_root or heap.start)


def _huge(image: Image, at: int) -> Iterator[Block]:
    """Objects too large for the heap: each record begins with address and length."""
    for found in tree_and_records(image, at):
        if isinstance(found, Block):
            yield found
            continue
        place = image.address(found)
        if place is not None:
            yield Block(place, image.length(found + image.O), Kind.HEAP, "huge object")


class _Fractal:
    """The doubling table of a fractal heap, from its header."""

    def __init__(self, image: Image, at: int) -> None:
        self.image = image
        A, L = image.O, image.L
        filters = image.uint(at + 7, 2)
        self.huge = image.address(at + 14 + L)
        self.free = image.address(at + 14 + 2 * L + A)
        table = at + 14 + 2 * L + 2 * A + 8 * L
        self.columns = image.uint(table, 2)
        self.start, self.most = image.length(table + 2), image.length(table + 2 + L)
        self.offset = -(-image.uint(table + 2 + 2 * L, 2) // 8)
        self.root = image.address(table + 6 + 2 * L)
        self.rows = image.uint(table + 6 + 2 * L + A, 2)
        self.filtered_root = image.length(table + 8 + 2 * L + A) if filters else 0
        self.pointer = A + (L + 4 if filters else 0)
        self.size = table + 8 + 2 * L + A + (L + 4 + filters if filters else 0) + 4 - at

    def row_size(self, row: int) -> int:
        """Bytes of a block in a row of the doubling table."""
        return self.start << max(row - 1, 0)

    def direct(self, at: int, size: int) -> Iterator[Block]:
        """One block of objects."""
        if self.pointer == self.image.O:  # a filtered block's signature is compressed with it
            self.image.expect(at, b"FHDB")
        yield Block(at, size, Kind.HEAP, "FHDB")

    def indirect(self, at: int, rows: int) -> Iterator[Block]:
        """One block of pointers to blocks, and all below it."""
        image = self.image
        image.expect(at, b"FHIB")
        direct = min(rows, log2(self.most) - log2(self.start) + 2) * self.columns
        pointers = at + 5 + image.O + self.offset
        later = pointers + direct * self.pointer
        end = later + (rows * self.columns - direct) * image.O + 4
        yield Block(at, end - at, Kind.HEAP, "FHIB")
        for number in range(direct):
            place = pointers + number * self.pointer
            size = self.row_size(number // self.columns)
            if self.pointer > image.O:
                size = image.length(place + image.O)
            child = image.address(place)
            if child is not None:
                yield from self.direct(child, size)
        for number in range(direct, rows * self.columns):
            child = image.address(later + (number - direct) * image.O)
            if child is not None:
                below = log2(self.row_size(number // self.columns))
                yield from self.indirect(child, below - log2(self.start * self.columns) + 1)


def free_space(image: Image, at: int, in_file: bool = False) -> Iterator[Block]:
    """List of free space; `in_file`: of the file's own, so that what it lists is free there."""
    image.expect(at, b"FSHD")
    A, L = image.O, image.L
    yield Block(at, 18 + 7 * L + A, Kind.INDEX, "FSHD")
    tail = at + 6 + 4 * L
    sections = image.address(tail + 8 + L)
    if sections is None:
        return
    image.expect(sections, b"FSSE")
    yield Block(sections, image.length(tail + 8 + 2 * L + A), Kind.INDEX, "FSSE")
    if in_file:
        left = image.length(at + 6 + 2 * L)
        widths = width(left), width(image.length(tail + 8)), -(-image.uint(tail + 6, 2) // 8)
        yield from _sections(image, sections + 5 + A, left, widths)


def _sections(image: Image, place: int, left: int, widths: tuple[int, int, int]) -> Iterator[Block]:
    """Sections of one size stand together: their number, the size, and where each begins."""
    counts, sizes, offsets = widths
    while left > 0:
        count, size = image.uint(place, counts), image.uint(place + counts, sizes)
        place += counts + sizes
        for _ in range(count):
            yield Block(image.uint(place, offsets), size, Kind.FREE, "free")
            place += offsets + 1
        left -= count or left
