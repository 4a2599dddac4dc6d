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
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from piotutor.trace.calls import call_flag
from piotutor.trace.importers.strace_files import FOLLOWED, Files, Process
from piotutor.trace.importers.strace_lines import Call, Reader
from piotutor.trace.interest import C_LIBRARY, Interest
from piotutor.trace.reader import Trace
from piotutor.trace.record import RECORD, Flag, Layer, Op, TraceError

_SMALL = 1 << 20  # bytes of a log that is read at once, so that few files are open
_ROWS = 8192
_RANK_FILE = re.compile(r"(?:.*?rank[-_.]?)0*(\d+)(?:\.(\d+))?$")
_PID_FILE = re.compile(r".*\.(\d+)$")
_LENGTH = re.compile(r"iov_len=(\d+)")
_LOCK = re.compile(r"l_type=F_(\w+), l_whence=SEEK_(\w+), l_start=(-?\d+), l_len=(-?\d+)")
_FIELDS = ("start", "end", "offset", "length", "result", "rank", "thread", "file", "op", "flags")
Row = tuple[int, ...]


class What(NamedTuple):
    """What a record says of a call, apart from when and who."""

    op: Op
    path: str
    offset: int = -1
    length: int = 0
    direct: bool = False


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
            what = self._read(process, call)
            if what is not None and what.path in self._interest and not process.launcher:
                self._rows.append(self._row(process, call, what))
            if len(self._rows) >= _ROWS:
                yield self._flush()
        yield self._flush()

    def _read(self, process: Process, call: Call) -> What | None:
        act = _CALLS.get(call.name)
        try:
            what = act(self, process, call) if act and call.result is not None else None
            self.files.follow(process, call)
        except (ValueError, IndexError):  # words that no kernel ever wrote there
            return None
        return what

    def _row(self, process: Process, call: Call, what: What) -> Row:
        start, result = call.start + self._shift, _result(call)
        flags = Flag.INFLATED | call_flag(_plain(call.name))
        moves = what.op in (Op.READ, Op.WRITE)
        flags |= Flag.FAILED * (result < 0) | Flag.DIRECT * what.direct
        flags |= Flag.SHORT * (moves and 0 <= result < what.length)
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

    def _open(self, process: Process, call: Call) -> What | None:
        relative = call.name.startswith("openat")
        path = self.files.path(process, call.args[0] if relative else "", call.args[relative])
        flags = call.args[1 + relative] if call.name != "creat" else "O_WRONLY|O_CREAT|O_TRUNC"
        if "O_DIRECTORY" in flags or "O_PATH" in flags:
            return None
        if call.result is not None and call.result >= 0:
            self.files.opened(process, call.pid, call, path, flags)
            path = process.files[call.result].path
        return What(Op.OPEN, path)

    def _transfer(self, process: Process, call: Call) -> What | None:
        file = self.files.at(process, call.args[0])
        if file is None:
            return None
        op = Op.WRITE if "write" in call.name else Op.READ
        vector = call.args[1].startswith("[{")
        asked = sum(map(int, _LENGTH.findall(call.args[1]))) if vector else 0
        asked = asked if "v" in _plain(call.name) else int(call.args[2], 0)
        asked = max(asked, call.result or 0)  # strace -s0 doesn't list a vector
        moved = call.result or 0
        at = int(call.args[3]) if call.name.startswith("p") else -1
        if at < 0:
            at = self.files.advance(file, moved, writing=op == Op.WRITE)
        elif op == Op.WRITE:
            self.files.wrote(file, at + max(moved, 0))
        return What(op, file.path, at, asked, file.direct)

    def _seek(self, process: Process, call: Call) -> What | None:
        file = self.files.at(process, call.args[0])
        if file is None:
            return None
        long = call.name == "_llseek"  # its result stands in brackets
        to = int(call.args[2].strip("[]")) if long else call.result
        if call.result is not None and call.result >= 0:
            file.position = to
            if call.args[-1] == "SEEK_END" and call.args[1] == "0" and to is not None:
                self.files.ends[file.path] = to
        return What(Op.SEEK, file.path, -1 if to is None else to)

    def _whole(self, process: Process, call: Call) -> What | None:
        file = self.files.at(process, call.args[0])
        if file is None:
            return None
        op, offset, length = Op.SYNC, -1, 0
        if call.name.startswith("ftruncate"):
            op, offset = Op.TRUNCATE, int(call.args[1])
            self.files.ends[file.path] = offset
        elif call.name == "fallocate":
            op, offset, length = Op.ALLOCATE, int(call.args[2]), int(call.args[3])
            if call.args[1] == "0":
                self.files.wrote(file, offset + length)
        elif call.name == "sync_file_range":
            offset, length = int(call.args[1]), int(call.args[2])
        elif call.name == "close":
            op = Op.CLOSE
        return What(op, file.path, offset, length)

    def _lock(self, process: Process, call: Call) -> What | None:
        file = self.files.at(process, call.args[0])
        if file is None or not call.args[1].removeprefix("F_OFD_").removeprefix("F_").startswith(
            ("SETLK", "LOCK_")
        ):
            return None
        found = _LOCK.search(call.args[-1])
        if found is None:  # flock: the whole file
            return What(Op.UNLOCK if "LOCK_UN" in call.args[1] else Op.LOCK, file.path, 0, 0)
        base = {"SET": 0, "CUR": file.position, "END": self.files.ends.get(file.path)}[found[2]]
        offset = -1 if base is None else base + int(found[3])
        op = Op.UNLOCK if found[1] == "UNLCK" else Op.LOCK
        return What(op, file.path, offset, int(found[4]))

    def _named(self, process: Process, call: Call) -> What | None:
        at = call.name.startswith(("unlinkat", "renameat"))
        path = self.files.path(process, call.args[0] if at else "", call.args[at])
        if call.name.startswith("unlink"):
            return None if call.args[-1] == "AT_REMOVEDIR" else What(Op.REMOVE, path)
        if call.name.startswith("truncate"):
            return What(Op.TRUNCATE, path, int(call.args[1]))
        new = self.files.path(process, call.args[2] if at else "", call.args[3 if at else 1])
        if call.result == 0:
            self.files.renamed(path, new)
        return What(Op.RENAME, path)


