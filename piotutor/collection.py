"""What a guard, ranks and a storage left, put together into a run's result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from piotutor import foretold, metrics, rundir
from piotutor.capture import choice
from piotutor.content import Mismatch
from piotutor.kernels.hints import compare
from piotutor.launch import shared
from piotutor.launch.batch import REFUSED
from piotutor.outcome import NO_HINTS, outcome
from piotutor.results import Run, read_errors, read_output, recorded
from piotutor.storage import beside, seen
from piotutor.storage.striping import stripe_size
from piotutor.trace import Layer, Op, Trace
from piotutor.workload import Workload

_KILLED = re.compile(
    r"EXIT STRING: (.+)|exited on (signal [^.]+)|srun: error: \S+ tasks? \S+: ((?!Exited)[^\n(]+)"
)
_SAID = re.compile(r"^rank \d+: .+$", re.MULTILINE)  # a rank that could not write it down
_OURS = ("PiotutorError", "UsageError")
_UNSEEN = (
    "nothing was recorded: the program used no file of interest, or it is static or has more "
    "rights than you (capture=strace sees static ones)"
)


def collect(directory: Path) -> Run:
    """Make a run's result from what its guard and its ranks left, and open it."""
    ended = rundir.read_json(directory / "guard-result.json")
    captured = choice.finish(directory)
    worker = rundir.read_lenient(directory / "worker.json")
    environment = _environment(directory)
    job = rundir.read_json(directory / "job.json")
    workload = job["workload"] if isinstance(job.get("workload"), dict) else None
    captured["notes"] += _missing(directory, ended, (workload or {}).get("num_tasks", 0))
    mismatches = worker.get("mismatches", [])
    status = "failed" if ended["status"] == "done" and mismatches else ended["status"]
    trace = recorded(directory)
    if "machine" in environment and trace.provenance == "measured":
        trace.provenance = "emulated"  # it was stopped before its servers told anything
    if captured["how"] == "preload" and not workload and not metrics.layers(trace):
        captured["notes"].append(_UNSEEN)
    environment.setdefault("ranks", int(trace.column("rank").max(initial=0)) + 1)
    environment |= {key: trace.meta[key] for key in ("clocks",) if key in trace.meta}
    trace.meta.update(environment=environment, workload=workload)
    kept_up = "emulation" in environment and not environment.get("storage_notes")
    if status == "done" and workload and kept_up:
        work = Workload.from_dict(workload)
        captured["notes"] += foretold.differences(trace, work, environment)
    result = outcome(
        trace,
        worker.get("environment", {}) | environment,
        captured | _storage(directory, ended, trace),
        status=status,
        verified_bytes=worker.get("verified_bytes", 0),
        verified_from=worker.get("verified_from"),
        hints=_hints(directory, worker),
        mismatches=mismatches,
        signature=worker.get("signature"),
        exit_code=ended.get("code"),
        seconds=ended["seconds"],
        run_dir=str(directory),
    )
    foreign = "workload" not in job
    problem = "" if foreign and ended["code"] else _problem(directory, ended, mismatches)
    rundir.write_json(directory / "result.json", result | ({"problem": problem} if problem else {}))
    return Run(directory)


def _missing(directory: Path, ended: dict[str, Any], tasks: Any) -> list[str]:
    """Say what of a run may be missing, a line each."""
    lost = {
        "something of the job may be left": ended.get("uncancelled"),
        "counts of the storage may be missing": ended.get("unfinished"),
        "what hosts recorded that don't see the run may be missing": ended.get("unrelayed"),
    }
    notes = [f"{what}: {why}" for what, why in lost.items() if why]
    patience = 0.0 if ended.get("unrelayed") else shared.PATIENCE  # what is lost won't come
    asked = range(tasks) if ended["status"] == "done" else ()
    ranks = shared.settle(directory / "trace", asked, patience)
    if ranks:
        notes.append(f"the traces of ranks {', '.join(map(str, ranks))} are missing")
    return notes


def _environment(directory: Path) -> dict[str, Any]:
    """Return where a run took place, with what its storage told when it was up."""
    about: dict[str, Any] = rundir.read_json(directory / "environment.json")
    about |= rundir.read_lenient(directory / beside.READY).get("environment", {})
    found = seen.noted(directory)
    about |= {"layout": found.striping.to_dict()} if found else {}
    size = stripe_size(about.get("layout"))
    return about | ({"stripe_size": size} if size else {})


def _hints(directory: Path, worker: dict[str, Any]) -> dict[str, Any]:
    """Return what became of the hints, those for a layout judged by the file's own."""
    hints = worker.get("hints") or NO_HINTS
    found = seen.noted(directory)
    return compare(hints, found.hints, found.source) if found else hints


def _storage(directory: Path, ended: dict[str, Any], trace: Trace) -> dict[str, Any]:
    """Say how block requests were seen, and what the job and the device have moved in all."""
    sampled = rundir.read_lenient(directory / "sampler.json")
    moved = dict(ended.get("io", {}))
    for last in trace.records[trace.where(layer=Layer.DEVICE, op=Op.SAMPLE)][-1:]:
        moved |= {"device_read": int(last["result"]), "device_written": int(last["length"])}
    about = {"block": "not asked for"} | {k: v for k, v in sampled.items() if "block" in k}
    return about | {"io": moved}


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
    if (directory / REFUSED).exists():
        return (directory / REFUSED).read_text()
    errors = read_errors(directory)
    if errors:
        first = errors[0]
        kind = "" if first["type"] in _OURS else f"{first['type']}: "
        return " ".join(f"rank {first['rank']}: {kind}{first['message']}".split())
    return _last_words(directory, ended["code"])


def _last_words(directory: Path, code: int | None) -> str:
    """Guess from the output why ranks ended that said nothing themselves."""
    output = read_output(directory)
    killed, said = _KILLED.search(output), _SAID.search(output)
    if said:
        return said[0]
    if killed:
        how = f"a rank was killed: {killed[killed.lastindex or 0].strip()}"
    else:
        lines = [line for line in output.splitlines() if re.search(r"\w", line)]
        how = f"the job ended with code {code}: {lines[-1].strip() if lines else 'no output'}"
    return f"{how} (all output: {directory / 'output.txt'})"
