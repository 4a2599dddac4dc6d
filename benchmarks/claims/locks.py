"""Locks: who interleaves on an object decides."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from claims import MIB, Claim, listed
from piotutor.engine import Machine
from piotutor.engine.world import OPERATION, World
from piotutor.trace import Op

MACHINE = Machine(
    clients=2,
    targets=2,
    latency=1e-4,
    client_bandwidth=1e9,
    target_write_bandwidth=2e8,
    target_overhead=1e-4,
    lock_time=1e-5,
    lock_protocol="extents",
)
WRITES = 32
"""Of each of two ranks."""
LUSTRE = "rough model of Lustre's policy (`lustre_locks`)"


def rows() -> Iterator[Claim]:
    """Compute them."""
    turns, segments = callbacks("strided", 65536), callbacks("segmented", 47008)
    yield Claim(
        "64 aligned writes of two clients in turn, one object: callbacks",
        LUSTRE,
        "32",
        str(turns),
        turns == 32,
    )
    yield Claim(
        "the same in two unaligned segments",
        LUSTRE,
        "3: few",
        str(segments),
        1 <= segments <= 3,
    )
    none = [callbacks("own", 65536), callbacks("strided", 65536, one_client=True)]
    yield Claim(
        "an object for each client; both ranks on one client",
        LUSTRE,
        "0, 0",
        listed(none),
        none == [0, 0],
    )
    yield many_clients()
    yield protocols()


def callbacks(pattern: str, size: int, *, protocol="extents", clients=2, one_client=False) -> int:
    """Let each client write `WRITES` times; return how many locks were called back."""
    rank, index = np.ogrid[:clients, :WRITES]
    order = {"strided": index * clients + rank, "segmented": rank * WRITES + index}
    todo = np.zeros((clients, WRITES), OPERATION)
    todo["op"], todo["length"] = Op.WRITE, size
    todo["offset"] = order.get(pattern, index) * size
    todo["file"] = rank if pattern == "own" else 0
    files = [(MIB, [n % 2]) for n in range(clients if pattern == "own" else 1)]
    machine = MACHINE.replace(lock_protocol=protocol, clients=clients)
    world = World(machine, files, [0] * clients if one_client else range(clients))
    world.run(todo.ravel(), np.full(clients, WRITES))
    return world.callbacks


def many_clients() -> Claim:
    ours = [callbacks(pattern, 47008, clients=16) for pattern in ("strided", "segmented", "own")]
    return Claim(
        "16 clients, 47,008-byte writes: callbacks strided, segmented, an object each",
        "Lustre's policy (`lustre_locks`)",
        "most, few, none",
        listed(ours),
        ours[0] > 4 * ours[1] > 0 == ours[2],
    )


def protocols() -> Claim:
    tokens = [callbacks(each, 65536, protocol="tokens") for each in ("strided", "segmented")]
    files = [callbacks(each, 65536, protocol="file") for each in ("strided", "segmented")]
    return Claim(
        "two clients, strided and segmented, with byte-range tokens; with a lock on the whole file",
        "Schmuck and Haskin, FAST 2002; Capabilities in CephFS",
        "tokens: at each turn, once; whole file: the pattern doesn't matter",
        f"{listed(tokens)}; {listed(files)}",
        tokens == [32, 1] and files[0] == files[1],
    )
