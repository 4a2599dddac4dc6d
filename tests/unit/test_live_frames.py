"""What the live views paint, as numbers: nothing is lost between the records and the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piotutor import metrics
from piotutor.live import frames, tank_frame, wire
from piotutor.live.scene import MAX_EVENTS, Scene
from piotutor.plots.levels import tank_data
from piotutor.trace import RECORD, Flag, Layer, Op, Trace, pack_aux
from piotutor.workload import Workload

US = 1000


def records(count, *, ranks=4, size=4096, op=Op.WRITE, gap=10 * US, took=5 * US):
    """Return calls of `ranks` in turn, one after another."""
    made = np.zeros(count, RECORD)
    made["layer"], made["op"] = Layer.APP, op
    made["rank"] = np.arange(count) % ranks
    made["offset"] = np.arange(count) * size
    made["length"] = made["result"] = size
    made["start"] = 10**9 + np.arange(count) * gap
    made["end"] = made["start"] + took
    made["parent"] = -1
    return made


def test_the_top_layer_stands_for_an_application_that_recorded_nothing():
    """A program that isn't ours, or an imported trace: the views show its highest layer."""
    made = records(8)
    made["layer"], made["offset"][3] = Layer.POSIX, -1
    opens = records(2, op=Op.OPEN)
    opens["layer"], opens["start"] = Layer.POSIX, 10**9 - US
    samples = records(2, op=Op.SAMPLE)
    samples["layer"] = Layer.POSIX
    trace = Trace.from_records(np.concatenate([opens, samples, made]))
    shown = frames.as_application(trace)
    assert len(frames.calls(trace.records)) == 0
    assert len(frames.calls(shown.records)) == 8
    assert len(frames.extents(shown.records)) == 7  # where the eighth lies isn't known
    assert (shown.records["layer"][shown.records["op"] == Op.SAMPLE] == Layer.POSIX).all()
    (span,) = frames.phase_spans(shown.records, 10**9)
    assert (span["name"], span["bytes"]) == ("write", 8 * 4096)
    assert Scene.of_trace(shown).ranks == 4
    own = Trace.from_records(records(8))
    assert frames.as_application(own) is own


def test_events_keep_every_number():
    columns = frames.event_columns(frames.extents(records(8, size=47008)), 10**9)
    assert columns["offset"].tolist() == [n * 47008 for n in range(8)]
    assert columns["length"].tolist() == [47008] * 8
    assert columns["t0"][3] == pytest.approx(0.03)
    assert columns["rank"].tolist() == [0, 1, 2, 3] * 2


def test_extents_stand_for_the_call_that_they_belong_to():
    call = records(1, size=1000)
    parts = np.repeat(call, 2)
    parts["flags"], parts["length"], parts["offset"] = Flag.PART, 500, [0, 4000]
    both = np.concatenate([call, parts])
    assert frames.extents(both)["offset"].tolist() == [0, 4000]
    assert frames.calls(both)["length"].tolist() == [1000]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99_999), st.integers(1, 30_000))))
