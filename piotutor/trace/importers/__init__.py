"""Traces from other programs' files: one table, and finding out whose a file is.

A new importer is one file here with two functions and one line in `IMPORTERS`::

    def sniff(path: Path) -> bool:    # whether it looks like one of ours; reads little
    def load(path: Path) -> Trace:    # TraceError, in one line, for what it can't be
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from types import ModuleType

from piotutor.errors import UsageError
from piotutor.trace.reader import Trace
from piotutor.trace.record import TraceError

IMPORTERS = {
    "piotutor": "piotutor.trace.importers.piot",
    "darshan": "piotutor.trace.importers.darshan",
    "dftracer": "piotutor.trace.importers.dftracer",
    "elbencho": "piotutor.trace.importers.elbencho",
    "ior": "piotutor.trace.importers.ior",
    "strace": "piotutor.trace.importers.strace",
}
"""Name of the program that wrote a file to the module that reads it."""


def load(path: str | os.PathLike[str], name: str | None = None) -> Trace:
    """Read what another program recorded.

    Parameters
    ----------
    path : path
        A file, or a directory of them.
    name : str, optional
        One of `IMPORTERS`; found out by looking if not given.

    Returns
    -------
    Trace
        ``meta["imported_from"]`` names the program.

    Raises
    ------
    UsageError
        The name is unknown, or nobody knows the file.
    TraceError
        The file isn't what it is said to be, or is damaged.
    """
    where = Path(path).expanduser()
    if not where.exists():
        raise UsageError(f"{where} doesn't exist: name a file that another program recorded")
    name = name or sniff(where)
    trace: Trace = _module(name).load(where)
    trace.meta["imported_from"] = name
    return trace


def sniff(path: Path) -> str:
    """Return the name of the program that wrote a file.

    Raises
    ------
    UsageError
        It is none of `IMPORTERS`.
    """
    try:
        found = next((name for name in IMPORTERS if _module(name).sniff(path)), None)
    except OSError as error:
        raise TraceError(f"{path}: can't be read: {error.strerror}") from None
    if found is None:
        raise UsageError(f"{path} is of no known kind: the known ones are {', '.join(IMPORTERS)}")
    return found


def _module(name: str) -> ModuleType:
    if name not in IMPORTERS:
        raise UsageError(f"importer {name!r} is unknown: choose one of {', '.join(IMPORTERS)}")
    return import_module(IMPORTERS[name])
