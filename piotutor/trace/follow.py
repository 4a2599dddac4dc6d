"""Following the traces of a job while it runs."""

from __future__ import annotations

import fnmatch
import os
import re
import struct
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from piotutor.trace import clocks
from piotutor.trace.reader import merge_names
from piotutor.trace.record import HEADER, MAGIC, RECORD, State
from piotutor.trace.source import parse_header, parse_text, whole

_FIRST, _MOST = 64, 16384  # records read at the front of a gap: at first, and at most
_STROLL = 4096  # records looked through behind the front of one gap
_HEADER = struct.Struct("<12xI4xIi4xQQQqq")
_LAYER = 64  # the byte of a record that isn't 0 once it is whole
_FILLED = re.compile(rb"[^\0]+")
_CLOSED = int(State.CLOSED)  # a plain number: arithmetic on a flag takes ten times as long
_TICK = 2_000_000_000  # ns; no file system's clock is coarser


class Follower:
    """Hand out the new whole records of all trace files in a directory, each one once.

    Files may appear and grow at any time. A poll is cheap: it reads the header of each file
    that isn't finished and some records at the front of each gap, a run of records that are
    claimed but not whole yet. The rest of one gap in turn is looked through as well, so that
    records which aren't written in order are found too; when a file is closed, all of it is.

    Parameters
    ----------
    directory : path
        Where the ``*.piot`` files are, or will be.
    names : sequence of str
        Patterns of the files that are followed: some, where the others aren't looked at.
    several : bool
        Whether the ranks are on several hosts: then nothing is handed out before it is known how
        far their clocks are apart (see `clocks`), except by a last poll.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        names: Sequence[str] = ("*.piot",),
        *,
        several: bool = False,
    ) -> None:
        self.directory = Path(directory)
        self._hosts: clocks.Clocks | None = None
        self._several = several
        self._wanted = re.compile("|".join(map(fnmatch.translate, names)))
        self._tails: dict[str, Tail] = {}
        self._names: dict[str, int] = {}
        self._turn = 0
        self._listed = 0  # when the directory had changed, as of a listing that missed nothing

    @property
    def files(self) -> list[str]:
        """Names that the ``file`` field of polled records counts in; only ever grows."""
        return list(self._names)

    @property
    def dropped(self) -> int:
        """Records that found no room, so far, in all files."""
        return sum(tail.dropped for tail in self._tails.values())

    @property
    def finished(self) -> bool:
        """Whether every file that was seen is closed and read to its end."""
        return all(tail.finished for tail in self._tails.values())

    def poll(self, everything: bool = False, most: int | None = None) -> np.ndarray:
        """Return the records that became whole since the last poll, sorted by start.

        ``file`` indexes `files`; ``parent`` is as stored, an index into one rank's file.

        Parameters
        ----------
        everything : bool
            Look through every gap: for the last poll, when the job is over. (A rank that was
            killed has not closed its file.)
        most : int, optional
            Look at about so many files, in turn; by default at all, as for the last poll.

        Raises
        ------
        TraceError
            If a file is foreign or damaged.
        """
        self._discover(everything)
        if self._several and not everything and self._hosts is None:
            return np.empty(0, RECORD)
        self._turn += 1
        tails = [tail for tail in self._tails.values() if not tail.finished]
        rounds = 1 if most is None else max(1, -(-len(tails) // most))
        due = tails[self._turn % rounds :: rounds]
        runs: list[_Run] = []
        for place, tail in enumerate(due):
            runs += tail.poll(everything, wander=self._turn // rounds % len(due) == place)
        return self._merge(runs)

    def _discover(self, everything: bool) -> None:
        try:
            changed = self.directory.stat().st_mtime_ns
            if changed == self._listed and not everything:
                return
            with os.scandir(self.directory) as entries:
                names = {entry.name for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            return
        # what is made within a tick of the last change may leave the directory's time as it is
        self._listed = changed if time.time_ns() - changed > _TICK else 0
        for name in sorted(names - self._tails.keys()):
            if self._wanted.match(name):
                self._tails[name] = Tail(self.directory / name)
        if clocks.FILE in names and self._hosts is None:
            self._hosts = clocks.load(self.directory)

    def _merge(self, runs: list[_Run]) -> np.ndarray:
        """Return the records of all runs at once: numpy takes longer to call than to work."""
        records = np.frombuffer(bytearray().join([run.raw for run in runs]), RECORD)
        keep = whole(records)
        if not keep.all():
            _put_back(runs, ~keep)
            records["file"][~keep] = -1
        stop = 0
        for files, same in groupby(runs, lambda run: run.tail.files):
            start, stop = stop, stop + sum(run.size for run in same)
            column = records["file"][start:stop]
            column[:] = merge_names(self._names, files, column)
        if self._hosts is not None:
            self._correct(runs, records, self._hosts)
        # indexing looks at every field of every record, take and compress don't
        order = np.argsort(records["start"], kind="stable")
        merged: np.ndarray = records.take(order.compress(keep.take(order)))
        return merged

    @staticmethod
    def _correct(runs: list[_Run], records: np.ndarray, hosts: clocks.Clocks) -> None:
        """Put the records of all runs on rank 0's clock."""
        stop = 0
        for tail, same in groupby(runs, lambda run: run.tail):
            start, stop = stop, stop + sum(run.size for run in same)
            hosts.correct(records[start:stop], tail.rank, tail.booted)


