"""A rank on a host that doesn't see the run directory: it makes one of its own, and has it sent.

The job file comes through the relay, and what the ranks leave goes back the same way.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from piotutor.errors import UsageError
from piotutor.launch.frames import HELLO, FrameError, receive

ADDRESS, TOKEN = "PIOTUTOR_RELAY", "PIOTUTOR_RELAY_TOKEN"
"""Variables that say where the relay of a run is, and what it wants to hear."""
MARK = "away"
"""In a run directory that isn't the run's own: the first directory that was made for it."""
LATE = 3.0
"""Seconds after which a shared file system shows a new directory."""
PATIENCE = 5.0
"""Seconds for the relay to answer."""


def arrive(job: Path, environment: Mapping[str, str] = os.environ) -> bool:
    """Make a run directory, with the job file in it, where the run's own can't be seen.

    Parameters
    ----------
    job : Path
        Where the job file should be.
    environment : mapping
        Says where the relay is.

    Returns
    -------
    bool
        Whether it had to.

    Raises
    ------
    UsageError
        There is no job file and no relay, or it can't be reached, or no directory can be made.
    """
    last = time.monotonic() + LATE
    while not job.exists():
        if (job.parent / MARK).exists() or time.monotonic() > last:
            break
        time.sleep(0.05)
    if job.exists():
        return (job.parent / MARK).exists()
    host = socket.gethostname()
    if ADDRESS not in environment:
        raise UsageError(
            f"host {host} doesn't see {job.parent}: keep piotutor's state where all hosts see it "
            "(PIOTUTOR_STATE), or give a relay (--launcher hosts:...,relay=ADDRESS)"
        )
    try:
        text = _fetch(environment)
    except (OSError, FrameError) as error:
        raise UsageError(
            f"host {host} doesn't see {job.parent}, and can't reach the relay at "
            f"{environment[ADDRESS]}: {error}"
        ) from None
    try:
        _make(job, text)
    except OSError as error:
        raise UsageError(
            f"host {host} doesn't see {job.parent}, and can't make it either: {error.strerror} "
            "(name a place in PIOTUTOR_STATE that all hosts can write)"
        ) from None
    return True


def connect(environment: Mapping[str, str] = os.environ) -> socket.socket:
    """Connect to the relay and show the token; it answers with the job file."""
    host, _, port = environment[ADDRESS].rpartition(":")
    connection = socket.create_connection((host, int(port)), PATIENCE)
    connection.sendall(HELLO + environment[TOKEN].encode())
    return connection


@contextmanager
def sending(run_dir: Path, *, asked: bool) -> Iterator[None]:
    """Have this host's files sent meanwhile, if asked to, and what is left of them afterwards."""
    if not asked:
        yield
        return
    sender = subprocess.Popen(
        [sys.executable, "-m", "piotutor.launch.sender", str(run_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},
        start_new_session=True,
    )
    assert sender.stdin is not None
    with sender.stdin:
        yield


def remove(run_dir: Path) -> None:
    """Remove a run directory that is the host's own, and those that were made to hold it."""
    try:
        first = Path((run_dir / MARK).read_text())
    except OSError:
        return
    shutil.rmtree(run_dir, ignore_errors=True)
    with suppress(OSError):
        for place in run_dir.parents:
            if not place.is_relative_to(first):
                break
            place.rmdir()


def _fetch(environment: Mapping[str, str]) -> bytes:
    with connect(environment) as connection:
        frame = receive(connection)
    if frame is None:
        raise FrameError("it doesn't answer")
    return frame.data


def _make(job: Path, text: bytes) -> None:
    """Make the directory and the files in it; other ranks of this host may be about to."""
    missing = [place for place in (job.parent, *job.parent.parents) if not place.exists()]
    (job.parent / "trace").mkdir(mode=0o700, parents=True, exist_ok=True)
    if missing:
        with suppress(FileExistsError), (job.parent / MARK).open("x") as mark:
            mark.write(str(missing[-1]))
    part = job.with_name(f"{job.name}.{os.getpid()}")
    part.write_bytes(text)
    part.replace(job)
