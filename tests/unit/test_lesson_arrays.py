"""Lesson 08: what is counted of a run, how answers are judged, and the programs that it runs."""

from __future__ import annotations

import ast
import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from layered import Layered

from piotutor.capture.h5map import AddressMap, Kind, Range
from piotutor.errors import RunError, UsageError
from piotutor.lesson import Lesson, check, recorded
from piotutor.lesson.course import arrays
from piotutor.lesson.moves import CAUSES, METADATA, CallsTable, Moves, MovesTable, moves, of_data
from piotutor.lesson.program import SOURCES, Program, _complaint
from piotutor.trace import Flag, Layer, Op

CONVERTED = 2 << 8 | 2 << 32


def map_of(*starts, size=1000, name="a.h5"):
    ranges, place = [], 0
    for number, start in enumerate(starts):
        ranges.append(Range(place, start - place, Kind.HEADER, "/"))
        ranges.append(Range(start, size, Kind.DATA, f"/d{number}", "contiguous"))
        place = start + size
    return AddressMap(name, place, "1.10.8", tuple(ranges))


def two_arrays(broken=True):
    """Two ranks write two arrays collectively; the second is converted on the way."""
    made = Layered(files=("/s/a.h5", "/s/other"))
    for rank in (0, 1):
        for number, start in ((0, 100), (1, 2000)):
            alone = broken and number == 1
            cause = CONVERTED if alone else 4
            at = start + 100 * rank
            call = made.add(
                Layer.HDF5, Op.WRITE, rank, 0, 9, at, 100, flags=Flag.COLLECTIVE, aux=cause
            )
            made.add(Layer.HDF5, Op.WRITE, rank, 0, 9, at, 50, call, flags=Flag.PART)
            for piece in range(5 if alone else 1):
                how = 0 if alone else Flag.COLLECTIVE
                size = 20 if alone else 100
                made.add(Layer.MPIIO, Op.WRITE, rank, 1, 8, at + 20 * piece, size, flags=how)
                if alone or rank == 0:
                    made.add(Layer.POSIX, Op.WRITE, rank, 2, 7, at + 20 * piece, size)
    made.add(Layer.POSIX, Op.WRITE, 0, 20, 21, 0, 40)
    made.add(Layer.POSIX, Op.WRITE, 0, 20, 21, 100, 40, file=1)
    made.add(Layer.POSIX, Op.READ, 0, 20, 21, 100, 40)
    return made.trace()


def test_calls_are_counted_for_the_array_that_they_touch():
    found = moves(two_arrays(), map_of(100, 2000))
    assert found["/d0"] == Moves(2, 2, 2, 0, 1, 100, 0)
    assert found["/d1"] == Moves(2, 2, 0, 10, 10, 200, 2)
    assert found[METADATA] == Moves(system=1, bytes=40)
    assert of_data(found) == Moves(4, 4, 2, 10, 11, 300, 2)
    assert moves(two_arrays(), map_of(100, 2000), Op.READ)["/d0"].system == 1


def test_calls_on_chunks_belong_to_the_only_dataset():
    made = Layered(files=("/s/a.h5",))
    made.add(Layer.HDF5, Op.READ, 0, 0, 9, -1, 100)
    assert moves(made.trace(), map_of(100), Op.READ)["/d0"].hdf5 == 1
    assert moves(made.trace(), map_of(100, 2000), Op.READ)["/d0"].hdf5 == 0


def test_the_table_leaves_out_what_is_nowhere():
    table = MovesTable("dataset", moves(two_arrays(), map_of(100, 2000)))
    assert "different types of numbers" in repr(table)
    assert "<th scope='row'>d1</th>" in table._repr_html_()
    assert "HDF5" not in repr(MovesTable("run", {"x": Moves(system=3, bytes=4)}))


def test_causes_are_bits():
    assert all(bit & (bit - 1) == 0 for bit in CAUSES)
    both = Moves(causes=1) + Moves(causes=2)
    assert both.row[-1] == f"{CAUSES[1]}; {CAUSES[2]}"


