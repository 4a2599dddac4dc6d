"""What a path lies on: its mount, its block device, and that device's counters.

Sources: proc_pid_mountinfo(5); the kernel's Documentation/block/stat.rst (sectors there are
always 512 bytes).
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from piotutor import programs

SECTOR = 512
"""Bytes in a sector of ``/sys/block/*/stat``, whatever the device says its sectors are."""

_MEMORY = {"tmpfs", "ramfs", "devtmpfs"}
_NETWORK = {
    *("nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb3", "9p", "afs", "pvfs2"),
    *("orangefs", "glusterfs", "panfs", "wekafs", "virtiofs"),
}


class UnavailableError(Exception):
    """Something that can't be observed here; the text says why, in a few words."""


class Mount(NamedTuple):
    """Where a path is mounted: the mount point, the file system's kind and what it is made of."""

    point: str
    kind: str
    source: str

    @property
    def in_memory(self) -> bool:
        """Whether the files are nothing but memory, so that there is no device below."""
        return self.kind in _MEMORY

    @property
    def over_network(self) -> bool:
        """Whether the bytes leave this machine, so that no device of ours receives them."""
        return self.kind in _NETWORK


class Counters(NamedTuple):
    """Bytes that a device has written and read since it came up."""

    written: int
    read: int


@dataclass(frozen=True)
class Device:
    """A block device, known by its counters.

    Attributes
    ----------
    name
        The kernel's name of it, such as ``vda`` or ``nvme0n1p2``.
    stat
        Its file of counters.
    """

    name: str
    stat: Path

    def counters(self) -> Counters:
        """Read the counters, in bytes (about 30 microseconds)."""
        fields = self.stat.read_bytes().split()
        return Counters(written=int(fields[6]) * SECTOR, read=int(fields[2]) * SECTOR)


def nearest(path: str | os.PathLike[str]) -> Path:
    """Return the path, or the nearest directory above it that exists, links followed."""
    found = Path(path).expanduser().resolve()
    while not found.exists() and found != found.parent:
        found = found.parent
    return found


def parse_mountinfo(text: str) -> list[Mount]:
    """Read ``/proc/self/mountinfo``: every mount, in the order in which they were made."""
    mounts = []
    for line in text.splitlines():
        head, found, tail = line.partition(" - ")
        if found:
            kind, source = tail.split(" ")[:2]
            mounts.append(Mount(_unescape(head.split(" ")[4]), kind, _unescape(source)))
    return mounts


def parse_mount(text: str) -> list[Mount]:
    """Read what macOS's ``mount`` prints: ``/dev/disk1 on / (apfs, local)``."""
    lines = re.findall(r"^(.*?) on (.*) \((\w+)[,)]", text, flags=re.MULTILINE)
    return [Mount(point, kind, source) for source, point, kind in lines]


def mount_of(path: str | os.PathLike[str]) -> Mount:
    """Say where a path is mounted; ``unknown`` where this system doesn't tell.

    The path need not exist: the nearest directory above it is looked at.
    """
    place = nearest(path)
    above = [m for m in _mounts() if place.is_relative_to(m.point)]
    if not above:
        return Mount("/", "unknown", "")
    deepest = max(len(mount.point) for mount in above)
    return [mount for mount in above if len(mount.point) == deepest][-1]


def find_device(path: str | os.PathLike[str]) -> Device:
    """Find the block device under a path.

    Raises
    ------
    UnavailableError
        There is none (memory, network), or this system or container hides it.
    """
    if not sys.platform.startswith("linux"):
        raise UnavailableError(
            f"device counters are read from Linux's /sys, this is {sys.platform}"
        )
    mount = mount_of(path)
    if mount.in_memory:
        raise UnavailableError(f"{mount.kind} is memory: there is no device below it")
    if mount.over_network:
        raise UnavailableError(f"{mount.kind} is not on this machine: its devices are elsewhere")
    number = _device_number(nearest(path), mount)
    home = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not (home / "stat").is_file():
        raise UnavailableError(f"no counters for the {mount.kind} at {mount.point} (a container?)")
    return Device(home.resolve().name, home / "stat")


def _device_number(path: Path, mount: Mount) -> int:
    """Take the file's device, or the mount's source where that is not a block device (btrfs)."""
    number = path.stat().st_dev
    if os.major(number):
        return number
    try:
        source = Path(mount.source).stat()
    except OSError:
        raise UnavailableError(f"{mount.kind} doesn't say which device it lies on") from None
    if not stat.S_ISBLK(source.st_mode):
        raise UnavailableError(f"{mount.kind} doesn't lie on a block device that can be seen")
    return source.st_rdev


def _mounts() -> list[Mount]:
    try:
        return parse_mountinfo(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))
    except OSError:
        pass
    try:
        listing = programs.ask(["mount"], 5)
    except (OSError, subprocess.SubprocessError):
        return []
    return [] if listing.returncode else parse_mount(listing.stdout)


def _unescape(text: str) -> str:
    """Undo mountinfo's octal escapes: a space in a path is written as a backslash and 040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
