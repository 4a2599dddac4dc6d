"""A real Ceph on this machine's loopback, for a while: without root, and without a mount.

Ranks reach it through the interposer, which takes paths below the run's directory to it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from piotutor import lookup
from piotutor.errors import UsageError
from piotutor.storage import options
from piotutor.storage.ceph import binaries, room
from piotutor.storage.ceph.slow import Delay, Slow, Slowing, read_delay, read_slow
from piotutor.storage.local import Local
from piotutor.storage.striping import Component, Striping
from piotutor.units import format_size

ORDERS = "storage.json"
"""The service's orders, in the run directory."""
UNIT = 1 << 16
"""Ceph's stripe units are multiples of this."""
OBJECT = 1 << 28
"""Bytes of an object unless told otherwise: so many that a file has one for each stripe."""
LARGEST = 1 << 30
"""Bytes of the largest object: ``osd_max_object_size`` in our configuration."""
MOST = 16
"""OSDs at most: each is a process of some 30 MiB."""
POOL = "cephfs_data"
SOCKET = 90
"""Bytes that the path of a directory of sockets may have: Linux takes 108 for a socket's."""
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
_PARTS = re.compile(r"([1-9][0-9]?)\+([1-9])")


def parts(value: Any) -> str:
    """Read a code such as ``3+1``: data chunks and coding chunks."""
    if not _PARTS.fullmatch(str(value)):
        raise UsageError("give data and coding chunks, such as 3+1")
    return str(value)


def read_address(value: Any) -> str:
    """Read an IPv4 address."""
    if not _ADDRESS.fullmatch(str(value)):
        raise UsageError("give an IPv4 address of this machine, such as 10.0.0.5")
    return str(value)


