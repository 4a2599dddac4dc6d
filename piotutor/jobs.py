"""A job under its guard: followed, stopped, waited for, collected."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from piotutor import collection, preparation, results, rundir
from piotutor.launch import cleaning, guard
from piotutor.launch.orders import Orders
from piotutor.results import Run
from piotutor.trace import Follower, clocks
from piotutor.workload import Workload

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
    workload : Workload or None
        What it does; None for a program that isn't ours.
    """

    def __init__(self, workload: Workload | None, orders: Orders, process: Process) -> None:
        self.run_dir = Path(orders.run_dir)
        self.workload = workload
        self._orders = orders
        self._process = process
        self._stopped_at: float | None = None
        self._run: Run | None = None

    @property
    def state(self) -> str:
        """How far it is.

        ``waiting`` (for places), ``starting`` and ``finishing`` (a storage's servers), ``running``,
        ``done``, ``failed``, ``stopped``, ``timeout``.
        """
        if self._run is not None:
            return self._run.status
        ended = rundir.read_json(self.run_dir / "guard-result.json", {})
        now = rundir.read_json(self.run_dir / "state.json", _WAITING)
        return str(ended.get("status") or now["state"])

    @property
    def why(self) -> str:
        """What a job that doesn't run yet, or any more, waits for."""
        return str(rundir.read_json(self.run_dir / "state.json", _WAITING)["why"])

    @property
    def filesystem(self) -> str:
        """The kind of the file system that it runs on; empty where that isn't known."""
        about = rundir.read_json(self.run_dir / "environment.json", {})
        return str(about.get("filesystem") or "")

    @cached_property
    def follower(self) -> Follower:
        """The trace while it grows: what ranks and sampler record; of another program all."""
        names = _OURS if self.workload else ("*.piot",)
        return Follower(self.run_dir / "trace", names, several=self._several)

    @cached_property
    def deep_follower(self) -> Follower:
        """The trace of all layers while it grows."""
        return Follower(self.run_dir / "trace", several=self._several)

    @property
    def _several(self) -> bool:
        """Whether the ranks may be on several hosts, and say so beside their traces."""
        return self.workload is not None and clocks.ASKED in self._orders.env

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
            self.end()
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
            self.end()
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

    def end(self) -> None:
        """Stop, and see to it that nothing is left."""
        self.stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(UNRESPONSIVE)
        self._process.kill()
        self._process.wait()
        self._tidy()

    def _collect(self) -> Run:
        self._tidy()
        return collection.collect(self.run_dir)

    def _tidy(self) -> None:
        """Close the pipe; do what a guard would have done that was killed."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        ended = self.run_dir / "guard-result.json"
        if not ended.exists():
            left = cleaning.clean(self._orders)
            status = guard.status_of(self._process.wait())
            if status == "failed" and self._stopped_at:
                status = "stopped"
            reason = "the guard of this run was killed" if status == "failed" else ""
            told = {"status": status, "code": None, "reason": reason, "seconds": 0.0}
            rundir.write_json(ended, {**told, "left": left})


def start_guard(run_dir: Path, lock: int | None, streams: Sequence[int] = ()) -> Process:
    """Start the guard; it inherits the lock of the run directory, and the ranks' streams."""
    inherited = [*streams, *([] if lock is None else [lock])]
    with (run_dir / "guard.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "piotutor.launch.guard", str(run_dir / "guard.json")],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=run_dir,
            env={**os.environ, **preparation.rank_environment()},
            pass_fds=inherited,
            start_new_session=True,
        )


Process = subprocess.Popen[bytes]
_OURS = ("rank-*.piot", "sampler.piot", "servers.piot")
_WAITING = {"state": "waiting", "why": ""}
