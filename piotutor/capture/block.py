"""Block requests of a run's files, recorded while it runs.

The guard has the kernel trace the disk below the data (`order`, `tracefs.begin`); a thread of the
sampler reads what is traced (`recording`), looks up which file lies at each address, and writes
BLOCK records to ``RUN/trace/block.piot``. A request is a run's if it touches one of its files;
requests of other files, and those of the file system's own journal and tables, are only counted.
A flush of the disk's cache belongs to no file: it is recorded with file -1, and not counted as an
operation of the run.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path

from piotutor.capture import tracefs
from piotutor.capture.device import UnavailableError, find_device, nearest
from piotutor.capture.fiemap import NOTES, Piece, Whereabouts, disk_of
from piotutor.capture.requests import BIOS, REQUESTS, Request, Requests
from piotutor.trace.record import Flag, Layer, Op, TraceError
from piotutor.trace.source import parse_header, parse_text
from piotutor.trace.writer import TraceWriter

PAUSE, LONGEST = 0.002, 0.05
"""Seconds between two looks at what was traced: after a rest, and in a stream of requests."""
AT_ONCE = 0.2
"""Seconds for which is read what was traced before it is looked at."""
SHARE = 0.04
"""Of one core's time, what looking for the files' addresses may take."""
LAST_LOOK = 1.0
"""Seconds that may be spent at the end on what was traced and not read yet."""
_HEADER = 128
_FAILED, _PART = int(Flag.FAILED), int(Flag.PART)


def permitted() -> tuple[bool, str]:
    """Say whether block requests can be traced here, and how, or why not."""
    try:
        with tracefs.opened() as root:
            if not all((root / "events" / event).is_dir() for event in REQUESTS):
                return False, "this kernel traces no block requests"
            mounted = str(root) in tracefs.HOMES
            return True, f"through tracefs{f' at {root}' if mounted else ', mounted nowhere'}"
    except UnavailableError as why:
        return False, str(why)


def order(run: str, place: Path, *, everywhere: bool = False) -> tracefs.Order:
    """Return what has to be traced for a run.

    Parameters
    ----------
    run : str
        The run's name.
    place : Path
        Where its files will lie.
    everywhere : bool
        Whether other disks are to be traced too, for programs that may write anywhere.

    Raises
    ------
    UnavailableError
        No disk of ours lies below that place.
    """
    find_device(place)  # knows best what is missing
    disk = disk_of(nearest(place))
    major, minor = map(int, disk.number.split(":"))
    condition = "" if everywhere else f"dev == {major << 20 | minor}"
    return tracefs.Order(instance_of(run), REQUESTS if disk.requests else BIOS, condition)


def instance_of(run: str) -> str:
    """Return the name of a run's part of the tracer."""
    return f"piotutor-{run}"


@contextmanager
def recording(run_dir: Path, files: Sequence[str], place: Path) -> Iterator[dict[str, str]]:
    """Record a run's block requests within the block, in a thread.

    Parameters
    ----------
    run_dir : Path
        The run directory; its guard has begun the tracing.
    files : sequence of str
        The run's data files. Those that interposers meet are added.
    place : Path
        The directory that they lie in, or will.

    Yields
    ------
    dict
        ``block``: ``tracefs``, or ``deltas: ...`` or ``unavailable here: ...`` and why; at the
        end also ``block_left_out``: how many requests weren't of the run's files.
    """
    about: dict[str, str] = {}
    ended, end = os.pipe()
    thread = threading.Thread(target=_record, args=(run_dir, files, place, ended, about))
    thread.start()
    try:
        yield about
    finally:
        os.close(end)
        thread.join()
        os.close(ended)


def _record(
    run_dir: Path, files: Sequence[str], place: Path, ended: int, about: dict[str, str]
) -> None:
    try:
        name = order(run_dir.name, place).name
    except UnavailableError as why:
        about["block"] = f"unavailable here: {why}"
        return
    try:
        with tracefs.opened() as root, _pipe(root / "instances" / name) as pipe:
            path = run_dir / "trace" / "block.piot"
            with TraceWriter(path, rank=-1, files=files, writer="block") as writer:
                about["block"] = "tracefs"
                recorder = Recorder(writer, run_dir)
                recorder.run(pipe, ended)
                (root / "instances" / name / "events/enable").write_text("0")
                recorder.finish(pipe)
                about["block_left_out"] = recorder.left_out
    except (UnavailableError, TraceError, OSError) as why:
        about["block"] = f"deltas: {why}"


