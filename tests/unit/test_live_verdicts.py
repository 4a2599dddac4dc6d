"""The verdicts while a job runs: judged now and then, cheaply, and whole at the end."""

from __future__ import annotations

import numpy as np
import pytest
from layered import independent

from piotutor.live import verdicts as live
from piotutor.live import wire
from piotutor.live.scene import Scene
from piotutor.live.verdicts import VerdictPanel

SCENE = Scene(ranks=4, file_sizes=(1 << 20,), transfer=4096)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(live.time, "monotonic", made)
    return made


@pytest.fixture
def view(monkeypatch):
    made = VerdictPanel()
    made.sent = []
    monkeypatch.setattr(made, "send", lambda message, buffers=None: made.sent.append(message))
    made.begin(SCENE)
    return made


def rows(view):
    return {row["name"]: row for row in view.sent[-1]["meta"]["rows"]}


def test_it_judges_at_once_and_then_once_a_second(view, clock):
    records = independent(n=400).records.copy()
    view.add(records[:3000])
    assert len(view.sent) == 1
    view.add(records[3000:])
    clock.now += 0.9
    view.add(records[:0])
    assert len(view.sent) == 1
    clock.now += 0.1
    view.add(records[-1:])
    assert len(view.sent) == 2
    assert rows(view)["small"]["text"].startswith("1,601 of 1,601 writes")


def test_it_leaves_the_time_to_others(view, clock, monkeypatch):
    judge = live.verdicts

    def slow(trace):
        clock.now += 2
        return judge(trace)

    monkeypatch.setattr(live, "verdicts", slow)
    records = independent(n=10).records.copy()
    view.add(records)
    clock.now += 37.9
    view.add(records)
    assert len(view.sent) == 1
    clock.now += 0.2
    view.add(records)
    assert len(view.sent) == 2


def test_of_too_many_records_it_keeps_none_and_judges_at_the_end(view, monkeypatch):
    monkeypatch.setattr(live, "MOST", 100)
    trace = independent(n=400)
    view.add(trace.records.copy())
    assert view.sent == []
    assert view._kept == []
    assert view.meta()["waits"]
    view.finish(trace)
    assert not view.frame["meta"]["waits"]
    found = wire.unpack(view.frame)["found"]
    names = [row["name"] for row in view.frame["meta"]["rows"]]
    assert {names[i] for i in np.flatnonzero(found == 1)} == {"small", "independent"}


def test_a_file_is_named_and_advice_given_when_it_is_over(view):
    view.finish(independent(n=400))
    told = {row["name"]: row for row in view.frame["meta"]["rows"]}
    assert told["imbalanced"]["text"].startswith("a: rank 3")
    assert "collective" in told["small"]["advice"]
    assert told["random"]["advice"] == ""
