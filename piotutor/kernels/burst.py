"""The traced loop in C (`_burst.c`), where it was built: the same calls, the same records.

It takes phases of plain transfers only; whatever has something to do between two transfers (a
deadline, a check, an fsync) stays in Python. `library` tells whether it is there.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from piotutor.trace.record import Op

_STATUS = 256
"""Bytes that hold any MPI's status."""


class Work(ctypes.Structure):
    """What one call of the C loop is to do: see `_burst.c`."""

    _fields_ = (
        ("count", ctypes.c_int64),
        ("size", ctypes.c_int64),
        ("buffer_count", ctypes.c_int64),
        ("offsets", ctypes.c_void_p),
        ("buffers", ctypes.c_void_p),
        ("records", ctypes.c_void_p),
        ("tail", ctypes.c_uint64),
    )


class Turns(ctypes.Structure):
    """What threads share that take the reads of a phase in turn: see `_burst.c`."""

    _fields_ = (
        ("next", ctypes.c_int64),
        ("arrived", ctypes.c_int64),
        ("threads", ctypes.c_int64),
    )

    def release(self) -> None:
        """Let those go on who wait for threads that won't come, and find nothing to do."""
        self.next, self.threads = 2**62, 0


Shared = Callable[[Work, Turns, int], int]
"""Does transfers of a `Work` in turn with other threads, as the thread of that number."""
Native = Callable[[Work], int]
"""Does the transfers of a `Work`; returns how many were whole."""


@cache
def library() -> ctypes.CDLL | None:
    """Return the C loop, or None where it was not built."""
    spec = find_spec("piotutor.kernels._burst")
    return None if spec is None or spec.origin is None else load(spec.origin)


def load(path: str) -> ctypes.CDLL:
    """Load the C loop from a file."""
    found = ctypes.CDLL(path)
    for name in ("piotutor_posix", "piotutor_posix_turns", "piotutor_mpi"):
        getattr(found, name).restype = ctypes.c_int64
    return found


def posix_native(op: Op, fd: int) -> Native | None:
    """Return the loop of ``pwrite`` or ``pread`` on a descriptor."""
    loop = library()
    if loop is None:
        return None
    return lambda work: int(loop.piotutor_posix(ctypes.byref(work), fd, int(op == Op.WRITE)))


def posix_shared(fd: int) -> Shared | None:
    """Return the loop of ``pread`` on a descriptor, for one of several threads."""
    loop = library()
    if loop is None:
        return None
    read = loop.piotutor_posix_turns
    return lambda work, turns, thread: int(
        read(ctypes.byref(work), fd, ctypes.byref(turns), thread)
    )


def mpi_native(name: str, extension: str, file: int, byte: int) -> Native | None:
    """Return the loop of an MPI function that takes an explicit offset.

    Parameters
    ----------
    name : str
        Such as ``MPI_File_write_at``.
    extension : str
        The file of a module that is linked with MPI. A library that was loaded before it, and has
        the function too (one that watches), goes first.
    file, byte : int
        Handles of the open file and of ``MPI_BYTE``.
    """
    loop = library()
    if loop is None:
        return None
    try:
        move = getattr(ctypes.CDLL(None), name)
    except AttributeError:
        move = getattr(ctypes.CDLL(extension), name)
    status = ctypes.create_string_buffer(_STATUS)
    handles = (ctypes.c_void_p(file), ctypes.c_ssize_t(byte), status)
    return lambda work: int(loop.piotutor_mpi(ctypes.byref(work), move, *handles))


def plan_work(buffers: Sequence[memoryview], offsets: Any, records: Any, tail: int) -> Work:
    """Describe transfers for the C loop; the arrays must live as long as what is returned."""
    views = [np.frombuffer(buffer, np.uint8).ctypes.data for buffer in buffers]
    addresses = (ctypes.c_void_p * len(views))(*views)
    work = Work(len(offsets), len(buffers[0]), len(views))
    work.offsets, work.records = offsets.ctypes.data, records.ctypes.data
    work.buffers, work.tail = ctypes.addressof(addresses), tail
    work.kept = (addresses, offsets, records, buffers)
    return work
