"""How much memory this machine, or this container, can still give."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_GROUPS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))


def memory_free(root: Path = Path("/")) -> int:
    """Return the bytes of memory that can still be had: of the machine, and of its container."""
    found = [_of_machine(root)]
    for limit, used in _GROUPS:
        for place in (root / "sys/fs/cgroup", root / "sys/fs/cgroup/memory"):
            with suppress(OSError, ValueError):  # "max": no limit
                allowed = int((place / limit).read_text())
                found.append(allowed - int((place / used).read_text()) + _given_back(place))
    return max(0, min(found))


def _given_back(group: Path) -> int:
    """Return the bytes of a container's page cache, which give way to programs."""
    lines = (group / "memory.stat").read_text().splitlines()
    told = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return int(told.get("inactive_file", 0))


def _of_machine(root: Path) -> int:
    with suppress(OSError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
