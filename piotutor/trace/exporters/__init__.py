"""Traces for other programs: Perfetto's JSON, tables (CSV, Parquet), and one compact file of ours.

A new exporter is one file here with a function ``write(trace, stream)``, and one line in
`EXPORTERS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import IO, Any

from piotutor.trace.reader import Trace

EXPORTERS = {
    ".json": ("perfetto", "write"),
    ".json.gz": ("perfetto", "write_packed"),
    ".csv": ("table", "write_csv"),
    ".parquet": ("table", "write_parquet"),
    ".piot": ("compact", "write"),
}
"""How the name of a file ends, to the module here and the function that writes it."""


def check(kind: str) -> None:
    """Refuse early what can't be written here.

    Raises
    ------
    UsageError
        What it takes isn't installed.
    """
    need = getattr(_module(kind), "need", None)
    if need is not None:
        need(kind)


def write(trace: Trace, stream: IO[bytes], kind: str) -> None:
    """Write a trace, some thousands of records at a time.

    Parameters
    ----------
    trace : Trace
    stream : binary file
        Where to.
    kind : str
        One of `EXPORTERS`.
    """
    getattr(_module(kind), EXPORTERS[kind][1])(trace, stream)


def _module(kind: str) -> Any:
    return import_module(f"{__name__}.{EXPORTERS[kind][0]}")
