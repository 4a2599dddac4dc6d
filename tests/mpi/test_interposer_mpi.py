"""MPI-IO under the interposer: every form, by MPICH and Open MPI with one binary."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import captured
import numpy as np
import pytest

from piotutor.trace import Flag, Layer, Trace

pytestmark = pytest.mark.mpi
RANKS = 2
SIZE = 512  # of a transfer in forms.py
COLLECTIVE = {"open", "close", "set_view", "set_info", "set_atomicity", "set_size", "preallocate"}


@dataclass(frozen=True)
class Forms:
    """What ``forms.py`` did, with and without the interposer."""

    family: str
    trace: Trace
    asked: list[list[dict]]
    plain: list[list[dict]]
    files: dict[str, str]
    plain_files: dict[str, str]

    def calls(self, rank):
        return captured.rows(self.trace, layer=Layer.MPIIO, rank=rank)

    def pairs(self):
        """Each call asked for, in its rank's order, beside its record."""
        for rank in range(RANKS):
            calls = self.calls(rank)
            assert [call["call"] for call in calls] == [one["call"] for one in self.asked[rank]]
            yield from zip(self.asked[rank], calls, strict=True)


def digests(directory):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()
    }


def logs(directory):
    return [json.loads((directory / f"rank-{rank}.json").read_text()) for rank in range(RANKS)]


@pytest.fixture(scope="module", params=["this", ".venv-openmpi"])
def forms(request, tmp_path_factory, mpi_cache):
    """Run every form twice."""
    launcher = captured.stack(request.param, mpi_cache)
    places = [tmp_path_factory.mktemp(name) for name in ("files", "out", "plain", "plain_out")]
    trace = tmp_path_factory.mktemp("trace")
    files, out, plain, plain_out = places
    captured.run(launcher, RANKS, "forms.py", files, out, capture=trace, prefix=files)
    captured.run(launcher, RANKS, "forms.py", plain, plain_out)
    return Forms(
        launcher.family,
        captured.load(trace),
        logs(out),
        logs(plain_out),
        digests(files),
        digests(plain),
    )


def test_programs_do_the_same_without_it(forms):
    assert forms.asked == forms.plain
    assert forms.files == forms.plain_files


def test_every_call_is_recorded_where_it_went(forms):
    for asked, call in forms.pairs():
        assert call["offset"] == asked["offset"], asked
        if not (asked.get("failed") and call["length"] == 0):
            assert call["length"] == asked["length"], asked


def test_results_are_bytes_moved_or_errors(forms):
    for asked, call in forms.pairs():
        moves = call["op"] in ("READ", "WRITE")
        if asked.get("failed"):
            assert call["result"] < 0
        else:
            assert call["result"] == asked.get("result", asked["length"] if moves else 0), asked


def test_flags_say_how(forms):
    for asked, call in forms.pairs():
        form = call["call"].removeprefix("MPI_File_")
        together = form in COLLECTIVE | {"sync", "seek_shared"} or "_all" in form
        began = form.startswith(("iread", "iwrite")) or form.endswith("_begin")
        expected = Flag(0)
        expected |= Flag.COLLECTIVE if together or "_ordered" in form else Flag(0)
        expected |= Flag.NONBLOCKING if began else Flag(0)
        expected |= Flag.SHORT if asked.get("result", SIZE) < SIZE else Flag(0)
        expected |= Flag.FAILED if asked.get("failed") else Flag(0)
        assert call["flags"] == expected, asked


def test_extents_of_views_are_those_of_the_datatypes(forms):
    found = 0
    for asked, call in forms.pairs():
        parts = captured.parts_of(forms.trace, call)
        assert parts == [tuple(part) for part in asked.get("parts", [])], asked
        found += len(parts)
    assert found > 100
    for part in captured.rows(forms.trace, layer=Layer.MPIIO, parts=True):
        assert part["result"] == part["length"]


def test_plain_transfers_enclose_their_system_calls(forms):
    for _, call in forms.pairs():
        if call["call"] in ("MPI_File_write_at", "MPI_File_read_at") and call["result"] > 0:
            moved = [
                below
                for below in captured.inside(forms.trace, call, Layer.POSIX)
                if below["op"] == call["op"] and below["result"] > 0
            ]
            assert sum(below["result"] for below in moved) == call["result"]
            assert min(below["offset"] for below in moved) == call["offset"]
            assert all(call["start"] <= b["start"] <= b["end"] <= call["end"] for b in moved)


