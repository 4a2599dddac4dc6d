"""The program that every rank runs: ``python -m mpi4py -m piotutor.launch.worker JOB.json``.

A rank writes ``trace/rank-NNNNN.piot`` in the run directory; rank 0 also ``worker.json``, when all
is done, and ``trace/clocks.json``, where there are several hosts. A rank that fails writes
``error-NNNNN.json`` and ends the whole job. Without MPI the same program (without ``-m mpi4py``)
does jobs of one rank through NULL or POSIX.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import socket
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from piotutor.errors import UsageError
from piotutor.kernels.base import Comm, SerialComm
from piotutor.kernels.benchmark import Outcome, run_rank
from piotutor.kernels.job import Job, read_job
from piotutor.launch.away import arrive, sending
from piotutor.launch.memory import with_fresh_memory
from piotutor.launch.pingpong import compare
from piotutor.trace import clocks
from piotutor.trace.clocks import Clocks
from piotutor.trace.writer import TraceWriter

_SERIAL = ("NULL", "POSIX")


def main(arguments: Sequence[str]) -> int:
    """Run one rank of the job file named by the only argument; return the exit code."""
    if len(arguments) != 1:
        raise SystemExit("usage: python -m mpi4py -m piotutor.launch.worker JOB.json")
    comm: Comm = SerialComm()
    run_dir = Path(arguments[0]).absolute().parent
    try:
        alone = arrive(run_dir / Path(arguments[0]).name)
        job = read_job(arguments[0])
        run_dir = job.run_dir
        comm = _communicator(job)
        work(job, comm, alone)
    except Exception as error:
        return _give_up(error, run_dir, comm)
    return 0


def work(job: Job, comm: Comm, alone: bool = False) -> None:
    """Do this rank's part of a job, and leave its trace and the result in the run directory.

    Parameters
    ----------
    job, comm
        The job, and all its ranks.
    alone : bool
        Whether the run directory is only this host's: what is in it has to be sent.
    """
    from piotutor.storage import seen

    tasks = job.workload.num_tasks
    if comm.size != tasks:
        raise UsageError(_not_together(comm.size, tasks))
    hosts = comm.allgather(_node())
    (job.run_dir / "trace").mkdir(exist_ok=True)
    nodes = _compare_clocks(Clocks.of_hosts(hosts, time.time_ns() - time.monotonic_ns()), job, comm)
    with sending(job.run_dir, asked=alone and nodes.leads(comm.rank)):
        outcome = _record(job, comm, nodes.ranks[comm.rank])
        if comm.rank == 0 and not job.routed and Path(job.path(0)).is_file():
            seen.note(job.run_dir, job.path(0))
        _compare_clocks(nodes, job, comm)
        outcomes = comm.allgather(outcome)
        if comm.rank == 0:
            environment = {**_environment(), **outcome.environment}
            result = collect(outcomes) | {"environment": environment, "rank_hosts": hosts}
            result["signature"] = job.seed_of(job.workload.repetitions - 1)
            _write_json(job.run_dir / "worker.json", result)


def _record(job: Job, comm: Comm, client: int) -> Outcome:
    """Do the work, and record it."""
    from piotutor.capture.residency import evict, let_go

    writer = TraceWriter(
        job.run_dir / "trace" / f"rank-{comm.rank:05d}.piot",
        rank=comm.rank,
        client=client,
        files=job.files,
        max_bytes=job.trace_max_bytes,
    )
    with writer:
        away = job.routed  # what is in memory, and where, only its servers know
        return run_rank(job, comm, writer, let_go if away else evict, partial(_look, job))


def _node(environment: Mapping[str, str] = os.environ) -> str:
    """Return the name of our node: the launcher's, where it says which variable holds it."""
    return environment.get(environment.get("PIOTUTOR_NODE_FROM", "")) or socket.gethostname()