def test_calls_are_counted_by_kind():
    made = Layered()
    for _ in range(3):
        made.add(Layer.POSIX, Op.WRITE, 0, 0, 1, 0, 1)
    made.add(Layer.POSIX, Op.READ, 0, 0, 1, 0, 1)
    table = CallsTable.of(made.trace(), Layer.POSIX)
    assert list(table.found.items()) == [("pwrite", 3), ("pread", 1)]
    assert "<th scope='row'>pwrite</th><td>3</td>" in table._repr_html_()


@pytest.mark.parametrize(
    ("slab", "count"),
    [
        (((100, 300), (200, 264)), 6),
        (((0, 1), (0, 1)), 1),
        (((127, 129), (127, 129)), 4),
        (((0, 512), (0, 512)), 16),
        (((128, 256), (0, 128)), 1),
    ],
)
def test_chunks_touched(slab, count):
    assert arrays.touched(slab) == count
    whole = np.zeros((512, 512), bool)
    whole[tuple(slice(*side) for side in slab)] = True
    assert whole.reshape(4, 128, 4, 128).any(axis=(1, 3)).sum() == count


def lesson_with(**maps):
    return SimpleNamespace(maps=maps)


PLAIN, ALIGNED = map_of(2048), map_of(2**20)


def test_addresses_are_judged_by_what_is_left_over():
    lesson = lesson_with(plain=PLAIN, aligned=ALIGNED)
    verdict = check("08.address", {"plain": 2048, "aligned": 0}, lesson)
    assert verdict.status.value == "right"
    assert "1,048,576 = 1 x 1,048,576 + 0; so it is aligned" in repr(verdict)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"plain": 2048, "aligned": 2**20}, "that is the address itself"),
        ({"plain": 0, "aligned": 0}, "that is how often 1 MiB goes into it"),
        ({"plain": 7, "aligned": 0}, "ask the map for the address"),
        ({"plain": 2048}, "Give one number for each of plain, aligned"),
        ([2048, 0], "Give one number for each"),
    ],
)
def test_each_slip_with_addresses_has_a_reply(answer, words):
    verdict = check("08.address", answer, lesson_with(plain=PLAIN, aligned=ALIGNED))
    assert verdict.status.value == "not yet"
    assert words in repr(verdict)


def test_without_a_run_addresses_are_inconclusive():
    verdict = check("08.address", {"plain": 2048, "aligned": 0}, lesson_with(plain=PLAIN))
    assert verdict.status.value == "inconclusive here"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"A": 4, "B": 4, "C": 8}, ": right"),
        ({"A": 1, "B": 4, "C": 8}, "so many chunks could hold the 4 numbers"),
        ({"A": 4, "B": 512, "C": 8}, "that is how many numbers there are"),
        ({"A": 4, "B": 4, "C": 4}, "The last row and the last column that it takes are 128, 511"),
        ({"A": 4, "B": 4, "C": "8"}, "Give whole numbers"),
        ({"A": 4}, "Give one number for each of A, B, C"),
    ],
)
def test_chunks_are_counted_along_both_sides(answer, words):
    assert words in repr(check("08.chunks", answer))


class Made:
    """A lesson that has made its run."""

    def __init__(self, trace):
        self.maps, self._trace = {"three": map_of(100, 2000)}, trace

    def moves(self, name, by):
        assert (name, by) == ("three", "dataset")
        return MovesTable(by, moves(self._trace, self.maps[name]))


def test_the_array_that_was_written_alone_is_known_by_mpi_io():
    verdict = check("08.collective", " /D1", Made(two_arrays()))
    assert verdict.status.value == "right"
    assert "0 collective calls and 10 independent ones" in repr(verdict)
    assert "HDF5's own reason: memory and file hold different types" in repr(verdict)
    assert "as asked" in repr(check("08.collective", "d0", Made(two_arrays())))
    assert "they are d0, d1" in repr(check("08.collective", "d7", Made(two_arrays())))


