"""A run that is over: its numbers in the outside form, its trace, and what went wrong.

The outside form (bytes, seconds, bytes/s) is what ``piotutor run --json`` prints.
"""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from piotutor import diagnosis, ior, metrics, rundir, units
from piotutor.badge import badge
from piotutor.capture import choice
from piotutor.content import Mismatch
from piotutor.errors import PiotutorError, RunError, UsageError
from piotutor.launch import service
from piotutor.storage.striping import stripe_size
from piotutor.stripemap import StripeMap, maps_of
from piotutor.trace import RECORD, Layer, Op, Trace
from piotutor.workload import Workload

_KILLED = re.compile(r"EXIT STRING: (.+)|exited on (signal [^.]+)")
_OURS = ("PiotutorError", "UsageError")
_UNSEEN = (
    "nothing was recorded: the program used no file of interest, or it is static or has more "
    "rights than you (capture=strace sees static ones)"
)
_NO_HINTS: dict[str, Any] = {"requested": {}, "echoed": {}, "verified": {}}


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
        """Every record of every rank."""
        if self.command or not self.workload:
            trace = _trace(self.dir)  # whatever that program did
        else:
            trace = Trace.load(self.dir / "trace", salvage=self.status != "done")
        capture = self.result.get("capture") or {}
        trace.meta.update(environment=self.environment, run=self.name, capture=capture)
        if self.workload:
            trace.meta["workload"] = self.workload.to_dict()
        told = _read_lenient(self.dir / "map.json")
        trace.meta.update({"map": told} if told else {})
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
        if self.result["dropped"]:
            rows.append((f"{self.result['dropped']:,} events were dropped",))
        if self.status != "done":
            rows.append((self.result.get("problem") or self.status,))
        return rows


def collect(directory: Path) -> Run:
    """Make a run's result from what its guard and its ranks left, and open it."""
    ended = rundir.read_json(directory / "guard-result.json")
    captured = choice.finish(directory)
    if ended.get("unfinished"):
        captured["notes"].append(f"counts of the storage may be missing: {ended['unfinished']}")
    worker = _read_lenient(directory / "worker.json")
    environment = _environment(directory)
    job = rundir.read_json(directory / "job.json")
    workload = job["workload"] if isinstance(job.get("workload"), dict) else None
    mismatches = worker.get("mismatches", [])
    status = "failed" if ended["status"] == "done" and mismatches else ended["status"]
    trace = _trace(directory)
    if captured["how"] == "preload" and not workload and not metrics.layers(trace):
        captured["notes"].append(_UNSEEN)
    environment.setdefault("ranks", int(trace.column("rank").max(initial=0)) + 1)
    environment |= {key: trace.meta[key] for key in ("clocks",) if key in trace.meta}
    result = {
        "provenance": "measured",
        "status": status,
        "environment": worker.get("environment", {}) | environment,
        "phases": [phase.to_dict() for phase in metrics.phases(trace)],
        "layers": metrics.layers(trace),
        "targets": metrics.targets(trace),
        "verdicts": _judged(trace, environment, workload),
        "dropped": trace.dropped,
        "capture": captured | _storage(directory, ended, trace),
        "verified_bytes": worker.get("verified_bytes", 0),
        "verified_from": worker.get("verified_from"),
        "hints": worker.get("hints", _NO_HINTS),
        "mismatches": mismatches,
        "signature": worker.get("signature"),
        "exit_code": ended.get("code"),
        "seconds": ended["seconds"],
        "run_dir": str(directory),
    }
    foreign = "workload" not in job
    problem = "" if foreign and ended["code"] else _problem(directory, ended, mismatches)
    rundir.write_json(directory / "result.json", result | ({"problem": problem} if problem else {}))
    return Run(directory)


def _environment(directory: Path) -> dict[str, Any]:
    """Return where a run took place, with what its storage told when it was up."""
    about: dict[str, Any] = rundir.read_json(directory / "environment.json")
    about |= _read_lenient(directory / service.READY).get("environment", {})
    size = stripe_size(about.get("layout"))
    return about | ({"stripe_size": size} if size else {})


def _storage(directory: Path, ended: dict[str, Any], trace: Trace) -> dict[str, Any]:
    """Say how block requests were seen, and what the job and the device have moved in all."""
    sampled = _read_lenient(directory / "sampler.json")
    moved = dict(ended.get("io", {}))
    for last in trace.records[trace.where(layer=Layer.DEVICE, op=Op.SAMPLE)][-1:]:
        moved |= {"device_read": int(last["result"]), "device_written": int(last["length"])}
    about = {"block": "not asked for"} | {k: v for k, v in sampled.items() if "block" in k}
    return about | {"io": moved}


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


def read_output(directory: Path) -> str:
    """Return what the ranks of a run have printed so far."""
    try:
        return (directory / "output.txt").read_text(errors="replace")
    except FileNotFoundError:
        return ""


def read_errors(directory: Path) -> list[dict[str, Any]]:
    """Return what ranks reported, in the order in which they did."""
    paths = sorted(directory.glob("error-*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [error for error in map(_read_lenient, paths) if "message" in error]


def _trace(directory: Path) -> Trace:
    """Return what was recorded, as far as it is whole; a broken run may have left nothing."""
    try:
        return Trace.load(directory / "trace", salvage=True)
    except PiotutorError:
        return Trace(np.zeros(0, RECORD))


def _judged(trace: Trace, environment: dict[str, Any], workload: Any) -> list[dict[str, Any]]:
    """Return all verdicts on a trace, found or not."""
    trace.meta.update(environment=environment, workload=workload)
    return [verdict.to_dict() for verdict in diagnosis.verdicts(trace)]


def _problem(directory: Path, ended: dict[str, Any], mismatches: list[Any]) -> str:
    """Say in one line what went wrong; empty if nothing did, or it was stopped."""
    if ended["status"] == "stopped":
        return ""
    if ended["status"] == "timeout":
        return (
            f"no end after {ended['seconds']:.0f} s: the job was ended (timeout raises the limit)"
        )
    if ended["status"] == "done":
        return str(Mismatch(**mismatches[0])) if mismatches else ""
    if ended["reason"]:
        return str(ended["reason"])
    errors = read_errors(directory)
    if errors:
        first = errors[0]
        kind = "" if first["type"] in _OURS else f"{first['type']}: "
        return " ".join(f"rank {first['rank']}: {kind}{first['message']}".split())
    return _last_words(directory, ended["code"])


def _last_words(directory: Path, code: int | None) -> str:
    """Guess from the output why ranks ended that said nothing themselves."""
    output = read_output(directory)
    killed = _KILLED.search(output)
    if killed:
        how = f"a rank was killed: {killed[1] or killed[2]}"
    else:
        lines = [line for line in output.splitlines() if re.search(r"\w", line)]
        how = f"the job ended with code {code}: {lines[-1].strip() if lines else 'no output'}"
    return f"{how} (all output: {directory / 'output.txt'})"


def _read_lenient(path: Path) -> dict[str, Any]:
    """Read what a rank left; a rank that was killed may have left half of it."""
    try:
        return dict(rundir.read_json(path, default={}))
    except PiotutorError:
        return {}