def test_a_heat_map_counts_every_stripe_that_is_touched(touches):
    scene = Scene(ranks=4, file_sizes=(100_000, 50_000), transfer=4096)
    grid = frames.HeatGrid.of_scene(scene)
    made = records(len(touches))
    for row, (rank, offset, length) in zip(made, touches, strict=True):
        row["rank"], row["offset"], row["length"] = rank, offset, min(length, 100_000 - offset)
    columns = grid.columns(made, np.array(scene.bases), 0.0)
    counts = np.zeros(grid.rows * grid.stripes, int)
    counts[columns["cell"]] = columns["hits"]
    expected = np.zeros((4, grid.stripes), int)
    for row in made:
        first, last = row["offset"], row["offset"] + row["length"] - 1
        expected[row["rank"], first // grid.stripe : last // grid.stripe + 1] += 1
    assert counts.reshape(4, -1).tolist() == expected.tolist()


@pytest.mark.parametrize("size", [1, 4096, 2**30, 2**50])
def test_a_heat_map_has_at_most_1024_stripes(size):
    grid = frames.HeatGrid.of_scene(Scene(ranks=10_000, file_sizes=(size,), transfer=1))
    assert 1 <= grid.stripes <= 1024
    assert grid.stripes * grid.stripe >= size
    assert grid.rows == 256


MOVED = st.tuples(st.floats(0, 900), st.floats(0.001, 100), st.integers(0, 10**6))


@given(st.lists(MOVED, max_size=50))
def test_rates_sum_to_all_bytes_however_often_bins_double(moved):
    bins = frames.RateBins(2)
    for begin, took, size in moved:
        one = records(1)
        one["start"], one["end"] = 10**9 + int(begin * 1e6), 10**9 + int((begin + took) * 1e6)
        one["length"] = size
        bins.add(one, 10**9)
    total = bins.rates().astype(float).sum() * bins.width / 1e3
    assert total == pytest.approx(sum(size for *_, size in moved), rel=1e-4, abs=1)


def test_phases_are_those_of_the_metrics():
    made = np.concatenate([records(8), records(8, op=Op.READ)])
    made["start"][8:] += 10**6
    made["end"][8:] += 10**6
    made["aux"][8:] = pack_aux(0, 1)
    spans = frames.phase_spans(made, 10**9)
    known = metrics.phases(Trace.from_records(made))
    assert [s["name"] for s in spans] == [p.op for p in known] == ["write", "read"]
    assert [s["bandwidth"] for s in spans] == pytest.approx([p.bandwidth for p in known])


def test_latencies_lie_in_their_bins():
    made = records(4)
    made["end"] = made["start"] + np.array([1, 1000, 1_000_000, 2**45])
    bins = frames.latency_bins(made)
    assert bins[0] == 0
    assert bins[-1] == frames.LATENCY_BINS - 1
    lower = 2.0 ** (bins[1:3] / frames.PER_OCTAVE)
    took = (made["end"] - made["start"])[1:3]
    assert (lower <= took).all()
    assert (took < lower * 2 ** (1 / frames.PER_OCTAVE)).all()


def test_quantiles_of_a_histogram_are_near_the_exact_ones():
    made = records(1000)
    made["end"] = made["start"] + np.arange(1, 1001) * 1000
    near = frames.quantiles_of(frames.histogram(made, ("write",)))
    assert near[0] == pytest.approx(frames.quantiles(made, ("write",))[0], rel=0.2)
    assert frames.quantiles_of(np.zeros((1, 8), int)).tolist() == [[0, 0, 0, 0]]


def test_a_condensed_tank_ends_with_the_same_bytes():
    made = np.concatenate([records(100), records(50, op=Op.READ), records(1, op=Op.SYNC)])
    whole, few = (tank_data(Trace.from_records(r)) for r in (made, tank_frame.condensed(made)))
    assert len(tank_frame.condensed(made)) == 3
    for name in ("written", "read"):
        assert getattr(few, name).value[-1] == pytest.approx(getattr(whole, name).value[-1])


def test_an_empty_tank_says_why():
    meta, columns = tank_frame.frame(tank_data(Trace.from_records(records(0))))
    assert all(not len(column) for column in columns.values())
    assert "unavailable here" in meta["why"]["device"]


def test_slices_cut_a_run_into_at_most_so_many():
    assert frames.slices(records(0)).tolist() == []
    assert len(frames.slices(records(10))) == 10
    many = frames.slices(records(1000))
    assert len(many) == 240
    assert many[-1] == records(1000)["end"].max()


def test_scene_of_a_workload_and_of_its_trace():
    workload = Workload.make(num_tasks=2, block_size="64k", transfer_size="16k", segment_count=2)
    scene = Scene.of_workload(workload)
    assert (scene.ranks, scene.size, scene.transfers) == (2, 2**18, 32)
    assert scene.ops == ("write", "read")
    assert [name for _, name in scene.grids][:2] == ["none", "pages of 4 KiB"]
    seen = Scene.of_trace(Trace.from_records(records(8, ranks=2)))
    assert (seen.ranks, seen.size, seen.transfer, seen.ops) == (2, 8 * 4096, 4096, ("write",))
    assert Scene.of_trace(Trace.from_records(records(0))).size == 1
    assert scene.transfers < MAX_EVENTS


@given(st.lists(st.integers(0, 2**16 - 1)))
def test_what_is_packed_is_unpacked(values):
    arrays = {"a": np.array(values, "<u2"), "b": np.array(values, "<f8")}
    back = wire.unpack(wire.pack({"kind": "load"}, arrays))
    assert {name: array.tolist() for name, array in back.items()} == {"a": values, "b": values}
    message, buffers = wire.split({}, arrays)
    assert message["columns"] == [["a", "u2"], ["b", "f8"]]
    assert [len(b) for b in buffers] == [2 * len(values), 8 * len(values)]


@pytest.mark.parametrize(
    "name", ["access_map", "throughput", "latency", "timeline", "tank", "transport"]
)
def test_a_module_is_whole_and_asks_for_nothing(name):
    text = wire.module(name)
    assert "import {" not in text
    assert "://" not in text
    assert text.count("export default") == 1
    names = [
        line.split()[1].split("(")[0]
        for line in text.splitlines()
        if line.startswith(("const ", "function ", "class "))
    ]
    assert len(names) == len(set(names))
