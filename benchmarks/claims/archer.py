"""One file or many, few stripes or many: held to the order of what was measured on ARCHER.

benchio and IOR on a Lustre of 48 targets, nodes of 24 cores; the repository ARCHER-CSE/parallel-io
(`benchmark/`: highest rates in `analysis/`, all repeats in the results of the runs). Other jobs
shared that file system, so repeats scatter; an order is claimed where they don't overlap. A target
is an array of ten disks (RAID 6), as there. Three numbers of the machine were fitted to three of
the highest rates, all of the shared file:

- how fast a server feeds a target: 1,536 writers;
- what one aggregator of collective writing copies in a second: 24 writers;
- the time that it takes for each writer in each turn of its 16 MiB buffer: 12,288 of them.

Collective writing isn't in the engine: what its aggregators write is given to it, one aggregator a
node, at most one a target, the stripes dealt out so that no two share an object.
"""

from __future__ import annotations

from collections.abc import Iterator

from claims import APART, MIB, Claim, listed, order, rising
from piotutor.engine import Machine, model
from piotutor.trace import Layer
from piotutor.workload import Workload

SOURCE = "ARCHER-CSE/parallel-io"
TARGETS, CORES = 48, 24
OWN = {24: (4297, 5928.5), 48: (9042, 12261.3), 96: (6400, 13262.1), 192: (6995, 12532.8),
       384: (5480, 12048.0), 768: (10313, 12741.0), 1536: (10597, 11929.5), 3072: (12518, 13426.2),
       6144: (13098, 14424.8), 12288: (0, 12326.2)}  # fmt: skip
"""Lowest and highest MiB/s by number of writers, each a file of 1 GiB, one stripe; ten repeats, 20
with 384. Of 12,288 only the highest is known."""
SHARED = {24: (681, 737.9), 48: (1297, 1577.9), 96: (2267, 3316.3), 192: (2335, 5707.7),
          384: (3859, 9024.4), 768: (5080, 16144.4), 1536: (1817, 16433.6), 3072: (8022, 15403.6),
          6144: (7925, 11858.6), 12288: (4131, 6024.1)}  # fmt: skip
"""The same of one file by MPI-IO, 16 MiB a writer, stripes of 4 MiB on all targets; ten to 40."""
STRIPED = {24: (577, 612.2, 616, 734, 827.9, 896), 48: (1253, 1318.4, 1356, 1329, 1403.1, 1485),
           96: (230, 1986.7, 2559, 1351, 2414.6, 2567),
           192: (2285, 4139.0, 4944, 1113, 1471.9, 1983),
           384: (4073, 5852.3, 6971, 1062, 1548.4, 1882),
           768: (9236, 12166.0, 13223, 970, 1270.3, 1664),
           1536: (2749, 4645.4, 5909, 880, 1279.2, 1620),
           3072: (3324, 6215.3, 9904, 1009, 1202.1, 1475),
           6144: (5125, 6358.7, 9317, 818, 1044.3, 1159),
           12288: (1429, 9859.6, 12192, 902, 1032.7, 1149)}  # fmt: skip
"""Lowest, median and highest on all targets, then on four: one file by MPI-IO, 16 MiB a writer,
stripes of 1 MiB, ten and ten repeats in one job (April 2016)."""
BUFFER = 16
COPY_TIME = BUFFER / SHARED[24][1]
WRITER_TIME = (BUFFER * TARGETS / SHARED[12288][1] - COPY_TIME) / 12288
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
    target_write_bandwidth=SHARED[1536][1] / TARGETS * MIB,
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
    ahead = [n for n in OWN if OWN[n][0] > SHARED[n][1]]
    yield own_or_shared(
        ahead, f"a file each over one shared file, {shown(ahead)} writers: ahead", APART
    )
    rest = [n for n in OWN if n not in ahead]
    yield own_or_shared(
        rest,
        f"the same, {shown(rest)}, highest rates: ahead, behind from 768 to 3,072, ahead",
        "repeats overlap, or aren't there",
    )
    many = [n for n, each in STRIPED.items() if each[0] > each[5]]
    few = [n for n, each in STRIPED.items() if each[2] < each[3]]
    yield all_or_four(
        many,
        "one shared file, stripes on all targets over stripes on four, "
        f"{shown(many)} writers: ahead",
    )
    yield all_or_four(few, f"the same, {shown(few)} writers, which are one node: behind")
    yield independent()


def shown(writers: list[int]) -> str:
    """Return numbers of writers for reading."""
    return listed(writers, ",d")


def own_or_shared(writers: list[int], claim: str, scatter: str) -> Claim:
    published = [OWN[n][1] / SHARED[n][1] for n in writers]
    ours = [a_file_each(n) / one_file(n, TARGETS, 4 * MIB) for n in writers]
    return Claim(
        claim,
        SOURCE,
        f"{listed(published, '.2g')} times (highest rates); {scatter}",
        f"{listed(ours, '.2g')} times",
        order(ours) == order(published),
    )


def all_or_four(writers: list[int], claim: str) -> Claim:
    """Compare where no two published repeats overlap."""
    published = [STRIPED[n][1] / STRIPED[n][4] for n in writers]
    ours = [all_over_four(n) for n in writers]
    return Claim(
        claim,
        SOURCE,
        f"{listed(published, '.2g')} times (medians); {APART}",
        f"{listed(ours, '.2g')} times",
        order(ours) == order(published),
    )


def independent() -> Claim:
    work = Workload(num_tasks=32, tasks_per_node=1, write=True, transfer_size=4 * MIB,
                    block_size=256 * MIB)  # fmt: skip
    one, four, all_of_them = (rate(work, LUSTRE, stripes) for stripes in (1, 4, TARGETS))
    return Claim(
        "IOR, 32 clients, independent segments of one file, stripes on 1, 4, all targets: rising",
        SOURCE,
        "188 to 698; 1,365; 5,897 to 13,032 MiB/s",
        f"{one:,.0f}; {four:,.0f}; {all_of_them:,.0f} MiB/s",
        rising(one, four, all_of_them),
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


def one_file(
    writers: int, stripes: int, stripe_size: int, size: int = SHARED_BYTES, **changes: float
) -> float:
    """Return that of their aggregators, which write a stripe of their objects at a time.

    `changes` are those of the machine, to see what matters.
    """
    nodes = writers // CORES
    aggregators = max(n for n in range(1, stripes + 1) if stripes % n == 0 and n <= nodes)
    turns = writers * size // (aggregators * stripe_size)
    work = Workload(num_tasks=aggregators, tasks_per_node=1, write=True, transfer_size=stripe_size,
                    block_size=stripe_size, segment_count=turns)  # fmt: skip
    copied = BUFFER * MIB / (COPY_TIME + writers * WRITER_TIME)
    machine = LUSTRE.replace(memory_bandwidth=copied, **changes)
    return rate(work, machine, stripes, stripe_size)


def all_over_four(writers: int, size: int = SHARED_BYTES, **changes: float) -> float:
    """Return how many times faster a shared file is on all targets than on four."""
    rates = [one_file(writers, each, MIB, size, **changes) for each in (TARGETS, 4)]
    return rates[0] / rates[1]
