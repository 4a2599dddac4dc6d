"""What the descent says and draws, worked out by hand on made-up traces of all layers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layered import Layered, collective, independent, many, sieved

from piotutor.errors import UsageError
from piotutor.metrics_layers import Amount, Step, amplification, descent
from piotutor.plots import lanes
from piotutor.plots.descent import descent_alt, descent_data, descent_finding, plot_descent
from piotutor.plots.descent_words import lane_words
from piotutor.plots.style import Style, figure_png
from piotutor.trace import Layer, Op, Phase, pack_aux

KIB = 1024


def lane_of(data, layer, domains=False):
    (found,) = (one for one in data.lanes if one.layer == layer and one.domains == domains)
    return found


def boxes(lane):
    shapes = lane.shapes
    columns = (shapes.rank, shapes.op, shapes.low, shapes.high)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


# Numbers.


def test_steps_tell_reads_for_writes_apart():
    assert descent(sieved()) == [
        Step(Layer.APP, Op.WRITE, 4, 64 * KIB),
        Step(Layer.MPIIO, Op.WRITE, 4, 64 * KIB),
        Step(Layer.POSIX, Op.READ, 4, 208 * KIB, for_write=True),
        Step(Layer.POSIX, Op.WRITE, 4, 208 * KIB),
    ]


def test_amplification_compares_any_two_layers():
    steps = descent(sieved())
    found = amplification(steps, Layer.APP, Layer.POSIX, Op.WRITE)
    assert (found.operations, found.bytes) == (2.0, 6.5)
    assert found.read_back == Amount(4, 208 * KIB)
    assert amplification(steps, Layer.APP, Layer.POSIX) == found
    assert amplification(steps, Layer.APP, Layer.POSIX, Op.READ) is None
    assert amplification(steps, Layer.APP, Layer.BLOCK) is None
    down = amplification(descent(collective()), Layer.MPIIO, Layer.POSIX)
    assert (down.operations, down.bytes) == (0.25, 1.0)


def test_a_read_of_its_own_is_no_read_for_a_write():
    steps = descent(independent(op=Op.READ))
    assert not any(step.for_write for step in steps)
    assert amplification(steps, Layer.APP, Layer.POSIX, Op.WRITE) is None


def test_metadata_that_is_read_inside_a_write_fills_no_holes():
    made = Layered()
    outer = made.add(Layer.HDF5, Op.WRITE, 0, 0, 100, 2048, 4096)
    for op, at, offset, size in ((Op.READ, 10, 96, 512), (Op.WRITE, 30, 2048, 4096)):
        call = made.add(Layer.MPIIO, op, 0, at, at + 10, offset, size, outer)
        made.add(Layer.POSIX, op, 0, at + 1, at + 9, offset, size, call)
    made.add(Layer.POSIX, Op.READ, 0, 50, 55, 2048, 512, outer)
    steps = descent(made.trace())
    assert not any(step.for_write for step in steps)
    assert descent_finding(descent_data(made.trace())).endswith("1.25 times the bytes")


# Lanes.


def test_every_request_has_its_place_on_every_layer():
    data = descent_data(independent())
    for layer in (Layer.APP, Layer.MPIIO, Layer.POSIX):
        shown = lane_of(data, layer)
        assert boxes(shown) == sorted(
            (n % 4, Op.WRITE, n * 4096.0, (n + 1) * 4096.0) for n in range(16)
        )
        assert shown.shapes.row.tolist() == shown.shapes.rank.tolist()
    assert data.axis == lanes.Axis("offset", 0, 64 * KIB)


def test_aggregators_have_file_domains():
    data = descent_data(collective(aggregators=2))
    domains = lane_of(data, Layer.MPIIO, domains=True)
    half, whole = 32.0 * KIB, 64.0 * KIB
    assert boxes(domains) == [(0, Op.WRITE, 0.0, half), (1, Op.WRITE, half, whole)]
    assert len(lane_of(data, Layer.MPIIO).shapes.low) == 16
    assert boxes(lane_of(data, Layer.BLOCK)) == [(-1, Op.WRITE, 0.0, whole)]
    assert [one.layer for one in data.lanes].index(Layer.POSIX) == 3


def test_an_independent_call_has_no_file_domain():
    data = descent_data(sieved())
    assert not any(one.domains for one in data.lanes)


def test_by_time_calls_lie_inside_calls():
    data = descent_data(collective(), by="time")
    app, mpiio, posix = (lane_of(data, n) for n in (Layer.APP, Layer.MPIIO, Layer.POSIX))
    assert boxes(posix) == [(0, Op.WRITE, pytest.approx(50e-6), pytest.approx(90e-6))]
    for rank in range(4):
        outer, inner = boxes(app)[rank], boxes(mpiio)[rank]
        assert outer[2] < inner[2] < inner[3] < outer[3]


def test_a_call_without_a_place_is_counted():
    made = Layered()
    made.add(Layer.APP, Op.WRITE, 0, 0, 10, 0, 100)
    made.add(Layer.MPIIO, Op.WRITE, 0, 1, 9, -1, 100)
    data = descent_data(made.trace())
    shown = lane_of(data, Layer.MPIIO)
    assert (shown.unplaced, len(shown.shapes.low)) == (1, 0)
    assert "1 at an unknown offset" in lane_words(data, shown)
    assert figure_png(plot_descent(data)).startswith(b"\x89PNG")


def test_one_phase_of_one_file_is_shown_with_its_late_block_requests():
    made = Layered(files=("/s/a", "/s/b"))
    for repetition in range(2):
        for phase, op in ((Phase.WRITE, Op.WRITE), (Phase.READ, Op.READ)):
            at = 1000 * repetition + 300 * phase
            aux = pack_aux(repetition, phase)
            made.add(Layer.APP, op, 0, at, at + 100, 0, 100, file=1, aux=aux)
            made.add(Layer.POSIX, op, 0, at + 10, at + 90, 0, 100, file=1)
            made.add(Layer.BLOCK, Op.WRITE, -1, at + 150, at + 160, 0, 4096, file=1)
    made.add(Layer.POSIX, Op.WRITE, 0, 20, 30, 0, 7, file=0)
    trace = made.trace()
    data = descent_data(trace)
    assert (data.file, data.files) == ("/s/b", 2)
    assert descent_finding(data).startswith("In one of 2 files, 1 write of 100 bytes became")
    counts = [(step.layer, step.op, step.operations) for step in data.steps]
    assert counts[:2] == [(Layer.APP, Op.WRITE, 1), (Layer.POSIX, Op.WRITE, 1)]
    assert counts[2:] == [(Layer.BLOCK, Op.WRITE, 2)]
    other = descent_data(trace, op="read", repetition=1)
    assert [step.op for step in other.steps] == [Op.READ, Op.READ]
    assert descent_data(trace, file="a").steps == [Step(Layer.POSIX, Op.WRITE, 1, 7)]
    early = descent_data(trace, window=(0, 95e-6))
    assert [step.layer for step in early.steps] == [Layer.APP, Layer.POSIX]


def test_romio_names_a_file_with_its_driver():
    made = Layered(files=("/s/a", "ufs:/s/a", "/s/log"))
    made.add(Layer.APP, Op.WRITE, 0, 0, 10, 0, 100, file=0)
    made.add(Layer.MPIIO, Op.WRITE, 0, 1, 9, 0, 100, file=1)
    data = descent_data(made.trace())
    assert data.layers == [Layer.APP, Layer.MPIIO]


def test_a_foreign_program_is_shown_whole():
    made = Layered()
    for op in (Op.WRITE, Op.READ):
        made.add(Layer.POSIX, op, 0, 10 * op, 10 * op + 5, 1 << 20, 100)
    data = descent_data(made.trace())
    assert descent_finding(data).startswith("1 read of 100 bytes and 1 write of 100 bytes")
    assert data.axis.low == 1 << 20
    assert "application" in data.absent
    assert [step.op for step in descent_data(made.trace(), op="read").steps] == [Op.READ]


def test_reads_for_writes_are_part_of_writing_also_of_a_foreign_program():
    made = Layered()
    call = made.add(Layer.MPIIO, Op.WRITE, 0, 0, 10, 0, 100)
    made.add(Layer.POSIX, Op.READ, 0, 1, 2, 0, 200, call)
    made.add(Layer.POSIX, Op.WRITE, 0, 3, 4, 0, 200, call)
    made.add(Layer.POSIX, Op.READ, 0, 20, 30, 0, 100)
    kinds = [(s.op, s.for_write) for s in descent_data(made.trace(), op="write").steps]
    assert kinds == [(Op.WRITE, False), (Op.READ, True), (Op.WRITE, False)]
    assert [s.bytes for s in descent_data(made.trace(), op="read").steps] == [100]


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 99_000), st.integers(0, 5000)), min_size=1
    )
)
def test_cells_leave_nothing_out(touches):
    rank, low, length = np.array(touches, np.int64).T
    ranks, axis = np.unique(rank), lanes.Axis("offset", 0, int((low + length).max()) or 1)
    op = np.full(len(rank), Op.WRITE)
    found = lanes._touched([(low, low + length, rank, op)], ranks, axis)
    expected = np.zeros((lanes.ROWS, lanes.COLUMNS), bool)
    for row, first, size in zip(lanes.row_of(ranks, rank), low, length, strict=True):
        last = max(first, first + size - 1)
        cells = [min(n * lanes.COLUMNS // axis.high, lanes.COLUMNS - 1) for n in (first, last)]
        expected[row, cells[0] : cells[1] + 1] = True
    drawn = np.zeros_like(expected)
    edges = (np.rint(edge * lanes.COLUMNS / axis.high).astype(int) for edge in found[:2])
    for row, first, after in zip(lanes.row_of(ranks, found[2]), *edges, strict=True):
        assert not drawn[row, first:after].any()
        drawn[row, first:after] = True
    assert (drawn == expected).all()


def test_many_transfers_become_few_rectangles():
    data = descent_data(many())
    for shown in data.lanes:
        assert not shown.exact
        assert shown.rows == lanes.ROWS
        assert len(shown.shapes.low) <= lanes.ROWS * lanes.COLUMNS
    assert data.steps[0].operations == 100_000


# Words.


@pytest.mark.parametrize(
    ("trace", "finding"),
    [
        (independent(), "16 writes of 4 KiB became as many system calls"),
        (collective(), "4 writes of 16 KiB became 1 system call on rank 0"),
        (collective(aggregators=2), "4 writes of 16 KiB became 2 system calls on 2 ranks"),
        (
            sieved(),
            "4 writes of 16 KiB became 8 system calls with 6.50 times the bytes: "
            "holes are read and written back",
        ),
        (Layered().trace(), "Nothing was transferred"),
    ],
)
def test_the_title_is_the_finding(trace, finding):
    data = descent_data(trace)
    assert descent_finding(data) == finding
    assert plot_descent(data).get_suptitle().replace("\n", " ") == finding


def test_the_text_counts_every_layer_and_names_the_aggregators():
    text = descent_alt(descent_data(collective(aggregators=2)))
    assert "MPI-IO: 4 collective writes, 64 KiB" in text
    assert "system calls: 2 pwrites, 64 KiB" in text
    assert "4 calls, 64 KiB → 2 calls, 64 KiB: ×0.5 operations, ×1.00 bytes" in text
    assert "Aggregators: ranks 0, 1." in text


def test_what_was_not_captured_is_said():
    made = Layered(workload={"api": "HDF5"}, capture={"why": "no library"})
    made.add(Layer.APP, Op.WRITE, 0, 0, 1, 0, 100)
    data = descent_data(made.trace())
    assert descent_finding(data) == "1 write of 100 bytes; nothing below was captured"
    assert list(data.absent) == ["HDF5", "MPI-IO", "system calls", "block requests"]
    assert "system calls (no library)" in descent_alt(data)


@pytest.mark.parametrize("options", [{"by": "rank"}, {"file": "nothing"}])
def test_mistakes_are_one_line(options):
    made = Layered(files=("/s/a", "/s/b"))
    made.add(Layer.APP, Op.WRITE, 0, 0, 1, 0, 100)
    with pytest.raises(UsageError, match=r"axis of the descent|no file 'nothing'"):
        descent_data(made.trace(), **options)


# Drawing.


@pytest.mark.parametrize("by", ["offset", "time"])
@pytest.mark.parametrize("trace", [collective(aggregators=2), sieved(), many(n=9000)])
def test_it_is_drawn_by_offset_and_by_time(trace, by):
    figure = plot_descent(trace, by=by, style=Style(projector=by == "time"))
    assert figure_png(figure).startswith(b"\x89PNG")
    assert figure.get_suptitle()
