"""The live views of targets without a browser: what they count, and what they send."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("anywidget")

from test_plots_data import MS, record, strided, trace_of
from test_target_plots import map_of, samples

from piotutor import live
from piotutor.errors import UsageError
from piotutor.layout import lustre, raid
from piotutor.live import wire
from piotutor.live.board import Board
from piotutor.live.ribbon_view import Ribbon
from piotutor.live.scene import Scene
from piotutor.live.target_frame import StripBins, whole
from piotutor.live.targets import TargetStrips
from piotutor.metrics_targets import target_work
from piotutor.stripemap import StripeMap, stripe_map
from piotutor.trace import Layer, Op

KIB = 1024
SCENE = Scene(ranks=2, file_sizes=(10**6,), transfer=1000)
COUNTS = [(0, 3, 3, 7, 9), (0, 0, 2, 2, 40)]


def looks():
    """Return the counters' records look by look, as they come."""
    rows = np.concatenate(samples(COUNTS))
    return [rows[rows["end"] == end] for end in np.unique(rows["end"])]


def begun(view, monkeypatch):
    sent = []
    monkeypatch.setattr(view, "send", lambda content, buffers: sent.append((content, buffers)))
    view.begin(SCENE)
    return sent


def test_counters_fill_bins_the_same_whether_they_come_apart_or_together():
    apart, together = StripBins(16, 1.0), StripBins(16, 1.0)
    for some in looks():
        apart.take(some, 0)
    together.take(np.concatenate(looks()), 0)
    assert apart.targets == together.targets == [0, 1]
    assert apart.width == 4.0  # 40 ms need more than 16 bins of 1 or 2 ms
    assert apart.filled == pytest.approx(together.filled)
    assert apart.filled.sum(axis=2).tolist() == [[9 * KIB, 40 * KIB], [9, 40]]


def test_only_the_bins_that_change_are_sent():
    strips = StripBins(128, 1.0)
    first, *rest = looks()
    assert strips.take(first, 0) == (0, 128)
    assert strips.take(rest[0], 0) == (0, 11)
    assert strips.take(rest[1], 0) == (10, 21)
    assert strips.take(np.concatenate(strided(2, 2)), 0) is None
    late = np.concatenate(samples([(0,), (0,), (0, 5)], look=30)[-1:])
    assert strips.take(late, 0) == (0, 128)
    assert strips.targets == [0, 1, 2]


def test_transfers_of_servers_are_counted_too():
    rows = [
        record(Op.WRITE, 0, 4, -1, layer=Layer.SERVER, target=7, length=10),
        record(Op.READ, 2, 6, -1, layer=Layer.SERVER, target=3, length=20),
    ]
    strips = StripBins(8, 1.0)
    for row in rows:
        strips.take(row, 0)
    assert strips.targets == [3, 7]
    assert strips.filled[0].sum(axis=1).tolist() == [20, 10]


def test_a_finished_run_is_whole():
    trace = trace_of(*samples(COUNTS), *strided(2, 30))
    strips = whole(target_work(trace), 0, 30.0)
    assert strips.filled.sum(axis=2).tolist() == [[9 * KIB, 40 * KIB], [9, 40]]
    assert strips.count * strips.width == pytest.approx(40.0)


def test_time_begins_with_the_ranks_and_nothing_before_is_lost(monkeypatch):
    view = TargetStrips()
    view.system = "ceph"
    sent = begun(view, monkeypatch)
    first, second, *_ = looks()
    view.add(first)
    assert sent == []
    view.add(np.concatenate([second, record(Op.OPEN, 5, 6, 0)]))
    assert view.origin == 5 * MS
    (content, buffers) = sent.pop()
    assert content["meta"]["names"] == ["OSD 0", "OSD 1"]
    assert content["meta"]["first"] == 0
    columns = wire.unpack(
        {"columns": [[*c, b] for c, b in zip(content["columns"], buffers, strict=True)]}
    )
    assert columns["operations"].sum() == 3


def test_who_comes_late_gets_all_bins(monkeypatch):
    view = TargetStrips()
    sent = begun(view, monkeypatch)
    view.add(np.concatenate([*looks()[:2], record(Op.OPEN, 0, 1, 0)]))
    view.add(looks()[2])
    sent.clear()
    view._asked(view, "ready", [])
    ((content, buffers),) = sent
    assert content["meta"]["first"] == 0
    assert len(buffers[0]) == 2 * 128 * 4


def test_a_finished_run_says_whose_targets():
    trace = trace_of(*samples(COUNTS), *strided(2, 30), meta={"map": map_of(60 * 47008)})
    view = TargetStrips()
    view.begin(SCENE)
    view.finish(trace)
    meta = view.frame["meta"]
    assert (meta["names"], meta["bins"], meta["over"]) == (["OSD 0", "OSD 1"], 200, True)
    view.finish(trace_of(*strided(2, 3)))
    assert view.frame["meta"]["names"] == []


def test_a_ribbon_says_where_each_stripe_is_and_when_it_was_written():
    size = 8 * 64 * KIB
    rows = [
        record(Op.WRITE, n, n + 1, n % 2, offset=n * 64 * KIB, length=64 * KIB, file=0)
        for n in range(7)
    ]
    view = Ribbon()
    view.begin(SCENE)
    assert view.frame["meta"]["lines"] == []
    view.finish(trace_of(*rows, meta={"map": map_of(size)}))
    meta, columns = view.frame["meta"], wire.unpack(view.frame)
    assert len(meta["lines"]) == 8
    line = "stripe 5 = bytes 320-384 KiB → object 1, offset 64 KiB, OSD 0, by rank 1"
    assert meta["lines"][5] == line
    assert columns["written"].tolist() == [1, 2, 3, 4, 5, 6, 7, -1]
    assert len(set(meta["colors"]["target"])) == 4
    assert meta["colors"]["rank"][7] not in meta["colors"]["rank"][:7]
    assert [name for name, _ in meta["ranks"]] == ["rank 0", "rank 1"]
    assert view.stripe == 6


def test_a_ribbon_needs_no_run():
    shown = live.ribbon(stripe_map(lustre("1m", 4, osts=8), "16m", system="lustre"))
    board = Board(shown.views)
    board.finish(shown.trace)
    (view,) = board.views
    assert view.title == "16 MiB in 16 stripes of 1 MiB, in turn over 4 objects on 4 OSTs"
    assert view.badge == "no run · lustre, computed"
    assert board.transport.span == 0
    with pytest.raises(UsageError, match="parity"):
        live.ribbon(StripeMap.computed(raid(5, 4), 2**20, system="raid"))
