"""elbencho's operations log (``--opslog``: JSON, one line where a call begins, one where it ends).

Tried with elbencho 3.1-10, whose sources define it (``source/toolkits/OpsLogger.cpp``). Times are
whole milliseconds, so they are never shown as latencies. A file is named when it is opened,
afterwards only its descriptor is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from piotutor.trace.calls import call_flag
from piotutor.trace.importers import elbencho_live, json_lines
from piotutor.trace.importers.columns import OPS, milliseconds, records
from piotutor.trace.importers.elbencho_live import HEADER
from piotutor.trace.reader import Trace
from piotutor.trace.record import Flag, Layer, Op, TraceError

_OTHERS = {
    **{"cuFileRead": Op.READ, "hdfsPread": Op.READ, "S3GetObject": Op.READ},
    **{"cuFileWrite": Op.WRITE, "hdfsWrite": Op.WRITE},
    **{"S3PutObject": Op.WRITE, "S3UploadPart": Op.WRITE},
}
_OPS = {**OPS, **_OTHERS}
_KEYS = ("date", "worker_rank", "op_name", "entry_name", "offset", "length")
_ROW = np.dtype(
    [("offset", "<i8"), ("length", "<i8")]
    + [(name, "<i4") for name in ("rank", "call", "entry", "finished", "failed")]
)
_MISSING = (
    "times finer than milliseconds, so there are no latencies",
    "names of files that were open from the start: descriptors stand for them",
    "what a call returned: one that didn't fail is taken to have moved what it was asked to",
)


def sniff(path: Path) -> bool:
    """Say whether this looks like a file of elbencho."""
    if not path.is_file():
        return False
    head = json_lines.head(path, 2048)
    line = head.partition("\n")[0]
    return head.startswith(HEADER) or all(f'"{key}": ' in line for key in _KEYS)


def load(path: Path) -> Trace:
    """Read an operations log or a live CSV.

    Raises
    ------
    TraceError
        It is neither, or damaged.
    """
    if not sniff(path):
        raise TraceError(f"{path}: is neither an operations log nor a live CSV of elbencho")
    if json_lines.head(path, len(HEADER)) == HEADER:
        return elbencho_live.load(path)
    return _load_log(path)


def _load_log(path: Path) -> Trace:
    damage: list[str] = []
    calls: dict[str, int] = {}
    entries: dict[str, int] = {}
    rows, times = [np.empty(0, _ROW)], [np.empty(0, np.int64)]
    for line, events in json_lines.blocks(path, damage):
        try:
            rows.append(_rows(events, calls, entries))
            times.append(milliseconds([event["date"] for event in events]) * 10**6)
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            text = f"{path}: from line {line:,} on: not as elbencho writes it ({error!r})"
            raise TraceError(text) from None
    log = _Log(np.concatenate(rows), np.concatenate(times), list(calls), list(entries))
    made, names, notes = log.records()
    source: dict[str, Any] = {"tool": "elbencho", "version": "unknown"}
    source |= {"clock": "wall clock, in ms", "missing": [*notes, *_MISSING]}
    meta: dict[str, Any] = {"source": source, **({"damage": damage} if damage else {})}
    return Trace.from_records(made, files=names, meta=meta)


def _rows(
    events: list[dict[str, Any]], calls: dict[str, int], entries: dict[str, int]
) -> np.ndarray:
    rows = [
        (
            event["offset"],
            event["length"],
            event["worker_rank"],
            calls.setdefault(event["op_name"], len(calls)),
            entries.setdefault(event["entry_name"], len(entries)),
            event["is_finished"],
            event["is_error"],
        )
        for event in events
    ]
    return np.array(rows, _ROW)


class _Log:
    """The lines of an operations log, column by column."""

    def __init__(
        self, rows: np.ndarray, times: np.ndarray, calls: list[str], entries: list[str]
    ) -> None:
        order = np.argsort(rows["rank"], kind="stable")  # a worker's lines are in order
        self.rows, self.times = rows[order], times[order]
        self.calls, self.entries = calls, entries
        ops = [int(_OPS.get(name, 0)) for name in calls]
        self.op = np.array(ops, np.uint8)[self.rows["call"]]

    def records(self) -> tuple[np.ndarray, list[str], list[str]]:
        """Make records of calls; return them, the names of files, and what is to be said."""
        rows, end = self.rows, self._ends()
        begins = rows["finished"] == 0
        queued = np.array([name.startswith("aio") for name in self.calls], bool)[rows["call"]]
        keep = begins & (self.op > 0) & ((end >= 0) | queued)
        file, names = self._files(keep)
        mine, last = rows[keep], np.where(end >= 0, end, np.arange(len(rows)))[keep]
        failed = rows["failed"][last] > 0
        flags = np.array([call_flag(name) for name in self.calls], np.uint16)[mine["call"]]
        flags |= np.where(failed, np.uint16(Flag.FAILED), np.uint16(0)) | np.uint16(Flag.INFLATED)
        flags |= np.where(queued[keep], np.uint16(Flag.NONBLOCKING), np.uint16(0))
        moves = np.isin(self.op[keep], (Op.READ, Op.WRITE))
        made = records(
            len(mine),
            start=self.times[keep],
            end=np.maximum(self.times[last], self.times[keep]),
            offset=np.where(moves, mine["offset"], -1),
            length=np.where(moves, mine["length"], 0),
            result=np.where(failed, -1, np.where(moves, mine["length"], 0)),
            rank=mine["rank"],
            thread=0,
            file=file,
            layer=Layer.POSIX,
            op=self.op[keep],
            flags=flags,
        )
        return made, names, list(self._notes(begins & (self.op > 0) & ~keep, begins))

    def _ends(self) -> np.ndarray:
        """Return which line ended the call that a line begins; -1 where none did."""
        rows = self.rows
        end = np.full(len(rows), -1)
        same = (rows["finished"][:-1] == 0) & (rows["finished"][1:] > 0)
        for name in ("rank", "call", "entry", "offset"):
            same &= rows[name][:-1] == rows[name][1:]
        end[:-1][same] = np.flatnonzero(same) + 1
        return end

    def _files(self, keep: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Return some lines' files: the one its worker opened last, if that isn't closed yet."""
        rows, lines = self.rows, np.arange(len(self.rows))
        known = np.array([not entry.isdigit() for entry in self.entries], bool)[rows["entry"]]
        marks = (self.op == Op.OPEN) | ((self.op == Op.CLOSE) & (rows["finished"] > 0))
        marks[1:] |= rows["rank"][1:] != rows["rank"][:-1]
        last = np.maximum.accumulate(np.where(marks, lines, 0))
        opened = (self.op == Op.OPEN)[last] & ~known
        entry = np.where(opened, rows["entry"][last], rows["entry"])
        used, file = np.unique(entry[keep], return_inverse=True)
        names = [self.entries[at] for at in used.tolist()]
        return file, [f"descriptor {name}" if name.isdigit() else name for name in names]

    def _notes(self, unended: np.ndarray, begins: np.ndarray) -> Iterator[str]:
        if unended.any():
            yield f"{np.count_nonzero(unended):,} calls whose end isn't in the log"
        others = self.rows["call"][begins & (self.op == 0)]
        if len(others):
            most = Counter(self.calls[call] for call in others.tolist()).most_common(5)
            words = ", ".join(f"{name} ({n:,})" for name, n in most)
            yield f"{len(others):,} other operations: {words}"
