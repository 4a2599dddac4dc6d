"""elbencho's live CSV (``--livecsv``; with ``--livecsvex`` of each worker): only progress.

A record is what one worker, or all of them, moved between two lines. Tried with elbencho 3.1-10.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from piotutor.trace.importers.columns import milliseconds, records
from piotutor.trace.reader import Trace
from piotutor.trace.record import Flag, Layer, Op, Phase, TraceError, pack_aux

HEADER = "ISO Date,Label,Phase,RuntimeMS,Rank,MixType,Done%,DoneBytes"
"""How the file begins."""
_OPS = {"WRITE": (Op.WRITE, Phase.WRITE), "READ": (Op.READ, Phase.READ)}
_MISSING = (
    "single operations and offsets: a record is what was moved between two lines",
    "counts of operations: they are worked out from IOPS",
    "what happened after the last line of each phase",
)
_ALL = -1  # the rank of lines about all workers


class _Line(NamedTuple):
    """How far a worker, or all of them, got in a phase; times in ms, of which `time` since 1970."""

    phase: int
    op: str
    rank: int
    time: int
    runtime: int
    done: int
    iops: float


def load(path: Path) -> Trace:
    """Read a live CSV.

    Raises
    ------
    TraceError
        It is damaged, or no read or write lasted long enough to be in it.
    """
    try:
        lines = list(_lines(path))
        phases = _phases([line for line in lines if line.rank == _ALL])
        repetition = {key: phase["repetition"] for key, phase in phases.items()}
        workers = [line for line in lines if line.rank != _ALL] or lines
        rows = [row for row in _rows(workers, repetition) if row[2] > 0]
        start, end, moved, rank, op, aux = np.array(rows, np.int64).reshape(-1, 6).T
    except (KeyError, TypeError, ValueError, OverflowError, csv.Error) as error:
        raise TraceError(f"{path}: is damaged, no live CSV of elbencho: {error}") from None
    if not lines:
        raise TraceError(f"{path}: no read or write was long enough to be in it: shorten --liveint")
    made = records(len(rows), start=start, end=end, length=moved, result=moved, rank=rank, op=op)
    made["layer"], made["flags"], made["aux"] = Layer.APP, Flag.INFLATED, aux
    return Trace.from_records(made, meta=_meta(list(phases.values())))


def _lines(path: Path) -> Iterator[_Line]:
    """Yield the lines about reads and writes."""
    phase, name, last = -1, "", 0
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        for row in csv.DictReader(stream):
            runtime, whose = int(row["RuntimeMS"]), row["Rank"]
            if row["Phase"] != name or runtime < last:
                phase += 1
            name, last = row["Phase"], runtime
            op = (row["MixType"] or name).upper()
            if op in _OPS:
                rank = _ALL if whose == "Total" else int(whose)
                time = int(milliseconds([row["ISO Date"]])[0])
                done, iops = int(row["DoneBytes"]), float(row["IOPS"] or 0)
                yield _Line(phase, op, rank, time, runtime, done, iops)


def _phases(lines: list[_Line]) -> dict[tuple[int, str], dict[str, Any]]:
    """Sum the phases up, in the form of ``run --json``, each up to its last line."""
    groups: dict[tuple[int, str], list[_Line]] = defaultdict(list)
    for line in lines:
        groups[line.phase, line.op].append(line)
    counts: dict[str, int] = defaultdict(int)
    phases = {}
    for key, mine in groups.items():
        op, last = key[1], mine[-1]
        before = [0, *(line.runtime for line in mine)]
        done = [
            line.iops * (line.runtime - start) for line, start in zip(mine, before, strict=False)
        ]
        seconds = last.runtime / 1e3
        phases[key] = {
            "op": op.lower(),
            "repetition": counts[op],
            "bytes": last.done,
            "operations": round(sum(done) / 1e3),
            "seconds": seconds,
            "bandwidth": last.done / seconds if seconds else 0.0,
            "latency": None,
        }
        counts[op] += 1
    return phases


def _rows(
    lines: list[_Line], repetition: dict[tuple[int, str], int]
) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Yield start, end (ns), bytes, rank, op and aux of what was moved between two lines."""
    before: dict[tuple[int, str, int], _Line] = {}
    for line in lines:
        key = line.phase, line.op, line.rank
        last = before.get(key)
        before[key] = line
        runtime, done = (last.runtime, last.done) if last else (0, 0)
        start = line.time - (line.runtime - runtime)
        op, phase = _OPS[line.op]
        aux = pack_aux(repetition.get(key[:2], 0), phase)
        yield start * 10**6, line.time * 10**6, line.done - done, max(line.rank, 0), op, aux


def _meta(phases: list[dict[str, Any]]) -> dict[str, Any]:
    ops: dict[str, dict[str, int]] = {}
    for phase in phases:
        total = ops.setdefault(phase["op"], {"operations": 0, "bytes": 0})
        total["operations"] += phase["operations"]
        total["bytes"] += phase["bytes"]
    source: dict[str, Any] = {"tool": "elbencho", "version": "unknown"}
    source |= {"clock": "wall clock, in ms", "missing": list(_MISSING)}
    return {"phases": phases, "layers": {"app": ops}, "source": source}
