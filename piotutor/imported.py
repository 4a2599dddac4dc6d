"""Runs made of what other programs recorded: a directory like that of a run of ours.

Everything that opens a run (report, replay, plots, verdicts, export) then works on it. What the
other program didn't record is said in the notes of its result.
"""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np

from piotutor import rundir
from piotutor.outcome import outcome
from piotutor.results import Run
from piotutor.trace import Trace, importers

_KEPT = ("source", "damage")
"""Notes that stay in the trace; the others go into the result."""


def import_trace(path: str | os.PathLike[str], format: str | None = None) -> Run:
    """Make a run of a file that another program recorded.

    Parameters
    ----------
    path : path
        The file, or the directory of one run's files. It is only read.
    format : str, optional
        Which program wrote it, a name in `piotutor.trace.importers.IMPORTERS`; found out by
        looking if not given.

    Returns
    -------
    Run
        Its trace is read when it is first asked for.

    Raises
    ------
    UsageError
        There is no such file, or nobody knows it, or what reads it isn't installed.
    TraceError
        It isn't what it is said to be, or is damaged.
    """
    where = Path(path).expanduser().absolute()
    trace = importers.load(where, format)
    state = rundir.state_dir()
    rundir.sweep(state)
    rundir.prune(state)
    with rundir.new(state, f"import-{trace.meta['imported_from']}") as (run_dir, _):
        _write(run_dir, where, trace)
    return Run(run_dir)


def _write(run_dir: Path, path: Path, trace: Trace) -> None:
    """Fill a run directory."""
    told = trace.meta
    source = {"tool": told["imported_from"], **told.get("source", {})}
    command = _words(source.get("command") or shlex.join(["piotutor", "import", str(path)]))
    environment = _environment(trace, path, source)
    result = _result(trace, path, source, environment)
    kept = {name: told[name] for name in _KEPT if name in told}
    compact = Trace(trace.records, trace.files, trace.dropped, trace.provenance, kept)
    compact.save(run_dir / "trace" / "imported.piot")
    ended = {"status": "done", "code": None, "reason": "", "seconds": result["seconds"], "left": []}
    imported = {"path": str(path), "tool": source["tool"], "format": told["imported_from"]}
    rundir.write_json(run_dir / "job.json", {"command": command, "imported": imported})
    rundir.write_json(run_dir / "environment.json", environment)
    rundir.write_json(run_dir / "guard-result.json", ended)
    rundir.write_json(run_dir / "result.json", result | {"run_dir": str(run_dir)})


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # quotes that the other program cut off
        return command.split()


def _environment(trace: Trace, path: Path, source: dict[str, Any]) -> dict[str, Any]:
    """Say what is known of the place: what a trace of ours tells, of others next to nothing."""
    version = source.get("version", "unknown")
    tool = source["tool"] if version == "unknown" else f"{source['tool']} {version}"
    ranks = trace.meta.get("ranks", int(trace.column("rank").max(initial=0)) + 1)
    unknown = {"filesystem": None, "host": None, "mpi": None, "slowed": None}
    return {
        **unknown,
        "ranks": ranks,
        "capture": tool,
        "clock": source.get("clock"),
        **trace.meta.get("environment", {}),
        "imported_from": str(path),
        "imported": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _result(
    trace: Trace, path: Path, source: dict[str, Any], environment: dict[str, Any]
) -> dict[str, Any]:
    """Return the numbers: those of the other program where it counted itself, else the trace's."""
    told, damage = trace.meta, trace.meta.get("damage", [])
    notes = [f"not in it: {text}" for text in source.get("missing", [])]
    span = trace.span(np.ones(len(trace), bool))
    capture = {
        "how": "import",
        "why": f"by {environment['capture']}, imported from {path}",
        "block": "not in it",
        "notes": [*([damage] if isinstance(damage, str) else damage), *notes],
    }
    seconds = told.get("seconds", (span[1] - span[0]) / 1e9 if span else 0.0)
    result = outcome(trace, environment, capture, seconds=seconds)
    if told.get("layers"):
        result["layers"] = told["layers"]
    if told.get("phases"):
        result["phases"] = _phases(result["phases"], told["phases"])
    return result


def _phases(seen: list[dict[str, Any]], told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the phases that the other program summed up, with latencies of the trace."""
    latency = {(phase["op"], phase["repetition"]): phase["latency"] for phase in seen}
    return [phase | {"latency": latency.get((phase["op"], phase["repetition"]))} for phase in told]
