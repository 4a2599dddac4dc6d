"""Locks on extents: who interleaves on an object decides, and two never hold the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piotutor.engine import Machine
from piotutor.engine.library import library
from piotutor.engine.machine import LOCKS
from piotutor.engine.world import OPERATION, World
from piotutor.trace import Layer, Op

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")

MIB = 1 << 20
MACHINE = Machine(
    clients=2,
    targets=2,
    latency=1e-4,
    client_bandwidth=1e9,
    target_write_bandwidth=2e8,
    target_read_bandwidth=2e8,
    target_overhead=1e-4,
    lock_time=1e-5,
)
WRITES = 32
"""Of each client: as in the counts of ``lustre_locks`` in the published figures."""


def offsets(pattern, size, count=WRITES, clients=2):
    """Return where each client writes, shape (clients, count)."""
    client, index = np.ogrid[:clients, :count]
    strides = {"strided": index * clients + client, "segmented": client * count + index}
    return (strides.get(pattern, index + 0 * client) * size).astype(np.int64)


def run(
    pattern, size, *, protocol="extents", one_node=False, dirty_limit=0, count=WRITES, back=0.0
):
    """Let two ranks write to one object, or to one each, and return the world."""
    own = pattern == "own"
    todo = np.zeros((2, count), OPERATION)
    todo["op"], todo["length"], todo["offset"] = Op.WRITE, size, offsets(pattern, size, count)
    todo["file"] = np.arange(2)[:, None] if own else 0
    files = [(MIB, [number]) for number in range(2 if own else 1)]
    machine = MACHINE.replace(lock_protocol=protocol, dirty_limit=dirty_limit)
    machine = machine.replace(lock_return_time=back)
    clients = [0, 0] if one_node else [0, 1]
    world = World(machine, files, clients, (Layer.SERVER,), 1 << 14)
    world.run(todo.ravel(), np.full(2, count))
    return world


def test_two_who_interleave_call_back_at_every_turn():
    """64 aligned writes of two clients in turn, one object: 32 callbacks, as published."""
    assert run("strided", 65536).callbacks == 32


def test_a_lock_comes_back_as_late_as_its_holder_is():
    """Nothing overlaps where each write waits for a lock: each callback costs that time once."""
    quick, slow = run("strided", 47008), run("strided", 47008, back=5e-3)
    assert slow.callbacks == quick.callbacks == 63
    assert slow.now - quick.now == 63 * 5_000_000


def test_segments_conflict_only_at_the_beginning():
    """Two segments of one object: a few callbacks, until each knows where the other one is."""
    assert 1 <= run("segmented", 47008).callbacks <= 3
    assert 1 <= run("segmented", 65536).callbacks <= 3


def test_unaligned_neighbours_share_pages_and_conflict_more():
    """Interleaved records of 47,008 bytes share a page with both neighbours."""
    assert run("strided", 47008).callbacks > run("strided", 49152).callbacks


def test_an_object_each_or_one_client_has_no_conflicts():
    """Locks belong to clients: two ranks of one node never conflict."""
    assert run("own", 65536).callbacks == 0
    assert run("strided", 65536, one_node=True).callbacks == 0
    assert run("strided", 65536, protocol="none").grants == 0


def test_a_cache_makes_conflicts_rarer_not_gone():
    """Written bytes wait under their lock, so a turn is more than one write long."""
    through, cached = (run("strided", 65536, dirty_limit=size, count=1000) for size in (0, MIB))
    assert 0 < cached.callbacks < through.callbacks


def test_a_whole_file_is_called_back_once_and_then_shared():
    """As CephFS: with a second writer nobody keeps bytes any more; the pattern doesn't matter."""
    counts = {
        run(pattern, 65536, protocol="file").callbacks for pattern in ("strided", "segmented")
    }
    assert counts == {2}
    assert run("own", 65536, protocol="file").callbacks == 0


