"""The bytes of an HDF5 file, and the words for what they are.

Everything here and in `h5headers`, `h5index` and `h5heaps` follows the HDF5 File Format
Specification, version 3.0 (HDF5 1.10 to 2.0), which names each structure by its signature.
"""

from __future__ import annotations

import os
from enum import Enum
from typing import NamedTuple

from piotutor.errors import PiotutorError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PIECE = 2**20  # bytes searched at a time


class Kind(Enum):
    """What a range of the file is."""

    USERBLOCK = "user block"
    SUPERBLOCK = "superblock"
    HEADER = "object header"
    ATTRIBUTE = "attribute"
    INDEX = "index"
    SYMBOLS = "symbol table"
    HEAP = "heap"
    FREE = "free space"
    DATA = "data"
    UNACCOUNTED = "unaccounted"


class Block(NamedTuple):
    """One structure: where it begins behind the user block, its bytes, kind and signature."""

    at: int
    size: int
    kind: Kind
    what: str


class DamagedError(PiotutorError):
    """A structure isn't what the format says it must be; whoever reads it leaves it out."""


class Image:
    """The file's bytes from its base address on, with the sizes of its addresses and lengths.

    Parameters
    ----------
    descriptor : int
        Of the open file.
    size : int
        Bytes of the whole file.
    base : int
        Bytes of the user block: all addresses count from there.

    Attributes
    ----------
    O, L : int
        Bytes of an address (offset), and of a length.
    """

    def __init__(self, descriptor: int, size: int, base: int = 0) -> None:
        self._descriptor, self._size, self.base = descriptor, size, base
        self._met: set[int] = set()
        self.sized(8, 8)

    def sized(self, addresses: int, lengths: int) -> None:
        """Set the bytes of an address and of a length."""
        self.O, self.L = addresses, lengths

    def __len__(self) -> int:
        return self._size - self.base

    def read(self, at: int, size: int) -> bytes:
        """Return some bytes.

        Raises
        ------
        DamagedError
            They lie outside the file.
        """
        inside = at >= 0 and size >= 0 and at + size <= len(self)
        found = os.pread(self._descriptor, size, self.base + at) if inside else b""
        if not inside or len(found) < size:
            raise DamagedError(f"{size} bytes at {at} lie outside the file")
        return found

    def find(self, signature: bytes, low: int, high: int) -> int | None:
        """Return where a signature first stands between two addresses; None for nowhere."""
        for at in range(low, high, _PIECE):
            piece = self.read(at, min(_PIECE + len(signature) - 1, high - at))
            place = piece.find(signature)
            if place >= 0:
                return at + place
        return None

    def uint(self, at: int, size: int) -> int:
        """Return an unsigned integer."""
        return int.from_bytes(self.read(at, size), "little")

    def address(self, at: int) -> int | None:
        """Return an address; None for the undefined one."""
        found = self.uint(at, self.O)
        return None if found == (1 << 8 * self.O) - 1 else found

    def length(self, at: int) -> int:
        """Return a length."""
        return self.uint(at, self.L)

    def expect(self, at: int, signature: bytes = b"") -> None:
        """Refuse a structure without its signature, and one met before: pointers make no circles.

        Raises
        ------
        DamagedError
            There is something else.
        """
        if self.read(at, len(signature)) != signature or at in self._met:
            raise DamagedError(f"no {signature.decode()} at {at}, or one met before")
        self._met.add(at)


class Superblock(NamedTuple):
    """What the first structure tells: how far it reaches, and where others begin."""

    blocks: list[Block]
    version: int
    group_leaf: int
    group_node: int
    chunk_node: int
    extension: int | None


def superblock(image: Image) -> Superblock:
    """Read the superblock, and set the image's sizes by it.

    Raises
    ------
    DamagedError
        It is none.
    """
    if image.read(0, len(SIGNATURE)) != SIGNATURE:
        raise DamagedError("no superblock where it must be")
    version = image.uint(8, 1)
    return _new(image, version) if version >= 2 else _old(image, version)


def _new(image: Image, version: int) -> Superblock:
    image.sized(image.uint(9, 1), image.uint(10, 1))
    block = Block(0, 12 + 4 * image.O + 4, Kind.SUPERBLOCK, f"version {version}")
    return Superblock([block], version, 4, 16, 32, image.address(12 + image.O))


def _old(image: Image, version: int) -> Superblock:
    image.sized(image.uint(13, 1), image.uint(14, 1))
    chunk_node, addresses = (image.uint(24, 2), 28) if version == 1 else (32, 24)
    size = addresses + 4 * image.O + 2 * image.O + 24  # addresses, and the root's table entry
    blocks = [Block(0, size, Kind.SUPERBLOCK, f"version {version}")]
    driver = image.address(addresses + 3 * image.O)
    if driver is not None:
        blocks.append(Block(driver, 16 + image.uint(driver + 4, 4), Kind.SUPERBLOCK, "driver"))
    return Superblock(blocks, version, image.uint(16, 2), image.uint(18, 2), chunk_node, None)
