"""Verdicts on made-up traces: found, not found, at the threshold, and what can't be told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layered import Layered, collective, independent, sieved

import piotutor as pio
from piotutor.diagnosis import JUDGES, Thresholds, seen, table
from piotutor.diagnosis.thresholds import DRISHTI
from piotutor.errors import UsageError
from piotutor.trace import RECORD, Flag, Layer, Op, Trace

MIB = 1 << 20


def verdict(name, trace, **thresholds):
    found = pio.verdicts(trace, **thresholds)[name]
    assert found.found is not None or found.text.startswith("can't tell: ")
    assert bool(found.advice) == (found.found is True)
    return found


def requests(offsets, sizes=4096, op=Op.WRITE, ranks=0, files=0, layer=Layer.POSIX, **fields):
    """Make a trace of requests, one after the other."""
    n = len(offsets)
    records = np.zeros(n, RECORD)
    records["layer"], records["op"], records["rank"], records["file"] = layer, op, ranks, files
    records["offset"], records["length"], records["result"] = offsets, sizes, sizes
    records["start"] = np.arange(n) * 100
    records["end"], records["parent"] = records["start"] + 50, -1
    for name, value in fields.items():
        records[name] = value
    return Trace(records, ["/s/a", "/s/b", "/s/c", "/s/d"])


def mixed(small, large, **fields):
    sizes = np.array([MIB - 1] * small + [MIB] * large)
    return requests(np.cumsum(sizes) - sizes, sizes, **fields)


class TestSmall:
    @pytest.mark.parametrize(
        ("small", "large", "found"),
        [(1001, 0, True), (1000, 0, False), (1001, 9009, False), (1001, 9008, True)],
    )
    def test_more_than_a_thousand_and_more_than_a_tenth(self, small, large, found):
        got = verdict("small", mixed(small, large))
        assert got.found is found
        assert got.evidence["write"]["count"] == small
        assert got.evidence["write"]["of"] == small + large
        assert got.evidence["write"]["bytes"] == small * (MIB - 1)
        assert got.evidence["layer"] == "posix"

    def test_reads_and_writes_are_judged_apart(self):
        op = np.array([Op.READ] * 2000 + [Op.WRITE] * 1)
        got = verdict("small", requests(np.arange(2001) * 4096, op=op))
        assert got.found
        assert "2,000 of 2,000 reads (100%)" in got.text
        assert "writes" not in got.text

    def test_the_three_worst_files_are_named(self):
        files = np.repeat([3, 1, 0, 2], [500, 400, 300, 200])
        got = verdict("small", requests(np.arange(1400) * 4096, files=files))
        worst = [{"file": f"/s/{n}", "count": k} for n, k in (("d", 500), ("b", 400), ("a", 300))]
        assert got.evidence["worst"] == worst
        assert got.worst[0] == "file /s/d, count 500"

    def test_what_reaches_the_system_counts_not_what_was_asked_for(self):
        trace = collective(ranks=4, n=600, size=4096)
        assert verdict("small", trace, small_count=0, small_bytes=2 * MIB).found is False
        assert verdict("small", independent(n=600)).found

    def test_extents_are_no_requests(self):
        parts = requests(np.arange(2000) * 4096, flags=int(Flag.PART))
        assert verdict("small", parts).found is None

    def test_nothing_recorded_can_not_be_told(self):
        assert verdict("small", Trace(np.zeros(0, RECORD))).found is None


class TestMisaligned:
    @pytest.mark.parametrize(("inside", "of", "found"), [(1, 10, False), (11, 100, True)])
    def test_more_than_a_tenth_begin_inside_a_page(self, inside, of, found):
        offsets = np.arange(of) * 4096
        offsets[:inside] += 1
        got = verdict("misaligned", requests(offsets))
        assert got.found is found
        assert got.evidence["write"]["count"] == inside
        assert got.evidence["unit"] == {"name": "page", "bytes": 4096}

    def test_a_stripe_that_is_known_counts(self):
        trace = requests(np.arange(100) * 4096)
        trace.meta["environment"] = {"stripe_size": 65536}
        got = verdict("misaligned", trace)
        assert got.found
        assert got.evidence["write"]["count"] == 93
        assert "a stripe of 64 KiB" in got.text

    def test_without_offsets_it_can_not_be_told(self):
        got = verdict("misaligned", requests(np.full(10, -1)))
        assert got.text == "can't tell: no offsets were recorded"


def backwards(back, forth):
    """Make one rank's offsets: `back` of them go back, the others go on; the first goes on."""
    offsets = [0]
    for n in range(back + forth - 1):
        offsets.append(0 if n < back else offsets[-1] + 4096)
    return np.array(offsets)


