"""A run that is over: its numbers in the outside form, its trace, and what went wrong.

The outside form (bytes, seconds, bytes/s) is what ``piotutor run --json`` prints.
"""

from __future__ import annotations

import html
import shlex
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from piotutor import ior, rundir, units
from piotutor.badge import badge
from piotutor.errors import PiotutorError, RunError, UsageError
from piotutor.storage import seen
from piotutor.storage.striping import Striping
from piotutor.stripemap import StripeMap, maps_of, target_word
from piotutor.trace import RECORD, Trace
from piotutor.workload import Workload

_TARGET_HEADS = {
    "operations": "operations",
    "bytes": "bytes",
    "write_operations": "writes",
    "write_bytes": "written",
    "read_operations": "reads",
    "read_bytes": "read",
}


class Run:
    """A run directory of a run that is over.

    Parameters
    ----------
    directory : path
        The run directory.

    Attributes
    ----------
    dir : Path
        The run directory.
    workload : Workload or None
        What ran; None where a program that isn't ours did.
    command : list of str
        That program's words, empty with a workload.
    result : dict
        Its numbers, in the outside form.

    Raises
    ------
    PiotutorError
        There is no finished run there, or it is damaged.
    """

    def __init__(self, directory: str | Path) -> None:
        self.dir = Path(directory).expanduser().absolute()
        job = rundir.read_json(self.dir / "job.json")
        command, workload = job.get("command"), job.get("workload")
        if not isinstance(workload, dict) and not isinstance(command, list):
            raise PiotutorError(
                f"{self.dir / 'job.json'} is damaged: it holds no workload and no command"
            )
        self.workload = Workload.from_dict(workload) if workload else None
        self.command: list[str] = [str(word) for word in command or []]
        self.result: dict[str, Any] = rundir.read_json(self.dir / "result.json")

    @property
    def name(self) -> str:
        """The run's name, also that of its directory."""
        return self.dir.name

    @property
    def status(self) -> str:
        """How it ended: ``done``, ``failed``, ``stopped`` or ``timeout``."""
        return str(self.result["status"])

    @property
    def seconds(self) -> float:
        """How long the job took, the start of the ranks included."""
        return float(self.result["seconds"])

    @property
    def environment(self) -> dict[str, Any]:
        """Where it ran and with what."""
        return dict(self.result["environment"])

    @property
    def hints(self) -> dict[str, Any]:
        """What was asked of MPI-IO (``requested``), what is ``echoed``, and ``verified``."""
        return dict(self.result["hints"])

    @property
    def output(self) -> str:
        """What the ranks printed."""
        return read_output(self.dir)

    @cached_property
    def errors(self) -> list[dict[str, Any]]:
        """What ranks reported, first things first: ``rank, type, message, traceback``."""
        return read_errors(self.dir)

    @cached_property
    def trace(self) -> Trace:
        """Every record of every rank; of one that was stopped there may be none."""
        if self.command or not self.workload or self.status != "done":
            trace = recorded(self.dir)  # whatever there is
        else:
            trace = Trace.load(self.dir / "trace")
        trace.provenance = self.result["provenance"]
        capture = self.result.get("capture") or {}
        trace.meta.update(environment=self.environment, run=self.name, capture=capture)
        if self.workload:
            trace.meta["workload"] = self.workload.to_dict()
        told = {"map": _map(self.dir), "mds": rundir.read_lenient(self.dir / "mds.json")}
        trace.meta.update({name: found for name, found in told.items() if found})
        return trace

    @cached_property
    def stripe_maps(self) -> dict[int, StripeMap]:
        """Where the bytes of each file lie, by its index; empty where that isn't told."""
        return {each.file: each for each in maps_of(self.trace.meta.get("map"))}

    @property
    def stripe_map(self) -> StripeMap | None:
        """Where the bytes of the first file lie; None where that isn't told."""
        return self.stripe_maps.get(0)

    @property
    def line(self) -> str:
        """What ran, as a line for a shell: IOR's for a workload."""
        return ior.command(self.workload) if self.workload else shlex.join(self.command)

    @property
    def ranks(self) -> int:
        """How many ranks there were."""
        return int(self.environment.get("ranks") or 0)

    @property
    def badge(self) -> str:
        """How the numbers came about, and on what, in one line."""
        result = self.result
        return badge(result["provenance"], self.environment, self.ranks, dropped=result["dropped"])

    def raise_for_status(self) -> Run:
        """Return the run if it went well or was stopped.

        A program that isn't ours ended as it liked: ``result["exit_code"]`` says how.

        Raises
        ------
        UsageError
            The ranks refused what was asked of them.
        RunError
            It failed; the message says why, once.
        """
        problem = self.result.get("problem")
        if problem and any(error.get("usage") for error in self.errors[:1]):
            raise UsageError(problem)
        if problem:
            raise RunError(problem, self.dir)
        return self

    def __repr__(self) -> str:
        rows = [f"  {' '.join(row)}" for row in self._rows()]
        return "\n".join([f"<Run {self.name}: {self.status}, {self.result['provenance']}>", *rows])

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows()
        )
        return f"<table><caption>{html.escape(self.badge)}</caption>{rows}</table>"

    def _rows(self) -> list[tuple[str, ...]]:
        """Return a line for each phase, and for what a reader must not miss."""
        rows: list[tuple[str, ...]] = [
            (
                phase["op"],
                f"repetition {phase['repetition']}",
                f"{phase['operations']:,} operations",
                units.format_size(phase["bytes"]),
                units.format_seconds(phase["seconds"]),
                units.format_rate(phase["bandwidth"]),
            )
            for phase in self.result["phases"]
        ]
        rows += [
            (name, f"{operations} operations", size)
            for name, operations, size, *_ in target_rows(self.result)[1]
        ]
        if self.result["dropped"]:
            rows.append((f"{self.result['dropped']:,} events were dropped",))
        if self.status != "done":
            rows.append((self.result.get("problem") or self.status,))
        return rows


