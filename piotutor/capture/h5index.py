"""B-trees and the other indexes of an HDF5 file: where their nodes lie, and how long they are.

Each function reads one structure at an address and yields the blocks that belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator

from piotutor.capture.h5image import Block, Image, Kind


def group_tree(image: Image, at: int, leaf: int, node: int) -> Iterator[Block]:
    """Version 1 B-tree of a group, down to its symbol table nodes."""
    size = 8 + 2 * image.O + (2 * node + 1) * image.L + 2 * node * image.O
    for child in _nodes(image, at, size, key=image.L):
        if isinstance(child, Block):
            yield child
        else:
            image.expect(child, b"SNOD")
            entries = 2 * leaf * (2 * image.O + 24)
            yield Block(child, 8 + entries, Kind.SYMBOLS, "SNOD")


def chunk_tree(image: Image, at: int, dimensions: int, node: int) -> Iterator[Block]:
    """Version 1 B-tree of a chunked dataset; `dimensions` counts that of the element's bytes."""
    key = 8 + 8 * dimensions
    size = 8 + 2 * image.O + (2 * node + 1) * key + 2 * node * image.O
    return (found for found in _nodes(image, at, size, key) if isinstance(found, Block))


def _nodes(image: Image, at: int, size: int, key: int) -> Iterator[Block | int]:
    """Yield the nodes of a version 1 B-tree, and the addresses that its leaves hold."""
    image.expect(at, b"TREE")
    yield Block(at, size, Kind.INDEX, "TREE")
    level, used = image.uint(at + 5, 1), image.uint(at + 6, 2)
    first = at + 8 + 2 * image.O + key
    for number in range(used):
        child = image.address(first + number * (key + image.O))
        if child is not None and level == 0:
            yield child
        elif child is not None:
            yield from _nodes(image, child, size, key)


def tree(image: Image, at: int) -> Iterator[Block]:
    """Version 2 B-tree: header and nodes."""
    return (found for found in tree_and_records(image, at) if isinstance(found, Block))


def tree_and_records(image: Image, at: int) -> Iterator[Block | int]:
    """Version 2 B-tree, and the addresses of its records."""
    image.expect(at, b"BTHD")
    yield Block(at, 22 + image.O + image.L, Kind.INDEX, "BTHD")
    node, record, depth = image.uint(at + 6, 4), image.uint(at + 10, 2), image.uint(at + 12, 2)
    root = image.address(at + 16)
    if root is not None:
        shape = _Shape(image, node, record, depth)
        yield from _node(image, root, depth, image.uint(at + 16 + image.O, 2), shape)


class _Shape:
    """How many records the nodes of a version 2 B-tree hold, and how wide its pointers are."""

    def __init__(self, image: Image, node: int, record: int, depth: int) -> None:
        self.node, self.record = node, record
        most = (node - 10) // record
        self.count = width(most)
        self.total, below = [0], most
        for level in range(1, depth + 1):
            self.total.append(width(below) if level > 1 else 0)
            pointer = image.O + self.count + self.total[level]
            most = (node - 10 - pointer) // (record + pointer)
            below = (most + 1) * below + most


def _node(image: Image, at: int, depth: int, count: int, shape: _Shape) -> Iterator[Block | int]:
    signature = b"BTIN" if depth else b"BTLF"
    image.expect(at, signature)
    yield Block(at, shape.node, Kind.INDEX, signature.decode())
    yield from range(at + 6, at + 6 + count * shape.record, shape.record)
    pointer, step = at + 6 + count * shape.record, image.O + shape.count + shape.total[depth]
    for place in range(pointer, pointer + (count + 1) * step if depth else pointer, step):
        child = image.address(place)
        if child is not None:
            records = image.uint(place + image.O, shape.count)
            yield from _node(image, child, depth - 1, records, shape)