def _not_together(found: int, wanted: int) -> str:
    """Say why ranks that were started together don't find each other, and what to do."""
    return (
        f"MPI sees {found} of {wanted} ranks: what started them and the MPI of {sys.executable} "
        "don't fit each other. Under Slurm name what this MPI speaks (--launcher slurm:mpi=pmi2 or "
        "pmix; srun --mpi=list shows what there is), else use the mpiexec of this MPI"
    )


def _compare_clocks(nodes: Clocks, job: Job, comm: Comm) -> Clocks:
    """Read the hosts' clocks once more, where there are several, and note it beside the traces."""
    if len(nodes.clients) > 1:
        nodes = compare(nodes, comm)
    if comm.rank == 0 and (len(nodes.clients) > 1 or clocks.ASKED in os.environ):
        nodes.write(job.run_dir / "trace")
    return nodes


def _look(job: Job, path: str) -> None:
    """Note where a file lies that is about to go: on its disk, and if striped, on its targets."""
    from piotutor.capture import fiemap
    from piotutor.storage import seen

    if not job.routed:
        fiemap.note(job.run_dir, path)
        if path == job.path(0):
            seen.note(job.run_dir, path)


def collect(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Put together what all ranks have to tell."""
    order = [None, "direct", "after-evict", "cache"]
    return {
        "hints": outcomes[0].hints,
        "verified_bytes": sum(outcome.verified_bytes for outcome in outcomes),
        "bad_bytes": sum(outcome.bad_bytes for outcome in outcomes),
        "verified_from": max((outcome.verified_from for outcome in outcomes), key=order.index),
        "mismatches": [asdict(found) for outcome in outcomes for found in outcome.mismatches],
        "warnings": [text for outcome in outcomes for text in outcome.warnings],
        "stonewall": [note for outcome in outcomes for note in outcome.stonewall],
    }


def _environment() -> dict[str, str]:
    """Return versions of what the ranks run on."""
    known = {"python": platform.python_version()}
    if "mpi4py.MPI" in sys.modules:
        import mpi4py
        from mpi4py import MPI

        library = MPI.Get_library_version().strip("\0").splitlines()[0].strip()
        known |= {"mpi": " ".join(library.split()), "mpi4py": mpi4py.__version__}
    return known


def _communicator(job: Job) -> Comm:
    """Return all ranks: of MPI, or just this process where one rank needs no MPI."""
    alone = job.workload.num_tasks == 1 and job.workload.api in _SERIAL
    if alone and "mpi4py" not in sys.modules:
        return SerialComm()
    return _world()


def _world() -> Comm:
    """Return all ranks of MPI."""
    import mpi4py

    # All calls but the first come from this thread; more than that would cost a lock in each.
    mpi4py.rc.thread_level = "serialized"
    if "SLURM_STEP_ID" in os.environ:
        with_fresh_memory(_start_mpi)
    from mpi4py import MPI

    world: Comm = MPI.COMM_WORLD
    return world


def _start_mpi() -> None:
    """Start MPI, which importing it does."""
    importlib.import_module("mpi4py.MPI")


def _give_up(error: Exception, run_dir: Path, comm: Comm) -> int:
    """Write down why this rank failed, and end all others, who may be waiting for us to begin."""
    if "mpi4py" in sys.modules and isinstance(comm, SerialComm):
        with suppress(ImportError):
            comm = _world()
    usage = isinstance(error, UsageError)
    report = {
        "rank": comm.rank,
        "type": type(error).__name__,
        "message": str(error),
        "traceback": traceback.format_exc(),
        "usage": usage,
    }
    with suppress(OSError):  # there may be no run directory on this host
        _write_json(run_dir / f"error-{comm.rank:05d}.json", report)
    print(f"rank {comm.rank}: {error}", file=sys.stderr, flush=True)
    code = 2 if usage else 1
    abort = getattr(comm, "Abort", None)
    if abort is not None and comm.size > 1:
        abort(code)
    return code


def _write_json(path: Path, value: Any) -> None:
    """Write a file that is either whole or not there."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, indent=1), "utf-8")
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
