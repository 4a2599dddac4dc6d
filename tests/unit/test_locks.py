"""Who held what of an object: exact intervals from records, and the pictures of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from piotutor import plots
from piotutor.engine.library import library
from piotutor.engine.machine import Machine
from piotutor.engine.model import model
from piotutor.errors import UsageError
from piotutor.layout import Striped
from piotutor.metrics_locks import NEVER, LockBook, lock_holds, lock_uses, locked_at
from piotutor.modelled import model_run
from piotutor.plots import locks
from piotutor.plots.locks import plot_locks
from piotutor.plots.locks_data import locks_data
from piotutor.results import Run
from piotutor.stripemap import StripeMap
from piotutor.trace import RECORD, Layer, Op, Trace
from piotutor.workload import Workload

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")
SIZE, COUNT = 65536, 6


def machine(**more):
    return Machine(**{"clients": 2, "latency": 1e-4, "lock_protocol": "extents",
                      "target_overhead": 1e-3, **more})  # fmt: skip


def work(**more):
    base = {"num_tasks": 2, "transfer_size": SIZE, "write": True}
    return Workload(**{**base, "block_size": SIZE, "segment_count": COUNT, **more})


def strided(**more):
    return model(work(), machine(**more))


def segmented(**more):
    return model(work(block_size=SIZE * COUNT, segment_count=1), machine(**more))


def record(op, start, end, low, high, client, held=Op.WRITE):
    one = np.zeros(1, RECORD)
    one["layer"], one["op"], one["result"] = Layer.SERVER, op, held
    one["start"], one["end"], one["offset"], one["length"] = start, end, low, high - low
    one["client"], one["rank"], one["file"] = client, -1, -1
    return one


def test_grants_and_what_was_given_up_are_matched():
    book = LockBook()
    book.take(np.concatenate([
        record(Op.LOCK, 0, 10, 0, NEVER, 0),
        record(Op.UNLOCK, 20, 30, 0, NEVER, 0),
        record(Op.LOCK, 15, 30, 0, 4096, 1),
    ]))  # fmt: skip
    assert book.take(record(Op.UNLOCK, 40, 50, 4096, 8192, 7)) == 1  # its grant was dropped
    holds = book.holds
    assert holds.granted.tolist() == [10, 30]
    assert holds.called.tolist() == [20, NEVER]
    assert holds.released.tolist() == [30, NEVER]
    assert list(zip(holds.low, holds.high, strict=True)) == [(0, NEVER), (0, 4096)]


def test_with_tokens_the_front_is_kept():
    book = LockBook()
    book.take(np.concatenate([
        record(Op.LOCK, 0, 10, 0, NEVER, 0),
        record(Op.UNLOCK, 20, 30, 8192, NEVER, 0),
        record(Op.UNLOCK, 60, 70, 4096, 8192, 0),
    ]))  # fmt: skip
    holds = book.holds
    got = [*zip(holds.low, holds.high, holds.released, holds.rest, strict=True)]
    assert sorted(got) == [(0, 4096, NEVER, True), (4096, 8192, 70, True), (8192, NEVER, 30, False)]


@pytest.mark.parametrize("protocol", ["extents", "tokens", "file"])
@pytest.mark.parametrize("dirty", [0, 1 << 20])
@pytest.mark.parametrize("pattern", [strided, segmented])
def test_nobody_holds_what_another_one_writes(pattern, dirty, protocol):
    """Whenever two locks of different clients overlap, their times don't."""
    holds = lock_holds(pattern(lock_protocol=protocol, dirty_limit=dirty))
    for a in range(len(holds.low)):
        apart = (holds.granted >= holds.released[a]) | (holds.released <= holds.granted[a])
        away = (holds.low >= holds.high[a]) | (holds.high <= holds.low[a])
        assert (apart | away | (holds.client == holds.client[a])).all()
    assert (holds.released >= holds.granted).all()
    assert (holds.granted >= holds.asked).all()


@pytest.mark.parametrize("pattern", [strided, segmented])
def test_every_write_is_within_a_lock_of_its_client(pattern):
    trace = pattern()
    holds, uses = lock_holds(trace), lock_uses(trace)
    assert len(uses.source) == 2 * COUNT
    moments = locked_at(uses, holds)
    for at, moment in enumerate(moments):
        held = (holds.granted <= moment) & (holds.released > moment)
        held &= (holds.client == uses.client[at]) & (holds.low <= uses.low[at])
        assert (held & (holds.high >= uses.high[at])).any()
        assert uses.start[at] <= moment <= uses.end[at]


def test_parts_of_transfers_lie_on_objects():
    """A transfer over four stripes of two objects is a part on each, without a seam."""
    trace = model(
        work(transfer_size=4 * SIZE, block_size=4 * SIZE, segment_count=1),
        machine(targets=2), stripe_size=SIZE, stripe_count=2,
    )  # fmt: skip
    uses = lock_uses(trace)
    columns = (trace.records["rank"][uses.source], uses.object, uses.low, uses.high)
    got = sorted(np.stack(columns, axis=1).tolist())
    half = 2 * SIZE
    assert got == [[0, 0, 0, half], [0, 1, 0, half], [1, 0, half, 2 * half], [1, 1, half, 2 * half]]