@dataclass(frozen=True, kw_only=True)
class Ceph(Local):
    """A Ceph of one's own, started for a run, or standing for several (`start`).

    Attributes
    ----------
    osds
        How many OSDs (storage servers) hold the data; one more holds the metadata.
    stripe_unit, stripe_count, object_size
        Layout of the files: bytes before the next object's turn, objects side by side (None: as
        many as there are OSDs), bytes of an object (None: enough for a file of 256 MiB a stripe).
    store
        ``memstore``, in memory, or ``bluestore``, in files. None: the first that can do it.
    pool
        ``replicated`` (one copy) or ``ec``, erasure-coded.
    ec, chunk
        Data and coding chunks of an erasure-coded pool, and bytes of a chunk.
    cache
        Whether ranks may keep data in memory and write it later, in larger pieces. Without, each
        of their calls goes to the servers at once.
    memory
        Bytes that all files together may have.
    rate, slow
        Bytes/s of each OSD, and of one that is slower (``2@5m``): its traffic both ways, in a
        network of one's own.
    delay
        Seconds that an OSD waits at each step of a request (``0.02@1``; Ceph 16 takes three steps):
        where there is no such network.
    address
        Where the servers listen, for ranks on other hosts; the loopback if it isn't given.
    """

    name: ClassVar[str] = "ceph"

    osds: int = options.option(4, options.count, "storage servers that hold data")
    stripe_unit: int = options.option(UNIT, options.size, "bytes before the next object's turn")
    stripe_count: int | None = options.option(
        None, options.count, "objects side by side; as many as there are OSDs by default"
    )
    object_size: int | None = options.option(
        None, options.size, "bytes of an object; 256 MiB by default"
    )
    store: str | None = options.option(
        None, options.word("memstore", "bluestore"), "where OSDs keep data: memory or files"
    )
    pool: str = options.option(
        "replicated", options.word("replicated", "ec"), "one copy of all, or erasure-coded"
    )
    ec: str = options.option("3+1", parts, "data and coding chunks of pool=ec")
    chunk: int = options.option(1 << 14, options.size, "bytes of a chunk of pool=ec")
    cache: bool = options.option(
        True, options.flag, "whether ranks may keep data in memory and write it later"
    )
    memory: int = options.option(1 << 30, options.size, "bytes that all files may have")
    rate: int | None = options.option(None, options.size, "bytes/s of each OSD")
    slow: str | None = options.option(None, read_slow, "one slower OSD and its bytes/s: 2@5m")
    delay: str | None = options.option(
        None, read_delay, "seconds that an OSD waits at each step of a request: 0.02@1"
    )

    address: str | None = options.option(
        None, read_address, "where the servers listen, for ranks on other hosts"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_layout()
        self._check_servers()

    def _check_layout(self) -> None:
        unit, size = self.stripe_unit, self.sizes[2]
        if unit % UNIT:
            raise UsageError(
                f"stripe_unit={format_size(unit)}: Ceph wants a multiple of {format_size(UNIT)}"
            )
        if size % unit or not unit <= size <= LARGEST:
            raise UsageError(
                f"object_size={format_size(size)}: give a multiple of the stripe unit "
                f"({format_size(unit)}), at most {format_size(LARGEST)}"
            )

    def _check_servers(self) -> None:
        if self.osds > MOST:
            raise UsageError(f"osds={self.osds}: at most {MOST} run here at once")
        data, coding = self.chunks
        if self.pool == "ec" and data + coding > self.osds:
            raise UsageError(
                f"ec={self.ec} needs {data + coding} OSDs, there are {self.osds} (use more osds)"
            )
        if self.pool == "ec" and self.store == "memstore":
            raise UsageError("store=memstore can't overwrite coded data: use store=bluestore")
        if self.chunk % 4096:
            raise UsageError(f"chunk={format_size(self.chunk)}: give a multiple of 4 KiB")
        if self.slowing.rates and self.address:
            raise UsageError("address: servers with rates listen in a network of their own")

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Stripe unit, stripe count and object size, as the files get them."""
        size = self.object_size or max(self.stripe_unit, OBJECT - OBJECT % self.stripe_unit)
        return self.stripe_unit, self.stripe_count or self.osds, size

    @property
    def chunks(self) -> tuple[int, int]:
        """Data and coding chunks."""
        data, coding = self.ec.split("+")
        return int(data), int(coding)

    @property
    def objectstore(self) -> str:
        """Ceph's name for what keeps the data: coded data can be overwritten in bluestore only."""
        return self.store or ("bluestore" if self.pool == "ec" else "memstore")

    @property
    def slowing(self) -> Slowing:
        """Which servers are slowed, and how."""
        one = Slow.of(self.slow) if self.slow else None
        wait = Delay.of(self.delay) if self.delay else None
        return Slowing(self.osds, self.rate or 0, one, wait)

    @property
    def kind(self) -> str:
        """The file system's name."""
        return "ceph"

    @property
    def routed(self) -> bool:
        """Whether the interposer takes what lies under the path elsewhere: yes."""
        return True

    @property
    def elsewhere(self) -> bool:
        """Whether ranks on other hosts reach it: only where its servers listen for them."""
        return self.address is not None

    @property
    def capacity(self) -> int:
        """Bytes that it can hold: as asked for, but not more than what is free here."""
        return min(self.memory, room.free(self.osds + 1, self.objectstore))

    def need(self) -> None:
        """Raise `UsageError` where Ceph, room for it, or the network it needs can't be had."""
        binaries.find()
        self.slowing.way()
        room.check(self.osds + 1, self.objectstore)

    def layout(self) -> dict[str, Any]:
        """Return how files are striped over the OSDs."""
        unit, count, size = self.sizes
        part = Component(stripe_size=unit, stripe_count=count, object_size=size, pool=POOL)
        note = f"erasure-coded {self.ec}" if self.pool == "ec" else ""
        return Striping("ceph", (part,), note=note).to_dict()

    def counters(self) -> dict[str, int]:
        """Return nothing: a run's records hold what each server counted."""
        return {}

    def stand(self, run_dir: Path, temporary: Path) -> list[str]:
        """Return the command of a service that keeps one up for several runs."""
        return self._service(run_dir, [], temporary, standing=True)

    def service(self, run_dir: Path, files: Sequence[str], temporary: Path) -> list[str]:
        """Write the orders of the program that starts it for a run, and return its command.

        Raises
        ------
        UsageError
            The temporary directory's path is too long for sockets.
        """
        return self._service(run_dir, files, temporary)

    def _service(
        self, run_dir: Path, files: Sequence[str], temporary: Path, **more: Any
    ) -> list[str]:
        if len(os.fsencode(temporary)) > SOCKET:
            raise UsageError(
                f"{temporary} is too long a path for Ceph's sockets: set TMPDIR to a shorter one"
            )
        way = self.slowing.way()
        user = way and way.user
        self._order(run_dir, files, place=str(temporary / "ceph"), user=user, **more)
        return way.begin(command(run_dir)) if way else command(run_dir)

    def _order(self, run_dir: Path, files: Sequence[str], **more: Any) -> None:
        told = asdict(self) | {"path": str(self.path)}
        orders = {"run_dir": str(run_dir), "storage": told, "files": list(files), **more}
        (run_dir / ORDERS).write_text(json.dumps(orders, indent=1))

    def start(self) -> Any:
        """Start one that stands until it is told to stop: see `piotutor.standing.start`."""
        return lookup.find(_STANDING, "way to start", "ceph")(self)


def command(run_dir: Path) -> list[str]:
    """Return the command of the service, with what unpacked libraries need."""
    env = [f"{name}={text}" for name, text in binaries.find().env.items()]
    words = ["env", *env] if env else []
    return [*words, sys.executable, "-m", "piotutor.storage.ceph.service", str(run_dir / ORDERS)]


_STANDING = {"ceph": "piotutor.standing:start"}
