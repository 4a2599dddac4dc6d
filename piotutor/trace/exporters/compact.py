"""One compact file of ours, whatever a run's trace consisted of."""

from __future__ import annotations

from typing import IO

from piotutor.trace.reader import Trace


def write(trace: Trace, stream: IO[bytes]) -> None:
    """Write a trace so that `Trace.load` reads it again."""
    trace.write(stream)