class TestRandom:
    @pytest.mark.parametrize(
        ("back", "forth", "found"),
        [(1001, 4003, True), (1001, 4004, False), (1000, 1, False), (1001, 1, True)],
    )
    def test_more_than_a_thousand_and_more_than_a_fifth_go_back(self, back, forth, found):
        got = verdict("random", requests(backwards(back, forth)))
        assert got.evidence["write"]["count"] == back
        assert got.found is found

    def test_each_rank_file_and_kind_goes_its_own_way(self):
        way = np.arange(8) // 4 * 4096  # four ways, two requests each
        trace = requests(
            way[[0, 1, 2, 3, 4, 5, 6, 7]],
            op=np.tile([Op.READ, Op.WRITE, Op.READ, Op.WRITE], 2),
            ranks=np.tile([0, 0, 1, 1], 2),
            files=np.tile([0, 0, 1, 1], 2),
        )
        evidence = verdict("random", trace).evidence
        assert evidence["read"]["count"] == evidence["write"]["count"] == 0

    def test_gaps_forward_are_no_going_back_but_overlaps_are(self):
        assert verdict("random", requests([0, 8192, 12288])).evidence["write"]["count"] == 0
        assert verdict("random", requests([0, 4095])).evidence["write"]["count"] == 1

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 9)), min_size=1))
    def test_by_brute_force(self, rows):
        ranks, files, offsets = zip(*rows, strict=True)
        end, back = {}, 0
        for rank, file, offset in rows:
            back += offset < end.get((rank, file), 0)
            end[rank, file] = offset + 3
        trace = requests(list(offsets), 3, ranks=list(ranks), files=list(files))
        assert verdict("random", trace).evidence["write"]["count"] == back


class TestRedundant:
    def test_the_same_rank_twice(self):
        got = verdict("redundant", requests([0, 0, 4096], op=Op.READ))
        assert got.evidence["read"] == {
            "bytes": 12288,
            "same_rank": 4096,
            "other_ranks": 0,
            "share": 1 / 3,
        }
        assert got.found
        assert "chunk cache" in got.advice

    def test_all_ranks_the_same(self):
        got = verdict("redundant", requests([0] * 4, op=Op.READ, ranks=np.arange(4)))
        assert got.evidence["read"]["other_ranks"] == 3 * 4096
        assert got.evidence["worst"] == [{"file": "/s/a", "bytes": 3 * 4096}]
        assert "MPI_Bcast" in got.advice

    def test_a_tenth_is_not_too_much(self):
        offsets = [*range(9), 0]
        assert verdict("redundant", requests(offsets, 1, op=Op.READ)).found is False
        assert verdict("redundant", requests([*offsets, 0], 1, op=Op.READ)).found

    def test_what_fills_the_holes_of_writes_is_no_reading(self):
        got = verdict("redundant", sieved())
        assert got.found is False
        assert got.text == "nothing was read but to fill the holes of writes"

    def test_a_file_that_is_written_anew_is_read_anew(self):
        ops = [Op.WRITE, Op.READ, Op.WRITE, Op.READ]
        assert verdict("redundant", requests([0] * 4, op=ops)).evidence["read"]["share"] == 0
        other = requests([0] * 4, op=ops, files=[0, 1, 0, 1])
        assert verdict("redundant", other).evidence["read"]["same_rank"] == 4096

    def test_reads_that_got_nothing_read_nothing(self):
        got = verdict("redundant", requests([0, 0], op=Op.READ, result=[4096, 0]))
        assert got.evidence["read"]["bytes"] == 4096
        assert got.found is False

    @given(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 30), st.integers(1, 9)),
            min_size=1,
        )
    )
    def test_by_brute_force(self, rows):
        mine, ours, total = set(), set(), 0
        for rank, file, offset, size in rows:
            bytes_ = range(offset, offset + size)
            mine |= {(rank, file, byte) for byte in bytes_}
            ours |= {(file, byte) for byte in bytes_}
            total += size
        ranks, files, offsets, sizes = (list(column) for column in zip(*rows, strict=True))
        trace = requests(offsets, sizes, op=Op.READ, ranks=ranks, files=files)
        read = verdict("redundant", trace).evidence["read"]
        assert read["same_rank"] == total - len(mine)
        assert read["other_ranks"] == len(mine) - len(ours)


