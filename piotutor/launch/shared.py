"""Waiting for what ranks on other nodes have written to be seen here, on a shared file system.

A network file system keeps what it knows of a directory for some seconds: files that were closed
on another node may not be in it yet, or not have their last bytes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from piotutor.trace.record import HEADER, State, TraceError
from piotutor.trace.source import parse_header

PATIENCE = 60.0
"""Seconds to wait: NFS trusts what it knows of a directory for as long, at most, by default."""
LOOK = 0.1


def settle(traces: Path, ranks: Iterable[int], patience: float = PATIENCE) -> list[int]:
    """Wait until the traces of ranks that have ended well are there, closed.

    Parameters
    ----------
    traces : Path
        The directory of traces.
    ranks : iterable of int
        Who has written one.
    patience : float
        Seconds to wait at most.

    Returns
    -------
    list of int
        Ranks whose traces aren't there yet.
    """
    late, last = list(ranks), time.monotonic() + patience
    while late := [rank for rank in late if not _closed(traces / f"rank-{rank:05d}.piot")]:
        if time.monotonic() > last:
            break
        _forget(traces)
        time.sleep(LOOK)
    return late


def _closed(path: Path) -> bool:
    """Say whether a trace's writer has closed it, and all its records are here."""
    try:
        with path.open("rb") as file:
            header = parse_header(file.read(HEADER.itemsize), path)
    except (OSError, TraceError):
        return False
    if header["state"] & State.COMPACT:
        return bool(header["state"] & State.CLOSED)  # put together here
    whole = header["header_bytes"] + header["count"] * header["record_bytes"]
    return bool(header["state"] & State.CLOSED) and path.stat().st_size >= whole


def _forget(directory: Path) -> None:
    """Have the file system look at a directory anew: we change it."""
    with suppress(OSError):
        mark = directory / ".look"
        mark.touch()
        mark.unlink()
