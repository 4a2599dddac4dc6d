"""Fresh memory for MPI's start.

MPICH 5.0.2 hands 4 KiB from one node to the others when it starts, of which a small part is an
address and the rest whatever lies behind it in memory. Zeros are packed; anything else can make a
line longer than the 1,023 bytes that Slurm's pmi2 takes, and the ranks then wait for ever, or read
an address that is cut off. So it depended on what Python had put there before.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable

_M_PERTURB = -6  # malloc.h
_ZEROS = 0xFF  # memory is filled with the complement


def with_fresh_memory(act: Callable[[], None]) -> None:
    """Do something in a thread of its own, and wait for it.

    The C library gives a new thread a part of memory that nobody has used, and zeroes what is used
    twice (glibc; with another library it is a thread like any other).
    """
    thread = threading.Thread(target=_zeroed, args=(act,))
    thread.start()
    thread.join()


def _zeroed(act: Callable[[], None]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        act()
        return
    mallopt(_M_PERTURB, _ZEROS)
    try:
        act()
    finally:
        mallopt(_M_PERTURB, 0)
