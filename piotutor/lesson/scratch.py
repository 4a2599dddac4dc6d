"""A directory for files that outlive one run, and never the kernel that made them."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import weakref
from pathlib import Path

from piotutor import rundir

_SETTLED = 60.0
"""Seconds after which a directory that nobody holds is taken to be abandoned."""


class Scratch:
    """A new directory in the user's scratch; a lock says that its kernel lives.

    What earlier kernels left behind when they were killed is removed.

    Attributes
    ----------
    path
        The directory.
    """

    def __init__(self) -> None:
        home = Path(os.environ.get("PIOTUTOR_SCRATCH") or rundir.state_dir() / "scratch")
        home.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        self.path = Path(tempfile.mkdtemp(prefix="lesson-", dir=home))
        self._finish = weakref.finalize(self, _remove, self.path, rundir.lock(self.path))

    def remove(self) -> None:
        """Remove it, with all that is in it."""
        self._finish()


def _sweep(home: Path) -> None:
    for path in home.glob("lesson-*"):
        try:
            settled = time.time() - path.stat().st_mtime > _SETTLED
        except FileNotFoundError:
            continue
        lock = rundir.lock(path) if settled else None
        if lock is not None:
            _remove(path, lock)


def _remove(path: Path, lock: int | None) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if lock is not None:
        os.close(lock)
