"""What importers share: records made of columns, numbers for names, calls and what they do."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from piotutor.trace.record import RECORD, Op

_NONE = ("offset", "thread", "file", "target", "parent")
_PREFIX = re.compile(r"^_+(x|isoc99_)?")
_SUFFIX = re.compile(r"(64|_unlocked|_chk)+$")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}")
_OPS = {
    Op.OPEN: "open openat creat fopen fdopen freopen mkstemp cuFileHandleRegister",
    Op.READ: "read pread readv preadv preadv2 fread fgets fgetc getc getline fscanf aioread",
    Op.WRITE: "write pwrite writev pwritev pwritev2 fwrite fputs fputc putc fprintf aiowrite",
    Op.SYNC: "fsync fdatasync sync_file_range msync fflush",
    Op.CLOSE: "close fclose",
    Op.REMOVE: "unlink unlinkat remove",
    Op.SEEK: "lseek fseek fseeko rewind",
    Op.TRUNCATE: "truncate ftruncate",
    Op.STAT: "stat fstat lstat fstatat newfstatat statx access faccessat statvfs fstatvfs",
    Op.RENAME: "rename renameat renameat2",
    Op.ALLOCATE: "fallocate posix_fallocate",
}
OPS = {name: op for op, names in _OPS.items() for name in names.split()}
"""What a call of the C library does, by its name without ``64`` and other forms."""

T = TypeVar("T", bound=Hashable)


def records(n: int, **columns: Any) -> np.ndarray:
    """Make `n` records of the fields that are known; the others don't apply."""
    made = np.zeros(n, RECORD)
    for name in _NONE:
        made[name] = -1
    for name, values in columns.items():
        made[name] = values
    return made


@lru_cache(maxsize=1024)
def plain(name: str) -> str:
    """Return the usual name of a call: ``pwrite`` of ``pwrite64``, ``stat`` of ``__xstat``."""
    return _SUFFIX.sub("", _PREFIX.sub("", name))


def number(values: Iterable[T]) -> tuple[np.ndarray, list[T]]:
    """Give values numbers in the order in which they first occur.

    Returns
    -------
    tuple of numpy.ndarray and list
        The number of each value, and the different values.
    """
    known: dict[T, int] = {}
    numbers = [known.setdefault(value, len(known)) for value in values]
    return np.array(numbers, np.int32), list(known)


def milliseconds(dates: list[str]) -> np.ndarray:
    """Read times like ``2026-11-22T18:58:36.170+0100``, in ms since 1970.

    Raises
    ------
    ValueError
        One of them isn't of that form.
    """
    if not all(map(_DATE.fullmatch, dates)):
        raise ValueError("a time that isn't one")
    local = np.array([date[:23] for date in dates], "datetime64[ms]").astype(np.int64)
    zones, which = np.unique([date[23:] for date in dates], return_inverse=True)
    minutes = [int(zone[:3]) * 60 + int(zone[0] + zone[3:5]) for zone in zones.tolist()]
    utc: np.ndarray = local - np.array(minutes, np.int64)[which] * 60_000
    return utc
