"""Which file system a path is on, and how it lays files out there, as far as it says so."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piotutor.capture import fiemap
from piotutor.capture.device import Mount, mount_of, nearest
from piotutor.storage.striping import LayoutError, Striping

SYSTEMS = {
    "lustre": "lustre",
    "beegfs": "beegfs",
    "gpfs": "gpfs",
    "ceph": "cephfs",
    "fuse.ceph": "cephfs",
    "fuse.ceph-fuse": "cephfs",
    "fuse.daos": "daos",
    "fuse.dfuse": "daos",
}
"""A mount's kind to the module here whose ``striping(path)`` asks that file system."""

_NETWORK_FILES = ("nfs", "nfs4", "cifs", "smb3")
_ONE_DISK = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs")


@dataclass(frozen=True)
class Finding:
    """What was found out about a path.

    Attributes
    ----------
    mount
        Its file system, and where that is mounted.
    striping
        How files are laid out there; None where they aren't striped, or that isn't told.
    detail
        The same in words, or what there is instead.
    problem
        Why nothing was told though the file system stripes; empty if all went well.
    """

    mount: Mount
    striping: Striping | None
    detail: str
    problem: str = ""

    def to_dict(self) -> dict[str, Any] | None:
        """Return the striping for a JSON file; None where there is none."""
        return self.striping.to_dict() if self.striping else None


def probe(path: str | Path) -> Finding:
    """Find out which file system a path is on, and how it lays files out.

    Parameters
    ----------
    path : path
        A file, or a directory, for how its new files will lie; the nearest directory above is
        asked if it isn't there yet.

    Returns
    -------
    Finding
        Also where a tool fails: its ``problem`` says how, in one line.
    """
    place = nearest(path)
    mount = mount_of(place)
    if mount.kind not in SYSTEMS:
        return Finding(mount, None, _unstriped(place, mount))
    try:
        if not str(place).isprintable():
            raise LayoutError(f"{str(place)!r}: a name that tools can't print can't be asked for")
        system = importlib.import_module(f"piotutor.storage.{SYSTEMS[mount.kind]}")
        found: Striping = system.striping(place)
    except LayoutError as error:
        return Finding(mount, None, f"{mount.kind} stripes files; not told how", str(error))
    return Finding(mount, found, str(found))


def _unstriped(place: Path, mount: Mount) -> str:
    """Say in words what a file system without a layout of its own is."""
    if mount.in_memory:
        return f"{mount.kind}: memory, not striped"
    if mount.kind in _NETWORK_FILES:
        return f"{mount.kind} from {mount.source}: one server; how it stripes isn't told"
    if mount.kind == "overlay":
        return "overlay: layers of other file systems, which aren't told"
    if mount.kind in _ONE_DISK:
        return f"{mount.kind}: not striped{_pieces(place)}"
    return f"{mount.kind}: how it lays files out isn't known here"


def _pieces(place: Path) -> str:
    """Say in how many pieces a file lies on its disk."""
    if not place.is_file():
        return ""
    try:
        count = len(fiemap.extents(place))
    except OSError:
        return ""
    return f", {count} {'extent' if count == 1 else 'extents'} on its device"
