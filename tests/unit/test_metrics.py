"""Numbers from a trace, each worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from piotutor import metrics
from piotutor.trace import RECORD, Flag, Layer, Op, Phase, Trace, pack_aux

MS = 1_000_000


def record(op, start, end, **fields):
    row = np.zeros(1, RECORD)
    for name in ("offset", "thread", "file", "target", "parent"):
        row[name] = -1
    row["layer"], row["op"], row["start"], row["end"] = Layer.APP, op, start * MS, end * MS
    for name, value in fields.items():
        row[name] = value
    if "length" in fields and "result" not in fields:
        row["result"] = row["length"]
    return row


def trace_of(*rows):
    return Trace.from_records(np.concatenate([np.empty(0, RECORD), *rows]))


def write(start, end, length=1000, **fields):
    return record(Op.WRITE, start, end, length=length, **{"offset": 0} | fields)


READING = pack_aux(0, Phase.READ)


def test_a_phase_lasts_from_the_first_open_to_the_last_close():
    trace = trace_of(
        record(Op.BARRIER, 0, 10),
        record(Op.OPEN, 10, 11),
        record(Op.OPEN, 12, 13, rank=1),
        write(14, 16),
        write(14, 18, length=3000, rank=1),
        record(Op.SYNC, 18, 40),
        record(Op.CLOSE, 40, 42),
        record(Op.CLOSE, 20, 60, rank=1),
        record(Op.BARRIER, 60, 90),
    )
    (phase,) = metrics.phases(trace)
    assert (phase.op, phase.repetition, phase.bytes, phase.operations) == ("write", 0, 4000, 2)
    assert (phase.seconds, phase.bandwidth) == (0.050, 80_000)
    assert (phase.start, phase.end) == (10 * MS, 60 * MS)
    assert phase.latency == metrics.Latency(0.002, 0.004, 0.004, 0.004, 0.003)
    assert set(phase.to_dict()) == {
        *("op", "repetition", "bytes", "operations", "seconds", "bandwidth", "latency")
    }
    assert phase.to_dict()["latency"]["p95"] == 0.004


def test_without_opens_and_closes_a_phase_lasts_over_its_transfers():
    (phase,) = metrics.phases(trace_of(write(5, 7), write(9, 15)))
    assert phase.seconds == 0.010


def test_phases_come_in_order_and_verification_is_none():
    trace = trace_of(
        *(
            record(op, 10 * rep + phase, 10 * rep + phase + 1, length=7, aux=pack_aux(rep, phase))
            for rep in (1, 0)
            for phase, op in (
                (Phase.VERIFY_READ, Op.READ),
                (Phase.READ, Op.READ),
                (Phase.WRITE, Op.WRITE),
                (Phase.VERIFY_WRITE, Op.READ),
            )
        )
    )
    found = [(phase.op, phase.repetition, phase.bytes) for phase in metrics.phases(trace)]
    assert found == [("write", 0, 7), ("read", 0, 7), ("write", 1, 7), ("read", 1, 7)]


def test_parts_failures_and_short_transfers():
    trace = trace_of(
        write(0, 1, length=100),
        write(0, 1, length=60, flags=Flag.PART, parent=0),
        write(0, 1, length=40, flags=Flag.PART, parent=0),
        write(1, 2, length=100, result=-28, flags=Flag.FAILED),
        write(2, 3, length=100, result=30, flags=Flag.SHORT),
    )
    (phase,) = metrics.phases(trace)
    assert (phase.operations, phase.bytes) == (3, 130)
    assert metrics.layers(trace) == {"app": {"write": {"operations": 3, "bytes": 130}}}
    assert metrics.unaligned_share(trace, 100) == 0


def test_a_phase_in_which_nothing_moved():
    (phase,) = metrics.phases(trace_of(record(Op.OPEN, 0, 1), record(Op.CLOSE, 1, 2)))
    assert (phase.bytes, phase.operations, phase.bandwidth, phase.latency) == (0, 0, 0.0, None)
    (phase,) = metrics.phases(trace_of(record(Op.BARRIER, 3, 4)))
    assert (phase.seconds, phase.bandwidth) == (0.0, 0.0)


def test_an_empty_trace_has_no_numbers_and_no_error():
    trace = trace_of()
    assert (metrics.phases(trace), metrics.layers(trace), metrics.targets(trace)) == ([], {}, [])
    assert metrics.latency(trace) is metrics.imbalance(trace) is None
    assert metrics.unaligned_share(trace, 4096) == 0.0


def test_layers_count_operations_and_bytes_without_samples():
    trace = trace_of(
        record(Op.OPEN, 0, 1, result=3),
        write(1, 2, length=10),
        write(1, 2, length=30, layer=Layer.POSIX),
        record(Op.READ, 1, 2, length=5, layer=Layer.POSIX),
        record(Op.SAMPLE, 1, 1, length=999, layer=Layer.DEVICE),
    )
    assert metrics.layers(trace) == {
        "app": {
            "open": {"operations": 1, "bytes": 0},
            "write": {"operations": 1, "bytes": 10},
        },
        "posix": {
            "read": {"operations": 1, "bytes": 5},
            "write": {"operations": 1, "bytes": 30},
        },
    }


def test_targets_are_those_of_the_lowest_layer_that_names_any():
    trace = trace_of(
        write(0, 1, length=50, target=9),
        *(write(0, 1, length=10, target=t, layer=Layer.SERVER) for t in (2, 0, 2)),
    )
    assert metrics.targets(trace) == [
        {"target": 0, "operations": 1, "bytes": 10},
        {"target": 2, "operations": 2, "bytes": 20},
    ]


@pytest.mark.parametrize(
    ("extent", "aligned"),
    [((0, 4096), True), ((4096, 8192), True), ((1, 4096), False), ((0, 47008), False)],
)
def test_a_transfer_is_aligned_when_both_its_edges_are(extent, aligned):
    trace = trace_of(write(0, 1, offset=extent[0], length=extent[1]))
    assert metrics.unaligned_share(trace, 4096) == (0.0 if aligned else 1.0)


def test_imbalance_is_the_largest_over_the_mean():
    trace = trace_of(
        *(write(0, 1 + 3 * (rank == 2), length=100, rank=rank) for rank in range(4)),
        write(5, 6, length=200, rank=1),
    )
    found = metrics.imbalance(trace)
    assert (found.bytes, found.seconds, found.slowest) == (300 / 150, 4 / 2, 2)


def test_quantiles_are_durations_that_occurred():
    trace = trace_of(*(write(0, ms) for ms in range(1, 101)))
    found = metrics.latency(trace, Op.WRITE)
    assert (found.p50, found.p95, found.p99, found.max) == (0.050, 0.095, 0.099, 0.100)
    assert found.mean == pytest.approx(0.0505)


def test_durations_that_a_tracer_inflated_are_no_latency():
    trace = trace_of(write(0, 1), write(0, 100, flags=Flag.INFLATED))
    assert metrics.latency(trace).max == 0.001


def test_sums_stay_exact_above_two_to_the_53():
    trace = trace_of(*(write(0, 1, length=2**53 + 1, target=1, rank=r) for r in range(3)))
    assert metrics.targets(trace)[0]["bytes"] == 3 * (2**53 + 1)
    assert metrics.phases(trace)[0].bytes == 3 * (2**53 + 1)


def test_reads_are_told_from_writes():
    trace = trace_of(write(0, 1), record(Op.READ, 2, 9, length=5, offset=0, aux=READING))
    assert metrics.latency(trace, Op.READ).max == 0.007
    assert metrics.unaligned_share(trace, 5, Op.READ) == 0.0


def test_dropped_is_that_of_the_trace():
    assert metrics.dropped(Trace.from_records(np.empty(0, RECORD), dropped=4)) == 4


def below(op, start, end, **fields):
    return record(op, start, end, **{"layer": Layer.POSIX, "file": 0} | fields)


def test_the_top_layer_is_the_highest_that_moved_bytes():
    opened = record(Op.OPEN, 0, 1)  # by an application that then moved nothing
    posix = below(Op.WRITE, 2, 3, offset=0, length=5)
    sample = below(Op.SAMPLE, 0, 0)
    mpiio = below(Op.READ, 1, 4, offset=0, length=5, layer=Layer.MPIIO)
    assert metrics.top_layer(trace_of(opened, posix, sample)) == Layer.POSIX
    assert metrics.top_layer(trace_of(posix, mpiio)) == Layer.MPIIO
    assert metrics.top_layer(trace_of(posix, mpiio, write(0, 1))) == Layer.APP
    assert metrics.top_layer(trace_of()) == metrics.top_layer(trace_of(sample)) == Layer.APP
    assert metrics.transfers(trace_of(posix, mpiio)).tolist() == [True, False]


def test_phases_of_a_program_without_an_application():
    """From the open before to the close after the transfers of one kind, over all ranks."""
    trace = trace_of(
        below(Op.OPEN, 0, 1, file=7),  # another file
        below(Op.OPEN, 2, 3),
        below(Op.OPEN, 3, 4, rank=1),
        below(Op.WRITE, 5, 6, offset=0, length=10),
        below(Op.WRITE, 5, 9, offset=10, length=20, rank=1),
        below(Op.WRITE, 6, 7, offset=0, length=5, flags=Flag.PART),
        below(Op.CLOSE, 10, 11),
        below(Op.CLOSE, 11, 14, rank=1),
        below(Op.OPEN, 20, 21),
        below(Op.READ, 22, 23, offset=0, length=30),
        below(Op.CLOSE, 24, 25),
        below(Op.CLOSE, 30, 31, file=7),
    )
    written, read = metrics.phases(trace)
    assert (written.op, written.bytes, written.operations) == ("write", 30, 2)
    assert (written.start, written.end) == (2 * MS, 14 * MS)
    assert (read.op, read.bytes, read.operations) == ("read", 30, 1)
    assert (read.start, read.end) == (20 * MS, 25 * MS)
    assert read.latency.max == 0.001


def test_phases_of_what_strace_saw_have_no_latency():
    trace = trace_of(below(Op.WRITE, 0, 5, offset=0, length=10, flags=Flag.INFLATED))
    (phase,) = metrics.phases(trace)
    assert (phase.latency, phase.operations, phase.seconds) == (None, 1, 0.005)
