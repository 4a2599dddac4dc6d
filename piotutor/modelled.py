"""Runs in virtual time: a directory like that of a run, of what a machine would have done."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from piotutor import metrics, rundir
from piotutor.engine import Machine, model
from piotutor.engine.demand import requests_of
from piotutor.engine.machines import kind_of, take_machine
from piotutor.ior import workload_of
from piotutor.outcome import outcome
from piotutor.results import Run
from piotutor.storage.striping import Component, Striping
from piotutor.trace import Layer, Trace
from piotutor.workload import Workload

MANY = 1_000_000
"""Requests from which on the servers' records aren't kept, only the application's."""
_CAPTURE: dict[str, Any] = {
    "how": "model",
    "why": "in virtual time: no byte was moved",
    "block": "not modelled",
    "notes": [],
}


def model_run(
    workload: Workload | str | list[str],
    machine: Machine | str,
    *,
    stripe_size: int = 1 << 20,
    stripe_count: int = 1,
    directories: int = 1,
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
    directories : int
        In how many directories files are made, in turn; as many as there are files: each in its
        own, as with IOR's ``-u``.

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
    on, name = take_machine(machine)
    many = requests_of(work, on) > MANY
    layers = (Layer.APP,) if many else (Layer.APP, Layer.SERVER, Layer.DEVICE)
    began = time.monotonic()
    layout = {"stripe_size": stripe_size, "stripe_count": stripe_count, "directories": directories}
    trace = model(work, on, **layout, layers=layers)
    taken = time.monotonic() - began
    laid_out = Striping("model", (Component(stripe_size, stripe_count),))
    environment = {
        **_environment(work, on, name),
        "layout": laid_out.to_dict(),
        "stripe_size": stripe_size,
        "model": {**trace.meta["engine"], "seconds": taken},
    }
    return _keep(trace, work, environment)


def _environment(work: Workload, machine: Machine, name: str) -> dict[str, Any]:
    """Say on what: there is no host and no MPI, and the machine stands for the file system."""
    about = {"name": name, **dataclasses.asdict(machine)}
    known = {"filesystem": kind_of(name) or None, "ranks": work.num_tasks, "machine": about}
    return {**known, "host": None, "mpi": None, "slowed": None, "capture": None}


def _keep(trace: Trace, work: Workload, environment: dict[str, Any]) -> Run:
    """Make a run's directory of it."""
    state = rundir.state_dir()
    rundir.prune(state)
    seconds = max((phase.end for phase in metrics.phases(trace)), default=0) / 1e9
    result = outcome(trace, environment, _CAPTURE, seconds=seconds)
    taken = environment["model"]["seconds"]
    ended = {"status": "done", "code": 0, "reason": "", "seconds": taken, "left": []}
    with rundir.new(state, f"model-{work.api}") as (run_dir, _):
        trace.save(run_dir / "trace" / "modelled.piot")
        where = {"run_dir": str(run_dir)}
        job = {"format": 1, "workload": work.to_dict(), "files": trace.files}
        rundir.write_json(run_dir / "job.json", job | where)
        rundir.write_json(run_dir / "environment.json", environment)
        rundir.write_json(run_dir / "guard-result.json", ended)
        rundir.write_json(run_dir / "result.json", result | where)
    return Run(run_dir)
