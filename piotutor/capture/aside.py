"""Looking at a run's files without being recorded as one who uses them."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = "/proc/self/root"


def aside(path: str | os.PathLike[str]) -> str:
    """Return another path to a file, of which no capture records anything.

    Ranks sync, evict and locate their files between the phases of a benchmark: that is our doing,
    no I/O of the application. Nothing below ``/proc`` is ever recorded (`piotutor.trace.interest`).
    """
    absolute = Path(path).absolute()
    return f"{_ROOT}{absolute}" if Path(_ROOT).exists() else str(absolute)