def fixed_array(image: Image, at: int) -> Iterator[Block]:
    """Index of chunks whose number is fixed."""
    image.expect(at, b"FAHD")
    yield Block(at, 12 + image.L + image.O, Kind.INDEX, "FAHD")
    entry, bits = image.uint(at + 6, 1), image.uint(at + 7, 1)
    data, count = image.address(at + 8 + image.L), image.length(at + 8)
    if data is not None:
        image.expect(data, b"FADB")
        pages = -(-count >> bits) if count > 1 << bits else 0
        size = 6 + image.O + -(-pages // 8) + 4 + count * entry + 4 * pages
        yield Block(data, size, Kind.INDEX, "FADB")


def extensible_array(image: Image, at: int) -> Iterator[Block]:
    """Index of chunks of a dataset that can grow in one dimension."""
    image.expect(at, b"EAHD")
    yield Block(at, 16 + 6 * image.L + image.O, Kind.INDEX, "EAHD")
    root = image.address(at + 12 + 6 * image.L)
    if root is not None:
        yield from _extensible_root(image, root, _Growth(image, at))


class _Growth:
    """How an extensible array grows: from its header."""

    def __init__(self, image: Image, at: int) -> None:
        self.entry, bits = image.uint(at + 6, 1), image.uint(at + 7, 1)
        self.inside, self.least = image.uint(at + 8, 1), image.uint(at + 9, 1)
        self.pointers, self.page = image.uint(at + 10, 1), 1 << image.uint(at + 11, 1)
        self.supers = 1 + bits - log2(self.least)
        self.offset = -(-bits // 8)

    def blocks(self, number: int) -> tuple[int, int]:
        """How many data blocks a super block has, and the elements of each."""
        return 1 << number // 2, (1 << (number + 1) // 2) * self.least

    def data_size(self, image: Image, elements: int) -> int:
        """Bytes of a data block of so many elements, with its pages."""
        pages = elements // self.page if elements > self.page else 0
        return 6 + image.O + self.offset + 4 + elements * self.entry + 4 * pages


def _extensible_root(image: Image, at: int, grown: _Growth) -> Iterator[Block]:
    image.expect(at, b"EAIB")
    early = 2 * log2(grown.pointers)  # super blocks whose data blocks the root names itself
    sizes = [
        elements for n in range(early) for elements in [grown.blocks(n)[1]] * grown.blocks(n)[0]
    ]
    first = at + 6 + image.O + grown.inside * grown.entry
    later = first + len(sizes) * image.O
    end = later + (grown.supers - early) * image.O + 4
    yield Block(at, end - at, Kind.INDEX, "EAIB")
    for number, elements in enumerate(sizes):
        yield from _data_block(image, image.address(first + number * image.O), elements, grown)
    for number in range(early, grown.supers):
        below = image.address(later + (number - early) * image.O)
        if below is not None:
            yield from _super_block(image, below, number, grown)


def _super_block(image: Image, at: int, number: int, grown: _Growth) -> Iterator[Block]:
    image.expect(at, b"EASB")
    count, elements = grown.blocks(number)
    pages = elements // grown.page if elements > grown.page else 0
    first = at + 6 + image.O + grown.offset + count * -(-pages // 8)
    yield Block(at, first + count * image.O + 4 - at, Kind.INDEX, "EASB")
    for place in range(first, first + count * image.O, image.O):
        yield from _data_block(image, image.address(place), elements, grown)


def _data_block(image: Image, at: int | None, elements: int, grown: _Growth) -> Iterator[Block]:
    if at is not None:
        image.expect(at, b"EADB")
        yield Block(at, grown.data_size(image, elements), Kind.INDEX, "EADB")


def log2(value: int) -> int:
    """Return the logarithm of a power of two, rounded down."""
    return max(value.bit_length() - 1, 0)


def width(most: int) -> int:
    """Bytes in which the format keeps numbers up to `most`."""
    return log2(most) // 8 + 1
