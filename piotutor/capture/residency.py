r"""How much of a file is in the page cache, how much of that is dirty, and getting it out.

A read after a write mostly reads memory. Before data is verified, or a cold read is measured,
the file is evicted, and then looked at: only what was seen to be gone is called gone.

Sources: cachestat(2) (Linux 6.5), mincore(2), posix_fadvise(2). What was found by trying:
overlayfs answers cachestat with zeros, so there mincore is asked and dirty stays unknown.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import stat
import sys
from dataclasses import dataclass, replace

from piotutor.capture.aside import aside
from piotutor.capture.device import Mount, UnavailableError, mount_of

_CACHESTAT = 451
_PAGE = mmap.PAGESIZE
_OWN_CACHE = {
    "zfs": "ZFS keeps its data in a cache of its own (the ARC)",
    "gpfs": "GPFS keeps its data in a cache of its own (the pagepool)",
}


@dataclass(frozen=True, kw_only=True)
class Residency:
    """What of a file is in memory.

    Attributes
    ----------
    size
        Bytes in the file.
    cached
        Bytes of it in the page cache, counted in whole pages but never above `size`; None when
        that can't be known.
    dirty
        Those of them not yet on the device (dirty or being written back); None when unknown,
        which is not the same as none.
    how
        The way it was found, ``cachestat`` or ``mincore``, or ``unavailable here: ...``; and,
        after an eviction that can't be (tmpfs), why not.
    """

    size: int
    cached: int | None
    dirty: int | None
    how: str

    @property
    def verified(self) -> bool:
        """Whether it was seen that no byte of the file is in memory: the next read is cold."""
        return self.cached == 0


def residency(path: str | os.PathLike[str], *, mount: Mount | None = None) -> Residency:
    """Say how much of a file is in the page cache.

    Parameters
    ----------
    path
        A regular file.
    mount
        What it is mounted on, where the caller knows; else it is looked up (for those who ask
        a hundred times a second).

    Returns
    -------
    Residency
        With the numbers, or with None and the reason.

    Raises
    ------
    OSError
        The file can't be opened.
    """
    descriptor = _open(path)
    try:
        return _look(descriptor, mount or mount_of(path))
    finally:
        os.close(descriptor)


def evict(path: str | os.PathLike[str]) -> Residency:
    """Write a file back to its device, ask the kernel to forget it, and look what is left.

    Pages that another process has mapped or is using stay; files on tmpfs are memory and can't
    be evicted. A server's own memory, behind a network file system, is not seen.

    Returns
    -------
    Residency
        What is still in memory; its `verified` says whether that is nothing for certain.

    Raises
    ------
    OSError
        The file can't be opened or written back.
    """
    mount = mount_of(path)
    descriptor = _open(path)
    try:
        os.fsync(descriptor)
        if not hasattr(os, "posix_fadvise"):
            return _unknown(descriptor, f"{sys.platform} has no posix_fadvise")
        for _ in range(3):  # pages on their way between the kernel's lists need a second call
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            found = _look(descriptor, mount)
            if not found.cached:
                return found
        return replace(found, how=f"{found.how}; {_why_stays(mount)}")
    finally:
        os.close(descriptor)


def let_go(path: str | os.PathLike[str]) -> Residency:
    """Have the client of a routed file write it back and forget it: a server is asked next time.

    No kernel keeps anything of such a file, its client in this process does (libcephfs), and
    answers that it has forgotten; the servers' own counts show that it is so.

    Raises
    ------
    OSError
        The file can't be opened or written back, or the client keeps it.
    """
    descriptor = _open(path)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        size = os.fstat(descriptor).st_size
        return Residency(size=size, cached=0, dirty=0, how="libcephfs was told to forget it")
    finally:
        os.close(descriptor)


def why_unknown(mount: Mount) -> str | None:
    """Return why residency can't be known on a file system at all, or None when it can."""
    if not sys.platform.startswith("linux"):
        return f"the page cache is asked in Linux's ways, this is {sys.platform}"
    return _OWN_CACHE.get(mount.kind)


def _why_stays(mount: Mount) -> str:
    if mount.in_memory:
        return f"{mount.kind} is memory: a file there can't be evicted"
    return "not evicted: the kernel kept pages that are in use"


def _open(path: str | os.PathLike[str]) -> int:
    """Open a regular file for looking only (never waiting on a named pipe)."""
    descriptor = os.open(aside(path), os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{os.fspath(path)} is not a regular file")
    return descriptor


def _look(descriptor: int, mount: Mount) -> Residency:
    reason = why_unknown(mount)
    if reason is not None:
        return _unknown(descriptor, reason)
    ways = (_mincore,) if mount.kind == "overlay" else (_cachestat, _mincore)
    reasons = []
    for way in ways:
        try:
            return way(descriptor)
        except UnavailableError as why:
            reasons.append(str(why))
    return _unknown(descriptor, "; ".join(reasons))


def _unknown(descriptor: int, reason: str) -> Residency:
    size = os.fstat(descriptor).st_size
    return Residency(size=size, cached=None, dirty=None, how=f"unavailable here: {reason}")


def _cachestat(descriptor: int) -> Residency:
    """Ask cachestat(fd, &(offset, length), &(cache, dirty, writeback, evicted, recent), 0)."""
    everything = (ctypes.c_uint64 * 2)(0, 0)
    pages = (ctypes.c_uint64 * 5)()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_CACHESTAT, descriptor, everything, pages, 0):
        raise UnavailableError(f"cachestat: {os.strerror(ctypes.get_errno())}")
    size = os.fstat(descriptor).st_size
    cached, dirty = pages[0] * _PAGE, (pages[1] + pages[2]) * _PAGE
    return Residency(size=size, cached=min(cached, size), dirty=min(dirty, size), how="cachestat")


def _mincore(descriptor: int) -> Residency:
    """Map the file and ask mincore: it tells which pages are in memory, not which are dirty."""
    size = os.fstat(descriptor).st_size
    if not size:
        return Residency(size=0, cached=0, dirty=None, how="mincore")
    if not _may_ask(descriptor):
        raise UnavailableError("mincore answers only those who own the file or may write it")
    try:
        mapped = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ)
    except (OSError, ValueError) as error:
        raise UnavailableError(f"mmap: {error}") from None
    with mapped:
        cached = min(_ask_mincore(mapped, size) * _PAGE, size)
    return Residency(size=size, cached=cached, dirty=None, how="mincore")


def _ask_mincore(mapped: mmap.mmap, size: int) -> int:
    """Return how many pages of a mapping are in memory."""
    import numpy as np  # here only: whoever just wants to know a device starts faster without

    pages = np.zeros(-(-size // _PAGE), np.uint8)
    address = np.frombuffer(mapped, np.uint8).ctypes.data
    libc = ctypes.CDLL(None, use_errno=True)
    answer = ctypes.c_void_p(pages.ctypes.data)
    if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), answer):
        raise UnavailableError(f"mincore: {os.strerror(ctypes.get_errno())}")
    return int(np.count_nonzero(pages & 1))


def _may_ask(descriptor: int) -> bool:
    """Whether mincore tells this user the truth (since Linux 5.2 it says "all" to others)."""
    owner = os.fstat(descriptor).st_uid
    return os.geteuid() in (0, owner) or os.access(f"/proc/self/fd/{descriptor}", os.W_OK)
