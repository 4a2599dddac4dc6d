"""Lesson 05: its rule, its checks, its table of shares, and the servers that it finds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from piotutor import layout
from piotutor.capture.device import Mount
from piotutor.errors import PiotutorError, UsageError
from piotutor.lesson import Lesson, Status, check, recorded, servers
from piotutor.lesson.course import striping
from piotutor.lesson.shares import Shares, SharesTable, shares
from piotutor.plots.published import Published, plot_published
from piotutor.storage.lustre import Lustre
from piotutor.trace import RECORD, Layer, Op, Trace

MIB = 1 << 20
RIGHT = {"object": 3, "object offset": 2_956_032}
NAMES = ("four", "two", "one", "late", "wide", "pair")


def told(verdict):
    return " ".join(point.text for point in verdict.points)


def kept(*names):
    return SimpleNamespace(runs={name: recorded.load("05", name) for name in names})


def test_the_exercise_is_what_the_layout_says():
    file = layout.cephfs(striping.UNIT, striping.COUNT, 1 << 28)
    pieces = layout.place(file, striping.BYTE, 1)
    assert (pieces.object[0], pieces.object_offset[0]) == tuple(RIGHT.values())


def test_the_right_place_is_right_and_the_servers_agree(state):
    alone = check("05.place", RIGHT)
    assert alone.status is Status.RIGHT
    assert len(alone.points) == 2
    asked = check("05.place", RIGHT, kept("four"))
    assert asked.status is Status.RIGHT
    assert "own map of the run `four` has it on OSD" in told(asked)
    assert check("05.place", RIGHT, kept("two")) == alone


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ({"object": 183, "object offset": 2_956_032}, "number of the stripe"),
        ({"object": 4, "object offset": 2_956_032}, "counted from 0"),
        ({"object": 2, "object offset": 2_956_032}, "take turns, stripe by stripe"),
        ({"object": 3, "object offset": 6_912}, "how far into its stripe"),
        ({"object": 3, "object offset": 45 * 65536}, "there its stripe begins"),
        ({"object": 3, "object offset": 12_000_000}, "offset in the file"),
        ({"object": 3, "object offset": 3_000_000}, "stripes go whole"),
        ({"object": 3, "object offset": 7}, "what is left"),
        ({"object": 3.0, "object offset": 2.5}, "whole numbers"),
        ({"object": 3}, "Give one number"),
        (3, "Give one number"),
    ],
)
def test_each_slip_in_a_place_has_its_reply(state, answer, reply):
    verdict = check("05.place", answer, kept("four"))
    assert verdict.status is Status.NOT_YET
    assert reply in told(verdict)


@pytest.mark.parametrize("shared", [(24, 1536), (1536, 24), (24, 768)])
def test_the_two_places_where_one_way_passes_the_other(state, shared):
    verdict = check("05.overtakes", {"one shared file": shared, "file per process": (1536, 12288)})
    assert verdict.status is Status.RIGHT
    assert "430" in told(verdict)
    assert "2,900" in told(verdict)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ({"one shared file": (1536, 12288), "file per process": (24, 1536)}, "ahead at 12,288"),
        ({"one shared file": (24, 12288), "file per process": (1536, 12288)}, "change sides"),
        ({"one shared file": (24, 81236), "file per process": (1536, 12288)}, "no disk gave it"),
        ({"one shared file": 1536, "file per process": (1536, 12288)}, "two numbers"),
        ({"one shared file": (24, 1536)}, "two numbers of writers"),
        ("shared", "two numbers of writers"),
    ],
)
def test_each_slip_in_reading_the_table_has_its_reply(state, answer, reply):
    verdict = check("05.overtakes", answer)
    assert verdict.status is Status.NOT_YET
    assert reply in told(verdict)


def test_the_published_ratios_and_crossovers():
    apart, together = striping.PUBLISHED.values()
    ratios = {n: apart[n] / together[n] for n in (24, 1536, 12288)}
    assert ratios == pytest.approx({24: 8.0, 1536: 0.73, 12288: 2.05}, rel=0.01)
    first, second = striping.crossovers(apart, together)
    assert 24 < first < 768 < 1536 < second < 12288
    assert striping.crossovers(apart, apart) == []
    assert 4 * max(*apart.values(), *together.values()) < striping.SUSPECT


def test_published_figures_are_drawn_with_all_of_them_in_words(state):
    figure = Lesson("05").published()
    for words in ("5,928 MiB/s with 24 writers", "16,144", "81,236", "memory", "published"):
        assert words in figure.alt
    plain = Published("t", {"a": {1: 2.0, 10: 3.0}}, None, "s")
    assert "dotted" not in plot_published(plain).alt


@pytest.mark.parametrize("name", NAMES)
def test_recorded_servers_counted_what_the_rule_foretells(name):
    found = shares(recorded.load("05", name))
    assert found is not None
    assert found.counted
    assert found.written == found.foretold
    assert sum(found.written) == 16 * MIB
    assert sum(size > 0 for size in found.written) == {"two": 2, "one": 1}.get(name, 4)
    assert found.took > 0.9 * found.needs
    assert found.needs == {"two": 1, "one": 2, "late": 2}.get(name, 0.5)


def test_what_is_measured_of_a_prediction():
    lesson = kept("two", "late")
    assert striping.SHARE.measure(lesson.runs["two"]) == 8
    assert striping.LATE.measure(lesson.runs["late"]) > 1.8
    unslowed = SimpleNamespace(trace=lesson.runs["late"].trace, environment={})
    assert striping.LATE.measure(unslowed) is None
    nobody = SimpleNamespace(trace=recorded.load("04", "hard").trace, environment={})
    assert striping.SHARE.measure(nobody) is None
    assert striping.LATE.measure(nobody) is None


def test_the_table_says_what_is_unknown_and_what_is_inconclusive(state):
    slowed = recorded.load("05", "late")
    plain = SimpleNamespace(trace=recorded.load("05", "one").trace, environment={})
    table = SharesTable({"late": shares(slowed), "one": shares(plain), "none": None})
    _, late, one, none = repr(table).splitlines()
    assert late.count("4 MiB") == 4
    assert "the same" in late
    assert one.count("inconclusive here") == 2
    assert none.count("unknown here") == 7
    assert table._repr_html_().count("<tr>") == 4
    wrong = Shares(names=["a"], written=[1], counted=True, foretold=[2], needs=None, took=1)
    assert "2 bytes" in repr(SharesTable({"wrong": wrong}))


def test_a_recorded_run_keeps_the_map_and_no_names(tmp_path):
    run = recorded.load("05", "two")
    run.trace.meta["map"]["files"][0]["name"] = "secret"
    named = Trace(
        run.trace.records, ["/home/secret"], 0, run.trace.provenance, dict(run.trace.meta)
    )
    slim = SimpleNamespace(
        trace=named, workload=run.workload, environment={**run.environment, "path": "/x"}, hints={}
    )
    path = recorded.save(slim, "05", "again", host="machine", directory=tmp_path)
    again = Trace.load(path)
    assert again.meta["map"]["files"][0]["name"] == "data0"
    assert "secret" not in str(again.meta) + str(again.files)
    assert again.meta["environment"]["rates"] == run.environment["rates"]


def test_samples_are_thinned_server_by_server(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "tools"))
    from record_run import SAMPLES, thinned

    rows = np.zeros(4 * 500, RECORD)
    rows["layer"], rows["op"] = Layer.SERVER, Op.SAMPLE
    rows["target"] = np.arange(len(rows)) % 4
    rows["length"] = np.arange(len(rows)) // 4
    kept_ = thinned(Trace.from_records(rows, files=[])).records
    assert len(kept_) == 4 * SAMPLES
    for target in range(4):
        mine = kept_["length"][kept_["target"] == target]
        assert (mine[0], mine[-1]) == (0, 499)


class Up:
    """Stands in for what keeps a Ceph up."""

    stopped = 0

    def __init__(self, ceph):
        self.ceph, self.asked = ceph, []

    async def wait(self):
        return self

    @property
    def rate(self):
        return self.ceph.rate

    def replace(self, **layout):
        return layout

    def slow_down(self, server, rate):
        self.asked.append((server, rate))

    def stop_sync(self):
        Up.stopped += 1


@pytest.fixture
def start(monkeypatch):
    """Return a function that says what becomes of a Ceph that is to be started."""
    monkeypatch.setattr(Up, "stopped", 0)

    def set_(answer):
        def start(ceph):
            problem = answer(ceph)
            if problem is not None:
                raise problem
            return Up(ceph)

        monkeypatch.setattr(servers.standing, "start", start)

    return set_


def found(place):
    return asyncio.run(servers.find(4, "8m", place))


def test_servers_are_started_slowed_and_quick_again(start, tmp_path):
    start(lambda _: None)
    four = found(tmp_path)
    assert "each at 8 MiB/s" in repr(four)
    assert four.missing == ""
    assert four.slowed(2, "2m") == {"stripe_count": 4, "stripe_unit": "64k"}
    assert four.striped(2, "1m") == {"stripe_count": 2, "stripe_unit": "1m"}
    assert four._running.asked == [(2, "2m"), (2, 8 * MIB)]
    four.striped(1)
    assert len(four._running.asked) == 2


def test_where_servers_cannot_be_slowed_only_that_is_missing(start, tmp_path):
    start(lambda ceph: UsageError("no network") if ceph.rate else None)
    four = found(tmp_path)
    assert four.striped(2)["stripe_count"] == 2
    assert "inconclusive: no network" in four._repr_html_()
    with pytest.raises(UsageError, match="no network"):
        four.slowed(2, "2m").need()


@pytest.mark.parametrize("problem", [UsageError("no Ceph"), PiotutorError("no Ceph")])
def test_where_there_are_no_servers_each_run_says_why(start, tmp_path, problem):
    start(lambda _: problem)
    none = found(tmp_path)
    assert "recorded elsewhere" in repr(none)
    for storage in (none.striped(4), none.slowed(2, "2m")):
        with pytest.raises(UsageError, match="no Ceph"):
            storage.need()
    none.stop_sync()


def test_on_a_lustre_its_own_servers_are_taken(monkeypatch, tmp_path):
    mount = Mount(str(tmp_path), "lustre", "fs")
    monkeypatch.setattr(servers, "mount_of", lambda _: mount)
    those = found(tmp_path)
    assert those.striped(2, "1m") == Lustre(stripe_size=MIB, stripe_count=2)
    with pytest.raises(UsageError, match="inconclusive here"):
        those.slowed(2, "2m").need()


def test_a_lesson_ends_its_servers_and_those_before(start, state):
    start(lambda _: None)
    lesson = Lesson("05")
    asyncio.run(lesson.servers(4, rate="8m"))
    asyncio.run(lesson.servers(4, rate="8m"))
    assert Up.stopped == 1
    lesson.clean()
    lesson.clean()
    assert Up.stopped == 2
