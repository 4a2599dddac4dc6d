"""Run a workload: start it, follow it, stop it, collect it.

One implementation serves a notebook (``await pio.run(...)``), a script (``pio.run_sync(...)``)
and the command line: `start` returns a `Job`, whose end is looked for without blocking anyone.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from piotutor import launch, preparation, results, rundir
from piotutor.errors import UsageError
from piotutor.ior import parse
from piotutor.launch import Launcher, guard, limits
from piotutor.results import Run
from piotutor.trace import Follower
from piotutor.units import parse_size
from piotutor.workload import Workload

__all__ = ["Job", "Run", "open_run", "run", "run_sync", "start"]

LOOK = 0.02
"""Seconds between looks at whether a job is over."""
UNRESPONSIVE = 12.0
"""Seconds after which a guard that was told to stop is taken for hung."""


class Job:
    """A job under its guard.

    Attributes
    ----------
    run_dir : Path
        The run directory.
    workload : Workload
        What it does.
    """

    def __init__(self, workload: Workload, orders: guard.Orders, process: _Process) -> None:
        self.run_dir = Path(orders.run_dir)
        self.workload = workload
        self._orders = orders
        self._process = process
        self._stopped_at: float | None = None
        self._run: Run | None = None

    @property
    def state(self) -> str:
        """``waiting`` (for places), ``running``, ``done``, ``failed``, ``stopped``, ``timeout``."""
        if self._run is not None:
            return self._run.status
        ended = rundir.read_json(self.run_dir / "guard-result.json", {})
        now = rundir.read_json(self.run_dir / "state.json", _WAITING)
        return str(ended.get("status") or now["state"])

    @property
    def why(self) -> str:
        """What a waiting job waits for."""
        return str(rundir.read_json(self.run_dir / "state.json", _WAITING)["why"])

    @cached_property
    def follower(self) -> Follower:
        """The trace while it grows."""
        return Follower(self.run_dir / "trace")

    @property
    def output(self) -> list[str]:
        """The lines that the ranks have printed so far."""
        return results.read_output(self.run_dir).splitlines()

    def stop(self) -> None:
        """Ask for the end: ranks get TERM, and KILL 2 s later. Returns at once."""
        self._stopped_at = self._stopped_at or time.monotonic()
        with suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.write(b"stop\n")
            self._process.stdin.flush()

    async def wait(self) -> Run:
        """Wait for the end without blocking; if cancelled, stop the job first.

        Raises
        ------
        RunError, UsageError
            The job failed.
        """
        try:
            while not self._over():
                await asyncio.sleep(LOOK)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self._abort()
            raise
        if self._run is None:
            self._run = await asyncio.to_thread(self._collect)
        return self._run.raise_for_status()

    def wait_sync(self, timeout: float | None = None) -> Run:
        """Wait for the end; if interrupted, stop the job first.

        Parameters
        ----------
        timeout : float, optional
            Seconds after which to give up waiting; the job goes on.

        Raises
        ------
        RunError, UsageError
            The job failed.
        TimeoutError
            It is not over yet.
        """
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        try:
            while not self._over():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.run_dir.name} is not over after {timeout} s")
                time.sleep(LOOK)
        except KeyboardInterrupt:
            self._abort()
            raise
        self._run = self._run or self._collect()
        return self._run.raise_for_status()

    def _over(self) -> bool:
        """Say whether the guard has ended; end one that doesn't answer."""
        if self._process.poll() is not None:
            return True
        if self._stopped_at and time.monotonic() > self._stopped_at + UNRESPONSIVE:
            self._process.kill()
        return False

    def _abort(self) -> None:
        """Stop, and see to it that nothing is left."""
        self.stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(UNRESPONSIVE)
        self._process.kill()
        self._process.wait()
        self._tidy()

    def _collect(self) -> Run:
        self._tidy()
        return results.collect(self.run_dir)

    def _tidy(self) -> None:
        """Close the pipe; do what a guard would have done that was killed."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        ended = self.run_dir / "guard-result.json"
        if not ended.exists():
            left = guard.clean(self._orders)
            status = guard.status_of(self._process.wait())
            if status == "failed" and self._stopped_at:
                status = "stopped"
            reason = "the guard of this run was killed" if status == "failed" else ""
            told = {"status": status, "code": None, "reason": reason, "seconds": 0.0}
            rundir.write_json(ended, {**told, "left": left})


def start(
    workload: Workload | str | list[str],
    *,
    directory: str | Path | None = None,
    timeout: float = 600,
    limit: int | str = limits.DATA,
    max_ranks: int | None = None,
    sample: bool = True,
    launcher: Launcher | None = None,
    fault: Mapping[str, Any] | None = None,
) -> Job:
    """Start a workload and return at once.

    Parameters
    ----------
    workload : Workload, str or list of str
        What to run, or IOR's command line for it.
    directory : path, optional
        Where the data goes if the workload names no file: ``PIOTUTOR_SCRATCH``, or the state
        directory's ``scratch``.
    timeout : float
        Seconds that the job may take; waiting in the queue isn't counted.
    limit : int or str
        Bytes that a repetition may move in one direction, as ``"1g"``, say.
    max_ranks : int, optional
        The most ranks: ``PIOTUTOR_MAX_RANKS``, or 16.
    sample : bool
        Whether to watch the page cache and the device meanwhile.
    launcher : Launcher, optional
        What starts the ranks; found if not given.
    fault : mapping, optional
        A fault that a rank is to produce, for tests: see `piotutor.kernels.job.Job`.

    Raises
    ------
    UsageError
        The job can't be run as asked; nothing was started or left.
    """
    options = preparation.Options(
        directory=directory,
        timeout=timeout,
        limit=parse_size(limit),
        max_ranks=max_ranks,
        sample=sample,
        launcher=launcher,
        fault=fault,
    )
    return _start(_read(workload), options)


def _start(workload: Workload, options: preparation.Options) -> Job:
    """Check everything, make the run directory and the place for data, and start the guard."""
    state = rundir.state_dir()
    rundir.sweep(state)
    rundir.prune(state)
    limits.check(workload, limit=options.limit, ranks=options.ranks)
    for pool in preparation.pools(state, options.ranks):
        pool.check(workload.num_tasks)
    launcher = options.launcher or launch.find(cache=state)
    launcher.check(workload)
    with rundir.new(state, workload.api) as (run_dir, lock):
        data = preparation.place(workload, state, run_dir, options.directory)
        try:
            orders = preparation.orders(workload, data, run_dir, launcher, options)
            return Job(workload, orders, _guard(run_dir, lock))
        except BaseException:
            data.release(done=False)
            raise


async def run(workload: Workload | str | list[str], **options: Any) -> Run:
    """Run a workload and return its `Run`; in a notebook: ``run = await pio.run(workload)``.

    Parameters
    ----------
    workload : Workload, str or list of str
        What to run, or IOR's command line for it.
    **options
        As for `start`.

    Raises
    ------
    UsageError
        It can't be run as asked.
    RunError
        It failed.
    """
    return await start(workload, **options).wait()


def run_sync(workload: Workload | str | list[str], **options: Any) -> Run:
    """Run a workload and return its `Run`, as `run` does, blocking meanwhile."""
    return start(workload, **options).wait_sync()


def open_run(path: str | Path) -> Run:
    """Open the directory of a run that is over.

    Raises
    ------
    PiotutorError
        There is none, or it is damaged.
    """
    return Run(path)


_Process = subprocess.Popen[bytes]
_WAITING = {"state": "waiting", "why": ""}


def _read(workload: Workload | str | list[str]) -> Workload:
    """Accept an IOR command line too, if all of it has an equal here."""
    if isinstance(workload, Workload):
        return workload
    parsed, unsupported = parse(workload)
    if unsupported:
        raise UsageError(f"no equal here for {', '.join(unsupported)}: leave it out")
    return parsed


def _guard(run_dir: Path, lock: int | None) -> _Process:
    """Start the guard; it inherits the lock of the run directory."""
    with (run_dir / "guard.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "piotutor.launch.guard", str(run_dir / "guard.json")],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=run_dir,
            env={**os.environ, **preparation.rank_environment()},
            pass_fds=() if lock is None else (lock,),
            start_new_session=True,
        )