def test_tokens_leave_the_holder_what_lies_before():
    """As GPFS: a segment is given away once, and the holder goes on in front of it."""
    assert run("segmented", 65536, protocol="tokens").callbacks == 1
    assert run("strided", 65536, protocol="tokens").callbacks == 32


def test_a_first_lock_reaches_to_the_end():
    """The widest free extent: without anyone else, the whole object."""
    records = run("own", 65536).records
    locks = records[records["op"] == Op.LOCK]
    assert locks["offset"].tolist() == [0, 0]
    assert set(locks["length"].tolist()) == {2**63 - 1}


def test_growth_is_capped_where_many_meet():
    """With more others on an object than the limit, a lock grows no further than the cap."""
    clients = 40
    machine = MACHINE.replace(clients=clients, lock_protocol="extents", lock_cap=MIB)
    todo = np.zeros((clients, 8), OPERATION)
    todo["op"], todo["length"] = Op.WRITE, 4096
    todo["offset"] = (np.arange(clients)[::-1, None] * 64 + np.arange(8)) * 4 * MIB
    world = World(machine, [(MIB, [0])], range(clients), (Layer.SERVER,), 1 << 14)
    world.run(todo.ravel(), np.full(clients, 8))
    locks = world.records[world.records["op"] == Op.LOCK]
    assert (locks["length"] == MIB).any()


@settings(max_examples=60, deadline=None)
@given(
    protocol=st.sampled_from(LOCKS),
    dirty_limit=st.sampled_from([0, 1 << 14, MIB]),
    cache_size=st.sampled_from([0, 1 << 14, MIB]),
    rpc_size=st.sampled_from([1 << 12, 1 << 16]),
    work=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([Op.WRITE, Op.WRITE, Op.READ, Op.SYNC]),
            st.integers(0, 40),
            st.integers(1, 20),
        ),
        min_size=1,
        max_size=60,
    ),
)
def test_everybody_comes_through_and_nobody_holds_what_another_does(
    protocol, dirty_limit, cache_size, rpc_size, work
):
    """Any mix of four ranks on three nodes ends; conflicting extents are never held at once."""
    machine = MACHINE.replace(
        clients=3, lock_protocol=protocol, dirty_limit=dirty_limit, rpc_size=rpc_size,
        cache_size=cache_size, read_ahead=cache_size,
    )  # fmt: skip
    of_rank = [[entry for entry in work if entry[0] == rank] for rank in range(4)]
    rows = [entry for each in of_rank for entry in each]
    todo = np.zeros(len(rows), OPERATION)
    todo["op"] = [op for _, op, _, _ in rows]
    todo["offset"] = [1777 * offset for _, _, offset, _ in rows]
    todo["length"] = [1777 * length for _, _, _, length in rows]
    layers = (Layer.APP, Layer.SERVER)
    world = World(machine, [(1 << 14, [0, 1])], [0, 1, 2, 2], layers, 1 << 16)
    world.run(todo, np.array([len(each) for each in of_rank]))
    records = world.records
    assert np.count_nonzero(records["layer"] == Layer.APP) == len(rows)
    if protocol == "extents":
        _nobody_overlaps(records)


def _nobody_overlaps(records):
    """Follow grants and releases, and compare each grant with what is held then."""
    held: list[tuple[int, ...]] = []
    names = ("client", "aux", "offset", "length", "result")
    for record in records[np.isin(records["op"], (Op.LOCK, Op.UNLOCK))]:
        lock = tuple(int(record[name]) for name in names)
        if record["op"] == Op.UNLOCK:
            held.remove(lock)
            continue
        for other in held:
            if other[0] != lock[0] and other[1] == lock[1] and _overlap(other, lock):
                assert other[4] == lock[4] == Op.READ
        held.append(lock)


def _overlap(one, other):
    return one[2] < other[2] + other[3] and other[2] < one[2] + one[3]
