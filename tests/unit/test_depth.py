"""Queue depth: the arithmetic of closed systems, what is measured of reads, and its picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piotutor import queueing
from piotutor.engine import Machine, model
from piotutor.engine.library import library
from piotutor.engine.machines import read_machine
from piotutor.errors import UsageError
from piotutor.metrics_depth import bounds, depths
from piotutor.plots.queue import plot_queue, queue_data, queue_finding
from piotutor.queueing import Closed
from piotutor.trace import RECORD, Layer, Op, Phase, Trace
from piotutor.trace.record import pack_aux
from piotutor.workload import Workload

MS = 1_000_000
FIXED = Closed(demand=0.004, slowest=0.0005)


def test_two_of_the_three_numbers_give_the_third():
    assert queueing.in_flight(80_000, 0.0004) == pytest.approx(32)
    assert queueing.rate(32, 0.0004) == pytest.approx(80_000)


@given(st.floats(1e-6, 10), st.floats(1e-3, 1), st.floats(0.1, 1e4))
def test_both_bounds_obey_the_law_and_meet_at_the_knee(demand, share, n):
    system = Closed(demand, demand * share)
    assert system.most(n) * system.least(n) == pytest.approx(n)
    assert system.most(system.knee) == pytest.approx(1 / system.slowest)
    assert system.least(system.knee) == pytest.approx(demand)


@pytest.mark.parametrize(("demand", "slowest"), [(0, 0), (1, 2), (1, 0), (-1, -1)])
def test_bounds_that_cant_be_are_refused(demand, slowest):
    with pytest.raises(UsageError, match="the slowest part no more than all together"):
        Closed(demand, slowest)


def served(depth, reads, repetition=0, at_once=8, each=4 * MS, away=0, begin=0):
    """Return the reads of a closed system with a device that serves some at once."""
    records = np.zeros(reads, RECORD)
    free, ready = [begin] * at_once, [(begin, thread) for thread in range(depth)]
    for number in range(reads):
        start, thread = min(ready)
        ready.remove((start, thread))
        server = free.index(min(free))
        free[server] = max(free[server], start + away // 2) + each
        end = free[server] + away // 2
        ready.append((end, thread))
        records[number]["start"], records[number]["end"] = start, end
        records[number]["thread"] = thread if depth > 1 else -1
    records["layer"], records["op"], records["length"] = Layer.APP, Op.READ, 4096
    records["result"], records["aux"] = 4096, pack_aux(repetition, Phase.READ)
    return records


def swept(**device):
    each = [served(n, 40 * n, place, **device) for place, n in enumerate((1, 4, 8, 16, 64))]
    return Trace.from_records(np.concatenate(each))


def test_a_device_of_fixed_time_is_on_its_bounds_at_every_depth():
    found = depths(swept())
    assert [one.asked for one in found] == [1, 4, 8, 16, 64]
    for one in found:
        assert one.rate == pytest.approx(FIXED.most(one.asked), rel=1e-9)
        assert one.seconds == pytest.approx(FIXED.least(one.asked), rel=1e-9)
        assert one.in_flight == pytest.approx(one.asked, rel=1e-3)
    assert bounds(found).knee == pytest.approx(8)


def test_a_device_that_is_far_has_its_knee_farther_out():
    assert bounds(depths(swept(away=4 * MS))).knee == pytest.approx(16)


def test_the_three_numbers_are_measured_apart():
    """A gap between reads lowers how many are seen in flight, not what was asked for."""
    records = served(1, 100)
    pause = np.arange(100) * 4 * MS
    records["start"] += pause
    records["end"] += pause
    (found,) = depths(Trace.from_records(records))
    assert found.asked == 1
    assert found.in_flight == pytest.approx(0.5, abs=0.01)
    assert found.rate * found.seconds == pytest.approx(found.in_flight, rel=0.02)


def test_threads_of_several_ranks_count_together():
    one, other = served(4, 40), served(4, 40)
    other["rank"] = 1
    (found,) = depths(Trace.from_records(np.concatenate([one, other])))
    assert found.asked == 8
    assert found.in_flight == pytest.approx(8, rel=1e-3)


@pytest.mark.parametrize(("depth", "reads"), [(1, 1), (4, 4), (8, 9), (2, 3)])
def test_few_reads_are_measured_from_the_first_to_the_last(depth, reads):
    (found,) = depths(Trace.from_records(served(depth, reads)))
    assert 0 < found.operations <= reads
    assert found.rate > 0


def test_writes_and_checks_are_no_reads_of_a_sweep():
    records = served(2, 20)
    records["op"] = Op.WRITE
    checked = served(2, 20)
    checked["aux"] = pack_aux(0, Phase.VERIFY_WRITE)
    assert depths(Trace.from_records(np.concatenate([records, checked]))) == []
    assert bounds([]) is None


@pytest.mark.skipif(library() is None, reason="the engine isn't built")
@pytest.mark.parametrize("ranks", [1, 3])
def test_the_model_is_on_the_bounds_too(ranks):
    work = Workload.make(
        num_tasks=ranks, block_size="4k", transfer_size="4k", segment_count=96, random_offset=2,
        read=True, queue_depth=(1, 2, 16), repetitions=3,
    )  # fmt: skip
    trace = model(work, read_machine("fixed-latency"))
    found = depths(trace)
    assert [one.asked for one in found] == [ranks, 2 * ranks, 16 * ranks]
    for one in found:
        assert one.rate == pytest.approx(FIXED.most(one.asked), rel=1e-3)
        assert one.seconds == pytest.approx(FIXED.least(one.asked), rel=1e-3)
    app = trace.records[trace.records["layer"] == Layer.APP]
    for op, count in ((Op.OPEN, 3), (Op.READ, 3 * 96), (Op.CLOSE, 3)):
        mine = app[app["op"] == op]
        assert np.bincount(mine["rank"]).tolist() == [count] * ranks
    assert trace.records["rank"].max() == ranks - 1


@pytest.mark.skipif(library() is None, reason="the engine isn't built")
def test_a_model_with_writes_reads_deep_only():
    work = Workload.make(
        num_tasks=2, block_size="64k", transfer_size="4k", queue_depth=4, write=True, read=True
    )
    deep, plain = (model(one, Machine()) for one in (work, work.replace(queue_depth=1)))
    for trace in (deep, plain):
        app = trace.records[trace.records["layer"] == Layer.APP]
        moves = app[np.isin(app["op"], (Op.READ, Op.WRITE))]
        assert sorted(moves["offset"].tolist()) == sorted(2 * list(range(0, 128 << 10, 4096)))
    written = deep.records[(deep.records["op"] == Op.WRITE) & (deep.records["layer"] == Layer.APP)]
    assert set(written["thread"].tolist()) == {0}


def test_a_picture_says_what_grew_from_the_knee_on():
    trace = swept()
    data = queue_data(trace)
    said = "From 8 to 64 in flight: as many reads/s, and each takes 8.0 times as long"
    assert queue_finding(data) == said
    figure = plot_queue(data)
    assert figure.alt.startswith(said)
    assert "they meet at N = 8.0" in figure.alt
    assert "from this sweep" in figure.alt
    assert len(figure.axes) == 3
    assert "foretold" in plot_queue(trace, limits=FIXED).alt


def test_a_picture_of_nothing_and_of_one_depth():
    assert "Nothing was read" in plot_queue(Trace.from_records(np.zeros(0, RECORD))).alt
    alone = plot_queue(Trace.from_records(served(8, 64)))
    assert alone.alt.startswith("8 in flight: 2,000 reads/s, each takes 4 ms")
    assert "bounds" not in alone.alt
