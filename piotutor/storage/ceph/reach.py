"""A Ceph that is up, as seen from here: its daemons' sockets, its file system."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piotutor.storage.ceph import sockets
from piotutor.storage.ceph.binaries import Binaries
from piotutor.storage.ceph.client import Client
from piotutor.storage.ceph.config import UNCACHED

MDS = "mds.a"
TICK = 0.05
"""Seconds between looks at it."""
PATIENCE = 5.0
"""Seconds that it may take to be rid of removed files."""


@dataclass(frozen=True)
class Reach:
    """How to reach it.

    Attributes
    ----------
    place
        Directory of its configuration and its sockets.
    osds
        How many OSDs hold data; they are numbered from 0.
    binaries
        Its libraries.
    """

    place: Path
    osds: int
    binaries: Binaries

    @property
    def config(self) -> Path:
        """Its ``ceph.conf``."""
        return self.place / "ceph.conf"

    @property
    def uncached(self) -> Path:
        """The same for clients that keep nothing in memory."""
        return self.place / UNCACHED

    def ask(self, name: str, prefix: str, **arguments: Any) -> Any:
        """Give a daemon a command through its admin socket."""
        return sockets.ask(self.place / f"{name}.asok", prefix, **arguments)

    def counters(self, name: str, section: str = "") -> dict[str, Any]:
        """Return a daemon's counters, all or those of a section."""
        only = {"logger": section} if section else {}
        found: dict[str, Any] = self.ask(name, "perf dump", **only)
        return found[section] if section else found

    def all_counters(self) -> dict[str, dict[str, Any]]:
        """Return all counters of the metadata server and of the OSDs that hold data, by name."""
        names = [MDS, *(f"osd.{number}" for number in range(self.osds))]
        return {name: self.counters(name) for name in names}

    def wait_purged(self) -> None:
        """Wait until the data of removed files is gone, but not for ever: that counts, too.

        The metadata server removes it when it comes to it, at one of its ticks.
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            counters = self.counters(MDS)
            queue = counters["purge_queue"]
            left = [queue.get(name, 0) for name in ("pq_executing", "pq_item_in_journal")]
            if not any([counters["mds_cache"]["num_strays"], *left]):
                return
            time.sleep(TICK)

    def client(self) -> Client:
        """Mount the file system in this process."""
        return Client(self.binaries.libraries["libcephfs.so.2"], self.config)

    def evict_dead(self) -> int:
        """End the sessions of this host's clients that died with files open; return how many.

        Else the next one who wants such a file waits until the session times out.
        """
        dead = [each["id"] for each in self.ask(MDS, "session ls") if _is_dead(each)]
        for number in dead:
            self.ask(MDS, "session evict", filters=[f"id={number}"])
        return len(dead)


def _is_dead(session: dict[str, Any]) -> bool:
    pid = str(session.get("client_metadata", {}).get("pid", ""))
    return pid.isdigit() and not Path("/proc", pid).exists()