_Act = Callable[[Log, Process, Call], "What | None"]
_PLAIN = ("read", "write", "readv", "writev")
_PLACED = ("pread", "pwrite", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2")
_CALLS: dict[str, _Act] = {
    **dict.fromkeys(("open", "openat", "openat2", "creat"), Log._open),
    **dict.fromkeys((*_PLAIN, *_PLACED), Log._transfer),
    **dict.fromkeys(("lseek", "_llseek"), Log._seek),
    **dict.fromkeys(("close", "fsync", "fdatasync", "sync_file_range"), Log._whole),
    **dict.fromkeys(("ftruncate", "ftruncate64", "fallocate"), Log._whole),
    **dict.fromkeys(("fcntl", "fcntl64", "flock"), Log._lock),
    **dict.fromkeys(("unlink", "unlinkat", "truncate", "truncate64"), Log._named),
    **dict.fromkeys(("rename", "renameat", "renameat2"), Log._named),
}
TRACED = tuple(dict.fromkeys((*_CALLS, *FOLLOWED)))
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
    log = Log(Interest(skip=C_LIBRARY), foreign=True)
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
    return sorted(found for found in path.iterdir() if found.is_file())


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


def _lines(path: Path) -> Iterable[str]:
    file = path.open(encoding="utf-8", errors="surrogateescape", newline="\n")
    if path.stat().st_size <= _SMALL:
        with file:
            return file.readlines()
    return file


def _result(call: Call) -> int:
    """Return what the kernel returned: an error is its number, negative."""
    if call.result == -1 and call.error:
        return -getattr(errno, call.error, 1)
    return call.result or 0


def _plain(name: str) -> str:
    """Return the name of the function that makes a call: pread of pread64."""
    return "lseek" if name == "_llseek" else name.removesuffix("64")