@contextmanager
def _pipe(instance: Path) -> Iterator[int]:
    try:
        handle = os.open(instance / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UnavailableError("the kernel was not told to trace") from None
    try:
        yield handle
    finally:
        os.close(handle)


class Recorder:
    """Turn what the kernel traces into the records of a run.

    Parameters
    ----------
    writer : TraceWriter
        Where they go; its files are the run's.
    run_dir : Path
        Where interposers write which files they meet, and ranks where those lay that they remove.
    """

    def __init__(self, writer: TraceWriter, run_dir: Path) -> None:
        self._writer, self._names = writer, Names(writer, run_dir / "trace")
        self._where = Whereabouts(writer.files, run_dir / NOTES)
        self._requests = Requests()
        self._dropped = 0
        self._waiting: list[Request] = []
        self._others = self._other_bytes = 0

    @property
    def left_out(self) -> str:
        """What was traced and isn't the run's."""
        return f"{self._others:,} requests of {self._other_bytes:,} bytes of other files"

    def run(self, pipe: int, ended: int) -> None:
        """Record until told to end.

        Where the files lie is looked up as soon as a request is issued: a file may be gone when
        it is done.

        Parameters
        ----------
        pipe, ended : int
            Descriptors: of what the kernel traces, and of a pipe that is closed for the end.
        """
        pause = PAUSE
        while not select.select([ended], [], [], pause)[0]:
            began = time.monotonic()
            ready, _, _ = select.select([pipe, ended], [], [])
            rested = time.monotonic() - began > pause
            if pipe in ready:
                self._read(pipe, AT_ONCE)
                cost = self._settle()
                pause = max(PAUSE if rested else min(2 * pause, LONGEST), cost / SHARE)

    def finish(self, pipe: int) -> None:
        """Record what is left in the kernel, once it has stopped tracing."""
        self._read(pipe, LAST_LOOK)
        self._settle()

    def _read(self, pipe: int, seconds: float) -> None:
        """Take what was traced, for so long at most."""
        last = time.monotonic() + seconds
        with suppress(BlockingIOError):
            while text := os.read(pipe, 1 << 16):
                self._waiting += self._requests.feed(text)
                if time.monotonic() > last:
                    break
        self._writer.drop(self._requests.lost - self._dropped)
        self._dropped = self._requests.lost

    def _settle(self) -> float:
        """Write the requests that are the files', and return what looking for these cost."""
        began = time.thread_time()
        self._names.update()
        self._where.refresh()
        cost = time.thread_time() - began
        for request in sorted(self._waiting, key=lambda request: request.start):
            self._write(request)
        self._waiting.clear()
        return cost

    def _write(self, request: Request) -> None:
        """Write a record for each file that a request touches."""
        if request.op == Op.SYNC:
            self._one(request, Piece(-1, -1, 0, 0))
            return
        disk, _, address, length, _, end, _ = request
        pieces = self._where.find(disk, address, length, end)
        if not pieces:
            self._others += 1
            self._other_bytes += length
        elif len(pieces) == 1:
            self._one(request, pieces[0])
        else:
            for _, of_file in groupby(sorted(pieces), key=lambda piece: piece.file):
                self._append(request, list(of_file))

    def _append(self, request: Request, pieces: list[Piece]) -> None:
        """Write one record, and parts where a request holds pieces from here and there."""
        whole = pieces[0]._replace(length=sum(piece.length for piece in pieces))
        parent = self._one(request, whole)
        if len(pieces) > 1:
            for piece in pieces:
                self._one(request, piece, _PART, parent)

    def _one(self, request: Request, piece: Piece, flags: int = 0, parent: int = -1) -> int:
        return self._writer.append(
            layer=Layer.BLOCK,
            op=request.op,
            start=request.start,
            end=request.end,
            offset=piece.offset,
            length=piece.length,
            result=request.error or piece.length,
            file=piece.file,
            flags=flags | _FAILED if request.error else flags,
            aux=piece.address,
            parent=parent,
        )


class Names:
    """The names of the files that a run's interposers meet, added to a trace of ours.

    Parameters
    ----------
    writer : TraceWriter
        Of that trace.
    trace_dir : Path
        Where interposers write theirs.
    """

    def __init__(self, writer: TraceWriter, trace_dir: Path) -> None:
        self._writer, self._trace_dir = writer, trace_dir
        self._seen: dict[str, int] = {}
        self._known = set(writer.files)

    def update(self) -> None:
        """Add the names that are new."""
        for path in self._trace_dir.glob("below-*.piot"):
            with suppress(OSError, TraceError), path.open("rb") as file:
                header = parse_header(file.read(_HEADER), path)
                size = int(header["text_bytes"])
                if size != self._seen.get(path.name):
                    _, names = parse_text(file.read(size), path)
                    self._seen[path.name] = size
                    for name in names:
                        self._add(name)

    def _add(self, name: str) -> None:
        if name not in self._known:
            self._known.add(name)
            self._writer.add_file(name)
