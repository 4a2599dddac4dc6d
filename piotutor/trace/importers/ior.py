"""IOR's files: the times of single operations (CSV), its summary (JSON) and what it prints.

``-O savePerOpDataCSV=PREFIX`` makes one file for each repetition and rank, with times and nothing
else: neither an offset, nor whether it was a write. Both follow from the command line, which the
summary or the output of the same run holds; it is looked for in the same directory. IOR begins
each file anew with every phase, so of a repetition only the last phase is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from piotutor import pattern
from piotutor.trace.importers import ior_summary
from piotutor.trace.importers.columns import records
from piotutor.trace.importers.ior_summary import Summary
from piotutor.trace.reader import Trace
from piotutor.trace.record import Layer, Op, Phase, TraceError, pack_aux
from piotutor.workload import Workload

_HEADER = "time,runtime,tp"
_NAME = re.compile(r"(?P<prefix>.+)-(?P<repetition>\d+)-(?P<rank>\d{5})\.csv$")
_HEAD = 1 << 16
_UNIT = 8  # bytes that a transfer of IOR is a multiple of
_MISSING = (
    "opens, closes and syncs",
    "all phases of a repetition but its last: IOR begins the file anew with each",
    "offsets aren't in the file: they follow from the command line",
)


class Timed(NamedTuple):
    """One file of single operations, and whose it is."""

    path: Path
    repetition: int
    rank: int


def sniff(path: Path) -> bool:
    """Say whether this looks like a file of IOR."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(_HEAD).decode("utf-8", "replace")
    return head.startswith(_HEADER) or ior_summary.looks_like(head)


def load(path: Path) -> Trace:
    """Read one file of IOR and those that belong to it.

    Raises
    ------
    TraceError
        It is none, or damaged, or of a file of operations the summary is missing.
    """
    try:
        if not sniff(path):
            raise TraceError(f"{path}: is neither IOR's CSV of operations nor its summary")
        named = _NAME.match(path.name)
        if _starts(path, _HEADER):
            if named is None:
                raise TraceError(f"{path}: its name must end with -REPETITION-RANK.csv, as IOR's")
            return _load(_summary_beside(path, named["prefix"]), path.parent, named["prefix"])
        summary = ior_summary.read(path)
        return _load(summary, path.parent, Path(summary.prefix).name)
    except OSError as error:
        raise TraceError(f"{error.filename or path}: can't be read: {error.strerror}") from None


def _starts(path: Path, word: str) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(word)) == word.encode()


def _summary_beside(path: Path, prefix: str) -> Summary:
    """Return the summary, in the same directory, whose command line names these files."""
    for other in sorted(path.parent.iterdir()):
        if other.is_file() and not _starts(other, _HEADER) and sniff(other):
            summary = ior_summary.read(other)
            if Path(summary.prefix).name == prefix:
                return summary
    raise TraceError(
        f"{path}: IOR's CSV tells neither offsets nor reads from writes: put the same run's output"
        " or its JSON summary (-O summaryFormat=JSON -O summaryFile=FILE) beside it"
    )


def _load(summary: Summary, directory: Path, prefix: str) -> Trace:
    """Make a trace of a summary and the files of operations with a prefix, if there are any."""
    files = list(_timed(directory, prefix)) if prefix else []
    phases = summary.phases()
    missing = list(_MISSING) if files else ["single operations: only IOR's results are here"]
    source = {
        "tool": "IOR",
        "version": summary.version,
        "command": summary.command,
        "clock": "seconds since each rank began the phase; repetitions one after the other",
        "missing": missing,
    }
    meta = {"phases": phases, "layers": _layers(phases), "ranks": summary.ranks, "source": source}
    workload, placed = summary.workload()
    if files and workload is None:
        raise TraceError(f"{files[0].path}: its command line isn't understood: {summary.command}")
    if not files or workload is None:
        return Trace.from_records(records(0), meta=meta)
    if not placed:
        missing[-1] = "offsets: they don't follow from this command line"
    parts = list(_parts(files, workload, placed))
    return Trace.from_records(np.concatenate(parts), files=_names(workload), meta=meta)


def _timed(directory: Path, prefix: str) -> Iterator[Timed]:
    for path in sorted(directory.iterdir()):
        named = _NAME.match(path.name)
        if named and named["prefix"] == prefix and _starts(path, _HEADER):
            yield Timed(path, int(named["repetition"]), int(named["rank"]))


def _parts(files: list[Timed], workload: Workload, placed: bool) -> Iterator[np.ndarray]:
    """Yield the records of each file; each repetition begins where the last one ended."""
    phase, pattern_op = _last_phase(workload)
    op = Op.WRITE if phase == Phase.WRITE else Op.READ
    began = ended = 0
    last = files[0].repetition
    for file in sorted(files, key=lambda file: file.repetition):
        if file.repetition != last:
            last, began = file.repetition, ended
        times = _times(file.path)
        start = began + np.rint(times[:, 0] * 1e9).astype(np.int64)
        end = start + np.rint(times[:, 1] * 1e9).astype(np.int64)
        ended = max(ended, int(end.max(initial=0)))
        made = records(len(times), start=start, end=end, rank=file.rank, layer=Layer.APP, op=op)
        made["aux"] = pack_aux(file.repetition, phase)
        made["length"] = made["result"] = workload.transfer_size
        if placed:
            _place(made, file, workload, pattern_op)
        yield made


def _last_phase(workload: Workload) -> tuple[Phase, str]:
    """Return the last phase of a repetition, and the pattern's name for it."""
    if workload.read or workload.verify_read:
        return Phase.READ, "read"
    if workload.verify_write:
        return Phase.VERIFY_WRITE, "check_write"
    return Phase.WRITE, "write"


def _times(path: Path) -> np.ndarray:
    """Read when each operation began and how long it took, in seconds."""
    if path.stat().st_size <= len(_HEADER) + 2:
        return np.empty((0, 3))
    try:
        found = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2, usecols=(0, 1, 2))
    except (ValueError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: is cut off or damaged: {error}") from None
    if not np.isfinite(found[:, :2]).all() or (found[:, 1] < 0).any():
        raise TraceError(f"{path}: is damaged: it holds times that are no numbers")
    return np.asarray(found)


def _place(made: np.ndarray, file: Timed, workload: Workload, op: str) -> None:
    """Fill in files and offsets: as many as there were operations, which may have stopped."""
    if file.rank >= workload.num_tasks:
        raise TraceError(f"{file.path}: the run had {workload.num_tasks} ranks")
    extents = pattern.transfers(workload, file.rank, op)
    n = len(made)
    if n > len(extents.offset):
        raise TraceError(
            f"{file.path}: holds {n:,} operations, the run had {len(extents.offset):,}"
        )
    made["offset"], made["file"] = extents.offset[:n], extents.file[:n]
    made["length"] = made["result"] = extents.length[:n]


def _names(workload: Workload) -> list[str]:
    base = workload.test_file or "testFile"
    if not workload.file_per_process:
        return [base]
    return [f"{base}.{rank:08d}" for rank in range(workload.num_tasks)]


def _layers(phases: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, int]]]:
    """Sum the phases up as one layer, that of the application."""
    ops: dict[str, dict[str, int]] = {}
    for phase in phases:
        total = ops.setdefault(phase["op"], {"operations": 0, "bytes": 0})
        total["operations"] += phase["operations"]
        total["bytes"] += phase["bytes"]
    return {"app": ops} if ops else {}
