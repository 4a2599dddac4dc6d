"""Queues and limits: held to queueing theory and to arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from claims import MIB, MS, Claim, listed, near
from piotutor import layout
from piotutor.engine import Machine
from piotutor.engine.world import OPERATION, WAIT, World
from piotutor.trace import Layer, Op


def rows() -> Iterator[Claim]:
    """Compute them."""
    yield random_arrivals()
    yield little()
    yield asymptotes()
    yield one_client()
    yield targets_add_up()
    yield striping()


def run(machine, todo, ranks=1, files=((MIB, (0,)),), layers=(Layer.SERVER,)) -> World:
    """Run operations, the same number on each rank."""
    world = World(machine, files, range(ranks), layers, 1 << 20)
    world.run(todo, np.full(ranks, len(todo) // ranks))
    return world


def writes(count, length, ranks=1) -> np.ndarray:
    """Return so many writes of each rank, one after the other in one file."""
    todo = np.zeros(count * ranks, OPERATION)
    todo["op"], todo["length"] = Op.WRITE, length
    todo["offset"] = np.arange(count * ranks) * length
    return todo


def random_arrivals() -> Claim:
    loads = (0.3, 0.6, 0.8)
    published = [md1(load) for load in loads]
    times = -np.log1p(-np.random.default_rng(7).random(400_000)) * MS
    ours = [waiting(times / load) for load in loads]
    return Claim(
        f"waiting of random arrivals at a server of fixed time D, load rho {listed(loads)}",
        "Pollaczek and Khinchine (M/D/1)",
        f"rho D / (2 (1 - rho)): {listed(published)} D",
        f"{listed(ours)} D",
        near(published, ours),
    )


def md1(load: float) -> float:
    """Return how long random arrivals wait on average at a server of fixed time, in such times."""
    return load / (2 * (1 - load))


def waiting(gaps: np.ndarray, **others: float) -> float:
    """Return how long requests wait on average, in service times of 1 ms.

    Parameters
    ----------
    gaps : ndarray
        Seconds between one that comes and the next.
    **others : float
        Further parameters of the machine.
    """
    count = len(gaps)
    todo = np.zeros(2 * count, OPERATION)
    todo["op"][0::2], todo["op"][1::2], todo["length"][1::2] = WAIT, Op.WRITE, 4096
    todo["offset"][0::2] = np.cumsum(gaps) * 1e9
    machine = Machine(target_overhead=MS, rpcs_in_flight=1 << 30, **others)
    world = World(machine, [(MIB, [0])], [0] * count, [Layer.SERVER], count)
    world.run(todo, np.full(count, 2))
    return (world.records["end"] - world.records["start"]).mean() * 1e-9 / MS - 1


def little() -> Claim:
    ranks = (1, 3, 8)
    ours = [in_flight(each) for each in ranks]
    return Claim(
        f"in flight = rate x time, closed system, {listed(ranks)} ranks",
        "Little 1961",
        f"N = X R: {listed(ranks)}",
        listed(ours, ".2f"),
        near(ranks, ours),
    )


def in_flight(ranks: int) -> float:
    """Return rate x time of ranks that have one request each, all the time."""
    machine = Machine(clients=ranks, latency=0.2 * MS, target_overhead=MS, target_channels=2)
    world = run(machine, writes(500, 4096, ranks), ranks, layers=(Layer.APP,))
    time = world.records["end"] - world.records["start"]
    return len(time) / world.now * time.mean()


def asymptotes() -> Claim:
    ranks = (1, 2, 4, 8)
    published = [min(n / (4 * MS), 1 / MS) for n in ranks]
    ours = [rate(n) for n in ranks]
    return Claim(
        f"operations/s of a closed system, {listed(ranks)} ranks: D = 4 ms, Dmax (the target) 1 ms",
        "Denning and Buzen 1978",
        f"at most min(N / D, 1 / Dmax): {listed(published, '.0f')}",
        listed(ours, ".0f"),
        near(published, ours),
    )


def rate(ranks: int) -> float:
    """Return operations a second of ranks whose requests travel for 3 ms and are served for 1."""
    machine = Machine(clients=ranks, latency=1.5 * MS, target_overhead=MS)
    world = run(machine, writes(500, 4096, ranks), ranks)
    return 500 * ranks / (world.now * 1e-9)


def one_client() -> Claim:
    interface, target, latency, flying = 1e9, 0.8e9, 2 * MS, (1, 2, 4, 8, 32)
    trip = 2 * latency + MIB / interface + MIB / target
    published = [min(interface, target, n * MIB / trip) / 1e6 for n in flying]
    one = Machine(client_bandwidth=interface, target_write_bandwidth=target, latency=latency)
    ours = [speed(one.replace(rpcs_in_flight=n), 1 << 32) / 1e6 for n in flying]
    return Claim(
        "one client: 1 GB/s interface, 0.8 GB/s target, 4 ms there and back, "
        f"{listed(flying)} requests in flight",
        "arithmetic",
        f"min(interface, target, in flight x size / round trip): {listed(published, '.0f')} MB/s",
        f"{listed(ours, '.0f')} MB/s",
        near(published, ours),
    )


def speed(machine: Machine, total: int, targets: int = 1) -> float:
    """Return bytes/s of one large write over so many targets."""
    world = run(machine, writes(1, total), files=[(MIB, range(targets))])
    return total / (world.now * 1e-9)


def targets_add_up() -> Claim:
    machine = Machine(targets=8, client_bandwidth=5e8, target_write_bandwidth=1e8)
    counts, published = (1, 2, 4, 8), (100, 200, 400, 500)
    ours = [speed(machine, 1 << 30, count) / 1e6 for count in counts]
    return Claim(
        f"{listed(counts)} targets of 100 MB/s, an interface of 500",
        "arithmetic",
        f"n x target, at most the interface: {listed(published)} MB/s",
        f"{listed(ours, '.0f')} MB/s",
        near(published, ours),
    )


def striping() -> Claim:
    random = np.random.default_rng(5)
    equal = all(
        same_bytes(4096 << int(random.integers(9)), int(random.integers(1, 7)), *extent)
        for extent in random.integers(1, 1 << 23, (200, 2)).tolist()
    )
    return Claim(
        "where 200 drawn extents lie on 1 to 6 targets, stripes of 4 KiB to 1 MiB",
        "`piotutor.layout`",
        "every byte",
        "equal" if equal else "not equal",
        equal,
    )


def same_bytes(stripe_size: int, count: int, offset: int, length: int) -> bool:
    """Return whether the servers got the ranges of their objects that the layout says."""
    todo = np.array([(offset, length, 0, Op.WRITE, 0)], OPERATION)
    machine = Machine(targets=6, rpc_size=1 << 30)
    found = run(machine, todo, files=[(stripe_size, range(count))]).records
    pieces = layout.place(layout.striped(stripe_size, count), offset, length)
    return bytes_of(found["target"], found["offset"], found["length"]) == bytes_of(
        pieces.object, pieces.object_offset, pieces.length
    )


def bytes_of(target, offset, length) -> set[tuple[int, ...]]:
    """Return how many bytes of an extent each target has, and between which places."""
    found = set()
    for each in np.unique(target):
        here, size = offset[target == each], length[target == each]
        found.add((int(each), int(size.sum()), int(here.min()), int((here + size).max())))
    return found