def test_a_name_may_stand_for_one_file_after_the_other():
    """What is removed and made anew has other objects: a transfer lies on those that were there."""
    part = model(work(), machine())
    records = np.concatenate([part.records, part.records])
    again = np.arange(len(records)) >= len(part.records)
    for name in ("start", "end"):
        records[name][again] += 10**9
    records["aux"][again & (records["layer"] == Layer.SERVER)] = 1
    one = StripeMap.computed(Striped(1 << 20, 1), 12 * SIZE, system="emulated").to_dict()
    told = [one | {"name": "file 0", "first_object": n} for n in (0, 1)]
    meta = {"map": {"system": "emulated", "source": "-", "files": told}}
    trace = Trace.from_records(records, files=["file 0"], provenance="emulated", meta=meta)
    uses = lock_uses(trace)
    assert np.bincount(uses.object).tolist() == [12, 12]
    assert (uses.start[uses.object == 1] >= 10**9).all()
    assert [one.callbacks for one in locks_data(trace, most=2).shown] == [6, 6]


def test_counts_are_the_engines():
    data = locks_data(strided())
    assert (data.transfers, data.word, data.objects, data.clients) == (12, "writes", 1, [0, 1])
    one = data.shown[0]
    assert data.callbacks == one.callbacks == 6 > locks_data(segmented()).callbacks
    assert one.size == 2 * COUNT * SIZE
    assert one.holds.high.max() == one.size
    assert len(one.moments) == 12
    row = {int(client): (one.top[one.holds.client == client]) for client in data.clients}
    assert row[0].min() == 0 < row[1].min()


def test_only_reads():
    trace = model(work(read=True), machine(dirty_limit=1 << 20))
    both = locks_data(trace)
    writes, reads = (locks_data(trace, op=op) for op in ("write", "read"))
    assert (both.transfers, writes.transfers, reads.transfers) == (24, 12, 12)
    assert writes.callbacks + reads.callbacks == both.callbacks
    assert reads.word == "reads"


def test_many_are_cut_and_objects_are_chosen():
    trace = model(work(segment_count=64), machine(targets=4), stripe_size=SIZE, stripe_count=4)
    data = locks_data(trace, most=2, first=10)
    assert data.objects == 4 and len(data.shown) == 2
    assert all(len(one.moments) == 10 < one.transfers for one in data.shown)
    (one,) = locks_data(trace, objects=3, by="time").shown
    assert one.object == 3 == one.target
    assert one.bottom.max() <= data.seconds
    for wrong in ({"objects": 9}, {"by": "day"}, {"op": "close"}):
        with pytest.raises(UsageError):
            locks_data(trace, **wrong)


def test_side_by_side(tmp_path):
    runs = [strided(), segmented()]
    figure = plot_locks(runs)
    titles = [ax.get_title(loc="left") for ax in figure.axes[:2]]
    assert titles == ["strided: 6 callbacks in 12 writes", "segmented: 2 callbacks in 12 writes"]
    assert figure.get_suptitle() == "Locks called back: 6 (strided), 2 (segmented)"
    assert "client 1 bytes" in figure.alt and "modelled" in figure.alt
    named = plot_locks({"a": runs[0], "b": runs[1]}, by="time")
    assert named.axes[0].get_title(loc="left").startswith("a: 6")
    with pytest.raises(UsageError):
        plot_locks([])
    with pytest.raises(UsageError):
        plot_locks("run")


def test_no_locks_and_one_client():
    none = Trace.from_records(np.zeros(0, RECORD))
    assert "Nobody told" in plots.figure(none, "locks").get_suptitle()
    assert "empty picture" in plots.alt_text(none, "locks")
    alone = model(work(tasks_per_node=2), machine())
    assert plots.figure(alone, "locks").get_suptitle().startswith("No callback in 12 writes: one")


def test_a_run_keeps_what_was_counted_of_capabilities(tmp_path, monkeypatch):
    monkeypatch.setenv("PIOTUTOR_STATE", str(tmp_path))
    run = model_run(work(), machine(lock_protocol="none"))
    assert "No locks: the machine has none" in plot_locks(run).alt
    told = {"mds": {"ceph_cap_op_revoke": 1}}
    (run.dir / "mds.json").write_text(json.dumps(told))
    again = Run(run.dir)
    assert again.trace.meta["mds"] == told
    assert "1 capability revoked in 12 writes" in plot_locks(again).alt


def test_very_many_locks_are_cells(monkeypatch):
    monkeypatch.setattr(locks, "_MANY", 3)
    (axes,) = [ax for ax in plot_locks(strided(), by="time").axes if ax.images]
    cells = axes.images[0].get_array()
    assert len(np.unique(cells.reshape(-1, 3), axis=0)) == 3  # two clients, and nobody


def test_capabilities_that_a_ceph_counted():
    trace = strided()
    kept = Trace.from_records(trace.records[trace.where(layer=Layer.APP)], files=["f"])
    kept.meta["mds"] = {"mds": {"ceph_cap_op_revoke": 34, "ceph_cap_op_grant": 24}}
    data = locks_data(kept)
    assert data.counted == {"granted": 24, "revoked": 34}
    figure = plot_locks(kept)
    assert figure.get_suptitle() == (
        "34 capabilities revoked in 12 writes: each is for a whole file"
    )
    assert "whole files" in figure.alt
