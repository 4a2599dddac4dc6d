"""A world in real time: in memory that ranks share, who are delayed as it says."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from piotutor.engine.library import library
from piotutor.engine.machine import Machine
from piotutor.engine.world import Numbers, Size, fitting_engine
from piotutor.errors import PiotutorError, UsageError
from piotutor.trace.record import RECORD

SEATS = 128
"""Calls under way at once at most, of all ranks and their threads together."""
OBJECTS = 1 << 14
"""Objects of all files together at most."""
MOST_BYTES = 4 << 30
"""Bytes that ranks share at most."""
_ROOM = 1 << 16
_RECORDS = 1 << 17
_NEVER = (1 << 63) - 1
_TROUBLE = (
    "",
    "a process died in the middle of an emulated call",
    "more requests were under way at once than the emulation has room for",
    "a call had no end",
    "a process held the emulation for too long",
    "a request would have taken more than 36 years",
)


class _Plan(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_int64) for name in ("stripe_size", "stripe_count", "ranks_per_client")
    )


class _Told(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in ("broken", "files", "calls", "missed", "real", "spent", "emulated",
                     "grants", "callbacks", "dropped")
    )  # fmt: skip


class _Known(ctypes.Structure):
    _fields_ = (
        ("device", ctypes.c_uint64),
        ("inode", ctypes.c_uint64),
        ("directory", ctypes.c_uint64),
        ("end", ctypes.c_int64),
        ("name", ctypes.c_char * 224),
        ("mapped", ctypes.c_int64),
        ("notified", ctypes.c_int64),
    )


class Told(NamedTuple):
    """What became of real calls in an emulation.

    Attributes
    ----------
    trouble
        Why it broke, after which nobody was delayed; empty if it didn't.
    calls, missed
        Calls that were delayed, and calls and files for which there was no room.
    real, spent, emulated
        Seconds of all calls together: of the real ones, with the waiting, and as they should be.
    grants, callbacks
        Locks that were granted, and called back.
    dropped
        Records that found no room.
    """

    trouble: str
    calls: int
    missed: int
    real: float
    spent: float
    emulated: float
    grants: int
    callbacks: int
    dropped: int


class KnownFile(NamedTuple):
    """A file that a rank has opened: the end of its path, and how far it was used."""

    name: str
    size: int


class Passed(NamedTuple):
    """What wasn't delayed of a file, and so was as fast as here.

    Attributes
    ----------
    name
        The end of its path.
    mapped
        Mappings of it.
    notified
        Asynchronous calls whose end a signal or a thread was to tell.
    """

    name: str
    mapped: int
    notified: int


class SharedWorld:
    """A storage system in real time, in a new file.

    Parameters
    ----------
    path : Path
        The file; ranks map it.
    machine : Machine
        What it is.
    stripe_size, stripe_count : int
        How files are laid out, on targets in turn in the order in which they are first opened.
    ranks_per_client : int
        How many ranks are on one client; the next ones are on the next client.

    Raises
    ------
    PiotutorError
        The engine isn't built, this isn't Linux, or there is no room for the file.
    """

    def __init__(
        self,
        path: Path,
        machine: Machine,
        *,
        stripe_size: int,
        stripe_count: int,
        ranks_per_client: int = 1,
    ) -> None:
        if why := why_not():
            raise PiotutorError(why)
        self._engine = found = fitting_engine()
        found.engine_collect.restype = ctypes.c_int64
        found.engine_known.restype = ctypes.POINTER(_Known)
        plan, size, room = _sizes(machine, stripe_count)
        try:
            with path.open("xb+") as file:
                os.posix_fallocate(file.fileno(), 0, room)
                self._memory = mmap.mmap(file.fileno(), room)
        except OSError as error:
            raise PiotutorError(
                f"{path.parent} can't hold the {room >> 20} MiB that ranks and emulated servers "
                f"share: {error.strerror} (TMPDIR names another place)"
            ) from None
        self._shared = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(self._memory)))
        lay = _Plan(stripe_size, stripe_count, ranks_per_client)
        arguments = map(ctypes.byref, (plan, size, lay))
        if code := found.engine_share(self._shared, *arguments):
            raise OSError(code, os.strerror(code))

    def collect(self, *, rest: bool = False) -> np.ndarray:
        """Return the records of the servers since the last time, of `RECORD`.

        Parameters
        ----------
        rest : bool
            Whether to let all that is under way come to its end at once.
        """
        records = np.zeros(_RECORDS, RECORD)
        until = _NEVER if rest else time.monotonic_ns()
        where = (self._shared, ctypes.c_int64(until), ctypes.c_void_p(records.ctypes.data))
        return records[: self._engine.engine_collect(*where, ctypes.c_int64(_RECORDS))]

    def told(self) -> Told:
        """Return what became of the calls so far."""
        told = self._told()
        return Told(
            _TROUBLE[told.broken],
            told.calls,
            told.missed,
            told.real / 1e9,
            told.spent / 1e9,
            told.emulated / 1e9,
            told.grants,
            told.callbacks,
            told.dropped,
        )

    def files(self) -> list[KnownFile]:
        """Return the files in the order in which they were first opened."""
        found = (self._known(which) for which in range(self._told().files))
        return [KnownFile(os.fsdecode(each.name), each.end) for each in found]

    def passed(self) -> list[Passed]:
        """Return the files of which something wasn't delayed."""
        found = (self._known(which) for which in range(self._told().files))
        return [
            Passed(os.fsdecode(each.name), each.mapped, each.notified)
            for each in found
            if each.mapped or each.notified
        ]

    def _known(self, which: int) -> _Known:
        known: _Known = self._engine.engine_known(self._shared, ctypes.c_int64(which)).contents
        return known

    def _told(self) -> _Told:
        told = _Told()
        self._engine.engine_tell(self._shared, ctypes.byref(told))
        return told


def _sizes(machine: Machine, stripe_count: int) -> tuple[Numbers, Size, int]:
    """Return the machine and the world as C takes them, and the bytes of what is shared."""
    found = fitting_engine()
    found.engine_shared_bytes.restype = ctypes.c_int64
    files = max(1, OBJECTS // stripe_count)
    plan = Numbers(**machine.numbers())
    size = Size(files, files * stripe_count, SEATS, _ROOM, _ROOM, _ROOM, _RECORDS)
    return plan, size, found.engine_shared_bytes(ctypes.byref(plan), ctypes.byref(size))


def need_small(machine: Machine, stripe_count: int) -> None:
    """Refuse to emulate what takes too much shared memory.

    Raises
    ------
    UsageError
        The line says how much it takes.
    """
    *_, room = _sizes(machine, stripe_count)
    if room > MOST_BYTES:
        raise UsageError(
            f"to emulate that machine takes {room / 2**30:,.1f} GiB of shared memory, "
            f"at most {MOST_BYTES / 2**30:g} are taken: one with fewer targets, clients or stripes "
            "will do"
        )


def why_not() -> str:
    """Say why nothing can be emulated here; empty where it can."""
    if not sys.platform.startswith("linux"):
        return "emulation in real time is for Linux only"
    if library() is None:
        return "the engine isn't built: install a C compiler (gcc), then piotutor again"
    return ""
