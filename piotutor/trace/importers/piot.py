"""piotutor's own traces, as a run on another machine left them, or ``piotutor export``."""

from __future__ import annotations

from pathlib import Path

from piotutor import ior
from piotutor.trace.reader import Trace
from piotutor.trace.record import MAGIC
from piotutor.workload import Workload


def sniff(path: Path) -> bool:
    """Say whether this is a trace of ours, or a directory of them."""
    if path.is_dir():
        return any(path.glob("*.piot"))
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def load(path: Path) -> Trace:
    """Read it.

    Raises
    ------
    TraceError
        It is none, or damaged.
    """
    trace = Trace.load(path)
    told = trace.meta.get("workload")
    source = {"tool": "piotutor", "clock": "as it was recorded"}
    if isinstance(told, dict):
        source["command"] = ior.command(Workload.from_dict(told))
    trace.meta.setdefault("source", source)
    return trace
