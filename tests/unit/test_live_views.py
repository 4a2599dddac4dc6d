"""The live views without a browser: their traits, and what they send."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("anywidget")

from piotutor import live
from piotutor.errors import UsageError
from piotutor.live import controls, panels, watching, wire
from piotutor.live.access_map import AccessMap, planned
from piotutor.live.board import VIEWS, Board, Interrupted, follow
from piotutor.live.look import look
from piotutor.live.scene import MAX_EVENTS, Scene
from piotutor.live.transport import Transport
from piotutor.plots.style import Style
from piotutor.trace import RECORD, Layer, Op, Phase, Trace
from piotutor.trace.record import pack_aux
from piotutor.workload import Workload, options

SCENE = Scene(ranks=2, file_sizes=(40 * 1000,), transfer=1000, ops=("write", "read"), transfers=80)


def records(count, begin=0):
    made = np.zeros(count, RECORD)
    made["layer"], made["op"] = Layer.APP, Op.WRITE
    made["rank"] = (begin + np.arange(count)) % 2
    made["offset"] = (begin + np.arange(count)) * 1000
    made["length"] = made["result"] = 1000
    made["start"] = 10**9 + (begin + np.arange(count)) * 10_000
    made["end"] = made["start"] + 5_000
    made["parent"] = -1
    return made


@pytest.fixture(params=sorted(VIEWS))
def view(request, monkeypatch):
    made = VIEWS[request.param]()
    made.sent = []
    monkeypatch.setattr(made, "send", lambda content, buffers: made.sent.append((content, buffers)))
    made.begin(SCENE)
    return made


def servers(begin=0, looks=3):
    made = np.concatenate([records(4, begin)] * looks)
    made["layer"], made["op"], made["rank"] = Layer.SERVER, Op.SAMPLE, -1
    made["target"] = np.tile(np.arange(4), looks)
    look = np.repeat(np.arange(looks), 4)
    made["start"] = 10**9 + (begin + look) * 10_000
    made["end"] = made["start"] + 10_000
    made["length"], made["aux"] = (begin + look + 1) * 1000, begin + look + 1
    made["result"], made["offset"] = 0, -1
    return made


def test_a_chunk_is_one_small_message(view):
    view.add(np.concatenate([records(20), servers()]))
    if view.name in ("ribbon", "queue", "locks"):  # a map comes at the end; no reads, no locks
        assert view.sent == []
        return
    (content, buffers) = view.sent.pop()
    assert content["meta"]["kind"] == "append"
    assert len(buffers) == len(content["columns"])
    assert sum(map(len, buffers)) < 40_000
    view.add(records(0))
    assert view.sent == []


def test_who_asks_gets_what_there_is_so_far(view):
    view.add(records(20))
    view.add(records(20, begin=20))
    view.sent.clear()
    view._asked(view, "ready", [])
    ((content, buffers),) = view.sent
    whole = wire.unpack(
        {"columns": [[*c, b] for c, b in zip(content["columns"], buffers, strict=True)]}
    )
    assert content["meta"]["kind"] == "load"
    for name in ("offset", "t0"):
        if name in whole:
            assert len(whole[name]) == 40


def test_a_finished_run_stays_in_a_trait(view):
    view.add(records(20))
    view.finish(Trace.from_records(records(40), dropped=7))
    assert view.dropped == 7
    assert view.frame["meta"]["kind"] == "load"
    assert view.frame["meta"]["span"] == pytest.approx(0.395, rel=1e-4)
    view.sent.clear()
    view._asked(view, "ready", [])
    assert view.sent == []


def test_a_sweep_grows_depth_by_depth():
    view = VIEWS["queue"]()
    sent = []
    view.send = lambda content, buffers: sent.append((content, buffers))
    view.begin(SCENE)
    reads = records(40)
    reads["op"], reads["rank"], reads["aux"] = Op.READ, 0, pack_aux(0, Phase.READ)
    deeper = records(40, begin=40)
    deeper["op"], deeper["rank"], deeper["aux"] = Op.READ, 0, pack_aux(1, Phase.READ)
    deeper["thread"] = np.arange(40) % 4
    for chunk in (reads[:15], reads[15:], deeper[:20], deeper[20:]):
        view.add(chunk)
    content, buffers = sent[-1]
    columns = dict(zip((c[0] for c in content["columns"]), buffers, strict=True))
    assert np.frombuffer(columns["asked"], "<f4").tolist() == [1, 4]
    assert content["meta"]["reads"] == 80
    assert content["meta"]["demand"] == pytest.approx(5e-6)
    view.finish(Trace.from_records(np.concatenate([reads, deeper])))
    assert view.frame["meta"]["reads"] == 80
    assert wire.unpack(view.frame)["asked"].tolist() == [1, 4]


def test_two_runs_alike_are_two_frames(view):
    first = view.frame
    view.begin(SCENE)
    assert view.frame != first


def test_a_run_without_transfers_is_shown(view):
    view.finish(Trace.from_records(records(0)))
    assert view.frame["meta"]["kind"] == "load"


def test_too_many_transfers_become_a_heat_map():
    view = AccessMap()
    view.begin(Scene(ranks=2, file_sizes=(10**6,), transfer=1, transfers=MAX_EVENTS + 1))
    assert view.mode == "heat"
    assert [mode for mode, _ in view.meta()["modes"]] == ["heat"]
    view.begin(SCENE)
    assert view.mode == "time"


def test_the_heat_map_of_a_replay_counts_what_the_live_one_did():
    view = AccessMap()
    view.begin(SCENE)
    view.finish(Trace.from_records(records(40)))
    columns = wire.unpack(view.frame)
    assert columns["hits"].sum() >= 40
    assert (np.diff(columns["heat_t"]) >= 0).all()
    live_cells = view._cells.columns(records(40), np.array([0]), 0.0)
    assert columns["hits"].sum() == live_cells["hits"].sum()


@pytest.mark.parametrize(("begin", "at"), [(0, 0), (3, 0), (4, 4000), (30, 30_000)])
def test_the_lens_of_a_replay_begins_where_there_is_something(begin, at):
    view = AccessMap()
    view.begin(SCENE)
    view.finish(Trace.from_records(records(5, begin)))
    assert view.lens_at == at


@pytest.mark.parametrize("per_file", [False, True])
def test_a_plan_is_the_pattern(per_file):
    workload = Workload.make(
        num_tasks=3, block_size="8k", transfer_size="4k", segment_count=2, file_per_process=per_file
    )
    made = planned(workload)
    assert len(made) == 12
    assert made["end"].max() == 4_000_000
    assert np.bincount(made["file"]).tolist() == ([4, 4, 4] if per_file else [12])
    view = AccessMap()
    view.plan(workload)
    assert view.frame["meta"]["planned"]


def test_a_replay_lasts_5_seconds_at_least_and_says_how_slow():
    transport = Transport(seconds=2)
    transport.ready(records(40))
    assert transport.seconds == 5
    assert transport.factor == pytest.approx(5000 / 0.395)
    assert transport.autoplay
    assert transport.marks[-1] == pytest.approx(0.395)
    transport.live()
    assert transport.span == 0


def test_few_ranks_have_colours_many_a_scale():
    few, many = look(4), look(64)
    assert len(set(few["colors"])) == len(set(few["hatches"])) == 4
    assert len(set(many["colors"])) == 64
    assert look(4, Style(projector=True))["font"] > few["font"]


def test_a_source_is_followed_to_its_end():
    class Source:
        dropped, left = 3, [records(5), records(0), records(5, begin=5)]

        def poll(self, everything=False, most=None):
            return self.left.pop(0) if self.left else records(0)

    view, told = AccessMap(), []
    view.begin(SCENE)
    polls = asyncio.run(follow(Source(), [view], lambda: not Source.left, told.append))
    assert polls == 4
    assert view.dropped == 3
    assert len(view._so_far()["offset"]) == 10
    assert told


@pytest.mark.parametrize("views", [("nonsense",), "access_map"])
def test_views_that_are_none_are_refused(views):
    with pytest.raises(UsageError, match=r"no view|one word"):
        Board(views)


@pytest.mark.parametrize("name", sorted(options()))
def test_every_option_has_a_control_that_gives_its_value_back(name):
    workload = Workload()
    widget = controls.control(name, workload)
    assert controls.read(name, widget) == getattr(workload, name)


def test_a_control_shows_a_size_that_is_no_power_of_two():
    widget = controls.control("transfer_size", Workload.make(block_size=47008, transfer_size=47008))
    assert widget.label == "47,008 bytes"


@pytest.fixture
def panel():
    workload = Workload.make(num_tasks=2, block_size="64k", transfer_size="16k", write=True)
    return live.panel(workload, controls=("block_size", "transfer_size", "test_file"))


def test_a_panel_foresees_and_refuses(panel):
    assert "8 transfers" in panel.prediction.value
    assert panel.board.views[0].frame["meta"]["planned"]
    panel.controls["transfer_size"].value = 128 * 1024
    assert panel.workload is None
    assert panel.run_button.disabled
    assert 'role="alert"' in panel.prediction.value
    panel.controls["block_size"].value = 128 * 1024
    assert panel.workload.block_size == 128 * 1024
    assert not panel.run_button.disabled


def test_a_mistake_is_said_in_the_panel(panel):
    panel.controls["test_file"].value = "/no/such/directory/file"

    async def go():
        panel.start()
        assert panel.run_button.disabled
        return await panel.wait()

    assert asyncio.run(go()) is None
    assert "/no/such/directory" in panel.board.status.value
    assert not panel.run_button.disabled


def test_an_unforeseen_error_is_said_with_its_details(panel, monkeypatch):
    def fail(*_args, **_options):
        raise ZeroDivisionError("<oops>")

    monkeypatch.setattr(panels.runner, "start", fail)

    async def go():
        panel.start()
        await panel.wait()

    asyncio.run(go())
    assert "&lt;oops&gt;" in panel.board.status.value
    assert "Traceback" in panel.details.value


def test_unknown_controls_are_refused():
    with pytest.raises(UsageError, match="no control"):
        live.panel(controls=("nonsense",))


@pytest.mark.mpi
def test_a_panel_runs_a_job(panel, mpi, spotless):
    async def go():
        panel.start()
        return await panel.wait()

    run = asyncio.run(go())
    assert run.status == "done"
    assert panel.board.transport.span > 0
    title = panel.board.views[0].title
    assert title.startswith("8 writes of 16 KiB")
    assert panel.board.views[0].alt.startswith(title)
    assert panel.board.views[0].badge.startswith("measured · ")


@pytest.mark.mpi
def test_watching_without_widgets_leaves_pictures(mpi, spotless, monkeypatch):
    shown = []
    monkeypatch.setattr(watching, "has_widgets", lambda: False)
    monkeypatch.setattr(watching, "show", lambda bundle, name=None: shown.append(bundle))
    run = asyncio.run(live.watch("ior -n 2 -b 16k -t 4k -w", views=("access_map", "tank")))
    live.replay(run)._ipython_display_()
    assert run.status == "done"
    assert [bundle["text/html"].count("<figure><img alt=") for bundle in shown] == [2, 2]
    assert shown[0]["image/png"].startswith(b"\x89PNG")
    assert "8 writes of 4 KiB" in shown[0]["text/plain"]


@pytest.mark.mpi
def test_a_stopped_run_is_a_run(mpi, spotless):
    board = Board(("access_map",))

    async def go():
        from piotutor import runner

        job = runner.start(Workload.make(num_tasks=2, repetitions=100_000))
        board.begin(job.workload)
        running = asyncio.ensure_future(board.run(job))
        while not board.views[0]._so_far()["cell"].size:
            await asyncio.sleep(0.01)
        assert not board.stop_button.disabled
        board.stop()
        return await running

    assert asyncio.run(go()).status == "stopped"
    assert "Stopped" in board.status.value


def test_what_is_no_run_is_not_replayed():
    with pytest.raises(UsageError, match="can't be replayed"):
        live.replay(3)


def test_importing_live_needs_no_widgets():
    import subprocess

    code = "import sys, piotutor.live; assert not {'ipywidgets', 'anywidget'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_interrupted_run_says_so_in_one_line():
    class Job:
        state, filesystem, why = "running", "tmpfs", ""
        follower = SimpleNamespace(poll=lambda *args, **options: records(4), dropped=0)

        async def wait(self):
            await asyncio.sleep(60)

    board = Board(("throughput",))

    async def interrupted():
        following = asyncio.ensure_future(board.run(Job()))
        while "Running" not in board.views[0].title:
            await asyncio.sleep(0)
        following.cancel()
        await following

    board.begin(Workload.make(num_tasks=1))
    assert board.views[0].badge == "live · POSIX, 1 rank"
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted())
    assert board.views[0].title == "Interrupted"
    assert "Interrupted" in board.status.value
    (line,) = Interrupted()._render_traceback_()
    assert "Run the cell again" in line


def test_a_mistake_is_one_line_in_a_notebook():
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell()
    told = []
    shell._showtraceback = lambda kind, error, lines: told.extend(lines)
    shell.run_cell("import piotutor as pio; pio.Lesson('99')")
    assert len(told) == 1
    assert told[0].startswith("UsageError: there is no lesson '99'")
