"""dftracer's logs: JSON, one event a line, one file a process (``*.pfw``, ``*.pfw.gz``).

Tried with logs of dftracer 2.0.0, 2.1.0 and 2.2.0 (PyPI); the older two write ``ph`` as a letter
and begin with a bracket. A log names no descriptors and no ranks: processes are numbered by host
and process number, children that were forked count as their parents, and the offset of a plain
read or write follows from the seeks and opens before it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from piotutor.trace.calls import call_flag
from piotutor.trace.importers import json_lines
from piotutor.trace.importers.columns import OPS, number, plain, records
from piotutor.trace.importers.positions import positions
from piotutor.trace.interest import C_LIBRARY, Interest
from piotutor.trace.reader import Trace
from piotutor.trace.record import Flag, Layer, Op, TraceError

_COMPLETE, _ABOUT = ("X", 1), ("M", 4)  # of an event's ``ph``: a call, and what explains others
_UNITS = {"NS": 1, "US": 10**3, "MS": 10**6, "SEC": 10**9}
_APPEND = 0o2000  # of the flags of open, on Linux
_MISSING = (
    "ranks: processes are numbered by host and process number",
    "MPI-IO and HDF5 calls, pwritev, preadv and ftruncate",
    "descriptors: offsets of plain reads and writes are worked out from opens and seeks",
)
_ROW = np.dtype(
    [("start", "<i8"), ("took", "<i8"), ("offset", "<i8"), ("length", "<i8"), ("result", "<i8")]
    + [(name, "<i4") for name in ("process", "thread", "file", "call", "place", "append")]
)


def sniff(path: Path) -> bool:
    """Say whether this looks like a log, or a directory of logs, of dftracer."""
    if path.is_dir():
        return bool(_logs(path))
    return '"cat":"dftracer"' in json_lines.head(path).replace(" ", "")


def load(path: Path) -> Trace:
    """Read one log, or all logs of a directory as one run.

    Raises
    ------
    TraceError
        There is none, or it isn't one of dftracer.
    """
    log = _Log()
    for file in _logs(path) if path.is_dir() else [path]:
        log.read(file)
    if not log.events:
        raise TraceError(f"{path}: holds no events of dftracer")
    return log.trace()


def _logs(directory: Path) -> list[Path]:
    return sorted([*directory.glob("*.pfw"), *directory.glob("*.pfw.gz")])


class _Log:
    """What all files say."""

    def __init__(self) -> None:
        self.events = 0
        self.damage: list[str] = []
        self.other: Counter[str] = Counter()
        self._rows: list[np.ndarray] = []
        self._processes: dict[tuple[str, int], int] = {}
        self._threads: dict[tuple[int, int], int] = {}
        self._files: dict[str, int] = {}
        self._calls: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._parents: dict[tuple[str, int], int] = {}
        self._command = self._version = ""
        self._unit = _UNITS["US"]

    def read(self, path: Path) -> None:
        """Take in one file.

        Raises
        ------
        TraceError
            It is none of dftracer; one that ends early is kept up to there.
        """
        for line, events in json_lines.blocks(path, self.damage):
            try:
                self._take(events)
            except (LookupError, TypeError, ValueError, OverflowError, AttributeError) as error:
                text = f"{path}: from line {line:,} on: no event as dftracer writes it ({error!r})"
                raise TraceError(text) from None

    def _take(self, events: list[dict[str, Any]]) -> None:
        self.events += len(events)
        rows = []
        for event in events:
            if event["ph"] in _ABOUT:
                self._explain(event["name"], event["args"])
            elif event["cat"] in ("POSIX", "STDIO"):
                name = plain(event["name"])
                if name in OPS:
                    rows.append(self._row(event, name, event.get("args", {})))
                else:
                    self.other[name] += 1
            elif event["name"] == "start" and event["cat"] == "dftracer":
                self._begin(event, event.get("args", {}))
            elif event["cat"] != "dftracer":
                self.other[event["cat"]] += 1
        self._rows.append(np.array(rows, _ROW))

    def _explain(self, name: str, args: dict[str, Any]) -> None:
        if name in ("FH", "HH", "SH"):
            self._names[str(args["value"])] = str(args["name"])
        elif name == "CM" and args["name"] == "time_metric":
            self._unit = _UNITS[args["value"]]

    def _begin(self, event: dict[str, Any], args: dict[str, Any]) -> None:
        host = str(args.get("hhash", ""))
        self._parents[host, event["pid"]] = args.get("ppid", -1)
        self._command = self._command or str(args.get("cmd_hash", ""))
        version = args.get("version", self._version)  # 20003 or v2.0.3
        if isinstance(version, int):
            version = f"{version // 10000}.{version // 100 % 100}.{version % 100}"
        self._version = version.removeprefix("v")

    def _row(self, event: dict[str, Any], name: str, args: dict[str, Any]) -> tuple[int, ...]:
        pid = event["pid"]
        process = self._processes.setdefault(
            (str(args.get("hhash", "")), pid), len(self._processes)
        )
        thread = self._threads.setdefault((process, event["tid"]), len(self._threads))
        key = f"{event['cat'][0]}{args.get('fhash', args.get('fname', ''))}"
        size = args.get("size", 1) if name in ("fread", "fwrite") else 1
        result = args.get("ret", -2)
        return (
            event["ts"],
            event["dur"],
            args.get("offset", -1),
            args.get("count", 0) * size,
            result * size if result > 0 else result,
            process,
            thread,
            self._files.setdefault(key, len(self._files)),
            self._calls.setdefault(name, len(self._calls)),
            args.get("whence", 0),
            OPS[name] == Op.OPEN and _appends(args),
        )

    def trace(self) -> Trace:
        """Make a trace of all that was taken in."""
        rows = np.concatenate(self._rows)
        rows = rows[np.argsort(rows["start"], kind="stable")]
        calls = list(self._calls)
        op = np.array([OPS[name] for name in calls], np.uint8)[rows["call"]]
        rank, client = self._ranks()
        start = rows["start"] * self._unit
        offset = self._offsets(rows, op)
        moves = (op == Op.READ) | (op == Op.WRITE)
        length = np.where(moves, np.where(rows["length"] > 0, rows["length"], rows["result"]), 0)
        result = np.where(rows["result"] == -2, 0, rows["result"])
        flags = np.array([call_flag(name) for name in calls], np.uint16)[rows["call"]]
        flags |= np.where(result < 0, np.uint16(Flag.FAILED), np.uint16(0))
        flags |= np.where(moves & (result >= 0) & (result < length), Flag.SHORT, 0).astype(
            np.uint16
        )
        thread = self._thread_numbers(rank)
        files, names = self._file_names()
        made = records(
            len(rows),
            start=start,
            end=start + rows["took"] * self._unit,
            offset=offset,
            length=np.maximum(length, 0),
            result=result,
            rank=rank[rows["process"]],
            client=client[rows["process"]],
            thread=thread[rows["thread"]],
            file=files[rows["file"]],
            layer=Layer.POSIX,
            op=op,
            flags=flags,
        )
        interest = Interest(skip=C_LIBRARY)
        wanted = np.array([*(name in interest for name in names), True], bool)
        return Trace.from_records(made[wanted[made["file"]]], files=names, meta=self._meta())

    def _ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """Give processes and hosts numbers; a child counts as its parent."""
        hosts = sorted(
            {host for host, _ in self._processes}, key=lambda host: self._names.get(host, host)
        )
        roots = [self._root(process) for process in self._processes]
        order = sorted(set(roots), key=lambda root: (hosts.index(root[0]), root[1]))
        rank = np.array([order.index(root) for root in roots], np.int32)
        return rank, np.array([hosts.index(host) for host, _ in self._processes], np.int32)

    def _root(self, process: tuple[str, int]) -> tuple[str, int]:
        """Return the first process of a family."""
        seen = {process}
        while (parent := (process[0], self._parents.get(process, -1))) in self._parents:
            if parent in seen:
                break
            seen.add(parent)
            process = parent
        return process

    def _thread_numbers(self, rank: np.ndarray) -> np.ndarray:
        """Give the threads of each rank numbers from 0, as they come."""
        counts: Counter[int] = Counter()
        found = []
        for process, _ in self._threads:
            found.append(counts[int(rank[process])])
            counts[int(rank[process])] += 1
        return np.array(found, np.int32)

    def _file_names(self) -> tuple[np.ndarray, list[str]]:
        """Return the number of each file, and their names; one without any is -1."""
        paths = [self._names.get(key[1:], key[1:]) for key in self._files]
        numbers, names = number(path for path in paths if path)
        found = np.full(len(paths), -1, np.int32)
        found[[bool(path) for path in paths]] = numbers
        return found, names

    def _offsets(self, rows: np.ndarray, op: np.ndarray) -> np.ndarray:
        """Return where each operation was; -1 where it has no place, or nobody knows."""
        seeks, stated = op == Op.SEEK, rows["offset"]
        moves = ((op == Op.READ) | (op == Op.WRITE)) & (stated < 0)
        stream = np.array([key[0] == "S" for key in self._files], bool)[rows["file"]]
        to = np.where(rows["place"] == 0, stated, -1)  # SEEK_SET
        to = np.where(stream, to, np.maximum(rows["result"], -1))  # lseek returns it
        to = np.where(rows["call"] == self._calls.get("rewind", -1), 0, to)
        place = np.where(op == Op.OPEN, np.where(rows["append"] > 0, -1, 0), to)
        group = rows["process"].astype(np.int64) * len(self._files) + rows["file"]
        moved = np.where(moves, np.maximum(rows["result"], 0), 0)
        found = np.where(seeks, place, positions(group, op, moved, place))
        appended = np.isin(group, group[rows["append"] > 0]) & (op == Op.WRITE)
        found = np.where(moves & ~appended | seeks, found, -1)
        return np.where(stated >= 0, np.where(seeks, found, stated), found)

    def _meta(self) -> dict[str, Any]:
        missing = list(_MISSING)
        if self.other:
            most = ", ".join(f"{name} ({n:,})" for name, n in self.other.most_common(5))
            missing.append(f"{self.other.total():,} other events: {most}")
        if not any(key[1:] for key in self._files):
            missing.insert(
                0, "files, offsets and lengths: set DFTRACER_INC_METADATA=1 to have them"
            )
        version = self._version or "unknown"
        meta = {"tool": "dftracer", "version": version, "clock": "wall clock", "missing": missing}
        if self._command in self._names:
            meta["command"] = self._names[self._command].replace(";", " ")
        return {"source": meta, **({"damage": self.damage} if self.damage else {})}


def _appends(args: dict[str, Any]) -> bool:
    """Say whether a file was opened to append: by the flags of open, or the mode of fopen."""
    mode = args.get("mode")
    return mode.startswith("a") if isinstance(mode, str) else bool(args.get("flags", 0) & _APPEND)
