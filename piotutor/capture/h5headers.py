"""Object headers of an HDF5 file: parts, attributes, and what their messages point to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from piotutor.capture import h5heaps, h5index
from piotutor.capture.h5image import Block, DamagedError, Image, Kind, Superblock

_CONTINUATION, _ATTRIBUTE, _SHARED = 0x10, 0x0C, 2
_CHUNKED = 2


class Message(NamedTuple):
    """One message of a header: where it begins, where its content does, and how long it is."""

    kind: int
    flags: int
    at: int
    content: int
    size: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.content + self.size


class _Part(NamedTuple):
    """A piece of a header: all of it, and where its messages begin and end."""

    at: int
    size: int
    first: int
    last: int


def walk(image: Image, top: Superblock, at: int) -> Iterator[Block]:
    """Read an object's header, and all metadata that it points to.

    What isn't as the format says is left out.

    Parameters
    ----------
    image : Image
    top : Superblock
    at : int
        Where the header begins.
    """
    try:
        messages = []
        for part, found in _parts(image, at):
            yield from _pieces(image, part, found)
            messages += found
    except DamagedError:
        return
    for message in messages:
        follow = _FOLLOW.get(message.kind)
        if follow and not message.flags & _SHARED:
            try:
                yield from follow(image, top, message)
            except DamagedError:
                continue


def _parts(image: Image, at: int) -> Iterator[tuple[_Part, list[Message]]]:
    """Yield the parts of a header with their messages; the first leads to all others."""
    new = image.read(at, 4) == b"OHDR"
    head = 4 + 2 * bool(image.uint(at + 5, 1) & 4) if new else 8
    waiting = [_first_new(image, at) if new else _first_old(image, at)]
    for part in waiting:
        found = list(_messages(image, part, head, new))
        yield part, found
        for message in found:
            if message.kind == _CONTINUATION:
                waiting.append(_continued(image, message.content, new))


def _first_new(image: Image, at: int) -> _Part:
    flags = image.uint(at + 5, 1)
    place = at + 6 + 16 * bool(flags & 32) + 4 * bool(flags & 16)
    wide = 1 << (flags & 3)
    first, size = place + wide, image.uint(place, wide)
    return _Part(at, first + size + 4 - at, first, first + size)


def _first_old(image: Image, at: int) -> _Part:
    if image.uint(at, 1) != 1:
        raise DamagedError(f"no object header at {at}")
    size = image.uint(at + 8, 4)
    return _Part(at, 16 + size, at + 16, at + 16 + size)


def _continued(image: Image, at: int, new: bool) -> _Part:
    place, size = image.address(at), image.length(at + image.O)
    if place is None:
        raise DamagedError(f"a header goes on nowhere, at {at}")
    if not new:
        image.expect(place)
        return _Part(place, size, place, place + size)
    image.expect(place, b"OCHK")
    return _Part(place, size, place + 4, place + size - 4)


def _messages(image: Image, part: _Part, head: int, new: bool) -> Iterator[Message]:
    place = part.first
    while place + head <= part.last:
        wide = 1 if new else 2
        kind, size = image.uint(place, wide), image.uint(place + wide, 2)
        flags = image.uint(place + wide + 2, 1)
        yield Message(kind, flags, place, place + head, size)
        place += head + size


def _pieces(image: Image, part: _Part, messages: list[Message]) -> Iterator[Block]:
    """Cut a part of a header: its attributes, and what is left."""
    place = part.at
    for message in messages:
        if message.kind == _ATTRIBUTE and message.end <= part.last:
            if message.at > place:
                yield Block(place, message.at - place, Kind.HEADER, "header")
            name = _attribute_name(image, message)
            yield Block(message.at, message.end - message.at, Kind.ATTRIBUTE, name)
            place = message.end
    if part.at + part.size > place:
        yield Block(place, part.at + part.size - place, Kind.HEADER, "header")


def _attribute_name(image: Image, message: Message) -> str:
    """Return the name that an attribute's message begins with; a shared one lies elsewhere."""
    if message.flags & _SHARED:
        return "shared"
    at = message.content
    first = at + 8 + (image.uint(at, 1) >= 3)
    return image.read(first, image.uint(at + 2, 2)).rstrip(b"\0").decode(errors="replace")


