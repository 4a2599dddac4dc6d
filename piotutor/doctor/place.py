"""The path: its file system, and what can be seen and done there."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from piotutor import rundir
from piotutor.capture import Mount, UnavailableError, evict, find_device, mount_of, residency
from piotutor.doctor.capability import Capability, about
from piotutor.errors import UsageError
from piotutor.kernels.direct import direct_alignment
from piotutor.programs import first_line
from piotutor.storage.probe import probe
from piotutor.units import format_size

_SAMPLE = 1 << 20


def resolve(path: str | os.PathLike[str] | None) -> Path:
    """Return the directory to look at: by default where runs keep their data.

    Raises
    ------
    UsageError
        It isn't there, or isn't a directory.
    """
    if path is None:
        path = os.environ.get("PIOTUTOR_SCRATCH") or rundir.state_dir()
    found = Path(path).expanduser().absolute()
    if not found.is_dir():
        raise UsageError(f"{found} is not a directory: name one that exists")
    return found


def file_system(path: Path) -> Capability:
    """Say what the path lies on, and whether it can be written."""
    mount = mount_of(path)
    space = os.statvfs(path)
    free = about(space.f_bavail * space.f_frsize)
    detail = f"{path} on {mount.kind} ({mount.source or '?'} at {mount.point}), {free} free"
    writable = os.access(path, os.W_OK | os.X_OK)
    fix = "" if writable else "it can't be written: name another directory"
    return Capability("file system", writable, detail, fix)


def layout(path: Path) -> Capability:
    """Say how the file system lays new files out there, as far as it tells."""
    found = probe(path)
    fix = "runs work all the same; over which servers they are striped stays unknown"
    if found.problem:
        return Capability("layout", False, f"{found.mount.kind}: {found.problem}", fix)
    return Capability("layout", True, found.detail)


def direct_io(path: Path) -> Capability:
    """Say whether O_DIRECT works, and its alignment."""
    with _sample(path) as (name, reason):
        if reason:
            return Capability("direct I/O", False, reason)
        try:
            needs = format_size(direct_alignment(name))
        except UsageError as why:
            fix = "runs with --posix.odirect are refused there; all others work"
            return Capability("direct I/O", False, first_line(str(why)), fix)
    return Capability("direct I/O", True, f"buffers, offsets and sizes in multiples of {needs}")


def page_cache(path: Path) -> Sequence[Capability]:
    """Say whether the page cache can be seen, and emptied of a file."""
    with _sample(path) as (name, reason):
        if reason:
            return [Capability("page cache", False, reason)]
        seen, left = residency(name), evict(name)
    return [_seen(seen.how, seen.dirty), _evicted(left.verified, left.how, mount_of(path))]


def _seen(how: str, dirty: int | None) -> Capability:
    if how.startswith("unavailable"):
        return Capability("page cache", False, how, "the tank's lane of it stays empty")
    if dirty is None:
        lost = "which bytes are dirty is unknown (overlayfs, or a kernel before 6.5)"
        return Capability("page cache", True, f"seen through {how}; dirty is unknown", lost)
    return Capability("page cache", True, f"seen through {how}, dirty bytes too")


def _evicted(verified: bool, how: str, mount: Mount) -> Capability:
    if verified:
        return Capability("eviction", True, "a file can be put out of memory, and is seen to be")
    fix = "what is verified there is read from memory, and said so"
    if mount.in_memory:
        fix = f"choose a path on a disk; {fix}"
    return Capability("eviction", False, how, fix)


def device_counters(path: Path) -> Capability:
    """Say whether the device's bytes can be counted."""
    try:
        device = find_device(path)
        device.counters()
    except UnavailableError as why:
        fix = "the tank's lane of the device stays empty"
        return Capability("device counters", False, str(why), fix)
    return Capability("device counters", True, f"device {device.name}, in {device.stat}")


def file_locks(path: Path) -> Capability:
    """Say whether byte ranges can be locked: data sieving and NFS need it under MPI-IO."""
    with _sample(path) as (name, reason):
        if reason:
            return Capability("file locks", False, reason)
        try:
            with Path(name).open("r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
        except OSError as error:
            fix = "have it mounted with locks (Lustre: -o flock), or set romio_ds_write=disable"
            return Capability("file locks", False, f"fcntl: {error.strerror}", fix)
    return Capability("file locks", True, "byte ranges can be locked (fcntl)")


@contextmanager
def _sample(path: Path) -> Iterator[tuple[str, str]]:
    """Make a small file there for a moment; yield its name, or why that can't be."""
    try:
        file = tempfile.NamedTemporaryFile(prefix=".piotutor-doctor-", dir=path)  # noqa: SIM115
    except OSError as error:
        yield "", f"no file can be made in {path}: {error.strerror}"
        return
    with file:
        file.write(os.urandom(_SAMPLE))
        file.flush()
        yield file.name, ""


CHECKS = (file_system, layout, direct_io, page_cache, device_counters, file_locks)
