"""The engine in virtual time: held to queueing theory, to the layouts' arithmetic, to itself."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piotutor import layout, metrics
from piotutor.engine import Machine, model, world
from piotutor.engine.library import library
from piotutor.engine.world import OPERATION, PAUSE, WAIT, World
from piotutor.errors import PiotutorError, UsageError
from piotutor.trace import Layer, Op
from piotutor.workload import Workload

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")

MS = 1e-3
MIB = 1 << 20


def run(machine, todo, *, files=((MIB, (0,)),), ranks=1, layers=(Layer.SERVER,), room=1 << 20):
    """Run operations, the same number on each rank, and return the world."""
    world = World(machine, files, range(ranks) if ranks > 1 else [0], layers, room)
    world.run(todo, np.full(ranks, len(todo) // ranks))
    return world


def writes(count, length, ranks=1):
    """Return so many writes of each rank, one after the other in one file."""
    todo = np.zeros(count * ranks, OPERATION)
    todo["op"], todo["length"] = Op.WRITE, length
    todo["offset"] = np.arange(count * ranks) * length
    return todo


def test_parameters_are_the_same_in_c_and_python():
    """The machine is handed over field by field: the same names, in the same order."""
    text = library().engine_parameters
    text.restype = ctypes.c_char_p
    assert text().decode().split() == list(Machine().numbers())


def test_an_engine_of_another_version_is_not_used(monkeypatch):
    older = SimpleNamespace(engine_parameters=lambda: b"clients targets")
    monkeypatch.setattr(world, "engine", lambda: older)
    world.fitting_engine.cache_clear()
    with pytest.raises(PiotutorError, match="built by another version"):
        world.fitting_engine()
    world.fitting_engine.cache_clear()


def test_a_pause_is_as_long_as_asked_and_no_record():
    todo = np.zeros(4, OPERATION)
    todo["op"], todo["length"] = [Op.WRITE, PAUSE, Op.WRITE, PAUSE], [4096, 0, 4096, 0]
    todo["offset"][1::2] = 7_000_000
    found = run(Machine(target_overhead=MS), todo, layers=[Layer.APP])
    assert found.records["start"].tolist() == [0, 8_000_000]
    assert found.records["end"].tolist() == [1_000_000, 9_000_000]
    assert found.now == 16_000_000


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_open_arrivals_wait_as_md1_says(load):
    """Poisson arrivals at a server of fixed time wait rho D / (2 (1 - rho)) on average.

    Of these very arrivals, so that only the engine is tested: Lindley's recursion, exactly; of the
    formula (Pollaczek and Khinchine), within what 400,000 arrivals leave to chance.
    """
    service = MS
    count = 400_000
    gaps = np.random.default_rng(7).exponential(service / load, count)
    arrivals = (np.cumsum(gaps) * 1e9).astype(np.int64)
    todo = np.zeros(2 * count, OPERATION)
    todo["op"][0::2], todo["offset"][0::2] = WAIT, arrivals
    todo["op"][1::2], todo["length"][1::2] = Op.WRITE, 4096
    machine = Machine(target_overhead=service, rpcs_in_flight=1 << 30)
    world = World(machine, [(MIB, [0])], [0] * count, [Layer.SERVER], count)
    world.run(todo, np.full(count, 2))
    records = world.records
    assert np.array_equal(records["start"], arrivals)
    busy = 0
    for arrival, end in zip(arrivals[:5000].tolist(), records["end"][:5000].tolist(), strict=True):
        busy = max(busy, arrival) + 1_000_000
        assert end == busy
    waited = (records["end"] - records["start"]).mean() * 1e-9 - service
    assert waited == pytest.approx(load * service / (2 * (1 - load)), rel=0.02)


@pytest.mark.parametrize("ranks", [1, 3, 8])
def test_what_is_in_flight_is_rate_times_time(ranks):
    """Little's law on a closed system: N = X R, with N the ranks that always have one request."""
    machine = Machine(clients=ranks, latency=0.2 * MS, target_overhead=MS, target_channels=2)
    world = run(machine, writes(500, 4096, ranks), ranks=ranks, layers=(Layer.APP,))
    records = world.records
    rate = len(records) / (world.now * 1e-9)
    time = (records["end"] - records["start"]).mean() * 1e-9
    assert rate * time == pytest.approx(ranks, rel=0.02)


@pytest.mark.parametrize("flying", [1, 2, 4, 8, 32])
def test_a_client_reaches_the_least_of_its_limits(flying):
    """Interface, target, or requests in flight over the round trip: the smallest counts."""
    interface, target, latency = 1e9, 0.8e9, 2 * MS
    machine = Machine(
        client_bandwidth=interface,
        target_write_bandwidth=target,
        latency=latency,
        rpcs_in_flight=flying,
    )
    total = 1 << 32
    world = run(machine, writes(1, total))
    trip = 2 * latency + MIB / interface + MIB / target
    expected = min(interface, target, flying * MIB / trip)
    assert total / (world.now * 1e-9) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("count", "expected"), [(1, 1e8), (2, 2e8), (4, 4e8), (8, 5e8)])
def test_targets_add_up_until_the_interface_limits(count, expected):
    """Striping over more targets adds their bandwidth, up to the client's."""
    machine = Machine(targets=8, client_bandwidth=5e8, target_write_bandwidth=1e8)
    total = 1 << 30
    world = run(machine, writes(1, total), files=[(MIB, range(count))])
    assert total / (world.now * 1e-9) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("op", [Op.WRITE, Op.READ])