def test_system_calls_tell_where_shared_pointers_pointed(forms):
    """Ordered calls go in the order of ranks: only the layer below knows where."""
    places = [
        below["offset"]
        for _, call in forms.pairs()
        if call["call"] == "MPI_File_write_ordered"
        for below in captured.inside(forms.trace, call, Layer.POSIX)
        if below["op"] == "WRITE" and below["name"] == call["name"]  # not the pointer's own file
    ]
    assert len(places) == RANKS
    assert np.diff(places).tolist() == [SIZE] * (RANKS - 1)


def strided(name, launcher, tmp_path, ranks):
    traces = tmp_path / "trace"
    traces.mkdir()
    captured.run(launcher, ranks, "strided.py", tmp_path, name, capture=traces, prefix=tmp_path)
    whole = (tmp_path / name).read_bytes()
    assert whole == b"".join(bytes([65 + r]) * 4096 for _ in range(16) for r in range(ranks))
    return captured.load(traces)


def written(trace, rank):
    calls = captured.rows(trace, layer=Layer.POSIX, rank=rank)
    return [(call["offset"], call["length"]) for call in calls if call["op"] == "WRITE"]


def test_a_collective_write_is_one_system_call_of_the_aggregator(mpi, tmp_path):
    if mpi.family != "mpich":
        pytest.skip("the aggregator is chosen by ROMIO's hints")
    trace = strided("collective", mpi, tmp_path, 4)
    assert [written(trace, rank) for rank in range(4)] == [[(0, 4 * 16 * 4096)], [], [], []]
    for rank in range(4):
        (call,) = [
            c for c in captured.rows(trace, layer=Layer.MPIIO, rank=rank) if c["op"] == "WRITE"
        ]
        assert (call["offset"], call["length"]) == (4096 * rank, 16 * 4096)
        extents = [(4096 * (rank + 4 * block), 4096) for block in range(16)]
        assert captured.parts_of(trace, call) == extents


def test_data_sieving_reads_what_lies_between_and_writes_it_again(mpi, tmp_path):
    if mpi.family != "mpich":
        pytest.skip("data sieving is ROMIO's")
    trace = strided("independent", mpi, tmp_path, 2)
    for rank in range(2):
        (call,) = [
            c for c in captured.rows(trace, layer=Layer.MPIIO, rank=rank) if c["op"] == "WRITE"
        ]
        below = captured.inside(trace, call, Layer.POSIX)
        span = (rank * 4096, (2 * 15 + 1) * 4096)
        for op in ("LOCK", "WRITE", "UNLOCK"):
            assert [(c["offset"], c["length"]) for c in below if c["op"] == op] == [span]
        reads = [c for c in below if c["op"] == "READ"]
        assert (reads[0]["offset"], reads[0]["length"]) == span  # short where the file ends


@pytest.mark.parametrize("named", ["ufs:{}", "{}"])
def test_the_name_of_a_file_system_is_no_part_of_a_files_name(named, mpi, tmp_path):
    program = Path(captured.PROGRAMS / "named.py")
    traces = tmp_path / "trace"
    traces.mkdir()
    file = tmp_path / "data"
    captured.run(mpi, 1, program.name, named.format(file), capture=traces, prefix=tmp_path)
    trace = captured.load(traces)
    calls = [call for call in captured.rows(trace, layer=Layer.MPIIO) if call["op"] != "SEEK"]
    assert [call["op"] for call in calls] == ["OPEN", "WRITE", "CLOSE", "REMOVE"]
    assert {call["name"] for call in calls} == {str(file)}


def test_many_files_and_threads(mpi, tmp_path):
    traces = tmp_path / "trace"
    traces.mkdir()
    captured.run(mpi, 1, "many.py", tmp_path, capture=traces, prefix=tmp_path)
    trace = captured.load(traces)
    calls = captured.rows(trace, layer=Layer.MPIIO)
    counts = Counter(call["op"] for call in calls)
    assert counts == {"OPEN": 1801, "CLOSE": 1801, "WRITE": 1500 + 300 + 4 * 500 + 1}
    written = [call for call in calls if call["call"] == "MPI_File_write_at"]
    assert len({call["thread"] for call in written}) == 5
    parents = {call["at"]: call for call in written}
    below = captured.rows(trace, layer=Layer.POSIX)
    moved = [call for call in below if call["op"] == "WRITE" and call["parent"] in parents]
    assert len(moved) == len(written)
    for call in moved:
        outer = parents[call["parent"]]
        for field in ("offset", "length", "result", "name", "thread"):
            assert call[field] == outer[field]
