"""Where on its disk a file lies, and which file lies at an address of the disk.

Sources: the kernel's Documentation/filesystems/fiemap.rst; Documentation/ABI (``start`` and
``partition`` in /sys/dev/block).
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from piotutor.capture.aside import aside
from piotutor.capture.device import SECTOR, UnavailableError

MOMENT = 1_000_000_000
"""Nanoseconds for which it is remembered where a file lay that is gone."""
NOTES = "whereabouts"
"""Directory in a run's of notes on where files lay that were removed."""

_FIEMAP = 0xC020660B
_HEAD = struct.Struct("<QQIIII")
_EXTENT = struct.Struct("<QQQQQIIII")
_AT_ONCE = 512
_WHOLE = 2**64 - 1
_LAST = 0x001
_NO_ADDRESS = 0x002 | 0x004 | 0x008 | 0x080 | 0x100 | 0x200 | 0x400
"""Unknown, not yet allocated, compressed, encrypted, unaligned, inline, in a shared tail."""


class Disk(NamedTuple):
    """What the kernel's tracer calls the device below a path, and where the path's part begins.

    Attributes
    ----------
    number
        Of the whole disk, as in ``254:0``.
    start
        Bytes before the partition that the path lies on; 0 where there are no partitions.
    requests
        Whether it takes requests; stacked devices (dm, md) and memory pass on bios instead.
    """

    number: str
    start: int
    requests: bool


class Extent(NamedTuple):
    """Consecutive bytes of a file that are consecutive on its disk."""

    offset: int
    address: int
    length: int


class Piece(NamedTuple):
    """A part of a request: bytes of one file, at an offset in it and at an address of the disk."""

    file: int
    offset: int
    address: int
    length: int


def disk_of(path: str | os.PathLike[str]) -> Disk:
    """Find the disk under a path that exists.

    Raises
    ------
    UnavailableError
        There is none (memory, network, a container), or addresses in files aren't the disk's.
    """
    return _disk(Path(path).stat().st_dev)


@lru_cache(maxsize=64)
def _disk(number: int, sysfs: Path = Path("/sys/dev/block")) -> Disk:
    home = sysfs / f"{os.major(number)}:{os.minor(number)}"
    if not os.major(number) or not (home / "dev").is_file():
        raise UnavailableError("the file system doesn't say where on which disk its files lie")
    start = 0
    if (home / "partition").is_file():
        start = int((home / "start").read_text()) * SECTOR
        home = home.resolve().parent
    return Disk((home / "dev").read_text().strip(), start, (home / "mq").is_dir())