def _map(directory: Path) -> dict[str, Any] | None:
    """Return where the files' bytes lay, as servers told, or by how a file was striped."""
    found = seen.noted(directory)
    return rundir.read_lenient(directory / "map.json") or (found.map if found else None)


def find_run(where: str) -> Run:
    """Open a run by its directory, its name, or as the ``latest``.

    Raises
    ------
    UsageError
        There is none of that name.
    PiotutorError
        It is damaged.
    """
    runs = rundir.state_dir() / "runs"
    if where == "latest":
        found = [path.parent for path in runs.glob("*/result.json")]
        if not found:
            raise UsageError(f"there is no finished run in {runs} yet")
        return Run(max(found, key=lambda run: (run / "result.json").stat().st_mtime_ns))
    named = [path for path in (Path(where).expanduser(), runs / where) if path.is_dir()]
    if not named:
        raise UsageError(f"{where} is no run: give its directory, its name, or latest")
    return Run(named[0])


def phase_cells(phase: Mapping[str, Any], quantiles: Iterable[str]) -> tuple[str, ...]:
    """Return a phase of a result as the cells of a table's row, with these latencies."""
    latency = phase["latency"] or {}
    return (
        phase["op"],
        str(phase["repetition"]),
        units.format_size(phase["bytes"]),
        units.format_count(phase["operations"]),
        units.format_seconds(phase["seconds"]),
        units.format_rate(phase["bandwidth"]),
        *(units.format_seconds(latency[name]) if latency else "-" for name in quantiles),
    )


def target_rows(result: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return what each target did as a table's header and rows, named as its system does."""
    word = target_word((result["environment"].get("layout") or {}).get("system"))
    kinds = [kind for kind in _TARGET_HEADS if all(kind in one for one in result["targets"])]
    rows = [
        (
            f"{word} {target['target']}",
            *(
                units.format_size(target[kind])
                if kind.endswith("bytes")
                else units.format_count(target[kind])
                for kind in kinds
            ),
        )
        for target in result["targets"]
    ]
    return (word, *(_TARGET_HEADS[kind] for kind in kinds)), rows


def layout_words(environment: Mapping[str, Any]) -> str:
    """Say in words how a run's files were laid out; empty where that isn't told."""
    try:
        found = Striping.of(environment["layout"])
    except (KeyError, TypeError):
        return ""
    return f"{found} ({found.system})"


def read_output(directory: Path) -> str:
    """Return what the ranks of a run have printed so far."""
    try:
        return (directory / "output.txt").read_text(errors="replace")
    except FileNotFoundError:
        return ""


def read_errors(directory: Path) -> list[dict[str, Any]]:
    """Return what ranks reported, in the order in which they did."""
    paths = sorted(directory.glob("error-*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [error for error in map(rundir.read_lenient, paths) if "message" in error]


def recorded(directory: Path) -> Trace:
    """Return what was recorded, as far as it is whole; a broken run may have left nothing."""
    try:
        return Trace.load(directory / "trace", salvage=True)
    except PiotutorError:
        return Trace(np.zeros(0, RECORD))
