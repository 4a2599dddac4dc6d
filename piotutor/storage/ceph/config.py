"""The configuration of a Ceph that lives on loopback for a while: pure text.

Only settings that Ceph 16 to 19 know; a release that doesn't know one says so in its log and goes
on. Keys are off: whoever may reach the ports of this host's loopback may use it meanwhile.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOOPBACK = "127.0.0.1"
MIB = 1 << 20
DISK = 1 << 30
"""Bytes of an OSD's bluestore beyond the files' own; it is a sparse file."""
SPARE = 1 << 28
"""The same of a memstore: an OSD that is nearly full takes nothing more."""
NEVER = 2_500_000_000
"""Seconds since 1970 of a year to come: nothing is looked over before."""


UNCACHED = "uncached.conf"
"""The configuration, in its directory, of clients that keep nothing in memory."""


@dataclass(frozen=True)
class Config:
    """What the configuration is made of.

    Attributes
    ----------
    directory
        Where everything of this Ceph lies: its stores, sockets, logs.
    osds
        How many OSDs hold data; one more, the last, holds the metadata.
    port
        Of the monitor.
    store
        ``memstore`` or ``bluestore``.
    memory
        Bytes that all files may have; each OSD takes as much (memstore).
    code
        Data and coding chunks of the pool of the data; none: one copy.
    chunk
        Bytes of a chunk.
    monitor
        Address of the monitor and of all that has no address of its own.
    addresses
        Address of each OSD that has one of its own, by number.
    plugins
        More settings of all daemons: where plugins are.
    fsid
        Its name.
    """

    directory: Path
    osds: int
    port: int = 0
    store: str = "memstore"
    memory: int = 1 << 30
    code: tuple[int, int] | None = None
    chunk: int = 1 << 14
    monitor: str = LOOPBACK
    addresses: Mapping[int, str] = field(default_factory=dict)
    plugins: Mapping[str, str] = field(default_factory=dict)
    fsid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def metadata(self) -> int:
        """Number of the OSD that holds the metadata."""
        return self.osds

    @property
    def path(self) -> Path:
        """Where it is written."""
        return self.directory / "ceph.conf"

    def write(self) -> None:
        """Store it, and beside it one for clients without a cache."""
        self.path.write_text(self.text())
        uncached = _section("client", self._client() | {"client_oc": "false"})
        (self.directory / UNCACHED).write_text(self.text() + "\n" + uncached)

    def text(self) -> str:
        """Return ``ceph.conf``."""
        parts = {"global": self._global(), "mon": self._mon(), "osd": self._osd()}
        parts |= {"mds": self._mds(), "client": self._client()}
        for number, address in self.addresses.items():
            parts[f"osd.{number}"] = {"public_addr": address, "cluster_addr": address}
        return "\n".join(_section(name, settings) for name, settings in parts.items())

    def _global(self) -> dict[str, object]:
        place = self.directory
        return {
            "fsid": self.fsid,
            "mon_host": f"v1:{self.monitor}:{self.port}",
            "public_addr": self.monitor,
            "cluster_addr": self.monitor,
            "ms_bind_msgr2": "false",
            "ms_bind_port_max": 9999,
            "auth_cluster_required": "none",
            "auth_service_required": "none",
            "auth_client_required": "none",
            "keyring": place / "keyring",
            "run_dir": place,
            "admin_socket": place / "$name.asok",
            "pid_file": place / "$name.pid",
            "log_file": place / "$name.log",
            "crash_dir": place / "crash",
            "mon_data": place / "mon",
            "osd_data": place / "osd$id",
            "mds_data": place / "mds",
            "osd_pool_default_size": 1,
            "osd_pool_default_min_size": 1,
            "osd_pool_default_pg_autoscale_mode": "off",
            "osd_crush_chooseleaf_type": 0,
            "ms_async_op_threads": 1,
            "osd_heartbeat_grace": 120,
            "mds_beacon_grace": 120,
            **self.plugins,
        }

    def _mon(self) -> dict[str, object]:
        return {
            "mon_cluster_log_file": self.directory / "cluster.log",
            "mon_allow_pool_size_one": "true",
            "mon_allow_pool_delete": "true",
            "ms_bind_retry_count": 1,
            "mon_data_avail_crit": 0,
            "mon_max_pg_per_osd": 1000,
            "mon_osd_min_down_reporters": 1000,  # an OSD that died is seen by us, not by its peers
            "paxos_propose_interval": 0.05,
            "paxos_min_wait": 0.01,
        }

    def _osd(self) -> dict[str, object]:
        return {
            "osd_objectstore": self.store,
            "memstore_device_bytes": self.memory + SPARE,
            "bluestore_block_size": self.memory + DISK,
            "bluestore_fsck_on_mkfs": "false",
            "bluestore_cache_autotune": "false",
            "bluestore_cache_size": 8 * MIB,
            "osd_op_num_shards": 1,
            "osd_op_num_threads_per_shard": 1,
            "osd_crush_update_on_start": "false",
            "osd_class_update_on_start": "false",
            "osd_max_object_size": DISK,
            "osd_scrub_min_interval": NEVER,  # else each tells so a second after its start
            "osd_extblkdev_plugins": "",
        }

    def _mds(self) -> dict[str, object]:
        return {
            "mds_tick_interval": 0.2,
            "mds_root_ino_uid": os.geteuid(),
            "mds_root_ino_gid": os.getegid(),
        }

    def _client(self) -> dict[str, object]:
        return {
            "log_file": "",
            "admin_socket": "",
            "client_check_pool_perm": "false",  # it tries on the file's first object: that counts
            "client_readahead_min": 0,  # none: the servers read what was asked for
            "client_oc_size": 16 * MIB,
            "client_oc_max_dirty": 8 * MIB,
            "client_oc_target_dirty": MIB,  # else it flushes one object, so one server, at a time
            "client_mount_timeout": 20,
            "rados_mon_op_timeout": 20,
        }


def _section(name: str, settings: Mapping[str, object]) -> str:
    return "".join([f"[{name}]\n", *(f"{key} = {value}\n" for key, value in settings.items())])
