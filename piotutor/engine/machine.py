"""A storage system as the engine sees it: every parameter, once, with its unit and meaning.

The numeric fields of `Machine` are those of ``core/machine.def``, in its order; a test holds the
two together.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from piotutor.errors import UsageError

LOCKS = ("none", "extents", "file", "tokens")
"""Protocols of locks, in the order of their numbers in C."""
WORDS = {"lock_protocol": LOCKS}
"""Parameters that are words; C has their places in the list."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Clients, a network, servers with targets, and how clients use them.

    Attributes
    ----------
    clients
        Nodes that ranks run on.
    targets
        What stores objects: OSTs, OSDs, disks.
    targets_per_server
        How many of them share a server's network interface.
    client_bandwidth, server_bandwidth
        Of a network interface, in bytes/s each way; 0: no limit.
    latency
        Seconds that a message takes one way.
    rpc_size
        Bytes of a request, at most.
    rpcs_in_flight
        Requests that a client has under way to one target at most.
    dirty_limit
        Bytes that a client keeps for one target before it makes writers wait; 0: writes go through.
    memory_bandwidth
        Bytes/s at which a client copies into its cache; 0: at once.
    open_time, create_time, stat_time, remove_time
        Seconds that the metadata server takes for each.
    target_overhead
        Seconds that a target takes for each request, whatever its size.
    target_write_bandwidth, target_read_bandwidth
        Bytes/s of each channel of a target; 0: no limit.
    target_channels
        Requests that a target serves at once.
    lock_protocol
        One of `LOCKS`: none; ``extents`` as Lustre's, which grow to the widest free range;
        ``file``, one for a whole file, as CephFS's; ``tokens``, ranges of bytes as GPFS's.
    lock_page
        Bytes to which a request for a lock is rounded.
    lock_time
        Seconds that a server takes for a request for a lock.
    lock_conflicts, lock_cap
        With ``extents``: from so many other locks of an object on, a new one grows no further
        than so many bytes.
    """

    clients: int = 1
    targets: int = 1
    targets_per_server: int = 1
    client_bandwidth: float = 0.0
    server_bandwidth: float = 0.0
    latency: float = 0.0
    rpc_size: int = 1 << 20
    rpcs_in_flight: int = 8
    dirty_limit: int = 0
    memory_bandwidth: float = 0.0
    open_time: float = 0.0
    create_time: float = 0.0
    stat_time: float = 0.0
    remove_time: float = 0.0
    target_overhead: float = 0.0
    target_write_bandwidth: float = 0.0
    target_read_bandwidth: float = 0.0
    target_channels: int = 1
    lock_protocol: str = "none"
    lock_page: int = 4096
    lock_time: float = 0.0
    lock_conflicts: int = 32
    lock_cap: int = 32 << 20

    def __post_init__(self) -> None:
        for about in dataclasses.fields(self):
            value = getattr(self, about.name)
            if about.name in WORDS:
                if value not in WORDS[about.name]:
                    raise UsageError(
                        f"{about.name}={value!r}: choose {', '.join(WORDS[about.name])}"
                    )
                continue
            least = 1 if about.name in _COUNTS else 0
            if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
                raise UsageError(f"{about.name}={value!r}: give a number, at least {least}")

    def numbers(self) -> dict[str, int | float]:
        """Return all parameters as the engine takes them."""
        given = dataclasses.asdict(self)
        return given | {name: words.index(given[name]) for name, words in WORDS.items()}

    def replace(self, **changes: Any) -> Machine:
        """Return a machine with some parameters changed."""
        return dataclasses.replace(self, **changes)


_COUNTS = ("clients", "targets", "targets_per_server", "rpc_size", "rpcs_in_flight",
           "target_channels")  # fmt: skip
