"""Ranks on several hosts share one clock: that of rank 0, to within what the readings say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piotutor.badge import badge
from piotutor.trace import HEADER, Follower, Layer, Op, Trace, TraceError, TraceWriter, clocks
from piotutor.trace.clocks import Clock, Clocks, Reading, read_clock

HOUR = 3_600_000_000_000


class Far:
    """A host whose clock began at another time and runs at another speed (parts per million)."""

    def __init__(self, offset, drift):
        self.offset, self.drift = offset, drift

    def shows(self, time):
        return time + self.offset + time * self.drift // 1_000_000

    def trip(self, asked, out, back):
        return asked, self.shows(asked + out), asked + out + back


delays = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6))
hosts = st.builds(Far, st.integers(-10 * HOUR, 10 * HOUR), st.integers(-100, 100))


@given(far=hosts, ways=st.lists(delays, min_size=1, max_size=20), start=st.integers(0, HOUR))
def test_a_reading_is_right_to_within_its_uncertainty(far, ways, start):
    rounds = [far.trip(start + 2_000_000 * i, *way) for i, way in enumerate(ways)]
    reading = read_clock(rounds)
    asked, _, returned = min(rounds, key=lambda trip: trip[2] - trip[0])
    truths = {far.shows(time) - time for time in (asked, returned)}
    assert reading.uncertainty <= (min(map(sum, ways)) + 1) // 2
    slack = reading.uncertainty + 1 + abs(far.drift)  # the clock moves on during the trip
    assert all(abs(reading.offset - truth) <= slack for truth in truths)


@given(
    far=hosts,
    ways=st.lists(delays, min_size=2, max_size=2),
    sent=st.lists(st.integers(0, HOUR), min_size=1, max_size=20),
    way=st.integers(0, 10**6),
)
def test_no_message_arrives_before_it_was_sent(far, ways, sent, way):
    readings = [read_clock([far.trip(time, *w)]) for time, w in zip((0, HOUR), ways, strict=True)]
    clock = Clock("far", tuple(readings))
    slack = clock.uncertainty + 200  # 100 ppm of a trip of 1 ms at either end, and rounding
    left = np.array([far.shows(time) for time in sent], np.int64)
    arrived = np.array([far.shows(time + way) for time in sent], np.int64)
    assert (np.array(sent) + way >= left - clock.offsets(left) - slack).all()  # far to near
    assert (arrived - clock.offsets(arrived) >= np.array(sent) - slack).all()  # near to far


def test_the_shortest_round_trip_counts():
    assert read_clock([(0, 1500, 1000), (2000, 3010, 2020), (4000, 5900, 4900)]) == Reading(
        at=3010, offset=1000, uncertainty=10
    )


def test_between_two_readings_the_offset_moves_on_a_line_and_outside_it_stays():
    clock = Clock("b", (Reading(HOUR, -500, 7), Reading(HOUR + 1000, -300, 9)))
    times = np.array([0, HOUR, HOUR + 500, HOUR + 1000, 2 * HOUR], np.int64)
    assert clock.offsets(times).tolist() == [-500, -500, -400, -300, -300]
    assert clock.to_dict() == {
        "host": "b",
        "offset_ns": -500,
        "uncertainty_ns": 9,
        "drift_ns": 200,
    }


def test_hosts_are_numbered_as_their_ranks_come():
    found = Clocks.of_hosts(["b", "a", "b", "c"])
    assert found.ranks == (0, 1, 0, 2)
    assert [clock.host for clock in found.clients] == ["b", "a", "c"]


def test_readings_come_back_from_their_file(tmp_path):
    found = Clocks.of_hosts(["a", "b"], 17).read({1: Reading(1, 2, 3)}).read({1: Reading(4, 5, 6)})
    found.write(tmp_path)
    assert clocks.load(tmp_path) == found
    assert clocks.load(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 2}', '{"format": 1, "ranks": [1], "booted": 0, "clients": []}'],
)
def test_damaged_clocks_are_an_error_that_names_the_file(tmp_path, text):
    write(tmp_path, rank=0, booted=0, start=1)
    (tmp_path / clocks.FILE).write_text(text)
    with pytest.raises(TraceError, match=r"clocks\.json"):
        Trace.load(tmp_path)
    assert "clocks.json" in Trace.load(tmp_path, salvage=True).meta["damage"][0]


def write(directory, *, rank, booted, start):
    """Write a trace of one record, by a clock that began at `booted`."""
    path = directory / f"{rank}.piot"
    with TraceWriter(path, rank=rank) as trace:
        trace.append(layer=Layer.APP, op=Op.WRITE, start=start, end=start + 10)
    set_clock(path, booted)


def set_clock(path, booted):
    """Have a trace file say that its clock began at `booted`."""
    with path.open("r+b") as stream:
        header = np.frombuffer(stream.read(HEADER.itemsize), HEADER).copy()
        header["wall"], header["monotonic"] = booted + 5, 5
        stream.seek(0)
        stream.write(header.tobytes())


@pytest.fixture
def trace_dir(tmp_path):
    """Two ranks on two hosts and a sampler on a third, who all record the same moment."""
    write(tmp_path, rank=0, booted=0, start=1000)
    write(tmp_path, rank=1, booted=HOUR, start=1000 + 700)
    write(tmp_path, rank=-1, booted=-HOUR, start=1000 + HOUR)
    Clocks.of_hosts(["a", "b"]).read({1: Reading(1700, 700, 20)}).write(tmp_path)
    return tmp_path


def test_a_trace_of_several_hosts_is_on_one_clock(trace_dir):
    trace = Trace.load(trace_dir)
    assert trace.records["start"].tolist() == [1000, 1000, 1000]
    assert trace.records["end"].tolist() == [1010, 1010, 1010]
    assert {int(r["rank"]): int(r["client"]) for r in trace.records} == {0: 0, 1: 1, -1: 0}
    assert trace.meta["clocks"]["1"]["uncertainty_ns"] == 20
    copy = trace_dir / "copy.trace"
    trace.save(copy)
    assert Trace.load(copy).records["start"].tolist() == [1000, 1000, 1000]


def test_files_keep_what_their_hosts_wrote(trace_dir):
    before = {path: path.read_bytes() for path in trace_dir.glob("*.piot")}
    Trace.load(trace_dir)
    assert before == {path: path.read_bytes() for path in before}


def test_live_records_are_on_one_clock_too(trace_dir):
    told = (trace_dir / clocks.FILE).read_text()
    (trace_dir / clocks.FILE).unlink()
    follower = Follower(trace_dir, several=True)
    assert not len(follower.poll())  # not before the clocks are known
    (trace_dir / clocks.FILE).write_text(told)
    assert follower.poll()["start"].tolist() == [1000, 1000, 1000]


def test_a_last_poll_waits_for_no_clock(trace_dir):
    (trace_dir / clocks.FILE).unlink()
    assert len(Follower(trace_dir, several=True).poll(everything=True)) == 3


def write_below(directory, *, rank, host, booted, start):
    """Write what the interposer would: it says on which host it is."""
    path = directory / f"below-{rank:05d}-7.piot"
    with TraceWriter(path, rank=rank, writer="interposer", notes={"host": host}) as trace:
        trace.append(layer=Layer.POSIX, op=Op.WRITE, start=start, end=start + 10)
    set_clock(path, booted)


def test_programs_on_several_hosts_go_by_the_clocks_of_the_day(tmp_path):
    for rank, host, booted in ((0, "b", HOUR), (1, "a", 0), (3, "b", HOUR)):
        write_below(tmp_path, rank=rank, host=host, booted=booted, start=2 * HOUR - booted)
    trace = Trace.load(tmp_path)
    assert trace.records["start"].tolist() == [HOUR] * 3
    assert {int(r["rank"]): int(r["client"]) for r in trace.records} == {0: 0, 1: 1, 3: 0}
    assert trace.meta["clocks"]["1"]["host"] == "a"
    assert trace.meta["clocks"]["1"]["uncertainty_ns"] is None
    assert "host" not in trace.meta
    assert badge("measured", {"clocks": trace.meta["clocks"]}, 3).endswith("clocks not compared")


def test_programs_on_one_host_have_one_clock(tmp_path):
    for rank in range(2):
        write_below(tmp_path, rank=rank, host="a", booted=0, start=rank)
    assert "clocks" not in Trace.load(tmp_path).meta
