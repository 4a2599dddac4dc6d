"""A Ceph of one monitor, one metadata server and some OSDs: started, watched, ended.

All are children of this process, in the foreground, each with its log and its admin socket in the
directory of the configuration. One OSD more than asked for holds the metadata, so that what the
others count is the files' data alone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from piotutor.programs import last_line
from piotutor.storage.ceph import POOL
from piotutor.storage.ceph.binaries import Binaries
from piotutor.storage.ceph.config import Config
from piotutor.storage.ceph.monitor import CephError, Monitor
from piotutor.storage.ceph.reach import MDS, Reach

FILE_SYSTEM = "piotutor"
FIRST = "cephfs_first"
META = "cephfs_meta"
PLACEMENT_GROUPS = 64
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\S+ [0-9a-f]+ +-?\d+ ")
"""What a line of a log begins with: time, thread and level."""
TAKEN = "unable to bind"
ATTEMPTS = 3
"""Times that another port is tried."""
PAUSE = 0.02
SECONDS = 45.0
"""A start that takes longer than this has failed."""


def free_port(address: str) -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as line:
        line.bind((address, 0))
        return int(line.getsockname()[1])


class TakenError(CephError):
    """Somebody else took the port."""


@contextmanager
def started(config: Config, binaries: Binaries) -> Iterator[Cluster]:
    """Start a Ceph on a free port, and end it, with its directory.

    Raises
    ------
    CephError
        It can't be started; the text says why.
    """
    for attempt in range(ATTEMPTS):
        config.directory.mkdir(mode=0o700)
        cluster = Cluster(replace(config, port=free_port(config.monitor)), binaries)
        try:
            try:
                cluster.start()
            except TakenError:
                if attempt < ATTEMPTS - 1:
                    continue
                raise
            yield cluster
            return
        finally:
            cluster.stop()
            shutil.rmtree(config.directory, ignore_errors=True)


class Cluster:
    """One Ceph.

    Parameters
    ----------
    config : Config
        How it is made up.
    binaries : Binaries
        Its programs and libraries.
    """

    def __init__(self, config: Config, binaries: Binaries) -> None:
        self.config = config
        self.binaries = binaries
        self.reach = Reach(config.directory, config.osds, binaries)
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._making: list[subprocess.Popen[bytes]] = []
        self._deadline = 0.0

    def start(self, seconds: float = SECONDS) -> None:
        """Start everything, and return when files can be written.

        Raises
        ------
        CephError
            Something didn't start, or took longer than this many seconds.
        """
        self._deadline = time.monotonic() + seconds
        config, place = self.config, self.config.directory
        config.write()
        (place / "keyring").touch()
        for name in ("mds", "crash", *(f"osd{number}" for number in range(config.osds + 1))):
            (place / name).mkdir()
        stores = self._make_stores()
        self._start_monitor()
        with Monitor(self.binaries.libraries["librados.so.2"], config.path) as monitor:
            for number, name in stores.items():
                self._place_osd(monitor, number, name)
            self._wait_stores()
            for number in stores:
                self._start("ceph-osd", f"osd.{number}")
            self._start("ceph-mds", MDS)
            self._make_pools(monitor)
            self._wait(lambda: _osds_up(monitor) > config.osds, "the OSDs")
            if config.code:
                monitor.ask("osd pool set", pool=POOL, var="allow_ec_overwrites", val="true")
            monitor.ask("fs add_data_pool", fs_name=FILE_SYSTEM, pool=POOL)
            self._wait(lambda: _active(monitor), "the metadata server")
        self._warm_up()

    def stop(self) -> None:
        """End everything at once: nothing of it is kept."""
        processes = (*self._making, *self.daemons.values())
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()

    def dead(self) -> str:
        """Say which daemon has ended, and how; empty while all are there."""
        for name, process in self.daemons.items():
            code = process.poll()
            if code is not None:
                how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                last = self._said(name)
                return f"{name} ended ({how}){'; it last said: ' + last if last else ''}"
        return ""

    def _said(self, name: str) -> str:
        """Return the last that a program complained of, or else noted."""
        place = self.config.directory
        return _last_line(place / f"{name}.out") or _last_line(place / f"{name}.log")

    def _make_stores(self) -> dict[int, str]:
        """Begin making each OSD's store; return the OSDs' names by number."""
        names = {number: str(uuid.uuid4()) for number in range(self.config.osds + 1)}
        self._making = [
            self._popen(
                "ceph-osd", "-i", str(number), "--mkfs", "--osd-uuid", name, to=f"osd.{number}"
            )
            for number, name in names.items()
        ]
        return names

    def _wait_stores(self) -> None:
        for number, process in enumerate(self._making):
            self._end(process, f"osd.{number}")

    def _start_monitor(self) -> None:
        config, place = self.config, self.config.directory
        address = f"[v1:{config.monitor}:{config.port}]"
        made = ("monmaptool", "--create", "--clobber", "--fsid", config.fsid)
        self._run(*made, "--addv", "a", address, str(place / "monmap"))
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", str(place / "monmap"))
        self._start("ceph-mon", "mon.a")
        self._wait(self._leads, "the monitor")

    def _leads(self) -> bool:
        """Say whether the monitor is ready for commands."""
        try:
            return bool(self.reach.ask("mon.a", "mon_status")["state"] == "leader")
        except CephError:  # not yet
            return False

    def _place_osd(self, monitor: Monitor, number: int, name: str) -> None:
        root = "metadata" if number == self.config.metadata else "default"
        monitor.ask("osd new", uuid=name, id=number)
        where = [f"root={root}", f"host={root}{number}"]
        monitor.ask("osd crush add", id=number, weight=1.0, args=where)

    def _make_pools(self, monitor: Monitor) -> None:
        monitor.ask(
            "osd crush rule create-replicated", name="metadata", root="metadata", type="osd"
        )
        for pool in (META, FIRST):
            monitor.ask("osd pool create", pool=pool, pg_num=8, rule="metadata")
        monitor.ask("osd pool create", pool=POOL, pg_num=PLACEMENT_GROUPS, **self._code(monitor))
        monitor.ask("fs new", fs_name=FILE_SYSTEM, metadata=META, data=FIRST)

    def _code(self, monitor: Monitor) -> dict[str, str]:
        """Return what the pool of the data is to be told, if it is to be erasure-coded."""
        if not self.config.code:
            return {}
        data, coding = self.config.code
        profile = [f"k={data}", f"m={coding}", f"stripe_unit={self.config.chunk}"]
        profile.append("crush-failure-domain=osd")
        monitor.ask("osd erasure-code-profile set", name="code", profile=profile)
        return {"pool_type": "erasure", "erasure_code_profile": "code"}

    def _warm_up(self) -> None:
        """Write once: the first write of all waits for what is only then begun."""
        with self.reach.client() as client:
            client.write("/warm-up", b"warm")
            client.make_directory("/warm")
            client.set_attribute("/warm", "ceph.dir.layout.pool", POOL)
            client.write("/warm/up", b"warm")

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        while not ready():
            dead = self.dead()
            if dead:
                raise self._taken() or CephError(dead)
            if time.monotonic() > self._deadline:
                raise CephError(f"Ceph didn't start in time: waited for {what}")
            time.sleep(PAUSE)

    def _taken(self) -> TakenError | None:
        """Return that somebody else took the monitor's port, if that is what it said."""
        for path in self.config.directory.glob("mon.a.[ol]*"):
            if TAKEN in path.read_text(errors="replace"):
                return TakenError(f"port {self.config.port} of {self.config.monitor} is taken")
        return None

    def _start(self, program: str, name: str) -> None:
        self.daemons[name] = self._popen(program, "-f", "-i", name.split(".")[1], to=name)

    def _run(self, program: str, *words: str) -> None:
        self._end(self._popen(program, *words), program)

    def _end(self, process: subprocess.Popen[bytes], name: str) -> None:
        """Wait for a program that has something to make."""
        try:
            code = process.wait(max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise CephError(f"Ceph didn't start in time: waited for {name}") from None
        if code:
            raise CephError(f"{name} failed (exit code {code}): {self._said(name)}")

    def _popen(self, program: str, *words: str, to: str = "") -> subprocess.Popen[bytes]:
        """Start a program on this configuration, its output in a file of its name."""
        argv = [self.binaries.programs[program], *words]
        if program != "monmaptool":
            argv += ["-c", str(self.config.path)]
        with (self.config.directory / f"{to or program}.out").open("ab") as output:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**_environment(), **self.binaries.env},
                cwd=self.config.directory,
                start_new_session=True,
            )


def _environment() -> dict[str, str]:
    """Return our environment without what Ceph would read in it: it may be meant for another."""
    return {name: text for name, text in os.environ.items() if not name.startswith("CEPH_")}


def _osds_up(monitor: Monitor) -> int:
    return int(monitor.ask("osd stat")["num_up_osds"])


def _active(monitor: Monitor) -> bool:
    for system in monitor.ask("mds stat")["fsmap"]["filesystems"]:
        states = [info["state"] for info in system["mdsmap"]["info"].values()]
        return "up:active" in states
    return False


def _last_line(path: Path) -> str:
    try:
        said = path.read_text(errors="replace")
    except OSError:
        return ""
    return STAMP.sub("", last_line(said))[:300]
