"""A Ceph that is up, as seen from here: its daemons' sockets, its file system."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piotutor.storage.ceph import sockets
from piotutor.storage.ceph.binaries import Binaries
from piotutor.storage.ceph.client import Client
from piotutor.storage.ceph.config import UNCACHED

MDS = "mds.a"


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