class TestImbalanced:
    def share(self, slow, fast, rest=0):
        took = np.array([90, 10, 50])
        trace = requests([0, 0, 0], [slow, fast, rest], ranks=np.arange(3))
        trace = Trace(trace.records.copy(), trace.files)
        records = trace.records.copy()
        records["end"] = records["start"] + took
        return verdict("imbalanced", Trace(records, trace.files))

    def test_slowest_and_fastest_of_a_shared_file(self):
        got = self.share(slow=60, fast=20, rest=20)
        assert got.found
        assert got.evidence["worst"][0] == {
            "file": "/s/a",
            "slowest": 0,
            "slowest_bytes": 60,
            "fastest": 1,
            "fastest_bytes": 20,
            "share": 0.4,
        }

    def test_at_the_threshold_it_is_not_found(self):
        assert self.share(slow=30, fast=15, rest=55).found is False
        assert self.share(slow=31, fast=15, rest=54).found

    def test_a_file_of_ones_own_is_nobodys_straggler(self):
        trace = requests([0, 0], [10, 1000], ranks=[0, 1], files=[0, 1])
        assert verdict("imbalanced", trace).text == "no file is shared by several ranks"

    def test_an_aggregator_is_no_straggler(self):
        """What counts is what the ranks asked for, not who moved it."""
        assert verdict("imbalanced", collective()).found is False


def opened(seconds, *, ranks=1, **fields):
    made = Layered()
    for rank in range(ranks):
        made.add(Layer.POSIX, Op.OPEN, rank, 0, int(seconds * 1e6), **fields)
        made.add(Layer.POSIX, Op.CLOSE, rank, 0, 0)
    return made.trace()


class TestMetadata:
    @pytest.mark.parametrize(("seconds", "found"), [(30, False), (30.000001, True)])
    def test_more_than_thirty_seconds_of_a_rank(self, seconds, found):
        got = verdict("metadata", opened(seconds, ranks=2))
        assert got.found is found
        assert got.evidence["operations"] == {"open": 2, "close": 2}
        assert got.evidence["worst"][0] == {"rank": 0, "seconds": seconds, "operations": 2}

    def test_durations_that_strace_made_longer_can_not_tell(self):
        got = verdict("metadata", opened(99, flags=Flag.INFLATED))
        assert got.found is None
        assert got.evidence["operations"] == {"open": 1, "close": 1}

    def test_no_opens_can_not_tell(self):
        assert verdict("metadata", requests([0])).found is None