def test_targets_of_one_server_share_its_interface(op):
    """Four targets behind one interface are as fast as it is, written to or read from."""
    machine = Machine(
        targets=4, targets_per_server=4, server_bandwidth=2e8,
        target_write_bandwidth=1e9, target_read_bandwidth=1e9,
    )  # fmt: skip
    todo = writes(1, 1 << 28)
    todo["op"] = op
    world = run(machine, todo, files=[(MIB, range(4))])
    assert (1 << 28) / (world.now * 1e-9) == pytest.approx(2e8, rel=0.03)


def test_written_bytes_gather_into_requests_of_full_size():
    """Small writes return from the cache; what goes out is as large as a request may be."""
    machine = Machine(dirty_limit=32 * MIB, target_write_bandwidth=1e9, memory_bandwidth=1e10)
    todo = writes(4096, 4096)
    todo = np.concatenate([todo, np.array([(0, 0, 0, Op.SYNC, 0)], OPERATION)])
    records = run(machine, todo, layers=(Layer.APP, Layer.SERVER)).records
    server = records[records["layer"] == Layer.SERVER]
    assert server["length"].tolist() == [MIB] * 16
    first = records[(records["layer"] == Layer.APP) & (records["op"] == Op.WRITE)]
    assert (first["end"] - first["start"]).max() < MIB  # ns: no write waited for a server


def test_a_full_cache_makes_writers_wait():
    """In the long run writers are no faster than what they write to."""
    machine = Machine(dirty_limit=4 * MIB, target_write_bandwidth=1e8, memory_bandwidth=1e10)
    world = run(machine, writes(256, MIB), layers=(Layer.APP,))
    ended = int(world.records["end"].max()) * 1e-9
    assert ended == pytest.approx(252 * MIB / 1e8, rel=0.02)


@settings(max_examples=60, deadline=None)
@given(
    stripe_size=st.sampled_from([4096, 65536, MIB]),
    stripe_count=st.integers(1, 6),
    offset=st.integers(0, 1 << 24),
    length=st.integers(1, 1 << 23),
)
def test_striping_in_c_is_that_of_the_layouts(stripe_size, stripe_count, offset, length):
    """Each target gets exactly the bytes of its objects that the layout says, at their place."""
    machine = Machine(targets=6)
    todo = np.array([(offset, length, 0, Op.WRITE, 0)], OPERATION)
    records = run(machine, todo, files=[(stripe_size, range(stripe_count))]).records
    pieces = layout.place(layout.striped(stripe_size, stripe_count), offset, length)
    ours = _bytes_of(records["target"], records["offset"], records["length"])
    theirs = _bytes_of(pieces.object, pieces.object_offset, pieces.length)
    assert ours == theirs
    assert records["length"].max() <= machine.rpc_size


def _rows(*columns):
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def _bytes_of(targets, offsets, lengths):
    """Return, for each target, its ranges, those that touch joined."""
    found: dict[int, list[list[int]]] = {}
    for target, begin, size in _rows(targets, offsets, lengths):
        ranges = found.setdefault(target, [])
        if ranges and ranges[-1][1] == begin:
            ranges[-1][1] = begin + size
        else:
            ranges.append([begin, begin + size])
    return found


def test_a_model_is_the_same_every_time():
    """Same input, same output, to the last record."""
    workload = Workload(
        num_tasks=7,
        block_size=8 * 47008,
        transfer_size=47008,
        segment_count=3,
        write=True,
        read=True,
    )
    machine = Machine(clients=3, targets=3, client_bandwidth=1e9, target_write_bandwidth=1e8,
                      target_read_bandwidth=2e8, latency=1e-5, dirty_limit=MIB)  # fmt: skip
    first, second = (model(workload, machine, stripe_count=3) for _ in range(2))
    assert first.provenance == "modelled"
    assert first.records.tobytes() == second.records.tobytes()


def test_a_model_moves_what_the_workload_says():
    """Bytes and operations are the workload's; files per process begin on targets in turn."""
    workload = Workload(num_tasks=4, block_size=4 * MIB, transfer_size=MIB,
                        file_per_process=True, write=True, read=True)  # fmt: skip
    machine = Machine(clients=4, targets=4, target_write_bandwidth=1e8, target_read_bandwidth=1e8)
    trace = model(workload, machine)
    write, read = metrics.phases(trace)
    assert (write.operations, read.operations) == (16, 16)
    assert write.bytes == read.bytes == workload.total_bytes
    assert [each["bytes"] for each in metrics.targets(trace)] == [8 * MIB] * 4


def test_what_does_not_fit_is_refused():
    """More stripes than targets, more nodes than clients, numbers that are none."""
    workload = Workload(num_tasks=4, tasks_per_node=1)
    with pytest.raises(UsageError, match="stripe_count=2"):
        model(workload, Machine(clients=4), stripe_count=2)
    with pytest.raises(UsageError, match="clients"):
        model(workload, Machine(clients=2))
    with pytest.raises(UsageError, match="latency=-1"):
        Machine(latency=-1)
    with pytest.raises(UsageError, match="targets=0"):
        Machine(targets=0)
