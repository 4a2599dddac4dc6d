"""What a process and all those that it has waited for have read from and written to storage.

The kernel adds a process's counters to its parent's when the parent waits for it: a guard's own
counters, before and after, are exactly those of its job, however many processes that had, and
without watching any of them. Bytes count as written when they are put into the page cache.

Source: proc_pid_io(5).
"""

from __future__ import annotations

from pathlib import Path

_OWN = Path("/proc/self/io")
_NAMES = ("read_bytes", "write_bytes")


def counters() -> dict[str, int]:
    """Return ``read_bytes`` and ``write_bytes`` of this process; empty where there are none."""
    try:
        lines = (line.split(": ") for line in _OWN.read_text().splitlines())
        return {name: int(value) for name, value in lines if name in _NAMES}
    except (OSError, ValueError):
        return {}


def moved(before: dict[str, int]) -> dict[str, int]:
    """Return the bytes that were read and written since."""
    now = counters()
    return {name: now[name] - before[name] for name in before if name in now}
