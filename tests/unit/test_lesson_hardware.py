"""Lesson 03: its devices, its checks, its tables, and what it tells where there is no engine."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from piotutor.engine.devices import Array
from piotutor.engine.library import library
from piotutor.errors import PiotutorError, UsageError
from piotutor.lesson import Lesson, Status, book, check, recorded, servers
from piotutor.lesson import hardware as devices
from piotutor.lesson.course import hardware
from piotutor.lesson.hardware import ELSEWHERE, Counted, disks
from piotutor.lesson.parity import Coded, CodedTable, coded
from piotutor.metrics import transfers
from piotutor.trace import Op

KIB, MIB = 1 << 10, 1 << 20
LOCAL = ("scattered", "ordered", "together", "near")
POOL = {"small": (16, 16, 1024), "records": (16, 31, 1984), "padded": (16, 16, 1024)}
"""Writes, stripes touched, KiB written."""
RIGHT = {"amplification": 2.36, "live share": 0.58}
SMALL = {"RAID 6, 8 disks": 6, "RAID 5, 3 disks": 3, "writes/s": 200}
built = pytest.mark.skipif(library() is None, reason="the engine isn't built")


def told(verdict):
    return " ".join(point.text for point in verdict.points)


@pytest.fixture
def lesson():
    """Return the lesson with its recorded runs."""
    found = Lesson("03")
    found.runs = {name: recorded.load("03", name) for name in (*LOCAL, *POOL)}
    return found


@pytest.fixture
def unbuilt(monkeypatch):
    monkeypatch.setattr(devices, "library", lambda: None)


# The runs.


def places(name):
    trace = recorded.load("03", name).trace
    calls = trace.records[transfers(trace)]
    return calls["offset"].tolist(), calls["length"].tolist()


def test_the_recorded_calls_are_where_the_text_says():
    assert places("ordered") == ([4 * KIB * n for n in range(64)], [4 * KIB] * 64)
    assert places("together") == ([0], [256 * KIB])
    for name, end in (("scattered", 1024 * MIB), ("near", 16 * MIB)):
        offsets, lengths = places(name)
        assert lengths == [4 * KIB] * 64
        assert len(set(offsets)) == 64
        assert max(offsets) + 4 * KIB <= end < 2 * max(offsets)


@built
def test_the_disk_needs_what_the_text_says(lesson):
    rows = [row[1:] for row in lesson.hardware.times(*LOCAL).rows]
    assert [(calls, size, *foretold) for calls, size, _, *foretold in rows] == [
        ("64", "256 KiB", "1.46 s", "244 ms"),
        ("64", "256 KiB", "1.07 s", "14.7 ms"),
        ("1", "256 KiB", "133 ms", "9.64 ms"),
        ("64", "256 KiB", "956 ms", "257 ms"),
    ]


@pytest.mark.parametrize("name", POOL)
def test_recorded_servers_counted_what_the_rule_foretells(name):
    found = coded(recorded.load("03", name))
    writes, stripes, kib = POOL[name]
    assert (found.writes, found.stripes, found.written) == (writes, stripes, kib * KIB)
    assert found.rule == found.written


def test_the_table_tells_the_price_of_a_byte(lesson):
    table = lesson.hardware.written(*POOL)
    _, small, records, padded = repr(table).splitlines()
    assert "16.00 bytes" in small
    assert "2.70 bytes" in records
    assert "1,984 KiB" in records
    assert "1.33 bytes" in padded
    assert table._repr_html_().count("<tr>") == 4
    nobody = Coded(writes=1, each=1, asked=1, stripes=1, written=None)
    assert repr(CodedTable({"a": nobody})).count("unknown here") == 2


def test_what_is_measured_of_a_prediction(lesson):
    assert hardware.CODED.measure(lesson.runs["small"]) == 1024
    assert hardware.CODED.measure(lesson.runs["ordered"]) is None


# What is played.


@built
def test_what_is_played_closes_its_question_and_answers_it(lesson, state):
    with pytest.raises(UsageError, match="isn't there yet"):
        lesson.compare("spare")
    lesson.predict("spare", "a")
    assert lesson.hardware.flash(0.5).count == 6
    with pytest.raises(UsageError, match="locked"):
        lesson.predict("spare", "d")
    assert "overwrites in place" in repr(lesson.compare("spare"))
    lesson.predict("parity", "c")


@built
def test_the_first_run_is_played_request_by_request(lesson):
    assert lesson.hardware.disk("together", "near").count == 1
    assert lesson.hardware.disk("near", "together").count == 64
    assert "hc310" in lesson.hardware.disk("together", disk="hc310").picture(0).alt
    assert "4 operations" in lesson.hardware.array(5, disks=5, offset="64k").picture(2).alt
    assert "no reads, 5" in lesson.hardware.array(5, disks=5, length="256k").picture(0).alt
    assert "RAID 6, 8 disks: 3 reads, 3 writes" in lesson.hardware.arrays().alt


def test_without_the_engine_each_device_says_why(lesson, state, unbuilt):
    shown = lesson.hardware
    for missing in (shown.disk("near"), shown.flash(0.1), shown.array(5, disks=5), shown.arrays()):
        assert "can't be shown here: the engine isn't built" in repr(missing)
    assert shown.count() == ELSEWHERE
    assert "unknown here" in repr(shown.times("near"))
    assert "nearly 6" in repr(lesson.compare("spare"))


@built
def test_what_was_counted_elsewhere_is_what_is_counted_here(lesson):
    assert lesson.hardware.count() == ELSEWHERE


# The checks.


@pytest.mark.parametrize("evidence", [(), (ELSEWHERE,)], ids=["published", "counted"])
@pytest.mark.parametrize(
    "answer",
    [RIGHT, {"amplification": 1 + 1_101_009 / 806_596, "live share": 1_101_009 / 7_451 / 256}],
)
def test_the_right_counts_are_right(state, answer, evidence):
    verdict = check("03.flash", answer, *evidence)
    assert verdict.status is Status.RIGHT
    assert "2.35 by simulation" in told(verdict)


@pytest.mark.parametrize(
    ("name", "said", "reply"),
    [
        ("amplification", 1.365, "user's own page"),
        ("amplification", 1.3, "pages there are"),
        ("amplification", 3.33, "isn't the price"),
        ("amplification", 0.577, "a share of all"),
        ("amplification", 2.17, "older estimate"),
        ("amplification", 7, "which two"),
        ("amplification", "two", "give a number"),
        ("amplification", True, "give a number"),
        ("live share", 0.423, "dead share"),
        ("live share", 57.7, "between 0 and 1"),
        ("live share", 0.77, "in the mean"),
        ("live share", 1.365, "pages of the user"),
        ("live share", None, "give a number"),
    ],
)
def test_each_slip_in_counting_has_its_reply(state, name, said, reply):
    verdict = check("03.flash", RIGHT | {name: said}, ELSEWHERE)
    assert verdict.status is Status.NOT_YET
    assert reply in told(verdict)
    assert [point.ok for point in verdict.points].count(True) == 1


@pytest.mark.parametrize("answer", [2.36, {"amplification": 2.36}, (2.36, 0.58)])
def test_something_else_is_told_what_is_wanted(state, answer):
    assert "Give one number for each" in told(check("03.flash", answer))


def test_the_small_writes_are_the_engines(state):
    assert check("03.small", SMALL).status is Status.RIGHT
    if library() is not None:
        arrays = {"RAID 6, 8 disks": (6, 8), "RAID 5, 3 disks": (5, 3)}
        for name, (level, width) in arrays.items():
            found = Array(level=level, width=width).requests(Op.WRITE, 0, 4 * KIB)
            assert len(found) == SMALL[name]


@pytest.mark.parametrize(
    ("name", "said", "reply"),
    [
        ("RAID 6, 8 disks", 4, "two parities"),
        ("RAID 6, 8 disks", 8, "something cheaper"),
        ("RAID 6, 8 disks", 99, "Count reads and writes"),
        ("RAID 5, 3 disks", 4, "a cheaper way"),
        ("RAID 5, 3 disks", 2, "What has to be read"),
        ("writes/s", 800, "does one write take"),
        ("writes/s", 133, "would be RAID 6"),
        ("writes/s", 1, "divide by"),
        ("writes/s", 2.5, "whole number"),
        ("writes/s", "many", "whole number"),
    ],
)
def test_each_slip_in_a_small_write_has_its_reply(state, name, said, reply):
    verdict = check("03.small", SMALL | {name: said})
    assert verdict.status is Status.NOT_YET
    assert reply in told(verdict)
    assert [point.ok for point in verdict.points].count(True) == 2


def test_numbers_of_other_things_are_told_what_is_wanted(state):
    for answer in (6, {"RAID 6, 8 disks": 6}, [6, 3, 200]):
        assert "Give one number for each" in told(check("03.small", answer))


def test_counts_show_themselves():
    html = Counted(written=1_000, moved=2_000, erased=3)._repr_html_()
    assert "1,000" in html
    assert "3" in html


# This machine.


def test_disks_say_what_they_are(tmp_path):
    for name, facts in {"sda": (1, 4096, 0), "nvme0": (0, 512, MIB), "loop0": (1, 1, 1)}.items():
        queue = tmp_path / name / "queue"
        queue.mkdir(parents=True)
        for fact, value in zip(
            ("rotational", "minimum_io_size", "optimal_io_size"), facts, strict=True
        ):
            (queue / fact).write_text(f"{value}\n")
    shown = disks(tmp_path)
    assert shown.rows == (
        ("nvme0", "no", "512 bytes", "1 MiB"),
        ("sda", "yes", "4 KiB", "it doesn't say"),
    )
    assert "no disk is to be seen" in repr(disks(tmp_path / "nowhere"))


def test_a_program_has_a_file_of_its_own_name_and_no_hdf5(state):
    lesson = Lesson("03")
    program = lesson.program("hops", "ordered", 1024, file="records.dat")
    assert program.file == lesson.scratch / "records.dat"
    assert program.line == "python hops.py records.dat ordered 1024"
    assert book._hdf5_file(program) is None
    assert book._hdf5_file(lesson.program("notes")).name == "notes.h5"


@pytest.fixture
def started(monkeypatch):
    """Return what was started in the place of a Ceph, and a way to refuse it."""
    found = SimpleNamespace(asked=[], problem=None)

    async def start(ceph, missing=""):
        found.asked.append(ceph)
        if found.problem is not None:
            raise found.problem
        return servers.Servers("up")

    monkeypatch.setattr(servers, "_started", start)
    return found


def test_a_coded_pool_is_started_with_whole_stripes(started, state):
    lesson = Lesson("03")
    assert asyncio.run(lesson.servers(4, code="3+1")).told == "up"
    (ceph,) = started.asked
    assert (ceph.pool, ceph.ec, ceph.chunk, ceph.sizes[:2]) == (
        "ec",
        "3+1",
        16 * KIB,
        (192 * KIB, 1),
    )


def test_where_there_is_no_ceph_each_run_on_the_pool_says_why(started, state):
    started.problem = PiotutorError("no Ceph")
    pool = asyncio.run(Lesson("03").servers(4, code="3+1"))
    with pytest.raises(UsageError, match="no Ceph"):
        pool.storage.need()


def test_the_words_of_the_parity_example_are_right():
    assert (5 ^ 3 ^ 6, 0 ^ 3 ^ 7, 5 ^ 7 ^ 6) == (0, 4, 4)
    live = 0.5
    for _ in range(1000):
        live = float(np.exp(-1.3 * (1 - live)))
    assert 1 / (1 - live) == pytest.approx(hardware.PUBLISHED, abs=0.005)
