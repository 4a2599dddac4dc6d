"""The live view of locks without a browser, and what it and others are told of servers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("anywidget")

from test_locks import NEVER, SIZE, machine, work
from test_plots_data import MS, record

from piotutor.engine.library import library
from piotutor.engine.model import model
from piotutor.errors import UsageError
from piotutor.live import wire
from piotutor.live.board import Board
from piotutor.live.locks import Locks
from piotutor.live.scene import Scene
from piotutor.metrics_locks import lock_holds
from piotutor.metrics_servers import ServerBook, server_series
from piotutor.plots.locks_data import locks_data
from piotutor.serving import Servers
from piotutor.trace import Layer, Op
from piotutor.trace.writer import TraceWriter

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")
SCENE = Scene(ranks=2, file_sizes=(10**6,), transfer=1000)


def request(start, end, target=0, size=100, **more):
    return record(Op.WRITE, start, end, -1, layer=Layer.SERVER, target=target, length=size, **more)


def lock(op, start, end, client, low=0, high=NEVER):
    return record(op, start, end, -1, layer=Layer.SERVER, client=client, target=0, aux=0,
                  offset=low, length=high - low, result=Op.WRITE)  # fmt: skip


@pytest.fixture(scope="module")
def trace():
    """A model of two clients that interleave on two objects."""
    return model(
        work(segment_count=16), machine(targets=2), stripe_size=2 * SIZE, stripe_count=2
    )  # fmt: skip


def test_queues_and_bytes_at_a_moment():
    book = ServerBook()
    book.take(np.concatenate([request(0, 4), request(1, 8), request(2, 3, target=2, size=7)]))
    state = book.at(int(2.5 * MS))
    assert state.targets.tolist() == [0, 2]
    assert state.queue.tolist() == [2, 1]
    assert state.bytes.tolist() == [0, 0]
    book.take(np.concatenate([request(3, 9), lock(Op.LOCK, 0, 1, 5)]))
    state = book.at(5 * MS)
    assert (state.queue.tolist(), state.operations.tolist()) == ([2, 0], [1, 1])
    assert state.bytes.tolist() == [100, 7]
    assert state.locks.client.tolist() == [5]
    book.take(lock(Op.UNLOCK, 5, 6, 5))
    assert not len(book.at(7 * MS).locks.client)


def test_a_series_is_what_looks_would_have_found(trace):
    last = int(trace.records["end"].max())
    moments = np.linspace(0, last, 50).astype(np.int64)
    series, book = server_series(trace, moments), ServerBook()
    book.take(trace.records)
    for at, moment in enumerate(moments):
        state = book.at(int(moment))
        assert series.targets.tolist() == state.targets.tolist() == [0, 1]
        assert series.queue[:, at].tolist() == state.queue.tolist()
        assert series.bytes[:, at].tolist() == state.bytes.tolist()
        assert series.operations[:, at].tolist() == state.operations.tolist()
    assert series.bytes[:, -1].sum() == 32 * SIZE


def test_servers_are_looked_at_while_they_record(tmp_path):
    (tmp_path / "trace").mkdir()
    servers = Servers(tmp_path)
    assert servers.look().targets.tolist() == []
    writer = TraceWriter(tmp_path / "trace/servers.piot", rank=-1, provenance="emulated")
    writer.claim(1).records[:] = request(1, 10**12)
    state = servers.look()
    assert (state.queue.tolist(), state.bytes.tolist()) == ([1], [0])
    writer.claim(1).records[:] = request(2, 3, target=1)
    writer.close()
    state = servers.look()
    assert (state.queue.tolist(), state.bytes.tolist()) == ([0, 0], [100, 100])
    with pytest.raises(UsageError, match="no run"):
        Servers(tmp_path / "nowhere")


def test_a_running_job_shows_its_last_locks(trace, monkeypatch):
    view, sent = Locks(), []
    monkeypatch.setattr(view, "send", lambda content, buffers: sent.append((content, buffers)))
    view.begin(SCENE)
    assert view.frame["meta"]["objects"] == []
    half = trace.records[: len(trace) // 2]
    view.add(half)
    (content, buffers) = sent.pop()
    meta = content["meta"]
    columns = wire.unpack(
        {"columns": [[*c, b] for c, b in zip(content["columns"], buffers, strict=True)]}
    )
    assert not meta["over"] and meta["servers"] == ["server 0", "server 1"]
    assert len(columns["queue"]) == 2 and columns["done"].sum() > 0
    held = columns["released"] == np.inf
    assert held.any() and set(columns["client"][held].tolist()) <= {0, 1}
    assert (columns["high"] <= 16 * SIZE).all()
    view.add(half[:0])
    assert not sent


def test_a_finished_run_has_all_of_it(trace):
    board = Board(("locks",))
    board.finish(trace)
    (view,) = board.views
    meta, columns = view.frame["meta"], wire.unpack(view.frame)
    holds, data = lock_holds(trace), locks_data(trace)
    assert meta["over"] and meta["left"] == 0
    assert meta["callbacks"] == data.callbacks == columns["called"].sum()
    assert sum(one["callbacks"] for one in meta["objects"]) == data.callbacks
    assert len(columns["low"]) == len(holds.low)
    assert columns["moved"].reshape(2, -1)[:, -1].sum() == 32 * SIZE
    assert (columns["end"] - columns["first"]).tolist() == [SIZE] * 32
    assert columns["used"].tolist() == [0] * 16 + [1] * 16
    assert (np.diff(columns["at"][:16]) >= 0).all()
    assert [one["transfers"] for one in meta["objects"]] == [16, 16]
    assert (
        view.title
        == f"{data.callbacks} callbacks in 32 writes: 2 clients take locks from each other"
    )
    assert "client 0 bytes" in view.alt


@pytest.mark.parametrize(
    "of", [None, 5, [], "/no/run", b"/tmp", "a\0b", "~nobody-of-that-name/run"]
)
def test_servers_are_of_a_run(of):
    """Anything else is one line."""
    with pytest.raises(UsageError, match="is no run"):
        Servers(of)
