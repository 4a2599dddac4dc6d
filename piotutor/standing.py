"""A Ceph that stands while it is used by run after run, under a guard of its own.

    with pio.storage.Ceph(osds=4).start() as running:
        pio.run_sync(workload, storage=running)
        pio.run_sync(workload, storage=running.replace(stripe_count=2))

In a notebook ``async with``, or over several cells ``up = ceph.start()``, ``running = await
up.wait()`` and, at the end, ``await up.stop()``. Should this process die, the guard ends it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import tempfile
import time
from dataclasses import fields
from pathlib import Path

from piotutor import rundir
from piotutor.errors import PiotutorError
from piotutor.jobs import Job, start_guard
from piotutor.launch import service
from piotutor.launch.orders import Orders
from piotutor.storage import beside
from piotutor.storage.ceph import Ceph
from piotutor.storage.ceph.standing import Standing
from piotutor.storage.datafiles import DataFiles

LOOK = 0.02
"""Seconds between looks at whether it is up."""


class Upkeep:
    """What keeps a Ceph up: its job, and the way to end it.

    Attributes
    ----------
    run_dir : Path
        The directory of its guard; removed when it ends well.
    """

    def __init__(self, storage: Ceph, job: Job) -> None:
        self.run_dir = job.run_dir
        self._storage, self._job = storage, job

    def wait_sync(self) -> Standing:
        """Wait until it is up, and return it as a storage for runs.

        Raises
        ------
        PiotutorError
            It didn't start; the line says why.
        """
        try:
            while not self._up():
                time.sleep(LOOK)
        except BaseException:
            self.stop_sync()
            raise
        return self._standing()

    async def wait(self) -> Standing:
        """Wait until it is up without blocking; see `wait_sync`."""
        try:
            while not self._up():
                await asyncio.sleep(LOOK)
        except BaseException:
            await self.stop()
            raise
        return self._standing()

    def stop_sync(self) -> None:
        """End it, with all that it holds; return when nothing is left. A second call is fine."""
        failed = bool(service.problem(self.run_dir))
        self._job.end()
        if not failed:
            shutil.rmtree(self.run_dir, ignore_errors=True)
        (self.run_dir / beside.READY).unlink(missing_ok=True)

    async def stop(self) -> None:
        """End it without blocking; see `stop_sync`."""
        await asyncio.to_thread(self.stop_sync)

    def __enter__(self) -> Standing:
        return self.wait_sync()

    def __exit__(self, *_: object) -> None:
        self.stop_sync()

    async def __aenter__(self) -> Standing:
        return await self.wait()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _up(self) -> bool:
        if (self.run_dir / beside.READY).exists():
            return True
        if self._job.state in ("failed", "stopped", "timeout"):
            output = self._job.output
            last = output[-1] if output else f"its guard says: {self._job.state}"
            raise PiotutorError(service.problem(self.run_dir) or f"Ceph didn't start: {last}")
        return False

    def _standing(self) -> Standing:
        ready = json.loads((self.run_dir / beside.READY).read_text())
        given = {each.name: getattr(self._storage, each.name) for each in fields(self._storage)}
        return Standing(**given, home=self.run_dir, enter=tuple(ready["argv_prefix"]))


def start(storage: Ceph) -> Upkeep:
    """Start a Ceph that stands, and return at once.

    Raises
    ------
    UsageError
        It can't be had here; nothing was started or left.
    """
    storage.need()
    state = rundir.state_dir()
    rundir.sweep(state)
    with rundir.new(state, "ceph") as (run_dir, lock):
        temporary = Path(tempfile.gettempdir()) / f"piotutor-{run_dir.name}"
        orders = Orders(
            run_dir=str(run_dir),
            argv=storage.stand(run_dir, temporary),
            env={},
            data=DataFiles(()).to_dict(),
            timeout=float("inf"),
            temporary=str(temporary),
            parent=os.getpid(),
            host=socket.gethostname(),
            since=time.time(),
        )
        orders.write(run_dir / "guard.json")
        return Upkeep(storage, Job(None, orders, start_guard(run_dir, lock)))
