"""The checks: what is right, what isn't, and why; never only "wrong"."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from piotutor import pattern
from piotutor.errors import UsageError
from piotutor.kernels.hints import judge_hints
from piotutor.lesson import Evidence, Status, check, course, journal, recorded
from piotutor.lesson.answers import numbers
from piotutor.lesson.blind import Blind
from piotutor.lesson.counts import CountsTable, HintsTable, counts
from piotutor.lesson.course import layers, memory, patterns
from piotutor.lesson.verdict import Point, judge, unanswered
from piotutor.trace import RECORD, Layer, Op, Trace

MIB = 1 << 20


def told(verdict):
    return " ".join(point.text for point in verdict.points)


def test_three_dots_are_no_answer_and_leave_no_trace(state):
    verdict = check("04.offsets", ...)
    assert verdict.status is Status.OPEN
    assert "not answered yet" in repr(verdict)
    assert journal.lines(journal.PROGRESS) == []


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        (..., ["answer"]),
        ([1, ..., 3], ["number 2"]),
        ({"A": ..., "B": "x"}, ["'A'"]),
        ([1, 2], []),
        ("...", []),
        (None, []),
    ],
)
def test_open_parts_are_named(answer, missing):
    assert unanswered(answer) == missing


@pytest.mark.parametrize(
    ("oks", "status"),
    [
        ([True, True], Status.RIGHT),
        ([True, None], Status.INCONCLUSIVE),
        ([True, None, False], Status.NOT_YET),
        ([], Status.INCONCLUSIVE),
    ],
)
def test_points_are_summed_up(oks, status):
    assert judge("x", [Point(ok, "t") for ok in oks]).status is status


def test_a_verdict_is_html_without_raw_markup():
    html = judge("x", [Point(False, "<b>&")])._repr_html_()
    assert "&lt;b&gt;&amp;" in html
    assert "role='status'" in html


def test_a_check_that_is_not_there_is_refused_by_name(state):
    with pytest.raises(UsageError, match=r"04\.offsets"):
        check("04.nothing", 1)
    with pytest.raises(UsageError, match="no lesson '99'"):
        check("99.offsets", 1)


@pytest.mark.parametrize("answer", ["abc", 3, {"a": 1}, None, [1.5], [True], [[1]]])
def test_only_whole_numbers_are_numbers(answer):
    assert numbers(answer) is None


def test_numpy_and_ranges_are_numbers_too():
    extents = pattern.transfers(patterns.EXERCISE, 1, "write")
    assert numbers(extents.offset) == [131072, 196608, 655360, 720896]
    assert numbers(range(3)) == [0, 1, 2]


class TestOffsets:
    RIGHT = (262144, 327680, 786432, 851968)

    def test_the_right_ones_are_right_and_noted(self, state):
        assert check("04.offsets", list(self.RIGHT)).status is Status.RIGHT
        assert journal.passed("04") == {"04.offsets"}
        assert journal.passed("01") == set()

    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            ([256, 320, 768, 832], "KiB"),
            ([131072, 196608, 655360, 720896], "count from 0"),
            ([0, 65536, 131072, 196608], "a file for each rank"),
            ([524288, 589824, 655360, 720896], "one part of the file"),
            ([262144, 786432], "starts of the blocks"),
            ([262144, 327680], "two segments"),
            ([327680, 262144, 786432, 851968], "order"),
            ([262144, 327680, 786432], "You gave 3"),
            ([262144, 327680, 786433, 851968], "786,433"),
            ("262144", "whole numbers"),
            ([], "You gave 0"),
        ],
    )
    def test_each_slip_is_told_what_it_is(self, state, answer, why):
        verdict = check("04.offsets", answer)
        assert verdict.status is Status.NOT_YET
        assert why in told(verdict)

    def test_what_is_right_is_said_as_well(self, state):
        verdict = check("04.offsets", [262144, 327680, 1, 2])
        assert [point.ok for point in verdict.points] == [True, True, False, False]


class FakeRun:
    def __init__(self, **environment):
        self.environment = environment


class TestLab:
    def test_authors(self, state):
        assert check("00.owner", [0, 1, 3]).status is Status.RIGHT

    @pytest.mark.parametrize(
        ("answer", "why"),
        [([1, 2, 4], "counted from 0"), ([1, 1, 3], "0 to 1,048,575"), ([0, 1], "list of 3")],
    )
    def test_wrong_authors(self, state, answer, why):
        verdict = check("00.owner", answer)
        assert verdict.status is Status.NOT_YET
        assert why in told(verdict)

    ROMIO = FakeRun(mpi="MPICH 5.0.2", mpi_io_driver="UFS: Generic ROMIO driver")
    OMPIO = FakeRun(mpi="Open MPI 5.0.1", mpi_io_driver="unknown")
    NOBODY = FakeRun(mpi="MPI 9", mpi_io_driver="unknown")

    @pytest.mark.parametrize(
        ("answer", "run", "status"),
        [
            ("romio", ROMIO, Status.RIGHT),
            ("ROMIO", OMPIO, Status.NOT_YET),
            ("OMPIO", OMPIO, Status.RIGHT),
            ("MPICH", ROMIO, Status.NOT_YET),
            ("ext4", ROMIO, Status.NOT_YET),
            ("ROMIO", NOBODY, Status.INCONCLUSIVE),
        ],
    )
    def test_name_of_the_implementation(self, state, answer, run, status):
        assert check("00.mpiio", answer, run).status is status


def facts(label, **changes):
    size = 16 * MIB
    known = {
        "buffered": (0, 0, 0, size, size),
        "fsync": (4, size, 0, size, 0),
        "direct": (0, size, size, 0, 0),
        "evicted": (4, size, size, size, 0),
    }
    syncs, stored, fetched, resident, dirty = known[label]
    values = {
        "written": size,
        "read": size,
        "syncs": syncs,
        "device_written": stored,
        "device_read": fetched,
        "resident": resident,
        "dirty": dirty,
    }
    return Evidence(**values | changes)


def blind(**changes):
    truth = dict(zip("ABCD", memory.BLIND, strict=True))
    return Blind({run: facts(label, **changes) for run, label in truth.items()}, truth)


class TestLabels:
    def test_the_truth_is_right(self, state):
        runs = blind()
        assert check("01.labels", runs.truth, runs).status is Status.RIGHT

    def test_every_exchange_of_two_is_found_and_explained(self, state):
        runs = blind()
        for one in "ABC":
            for other in "BCD"["ABC".index(one) :]:
                answer = runs.truth | {one: runs.truth[other], other: runs.truth[one]}
                verdict = check("01.labels", answer, runs)
                assert verdict.status is Status.NOT_YET
                wrong = [point.text for point in verdict.points if not point.ok]
                assert [text[0] for text in wrong] == [one, other]
                assert all("isn't so here" in text for text in wrong)

    def test_without_counters_it_is_inconclusive(self, state):
        runs = blind(device_written=None, device_read=None, resident=None, dirty=None)
        verdict = check("01.labels", runs.truth, runs)
        assert verdict.status is Status.INCONCLUSIVE
        assert "can't be seen" in told(verdict)

    def test_a_disturbed_device_is_never_a_false_fail(self, state):
        runs = blind(device_written=99 * MIB, device_read=99 * MIB)
        assert check("01.labels", runs.truth, runs).status is Status.INCONCLUSIVE

    @pytest.mark.parametrize("answer", ["buffered", {"A": "fsync"}, 7])
    def test_something_else_is_told_what_is_wanted(self, state, answer):
        verdict = check("01.labels", answer, blind())
        assert "one label to each of A, B, C, D" in told(verdict)

    def test_the_table_shows_no_label(self):
        html = blind()._repr_html_()
        rows = html.split("<p>")[0]
        assert not any(label in rows for label in ("direct", "evicted", "buffered"))


class TestPublished:
    def test_the_two_figures(self, state):
        assert check("01.published", memory.SUSPECTS).status is Status.RIGHT

    @pytest.mark.parametrize("answer", [{"archer": 16434, "tutorial": 13433}, "81236"])
    def test_others_are_told_where_to_look(self, state, answer):
        verdict = check("01.published", answer)
        assert verdict.status is Status.NOT_YET
        assert len(told(verdict)) > 40

    def test_half_an_answer_is_half_right(self, state):
        verdict = check("01.published", {"archer": 81236, "tutorial": 2292})
        assert [point.ok for point in verdict.points] == [True, False]


def test_the_journal_survives_a_cut_line(state):
    journal.append(journal.PROGRESS, check="04.offsets", status="right")
    path = state / journal.PROGRESS
    path.write_text('{"check": "04.off\n' + path.read_text())
    assert journal.passed("04") == {"04.offsets"}
    assert path.stat().st_mode & 0o077 == 0


def test_predictions_are_lines_of_json(state):
    journal.append(journal.PREDICTIONS, lesson="04", question="calls", value=32, unit="calls")
    line = json.loads((state / journal.PREDICTIONS).read_text())
    assert set(line) == {"lesson", "question", "value", "unit", "time"}


@pytest.mark.parametrize("name", course.COURSE)
def test_each_lesson_has_misconceptions_with_answers(name):
    content = course.load(name)
    assert content.name == name
    slips = [option for q in content.questions for option in q.options if option.misconception]
    assert len({option.misconception for option in slips}) >= 2
    assert all(len(option.reply.split()) >= 10 for option in slips)
    for question in content.questions:
        assert sum(option.misconception is None for option in question.options) == 1
        assert question.name in content.answers
    assert all(check.startswith(f"{name}.") for check in content.checks)


def written(ranks, *, app=False):
    """Make a run whose ranks wrote in system calls, or of which only the application is known."""
    rows = []
    for rank in ranks:
        row = np.zeros((), RECORD)
        row["layer"], row["op"], row["rank"] = Layer.APP if app else Layer.POSIX, Op.WRITE, rank
        row["result"] = row["length"] = 4096
        rows.append(row)
    trace = Trace.from_records(np.array(rows, RECORD))
    return SimpleNamespace(
        trace=trace, workload=layers.COLUMNS, environment={"mpi_io_driver": "UFS: Generic"}
    )


class TestSystemCalls:
    RIGHT: ClassVar = {"independent": 512, "sieving": 64, "collective": 8}

    def test_the_right_ones(self, state):
        assert check("07.pwrites", self.RIGHT).status is Status.RIGHT

    @pytest.mark.parametrize(
        ("name", "said", "why"),
        [
            ("independent", 128, "four ranks"),
            ("independent", 4, "MPI-IO calls"),
            ("sieving", 16, "one rank's"),
            ("sieving", 32, "512 KiB"),
            ("sieving", 5, "The rule is ceil(extent / buffer)"),
            ("collective", 1, "large buffer"),
            ("collective", 4, "one aggregator's"),
            ("collective", "eight", "The rule is 2 aggregators"),
            ("collective", True, "not True"),
        ],
    )
    def test_each_slip_is_told_what_it_is(self, state, name, said, why):
        verdict = check("07.pwrites", self.RIGHT | {name: said})
        assert verdict.status is Status.NOT_YET
        assert why in told(verdict)
        assert [point.ok for point in verdict.points].count(True) == 2

    @pytest.mark.parametrize("answer", [512, {"independent": 512}, [512, 64, 8]])
    def test_something_else_is_told_what_is_wanted(self, state, answer):
        assert "one number to each" in told(check("07.pwrites", answer))


class TestHints:
    def test_the_right_one_is_right_where_four_ranks_wrote(self, state):
        for hints in ("cb_config_list=*:4", "cb_nodes=4,cb_config_list=*:*"):
            assert check("07.hint", hints, written(range(4))).status is Status.RIGHT

    @pytest.mark.parametrize(
        ("hints", "why"),
        [
            ("cb_nodes=4", "cb_nodes can't raise the number"),
            ("cb_config_list=*:2", "2 of the 4"),
            ("cb_config_list=*:4,cb_nodes=3", "3 of the 4"),
            ("cb_config_list=*:4,romio_cb_write=disable", "switches collective buffering off"),
            ("cb_confg_list=*:4", "did you mean cb_config_list"),
            ("four", "can't be read"),
            (4, "can't be read"),
        ],
    )
    def test_wrong_ones_are_told_why(self, state, hints, why):
        verdict = check("07.hint", hints)
        assert verdict.status is Status.NOT_YET
        assert why in told(verdict)

    def test_a_run_in_which_others_wrote_is_no_proof(self, state):
        verdict = check("07.hint", "cb_config_list=*:4", written([0, 0]))
        assert verdict.status is Status.NOT_YET
        assert "1 of 4" in told(verdict)

    def test_without_counts_it_is_inconclusive(self, state):
        for run in (None, written(range(4), app=True)):
            verdict = check("07.hint", "cb_config_list=*:4", run)
            assert verdict.status is Status.INCONCLUSIVE

    def test_another_mpi_io_is_never_a_false_fail(self, state):
        run = written([0])
        run.environment = {"mpi_io_driver": "unknown"}
        assert check("07.hint", "cb_config_list=*:4", run).status is Status.INCONCLUSIVE


class TestCounts:
    def test_layers_that_nobody_saw_are_unknown(self):
        found = counts(written(range(4), app=True).trace, layers.COLUMNS)
        assert (found.pieces, found.foretold, found.calls) == (256, 32, None)
        assert found.writes is found.reads is found.locks is found.written is None
        assert repr(CountsTable({"a": found})).count("unknown here") == 6
        assert "unknown here" in CountsTable({"<a>": found})._repr_html_()
        assert "&lt;a&gt;" in CountsTable({"<a>": found})._repr_html_()

    def test_system_calls_are_counted(self):
        found = counts(written([0, 0, 2]).trace, layers.COLUMNS)
        assert (found.writes, found.writers, found.written) == (3, 2, 3 * 4096)
        assert layers.system_calls(written([0, 0, 2])) == 3

    def test_what_the_rules_do_not_cover_is_unknown(self):
        found = counts(written([0]).trace, layers.COLUMNS.replace(file_per_process=True))
        assert found.foretold is None

    def test_a_hint_echoed_is_told_from_one_obeyed(self):
        table = HintsTable(judge_hints({"striping_factor": "4"}, {"striping_factor": "4"}))
        assert "can't tell" in repr(table)
        ufs = {"striping_factor": "4", "romio_filesystem_type": "UFS: <all>"}
        table = HintsTable(judge_hints({"striping_factor": "4"}, ufs))
        assert "obeyed: no" in repr(table)
        assert "UFS: &lt;all&gt;" in table._repr_html_()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("pieces", 256), ("sieved", 32), ("together", 1), ("domains", 16), ("echoed", 2)],
)
def test_the_recorded_runs_of_lesson_07_are_as_its_text_says(name, expected):
    run = recorded.load("07", name)
    found = counts(run.trace, run.workload)
    assert found.writes == found.foretold == expected
    assert found.calls == 4
    assert layers.TOGETHER.right.value == 1
    parent = run.trace.column("parent")
    assert (parent[run.trace.where(layer=Layer.POSIX, op=Op.WRITE)] >= 0).all()
