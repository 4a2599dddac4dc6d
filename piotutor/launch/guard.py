"""The guard: starts what must not outlive a run, and ends it whatever happens to its parent.

``python -m piotutor.launch.guard RUN/guard.json``, in a session of its own, its standard input a
pipe from its parent. The end of that pipe, a line ``stop``, the time-out or a signal end the run:
TERM, then KILL. Afterwards nothing of the run is left but its directory (and files asked to be
kept), and ``RUN/guard-result.json`` says how it went.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, NoReturn

from piotutor.capture import UnavailableError, fiemap, procio, tracefs
from piotutor.launch import processes
from piotutor.launch.cleaning import cancel, clean
from piotutor.launch.orders import Orders
from piotutor.launch.queue import Pool, places
from piotutor.launch.relay import Started
from piotutor.launch.service import BrokenError, Ready, Service

TICK = 0.25
"""Seconds between looks at what announces itself by no descriptor: the parent, the clock."""
QUEUE_TICK = 0.05
"""Seconds between attempts to get places."""
OUTPUT = 1 << 20
"""Bytes of the ranks' output that are kept."""
BATCH = "batch-state.json"
"""In a run directory: what a batch system says of the job."""
CODES = {"done": 0, "failed": 1, "stopped": 3, "timeout": 4}
"""Exit codes of the guard, by the run's status."""


def status_of(code: int) -> str:
    """Return the run's status by the guard's exit code; a guard that was killed has failed."""
    return next((status for status, known in CODES.items() if known == code), "failed")


class End(Exception):  # noqa: N818 - it isn't an error
    """The run has to end; the text is its status."""


