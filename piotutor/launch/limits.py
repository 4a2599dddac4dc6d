"""How much a run may take: ranks, data, free space, and room for its trace.

These are limits of running, not of the workload: a model of 10,000 clients is a good workload.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from piotutor import units
from piotutor.errors import UsageError
from piotutor.workload import Workload

DATA = 256 * 1024**2
"""Bytes of data that one repetition may write or read, inclusive."""
RANKS = 16
"""Ranks that may run at once."""
TRACE = 512 * 1024**2
"""Bytes that all ranks' traces of a run may take together."""
RESERVE = 16 * 1024**2
"""Bytes that are left free on every file system."""


def max_ranks(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many ranks may run at once: ``PIOTUTOR_MAX_RANKS``, or 16.

    Raises
    ------
    UsageError
        The variable isn't a positive number.
    """
    return positive(environment, "PIOTUTOR_MAX_RANKS", RANKS)


def positive(environment: Mapping[str, str], name: str, default: int) -> int:
    """Return a positive whole number from the environment."""
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"{name}={text} is not a positive whole number")
    return int(text)


def check(workload: Workload, *, limit: int, ranks: int) -> None:
    """Refuse more data or more ranks than allowed.

    Parameters
    ----------
    workload : Workload
        What is to run.
    limit : int
        Bytes of one repetition in one direction, inclusive.
    ranks : int
        The most ranks.

    Raises
    ------
    UsageError
        Too much; the line says of what, and what to do.
    """
    if workload.num_tasks > ranks:
        raise UsageError(
            f"num_tasks={workload.num_tasks}: at most {ranks} ranks run here at once "
            "(use fewer, or raise max_ranks or PIOTUTOR_MAX_RANKS)"
        )
    if workload.total_bytes > limit:
        raise UsageError(
            f"a repetition moves {units.format_size(workload.total_bytes)}, the limit is "
            f"{units.format_size(limit)} (use smaller blocks or fewer segments, or raise the limit)"
        )


def needed(workload: Workload) -> int:
    """Return the bytes that a run's files take at most at one time.

    Repetitions don't add up, with ``-k`` neither: each begins by removing the files of the one
    before.
    """
    return workload.total_bytes if workload.write and workload.api != "NULL" else 0


def check_space(directory: Path, size: int) -> None:
    """Refuse a run whose data would not fit.

    Raises
    ------
    UsageError
        There is less free space under ``directory`` than ``size`` and a reserve.
    """
    if size and size + RESERVE > free(directory):
        raise UsageError(
            f"{directory} has {units.format_size(free(directory))} free, the files need "
            f"{units.format_size(size)} and {units.format_size(RESERVE)} to spare "
            "(free some, or choose another place)"
        )


def trace_bytes(directory: Path, ranks: int) -> int:
    """Return how many bytes each rank's trace may take.

    All together they take at most `TRACE`, and half of what is free in ``directory``; records
    beyond that are counted as dropped.
    """
    return min(TRACE, free(directory) // 2) // ranks


def free(directory: Path) -> int:
    """Return the bytes that this user may still write under a directory."""
    space = os.statvfs(directory)
    return space.f_bavail * space.f_frsize
