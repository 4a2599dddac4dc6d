"""What killed ranks of MPI leave in shared memory, found and removed."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

NAMES = ("mpich_shm_", "mpich_shar_", "sm_segment.", "vader_segment.")
"""What the names of MPI's shared memory files begin with, in /dev/shm."""
PAUSE = 0.05
"""Seconds between two looks at who has mapped a file."""


def remove(since: float, directory: Path = Path("/dev/shm")) -> list[str]:
    """Remove what killed ranks left in shared memory.

    That is: MPI's by their names, this user's, made after ``since`` (seconds since 1970), and
    mapped by no living process, twice.
    """
    found = orphans(since, directory)
    if found:
        time.sleep(PAUSE)  # a starting rank maps it at once
        found &= orphans(since, directory)
    for path in found:
        path.unlink(missing_ok=True)
    return sorted(path.name for path in found)


def orphans(since: float, directory: Path = Path("/dev/shm")) -> set[Path]:
    """Return this user's shared memory files of MPI, made ``since``, that nobody has mapped."""
    found = set()
    with suppress(OSError):
        for path in directory.iterdir():
            if path.name.startswith(NAMES):
                state = path.stat()
                if state.st_uid == os.geteuid() and state.st_ctime >= since - 0.1:
                    found.add(path)
    mapped = _mapped(str(directory)) if found else set()
    return {path for path in found if str(path) not in mapped}


def _mapped(directory: str) -> set[str]:
    """Return every file in a directory that this user's processes have mapped."""
    names: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):
            lines = maps.read_text(errors="replace").splitlines()
            names.update(line.split(maxsplit=5)[5] for line in lines if directory in line)
    return names
