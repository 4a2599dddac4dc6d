"""What IOR says at its end: its phases, from its JSON summary or the text that it prints."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from piotutor import ior
from piotutor.errors import UsageError
from piotutor.trace.record import TraceError
from piotutor.workload import Workload

BANNER = "MPI Coordinated Test of Parallel I/O"
_MIB = 1 << 20
_MOST = 1 << 26  # bytes of a summary that is read
_LINE = re.compile(r"^\s*(Command line|tasks|clients per node)\s*:\s*(.+?)\s*$", re.MULTILINE)
_VERSION = re.compile(rf"IOR-(\S+): {BANNER}")
_PREFIX = re.compile(r"savePerOpDataCSV=([^\s,]+)", re.IGNORECASE)
_HARMLESS = re.compile(
    r"-O (summary|savePerOpDataCSV|saveRankPerf|verbose|refNum|interTestDelay)|-[Adv]\b",
    re.IGNORECASE,
)


@dataclass
class Summary:
    """One run of IOR.

    Attributes
    ----------
    version, command
        As IOR says them.
    ranks, per_node
        How many, and how many of them on each node; 0 where it doesn't say.
    rows
        One for each phase of each repetition: ``access``, ``bw`` (MiB/s), ``seconds``.
    parameters
        IOR's own, where it says them (JSON).
    """

    version: str
    command: str
    ranks: int
    per_node: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """How the names of the files with single operations begin; empty without any."""
        found = _PREFIX.search(self.command)
        return found[1] if found else ""

    def workload(self) -> tuple[Workload | None, bool]:
        """Return the workload, if it can be told, and whether its offsets can be."""
        try:
            workload, others = ior.parse(self.command)
            tasks = {"num_tasks": self.ranks, "tasks_per_node": self.per_node or None}
            workload = Workload.from_dict({**workload.to_dict(), **tasks})
        except UsageError:
            return None, False
        known = all(_HARMLESS.match(other) for other in others)
        seeded = not workload.random_offset or "seed" in self.command.lower()
        return workload, known and seeded

    def phases(self) -> list[dict[str, Any]]:
        """Return the phases in the form of ``run --json``, in the order in which they ran."""
        size, transfer = self._sizes()
        counts: dict[str, int] = {}
        phases = []
        for row in self.rows:
            op, seconds = row["access"], row["seconds"]
            moved = size or round(row["bw"] * _MIB * seconds)
            phases.append(
                {
                    "op": op,
                    "repetition": counts.setdefault(op, 0),
                    "bytes": moved,
                    "operations": moved // transfer if transfer else 0,
                    "seconds": seconds,
                    "bandwidth": row["bw"] * _MIB,
                    "latency": None,
                }
            )
            counts[op] += 1
        return phases

    def _sizes(self) -> tuple[int, int]:
        """Return the bytes of a phase, 0 if that isn't sure, and of a transfer."""
        told = self.parameters
        workload, _ = self.workload()
        if told.get("blockSize") and told.get("transferSize"):
            size = told["blockSize"] * told.get("segmentCount", 1) * self.ranks
            stopped, transfer = told.get("deadlineForStonewall"), told["transferSize"]
        elif workload is not None:
            size = workload.bytes_per_rank * workload.num_tasks
            stopped, transfer = workload.stonewall, workload.transfer_size
        else:
            return 0, 0
        return 0 if stopped else int(size), int(transfer)


def looks_like(head: str) -> bool:
    """Say whether a file that begins so is a summary."""
    return BANNER in head or ('"Command line"' in head and '"Version"' in head)


def read(path: Path) -> Summary:
    """Read a summary, JSON or text.

    Raises
    ------
    TraceError
        It is none, or it was cut off.
    """
    with path.open(encoding="utf-8", errors="replace") as stream:
        text = stream.read(_MOST)
    found = _read_json(text, path) if text.lstrip().startswith("{") else _read_text(text, path)
    found.rows = [row for row in found.rows if row["access"] in ("write", "read")]
    if any(not math.isfinite(row["bw"] * row["seconds"]) for row in found.rows):
        raise TraceError(f"{path}: holds bandwidths that are no numbers")
    return found


def _read_json(text: str, path: Path) -> Summary:
    try:
        told = json.loads(text)
    except ValueError as error:
        raise TraceError(f"{path}: is cut off, or no JSON of IOR: {error}") from None
    try:
        tests = told["tests"]
        rows = [_row(row) for test in tests for row in _flat(test["Results"])]
        said = tests[0]["Options"]
        ranks = int(said["tasks"]), int(said.get("clients per node", 0))
        parameters = dict(tests[0]["Parameters"]) if len(tests) == 1 else {}
        return Summary(str(told["Version"]), str(told["Command line"]), *ranks, rows, parameters)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise TraceError(
            f"{path}: is no summary of IOR, or of another version: {error!r}"
        ) from None


def _flat(rows: Any) -> list[dict[str, Any]]:
    """Return the results of a test; old versions put them in lists of lists."""
    return [row for item in rows for row in (_flat(item) if isinstance(item, list) else [item])]


def _row(told: dict[str, Any]) -> dict[str, Any]:
    bandwidth, seconds = float(told["bwMiB"]), float(told["totalTime"])
    return {"access": str(told["access"]), "bw": bandwidth, "seconds": seconds}


def _read_text(text: str, path: Path) -> Summary:
    version = _VERSION.search(text)
    said = dict(reversed(_LINE.findall(text)))
    rows = _table(text)
    if version is None or "Command line" not in said:
        raise TraceError(f"{path}: is no output of IOR")
    if not rows:
        raise TraceError(f"{path}: is cut off: this output of IOR has no results")
    try:
        ranks = int(said.get("tasks", 1)), int(said.get("clients per node", 0))
    except ValueError as error:
        raise TraceError(f"{path}: is damaged, or no output of IOR: {error}") from None
    return Summary(version[1], said["Command line"], *ranks, rows)


def _table(text: str) -> list[dict[str, Any]]:
    """Read the table of results; its columns have changed over the years."""
    rows, header = [], []
    for line in text.splitlines():
        cells = line.split()
        if cells[:1] == ["access"]:
            header = cells
        elif header and len(cells) == len(header) and cells[0] in ("write", "read"):
            row = dict(zip(header, cells, strict=True))
            try:
                bandwidth, seconds = float(row["bw(MiB/s)"]), float(row["total(s)"])
            except (KeyError, ValueError):
                continue
            rows.append({"access": cells[0], "bw": bandwidth, "seconds": seconds})
    return rows
