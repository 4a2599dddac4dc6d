"""The processes of one run: found by a mark in their environment, ended by their numbers.

Every process that a guard starts inherits ``PIOTUTOR_RUN=<run directory>``. MPI's process
managers give each rank a session of its own, so neither a process group nor a tree of parents
holds them all; what a process was started with, it keeps.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

MARK = "PIOTUTOR_RUN"
"""The variable whose value is the run directory."""
GRACE = 2.0
"""Seconds between the request to end (TERM) and the order (KILL)."""
PATIENCE = 5.0
"""Seconds to wait for killed processes to be gone (the kernel may still be in their I/O)."""
PAUSE = 0.02

_PROC = Path("/proc")


def marked(run_dir: str | Path) -> list[int]:
    """Return the numbers of this user's living processes that belong to a run."""
    mark = f"{MARK}={run_dir}"
    if not (_PROC / "self/environ").exists():
        return _marked_by_ps(mark)
    here = os.getpid()
    numbers = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return sorted(pid for pid in numbers if pid != here and _has(pid, mark))


def end(run_dir: str | Path, grace: float = GRACE) -> list[int]:
    """End every process of a run: TERM, then KILL.

    Parameters
    ----------
    run_dir : path
        The run directory, as in the mark.
    grace : float
        Seconds to wait after TERM, before KILL.

    Returns
    -------
    list of int
        Processes that are still there (none, unless the kernel holds them in an I/O).
    """
    left = marked(run_dir)
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, PATIENCE)):
        told: set[int] = set()
        deadline = time.monotonic() + seconds
        while left and time.monotonic() < deadline:
            for pid in set(left) - told:
                _send(pid, f"{MARK}={run_dir}", number)
            told.update(left)
            time.sleep(PAUSE)
            left = marked(run_dir)
    return left


def _has(pid: int, mark: str) -> bool:
    try:
        return os.fsencode(mark) in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # someone else's, or gone
        return False


def _send(pid: int, mark: str, number: signal.Signals) -> None:
    """Signal a process, but not another one that has got its number meanwhile."""
    try:
        if not hasattr(os, "pidfd_open"):
            os.kill(pid, number)
            return
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if _has(pid, mark):
            signal.pidfd_send_signal(handle, number)
    except OSError:
        pass
    finally:
        os.close(handle)


def _marked_by_ps(mark: str) -> list[int]:
    """Look where there is no /proc (macOS): its ``ps -E`` prints the environments of our own."""
    listing = subprocess.run(
        ["ps", "-axww", "-E", "-o", "pid=", "-o", "command="],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = (line.split() for line in listing.stdout.splitlines())
    return [int(words[0]) for words in lines if mark in words and int(words[0]) != os.getpid()]
