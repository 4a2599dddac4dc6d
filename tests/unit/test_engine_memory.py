"""Memory before a device: who writes waits for room only, and every byte reaches the device."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import MIB, WHOLE, serve, took

from piotutor.engine import Machine
from piotutor.engine.devices import DISKS
from piotutor.engine.library import library
from piotutor.engine.world import OPERATION, World
from piotutor.trace import Layer, Op

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")

REMEMBERS = Machine(device="array", device_memory=8 * MIB, target_overhead=1e-5)


def test_who_writes_into_memory_does_not_wait_until_it_is_full():
    """In memory after the overhead; in the long run no faster than what lies behind it."""
    few, many = (
        serve(REMEMBERS, Op.WRITE, np.arange(count) * MIB, MIB, layers=(Layer.SERVER,))
        for count in (8, 800)
    )
    assert (took(few) == 10_000).all()
    assert (took(many) > 10_000).any()
    alone = serve(REMEMBERS.replace(device_memory=0), Op.WRITE, np.arange(800) * MIB, MIB)
    speeds = [800 * MIB / int(each["end"].max()) for each in (many, alone)]
    assert speeds[0] > speeds[1]
    disks = 8 * 200e6 / 1e9
    assert speeds[0] < disks * 1.05


def test_small_writes_gather_to_stripes_in_memory():
    """All but the first find others beside them: parity is made of new data, little is read."""
    row = np.arange(2048) * 4096
    through = serve(REMEMBERS.replace(device_memory=0), Op.WRITE, row, 4096)
    gathered = serve(REMEMBERS, Op.WRITE, row, 4096)
    reads = [each["length"][each["op"] == Op.READ].sum() for each in (through, gathered)]
    assert reads[0] > 2048 * 4096
    assert reads[1] < reads[0] / 10
    assert len(gathered) < len(through) / 50


def test_what_is_written_over_in_memory_is_written_once():
    """Only what came while the device was busy is written again."""
    records = serve(REMEMBERS.replace(array_level=0), Op.WRITE, [0] * 500, 4096)
    assert len(records) < 10
    assert records["rank"].max() == -1


@settings(max_examples=60, deadline=None)
@given(
    writes=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), min_size=1, max_size=60),
    memory=st.sampled_from([1, 8192, 65536, MIB]),
    over=st.booleans(),
)
def test_every_byte_in_memory_reaches_the_device(writes, memory, over):
    """And no other, wherever it lies, also round the end of the disk."""
    disk = DISKS["hp97560"]
    todo = np.zeros(len(writes), OPERATION)
    todo["op"] = Op.WRITE
    todo["offset"], todo["length"] = np.array(writes).T * 512
    if over:
        todo["offset"] += disk.bytes - 16 * 512
    machine = Machine(device="disk", disk="hp97560", device_memory=memory, clients=4)
    world = World(machine, [(WHOLE, [0])], range(4), [Layer.DEVICE], 1 << 12)
    parts = np.diff(np.linspace(0, len(todo), 5).astype(np.int64))
    world.run(todo, parts)
    asked = _sectors(todo["offset"], todo["length"])
    written = _sectors(world.records["aux"].astype(np.int64), world.records["length"])
    assert (world.records["aux"] + world.records["length"].astype(np.uint64) <= disk.bytes).all()
    expected, found = (np.bincount((each + 100) % (disk.bytes // 512)) for each in (asked, written))
    assert np.array_equal(found > 0, expected > 0)
    assert (found <= expected).all()


def _sectors(offsets, lengths):
    """Return the number of each sector, as often as it was touched."""
    pairs = zip(offsets // 512, lengths // 512, strict=True)
    return np.concatenate([np.arange(at, at + count) for at, count in pairs])
