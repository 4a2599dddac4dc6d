"""System calls that strace wrote down, as ``POSIX`` records: its durations are not the real ones.

What is read: a log (``-o FILE``, with or without ``-f``, ``-y``, ``-T`` and any of ``-t -tt -ttt
-r``), or a directory of them (``-ff``, or one for each rank). The rank is that in the environment
of the program where the log shows it (``-v -e trace=execve``), else that in the name of the file
(``rank3``, ``rank3.4711``); else processes are numbered as they come.
"""

from __future__ import annotations

import errno
import heapq
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from piotutor.trace.calls import call_flag
from piotutor.trace.importers.strace_calls import CALLS, What, function_of, whats
from piotutor.trace.importers.strace_files import FOLLOWED, Files, Process
from piotutor.trace.importers.strace_lines import Call, Reader
from piotutor.trace.interest import Interest
from piotutor.trace.reader import Trace
from piotutor.trace.record import RECORD, Flag, Layer, Op, TraceError

_SMALL = 1 << 20  # bytes of a log that is read at once, so that few files are open
_ROWS = 8192
_RANK_FILE = re.compile(r"(?:.*?rank[-_.]?)0*(\d+)(?:\.(\d+))?$")
_PID_FILE = re.compile(r".*\.(\d+)$")
_FIELDS = ("start", "end", "offset", "length", "result", "rank", "thread", "file", "op", "flags")
# plain numbers: arithmetic on flags takes ten times as long
_INFLATED, _FAILED, _DIRECT = map(int, (Flag.INFLATED, Flag.FAILED, Flag.DIRECT))
_SHORT, _MOVES = int(Flag.SHORT), (Op.READ, Op.WRITE)
Row = tuple[int, ...]


class Log:
    """Turns calls, in the order of time, into records.

    Parameters
    ----------
    interest : Interest
        The files that count.
    shift : int
        Nanoseconds to add to the log's times.
    foreign : bool
        Whether the log isn't from a run of ours: then descriptors count whose opens aren't in it,
        and processes without a rank get one each, as they come, instead of 0.

    Attributes
    ----------
    names : dict
        Names of files to their indices.
    """

    def __init__(self, interest: Interest, shift: int = 0, *, foreign: bool = False) -> None:
        self.names: dict[str, int] = {}
        self.files = Files(adopt=foreign)
        self._interest, self._shift, self._foreign = interest, shift, foreign
        self._ranks: dict[int, int] = {}
        self._rows: list[Row] = []

    def records(self, calls: Iterable[tuple[Call, int]]) -> Iterator[np.ndarray]:
        """Yield records, some thousands at a time, of calls and the ranks of their files.

        A rank of -1 is one that the file's name doesn't tell.
        """
        for call, rank in calls:
            process = self.files.process(call.pid)
            process.rank = rank if process.rank < 0 else process.rank
            for what in self._read(process, call):
                if what.path in self._interest and not process.launcher:
                    self._rows.append(self._row(process, call, what))
            if len(self._rows) >= _ROWS:
                yield self._flush()
        yield self._flush()

    def _read(self, process: Process, call: Call) -> list[What]:
        try:
            return whats(self.files, process, call)
        except (ValueError, LookupError):  # words that no kernel ever wrote there
            return []

    def _row(self, process: Process, call: Call, what: What) -> Row:
        start, result = call.start + self._shift, _result(call)
        flags = _INFLATED | call_flag(function_of(call.name))
        flags |= _FAILED * (result < 0) | _DIRECT * what.direct
        flags |= _SHORT * (what.op in _MOVES and 0 <= result < what.length)
        file = self.names.setdefault(what.path, len(self.names))
        when = (start, start + max(call.took, 0))
        where = (what.offset, what.length, result)
        rank = process.rank if process.rank >= 0 else self._rank(process.root or call.pid)
        return (*when, *where, rank, process.thread, file, what.op, flags)

    def _rank(self, pid: int) -> int:
        return self._ranks.setdefault(pid, len(self._ranks)) if self._foreign else 0

    def _flush(self) -> np.ndarray:
        found = np.zeros(len(self._rows), RECORD)
        columns = np.array(self._rows, np.int64).reshape(-1, len(_FIELDS)).T
        for name, column in zip(_FIELDS, columns, strict=True):
            found[name] = column
        found["layer"] = Layer.POSIX
        found["target"] = found["parent"] = -1
        self._rows = []
        return found


TRACED = tuple(dict.fromkeys((*CALLS, *FOLLOWED)))
"""The calls that a log must hold for all that is told here."""


def sniff(path: Path) -> bool:
    """Say whether a file, or the first of a directory's, looks like strace's."""
    names = _logs(path)
    if not names:
        return False
    reader = Reader()
    with names[0].open(encoding="utf-8", errors="surrogateescape") as file:
        lines = [line for _, line in zip(range(50), file, strict=False)]
    return bool(list(reader.calls(lines))) and reader.strange <= reader.understood


def load(path: Path) -> Trace:
    """Read a log, or a directory of them.

    Raises
    ------
    TraceError
        It is none; the line names the file and what is strange in it.
    """
    names = _logs(path)
    if not names:
        raise TraceError(f"{path}: holds no files, so no logs of strace")
    log = Log(Interest(c_library=False), foreign=True)
    readers: list[Reader] = []
    records = np.concatenate([*log.records(calls_of(names, readers))])
    meta = {"clock": "none: the order of the calls"} if not any(r.timed for r in readers) else {}
    strange = sum(reader.strange for reader in readers)
    if strange:
        meta["damage"] = f"{strange:,} lines of the log made no sense"
    return Trace.from_records(records, files=[*log.names], meta=meta)


def calls_of(paths: Iterable[Path], readers: list[Reader]) -> Iterator[tuple[Call, int]]:
    """Yield the calls of some logs in the order of time, each with its file's rank, or -1."""
    streams = []
    for path in paths:
        readers.append(Reader())
        streams.append(_calls(path, readers[-1]))
    return heapq.merge(*streams, key=lambda found: found[0].start)


def _logs(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = (found for found in path.iterdir() if found.is_file())
    return sorted(found for found in files if found.stat().st_size)  # -ff: idle processes too


def _calls(path: Path, reader: Reader) -> Iterator[tuple[Call, int]]:
    """Yield the calls of one log, or say what it is instead."""
    named, numbered = _RANK_FILE.match(path.name), _PID_FILE.match(path.name)
    rank = int(named[1]) if named else -1
    pid = int(numbered[1]) if numbered else 0
    try:
        for call in reader.calls(_lines(path)):
            yield (call._replace(pid=pid or -rank - 1) if not call.pid else call), rank
    except OSError as error:
        raise TraceError(f"{path}: can't be read: {error.strerror}") from None
    if not reader.understood and not reader.strange:
        raise TraceError(f"{path}: is empty, no log of strace")
    if reader.strange > reader.understood:
        line = reader.first_strange
        raise TraceError(f"{path}: is no log of strace: line {line} is no system call")


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        if path.stat().st_size > _SMALL:
            yield from file
            return
        lines = file.readlines()
    yield from lines


def _result(call: Call) -> int:
    """Return what the kernel returned: an error is its number, negative."""
    if call.result == -1 and call.error:
        return -getattr(errno, call.error, 1)
    return call.result or 0
