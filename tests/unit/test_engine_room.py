"""Where there is no more room: records are counted, and what can't go on is said."""

from __future__ import annotations

import numpy as np
import pytest

from piotutor.engine import Machine, world
from piotutor.engine.library import library
from piotutor.engine.world import OPERATION, World
from piotutor.errors import PiotutorError
from piotutor.trace import Layer, Op

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")

SIZE = 4096
WORK = {
    "requests": (Machine(clients=4, target_overhead=1e-3), SIZE),
    "locks": (Machine(clients=4, target_overhead=1e-3, lock_protocol="extents"), SIZE),
    "bytes": (Machine(clients=4, target_overhead=1e-3, rpc_size=SIZE), 64 * SIZE),
    "cached bytes": (
        Machine(clients=4, target_overhead=1e-3, rpc_size=SIZE, dirty_limit=16 * SIZE),
        64 * SIZE,
    ),
}


def run(name, ranks, records=0):
    """Let ranks on four clients write to an object in turn."""
    machine, size = WORK[name]
    todo = np.zeros((ranks, 8), OPERATION)
    todo["op"], todo["length"] = Op.WRITE, size
    todo["offset"] = np.arange(8)[None, :] * ranks * size + np.arange(ranks)[:, None] * size
    clients = [rank % 4 for rank in range(ranks)]
    one = World(machine, [(1 << 20, [0])], clients, (Layer.APP, Layer.SERVER), records)
    one.run(todo.ravel(), np.full(ranks, 8))
    return one


@pytest.mark.parametrize("name", WORK)
def test_records_that_find_no_room_are_counted(name):
    """As many as there is room for are the first ones; the others are dropped and counted."""
    whole = run(name, 6, records=1 << 14)
    assert whole.dropped == 0
    part = run(name, 6, records=10)
    assert len(part.records) == 10
    assert part.dropped == len(whole.records) - 10
    assert part.records.tobytes() == whole.records[:10].tobytes()
    assert part.now == whole.now


@pytest.mark.parametrize("name", WORK)
@pytest.mark.parametrize("room", [1, 2, 3, 7, 40])
def test_too_much_at_once_is_said(name, room, monkeypatch):
    """Requests, locks and events need room; without it a run ends, and says why."""
    monkeypatch.setattr(world, "_ROOM", room)
    with pytest.raises(PiotutorError, match="room"):
        run(name, 64, records=10)


def test_where_little_may_be_mapped_less_fits(monkeypatch):
    """Under a limit of address space a world is smaller; without any it is said."""
    whole, made = run("requests", 6, records=1 << 14), []

    class Limited:
        """What the operating system gives under a limit."""

        def __call__(self, number, size, **options):
            made.append(size)
            if size > 64 << 20:
                raise OSError(12, "Cannot allocate memory")
            return real(number, size, **options)

    real = world.mmap.mmap
    monkeypatch.setattr(world.mmap, "mmap", Limited())
    part = run("requests", 6, records=1 << 24)
    assert part.records.tobytes() == whole.records.tobytes()
    assert len(made) > 1 and made == sorted(made, reverse=True)
    monkeypatch.setattr(world, "_ROOM", 1 << 30)
    with pytest.raises(PiotutorError, match="more than may be had here"):
        run("requests", 6)
