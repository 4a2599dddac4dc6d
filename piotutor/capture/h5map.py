"""The address map of an HDF5 file: what each of its bytes is, in the file as it lies on disk.

Datasets and where their data lie are asked from HDF5, through h5py. Metadata are followed from
pointer to pointer, as the HDF5 File Format Specification lays them out (`h5headers`, `h5index`,
`h5heaps`); HDF5's own accounting, where it has one, is what the tests hold them to. What neither
explains is called unaccounted: free, padding, or unknown to this reader.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from piotutor.capture import h5headers, h5heaps
from piotutor.capture.h5image import SIGNATURE, Block, DamagedError, Image, Kind, superblock
from piotutor.errors import UsageError
from piotutor.units import format_size

__all__ = ["AddressMap", "Kind", "Range", "h5map"]

_BUSY = ("already open", "unable to lock", "consistency flags")


@dataclass(frozen=True)
class Range:
    """Some bytes of the file that are one thing.

    Attributes
    ----------
    offset, length : int
        In bytes, from the beginning of the file.
    kind : Kind
    owner : str
        Path of the object it belongs to; empty for the file's own.
    what : str
        The structure's signature, the attribute's name, or ``contiguous`` and ``chunk`` of data.
    chunk : tuple of int, optional
        Coordinates of the chunk's first element.
    """

    offset: int
    length: int
    kind: Kind
    owner: str = ""
    what: str = ""
    chunk: tuple[int, ...] | None = None

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.offset + self.length


@dataclass(frozen=True)
class AddressMap:
    """Every byte of an HDF5 file, told apart.

    Attributes
    ----------
    name : str
        The file's name, without its directory.
    size : int
        Its bytes.
    hdf5 : str
        Version of the HDF5 that read it.
    ranges : tuple of Range
        In the order of the file; they touch, don't overlap and cover all of it.
    """

    name: str
    size: int
    hdf5: str
    ranges: tuple[Range, ...]

    def of(self, kind: Kind, owner: str | None = None) -> list[Range]:
        """Ranges of one kind, of all objects or one."""
        named = None if owner is None else f"/{owner.strip('/')}"
        return [r for r in self.ranges if r.kind == kind and named in (None, r.owner)]

    def bytes(self, kind: Kind) -> int:
        """Bytes of one kind."""
        return sum(r.length for r in self.of(kind))

    @cached_property
    def _begins(self) -> dict[str, int]:
        """Where the data of each dataset begin."""
        return {r.owner: r.offset for r in reversed(self.of(Kind.DATA))}

    @property
    def datasets(self) -> list[str]:
        """Datasets that have data in the file, in the order in which it begins."""
        return sorted(self._begins, key=self._begins.__getitem__)

    def address(self, dataset: str) -> int:
        """Return where the data of a dataset begin, in bytes from the file's first.

        Raises
        ------
        UsageError
            There is no such dataset, or it has no data in the file.
        """
        found = self._begins.get(f"/{dataset.strip('/')}")
        if found is None:
            has = ", ".join(self.datasets) or "none"
            raise UsageError(f"{self.name} has no data of {dataset!r}: it has data of {has}")
        return found

    @property
    def islands(self) -> int:
        """How many pieces the metadata lie in, with data or unaccounted bytes between them."""
        apart = (Kind.DATA, Kind.UNACCOUNTED, Kind.FREE, Kind.USERBLOCK)
        metadata = [False, *(r.kind not in apart for r in self.ranges)]
        return sum(now and not before for before, now in pairwise(metadata))

    def to_dict(self) -> dict[str, Any]:
        """Return the map, ready for JSON."""
        ranges = [[r.offset, r.length, r.kind.name, r.owner, r.what, r.chunk] for r in self.ranges]
        return {"name": self.name, "size": self.size, "hdf5": self.hdf5, "ranges": ranges}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AddressMap:
        """Build one from `to_dict`'s result."""
        ranges = (
            Range(offset, length, Kind[kind], owner, what, None if chunk is None else tuple(chunk))
            for offset, length, kind, owner, what, chunk in values["ranges"]
        )
        return cls(values["name"], values["size"], values["hdf5"], tuple(ranges))

    def __repr__(self) -> str:
        rows = [f"<AddressMap of {self.name}: {self.size:,} bytes, read with HDF5 {self.hdf5}>"]
        for kind in Kind:
            found = self.of(kind)
            if found:
                size = format_size(self.bytes(kind))
                rows.append(f"  {kind.value:<13} {size:>12} in {len(found):,} ranges")
        return "\n".join(rows)


def h5map(path: str | os.PathLike[str]) -> AddressMap:
    """Tell apart every byte of an HDF5 file.

    Parameters
    ----------
    path : path
        A file that nobody has open for writing. External files and those of links aren't followed.

    Raises
    ------
    UsageError
        It can't be read, is no HDF5 file, is truncated, or is open for writing elsewhere; or there
        is no h5py.
    """
    name = os.fspath(path)
    if Path(name).is_dir():
        raise UsageError(f"{name} is a directory: name an HDF5 file")
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"{name} can't be read: {error.strerror}") from None
    try:
        size = os.fstat(descriptor).st_size
        base = _base(descriptor, size)
        if base is None:
            raise UsageError(f"{name} is no HDF5 file: it has no superblock")
        objects, version = _ask(name, size)
        ranges = _cover(_ranges(Image(descriptor, size, base), objects), size)
    finally:
        os.close(descriptor)
    return AddressMap(Path(name).name, size, version, tuple(ranges))


