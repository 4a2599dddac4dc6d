"""One target or several, aligned or not: held to the order of what was measured on Cori.

IOR on a Lustre of NERSC's Cori; the repository radix-io/hands-on (`benchmarking/`: all repeats in
the outputs, eight of the demo of caches, four of the demo of alignment). The machine isn't that
one, but `large-lustre`, a centre's with round figures: only the order is claimed, and only where no
two repeats overlap. HDF5 isn't in the engine: what it was asked for is written where it would lie.
"""

from __future__ import annotations

from collections.abc import Iterator

from claims import APART, MIB, Claim, listed, rising
from piotutor.engine.machines import MACHINES
from piotutor.engine.model import clients_of, operations, targets_of
from piotutor.engine.world import World
from piotutor.trace import Op
from piotutor.workload import Workload

SOURCE = "radix-io/hands-on"
LUSTRE = MACHINES["large-lustre"].machine
HEADER = 2048
"""Bytes before the data of an HDF5 file that isn't aligned: a block of metadata, as it is made."""


def rows() -> Iterator[Claim]:
    """Compute them."""
    yield written()
    yield read()
    yield aligned()


def rate(work: Workload, targets: int, shift: int = 0) -> float:
    """Return MiB/s of ranks that write or read so many bytes further back."""
    todo, counts = operations(work)
    todo["offset"][(todo["op"] == Op.WRITE) | (todo["op"] == Op.READ)] += shift
    layouts = [(MIB, targets_of(file, targets, LUSTRE.targets)) for file in range(work.num_files)]
    world = World(LUSTRE, layouts, clients_of(work, LUSTRE))
    world.run(todo, counts)
    return work.total_bytes / MIB / (world.now * 1e-9)


def written() -> Claim:
    work = Workload(num_tasks=64, tasks_per_node=16, write=True, fsync=True, transfer_size=MIB,
                    block_size=16 * MIB, segment_count=16)  # fmt: skip
    one, eight = rate(work, 1), rate(work, 8)
    own = rate(work.replace(file_per_process=True), 1)
    return Claim(
        "IOR, 64 ranks on 4 nodes, 16 blocks of 16 MiB each with fsync: one file on 1 target, "
        "on 8, a file each: rising",
        SOURCE,
        f"366 to 481; 1,886 to 2,235; 8,218 to 13,259 MiB/s; {APART}",
        f"{one:,.0f}; {eight:,.0f}; {own:,.0f} MiB/s",
        rising(one, eight, own),
    )


def read() -> Claim:
    work = Workload(num_tasks=64, tasks_per_node=16, read=True, reorder_tasks=True,
                    transfer_size=MIB, block_size=16 * MIB, segment_count=16)  # fmt: skip
    one, eight = rate(work, 1), rate(work, 8)
    return Claim(
        "the same file read by other nodes, on 1 target, on 8: rising",
        SOURCE,
        f"432 to 2,318; 4,019 to 4,451 MiB/s; {APART}",
        f"{one:,.0f}; {eight:,.0f} MiB/s",
        rising(one, eight),
    )


def aligned() -> Claim:
    work = Workload(num_tasks=128, tasks_per_node=16, write=True, transfer_size=MIB,
                    block_size=MIB, segment_count=64)  # fmt: skip
    shifted = [rate(work, targets, HEADER) for targets in (1, 4)]
    in_place = [rate(work, targets) for targets in (1, 4)]
    return Claim(
        "IOR with HDF5, 128 ranks on 8 nodes, 1 MiB in turn, not aligned, aligned: on 4 targets "
        "ahead of 1, and aligned ahead",
        SOURCE,
        f"309 to 334, 714 to 785; 546 to 701, 1,224 to 1,319 MiB/s; {APART}",
        f"{listed(shifted, ',.0f')}; {listed(in_place, ',.0f')} MiB/s",
        rising(*shifted) and rising(*in_place) and all(map(rising, shifted, in_place)),
    )
