"""What clients remember, and who makes files: held to arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from claims import MIB, MS, Claim, listed, near
from piotutor.engine import Machine, model
from piotutor.engine.world import OPERATION, World
from piotutor.trace import Layer, Op
from piotutor.workload import Workload

SMALL = MIB // 16
CACHED = Machine(
    latency=0.1 * MS,
    target_overhead=MS,
    target_read_bandwidth=1e9,
    target_write_bandwidth=1e9,
    cache_size=64 * MIB,
)


def rows() -> Iterator[Claim]:
    """Compute them."""
    yield reading_ahead()
    yield read_again()
    yield one_directory()


def operations(*rows: tuple[Op, int]) -> np.ndarray:
    """Return small operations, each row its bytes from front to back."""
    counts = [total // SMALL for _, total in rows]
    todo = np.zeros(sum(counts), OPERATION)
    todo["op"] = np.repeat([op for op, _ in rows], counts)
    todo["offset"] = np.concatenate([np.arange(count) * SMALL for count in counts])
    todo["length"] = SMALL
    return todo


def run(machine: Machine, todo: np.ndarray) -> World:
    """Let one rank do it."""
    world = World(machine, [(MIB, [0])], [0], [Layer.SERVER], 1 << 14)
    world.run(todo, np.array([len(todo)]))
    return world


def reading_ahead() -> Claim:
    """64 KiB in a row: a round trip for each, or the target's time for requests of 1 MiB."""
    total, latency = 256 * MIB, CACHED.latency
    trips = [2 * latency + MS + SMALL / 1e9, (MS + MIB / 1e9) * SMALL / MIB]
    published = [SMALL / trip / 1e6 for trip in trips]
    ours = [
        total / run(CACHED.replace(read_ahead=size), operations((Op.READ, total))).now * 1e3
        for size in (0, 8 * MIB)
    ]
    return Claim(
        "reads of 64 KiB in a row, without and with read-ahead of 8 MiB",
        "arithmetic",
        f"size / round trip; the target's rate at 1 MiB: {listed(published, '.0f')} MB/s",
        f"{listed(ours, '.0f')} MB/s",
        near(published, ours),
    )


def read_again() -> Claim:
    sizes = (16, 64)
    ours = [
        int(run(CACHED, operations(*[(Op.READ, size * MIB)] * 2)).records["length"].sum()) // MIB
        for size in (*sizes, 65)
    ]
    return Claim(
        "16, 64 and 65 MiB read twice in a row by a client that keeps 64, the oldest first to go",
        "arithmetic",
        "asked for: 16, 64, 130 MiB",
        f"{listed(ours)} MiB",
        ours == [16, 64, 130],
    )


def one_directory() -> Claim:
    shares, threads, ranks = (0.1, 0.25, 0.5, 1), 8, 1024
    work = Workload(num_tasks=ranks, block_size=4096, transfer_size=4096, file_per_process=True,
                    write=True)  # fmt: skip
    machine = Machine(clients=ranks, create_time=MS, metadata_threads=threads)
    published = [min(threads / MS, 1 / (share * MS)) for share in shares]
    ours = [creates(work, machine.replace(directory_share=share)) for share in shares]
    return Claim(
        "creates/s in one directory, 1 ms each, 8 threads, of which no other one may overlap "
        f"a share of {listed(shares)}",
        "arithmetic",
        f"min(threads / time, 1 / (share x time)): {listed(published, '.0f')}",
        listed(ours, ".0f"),
        near(published, ours),
    )


def creates(work: Workload, machine: Machine) -> float:
    """Return how many files are made in a second."""
    trace = model(work, machine, layers=[Layer.APP])
    ended = trace.records["end"][trace.where(op=Op.CREATE)].max()
    return work.num_tasks / (int(ended) * 1e-9)
