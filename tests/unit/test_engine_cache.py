"""What clients read from their own memory: bytes they have had, and those they asked for before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piotutor.engine import Machine
from piotutor.engine.library import library
from piotutor.engine.machine import LOCKS
from piotutor.engine.machines import read_machine
from piotutor.engine.world import OPERATION, WAIT, World
from piotutor.errors import UsageError
from piotutor.trace import Layer, Op

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")

KIB, MIB = 1 << 10, 1 << 20
SMALL = 64 * KIB
MACHINE = Machine(
    clients=2,
    targets=4,
    latency=1e-4,
    rpc_size=MIB,
    memory_bandwidth=1e10,
    target_overhead=1e-3,
    target_read_bandwidth=1e9,
    target_write_bandwidth=1e9,
    lock_protocol="extents",
    cache_size=64 * MIB,
    read_ahead=8 * MIB,
)
S = 1_000_000_000


def run(machine, *ranks, stripes=1, clients=None):
    """Run what each rank does, rows of (op, offset, length), on one file; return the records."""
    rows = [row for rank in ranks for row in rank]
    todo = np.zeros(len(rows), OPERATION)
    todo["op"], todo["offset"], todo["length"] = np.array(rows, np.int64).T
    where = range(len(ranks)) if clients is None else clients
    world = World(machine, [(MIB, range(stripes))], where, (Layer.APP, Layer.SERVER), 1 << 16)
    world.run(todo, np.array([len(rank) for rank in ranks]))
    assert world.dropped == 0
    return world.records


def row(op, total, size=SMALL, start=0):
    """Return operations on so many bytes, one after the other."""
    return [(op, offset, size) for offset in range(start, start + total, size)]


def asked(records, op=Op.READ):
    """Return the requests that reached servers."""
    return records[(records["layer"] == Layer.SERVER) & (records["op"] == op)]


def test_small_reads_in_a_row_are_asked_for_in_whole_requests():
    """The window opens with the second read: from then on, whole requests up to the file's end."""
    requests = asked(run(MACHINE, row(Op.READ, 10 * MIB + SMALL)))
    assert requests["offset"].tolist() == [0, SMALL, *range(2 * SMALL, MIB, MIB),
                                           *range(MIB, 11 * MIB, MIB)]  # fmt: skip
    assert requests["length"].sum() == 10 * MIB + SMALL
    assert requests["rank"].tolist() == [0, 0] + [-1] * 11


def test_reading_ahead_is_as_fast_as_the_target():
    """Without it each small read takes a round trip, with it they take the target's time."""
    total = 64 * MIB
    ended = [
        run(MACHINE.replace(read_ahead=size), row(Op.READ, total))["end"].max() / S
        for size in (0, 8 * MIB)
    ]
    assert ended[0] == pytest.approx(total / SMALL * (1.2e-3 + SMALL / 1e9), rel=0.02)
    assert ended[1] == pytest.approx(total / MIB * (1e-3 + MIB / 1e9), rel=0.05)


def test_nothing_is_asked_for_behind_the_window():
    """No request reaches further than the limit behind what has been read by then."""
    machine = MACHINE.replace(read_ahead=2 * MIB)
    records = run(machine, row(Op.READ, 32 * MIB))
    reads = records[(records["layer"] == Layer.APP) & (records["op"] == Op.READ)]
    for request in asked(records):
        begun = reads[reads["start"] < request["start"]]
        assert request["offset"] + request["length"] <= (
            begun["offset"] + begun["length"]
        ).max() + max(machine.read_ahead, SMALL)


def test_strides_and_random_reads_are_not_read_ahead():
    """The requests are those that there would be without."""
    places = [0, 7 * MIB, MIB, 3 * MIB, 12 * MIB, 5 * MIB]
    reads = [(Op.READ, place, SMALL) for place in places]
    with_it = asked(run(MACHINE, reads))
    without = asked(run(MACHINE.replace(cache_size=0, read_ahead=0), reads))
    assert with_it.tobytes() == without.tobytes()


def test_what_was_read_or_written_is_read_at_the_client():
    """By any rank of the node; another node has to ask."""
    for machine in (MACHINE, MACHINE.replace(dirty_limit=32 * MIB)):
        write = row(Op.WRITE, 4 * MIB)
        then = [(Op.BARRIER, 0, 0)]
        again = then + row(Op.READ, 4 * MIB)
        assert len(asked(run(machine, write + again, again, clients=[0, 0]))) == 0
        records = run(machine, write + then, again, clients=[0, 1])
        assert set(asked(records)["client"]) == {1}
        assert asked(records)["length"].sum() == 4 * MIB
    again = run(MACHINE, row(Op.READ, 4 * MIB) + row(Op.READ, 4 * MIB))
    assert asked(again)["length"].sum() == 4 * MIB