class Guard:
    """One run, from its place in the queue until nothing of it is left.

    Parameters
    ----------
    orders : Orders
        What to run.
    stdin : int
        Descriptor of the pipe from the parent.
    """

    def __init__(self, orders: Orders, stdin: int = 0) -> None:
        self.orders = orders
        self.run_dir = Path(orders.run_dir)
        self.stdin = stdin
        self.began, self.deadline = float("nan"), float("inf")
        self.woken, self.wake = os.pipe()
        os.set_blocking(self.wake, False)
        self.said: dict[str, str] = {}
        self.io: dict[str, int] = {}
        self.elsewhere = bool(orders.cancel)  # what ranks move isn't counted in our children
        self.unfinished = self.uncancelled = self.unrelayed = ""

    def run(self) -> str:
        """Run it, clean up, and return the status: done, failed, stopped or timeout."""
        status, code, reason = "failed", None, ""
        try:
            pools = [Pool(**pool) for pool in self.orders.pools]
            with places(pools, self.orders.ranks, self._wait_in_queue):
                code = self._job()
                status = "failed" if code else "done"
        except End as end:
            status = str(end)
        except BrokenError as broken:
            reason = str(broken)
        except OSError as error:
            reason = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        finally:
            self._tell(status, code, reason)
        return status

    def _tell(self, status: str, code: int | None, reason: str) -> None:
        """Clean up, and write down how it went."""
        seconds = 0.0 if math.isnan(self.began) else time.monotonic() - self.began
        left = clean(self.orders, done=status == "done")
        result = {"status": status, "code": code, "reason": reason, "seconds": seconds}
        more = {"left": left, "io": self.io, "unfinished": self.unfinished}
        more["uncancelled"], more["unrelayed"] = self.uncancelled, self.unrelayed
        _write(self.run_dir / "guard-result.json", result | more)

    def catch_signals(self) -> None:
        """Take the signals that ask for an end as a request to stop."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)

    def _job(self) -> int:
        """Start storage, sampler and ranks; wait for the ranks, then end the others."""
        if self.orders.temporary:
            Path(self.orders.temporary).mkdir(mode=0o700)
        if not self.orders.service:
            return self._ranks(Ready())
        self._say("starting", "the storage is starting")
        service = Service(self.orders.service, self.run_dir, self.orders.temporary)
        try:
            return self._ranks(service.wait(self._look), service)
        finally:
            processes.end(self.run_dir)
            service.close()

    def _ranks(self, ready: Ready, service: Service | None = None) -> int:
        """Start the sampler and the ranks on a storage that can be used; wait for the ranks."""
        self._say("running")
        self.began = time.monotonic()
        self.deadline = self.began + self.orders.timeout
        before = procio.counters()
        traced = self._trace_requests()
        sampler = self._start_sampler()
        if sampler is not None and traced and self.orders.watched:
            self._await(sampler)
        relay = Started(self.run_dir, self.orders.relay) if self.orders.relay else None
        ranks = self._start_ranks(ready, relay.env if relay else {})
        copier = threading.Thread(target=self._follow, args=(ranks,), daemon=True)
        copier.start()
        try:
            while ranks.poll() is None:
                self._look(TICK)
                self._hear()
                if service:
                    service.check()
            self.io = procio.moved(before)  # before a storage's own counts
            if service:
                self._finish(service, ranks.wait())
        finally:
            if ranks.poll() != 0:
                self.uncancelled = cancel(self.orders)
                self.orders = replace(self.orders, cancel=[])
            if relay:
                self.unrelayed = relay.finish()
            processes.end(self.run_dir)  # all that is left, the sampler too
            copier.join(processes.PATIENCE)
            self.io = {} if self.elsewhere else self.io or procio.moved(before)
            if sampler is not None:
                sampler.wait(processes.PATIENCE)
        return ranks.wait()

    def _finish(self, service: Service, code: int) -> None:
        """Let a storage count up and end, or say why the ranks failed, if it knows."""
        if code:
            service.check()
            return
        self.deadline = float("inf")
        self._say("finishing", "the storage is counting up and ending")
        self.unfinished = service.finish(self._look)

    def _trace_requests(self) -> bool:
        """Have the kernel keep block requests from now on; the sampler says why it couldn't."""
        if self.orders.block:
            with suppress(UnavailableError, OSError):
                tracefs.begin(tracefs.Order(**self.orders.block))
                (self.run_dir / fiemap.NOTES).mkdir()
                return True
        return False

    def _await(self, sampler: subprocess.Popen[bytes]) -> None:
        """Wait until the sampler has begun with the trace of block requests, but not for ever."""
        begun, last = self.run_dir / "trace/block.piot", time.monotonic() + processes.PATIENCE
        while not begun.exists() and sampler.poll() is None and time.monotonic() < last:
            self._look(QUEUE_TICK)

    def _start_sampler(self) -> subprocess.Popen[bytes] | None:
        """Start it with TERM held back until it is ready: the ranks may be done before that."""
        if not self.orders.sampler:
            return None
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            return subprocess.Popen(
                self.orders.sampler,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, processes.MARK: self.orders.run_dir},
                cwd=self.run_dir,
                start_new_session=True,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _start_ranks(self, ready: Ready, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        own = (subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT)
        stdin, stdout, stderr = self.orders.streams or own
        return subprocess.Popen(
            [*ready.argv_prefix, *self.orders.argv],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={**self._environment(), **ready.env, **more},
            cwd=self.orders.directory or self.run_dir,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        """Return the environment of the ranks."""
        kept = {name: text for name, text in os.environ.items() if name not in self.orders.unset}
        place = {"TMPDIR": self.orders.temporary} if self.orders.temporary else {}
        return {**kept, **place, **self.orders.env, processes.MARK: self.orders.run_dir}

    def _follow(self, ranks: subprocess.Popen[bytes]) -> None:
        """Keep the ranks' output, if it is ours, until they end (a thread of its own)."""
        if ranks.stdout is not None:
            with ranks.stdout as output:
                copy_bounded(output.fileno(), self.run_dir / "output.txt", OUTPUT)
        ranks.wait()
        os.write(self.wake, b"e")

    def _wait_in_queue(self, reason: str) -> None:
        self._say("waiting", reason)
        self._look(QUEUE_TICK)

    def _look(self, seconds: float) -> None:
        """Wait for something to happen; leave if it asks for the end."""
        ready, _, _ = select.select([self.stdin, self.woken], [], [], seconds)
        if self.stdin in ready and os.read(self.stdin, 4096) in (b"", b"stop\n"):
            raise End("stopped")
        if self.woken in ready and os.read(self.woken, 64).strip(b"e"):  # a signal's number
            raise End("stopped")
        if self.orders.parent and os.getppid() != self.orders.parent:
            raise End("stopped")
        if time.monotonic() > self.deadline:
            raise End("timeout")

    def _hear(self) -> None:
        """Take over what a batch system says of the job: waiting for its turn isn't counted."""
        try:
            said = json.loads((self.run_dir / BATCH).read_text())
        except (OSError, ValueError):
            return
        self._say(said["state"], said["why"])
        if said["state"] == "waiting":
            self.began = time.monotonic()
        self.deadline = self.began + self.orders.timeout

    def _say(self, state: str, why: str = "") -> None:
        """Publish the state for whoever looks at the run directory."""
        said = {"state": state, "why": why}
        if said != self.said:
            _write(self.run_dir / "state.json", said)
            self.said = said


def copy_bounded(source: int, target: Path, limit: int) -> None:
    """Copy a descriptor to a file until its end; what is beyond the limit is counted, not kept."""
    kept = cut = 0
    with _open_or_null(target) as file:
        while chunk := os.read(source, 1 << 16):
            part = chunk[: limit - kept]
            kept += len(part)
            cut += len(chunk) - len(part)
            with suppress(OSError):  # a full disk must not block the ranks
                file.write(part)
        with suppress(OSError):
            file.write(b"\n[%d more bytes of output were cut]\n" % cut if cut else b"")


def _open_or_null(target: Path) -> IO[bytes]:
    try:
        return target.open("wb", buffering=0)
    except OSError:
        return Path(os.devnull).open("wb", buffering=0)


def _write(path: Path, value: dict[str, Any]) -> None:
    """Replace a small file at once; on a full disk the exit code has to do."""
    with suppress(OSError):
        part = path.with_suffix(".part")
        part.write_text(json.dumps(value))
        part.replace(path)


def main(arguments: Iterable[str]) -> NoReturn:
    """Guard the run whose orders are named."""
    (path,) = arguments
    guard = Guard(Orders.read(Path(path)))
    guard.catch_signals()
    sys.exit(CODES[guard.run()])


if __name__ == "__main__":
    main(sys.argv[1:])