def _base(descriptor: int, size: int) -> int | None:
    """Return where the superblock stands: at 0, 512, 1024, 2048 ..."""
    at = 0
    while at < size:
        if os.pread(descriptor, len(SIGNATURE), at) == SIGNATURE:
            return at
        at = max(512, 2 * at)
    return None


class _Object(NamedTuple):
    """What HDF5 says of an object: its header's address, and its data."""

    name: str
    header: int
    data: list[Range]


def _ask(name: str, size: int) -> tuple[list[_Object], str]:
    """Return all objects that can be reached in a file, and the version of HDF5."""
    try:
        import h5py
    except ImportError:
        raise UsageError("maps of HDF5 files need h5py: pip install 'piotutor[hdf5]'") from None
    try:
        with h5py.File(name, "r") as file:
            if file.id.get_intent() != h5py.h5f.ACC_RDONLY:
                raise OSError(_BUSY[0])  # this process writes it: HDF5 shares what is open
            lost = _left_out(h5py) if file.userblock_size else 0
            names = ["/"]
            file.visit(lambda found: names.append(f"/{found}"))
            missing = lost * file.userblock_size
            objects = [_object(h5py, file[found], found, missing) for found in names]
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise UsageError(f"{name} {_why(str(error), size)}") from None
    return objects, str(h5py.version.hdf5_version)


def _why(error: str, size: int) -> str:
    if "truncated" in error:
        return f"is truncated: it has {size:,} bytes, and its superblock says more"
    if any(words in error for words in _BUSY):
        return "is open for writing elsewhere: close it there first"
    return f"can't be read by HDF5: {error.splitlines()[0]}"


def _object(h5py: Any, found: Any, name: str, missing: int) -> _Object:
    data = _data(found.id, name, missing) if isinstance(found, h5py.Dataset) else []
    return _Object(name, h5py.h5o.get_info(found.id).addr, data)


def _data(dataset: Any, name: str, missing: int) -> list[Range]:
    """Return where a dataset's data lie; nowhere if in its header, in other files, or not yet."""
    offset = dataset.get_offset()
    if offset is not None:
        return [Range(offset, dataset.get_storage_size(), Kind.DATA, name, "contiguous")]
    if dataset.get_create_plist().get_layout() != _CHUNKED:
        return []
    return [
        Range(chunk.byte_offset + missing, chunk.size, Kind.DATA, name, "chunk", chunk.chunk_offset)
        for chunk in _chunks(dataset)
    ]


_CHUNKED = 2  # H5D_CHUNKED


def _chunks(dataset: Any) -> list[Any]:
    """Return all chunks that have an address.

    HDF5 1.10 tells them only one by one, and each time counts from the first.
    """
    found: list[Any] = []
    if hasattr(dataset, "chunk_iter"):
        dataset.chunk_iter(found.append)
    else:
        found += map(dataset.get_chunk_info, range(dataset.get_num_chunks()))
    return [chunk for chunk in found if chunk.byte_offset is not None]


def _left_out(h5py: Any) -> bool:
    """Say whether this HDF5 leaves the user block out of chunks' addresses: 1.10 does."""
    with h5py.File("probe", "w", driver="core", backing_store=False, userblock_size=512) as probe:
        chunked = probe.create_dataset("y", (1,), chunks=(1,), dtype="u8")
        chunked[:] = _MARK
        probe.flush()
        told = chunked.id.get_chunk_info(0).byte_offset
        image = probe.id.get_file_image()
    return bool(image.index(_MARK.to_bytes(8, "little")) - image.index(SIGNATURE) == told)


_MARK = 0x0123456789ABCDEF


def _ranges(image: Image, objects: Iterable[_Object]) -> Iterator[Range]:
    """Yield everything that is known, in any order; gaps are looked through for global heaps."""
    try:
        top = superblock(image)
    except DamagedError:
        return
    found = [Range(0, image.base, Kind.USERBLOCK)] if image.base else []
    found += [_placed(image, block, "") for block in top.blocks]
    headers = [("", top.extension), *((o.name, o.header) for o in objects)]
    for owner, at in headers:
        if at is not None:
            found += [_placed(image, b, owner) for b in h5headers.walk(image, top, at)]
    for one in objects:
        found += one.data
    size = len(image) + image.base
    yield from found
    for gap in _cover(found, size):
        if gap.kind == Kind.UNACCOUNTED:
            low, high = gap.offset - image.base, gap.end - image.base
            yield from (_placed(image, b, "") for b in h5heaps.global_heaps(image, low, high))


def _placed(image: Image, block: Block, owner: str) -> Range:
    return Range(block.at + image.base, block.size, block.kind, owner, block.what)


def _cover(known: Iterable[Range], size: int) -> list[Range]:
    """Put ranges in order, cut what would overlap (in a damaged file), and name the gaps."""
    covered: list[Range] = []
    place = 0
    for one in sorted(known, key=lambda r: (r.offset, -r.length)):
        low, high = max(one.offset, place), min(one.end, size)
        if low >= high:
            continue
        if low > place:
            covered.append(Range(place, low - place, Kind.UNACCOUNTED))
        covered.append(Range(low, high - low, one.kind, one.owner, one.what, one.chunk))
        place = high
    if place < size:
        covered.append(Range(place, size - place, Kind.UNACCOUNTED))
    return covered
