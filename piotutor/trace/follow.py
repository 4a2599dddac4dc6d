"""Following the traces of a job while it runs."""

from __future__ import annotations

import os
import struct
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from piotutor.trace.reader import merge_names
from piotutor.trace.record import HEADER, MAGIC, RECORD, State
from piotutor.trace.source import parse_header, parse_text, whole

_FIRST, _MOST = 64, 16384  # records read at the front of a gap: at first, and at most
_STROLL = 4096  # records looked through behind the front of one gap
_HEADER = struct.Struct("<12xI4xI8xQQQ")
_LAYER = 64  # the byte of a record that isn't 0 once it is whole
_WHOLE = bytes(range(1, 256))


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
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self._tails: dict[str, _Tail] = {}
        self._names: dict[str, int] = {}
        self._turn = 0

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
        self._discover()
        self._turn += 1
        tails = [tail for tail in self._tails.values() if not tail.finished]
        rounds = 1 if most is None else max(1, -(-len(tails) // most))
        due = tails[self._turn % rounds :: rounds]
        parts: list[np.ndarray] = []
        for place, tail in enumerate(due):
            found = tail.poll(everything, wander=self._turn // rounds % len(due) == place)
            for records in found:
                records["file"] = merge_names(self._names, tail.files, records["file"])
            parts += found
        # numpy's own concatenation looks at every field of every part
        merged = np.frombuffer(bytearray().join(part.data for part in parts), RECORD)
        return merged[np.argsort(merged["start"], kind="stable")]

    def _discover(self) -> None:
        if self.directory.is_dir():
            found = self.directory.glob("*.piot")
            for path in sorted(path for path in found if path.name not in self._tails):
                self._tails[path.name] = _Tail(path)


class _Header(NamedTuple):
    """The fields of a file's header that a follower reads each time."""

    header_bytes: int
    state: int
    text_bytes: int
    records: int
    dropped: int


class _Tail:
    """The part of one trace file that hasn't been handed out: gaps, and what comes after."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[str] = []
        self.dropped = 0
        self.finished = False
        self._seen = 0  # records that were claimed at the last poll
        self._text_bytes = 0
        self._gaps: list[tuple[int, int]] = []
        self._cursor = 0

    def poll(self, everything: bool, wander: bool) -> list[np.ndarray]:
        """Return new whole records: all, or those where new ones are likely."""
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            header = self._read_header(fd)
            if header is None:
                return []
            self.finished = bool(header.state & State.CLOSED)
            scan = _Scan(fd, header.header_bytes)
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

    def _read_header(self, fd: int) -> _Header | None:
        raw = os.pread(fd, HEADER.itemsize, 0)
        if len(raw) < HEADER.itemsize or raw.startswith(bytes(len(MAGIC))):
            return None  # its writer is only beginning
        header = _Header(*_HEADER.unpack_from(raw))
        self.dropped = header.dropped
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
    """Reads of one poll in one file; `found` collects the whole records."""

    def __init__(self, fd: int, base: int) -> None:
        self.found: list[np.ndarray] = []
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
        edges = [*range(start, stop, _MOST), stop]
        return _join([gap for pair in pairwise(edges) for gap in self._window(*pair)])

    def _window(self, start: int, stop: int) -> list[tuple[int, int]]:
        size = RECORD.itemsize
        raw = os.pread(self._fd, (stop - start) * size, self._base + start * size)
        layers = raw[_LAYER::size][: len(raw) // size]
        front = len(layers) - len(layers.lstrip(_WHOLE))
        if not layers[front:].strip(b"\0"):  # the usual case: records are done in order
            records = np.frombuffer(bytearray(raw[: front * size]), RECORD)
            if front == 0 or whole(records).all():
                self.found += [records] if front else []
                return [(start + front, stop)] if start + front < stop else []
        records = np.zeros(stop - start, RECORD)
        held = np.frombuffer(raw, RECORD, len(raw) // size)
        records[: len(held)] = held
        keep = whole(records)
        if keep.any():
            self.found.append(records[keep])
        padded = np.concatenate(([True], keep, [True]))
        edges = np.flatnonzero(padded[1:] != padded[:-1])
        return [(start + int(a), start + int(b)) for a, b in edges.reshape(-1, 2)]


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
