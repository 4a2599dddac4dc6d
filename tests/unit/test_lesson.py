"""`Lesson`: predictions are locked by the run, and what ran is compared with them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import types
from typing import ClassVar

import numpy as np
import pytest

from piotutor.errors import RunError, UsageError
from piotutor.lesson import Lesson, Progress, Recorded, check, evidence, journal, recorded
from piotutor.lesson.ballot import Ballot
from piotutor.lesson.evidence import EvidenceTable
from piotutor.lesson.question import Option, Question, with_unit
from piotutor.trace import RECORD, Flag, Layer, Op, Trace
from piotutor.workload import Workload

WORKLOAD = Workload.make(num_tasks=2, block_size="64k", transfer_size="32k", write=True)


def record(**fields):
    row = np.zeros((), RECORD)
    for name, value in ({"layer": Layer.APP, "file": 0} | fields).items():
        row[name] = value
    return row


def writes():
    return [
        record(op=Op.WRITE, rank=rank, offset=rank << 16 | half << 15, length=32768, result=32768)
        for rank in (0, 1)
        for half in (0, 1)
    ]


def trace(*rows):
    return Trace.from_records(np.array([*writes(), *rows], RECORD), files=["/secret/data"])


class FakeRun:
    workload = WORKLOAD.replace(test_file="/secret/data")
    hints: ClassVar = {"requested": {"cb_nodes": "2"}, "echoed": {}, "verified": {}}

    def __init__(self, *rows):
        place = {"mpi": "MPICH", "filesystem": "ext4", "host": "secret", "path": "/secret"}
        self.environment = place
        self.trace = trace(*rows)


@pytest.fixture
def live(monkeypatch):
    """Stand in for the live views: hand out a run, or fail as a machine without MPI does."""
    module = types.ModuleType("piotutor.live")
    module.asked = []

    async def watch(workload, **options):
        module.asked.append((workload, options))
        if module.broken:
            raise module.broken
        return FakeRun()

    module.watch, module.broken = watch, None
    module.replay = lambda trace, views: f"replay of {len(trace)}"
    monkeypatch.setitem(sys.modules, "piotutor.live", module)
    return module


def watch(lesson, name="segments", **options):
    return asyncio.run(lesson.watch(WORKLOAD, name, **options))


def test_the_run_locks_what_it_answers_and_nothing_else(live, state):
    lesson = Lesson("04")
    lesson.predict("calls", "32")
    lesson.predict("calls", 8)
    watch(lesson, views=("access_map",))
    assert live.asked == [(WORKLOAD, {"views": ("access_map",)})]
    with pytest.raises(UsageError, match="locked"):
        lesson.predict("calls", 32)
    with pytest.raises(UsageError, match="locked"):
        lesson.predict("segment", "c")
    lesson.predict("random", "b")
    lines = journal.lines(journal.PREDICTIONS)
    assert [(line["question"], line["value"], line["unit"]) for line in lines] == [
        ("calls", 8.0, "calls")
    ]


def test_a_second_run_notes_nothing_twice(live, state):
    lesson = Lesson("04")
    lesson.predict("calls", 8)
    watch(lesson)
    watch(lesson)
    lesson.lock()
    assert len(journal.lines(journal.PREDICTIONS)) == 1


@pytest.mark.parametrize(
    ("question", "value"), [("calls", "many"), ("calls", "nan"), ("segment", "z")]
)
def test_what_is_no_answer_is_refused(question, value):
    lesson = Lesson("04")
    with pytest.raises(UsageError, match=question):
        lesson.predict(question, value)
    assert lesson.predict(question).value is None


def test_a_question_that_is_not_there_is_refused_by_name():
    with pytest.raises(UsageError, match="calls"):
        Lesson("04").predict("nothing")


def test_a_question_reads_well_without_widgets():
    lesson = Lesson("04")
    text = repr(lesson.predict("segment"))
    assert all(f"  {key})" in text for key in "abcd")
    assert 'lesson.predict("segment", "a")' in text
    html = lesson.predict("calls", 16)._repr_html_()
    assert "your prediction: 16 calls" in html
    bundle = lesson.predict("calls")
    bundle.lock()
    assert set(bundle._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_the_widget_notes_refuses_and_closes():
    pytest.importorskip("ipywidgets")
    from piotutor.live.question import QuestionBox

    ballot = Lesson("04").predict("segment")
    view = ballot._repr_mimebundle_()
    assert {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"} == set(view)
    box = ballot._widget
    assert isinstance(box, QuestionBox)
    _, choices, status = box.children
    choices.value = "c"
    assert ballot.value == "c"
    assert "until the run starts" in status.value
    ballot.lock()
    assert choices.disabled
    assert "locked" in status.value


def test_the_widget_of_a_number_says_what_is_no_number():
    pytest.importorskip("ipywidgets")
    from piotutor.live.question import QuestionBox

    ballot = Lesson("04").predict("calls")
    _, field, status = QuestionBox(ballot).children
    field.value = "many"
    assert "give a number" in status.value
    assert ballot.value is None
    field.value = "1,280"
    assert ballot.value == 1280


def test_compare_needs_the_run(live):
    with pytest.raises(UsageError, match="segments"):
        Lesson("04").compare("calls")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (32, "4 ranks x 2 segments"),
        (8, "a block is written in one call"),
        (7, "The rule: 32 calls"),
        (None, "measured: 4 calls"),
    ],
)
def test_compare_answers_what_was_predicted(live, value, said):
    lesson = Lesson("04")
    lesson.predict("calls", value)
    watch(lesson)
    assert said in repr(lesson.compare("calls"))


def test_an_unforeseen_number_has_no_misconception_but_the_rule(live):
    lesson = Lesson("04")
    lesson.predict("calls", 7)
    watch(lesson)
    text = repr(lesson.compare("calls"))
    assert "What may stand behind it" not in text
    assert "4 ranks x 2 segments" in text


def test_compare_shows_a_picture_with_words(live):
    pytest.importorskip("matplotlib")
    lesson = Lesson("04")
    lesson.predict("calls", 8)
    watch(lesson)
    html = lesson.compare("calls")._repr_html_()
    assert "<figure><img alt=" in html
    assert "you predicted 8 calls, the model says 32 calls, measured 4 calls" in html
    assert "(measured · " in html


def test_a_choice_is_answered_in_words(live):
    lesson = Lesson("04")
    lesson.predict("segment", "b")
    watch(lesson)
    text = repr(lesson.compare("segment"))
    assert "Right is c)" in text
    assert "one part for each rank" in text


def test_where_it_cannot_run_the_recorded_run_is_shown_and_says_so(live, monkeypatch, capsys):
    live.broken = RunError("no mpiexec here", None)
    kept = Recorded(trace(), WORKLOAD, {}, "2-core machine", "2026-11-22")
    monkeypatch.setattr(recorded, "load", lambda lesson, name: kept)
    lesson = Lesson("04")
    assert watch(lesson) is kept
    assert lesson.runs["segments"] is kept
    assert "Not your machine" in kept._repr_html_()
    assert "2026-11-22" in repr(kept)


def test_without_a_recorded_run_the_reason_comes_out(live):
    live.broken = RunError("no mpiexec here", None)
    with pytest.raises(RunError, match="no mpiexec"):
        watch(Lesson("04"), "not-recorded")


def test_a_recorded_run_keeps_no_name_of_the_machine(tmp_path):
    path = recorded.save(FakeRun(), "77", "x", host="2-core machine", directory=tmp_path)
    assert b"secret" not in path.read_bytes()
    again = Trace.load(path)
    assert len(again) == 4
    assert again.meta["environment"]["host"].startswith("2-core machine (recorded 20")
    assert Workload.from_dict(again.meta["workload"]) == WORKLOAD
    assert again.meta["hints"] == FakeRun.hints


def test_a_recorded_run_that_is_not_there_is_refused_by_name():
    with pytest.raises(UsageError, match="no recorded run 'x'"):
        Lesson("04").recorded("x")


def test_scratch_is_private_to_the_lesson_and_goes(state):
    lesson = Lesson("01")
    place = lesson.scratch
    (place / "file").write_text("x")
    assert lesson.scratch == place
    lesson.clean()
    lesson.clean()
    assert not place.exists()


def test_what_a_killed_kernel_left_is_removed_and_nothing_else(state):
    living = Lesson("01")
    places = [living.scratch, *(state / "scratch" / f"lesson-{n}" for n in ("dead", "new"))]
    for place in places:
        place.mkdir(exist_ok=True)
        (place / "tank.dat").write_text("x")
    for place in places[:2]:
        os.utime(place, (1, 1))
    assert Lesson("01").scratch.exists()
    assert [place.exists() for place in places] == [True, False, True]
    living.clean()


def test_evicting_says_what_came_of_it(tmp_path):
    path = tmp_path / "file"
    assert "no such file" in repr(Lesson("01").evict(path))
    path.write_bytes(b"x" * 65536)
    told = repr(Lesson("01").evict(str(path)))
    assert re.search(r"In memory were .+ of 64 KiB; .+ left|can't be known here", told)


def test_blind_runs_fall_back_to_recorded_ones(monkeypatch):
    import piotutor.runner

    async def broken(workload, **options):
        raise RunError("no mpiexec here", None)

    kept = Recorded(trace(), WORKLOAD, {}, "2-core machine", "2026-11-22")
    monkeypatch.setattr(piotutor.runner, "run", broken)
    monkeypatch.setattr(recorded, "load", lambda lesson, name: kept)
    blind = asyncio.run(Lesson("01").blind())
    assert sorted(blind.truth.values()) == ["buffered", "direct", "evicted", "fsync"]
    assert "no mpiexec here" in blind.note


def sample(layer, start, **fields):
    return record(layer=layer, op=Op.SAMPLE, rank=-1, start=start, offset=-1, **fields)


def test_evidence_takes_the_last_look_at_each_file():
    found = evidence(
        trace(
            record(op=Op.SYNC, rank=0),
            record(op=Op.WRITE, rank=0, length=5, result=5, flags=Flag.PART),
            record(op=Op.READ, rank=0, length=9, result=7),
            sample(Layer.DEVICE, 5, length=10, result=20),
            sample(Layer.DEVICE, 9, length=100, result=200),
            sample(Layer.POSIX, 5, file=0, length=50, result=50, aux=50),
            sample(Layer.POSIX, 9, file=0, length=50, result=40, aux=10),
            sample(Layer.POSIX, 9, file=1, length=50, result=1, aux=2),
        )
    )
    assert (found.written, found.read, found.syncs) == (131072, 7, 1)
    assert (found.device_written, found.device_read) == (100, 200)
    assert (found.resident, found.dirty) == (41, 12)


def test_unknown_is_not_nothing():
    none = evidence(trace())
    assert (none.device_written, none.device_read, none.resident, none.dirty) == (None,) * 4
    unseen = evidence(trace(sample(Layer.POSIX, 5, file=0, result=-1, aux=2**64 - 1)))
    assert (unseen.resident, unseen.dirty) == (None, None)
    table = EvidenceTable({"<x>": none})
    assert "unknown here" in table._repr_html_()
    assert "<th scope='row'>&lt;x&gt;</th>" in table._repr_html_()
    assert "unknown here" in repr(table)


def test_roll_call():
    call = Lesson("00").roll_call(FakeRun())
    assert repr(call).splitlines()[1] == (
        "I am rank 1 of 2, on node 0. I wrote 65,536 bytes in 2 calls: the first is byte 65,536, "
        "the last is byte 131,071."
    )
    assert call._repr_html_().count("<li>") == 2


def test_progress_counts_each_check_once(state):
    assert "checks passed: 0 of 1" in repr(Lesson("04"))
    for _ in range(2):
        check("04.offsets", [262144, 327680, 786432, 851968])
    assert "checks passed: 1 of 1" in repr(Lesson("04"))
    assert ("04", "Which bytes are mine?", "1 of 1", "0") in Progress().rows
    assert "1 of 1" in Progress()._repr_html_()
    assert "04" in repr(Progress())


def test_values_are_written_with_their_unit():
    assert with_unit(1280.0, "KiB") == "1,280 KiB"
    assert with_unit("a", None) == "a"
    ones = [with_unit(1.0, unit) for unit in ("system calls", "s", "ms", "MiB")]
    assert ones == ["1 system call", "1 s", "1 ms", "1 MiB"]


def test_a_prediction_in_the_file_has_all_its_fields(state):
    question = Question(name="q", text="?", unit="MiB", options=(Option(value=1, reply="one"),))
    ballot = Ballot("99", question)
    ballot.put("2.5")
    ballot.lock()
    line = json.loads((state / journal.PREDICTIONS).read_text())
    time = line.pop("time")
    assert line == {"lesson": "99", "question": "q", "value": 2.5, "unit": "MiB"}
    assert time.endswith("+00:00")
