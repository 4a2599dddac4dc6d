"""One file or many, few stripes or many: held to the order of what was measured on ARCHER.

benchio and IOR on a Lustre of 48 targets, nodes of 24 cores; the repository ARCHER-CSE/parallel-io
(`benchmark/analysis/*.csv`, highest rates; settings in `documents/ARCHER_BestPractice`). Only the
order is claimed. A target is an array of ten disks (RAID 6), as there. Three numbers of the machine
were fitted to three of the 20 published points:

- how fast a server feeds a target: 1,536 writers of a shared file;
- what one aggregator of collective writing copies in a second: 24 writers of a shared file;
- the time that it takes for each writer in each turn of its 16 MiB buffer: 12,288 of them.

Collective writing isn't in the engine: what its aggregators write is given to it, one aggregator a
node, at most one a target, the stripes dealt out so that no two share an object.
"""

from __future__ import annotations

from collections.abc import Iterator

from claims import MIB, Claim, listed
from piotutor.engine import Machine, model
from piotutor.trace import Layer
from piotutor.workload import Workload

SOURCE = "ARCHER-CSE/parallel-io"
TARGETS, CORES = 48, 24
OWN = {24: 5928.5, 48: 12261.3, 96: 13262.1, 192: 12532.8, 384: 12048.0, 768: 12741.0,
       1536: 11929.5, 3072: 13426.2, 6144: 14424.8, 12288: 12326.2}  # fmt: skip
SHARED = {24: 737.9, 48: 1577.9, 96: 3316.3, 192: 5707.7, 384: 9024.4, 768: 16144.4,
          1536: 16433.6, 3072: 15403.6, 6144: 11858.6, 12288: 6024.1}  # fmt: skip
"""Highest MiB/s by number of writers: a file each, one stripe; one file, all stripes, 4 MiB."""
FOUR = {24: 896.0, 48: 1569.9, 192: 1983.0, 384: 1881.7, 768: 1664.0, 1536: 1620.4,
        3072: 1786.6, 6144: 1763.9, 12288: 1149.1}  # fmt: skip
ALL = {24: 661.7, 48: 1355.8, 192: 5055.4, 384: 8429.2, 768: 15115.9, 1536: 11262.0,
       3072: 15897.9, 6144: 14323.2, 12288: 12192.0}  # fmt: skip
"""The same of one file in stripes of 1 MiB on four targets, and on all."""
BUFFER = 16
COPY_TIME = BUFFER / SHARED[24]
WRITER_TIME = (BUFFER * TARGETS / SHARED[12288] - COPY_TIME) / 12288
"""MiB and seconds: what an aggregator gathers in a turn, and how long that takes it."""
LUSTRE = Machine(
    clients=512,
    targets=TARGETS,
    targets_per_server=4,
    rpc_size=MIB,
    dirty_limit=32 * MIB,
    client_bandwidth=8e9,
    latency=20e-6,
    lock_protocol="extents",
    lock_time=1e-5,
    create_time=3e-4,
    open_time=1e-4,
    target_write_bandwidth=SHARED[1536] / TARGETS * MIB,
    device="array",
    array_level=6,
    array_width=10,
    array_chunk=MIB // 8,
    disk="hc310",
)
OWN_BYTES, SHARED_BYTES = 64 * MIB, 16 * MIB
"""Bytes of a writer: to a file of its own (1 GiB in what was measured), to a shared one."""


def rows() -> Iterator[Claim]:
    """Compute them."""
    yield own_or_shared()
    yield few_or_all_stripes()
    yield few_writers()
    yield independent()


def own_or_shared() -> Claim:
    published = [OWN[n] / SHARED[n] for n in OWN]
    ours = [a_file_each(n) / one_file(n, TARGETS, 4 * MIB) for n in OWN]
    return Claim(
        "a file each over one shared file, 24, 48, 96, ... 12,288 writers: "
        "ahead, behind from 768 to 3,072, ahead again",
        SOURCE,
        f"{listed(published, '.2g')} times",
        f"{listed(ours, '.2g')} times",
        [each > 1 for each in ours] == [each > 1 for each in published],
    )


def over_four(writers: int) -> float:
    """Return how many times faster a shared file is on all targets than on four."""
    return one_file(writers, TARGETS, MIB) / one_file(writers, 4, MIB)


def few_or_all_stripes() -> Claim:
    large = [n for n in FOUR if n > 96]
    ours = [over_four(n) for n in large]
    return Claim(
        "one shared file, stripes on all targets over stripes on four, 192, ... 12,288 writers: "
        "ahead by more than two",
        SOURCE,
        f"{listed([ALL[n] / FOUR[n] for n in large], '.2g')} times",
        f"{listed(ours, '.2g')} times",
        min(ours) > 2,
    )


def few_writers() -> Claim:
    ours = [over_four(n) for n in (24, 48)]
    return Claim(
        "the same, 24 and 48 writers: behind",
        SOURCE,
        f"{listed([ALL[n] / FOUR[n] for n in (24, 48)], '.2g')} times",
        f"{listed(ours, '.2g')} times",
        max(ours) < 1,
    )


def independent() -> Claim:
    work = Workload(num_tasks=128, tasks_per_node=1, write=True, transfer_size=4 * MIB,
                    block_size=256 * MIB)  # fmt: skip
    one, four, all_of_them = (rate(work, LUSTRE, stripes) for stripes in (1, 4, TARGETS))
    return Claim(
        "IOR, 128 clients, independent segments of one file, stripes on 1, 4, all targets: rising",
        SOURCE,
        "517 and 683; 1,351 and 8,360; 4,186 to 11,625 MiB/s",
        f"{one:,.0f}; {four:,.0f}; {all_of_them:,.0f} MiB/s",
        one < four < all_of_them,
    )


def rate(work: Workload, machine: Machine, stripes: int, stripe_size: int = MIB) -> float:
    """Return MiB/s from the first open to the last close."""
    trace = model(work, machine, stripe_size=stripe_size, stripe_count=stripes, layers=[Layer.APP])
    seconds = int(trace.records["end"].max() - trace.records["start"].min()) * 1e-9
    return work.total_bytes / MIB / seconds


def a_file_each(writers: int) -> float:
    """Return the rate of so many writers of a file each, on one target."""
    work = Workload(num_tasks=writers, tasks_per_node=CORES, file_per_process=True, write=True,
                    transfer_size=MIB, block_size=OWN_BYTES)  # fmt: skip
    return rate(work, LUSTRE, 1)


def one_file(writers: int, stripes: int, stripe_size: int) -> float:
    """Return that of their aggregators, which write a stripe of their objects at a time."""
    nodes = writers // CORES
    aggregators = max(n for n in range(1, stripes + 1) if stripes % n == 0 and n <= nodes)
    turns = writers * SHARED_BYTES // (aggregators * stripe_size)
    work = Workload(num_tasks=aggregators, tasks_per_node=1, write=True, transfer_size=stripe_size,
                    block_size=stripe_size, segment_count=turns)  # fmt: skip
    copied = BUFFER * MIB / (COPY_TIME + writers * WRITER_TIME)
    machine = LUSTRE.replace(memory_bandwidth=copied)
    return rate(work, machine, stripes, stripe_size)
