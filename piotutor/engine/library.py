"""The engine's library in C: found, loaded, or said not to be there."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec

from piotutor.errors import PiotutorError


@cache
def library() -> ctypes.CDLL | None:
    """Return the engine, or None where it was not built."""
    path = library_path()
    return None if path is None else load(path)


def library_path() -> str | None:
    """Return the engine's file, or None where it was not built."""
    spec = find_spec("piotutor.engine._engine")
    return None if spec is None else spec.origin


def engine() -> ctypes.CDLL:
    """Return the engine.

    Raises
    ------
    PiotutorError
        It was not built.
    """
    found = library()
    if found is None:
        raise PiotutorError(
            "the engine isn't built: install a C compiler (gcc), then piotutor again"
        )
    return found


def load(path: str) -> ctypes.CDLL:
    """Load the engine from a file."""
    found = ctypes.CDLL(path)
    found.engine_bytes.restype = ctypes.c_int64
    found.engine_records.restype = ctypes.c_int64
    return found