class TestIndependent:
    def test_many_small_interleaved_ones(self):
        got = verdict("independent", independent(ranks=4, n=251))
        assert got.found
        assert got.evidence["independent"] == {"count": 1004, "of": 1004, "share": 1.0}
        assert got.evidence["interleaved_share"] == 1.0

    def test_a_thousand_are_not_many(self):
        assert verdict("independent", independent(ranks=4, n=250)).found is False
        assert verdict("independent", independent(ranks=4, n=250), independent_count=999).found

    def test_pieces_of_strided_calls_count(self):
        got = verdict("independent", sieved(ranks=4, n=300))
        assert got.evidence["small_shared"]["count"] == 1200
        assert got.found

    def test_ranks_that_keep_apart_are_let_be(self):
        offsets = np.arange(2000) * 4096
        trace = requests(offsets, ranks=np.arange(2000) // 1000, layer=Layer.MPIIO)
        got = verdict("independent", trace)
        assert got.evidence["interleaved_share"] == 1 / 1999
        assert got.found is False

    def test_files_of_their_own_are_let_be(self):
        ranks = np.arange(4000) % 4
        trace = requests(np.arange(4000) * 4096, ranks=ranks, files=ranks, layer=Layer.MPIIO)
        assert verdict("independent", trace).evidence["small_shared"]["count"] == 0

    def test_half_collective_is_enough(self):
        n = np.arange(4000)
        for alone, found in ((2000, False), (2001, True)):
            flags = np.where(n < alone, 0, int(Flag.COLLECTIVE))
            trace = requests(n * 4096, ranks=n % 4, flags=flags, layer=Layer.MPIIO)
            assert verdict("independent", trace).found is found

    def test_collective_ones_are_let_be(self):
        assert verdict("independent", collective(n=400)).text == (
            "every MPI-IO transfer was collective"
        )

    def test_without_mpi_io_it_can_not_be_told(self):
        got = verdict("independent", requests([0]))
        assert got.text == "can't tell: no MPI-IO calls were recorded"


def broken_up(calls, pieces, size=4096, flags=Flag.COLLECTIVE):
    made = Layered()
    for rank in range(calls):
        outer = made.add(Layer.MPIIO, Op.WRITE, rank, 0, 10**6, 0, pieces * size, flags=flags)
        for n in range(pieces):
            made.add(Layer.POSIX, Op.WRITE, rank, 10 + n, 11 + n, n * size, size, outer)
    return made.trace()


class TestSplit:
    @pytest.mark.parametrize(
        ("calls", "pieces", "found"), [(1, 1001, True), (1, 1000, False), (1001, 1, False)]
    )
    def test_more_system_calls_than_a_thousand_and_than_calls(self, calls, pieces, found):
        got = verdict("split", broken_up(calls, pieces))
        assert got.found is found
        assert got.evidence["collective_calls"] == calls
        assert got.evidence["write"]["count"] == calls * pieces

    def test_what_independent_calls_become_is_no_split(self):
        assert verdict("split", broken_up(1, 1001, flags=0)).text == "no MPI-IO call was collective"

    def test_large_ones_are_let_be(self):
        assert verdict("split", broken_up(1, 1001, size=MIB)).found is False

    def test_without_system_calls_it_can_not_be_told(self):
        trace = requests([0], layer=Layer.MPIIO, flags=int(Flag.COLLECTIVE))
        assert verdict("split", trace).text == "can't tell: no system calls were recorded"


def hdf5(*modes, asked=True):
    """Make HDF5 writes of actual modes and causes."""
    aux = [mode | cause << 8 | cause << 32 for mode, cause in modes]
    flags = int(Flag.COLLECTIVE) if asked else 0
    return requests([0] * len(aux), layer=Layer.HDF5, aux=aux, flags=flags)


class TestRefused:
    def test_one_is_enough_and_its_cause_is_told(self):
        got = verdict("refused", hdf5((4, 0), (0, 2)))
        assert got.found
        assert got.text == (
            "1 of 2 collective HDF5 transfers went independently: a conversion of the data type"
        )
        assert got.evidence["causes"] == {"a conversion of the data type": 1}

    def test_chunks_moved_independently_count(self):
        assert verdict("refused", hdf5((1, 0))).found
        assert verdict("refused", hdf5((2, 0), (3, 0), (4, 0))).found is False

    def test_what_was_not_asked_for_is_not_refused(self):
        assert verdict("refused", hdf5((0, 1), asked=False)).found is False

    def test_an_hdf5_that_does_not_say_can_not_tell(self):
        assert verdict("refused", hdf5((0, 0))).found is None
        assert verdict("refused", requests([0])).found is None


def test_thresholds_stand_once_with_their_sources():
    lines = {line.name: line for line in table()}
    assert lines["small_bytes"].value == MIB
    drishti = {
        "small_share": 0.1,
        "small_count": 1000,
        "misaligned_share": 0.1,
        "random_share": 0.2,
        "straggler_share": 0.15,
        "metadata_s_per_rank": 30,
    }
    for name, value in drishti.items():
        assert (lines[name].value, lines[name].source) == (value, DRISHTI)
    assert all(line.meaning and line.source for line in lines.values())
    assert Thresholds(small_count=1).small_count == 1


def test_all_are_given_in_order_ready_for_json():
    found = pio.verdicts(independent())
    assert [one.name for one in found] == list(JUDGES)
    again = json.loads(json.dumps([one.to_dict() for one in found]))
    assert set(again[0]) == {
        "name",
        "found",
        "text",
        "evidence",
        "threshold",
        "source",
        "advice",
    }
    assert found["small"].word == "not found"


def test_they_show_themselves():
    trace = mixed(1001, 0)
    trace.files[0] = "/s/<a>"
    found = pio.verdicts(trace)
    assert [one.name for one in found.found] == ["small", "misaligned"]
    assert "! small: 1,001 of 1,001 writes" in repr(found)
    assert "    to do: collect pieces" in repr(found)
    assert "? independent: can't tell: no MPI-IO" in repr(found)
    html = found._repr_html_()
    assert html.count("<th scope='row'") == len(JUDGES)
    assert "<a>" not in html


def test_something_else_is_refused():
    with pytest.raises(UsageError, match="give a run or a trace"):
        pio.verdicts([1, 2])
    with pytest.raises(UsageError, match="'smal_count' is no threshold"):
        pio.verdicts(independent(), smal_count=1)


FIELDS = {
    "start": st.integers(-5, 100),
    "offset": st.integers(-1, 100),
    "length": st.integers(-1, 50),
    "result": st.integers(-1, 50),
    "rank": st.integers(-1, 3),
    "file": st.integers(-1, 5),
    "layer": st.integers(1, 7),
    "op": st.integers(1, 19),
    "flags": st.integers(0, 127),
    "aux": st.integers(0, 2**64 - 1),
    "parent": st.integers(-1, 9),
}


@given(st.lists(st.fixed_dictionaries(FIELDS), max_size=10))
def test_whatever_a_trace_holds_there_is_a_verdict(rows):
    records = np.zeros(len(rows), RECORD)
    for record, row in zip(records, rows, strict=True):
        for name, value in row.items():
            record[name] = value
        record["end"] = record["start"] + 5
    records["parent"] = np.minimum(records["parent"], np.arange(len(rows)) - 1)
    found = pio.verdicts(Trace.from_records(records, files=["/s/a"]))
    assert len(found) == len(JUDGES)
    json.dumps([one.to_dict() for one in found])


def test_groups_too_many_to_number_one_by_one_are_sorted():
    a, b = np.array([0, 1 << 20, 0, 1 << 20]), np.array([0, 0, 1 << 20, 0])
    code, many = seen.group(a, b)
    assert many == 3
    assert code[1] == code[3]
    assert len(set(code.tolist())) == 3


def test_the_table_in_the_docs_is_the_one_in_the_code():
    page = (Path(__file__).parents[2] / "docs/verdicts.md").read_text("utf-8")
    for line in table():
        source = "Drishti" if line.source == DRISHTI else "ours"
        assert f"| `{line.name}` | {line.value} | {line.meaning} | {source} |" in page
    for name in JUDGES:
        assert f"| `{name}` |" in page