class _Header(NamedTuple):
    """The fields of a file's header that a follower reads each time."""

    header_bytes: int
    state: int
    rank: int
    text_bytes: int
    records: int
    dropped: int
    monotonic: int
    wall: int


class _Run(NamedTuple):
    """Records one after the other in one file, each with its last word stored."""

    tail: Tail
    first: int
    raw: bytes

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.raw) // RECORD.itemsize


def _put_back(runs: list[_Run], wrong: np.ndarray) -> None:
    """Leave gaps where records, counted through all runs, are `wrong`."""
    stop = 0
    for run in runs:
        start, stop = stop, stop + run.size
        run.tail.put_back(run.first + np.flatnonzero(wrong[start:stop]))


class Tail:
    """The part of one trace file that hasn't been handed out: gaps, and what comes after.

    Attributes
    ----------
    path
        The file.
    files, dropped, rank, booted, base
        Of its header: names, records that found no room, the rank, when its clock was at 0 by the
        clock of the day (ns), and where records begin.
    finished
        Whether it is closed and read to its end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[str] = []
        self.dropped = 0
        self.finished = False
        self.rank = -1
        self.booted = 0
        self.base = 0
        self._seen = 0  # records that were claimed at the last poll
        self._text_bytes = 0
        self._gaps: list[tuple[int, int]] = []
        self._cursor = 0

    def poll(self, everything: bool, wander: bool) -> list[_Run]:
        """Return new runs of records: all, or those where new ones are likely."""
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            header = self._read_header(fd)
            if header is None:
                return []
            self.finished = bool(header.state & _CLOSED)
            scan = _Scan(self, fd, header.header_bytes)
            everything = everything or self.finished
            look = scan.all if everything else scan.front
            gaps = [left for gap in self._gaps for left in look(*gap)]
            if wander and gaps and not everything:
                gaps = self._look_further(scan, gaps)
            self._gaps = gaps + scan.all(self._seen, header.records)
            self._seen = header.records
        finally:
            os.close(fd)
        return scan.found

    def put_back(self, records: np.ndarray) -> None:
        """Make gaps of records that were found and can't be ones, or not yet."""
        gaps = [(record, record + 1) for record in records.tolist()]
        self._gaps = _join(sorted(self._gaps + gaps))

    def _read_header(self, fd: int) -> _Header | None:
        raw = os.pread(fd, HEADER.itemsize, 0)
        if len(raw) < HEADER.itemsize or raw.startswith(bytes(len(MAGIC))):
            return None  # its writer is only beginning
        header = _Header(*_HEADER.unpack_from(raw))
        self.dropped = header.dropped
        self.rank, self.booted = header.rank, header.wall - header.monotonic
        self.base = header.header_bytes
        if header.text_bytes != self._text_bytes:
            parse_header(raw, self.path)
            self._text_bytes = header.text_bytes
            text = os.pread(fd, self._text_bytes, HEADER.itemsize)
            _, self.files = parse_text(text, self.path)
        return header

    def _look_further(self, scan: _Scan, gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Look through one window of the gaps, the next one each time."""
        gap = next((gap for gap in gaps if gap[1] > self._cursor), gaps[0])
        start = self._cursor if gap[0] < self._cursor < gap[1] else gap[0]
        self._cursor = min(gap[1], start + _STROLL)
        inner = scan.all(start, self._cursor)
        pieces = _join([(gap[0], start), *inner, (self._cursor, gap[1])])
        place = gaps.index(gap)
        return [*gaps[:place], *pieces, *gaps[place + 1 :]]


class _Scan:
    """Reads of one poll in one file; `found` collects what looks whole."""

    def __init__(self, tail: Tail, fd: int, base: int) -> None:
        self.found: list[_Run] = []
        self._tail = tail
        self._fd = fd
        self._base = base

    def front(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Read a gap from its front until something isn't whole; return what is left of it."""
        window = _FIRST
        while start < stop:
            middle = min(stop, start + window)
            if gaps := self._window(start, middle):
                return _join([*gaps, (middle, stop)])
            start, window = middle, min(2 * window, _MOST)
        return []

    def all(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Read a run of records; return the gaps in it."""
        gaps: list[tuple[int, int]] = []
        for first in range(start, stop, _MOST):
            gaps += self._window(first, min(stop, first + _MOST))
        return _join(gaps)

    def _window(self, start: int, stop: int) -> list[tuple[int, int]]:
        size = RECORD.itemsize
        raw = os.pread(self._fd, (stop - start) * size, self._base + start * size)
        layers = raw[_LAYER::size][: len(raw) // size]
        edges = [start]
        for first, last in (filled.span() for filled in _FILLED.finditer(layers)):
            self.found.append(_Run(self._tail, start + first, raw[first * size : last * size]))
            edges += start + first, start + last
        gaps = zip(edges[::2], [*edges[1::2], stop], strict=True)
        return [gap for gap in gaps if gap[0] < gap[1]]


def _join(gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join neighbours that touch; drop empty ones."""
    joined: list[tuple[int, int]] = []
    for start, stop in gaps:
        if start == stop:
            continue
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined
