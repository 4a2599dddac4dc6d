"""Lesson 02: its predictions, its checks, and its table of sweeps."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from piotutor.errors import UsageError
from piotutor.lesson import Lesson, Status, check, recorded
from piotutor.lesson.course import queues
from piotutor.lesson.sweep import knee, sweep
from piotutor.metrics_depth import depths
from piotutor.storage.emulated import Emulated
from piotutor.trace import Trace

RIGHT = {"D": 8, "Dmax": 0.5, "knee": 16}


def told(verdict):
    return " ".join(point.text for point in verdict.points)


def kept(*names):
    return SimpleNamespace(runs={name: recorded.load("02", name) for name in names})


@pytest.fixture
def deep():
    return sweep(recorded.load("02", "disk"))[-1]


def test_the_far_device_is_what_the_machine_says():
    machine = Emulated(machine="fixed-latency:latency=0.002").emulates
    demand = 2 * machine.latency + machine.target_overhead
    assert queues.FAR.demand == pytest.approx(demand)
    assert queues.FAR.slowest == pytest.approx(machine.target_overhead / machine.target_channels)


@pytest.mark.parametrize(("name", "value"), [("known", 8), ("far", 16)])
def test_recorded_sweeps_bend_where_the_rule_says(name, value):
    assert knee(recorded.load("02", name)) == pytest.approx(value, rel=queues.NEAR)


@pytest.mark.parametrize("name", ["known", "far", "disk", "wide"])
def test_recorded_sweeps_obey_the_law(name):
    for one in depths(recorded.load("02", name).trace):
        assert one.rate * one.seconds == pytest.approx(one.in_flight, rel=queues.APART)
        assert one.in_flight == pytest.approx(one.asked, rel=0.02)


def test_a_rate_from_n_and_r_is_right(state, deep):
    verdict = check("02.rate", deep.in_flight / deep.seconds, kept("disk"))
    assert verdict.status is Status.RIGHT
    assert f"counted were {deep.rate:,.0f}" in told(verdict)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (lambda n, r: 1 / r, "That is 1 / R"),
        (lambda n, r: n * r, "That is N x R"),
        (lambda n, r: r / n, "turn it round"),
        (lambda n, r: n / r / 1000, "A factor of 1,000 is missing"),
        (lambda n, r: n / r * 1000, "A factor of 1,000 too much"),
        (lambda n, r: 17, "doesn't follow from N = X R"),
        (lambda n, r: "many", "Give one number"),
        (lambda n, r: True, "Give one number"),
    ],
)
def test_each_slip_has_its_reply(state, deep, answer, reply):
    verdict = check("02.rate", answer(deep.in_flight, deep.seconds), kept("disk"))
    assert verdict.status is Status.NOT_YET
    assert reply in told(verdict)


def test_a_rate_without_a_run_or_with_a_disturbed_one_is_inconclusive(state, monkeypatch, deep):
    assert check("02.rate", 5.0, kept()).status is Status.INCONCLUSIVE
    monkeypatch.setattr(queues, "APART", -1.0)
    verdict = check("02.rate", deep.in_flight / deep.seconds, kept("disk"))
    assert verdict.status is Status.INCONCLUSIVE
    assert "something disturbed this machine" in told(verdict)


def test_the_right_knee_is_right_and_the_run_agrees(state):
    verdict = check("02.knee", RIGHT, kept("far"))
    assert verdict.status is Status.RIGHT
    assert "In the run the two bounds meet at" in told(verdict)


def test_a_knee_that_the_run_does_not_show_is_inconclusive(state):
    assert check("02.knee", RIGHT, kept()).status is Status.INCONCLUSIVE
    other = SimpleNamespace(runs={"far": recorded.load("02", "known")})
    verdict = check("02.knee", RIGHT, other)
    assert verdict.status is Status.INCONCLUSIVE
    assert "the machine was too busy" in told(verdict)


@pytest.mark.parametrize(
    ("changes", "reply"),
    [
        ({"D": 4}, "On its way there and back a read is in flight, too"),
        ({"D": 6}, "It has to come back"),
        ({"D": 0.5}, "That is Dmax"),
        ({"D": 0.008}, "that is in seconds"),
        ({"D": 99}, "add up all that a single read meets"),
        ({"Dmax": 4}, "Eight are served meanwhile"),
        ({"Dmax": 1}, "holds nobody up"),
        ({"Dmax": 8}, "That is D."),
        ({"Dmax": 0.0005}, "that is in seconds"),
        ({"Dmax": 3}, "How often does one end"),
        ({"knee": 8}, "Half of the time, they are"),
        ({"knee": 64}, "most of them only wait"),
        ({"knee": 4}, "D times Dmax"),
        ({"knee": 5}, "divide D by Dmax"),
        ({"knee": "16"}, "give a number"),
    ],
)
def test_each_wrong_part_says_why(state, changes, reply):
    verdict = check("02.knee", RIGHT | changes, kept("far"))
    assert verdict.status is Status.NOT_YET
    assert reply in told(verdict)


@pytest.mark.parametrize("answer", [8, {"D": 8}, [8, 0.5, 16]])
def test_an_answer_of_another_form_is_asked_for_again(state, answer):
    assert "Give one number for each of D, Dmax, knee" in told(check("02.knee", answer, kept()))


def test_predictions_meet_what_was_measured(state):
    lesson = Lesson("02")
    lesson.runs = kept("known", "disk").runs
    assert lesson.compare("waits").measured == pytest.approx(32, rel=0.1)
    assert lesson.compare("knee").measured == pytest.approx(8, rel=0.1)
    assert "Right is b)" in repr(lesson.compare("twice"))


def test_a_run_that_is_far_from_the_rule_was_disturbed(state, monkeypatch):
    lesson = Lesson("02")
    lesson.runs = kept("known").runs
    lesson.predict("waits", 32)
    found = lesson.compare("waits")
    assert "too busy" not in repr(found)
    monkeypatch.setattr(found, "measured", 71.4)
    assert repr(found).endswith("this machine was too busy for it. Run it again.")
    assert "You and the model agree; emulated was 2.23 times as much" in found._repr_html_()


@pytest.mark.parametrize("reads", [0, 600])
def test_a_sweep_that_was_stopped_tells_nothing_of_its_end(state, reads):
    whole = recorded.load("02", "known")
    trace = Trace(np.sort(whole.trace.records, order="start")[:reads], whole.trace.files)
    lesson = Lesson("02")
    lesson.runs = dict.fromkeys(("known", "disk", "far"), replace(whole, trace=trace))
    assert max((one.asked for one in sweep(lesson.runs["disk"])), default=0) < queues.DEEPEST
    assert lesson.compare("waits").measured is None
    assert lesson.compare("knee").measured is None
    assert "unknown here" in repr(lesson.compare("waits"))
    assert "The model says 32 ms" in lesson.compare("waits")._repr_html_()
    for name, answer in (("02.rate", 5.0), ("02.knee", RIGHT)):
        verdict = check(name, answer, lesson)
        assert verdict.status is Status.INCONCLUSIVE
        assert "was stopped: make it" in told(verdict)
    with pytest.raises(UsageError, match="had no depth of 64: it has"):
        lesson.sweep("disk").at(64)


def test_sweeps_show_themselves(state):
    lesson = Lesson("02")
    lesson.runs = kept("known", "wide").runs
    table = lesson.sweep("known", "wide")
    lines = repr(table).splitlines()
    assert len(lines) == 1 + 7 + 3
    assert lines[0].split("  ")[-1].strip() == "bytes/s"
    assert table._repr_html_().count("<tr>") == 11
    assert lesson.sweep("known").at(64).in_flight == pytest.approx(64, rel=0.02)
    assert "foretold" in lesson.sweep("known").picture(demand=0.004, slowest=0.0005).alt
    with pytest.raises(UsageError, match="had no depth of 3: it has 1, 2, 4"):
        lesson.sweep("known").at(3)
