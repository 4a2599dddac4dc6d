"""A run's files on CephFS: made beforehand, each on servers of its own, and kept until its end.

Which server holds an object, Ceph draws (CRUSH) by the object's name, so by the file's number. A
file is made again until its objects lie on different servers. What the ranks open is a second name
of it: when they remove that, the file stays until the run is over, since removing the data would
count among the servers' operations.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from piotutor.kernels.job import NEXT
from piotutor.storage.ceph.client import Client
from piotutor.storage.ceph.monitor import CephError

TRIES = 2000
SECONDS = 2.0
"""Bounds of looking for a file whose objects lie on different servers."""


@dataclass(frozen=True)
class Layout:
    """How CephFS lays out a file: its three numbers, in bytes, and the pool."""

    stripe_unit: int
    stripe_count: int
    object_size: int
    pool: str

    def text(self) -> str:
        """Return it as the extended attribute has it."""
        return " ".join(f"{name}={value}" for name, value in vars(self).items())


@dataclass(frozen=True)
class Wish:
    """Where a file is to lie.

    Attributes
    ----------
    deadline
        When to be content with what there is.
    first
        The server that it begins on; None for any.
    among
        The servers of the file that stood there in the first repetition; empty for any.
    """

    deadline: float
    first: int | None
    among: frozenset[int] = frozenset()

    def rank(self, servers: Sequence[int]) -> tuple[int, bool, bool]:
        """Say how good it is to lie on these: all different, begun as wished, the same again."""
        found = set(servers)
        begins = bool(servers) and self.first in (None, servers[0])
        return len(found), begins, not self.among or found == self.among

    def over(self) -> bool:
        """Say whether it's time to be content."""
        return time.monotonic() > self.deadline


class Files:
    """The files of one run.

    Parameters
    ----------
    client : Client
        A mount.
    name : str
        Name of the run, unique in this file system.
    layout : Layout
        Of every new file.
    osds : int
        How many OSDs hold data.
    """

    def __init__(self, client: Client, name: str, layout: Layout, osds: int) -> None:
        self.client, self.layout, self.osds = client, layout, osds
        self.root = f"/{name}"
        self.kept = f"/{name}.kept"
        self.names: list[str] = []
        self.notes: list[str] = []
        for directory in (self.root, self.kept):
            client.make_directory(directory)
            client.set_attribute(directory, "ceph.dir.layout", layout.text())

    def make(self, names: Sequence[str], repetitions: int = 1) -> None:
        """Make these files, empty, file i beginning on server i * stripe_count.

        Those of later repetitions lie ready below `NEXT`.
        """
        deadline = time.monotonic() + SECONDS
        self.names = list(names)
        if repetitions > 1:
            self.client.make_directory(f"{self.root}/{NEXT}")
        for index, name in enumerate(names):
            first = index * self._count % self.osds if self._count < self.osds else None
            found = self._make(name, Wish(deadline, first), name)
            for later in range(1, repetitions):
                shown = f"{NEXT}/{name}.{later}"
                self._make(f"{name}.{later}", Wish(deadline, first, frozenset(found)), shown)

    @property
    def _count(self) -> int:
        """How many servers a file can have."""
        return min(self.layout.stripe_count, self.osds)

    def _make(self, name: str, wish: Wish, shown: str) -> list[int]:
        """Draw a file, keep it, and show it under a second name; return its servers."""
        drawn, found = self._draw(f"{self.kept}/{name}", wish)
        if len(set(found)) < self._count:
            self.notes.append(f"{name}: some of its objects share a server")
        self.client.rename(drawn, f"{self.kept}/{name}")
        self.client.link(f"{self.kept}/{name}", f"{self.root}/{shown}")
        return found

    def _draw(self, path: str, wish: Wish) -> tuple[str, list[int]]:
        """Make files until one lies as wished; return the best, and its servers.

        The others stay, empty, since removing them would count, too.
        """
        best: tuple[str, list[int]] = "", []
        for number in range(TRIES):
            tried = f"{path}~{number}"
            self.client.make_file(tried)
            found = self._servers(tried)
            best = max(best, (tried, found), key=lambda each: wish.rank(each[1]))
            if wish.rank(best[1]) == (self._count, True, True) or wish.over():
                break
        return best

    def _servers(self, path: str) -> list[int]:
        """Return the first server of each object of the first set."""
        layout = self.layout
        pieces = self.client.extents(path, layout.stripe_unit * layout.stripe_count)
        return [osds[0] for _, _, osds in pieces]

    def map(self) -> dict[str, Any]:
        """Return where every byte of every file lies, as Ceph says."""
        kept = [(name, f"{self.kept}/{name}") for name in self.names]
        others = [name for name in self.client.names(self.root) if name not in (*self.names, NEXT)]
        kept += [(name, f"{self.root}/{name}") for name in others]
        files = []
        for index, (name, path) in enumerate(kept):
            try:
                size = self.client.size(path)
                pieces = self.client.extents(path, size)
            except CephError:  # no file
                continue
            extents = [(offset, length, osds[0]) for offset, length, osds in pieces]
            layout = vars(self.layout)
            about = {"file": index, "name": name, "layout": layout}
            files.append({**about, "size": size, "extents": extents})
        return {"system": "ceph", "source": "ceph_get_file_extent_osds", "files": files}

    def remove(self) -> None:
        """Remove all, for a file system that stays."""
        for directory in (self.root, self.kept):
            self.client.remove_tree(directory)
