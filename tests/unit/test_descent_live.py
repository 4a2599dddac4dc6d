"""What the live descent paints, as numbers; and that it needs no browser for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layered import Layered, collective, independent, many, sieved

from piotutor.live import descent_frame, wire
from piotutor.live.scene import Scene
from piotutor.metrics_layers import descent
from piotutor.plots.lanes import Axis
from piotutor.trace import Layer, Op, Trace

pytest.importorskip("anywidget")

from piotutor.live import descent as live_descent
from piotutor.live.board import Board
from piotutor.live.descent import Descent

TRACES = [independent(), collective(aggregators=2), sieved(), independent(op=Op.READ)]


def shown(trace):
    """Return the columns and the meta of a finished view."""
    view = Descent()
    view.begin(Scene.of_trace(trace))
    view.finish(trace)
    return wire.unpack(view.frame), view.frame["meta"]


def sums(rows):
    """Count calls and bytes of each lane, op and purpose."""
    found = Counter()
    for lane, op, how, calls, size in zip(
        *(rows[name].tolist() for name in ("lane", "op", "how", "operations", "bytes")), strict=True
    ):
        key = (lane, op, how & descent_frame.FOR_WRITE)
        found[key, "operations"] += calls
        found[key, "bytes"] += size
    return +found


def rectangles(rows):
    names = ("lane", "rank", "op", "low", "high")
    found = zip(*(rows[name].tolist() for name in names), strict=True)
    return sorted(row for row in found if row[3] >= 0)


@pytest.mark.parametrize("trace", TRACES)
def test_the_rows_count_what_the_metrics_do(trace):
    rows, meta = shown(trace)
    expected = Counter()
    for step in descent(trace):
        key = (int(step.layer), int(step.op), int(step.for_write))
        expected[key, "operations"], expected[key, "bytes"] = step.operations, step.bytes
    assert sums(rows) == expected
    assert (np.diff(rows["t1"]) >= 0).all()
    assert meta["low"] == 0
    assert meta["high"] == 64 * 1024


def test_all_below_belongs_to_the_request_around_it():
    rows, _ = shown(sieved())
    for n in range(len(rows["lane"])):
        outer = rows["call"][n]
        assert rows["lane"][outer] == Layer.APP
        assert rows["rank"][outer] == rows["rank"][n]
        assert rows["t0"][outer] <= rows["t0"][n] <= rows["t1"][n] <= rows["t1"][outer]
    assert np.bincount(rows["call"])[np.unique(rows["call"])].tolist() == [1 + 1 + 4 + 2] * 4


def test_an_aggregator_has_its_domain_and_a_late_block_request_its_phase():
    rows, meta = shown(collective(aggregators=2))
    domains = rows["lane"] == descent_frame.DOMAINS
    assert rows["low"][domains].tolist() == [0, 32768]
    assert rows["rank"][domains].tolist() == [0, 1]
    assert (rows["phase"] == meta["shown"]).all()
    assert rows["call"][rows["lane"] == Layer.BLOCK].tolist() == [-1]


def test_a_foreign_program_s_requests_are_its_top_layer_s():
    made = Layered()
    call = made.add(Layer.MPIIO, Op.WRITE, 0, 0, 10, 0, 100)
    made.add(Layer.POSIX, Op.WRITE, 0, 2, 8, 0, 100, call)
    rows, _ = shown(made.trace())
    assert rows["lane"].tolist() == [Layer.POSIX, Layer.MPIIO]
    assert rows["call"].tolist() == [1, 1]


@pytest.mark.parametrize("trace", [independent(), collective(aggregators=2), sieved()])
@pytest.mark.parametrize("cuts", [1, 3, 7])
def test_what_comes_in_chunks_is_what_is_there_at_the_end(trace, cuts):
    view = Descent()
    sent = []
    view._show = lambda columns, ends: sent.append(columns)
    view.begin(Scene.of_trace(trace))
    order = trace.records[np.argsort(trace.records["end"], kind="stable")]
    for chunk in np.array_split(order, cuts):
        view.add(chunk)
    rows = descent_frame.joined(sent)
    whole, _ = shown(trace)
    assert rectangles(rows) == [row for row in rectangles(whole) if row[0] != descent_frame.DOMAINS]
    live, known = sums(rows), sums(whole)
    assert sum(live.values()) == sum(known.values())


@pytest.mark.parametrize(
    ("views", "records"), [(("access_map",), 1), (("access_map", "descent"), 2)]
)
def test_only_the_descent_has_the_layers_below_followed(views, records):
    seen = []

    def source(count):
        def poll(everything=False, most=None):
            seen.append(count)
            return independent().records[:count]

        return SimpleNamespace(poll=poll, dropped=0)

    class Job:
        state, follower, deep_follower = "running", source(1), source(2)
        filesystem = "tmpfs"

        async def wait(self):
            return SimpleNamespace(trace=independent(), status="done", seconds=1.0)

    board = Board(views)
    for view in board.views:
        view.begin(Scene.of_trace(independent()))
    asyncio.run(board.run(Job()))
    assert set(seen) == {records}


def test_another_file_is_not_mixed_in():
    made = Layered(files=("/s/a", "/s/b"))
    made.add(Layer.APP, Op.WRITE, 0, 0, 10, 0, 100, file=1)
    made.add(Layer.POSIX, Op.WRITE, 0, 2, 8, 0, 100, file=1)
    made.add(Layer.POSIX, Op.WRITE, 0, 12, 18, 0, 7, file=0)
    rows, meta = shown(made.trace())
    assert rows["bytes"].sum() == 200
    assert meta["file"] == "b"


ROWS = st.tuples(st.integers(0, 3), st.integers(0, 90_000), st.integers(0, 9000), st.booleans())


@given(st.lists(ROWS, min_size=1), st.integers(1, 5))
def test_condensed_rows_keep_every_sum_and_every_cell(given_rows, slices):
    rank, low, size, write = np.array(given_rows, np.int64).T
    n = len(rank)
    rows = descent_frame.columns(
        n, lane=Layer.POSIX, op=np.where(write, Op.WRITE, Op.READ), rank=rank, low=low,
        high=low + size, t1=np.arange(n), operations=1, bytes=size, how=~write.astype(bool) & 1,
    )  # fmt: skip
    axis = Axis("offset", 0, 100_000)
    found = descent_frame.Cells(4, axis).condensed(rows, slices)
    assert sums(found) == sums(rows)
    at_once = descent_frame.Cells(4, axis).condensed(rows)

    def cells(some):
        made = np.zeros((8, 1000), int)
        for _, rank, op, low, high in rectangles(some):
            made[2 * rank + (op == Op.WRITE), round(low / 100) : round(high / 100)] += 1
        return made

    assert cells(found).max() == 1
    assert (cells(found) == cells(at_once)).all()


def test_many_transfers_are_condensed_in_the_end_and_on_the_way(monkeypatch):
    monkeypatch.setattr(live_descent, "MOST", 5000)
    trace = many(n=6000)
    rows, meta = shown(trace)
    assert meta["many"]
    assert rows["operations"].sum() == 12_000
    view, sent = Descent(), []
    view._show = lambda columns, ends: sent.append(columns)
    view.begin(Scene.of_trace(trace))
    for chunk in np.array_split(trace.records, 20):
        view.add(chunk)
    assert sum(part["operations"].sum() for part in sent) == 12_000
    assert sum(len(part["t1"]) for part in sent) < 10_000


def test_nothing_is_a_frame_too():
    rows, meta = shown(Trace.from_records(TRACES[0].records[:0]))
    assert len(rows["t1"]) == 0
    assert meta["phases"] == []