def extents(path: str | os.PathLike[str]) -> list[Extent]:
    """Ask a file system where a file lies; what has no address (yet) is left out.

    Returns
    -------
    list of Extent
        In the order of the file, addresses counted from the beginning of its partition.

    Raises
    ------
    OSError
        The file isn't there, or its file system doesn't tell.
    """
    handle = os.open(aside(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found: list[Extent] = []
    try:
        at, last = 0, False
        while not last:
            at, last = _ask(handle, at, found)
    finally:
        os.close(handle)
    return found


def _ask(handle: int, start: int, found: list[Extent]) -> tuple[int, bool]:
    """Add the next extents; return where they end, and whether there are no more."""
    buffer = bytearray(_HEAD.size + _AT_ONCE * _EXTENT.size)
    _HEAD.pack_into(buffer, 0, start, _WHOLE - start, 0, 0, _AT_ONCE, 0)
    fcntl.ioctl(handle, _FIEMAP, buffer)
    count = _HEAD.unpack_from(buffer)[3]
    flags = _LAST
    for place in range(count):
        at = _HEAD.size + place * _EXTENT.size
        offset, address, length, _, _, flags, *_ = _EXTENT.unpack_from(buffer, at)
        start = offset + length
        if not flags & _NO_ADDRESS:
            found.append(Extent(offset, address, length))
    return start, bool(flags & _LAST)


class Addresses:
    """Which bytes of which files lie where on one disk.

    Parameters
    ----------
    files : iterable of (int, iterable of Extent)
        Each file's index and extents. An address that two files share is found as one of them's.
    """

    def __init__(self, files: Iterable[tuple[int, Iterable[Extent]]]) -> None:
        self._pieces: list[Piece] = []
        held = (Piece(file, *extent) for file, found in files for extent in found)
        for piece in sorted(held, key=lambda piece: piece.address):
            self._add(piece)
        self._starts = [piece.address for piece in self._pieces]

    def _add(self, piece: Piece) -> None:
        """Add a piece behind all others: what isn't taken yet, joined to the last if it goes on."""
        file, offset, address, length = piece
        last = self._pieces[-1] if self._pieces else Piece(-1, 0, 0, 0)
        end = last.address + last.length
        taken = max(0, end - address)
        if taken >= length:
            return
        if file == last.file and (offset - last.offset, end) == (address - last.address, address):
            self._pieces[-1] = last._replace(length=last.length + length)
        else:
            self._pieces.append(Piece(file, offset + taken, address + taken, length - taken))

    def find(self, address: int, length: int) -> list[Piece]:
        """Return the parts of ``[address, address + length)`` that are files', by address."""
        found: list[Piece] = []
        for place in range(max(0, bisect_right(self._starts, address) - 1), len(self._pieces)):
            file, offset, start, size = self._pieces[place]
            low, high = max(start, address), min(start + size, address + length)
            if start >= address + length:
                break
            if low < high:
                found.append(Piece(file, offset + low - start, low, high - low))
        return found


def note(run_dir: Path, path: str) -> None:
    """Note where a file lies that is about to be removed, if block requests are traced.

    Parameters
    ----------
    run_dir : Path
        The run directory. Tracing has made `NOTES` there.
    path : str
        One of the run's files.
    """
    with suppress(OSError, UnavailableError):
        handle, part = tempfile.mkstemp(dir=run_dir / NOTES)
        with os.fdopen(handle, "w") as file:
            disk, found = disk_of(path), extents(path)
            about = {"path": path, "number": disk.number, "start": disk.start, "extents": found}
            json.dump({**about, "time": time.monotonic_ns()}, file)
        Path(part).rename(f"{part}.json")


class Place(NamedTuple):
    """Where a file lies, addresses counted from the beginning of its disk."""

    disk: str
    extents: list[Extent]


class Gone(NamedTuple):
    """Where a file lay until some time, in ns of the monotonic clock."""

    until: int
    disk: str
    addresses: Addresses


class Whereabouts:
    """Where a run's files lie, and where those lay that have gone.

    Parameters
    ----------
    files : sequence of str
        Their paths; it may grow.
    notes : Path
        Directory of what was noted of files before they went.
    """

    def __init__(self, files: Sequence[str], notes: Path) -> None:
        self._files, self._notes = files, notes
        self._read: set[Path] = set()
        self._places: dict[int, Place] = {}
        self._disks: dict[str, Addresses] = {}
        self._gone: list[Gone] = []

    def refresh(self) -> None:
        """Look at every file again, and at what was noted."""
        before, self._places = self._places, self._look()
        self._disks = {
            disk: Addresses(
                (file, at.extents) for file, at in self._places.items() if at.disk == disk
            )
            for disk in {place.disk for place in self._places.values()}
        }
        now = time.monotonic_ns()
        gone = [past for past in self._gone if past.until > now - MOMENT]
        gone += [
            _past(file, place, now) for file, place in before.items() if self._left(file, place)
        ]
        for path in set(self._notes.glob("*.json")) - self._read:
            self._read.add(path)
            gone.append(self._noted(json.loads(path.read_text())))
        self._gone = sorted(gone, key=lambda past: past.until)

    def find(self, disk: str, address: int, length: int, when: int) -> list[Piece]:
        """Return the parts of a request that belonged to the files when it was done."""
        known = [past.addresses for past in self._gone if past.disk == disk and past.until >= when]
        if disk in self._disks:
            known.append(self._disks[disk])
        return next(filter(None, (addresses.find(address, length) for addresses in known)), [])

    def _look(self) -> dict[int, Place]:
        places = {}
        for index, path in enumerate(self._files):
            with suppress(OSError, UnavailableError):
                disk = disk_of(path)
                places[index] = Place(disk.number, _moved(extents(path), disk.start))
        return places

    def _left(self, file: int, place: Place) -> bool:
        """Say whether a file isn't any more where it was: removed, replaced or cut."""
        if not place.extents:
            return False
        known = self._disks.get(place.disk)
        found = known.find(place.extents[0].address, 1) if known else []
        return not any(piece.file == file for piece in found)

    def _noted(self, about: dict[str, Any]) -> Gone:
        held = _moved((Extent(*extent) for extent in about["extents"]), about["start"])
        file = self._files.index(about["path"])
        return _past(file, Place(about["number"], held), about["time"])


def _past(file: int, place: Place, until: int) -> Gone:
    return Gone(until, place.disk, Addresses([(file, place.extents)]))


def _moved(found: Iterable[Extent], start: int) -> list[Extent]:
    """Count addresses from the beginning of the disk instead of the partition's."""
    return [extent._replace(address=start + extent.address) for extent in found]
