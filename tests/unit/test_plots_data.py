"""The numbers behind the pictures, each worked out by hand or by a slow loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piotutor.plots import (
    access_map,
    bins,
    extents,
    latency,
    levels,
    pattern_map,
    prediction,
    throughput,
    timeline,
)
from piotutor.trace import RECORD, UNKNOWN, Flag, Layer, Op, Phase, Trace, pack_aux
from piotutor.workload import Workload

MS = 1_000_000


def record(op, start, end, rank=0, **fields):
    row = np.zeros(1, RECORD)
    for name in ("offset", "thread", "target", "parent"):
        row[name] = -1
    row["layer"], row["op"], row["rank"] = Layer.APP, op, rank
    row["start"], row["end"] = start * MS, end * MS
    for name, value in fields.items():
        row[name] = value
    if op in (Op.READ, Op.WRITE) and "result" not in fields:
        row["result"] = row["length"]
    return row


def trace_of(*rows, **options):
    records = np.concatenate([np.empty(0, RECORD), *rows])
    return Trace.from_records(records, files=["/s/a", "/s/b"], **options)


def strided(ranks=4, n=10, size=47008, op=Op.WRITE, phase=Phase.WRITE, first=0):
    return [
        record(
            op, first + i, first + i + 1, rank, offset=(i * ranks + rank) * size, length=size,
            aux=pack_aux(0, phase), file=0,
        )
        for i in range(n)
        for rank in range(ranks)
    ]  # fmt: skip


# Bins.


@st.composite
def intervals(draw):
    n, steps = draw(st.integers(0, 20)), draw(st.integers(1, 9))
    edge = st.floats(0, steps, allow_nan=False)
    pairs = [sorted((draw(edge), draw(edge))) for _ in range(n)]
    start, end = np.array(pairs, float).reshape(-1, 2).T
    group = np.array([draw(st.integers(0, 2)) for _ in range(n)], np.int64)
    amount = np.array([draw(st.integers(0, 1000)) for _ in range(n)], np.int64)
    return group, start, end, amount, steps


@given(intervals())
def test_spread_leaves_nothing_out(case):
    group, start, end, amount, steps = case
    half = len(group) // 2
    parts = [
        bins.Amounts(group[some], start[some], end[some], amount[some])
        for some in (slice(half), slice(half, None))
    ]
    found = bins.spread(parts, (3, steps))
    expected = np.zeros((3, steps))
    for g, a, b, size in zip(group, start, end, amount, strict=True):
        if b - a < 1e-12:
            expected[g, min(int(a), steps - 1)] += size
        else:
            for step in range(steps):
                part = max(0.0, min(b, step + 1) - max(a, step))
                expected[g, step] += size * part / (b - a)
    assert found == pytest.approx(expected, abs=1e-6)


@given(
    st.lists(
        st.tuples(
            st.tuples(st.integers(0, 6), st.integers(0, 6)),
            st.tuples(st.integers(0, 4), st.integers(0, 4)),
            st.integers(0, 9999),
        )
    )
)
def test_cover_tells_single_owners_from_several(boxes):
    x = np.array([sorted(box[0]) for box in boxes], np.int64).reshape(-1, 2).T
    y = np.array([sorted(box[1]) for box in boxes], np.int64).reshape(-1, 2).T
    owner = np.array([box[2] for box in boxes], np.int64)
    found = bins.cover([bins.Boxes(*x, *y, owner)] * bool(len(boxes)), (5, 7))
    for row in range(5):
        for column in range(7):
            here = [
                o
                for o, a, b, c, d in zip(owner, *x, *y, strict=True)
                if a <= column <= b and c <= row <= d
            ]
            expected = -1 if not here else here[0] if len(set(here)) == 1 else -2
            assert found.touches[row, column] == len(here)
            assert found.owner[row, column] == expected


# Access map.


def test_an_access_map_holds_every_transfer_and_its_lens_the_first_bytes():
    data = access_map.access_map_data(trace_of(*strided()), grid=4096)
    assert (data.op, data.operations, data.bytes) == ("write", 40, 40 * 47008)
    assert (data.size, data.seconds, data.unaligned) == (40 * 47008, 0.010, 1.0)
    assert sorted(data.extents.offset.tolist()) == [i * 47008 for i in range(40)]
    assert data.lens.offset.tolist() == [i * 47008 for i in range(6)]
    assert data.ranks[data.lens.rank].tolist() == [0, 1, 2, 3, 0, 1]
    finding = "All 40 writes of 47,008 bytes begin or end inside a 4 KiB page"
    assert extents.access_finding(data) == finding


@pytest.mark.parametrize(
    ("rows", "finding"),
    [
        (strided(4, 10), "40 writes of 47,008 bytes: 4 ranks take turns, record by record"),
        (strided(1, 10), "10 writes of 47,008 bytes: one rank does it all"),
        (
            [record(Op.WRITE, i, i + 1, i // 5, offset=100 * i, length=100) for i in range(10)],
            "10 writes of 100 bytes: each of 2 ranks keeps to a part of its own",
        ),
        (
            [record(Op.WRITE, i, i + 1, i // 5 % 2, offset=9 * i, length=9) for i in range(20)],
            "20 writes of 9 bytes: along the file, 2 ranks change places 3 times",
        ),
        (
            [
                record(Op.READ, i, i + 1, r, offset=100 * (7 * i % 10), length=50 + r)
                for i in range(10)
                for r in range(2)
            ],
            "20 reads: 2 ranks jump about in the file",
        ),
        (
            [record(Op.WRITE, 0, 1, r, offset=0, length=8, file=r) for r in range(2)],
            "2 writes of 8 bytes: each rank has a file of its own",
        ),
        ([], "Nothing was transferred"),
    ],
)
def test_the_finding_is_computed(rows, finding):
    assert extents.access_finding(access_map.access_map_data(trace_of(*rows))) == finding


def test_verification_other_repetitions_and_calls_with_known_extents_are_left_out():
    rows = [
        *strided(2, 3),
        *strided(2, 3, op=Op.READ, phase=Phase.VERIFY_WRITE, first=20),
        record(Op.WRITE, 50, 51, offset=0, length=9, aux=pack_aux(1, Phase.WRITE)),
        record(Op.WRITE, 9, 10, offset=0, length=1000, flags=Flag.COLLECTIVE),
        record(Op.WRITE, 9, 10, offset=500, length=7, flags=Flag.PART, parent=13),
    ]
    data = access_map.access_map_data(trace_of(*rows))
    assert sorted(data.extents.length.tolist()) == [7] + [47008] * 6
    assert access_map.access_map_data(trace_of(*rows), repetition=1).bytes == 9
    assert access_map.access_map_data(trace_of(*rows), op="read").operations == 0


def test_files_of_their_own_stand_one_after_another_over_time():
    rows = [
        record(Op.WRITE, 0, 1, r, offset=100 * i, length=100, file=r)
        for r in range(2)
        for i in range(3)
    ]
    data = access_map.access_map_data(trace_of(*rows))
    assert (data.files, data.size) == (["a", "b"], 600)
    assert access_map.access_map_data(trace_of(*rows), against="rank").size == 300


@pytest.mark.parametrize("against", ["time", "rank"])
def test_many_transfers_become_cells_and_none_is_lost(against):
    rows = np.repeat(np.concatenate(strided(4, 10)), 300)
    rows["start"] += np.arange(len(rows))
    trace = Trace.from_records(rows, files=["/s/a"])
    data = access_map.access_map_data(trace, against=against, shape=(40, 40))
    assert data.extents is None
    touched = (data.cover.touches > 0).sum(axis=None)
    assert data.cover.touches.sum() >= len(rows)
    assert touched >= 40
    assert set(np.unique(data.cover.owner)) <= {-2, -1, 0, 1, 2, 3}
    if against == "rank":
        assert data.cover.owner.shape == (4, 40)
        assert (data.cover.owner[2] >= -1).all()


def test_a_pattern_map_shows_what_is_planned_and_says_so():
    planned = pattern_map.pattern_map_data(
        Workload(num_tasks=2, block_size=4096, transfer_size=1024, segment_count=2), op="write"
    )
    assert planned.badge.startswith("planned, not run")
    assert (planned.operations, planned.size, planned.seconds) == (16, 16384, 0.0)
    assert planned.order.turns == 3
    assert planned.extents.offset[planned.extents.rank == 1].tolist() == [
        *(4096, 5120, 6144, 7168, 12288, 13312, 14336, 15360)
    ]


# The other pictures.


def test_throughput_sums_to_all_bytes():
    trace = trace_of(
        record(Op.OPEN, 0, 1),
        *strided(3, 7, first=3),
        record(Op.WRITE, 4, 90, 1, offset=0, length=12345),
        record(Op.CLOSE, 99, 100),
        *strided(3, 5, op=Op.READ, phase=Phase.READ, first=100),
    )
    data = throughput.throughput_data(trace, steps=17)
    width = data.edges[1]
    assert data.edges[-1] == pytest.approx(0.105)
    assert data.rate["write"].sum() * width == pytest.approx(21 * 47008 + 12345)
    assert (data.rate["read"].sum(axis=1) * width).tolist() == pytest.approx([5 * 47008] * 3)
    assert [phase.op for phase in data.phases] == ["write", "read"]
    assert "read is" in throughput.throughput_finding(data)


def test_latency_counts_every_transfer_once():
    rows = [record(Op.WRITE, 0, ms, offset=0, length=1) for ms in range(1, 101)]
    data = latency.latency_data(trace_of(*rows, record(Op.READ, 0, 0, offset=0, length=1)))
    assert {op: int(count.sum()) for op, count in data.counts.items()} == {"write": 100, "read": 1}
    assert data.edges[0] <= 1e-9
    assert data.edges[-1] > 0.1
    finding = "Half of the writes took at most 50 ms, one in a hundred over 99 ms"
    assert latency.latency_finding(data) == finding


def test_a_timeline_accounts_for_all_time():
    data = timeline.timeline_data(
        trace_of(
            record(Op.OPEN, 0, 10),
            record(Op.WRITE, 10, 60, offset=0, length=1),
            record(Op.WRITE, 10, 60, offset=0, length=1, flags=Flag.PART, parent=1),
            record(Op.SYNC, 60, 80),
            record(Op.CLOSE, 80, 81),
            record(Op.BARRIER, 81, 100),
            record(Op.WRITE, 0, 40, 5, offset=0, length=1),
            record(Op.BARRIER, 40, 100, 5),
        ),
        steps=7,
    )
    assert data.ranks.tolist() == [0, 5]
    assert data.kinds == ("open", "transfer", "sync", "close", "wait")
    assert data.shares == pytest.approx(
        np.array([[0.1, 0.5, 0.2, 0.01, 0.19], [0, 0.4, 0, 0, 0.6]])
    )
    assert timeline.timeline_finding(data) == "Rank 5 waits 60% of the time, rank 0 19%"


def sample(layer, at, **fields):
    return record(Op.SAMPLE, at, at, -1, layer=layer, **{"file": -1} | fields)


def tank_rows(dirty=None, resident=None):
    """A write of 1,000 bytes in 10 ms; the device gets 300 by then and the rest in 100 ms."""
    yield record(Op.WRITE, 0, 10, offset=0, length=1000)
    yield record(Op.SYNC, 10, 100)
    for at, written in ((-10, 50), (0, 50), (10, 350), (100, 1050)):
        yield sample(Layer.DEVICE, at, length=written, result=0)
        for file in range(2):
            known = UNKNOWN if dirty is None else dirty
            yield sample(Layer.POSIX, at, file=file, length=500, result=resident or 0, aux=known)


def test_the_tank_counts_from_the_first_call():
    data = levels.tank_data(trace_of(*tank_rows(dirty=350, resident=400)), steps=100)
    assert data.written.at(0.005) == pytest.approx(500)
    assert data.written.value[-1] == pytest.approx(1000)
    assert (data.to_device.at(0.010), data.to_device.at(0.100)) == (300, 1000)
    assert (data.dirty.at(0.01), data.resident.at(0.01), data.size.at(0)) == (700, 800, 1000)
    assert [(mark.name, mark.time) for mark in data.marks] == [
        *(("last write returns", 0.010), ("fsync returns", 0.100))
    ]
    assert data.marks[1].rate == 10_000
    finding = "When the last write returned, 70% of the bytes were only in memory"
    assert levels.tank_finding(data) == finding
    unknown = levels.tank_data(trace_of(*tank_rows(resident=400)))
    finding = "When the last write returned, 30% of the bytes were at the device"
    assert levels.tank_finding(unknown) == finding


def test_samples_that_come_too_late_tell_nothing():
    rows = [
        record(Op.WRITE, 0, 2, offset=0, length=1000),
        record(Op.SYNC, 2, 9),
        *(sample(Layer.POSIX, at, file=0, length=1000, result=0, aux=0) for at in (10, 20)),
    ]
    data = levels.tank_data(trace_of(*rows))
    assert data.marks[0].dirty is None
    finding = "The last write returned after 2 ms; what it reached is unknown"
    assert levels.tank_finding(data) == finding


def test_the_tank_tells_of_the_last_repetition():
    rows = [
        record(Op.WRITE, 100 * n, 100 * n + 50, offset=0, length=1000, aux=pack_aux(n, 0))
        for n in range(2)
    ]
    samples = [
        sample(Layer.POSIX, at, file=0, length=1000, result=1000, aux=500)
        for at in range(0, 160, 2)
    ]
    (mark,) = levels.tank_data(trace_of(*rows, *samples)).marks
    assert (mark.time, mark.bytes, mark.dirty) == (0.150, 1000, 500)
    assert mark.rate == pytest.approx(20_000)


def test_a_sample_shortly_before_tells_of_what_was_written_by_then():
    rows = [
        record(Op.WRITE, 0, 100, offset=0, length=1000),
        record(Op.CLOSE, 100, 101),
        record(Op.OPEN, 130, 131, aux=pack_aux(0, Phase.READ)),
        sample(Layer.POSIX, 80, file=0, length=800, result=800, aux=400),
    ]
    (mark,) = levels.tank_data(trace_of(*rows)).marks
    assert mark.dirty == pytest.approx(500)


def test_what_the_tank_cannot_know_is_absent_with_the_reason():
    notes = {"residency": "unavailable here: overlayfs", "device": "unavailable here: no counters"}
    rows = [row for row in tank_rows(resident=-1) if row["layer"] != Layer.DEVICE]
    data = levels.tank_data(trace_of(*rows, meta=notes))
    assert data.dirty is data.resident is data.to_device is None
    assert data.why == notes
    assert "unknown" in levels.tank_finding(data)
    assert "overlayfs" in levels.tank_alt(data)
    assert "no counters" in levels.tank_alt(data)


@pytest.mark.parametrize(
    ("size", "told"), [(250, "25%; the rest came from memory"), (1000, "100%"), (1200, "100%")]
)
def test_reads_from_memory_are_found_out(size, told):
    data = levels.tank_data(
        trace_of(
            record(Op.READ, 0, 10, offset=0, length=1000),
            *(sample(Layer.DEVICE, at, length=0, result=n) for at, n in ((0, 0), (10, size))),
        )
    )
    assert levels.tank_finding(data) == f"Of the bytes read, the device delivered {told}"


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        ((10, 40, 40), "Your prediction was 4 times too low"),
        ((32, 32, 31.8), "Your prediction holds, within 1%"),
        ((80, 40, 20), "Your prediction was 4 times too high"),
        ((32, 32, 64), "You and the model agree; measured was 2 times as much"),
        ((5, 5, None), "Your prediction holds"),
        ((None, 5, 5), "5 calls, as the model says"),
        ((None, 0, 0), "0 calls, as the model says"),
        ((None, 6, 5), "The model says 6 calls, measured: 5"),
        ((None, 5, None), "The model says 5 calls"),
        ((None, None, 5), "5 calls were measured"),
        ((3, None, None), "Nothing to compare yet"),
        ((0, 5, float("nan")), "You predicted 0, and it is 5"),
    ],
)
def test_a_prediction_is_judged(values, finding):
    given_values = dict(zip(("predicted", "model", "measured"), values, strict=True))
    data = prediction.prediction_data(**given_values, unit="calls")
    assert prediction.prediction_finding(data) == finding
