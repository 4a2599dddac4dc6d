"""The program that stands beside a run's ranks while they use a Ceph.

``python -m piotutor.storage.ceph.service RUN/storage.json``: starts the Ceph, or takes one that
stands; makes the run's files; says in ``storage-ready.json`` how to reach them; records what the
servers do; and, told to ``stop``, writes down where the files' bytes lie. Whatever happens, it
ends all that it started. Orders without files have it start a Ceph that stands until it is ended.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from piotutor.errors import PiotutorError
from piotutor.storage.beside import ERROR, READY, serve, told_to_end, write_whole
from piotutor.storage.ceph import ORDERS, POOL, Ceph, binaries, slow
from piotutor.storage.ceph.cluster import Cluster, started
from piotutor.storage.ceph.config import LOOPBACK, Config
from piotutor.storage.ceph.counting import Counting, differences
from piotutor.storage.ceph.files import Files, Layout
from piotutor.storage.ceph.reach import MDS, Reach
from piotutor.storage.ceph.slow import Slowed
from piotutor.storage.ceph.standing import CHANGE

CODED = "written is what each OSD's store wrote, parity included: clients write to the first alone"
"""What is said of the counts where the data is erasure-coded."""
TIDY = 1.0
"""Seconds between looks for clients that died."""


class Service:
    """One run's part in a Ceph.

    Parameters
    ----------
    orders : dict
        As stored by `Ceph.service`.
    """

    def __init__(self, orders: dict[str, Any]) -> None:
        self.run_dir = Path(orders["run_dir"])
        self.place = Path(orders["place"])
        self.home = Path(orders["home"]) if "home" in orders else None
        self.names = [Path(file).name for file in orders["files"]]
        self.standing = bool(orders.get("standing"))
        self.storage = Ceph(**orders["storage"])
        self.cluster: Cluster | None = None
        self.slowed = Slowed(self.storage.slowing, None if self.home else orders["user"])

    def run(self) -> None:
        """Do all of it; any error is the run's problem."""
        self.slowed.begin()
        with self._reach() as reach:
            if self.standing:
                write_whole(self.run_dir / READY, self._made())
                self._wait(reach.evict_dead)
                return
            with reach.client() as client:
                files = Files(client, self.run_dir.name, self._layout(), reach.osds)
                try:
                    files.make(self.names, self._repetitions())
                    self._beside(reach, files)
                finally:
                    if self.home:
                        reach.evict_dead()
                        files.remove()

    def _beside(self, reach: Reach, files: Files) -> None:
        """Let the ranks go, and record until they are done."""
        reach.ask(MDS, "flush journal")
        reach.wait_purged()
        passed, coded = self._passed(), self.storage.pool == "ec"
        counting = Counting(reach, self.run_dir / "trace/servers.piot", coded=coded)
        before = reach.all_counters()
        with self.slowed.delays(reach):
            write_whole(self.run_dir / READY, self._ready(reach, files))
            self._wait()
        counting.finish()
        write_whole(self.run_dir / "map.json", files.map())
        after = reach.all_counters()
        rose = {name: differences(before[name], after[name]) for name in before}
        write_whole(self.run_dir / "mds.json", rose.pop(MDS))
        write_whole(self.run_dir / "osds.json", rose)
        rises = {osd: now - passed.get(osd, 0) for osd, now in self._passed().items()}
        write_whole(self.run_dir / "network.json", {"passed": rises})

    def _ready(self, reach: Reach, files: Files) -> dict[str, Any]:
        shadow = self.place / "shadow"
        shadow.mkdir(parents=True)
        env = {
            "PIOTUTOR_ROUTE_PREFIX": str(self.storage.path),
            "PIOTUTOR_ROUTE_CONF": str(reach.config if self.storage.cache else reach.uncached),
            "PIOTUTOR_ROUTE_ROOT": files.root,
            "PIOTUTOR_ROUTE_SHADOW": str(shadow),
            "PIOTUTOR_ROUTE_LIBRARY": reach.binaries.libraries["libcephfs.so.2"],
        }
        made = self._made()
        notes = [*files.notes, *([CODED] if self.storage.pool == "ec" else [])]
        about = {"layout": self.storage.layout(), "storage_notes": notes}
        return {
            "env": {**env, **reach.binaries.env},
            "argv_prefix": made["argv_prefix"],
            "environment": made["environment"] | about,
        }

    def _made(self) -> dict[str, Any]:
        """Say what there is to know of a Ceph, whoever uses it."""
        if self.home:
            return dict(json.loads((self.home / READY).read_text()))
        return {"env": {}, "argv_prefix": self.slowed.enter, "environment": self.slowed.about}

    def _passed(self) -> dict[int, int]:
        """Return the bytes that have gone to and from each limited server so far."""
        return slow.passed() if self._made()["argv_prefix"] else {}

    def _change(self) -> None:
        """Give a server another rate, if that is asked for."""
        asked = self.run_dir / CHANGE
        if asked.exists():
            self.slowed.limit(*json.loads(asked.read_text()))
            write_whole(self.run_dir / READY, self._made())
            asked.unlink()

    def _repetitions(self) -> int:
        """Return how often the files are written anew."""
        job = self.run_dir / "job.json"
        told = json.loads(job.read_text()) if job.exists() else {}
        return int(told.get("workload", {}).get("repetitions", 1)) if self.names else 1

    def _layout(self) -> Layout:
        return Layout(*self.storage.sizes, POOL)

    @contextmanager
    def _reach(self) -> Iterator[Reach]:
        """Start a Ceph, or find the one that stands."""
        found = binaries.find()
        if self.home:
            told = json.loads((self.home / ORDERS).read_text())
            yield Reach(Path(told["place"]), self.storage.osds, found)
            return
        with started(self._config(found), found) as self.cluster:
            yield self.cluster.reach

    def _config(self, found: binaries.Binaries) -> Config:
        storage = self.storage
        return Config(
            self.place,
            storage.osds,
            store=storage.objectstore,
            memory=storage.memory,
            code=storage.chunks if storage.pool == "ec" else None,
            chunk=storage.chunk,
            monitor=storage.address or LOOPBACK,
            addresses=self.slowed.addresses,
            plugins=found.plugins(),
        )

    def _wait(self, tidy: Callable[[], object] = lambda: None) -> None:
        """Wait until it is told to stop; see to it that all daemons are there, and tidy up."""
        last = time.monotonic()
        while not self._told():
            trouble = self.cluster.dead() if self.cluster else self._fallen()
            if trouble:
                raise PiotutorError(f"Ceph: {trouble}")
            if time.monotonic() > last + TIDY:
                tidy()
                last = time.monotonic()

    def _fallen(self) -> str:
        """Say why the Ceph that stood doesn't stand any more; empty while it does."""
        assert self.home
        try:
            return str(json.loads((self.home / ERROR).read_text())["problem"])
        except (OSError, ValueError):
            return "" if (self.home / READY).exists() else "it was stopped"

    def _told(self) -> bool:
        """Wait a little; say whether a line or the end of the input asked for the end."""
        self._change()
        return told_to_end(listening=not self.standing)


if __name__ == "__main__":
    serve(sys.argv[1:], lambda orders: Service(orders).run)