def test_where_all_stayed_collective_or_nothing_was_seen_it_is_inconclusive():
    for trace in (two_arrays(broken=False), Layered(files=("/s/a.h5",)).trace()):
        verdict = check("08.collective", "d1", Made(trace))
        assert verdict.status.value == "inconclusive here"
    verdict = check("08.collective", "d1", lesson_with())
    assert verdict.status.value == "inconclusive here"


@pytest.mark.parametrize("name", ["slab", "small", "three"])
def test_what_is_predicted_is_what_the_recorded_run_shows(name):
    run = recorded.load("08", name)
    (question,) = [q for q in arrays.CONTENT.questions if arrays.CONTENT.answers[q.name] == name]
    assert question.measure(run) == question.right.value
    assert run.h5map is not None
    assert run.h5map.name in run.trace.files
    assert run.workload is None


def test_nothing_is_measured_where_no_calls_were_recorded():
    bare = SimpleNamespace(trace=Layered().trace())
    assert [q.measure(bare) for q in arrays.CONTENT.questions if q.measure] == [None] * 3


def test_the_recorded_runs_say_what_the_lesson_says():
    """Also the recorded map of a run: the addresses are the file's own."""
    for name, islands in (("scattered", 5), ("gathered", 1)):
        assert recorded.load("08", name).h5map.islands >= islands
    found = recorded.load("08", "fill")
    sums = {n.strip("/"): m.bytes for n, m in moves(found.trace, found.h5map).items()}
    assert (sums["alloc"], sums["ifset"], sums["never"]) == (2**21, 2**21, 0)
    for name, aligned in (("plain", False), ("aligned", True)):
        drawn = recorded.load("08", name).h5map
        assert (drawn.address(drawn.datasets[0]) % 2**20 == 0) == aligned


@pytest.mark.parametrize("path", sorted(SOURCES.glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_programs_are_short_and_say_how_they_are_started(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 25
    assert f"python {path.name} FILE" in ast.get_docstring(ast.parse(text))


def test_a_program_shows_itself(tmp_path):
    program = Program("columns", tmp_path / "c.h5", ("collective",), 4)
    assert program.line == "mpiexec -n 4 python columns.py c.h5 collective"
    assert "with field.collective" in repr(program)
    assert "create_dataset(&quot;field&quot;" in program._repr_html_()
    with pytest.raises(UsageError, match="'pillars' is no program: use one of columns, fill"):
        Program("pillars", tmp_path / "c.h5")


def test_a_program_that_fails_says_why(tmp_path, state):

    program = Program("rows", tmp_path / "nowhere" / "c.h5", ("1",))
    with pytest.raises(RunError, match=r"^rows\.py failed: .*(FileNotFoundError|No such file)"):
        asyncio.run(program.run(sample=False))


def test_a_lesson_keeps_maps_and_refuses_runs_without_one():
    lesson = Lesson("08")
    lesson.runs["x"] = SimpleNamespace(trace=two_arrays())
    with pytest.raises(UsageError, match="the run 'x' left no HDF5 file behind"):
        lesson.moves("x")
    lesson.maps["x"] = map_of(100, 2000)
    assert lesson.moves("x").found == {"x": Moves(4, 4, 2, 10, 11, 300, 2)}
    assert set(lesson.moves("x", by="dataset").found) == {"/d0", "/d1", METADATA}
    assert "<img alt=" in lesson.h5map("x", op="write")._repr_html_()
    assert lesson.calls("x", "posix").found["pwrite"] == 13
    with pytest.raises(UsageError, match="make it, with its cell above"):
        lesson.h5map("y")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "Traceback\n  x\nValueError: built without MPI\n-----\nmpiexec noticed\n",
            "ValueError: built",
        ),
        ("sorry\n-----\n", "sorry"),
        ("", "it said nothing"),
    ],
)
def test_of_a_failed_program_the_error_is_told(output, words):
    assert _complaint(output).startswith(words)
