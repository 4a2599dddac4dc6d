"""Direct I/O: whether a file system takes it, and how it wants sizes and addresses aligned."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
from contextlib import suppress

from piotutor.errors import UsageError

_AT_EMPTY_PATH = 0x1000
_STATX_DIOALIGN = 0x2000
_STATX_SIZE = 256
_STATX_DIO_FIELDS = 152
DEFAULT_ALIGNMENT = 4096
"""Taken where the kernel (before Linux 6.1) or the file system doesn't tell, in bytes."""


def aligned_buffer(size: int) -> memoryview:
    """Return `size` zeroed bytes in memory, beginning at a page boundary."""
    whole = mmap.mmap(-1, max(size, 1))
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):
            whole.madvise(mmap.MADV_HUGEPAGE)
    for page in range(0, size, mmap.PAGESIZE):
        whole[page] = 0
    return memoryview(whole)[:size]


def direct_alignment(path: str) -> int:
    """Return what direct I/O on an existing file must be aligned to, in bytes.

    Raises
    ------
    UsageError
        Where the system or the file system offers no direct I/O.
    """
    flag = getattr(os, "O_DIRECT", None)
    if flag is None:
        raise UsageError("direct I/O is asked for, but this system has no O_DIRECT: leave it out")
    try:
        fd = os.open(path, os.O_RDONLY | flag)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise UsageError(
            f"the file system of {path} offers no direct I/O: "
            "leave out --posix.odirect or choose another directory"
        ) from None
    try:
        return _told_alignment(fd) or DEFAULT_ALIGNMENT
    finally:
        os.close(fd)


def _told_alignment(fd: int) -> int:
    """Return the alignment that ``statx`` gives for an open file, 0 if it gives none."""
    statx = getattr(ctypes.CDLL(None), "statx", None)
    answer = ctypes.create_string_buffer(_STATX_SIZE)
    if statx is None or statx(fd, b"", _AT_EMPTY_PATH, _STATX_DIOALIGN, answer):
        return 0
    (mask,) = struct.unpack_from("=I", answer)
    memory, offset = struct.unpack_from("=II", answer, _STATX_DIO_FIELDS)
    return max(memory, offset) if mask & _STATX_DIOALIGN else 0


def check_alignment(path: str, alignment: int, **sizes: int) -> None:
    """Raise `UsageError` for the first of the named sizes that isn't a multiple of `alignment`."""
    for name, size in sizes.items():
        if size % alignment:
            raise UsageError(
                f"{name} {size} can't be used with direct I/O on {path}: "
                f"choose a multiple of {alignment} bytes"
            )
