"""Which files' operations are recorded below a program: the same rules for every capture.

The interposer has them too, in ``piotutor/capture/interposer/names.c``; a test holds them equal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

BELOW = ("/proc", "/sys", "/run/udev", "/etc/libnl")
"""Trees of which nothing is recorded; of ``/dev`` only what lies in ``/dev/shm`` is."""
STARTS = tuple(
    f"/dev/shm/{name}"
    for name in ("mpich_sh", "vader_segment", "sm_segment", "osc_rdma", "psm", "ucx")
)
"""MPI's shared memory."""
ENDS = (
    *(".so", ".py", ".pyc", ".pth", "._pth", "/pyvenv.cfg", "/pybuilddir.txt"),
    *("/mpich.conf", "/romio-hints", "/ucx.conf", "/libfabric.conf", "mca-params.conf"),
)
"""Shared libraries; what Python and MPI read to run a program, the program itself included."""
CONTAINS = ("/__pycache__/", "/site-packages/", "/dist-packages/", "/hydra_hwloc_xmlfile_")
NUMBERED = (".so.", "/ompi.")
"""What counts as contained only where a digit follows: shared libraries, Open MPI's scratch."""
C_LIBRARY = (
    *("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group"),
    *("/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/localtime", "/etc/gai.conf"),
    *("/usr/share/zoneinfo", "/usr/lib/locale", "/usr/share/locale"),
)
_C_LIBRARY = re.compile(r"/gconv/|^/dev/shm/(?:sem|open_mpi)\.")  # sem_open, shm_open
"""What the C library opens for itself: strace sees that too, the interposer doesn't."""

_NUMBERED = re.compile(f"(?:{'|'.join(map(re.escape, NUMBERED))})[0-9]")


@dataclass(frozen=True)
class Interest:
    """The files whose operations are recorded.

    Attributes
    ----------
    prefixes
        Only files whose absolute paths begin with one of these; empty for all.
    skip
        Files and trees that never count, besides those of the rules above.
    c_library
        Whether what the C library opens for itself counts: only strace sees that.
    """

    prefixes: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    c_library: bool = True
    _known: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        prefixes: Iterable[str | os.PathLike[str]] = (),
        skip: Iterable[str | os.PathLike[str]] = (),
    ) -> Interest:
        """Return the interest in some places; relative ones are taken from here."""
        return cls(tuple(map(_absolute, prefixes)), tuple(map(_absolute, skip)))

    def __contains__(self, path: str) -> bool:
        """Say whether a file's operations are recorded, by its absolute path."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._look(path)
        return known

    def _look(self, path: str) -> bool:
        if self.prefixes and not path.startswith(self.prefixes):
            return False
        if _is_below(path, "/dev") and not _is_below(path, "/dev/shm"):
            return False
        ruled_out = path.startswith(STARTS) or path.endswith(ENDS)
        ruled_out |= any(word in path for word in CONTAINS)
        ruled_out |= _NUMBERED.search(path) is not None
        if not self.c_library:
            ruled_out |= _C_LIBRARY.search(path) is not None
            ruled_out |= any(_is_below(path, tree) for tree in C_LIBRARY)
        return not ruled_out and not any(_is_below(path, tree) for tree in (*BELOW, *self.skip))


def _is_below(path: str, tree: str) -> bool:
    tree = tree.rstrip("/") or "/"
    return path == tree or path.startswith(tree if tree == "/" else f"{tree}/")


def _absolute(path: str | os.PathLike[str]) -> str:
    return plain(str(Path(path).expanduser().absolute()))


def plain(path: str) -> str:
    """Return an absolute path without ``//``, ``.`` and ``..``; links are left as they are."""
    return "/" + os.path.normpath(path).lstrip("/")
