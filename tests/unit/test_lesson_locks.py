"""Lesson 06: what clients share, who has the lock, the checks, and what recorded runs show."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from piotutor import pattern, runner
from piotutor.engine import shared
from piotutor.engine.library import library
from piotutor.errors import PiotutorError
from piotutor.lesson import Lesson, check, recorded, servers
from piotutor.lesson import locks as counting
from piotutor.lesson.course import locks
from piotutor.lesson.locks import borders, permissions, shared_units, sharing
from piotutor.lesson.verdict import Status
from piotutor.metrics_locks import Uses
from piotutor.trace import Op
from piotutor.workload import Workload

EMULATED = ("strided", "segmented", "node", "padded", "objects")
CEPH = ("halves", "own")
built = pytest.mark.skipif(library() is None, reason="the engine isn't built")


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state directory of its own: checks are noted there."""
    monkeypatch.setenv("PIOTUTOR_STATE", str(tmp_path))
    return tmp_path


def kept(*names):
    lesson = Lesson("06")
    lesson.runs |= {name: recorded.load("06", name) for name in names}
    return lesson


def told(verdict):
    return "\n".join(point.text for point in verdict.points)


def uses_of(work, each=1):
    """Return what a workload writes of one object for each file, by arithmetic."""
    rank, made = pattern.all_transfers(work)
    low, end = made.offset, made.offset + made.length
    kind = np.full(len(low), int(Op.WRITE))
    return Uses(np.arange(len(low)), made.file, rank // each, kind, low, end, low, low)


def exercise(record, together, turns):
    return Workload(
        num_tasks=2,
        transfer_size=record,
        block_size=together * record,
        segment_count=turns,
        write=True,
    )


def test_the_answers_about_lock_units_are_those_of_the_arithmetic():
    each = locks.EACH
    strided, padded = (exercise(size, 1, each) for size in (locks.RECORD, locks.PADDED))
    cases = {
        "strided": (strided, locks.PAGE),
        "padded": (padded, locks.PAGE),
        "segmented": (exercise(locks.RECORD, each, 1), locks.PAGE),
        "padded, units of 64 KiB": (padded, locks.WIDE),
    }
    found = {name: shared_units(uses_of(work), unit) for name, (work, unit) in cases.items()}
    assert found == locks.SHARED
    assert shared_units(uses_of(strided, each=2), locks.PAGE) == 0


def test_the_borders_of_four_jobs_are_those_of_the_arithmetic():
    assert {letter: borders(uses_of(work)) for letter, work in locks.JOBS.items()} == locks.BORDERS
    assert borders(uses_of(locks.JOBS["C"], each=2)) == 0
    assert sorted(locks.BORDERS, key=locks.BORDERS.__getitem__, reverse=True) == list(locks.ORDER)


@built
def test_the_engine_orders_the_four_jobs_as_their_borders_do():
    counts = [counting.foretold(locks.JOBS[letter], locks.MACHINE) for letter in locks.ORDER]
    assert counts == sorted(set(counts), reverse=True)
    assert counts[-1] == 0


@pytest.mark.mpi
@pytest.mark.skipif(bool(shared.why_not()), reason=shared.why_not() or "-")
def test_a_run_that_was_stopped_at_once_is_emulated_and_tells_nothing(mpi, state, spotless):
    work = Workload.make(num_tasks=2, block_size="1m", segment_count=64, write=True)
    job = runner.start(work, storage="emulated:slow-lustre")
    job.stop()
    run = job.wait_sync(60)
    assert (run.status, run.trace.provenance) == ("stopped", "emulated")
    assert run.badge.startswith("emulated · slow-lustre")
    assert sharing(run).writes < 64
    assert len(sharing(run).row) == 8


def test_right_units_are_confirmed_by_the_runs_that_were_made(state):
    verdict = check("06.units", dict(locks.SHARED), kept("strided", "padded"))
    assert verdict.status is Status.RIGHT
    assert "Your run `strided`: 63 pages shared" in told(verdict)
    assert check("06.units", dict(locks.SHARED)).status is Status.RIGHT
    assert check("06.units", dict.fromkeys(locks.SHARED, ...)).status is Status.OPEN


@pytest.mark.parametrize(
    ("name", "said", "reply"),
    [
        ("strided", 40, "39 borders"),
        ("strided", 20, "neighbour on both sides"),
        ("strided", 0, "border of a page"),
        ("padded", 39, "12 pages"),
        ("segmented", 0, "multiple of 4,096"),
        ("segmented", 20, "one half"),
        ("padded, units of 64 KiB", 0, "three quarters"),
        ("padded, units of 64 KiB", 39, "fourth border"),
        ("padded", 7, "no multiple of the unit"),
    ],
)
def test_each_slip_about_units_has_its_reply(state, name, said, reply):
    verdict = check("06.units", {**locks.SHARED, name: said})
    assert verdict.status is Status.NOT_YET
    assert reply in told(verdict)


@pytest.mark.parametrize("answer", [39, {"strided": 39}, dict.fromkeys(locks.SHARED, 0.5)])
def test_units_that_are_no_answer_are_told_apart(state, answer):
    assert "Give" in told(check("06.units", answer))


@built
@pytest.mark.parametrize("answer", ["CADB", ["C", "A", "D", "B"], ("c", "a", "d", "b")])
def test_the_right_order_is_counted_by_the_engine(state, answer):
    verdict = check("06.order", answer)
    assert verdict.status is Status.RIGHT
    assert "C 63, A 15, D 1, B 0" in told(verdict)
    assert "counted by the engine: C 32" in told(verdict)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("ACDB", "C has more than A"),
        ("CDAB", "after 4 records"),
        ("CABD", "nobody else ever opens"),
        ("BDAC", "one border"),
        ("CAD", "once"),
        ("CADX", "once"),
        (4, "once"),
    ],
)
def test_each_wrong_order_has_its_reply(state, answer, reply):
    verdict = check("06.order", answer)
    assert verdict.status is Status.NOT_YET
    assert reply in told(verdict)


