"""Run jobs of the worker as the launcher would, and look at all that they left.

As a program under mpiexec, it runs the worker on several job files, one after the other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from piotutor.kernels.job import FORMAT
from piotutor.launch import processes, shared_memory, worker
from piotutor.launch.local import Local, Ranks
from piotutor.trace.reader import Trace
from piotutor.trace.record import Flag, Layer, Op, Phase, phase_of
from piotutor.workload import Workload

TIMEOUT = 100
"""Seconds after which a job counts as hung."""


@dataclass(frozen=True)
class Finished:
    """A job that is over.

    Attributes
    ----------
    workload : Workload
        What was asked.
    run_dir : Path
        Where it left its results.
    files : tuple of Path
        The data files.
    code : int
        Its exit code.
    output : str
        What it printed.
    """

    workload: Workload
    run_dir: Path
    files: tuple[Path, ...]
    code: int
    output: str

    @property
    def trace(self) -> Trace:
        """All records of all ranks."""
        return Trace.load(self.run_dir / "trace")

    @property
    def result(self) -> dict[str, Any]:
        """What rank 0 told at the end."""
        answer: dict[str, Any] = json.loads((self.run_dir / "worker.json").read_text())
        return answer

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The errors of all ranks that had one."""
        return [json.loads(path.read_text()) for path in sorted(self.run_dir.glob("error-*.json"))]

    def records(self, op: Op, phase: Phase | None = None, rank: int | None = None) -> Any:
        """Return the application's whole calls of one kind, in their order."""
        found = self.trace.records
        wanted = (found["layer"] == Layer.APP) & (found["op"] == op)
        wanted &= (found["flags"] & np.uint16(Flag.PART)) == 0
        if phase is not None:
            wanted &= phase_of(found["aux"]) == phase
        if rank is not None:
            wanted &= found["rank"] == rank
        return found[wanted]


@cache
def launcher() -> Local:
    """Return what starts ranks here."""
    return Local.find()


def run_job(
    directory: Path,
    workload: Workload,
    *,
    data: Path | None = None,
    **fields: Any,
) -> Finished:
    """Run a job to its end.

    Parameters
    ----------
    directory : Path
        A new directory for the run.
    workload : Workload
        What to do.
    data : Path, optional
        The data file, or what the files' names begin with; by default within `directory`.
    **fields
        Other fields of the job file: ``seed``, ``exclusive``, ``trace_max_bytes``, ``fail``.
    """
    job = write_job(directory, workload, data, **fields)
    code, output = start_ranks(workload.num_tasks, "piotutor.launch.worker", job)
    return _finished(job, workload, code, output)


def run_jobs(directory: Path, workloads: Sequence[Workload], **fields: Any) -> list[Finished]:
    """Run several jobs of the same number of ranks, which are started only once."""
    jobs = [write_job(directory / str(i), work, **fields) for i, work in enumerate(workloads)]
    code, output = start_ranks(workloads[0].num_tasks, "piotutor.testing.jobs", *jobs)
    return [_finished(job, work, code, output) for job, work in zip(jobs, workloads, strict=True)]


def write_job(directory: Path, workload: Workload, data: Path | None = None, **fields: Any) -> Path:
    """Make a run directory with a job file in it, and return that file's path."""
    directory.mkdir(parents=True)
    stem = directory / "data" if data is None else data
    shared = workload.num_files == 1 and not workload.file_per_process
    names = [str(stem)] if shared else [f"{stem}.{i:08d}" for i in range(workload.num_files)]
    job: dict[str, Any] = {"format": FORMAT, "workload": workload.to_dict(), "files": names}
    job |= {"run_dir": str(directory), **fields}
    path = directory / "job.json"
    path.write_text(json.dumps(job))
    return path


def _finished(job: Path, workload: Workload, code: int, output: str) -> Finished:
    files = tuple(Path(name) for name in json.loads(job.read_text())["files"])
    return Finished(workload, job.parent, files, code, output)


def start_ranks(
    ranks: int, module: str, *jobs: Path, environment: Mapping[str, str] = os.environ
) -> tuple[int, str]:
    """Run a module on job files; return the exit code and what was printed."""
    start = launcher()
    line = start.argv(Ranks(ranks, (module, *map(str, jobs))))
    since = time.time()
    try:
        done = subprocess.run(
            line,
            env={**environment, **start.env(), processes.MARK: str(jobs[0].parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=TIMEOUT,
        )
    finally:  # an aborted mpiexec may end before its ranks, one that hangs is killed
        processes.end(jobs[0].parent)
        shared_memory.remove(since)
    return done.returncode, done.stdout


if __name__ == "__main__":
    sys.exit(max(worker.main([job]) for job in sys.argv[1:]))
