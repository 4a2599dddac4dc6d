"""What exporters share: records in pieces, and words for their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np

from piotutor.trace.calls import CALLS
from piotutor.trace.reader import Trace
from piotutor.trace.record import Flag

PIECE = 16384
"""Records that are written at a time."""


def pieces(trace: Trace) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the records in pieces, and where each piece is."""
    for start in range(0, len(trace), PIECE):
        where = slice(start, start + PIECE)
        yield where, trace.records[where]


def words(names: type[IntEnum]) -> list[str]:
    """Return a list from the number of a layer or operation to its name; empty for no such."""
    known = {int(name): name.name.lower() for name in names}
    return [known.get(number, "") for number in range(256)]


def call_names() -> list[str]:
    """Return a list from the number of an exact call to its name; empty where it isn't known."""
    return [CALLS.get(number, "") for number in range(256)]


def flag_names() -> list[str]:
    """Return a list from the low byte of the flags to their names, joined by bars."""
    names = {int(flag): str(flag.name).lower() for flag in Flag}
    return ["|".join(names[bit] for bit in names if number & bit) for number in range(256)]


def plain_name(name: str) -> str:
    """Return a file's name as text that can be encoded: bytes that are no text are spelt out."""
    return name.encode("utf-8", "backslashreplace").decode()