# ------------------------------------------------------------------ what messages point to


def _group(image: Image, top: Superblock, message: Message) -> Iterator[Block]:
    tree, heap = image.address(message.content), image.address(message.content + image.O)
    if tree is not None:
        yield from h5index.group_tree(image, tree, top.group_leaf, top.group_node)
    if heap is not None:
        yield from h5heaps.local_heap(image, heap)


def _dense(image: Image, place: int, ordered: bool) -> Iterator[Block]:
    """Many links, or attributes: a heap, and an index by name, and one by order."""
    heap = image.address(place)
    if heap is not None:
        yield from h5heaps.fractal_heap(image, heap)
    for number in range(1, 2 + ordered):
        tree = image.address(place + number * image.O)
        if tree is not None:
            yield from h5index.tree(image, tree)


def _links(image: Image, top: Superblock, message: Message) -> Iterator[Block]:
    flags = image.uint(message.content + 1, 1)
    place = message.content + 2 + 8 * (flags & 1)
    yield from _dense(image, place, ordered=bool(flags & 2))


def _attributes(image: Image, top: Superblock, message: Message) -> Iterator[Block]:
    flags = image.uint(message.content + 1, 1)
    place = message.content + 2 + 2 * (flags & 1)
    yield from _dense(image, place, ordered=bool(flags & 2))


def _external(image: Image, top: Superblock, message: Message) -> Iterator[Block]:
    heap = image.address(message.content + 8)
    if heap is not None:
        yield from h5heaps.local_heap(image, heap)


def _layout(image: Image, top: Superblock, message: Message) -> Iterator[Block]:
    """Index of the chunks of a dataset."""
    at, version = message.content, image.uint(message.content, 1)
    if version < 3:
        kind, dimensions, tree = image.uint(at + 2, 1), image.uint(at + 1, 1), at + 8
    else:
        kind, dimensions, tree = image.uint(at + 1, 1), image.uint(at + 2, 1), at + 3
    if kind != _CHUNKED:
        return
    if version >= 4:
        yield from _new_index(image, at)
        return
    root = image.address(tree)
    if root is not None:
        yield from h5index.chunk_tree(image, root, dimensions, top.chunk_node)


def _new_index(image: Image, at: int) -> Iterator[Block]:
    """Index of a version 4 layout; single and implicit chunks need none."""
    kind = at + 5 + image.uint(at + 3, 1) * image.uint(at + 4, 1)
    index = _INDEXES.get(image.uint(kind, 1))
    if index is not None:
        parameters, read = index
        root = image.address(kind + 1 + parameters)
        if root is not None:
            yield from read(image, root)


_INDEXES: dict[int, tuple[int, Callable[[Image, int], Iterator[Block]]]] = {
    3: (1, h5index.fixed_array),
    4: (5, h5index.extensible_array),
    5: (6, h5index.tree),
}


def _file_space(image: Image, top: Superblock, message: Message) -> Iterator[Block]:
    """Read the lists of free space, where the file keeps them."""
    if image.uint(message.content, 1) != 1 or not image.uint(message.content + 2, 1):
        return
    first = message.content + 5 + 2 * image.L + image.O
    for place in range(first, message.end - image.O + 1, image.O):
        free = image.address(place)
        if free is not None:
            yield from h5heaps.free_space(image, free, in_file=True)


_Follow = Callable[[Image, Superblock, Message], Iterator[Block]]
_FOLLOW: dict[int, _Follow] = {
    0x02: _links,
    0x07: _external,
    0x08: _layout,
    0x11: _group,
    0x15: _attributes,
    0x17: _file_space,
}
