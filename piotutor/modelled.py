"""Runs in virtual time: a directory like that of a run, of what a machine would have done."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from piotutor import diagnosis, metrics, rundir
from piotutor.engine import Machine, model
from piotutor.engine.machines import read_machine
from piotutor.ior import workload_of
from piotutor.results import Run
from piotutor.storage.striping import Component, Striping
from piotutor.trace import Layer, Trace
from piotutor.workload import Workload

MANY = 1_000_000
"""Transfers from which on the servers' records aren't kept, only the application's."""
_NO_HINTS: dict[str, Any] = {"requested": {}, "echoed": {}, "verified": {}}


def model_run(
    workload: Workload | str | list[str],
    machine: Machine | str,
    *,
    stripe_size: int = 1 << 20,
    stripe_count: int = 1,
) -> Run:
    """Run a workload on a machine that isn't there, and return a `Run` of it.

    Parameters
    ----------
    workload : Workload, str or list of str
        What is to be done, or IOR's command line for it. No limit of a real run applies.
    machine : Machine or str
        On what; a name, or a file, as `piotutor.engine.machines.read_machine` takes it.
    stripe_size, stripe_count : int
        How files are laid out.

    Returns
    -------
    Run
        Its provenance is ``modelled``; report, replay and plots work on it.

    Raises
    ------
    UsageError
        The workload doesn't fit the machine, or there is no such machine.
    PiotutorError
        The engine isn't built.
    """
    work = workload_of(workload)
    on, name = (read_machine(machine), machine) if isinstance(machine, str) else (machine, "")
    layers = (
        (Layer.APP, Layer.SERVER)
        if work.total_bytes // work.transfer_size <= MANY
        else (Layer.APP,)
    )
    began = time.monotonic()
    trace = model(work, on, stripe_size=stripe_size, stripe_count=stripe_count, layers=layers)
    taken = time.monotonic() - began
    state = rundir.state_dir()
    rundir.prune(state)
    with rundir.new(state, f"model-{work.api}") as (run_dir, _):
        trace.save(run_dir / "trace" / "modelled.piot")
        laid_out = Striping("model", (Component(stripe_size, stripe_count),))
        environment = _environment(work, on, name, laid_out)
        result = _result(trace, environment) | {"run_dir": str(run_dir), "model_seconds": taken}
        job = {"format": 1, "workload": work.to_dict(), "files": trace.files}
        ended = {"status": "done", "code": 0, "reason": "", "seconds": taken, "left": []}
        rundir.write_json(run_dir / "job.json", job | {"run_dir": str(run_dir)})
        rundir.write_json(run_dir / "environment.json", environment)
        rundir.write_json(run_dir / "guard-result.json", ended)
        rundir.write_json(run_dir / "result.json", result)
    return Run(run_dir)


def _environment(work: Workload, machine: Machine, name: str, laid_out: Striping) -> dict[str, Any]:
    """Say on what: there is no host, no file system and no MPI."""
    told = {"filesystem": None, "host": None, "mpi": None, "slowed": None, "capture": "model"}
    about = {"name": name, **dataclasses.asdict(machine)}
    return told | {"ranks": work.num_tasks, "machine": about, "layout": laid_out.to_dict()}


def _result(trace: Trace, environment: dict[str, Any]) -> dict[str, Any]:
    phases = metrics.phases(trace)
    return {
        "provenance": trace.provenance,
        "status": "done",
        "environment": environment,
        "phases": [phase.to_dict() for phase in phases],
        "layers": metrics.layers(trace),
        "targets": metrics.targets(trace),
        "verdicts": [verdict.to_dict() for verdict in diagnosis.verdicts(trace)],
        "dropped": trace.dropped,
        "capture": {
            "how": "model",
            "why": "in virtual time: no byte was moved",
            "block": "not modelled",
            "notes": [],
        },
        "verified_bytes": 0,
        "verified_from": None,
        "hints": _NO_HINTS,
        "mismatches": [],
        "signature": None,
        "exit_code": None,
        "seconds": max((phase.end for phase in phases), default=0) / 1e9,
    }
