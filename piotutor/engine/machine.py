"""A storage system as the engine sees it: every parameter, once, with its unit and meaning.

What `Machine.numbers` returns is what ``core/machine.def`` names, in its order; a test holds the
two together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from piotutor.engine.bounds import settled, shown
from piotutor.engine.devices import DISKS, POLICIES, Array, user_pages
from piotutor.errors import UsageError
from piotutor.units import format_size

LOCKS = ("none", "extents", "file", "tokens")
"""Protocols of locks, in the order of their numbers in C."""
DEVICES = ("channels", "unlimited", "disk", "ssd", "array")
"""Kinds of devices, in the order of their numbers in C."""
WORDS = {"lock_protocol": LOCKS, "device": DEVICES, "array_policy": POLICIES, "disk": tuple(DISKS)}
"""Parameters that are words; C has their places in the list, and the figures of the disk."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Clients, a network, servers with targets, and how clients use them.

    Attributes
    ----------
    clients
        Nodes that ranks run on.
    think_time
        Seconds that a rank takes between two calls, in virtual time; real ranks take their own.
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
    cache_size
        Bytes that a client keeps of what it read and wrote, so that its ranks read them there; the
        oldest go first. 0: none, and every read goes to the targets.
    read_ahead
        Bytes that a client asks for, at most, behind where a rank reads a file from front to back;
        they need a cache. 0: none.
    memory_bandwidth
        Bytes/s at which a client copies into its cache, and out of it; 0: at once.
    open_time, create_time, stat_time, remove_time
        Seconds that the metadata server takes for each.
    metadata_threads
        Of these it works on so many at once.
    directory_share
        The share of a create's or a remove's time in which nobody else makes or removes a file in
        the same directory: at most 1 / (share x time) a second do.
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
    lock_return_time
        Seconds that a client takes to give back a lock that is called for, once it isn't in use.
    lock_conflicts, lock_cap
        With ``extents``: from so many other locks of an object on, a new one grows no further
        than so many bytes.
    device
        What a target is made of, one of `DEVICES`: ``channels``, of a speed; ``unlimited``, done at
        once; a ``disk``; an ``ssd``; an ``array`` of disks. What passes on to the last three takes
        `target_overhead`, and its bytes the target's bandwidth, before it is there.
    device_memory
        Bytes of writes that the last three keep, safe from a power cut, so that nobody waits for
        them: what lies side by side goes on together, in the order of addresses. 0: none.
    slow_target, slow_factor
        A target whose device takes so many times as long for everything.
    background_load, background_time
        The share of the time of each channel or disk that goes to requests of others, which come
        by chance, and the seconds that each of them takes.
    seed
        Of what is drawn: another one draws otherwise.
    ssd_channels
        Channels that work side by side, page after page in turn.
    ssd_page, ssd_block_pages, ssd_blocks
        Bytes of a page, pages that are erased together, and such blocks of each channel.
    ssd_spare
        Overprovisioning: pages there are over pages that can be written, less 1.
    ssd_read_time, ssd_write_time, ssd_erase_time
        Seconds that a channel takes to read a page, to write one, to erase a block.
    ssd_rewritten
        How often all of it was written over, at random, before the beginning; 0: never written.
    array_level, array_width, array_disks, array_chunk, array_policy, array_failed
        As `piotutor.engine.devices.Array` has them.
    disk
        Which disk, of `piotutor.engine.devices.DISKS`.
    """

    clients: int = 1
    think_time: float = 0.0
    targets: int = 1
    targets_per_server: int = 1
    client_bandwidth: float = 0.0
    server_bandwidth: float = 0.0
    latency: float = 0.0
    rpc_size: int = 1 << 20
    rpcs_in_flight: int = 8
    dirty_limit: int = 0
    cache_size: int = 0
    read_ahead: int = 0
    memory_bandwidth: float = 0.0
    open_time: float = 0.0
    create_time: float = 0.0
    stat_time: float = 0.0
    remove_time: float = 0.0
    metadata_threads: int = 1
    directory_share: float = 0.0
    target_overhead: float = 0.0
    target_write_bandwidth: float = 0.0
    target_read_bandwidth: float = 0.0
    target_channels: int = 1
    lock_protocol: str = "none"
    lock_page: int = 4096
    lock_time: float = 0.0
    lock_return_time: float = 0.0
    lock_conflicts: int = 32
    lock_cap: int = 32 << 20
    device: str = "channels"
    device_memory: int = 0
    slow_target: int = 0
    slow_factor: float = 1.0
    background_load: float = 0.0
    background_time: float = 5e-3
    seed: int = 1
    ssd_channels: int = 16
    ssd_page: int = 4096
    ssd_block_pages: int = 128
    ssd_blocks: int = 128
    ssd_spare: float = 0.28
    ssd_read_time: float = 60e-6
    ssd_write_time: float = 100e-6
    ssd_erase_time: float = 3e-3
    ssd_rewritten: int = 0
    array_level: int = 6
    array_width: int = 10
    array_disks: int = 0
    array_chunk: int = 128 << 10
    array_policy: str = "cheaper"
    array_failed: int = -1
    disk: str = "hc310"

    def __post_init__(self) -> None:
        for about in dataclasses.fields(self):
            name, value = about.name, getattr(self, about.name)
            if name not in WORDS:
                object.__setattr__(self, name, settled(name, value, type(about.default)))
            elif not isinstance(value, str) or value not in WORDS[name]:
                raise UsageError(f"{name}={shown(value)}: choose {', '.join(WORDS[name])}")
        for broken, problem in _RULES:
            if broken(self):
                raise UsageError(problem.format(**dataclasses.asdict(self)))
        if self.device in _CHECKS:
            _CHECKS[self.device](self)

    @property
    def array(self) -> Array:
        """The array that each target is, if it is one."""
        names = [each.name for each in dataclasses.fields(Array)]
        return Array(**{name: getattr(self, f"array_{name}") for name in names})

    def numbers(self) -> dict[str, int | float]:
        """Return all parameters as the engine takes them: words and disks as their figures."""
        given = dataclasses.asdict(self)
        disk = dataclasses.asdict(DISKS[given.pop("disk")])
        words = {name: WORDS[name].index(given[name]) for name in WORDS if name in given}
        return (
            given
            | words
            | {"array_disks": self.array_disks or self.array_width}
            | {f"disk_{name}": value for name, value in disk.items()}
        )

    def replace(self, **changes: Any) -> Machine:
        """Return a machine with some parameters changed."""
        return dataclasses.replace(self, **changes)


# (what is wrong, what to say: the parameters are filled in).
_RULES: tuple[tuple[Callable[[Machine], bool], str], ...] = (
    (
        lambda m: m.background_load == 1 or (m.background_load > 0 and m.background_time < 1e-6),
        "background_load={background_load}, background_time={background_time}: "
        "give a share below 1, and how long each of those requests takes, a microsecond or more",
    ),
    (
        lambda m: m.read_ahead > m.cache_size,
        "read_ahead={read_ahead}: more than cache_size={cache_size}",
    ),
    (
        lambda m: m.slow_target >= m.targets,
        "slow_target={slow_target}: there are {targets} targets, the first of them is 0",
    ),
)


def _check_disk(machine: Machine) -> None:
    _need_room(machine, DISKS[machine.disk].bytes)


def _check_array(machine: Machine) -> None:
    array = machine.array
    if array.level == 0 and array.failed >= 0:
        raise UsageError(f"array_failed={array.failed}: RAID 0 doesn't survive that")
    rows = DISKS[machine.disk].bytes // array.chunk
    _need_room(machine, rows * array.stripe)
    _need_few(machine, "array_chunk", array.chunk)


def _check_ssd(machine: Machine) -> None:
    each, blocks = machine.ssd_block_pages, machine.ssd_blocks
    if each * blocks >= 1 << 32:
        raise UsageError(
            f"ssd_blocks={blocks}, ssd_block_pages={each}: a channel has less than 2^32 pages"
        )
    pages = user_pages(machine.ssd_spare, each, blocks, _RESERVE)
    _need_room(machine, pages * machine.ssd_channels * machine.ssd_page)
    _need_few(machine, "ssd_page", machine.ssd_page)


def _need_room(machine: Machine, capacity: int) -> None:
    """Refuse a device that is smaller than a request, or too large to count its bytes."""
    if not machine.rpc_size <= capacity <= _MOST_CAPACITY:
        raise UsageError(
            f"device={machine.device}: a target holds {format_size(capacity)}: give it room for a "
            f"request (rpc_size={machine.rpc_size}), and {format_size(_MOST_CAPACITY)} at most"
        )


def _need_few(machine: Machine, name: str, size: int) -> None:
    """Refuse what makes a request, or a memory that is written back, of more pieces than work."""
    for whole in ("rpc_size", "device_memory"):
        pieces = getattr(machine, whole) // size
        if pieces > _MOST_PIECES:
            raise UsageError(
                f"{name}={size}: {whole}={getattr(machine, whole)} is {pieces:,} of them, "
                f"at most {_MOST_PIECES:,} can be: make it larger"
            )


_CHECKS = {"disk": _check_disk, "array": _check_array, "ssd": _check_ssd}
_RESERVE = 1  # blocks that C keeps erased
_MOST_CAPACITY = 1 << 60
_MOST_PIECES = 1 << 20