def test_bytes_go_with_their_lock():
    """Another client's write calls the lock back: from there on the reader asks again."""
    read = row(Op.READ, 4 * MIB)
    first = [*read, (Op.BARRIER, 0, 0), (Op.BARRIER, 0, 0), *read]
    other = [(Op.BARRIER, 0, 0), (Op.WRITE, 2 * MIB, SMALL), (Op.BARRIER, 0, 0)]
    for protocol, behind in (("extents", 4), ("tokens", 2), ("file", 4)):
        records = run(MACHINE.replace(lock_protocol=protocol), first, other)
        written = asked(records, Op.WRITE)["start"][0]
        late = asked(records)[asked(records)["start"] > written]
        assert late["length"].sum() == behind * MIB, protocol
    records = run(MACHINE.replace(lock_protocol="none"), first, other)
    assert asked(records)["length"].sum() == 4 * MIB  # nobody tells the reader


def test_a_cache_that_is_too_small_forgets_the_oldest():
    """Twice through a file twice as large as the cache: everything is asked for twice."""
    machine = MACHINE.replace(cache_size=4 * MIB, read_ahead=0)
    twice = row(Op.READ, 8 * MIB) + row(Op.READ, 8 * MIB)
    assert asked(run(machine, twice))["length"].sum() == 16 * MIB
    fits = machine.replace(cache_size=8 * MIB)
    assert asked(run(fits, twice))["length"].sum() == 8 * MIB


def test_two_who_read_the_same_ask_once():
    """A rank that finds its bytes on their way waits for them."""
    both = row(Op.READ, 16 * MIB)
    records = run(MACHINE, both, both, clients=[0, 0])
    assert asked(records)["length"].sum() == 16 * MIB


def test_stripes_are_read_ahead_once_they_are_locked():
    """The first read of each object brings its lock; each byte is asked for once."""
    requests = asked(run(MACHINE, row(Op.READ, 32 * MIB), stripes=4))
    assert requests["length"].sum() == 32 * MIB
    assert (requests["length"] == MIB).sum() >= 27
    moved = np.bincount(requests["target"], requests["length"])
    assert moved.tolist() == [8 * MIB] * 4


def test_sizes_are_read_and_checked():
    machine = read_machine("small-lustre:cache_size=1g,read_ahead=64m")
    assert (machine.cache_size, machine.read_ahead) == (1 << 30, 64 * MIB)
    with pytest.raises(UsageError, match="cache_size=0"):
        Machine(read_ahead=MIB)


@settings(max_examples=60, deadline=None)
@given(
    protocol=st.sampled_from(LOCKS),
    cache_size=st.sampled_from([1 << 13, 1 << 16, MIB]),
    ahead=st.booleans(),
    work=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([Op.WRITE, Op.READ, Op.READ, Op.SYNC]),
            st.integers(0, 40),
            st.integers(1, 20),
        ),
        min_size=30,
        max_size=60,
    ),
)
def test_nobody_reads_what_another_has_overwritten(protocol, cache_size, ahead, work):
    """Any mix of four ranks on three nodes ends, always the same; with locks, nothing is old."""
    machine = MACHINE.replace(
        clients=3, lock_protocol=protocol, cache_size=cache_size, rpc_size=1 << 12,
        read_ahead=cache_size if ahead else 0,
    )  # fmt: skip
    ranks = [
        [(op, 1777 * at, 1777 * length) for rank, op, at, length in work if rank == this]
        + [(WAIT, 1, 0)]
        for this in range(4)
    ]
    first, second = (run(machine, *ranks, clients=[0, 1, 2, 2]) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert np.count_nonzero(first["layer"] == Layer.APP) == len(work)
    if protocol != "none":
        _nothing_is_old(first)


def _nothing_is_old(records):
    """Follow, for each client and byte, since when the server has had another one's newer byte."""
    old = np.zeros((3, 61 * 1777), np.int64)
    for record in records[np.argsort(records["end"], kind="stable")]:
        where = slice(record["offset"], record["offset"] + record["length"])
        client, kind = record["client"], (record["layer"], record["op"])
        if kind == (Layer.SERVER, Op.WRITE):
            old[np.arange(3) != client, where] = record["end"]
        if kind in ((Layer.SERVER, Op.WRITE), (Layer.SERVER, Op.READ), (Layer.APP, Op.WRITE)):
            old[client, where] = 0
        if kind == (Layer.APP, Op.READ):
            since = old[client] * ~_being_written(records, record)
            assert not ((since[where] > 0) & (since[where] < record["start"])).any()


def _being_written(records, read):
    """Return which bytes the reader's own node is writing meanwhile."""
    found = np.zeros(61 * 1777, bool)
    own = (records["layer"] == Layer.APP) & (records["op"] == Op.WRITE)
    own &= (records["client"] == read["client"]) & (records["end"] >= read["start"])
    for record in records[own & (records["start"] <= read["end"])]:
        found[record["offset"] : record["offset"] + record["length"]] = True
    return found
