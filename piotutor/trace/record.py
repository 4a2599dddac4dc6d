"""The one record of every layer, and the header of the file that holds it.

A trace file is a header, a text area and an array of records:

======================  ====================================================================
bytes                   what
======================  ====================================================================
0 to 127                `HEADER`; its magic is stored last, so a file without it isn't begun
128 to header_bytes     JSON, one object a line; only ever appended to. The first line holds
                        ``writer``, ``provenance``, ``files``, ``notes``; later ones ``file``
from header_bytes       `RECORD` after `RECORD`, 80 bytes each, little-endian
======================  ====================================================================

The word at byte 64 of a record holds layer, op and flags. It is stored last: a record whose
layer is 0 isn't whole, and no reader shows it.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

import numpy as np

from piotutor.errors import PiotutorError

MAGIC = b"\x89PIOT\r\n\x1a"
VERSION = 1

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("header_bytes", "<u4"),
        ("record_bytes", "<u4"),
        ("state", "<u4"),
        ("rank", "<i4"),
        ("client", "<i4"),
        ("text_bytes", "<u8"),
        ("count", "<u8"),
        ("dropped", "<u8"),
        ("monotonic", "<i8"),
        ("wall", "<i8"),
        ("unused", "V56"),
    ]
)

RECORD = np.dtype(
    [
        ("start", "<i8"),
        ("end", "<i8"),
        ("offset", "<i8"),
        ("length", "<i8"),
        ("result", "<i8"),
        ("rank", "<i4"),
        ("client", "<i4"),
        ("thread", "<i4"),
        ("file", "<i4"),
        ("target", "<i4"),
        ("parent", "<i4"),
        ("layer", "u1"),
        ("op", "u1"),
        ("flags", "<u2"),
        ("reserved", "<u4"),
        ("aux", "<u8"),
    ]
)

KIND = np.dtype(
    {"names": ["kind"], "formats": ["<u4"], "offsets": [64], "itemsize": RECORD.itemsize}
)
"""Another view of a record: layer, op and flags as one integer, their `tail`."""

PROVENANCES = ("measured", "emulated", "modelled")
UNKNOWN = 2**64 - 1


class State(IntFlag):
    """What the header says of the whole file."""

    CLOSED = 1
    COMPACT = 2


class Layer(IntEnum):
    """Which layer made the call; 0 is kept for records that aren't whole."""

    APP = 1
    HDF5 = 2
    MPIIO = 3
    POSIX = 4
    BLOCK = 5
    SERVER = 6
    DEVICE = 7


class Op(IntEnum):
    """What the call did; pwrite, pwritev and write are all WRITE.

    The exact call stands in the high byte of the flags (`piotutor.trace.calls`). ``META`` are the
    operations of HDF5 on attributes, groups and links.
    """

    OPEN = 1
    READ = 2
    WRITE = 3
    SYNC = 4
    CLOSE = 5
    REMOVE = 6
    SEEK = 7
    TRUNCATE = 8
    LOCK = 9
    UNLOCK = 10
    STAT = 11
    BARRIER = 12
    SAMPLE = 13
    CREATE = 14
    RENAME = 15
    ALLOCATE = 16
    SET_VIEW = 17
    SET_INFO = 18
    META = 19


class Flag(IntFlag):
    """How the call was made: the low byte of the flags.

    ``PART`` marks one extent of a call on a strided view: it doesn't count as an operation.
    ``INFLATED`` marks a duration that the capture itself made longer (strace): never a latency.
    ``NONBLOCKING`` marks a call that only began the transfer: its end isn't the transfer's.
    """

    COLLECTIVE = 1
    PART = 2
    FAILED = 4
    DIRECT = 8
    SHORT = 16
    INFLATED = 32
    NONBLOCKING = 64


class Phase(IntEnum):
    """The part of a benchmark that an ``APP`` record belongs to."""

    WRITE = 0
    READ = 1
    VERIFY_WRITE = 2
    VERIFY_READ = 3
    OTHER = 4


class TraceError(PiotutorError):
    """A trace that can't be read or begun; one line that names the file."""


def pack_aux(repetition: int, phase: int) -> int:
    """Pack a repetition and a phase into the ``aux`` field of an ``APP`` record."""
    return repetition * 8 + int(phase)


def phase_of(aux: np.ndarray) -> np.ndarray:
    """Phase of ``APP`` records, from their ``aux`` fields."""
    phase: np.ndarray = (aux & np.uint64(7)).astype(np.uint8)
    return phase


def repetition_of(aux: np.ndarray) -> np.ndarray:
    """Repetition of ``APP`` records, from their ``aux`` fields."""
    repetition: np.ndarray = (aux >> np.uint64(3)).astype(np.int64)
    return repetition


def tail(layer: int, op: int, flags: int = 0) -> int:
    """Return the 8 bytes from byte 64 of a record as one integer, to store last.

    One store of it makes a record whole: ``block.words[10 * i + 8] = tail(layer, op)``.
    """
    return int(layer) | int(op) << 8 | int(flags) << 16
