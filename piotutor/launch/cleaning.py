"""Nothing of a run is left but its directory, and files that were asked to be kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from piotutor import programs
from piotutor.capture import tracefs
from piotutor.launch import processes, shared_memory
from piotutor.launch.orders import Orders
from piotutor.storage.datafiles import DataFiles

CANCEL = 8.0
"""Seconds that the command may take which ends ranks elsewhere."""


def clean(orders: Orders, *, done: bool = False) -> list[int]:
    """End what is left of a run and remove its data and shared memory.

    Parameters
    ----------
    orders : Orders
        What its guard was told.
    done : bool
        Whether it went well; only then are files kept that were asked for.

    Returns
    -------
    list of int
        Processes that the kernel wouldn't let go (none, usually).
    """
    if not done:
        cancel(orders)
    left = processes.end(orders.run_dir)
    if orders.block:
        tracefs.remove(orders.block["name"])
    with suppress(OSError):
        DataFiles.from_dict(orders.data).release(done)
    with suppress(OSError):
        if orders.temporary and Path(orders.temporary).lstat().st_uid == os.geteuid():
            shutil.rmtree(orders.temporary, ignore_errors=True)
    shared_memory.remove(orders.since)
    return left


def cancel(orders: Orders) -> str:
    """End the ranks that aren't processes of this machine; return what may be left of them."""
    if not orders.cancel:
        return ""
    try:
        done = programs.ask(orders.cancel, CANCEL)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return " ".join(done.stderr.split()) if done.returncode else ""
