"""The kernel's tracer: a way to it that leaves nothing mounted, and a corner of it for one run.

Tracefs is used where it is mounted. Where it isn't, root gets a mount that hangs in no directory:
it exists only as a descriptor of this process and goes with it, however the process ends. What
stays in the kernel is an *instance*, a directory with ring buffers of its own, so that other
tracing on the machine is not disturbed: the guard makes it before the ranks start and removes it
when they are gone; its name is the run's, so that it is found again after a guard was killed.

Sources: fsopen(2), fsmount(2) (Linux 5.2); the kernel's Documentation/trace/ftrace.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from piotutor.capture.device import UnavailableError

HOMES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
"""Where tracefs is mounted on most systems."""
BUFFERS = 32 << 20
"""Bytes of ring buffers of all cores together: some 200,000 requests."""
PATIENCE = 2.0
"""Seconds in which those who still read an instance may let go of it."""

# These numbers are the same on every architecture but alpha.
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_CLOSE_ON_EXEC, _CREATE = 1, 6
_REASONS = {
    errno.EPERM: "only root may open it",
    errno.ENODEV: "this kernel was built without it",
    errno.ENOSYS: "this kernel can't open it without a mount (Linux 5.2 can)",
}


@dataclass(frozen=True)
class Order:
    """What one run has traced; plain values.

    Attributes
    ----------
    name
        Of the instance.
    events
        Of the kernel, such as ``block/block_rq_issue``.
    condition
        Which of them, in the words of the kernel's event filters; empty for all.
    """

    name: str
    events: tuple[str, ...]
    condition: str = ""


@contextmanager
def opened() -> Iterator[Path]:
    """Open tracefs for a while.

    Yields
    ------
    Path
        Its root.

    Raises
    ------
    UnavailableError
        This user or this system has none; the text says which.
    """
    mounted = [Path(home) for home in HOMES if Path(home, "instances").is_dir()]
    if mounted:
        if not os.access(mounted[0] / "instances", os.W_OK | os.X_OK):
            raise UnavailableError("tracefs is for root only")
        yield mounted[0]
        return
    handle = _mount()
    try:
        yield Path(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def begin(order: Order) -> None:
    """Make an instance, and let it record.

    Raises
    ------
    UnavailableError, OSError
        It can't be made; then nothing is left of it.
    """
    with opened() as root:
        home = root / "instances" / order.name
        home.mkdir()
        try:
            (home / "trace_clock").write_text("mono")
            size = max(64, BUFFERS // 1024 // (os.cpu_count() or 1))
            (home / "buffer_size_kb").write_text(str(size))
            with suppress(FileNotFoundError):  # before Linux 5.0 that is how it is
                (home / "buffer_percent").write_text("0")  # a reader wakes at the first event
            for event in order.events:
                if order.condition:
                    (home / "events" / event / "filter").write_text(order.condition)
                (home / "events" / event / "enable").write_text("1")
        except OSError:
            _remove(home)
            raise


def remove(name: str) -> None:
    """Remove an instance and all that it holds, if it is there."""
    with suppress(UnavailableError), opened() as root:
        _remove(root / "instances" / name)


def _remove(home: Path) -> None:
    last = time.monotonic() + PATIENCE
    while home.is_dir():
        with suppress(OSError):
            (home / "events/enable").write_text("0")
            home.rmdir()
            return
        if time.monotonic() > last:
            return
        time.sleep(0.02)


def _mount() -> int:
    """Return a descriptor of a tracefs that is mounted nowhere."""
    if not sys.platform.startswith("linux"):
        raise UnavailableError(f"tracefs is Linux's, this is {sys.platform}")
    context = _call("fsopen", _FSOPEN, b"tracefs", _CLOSE_ON_EXEC)
    try:
        _call("fsconfig", _FSCONFIG, context, _CREATE, None, None, 0)
        return _call("fsmount", _FSMOUNT, context, _CLOSE_ON_EXEC, 0)
    finally:
        os.close(context)


def _call(name: str, number: int, *arguments: int | bytes | None) -> int:
    wide = (ctypes.c_long(value) if isinstance(value, int) else value for value in arguments)
    libc = ctypes.CDLL(None, use_errno=True)
    answer = int(libc.syscall(ctypes.c_long(number), *wide))
    if answer < 0:
        error = ctypes.get_errno()
        reason = _REASONS.get(error, f"{name}: {os.strerror(error)}")
        raise UnavailableError(f"tracefs is not mounted here, and {reason}")
    return answer