def test_without_the_engine_the_order_is_right_and_nobody_counts(state, monkeypatch):
    monkeypatch.setattr(counting, "library", lambda: None)
    assert check("06.order", locks.ORDER).status is Status.INCONCLUSIVE
    found = sharing(recorded.load("06", "strided"))
    assert found.foretold is None
    assert "unknown here" in found.row


@built
@pytest.mark.parametrize(
    ("name", "clients", "borders", "split", "foretold"),
    [
        ("strided", 2, 63, 63, 63),
        ("segmented", 2, 1, 1, 2),
        ("node", 1, 0, 0, 0),
        ("padded", 2, 63, 0, 32),
        ("objects", 2, 0, 0, 0),
    ],
)
def test_recorded_runs_shared_what_their_pattern_says(name, clients, borders, split, foretold):
    run = recorded.load("06", name)
    found = sharing(run)
    assert run.trace.provenance == "emulated"
    assert (found.clients, found.writes) == (clients, 64)
    assert (found.borders, found.split, found.foretold) == (borders, split, foretold)
    assert (found.callbacks == 0) == (borders == 0)


def test_recorded_callbacks_are_ordered_as_the_text_says():
    counts = {name: sharing(recorded.load("06", name)).callbacks for name in EMULATED}
    assert min(counts["strided"], counts["padded"]) > 4 * counts["segmented"] > 0


def test_on_ceph_writes_of_a_shared_file_go_out_one_by_one():
    shared, own = (permissions(recorded.load("06", name)) for name in CEPH)
    assert (shared.files, own.files) == (1, 2)
    assert shared.writes == own.writes == 64
    assert shared.operations > 64 > 2 * own.operations
    assert shared.revoked > 0


def test_the_tables_say_what_is_inconclusive_and_what_is_unknown():
    lesson = kept(*EMULATED, *CEPH)
    assert repr(lesson.locks(*EMULATED)).count("\n") == len(EMULATED)
    assert lesson.locks("node")._repr_html_().count("<tr>") == 2
    assert lesson.permissions(*CEPH)._repr_html_().count("<tr>") == 3
    assert repr(lesson.permissions("halves")).count("\n") == 1
    for name, words in (("strided", "no: inconclusive"), ("node", "the time is inconclusive")):
        run = lesson.runs[name]
        late = {**run.environment, "storage_notes": ["the machine itself was the limit"]}
        slow = SimpleNamespace(trace=run.trace, workload=run.workload, environment=late)
        assert words in sharing(slow).row[-1]
    bare = SimpleNamespace(trace=lesson.runs["node"].trace, workload=None, environment={})
    assert sharing(bare).row[4:6] == ("unknown here", "unknown here")
    assert permissions(bare).row == ("1", "64", "unknown here", "unknown here")


def test_a_prediction_is_compared_with_what_was_emulated():
    lesson = kept("node")
    lesson.predict("node", 64)
    text = repr(lesson.compare("node"))
    assert "emulated: 0 callbacks" in text
    assert "each rank has locks of its own" in text


def test_a_ceph_is_started_for_it_or_says_why_not(monkeypatch):
    def start(asked):
        raise PiotutorError(f"no Ceph with {asked.osds} servers, pool {asked.pool!r}")

    monkeypatch.setattr(servers.standing, "start", start)
    found = asyncio.run(Lesson("06").servers(2))
    with pytest.raises(PiotutorError, match="no Ceph with 2 servers"):
        found.storage.need()
