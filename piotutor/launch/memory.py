"""Zeroed memory while MPI starts.

MPICH 5.0.2 hands 4 KiB from one node to the others when it starts, of which a small part is an
address and the rest whatever was in that memory. Zeros are packed; anything else can make a
line longer than the 1,023 bytes that Slurm's pmi2 takes, and the ranks then wait for ever. So it
depended on what Python had freed before.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_M_PERTURB = -6  # malloc.h
_ZEROS = 0xFF  # memory is filled with the complement


@contextmanager
def zeroed() -> Iterator[None]:
    """Have the C library fill the memory that it hands out with zeros meanwhile (glibc alone)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        yield
        return
    mallopt(_M_PERTURB, _ZEROS)
    try:
        yield
    finally:
        mallopt(_M_PERTURB, 0)
