"""Calls made again in virtual time, and ranks that think."""

from __future__ import annotations

import numpy as np
import pytest

from piotutor.engine import Machine, model
from piotutor.engine.again import again, pauses, think_time
from piotutor.engine.library import library
from piotutor.engine.world import OPERATION, PAUSE, World
from piotutor.trace import RECORD, Layer, Op
from piotutor.workload import Workload

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")
MS = 1_000_000
BELOW = {
    "channels": {"target_overhead": 1e-3, "target_write_bandwidth": 50e6},
    "disk": {"device": "disk"},
    "ssd": {"device": "ssd", "ssd_channels": 2, "ssd_rewritten": 1, "ssd_blocks": 32},
    "array": {"device": "array", "array_level": 5, "array_width": 4, "background_load": 0.2},
}


def calls_of(machine, seed, ranks=3, each=40):
    """Return the calls of ranks that write, read and pause by chance."""
    draw = np.random.default_rng(seed)
    todo = np.zeros((ranks, each, 2), OPERATION)
    todo["op"][..., 0] = PAUSE
    todo["offset"][..., 0] = draw.integers(0, 3 * MS, (ranks, each))
    todo["op"][..., 1] = draw.choice([Op.WRITE, Op.READ, Op.SYNC, Op.OPEN], (ranks, each))
    todo["offset"][..., 1] = draw.integers(0, 1 << 20, (ranks, each))
    todo["length"][..., 1] = draw.integers(1, 1 << 17, (ranks, each))
    todo["file"][..., 1] = draw.integers(0, 2, (ranks, each))
    files = [(1 << 16, [0, 1]), (1 << 16, [2, 3])]
    world = World(machine, files, range(ranks), [Layer.APP], todo.size)
    world.run(todo.reshape(-1), np.full(ranks, 2 * each))
    return world.records.copy()


@pytest.mark.parametrize("below", BELOW)
@pytest.mark.parametrize("locks", ["none", "extents", "file", "tokens"])
def test_calls_take_as_long_again(below, locks):
    about = {"clients": 3, "targets": 4, "latency": 1e-4, "lock_protocol": locks}
    machine = Machine(**about, **BELOW[below], dirty_limit=1 << 17, cache_size=1 << 19)
    calls = calls_of(machine, seed=7)
    shuffled = np.random.default_rng(1).permutation(calls)
    made = again(shuffled, machine, stripe_size=1 << 16, stripe_count=2)
    assert np.array_equal(made, shuffled)
    other = again(shuffled, machine.replace(latency=2e-4), stripe_size=1 << 16, stripe_count=2)
    assert not np.array_equal(other["end"], shuffled["end"])


def test_what_callers_did_between_calls():
    calls = np.zeros(5, RECORD)
    calls["rank"] = [0, 1, 0, 0, 1]
    calls["op"] = [Op.OPEN, Op.OPEN, Op.WRITE, Op.READ, Op.CLOSE]
    calls["start"] = [10, 20, 100, 400, 90]
    calls["end"] = [30, 25, 200, 500, 95]
    assert pauses(calls).tolist() == [10, 20, 70, 200, 65]
    assert think_time(calls) == pytest.approx(135e-9)
    assert think_time(calls[:2]) == 0
    assert pauses(calls[:0]).tolist() == [] == again(calls[:0], Machine()).tolist()


def test_ranks_think_between_calls():
    """A closed system: operations/s = ranks / (response + think time), until the target is full."""
    work = Workload(num_tasks=1, transfer_size=1 << 10, block_size=1 << 16, write=True)
    machine = Machine(target_overhead=1e-3, think_time=3e-3)
    calls = model(work, machine, layers=[Layer.APP])
    moves = calls.records[calls.where(op=Op.WRITE)]
    assert set(np.diff(moves["start"]).tolist()) == {4 * MS}
    assert set((moves["end"] - moves["start"]).tolist()) == {MS}
    assert think_time(calls.records) == 3e-3
    assert (calls.records["end"] >= calls.records["start"]).all()
