"""How much memory and disk a Ceph may take on this machine."""

from __future__ import annotations

import os
import tempfile

from piotutor.errors import UsageError
from piotutor.memory import memory_free
from piotutor.units import format_size

MIB = 1 << 20
OSD = {"memstore": 30 * MIB, "bluestore": 60 * MIB}
"""Bytes of memory that an OSD takes without data."""
OTHERS = 100 * MIB
"""The same of monitor and metadata server together."""
DISK = 30 * MIB
"""Bytes on the disk that each OSD's empty bluestore takes."""


def free(osds: int, store: str) -> int:
    """Return the bytes that files may take on so many OSDs of a store, as things are now."""
    memory = memory_free() - base(osds, store)
    if store == "bluestore":
        space = os.statvfs(tempfile.gettempdir())
        return space.f_bavail * space.f_frsize - osds * DISK if memory > 0 else 0
    return max(0, memory)


def base(osds: int, store: str) -> int:
    """Return the bytes of memory that it takes without data."""
    return osds * OSD[store] + OTHERS


def check(osds: int, store: str) -> None:
    """Refuse a Ceph that this machine has no memory for.

    Raises
    ------
    UsageError
        There is too little; the line says how much it takes, and what to do.
    """
    if memory_free() < base(osds, store):
        raise UsageError(
            f"a Ceph of {osds - 1} OSDs takes {format_size(base(osds, store))} of memory, "
            f"{memory_free() // MIB} MiB are free: use fewer osds, or end other programs"
        )
