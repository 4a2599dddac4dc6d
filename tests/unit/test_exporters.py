"""Traces for other programs: the same numbers come out as went in."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piotutor import cli
from piotutor.errors import UsageError
from piotutor.imported import import_trace
from piotutor.trace import RECORD, Flag, Layer, Op, Trace, exporters
from piotutor.trace.calls import call_flag
from piotutor.trace.exporters import table

NAMES = ['/data/a,b "c"', "/data/line\nbreak", "/data/\udcff", "/data/ü"]
LOG = Path(__file__).parents[1] / "data" / "dftracer" / "2.2.0"


def written(trace, kind):
    stream = io.BytesIO()
    exporters.write(trace, stream, kind)
    return stream.getvalue()


def events(trace):
    """Return the events of an exported trace, by their kind (``ph``)."""
    found = {}
    for event in json.loads(written(trace, ".json"))["traceEvents"]:
        found.setdefault(event["ph"], []).append(event)
    return found


def record(**fields):
    made = np.zeros(1, RECORD)
    for name in ("offset", "thread", "file", "target", "parent"):
        made[name] = -1
    for name, value in fields.items():
        made[name] = value
    return made


@st.composite
def traces(draw):
    """Any trace: nested, overlapping, of any layer, with samples and extents."""
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 50), st.integers(0, 20), st.integers(-1, 2), st.integers(-1, 1),
                st.sampled_from(list(Layer)), st.sampled_from(list(Op)), st.integers(-1, 4),
                st.integers(-1, 2**62), st.sampled_from([0, Flag.PART, Flag.COLLECTIVE, 3 << 8]),
            ),
            max_size=25,
        )
    )  # fmt: skip
    made = [
        record(
            start=start, end=start + took, rank=rank, thread=thread, layer=layer, op=op,
            file=file, offset=offset, length=offset, result=max(0, offset), flags=flags,
            aux=2**64 - 1 if offset < 0 else offset,
        )
        for start, took, rank, thread, layer, op, file, offset, flags in rows
    ]  # fmt: skip
    parts = np.concatenate([np.zeros(0, RECORD), *made])
    return Trace.from_records(parts, files=NAMES, dropped=3, provenance="emulated")


def nested(slices):
    """Say whether slices of one track lie inside one another or apart."""
    stack = []
    for begin, end in sorted(slices, key=lambda slice: (slice[0], -slice[1])):
        while stack and stack[-1] <= begin:
            stack.pop()
        if stack and end > stack[-1]:
            return False
        stack.append(end)
    return True


@given(traces())
def test_perfetto_has_every_record_once_and_tracks_nest(trace):
    found = events(trace)
    samples = trace.where(op=Op.SAMPLE)
    parts = ~trace.where(without=Flag.PART) & ~samples
    assert len(found.get("X", [])) == len(trace) - samples.sum() - parts.sum()
    assert len(found.get("i", [])) == parts.sum()
    tracks = {}
    for event in found.get("X", []):
        begin = round(event["ts"] * 1000)
        span = begin, begin + round(event["dur"] * 1000)
        tracks.setdefault((event["pid"], event["tid"]), []).append(span)
    assert all(nested(slices) for slices in tracks.values())
    owners = [tid for _, tid in tracks]
    assert len(owners) == len(set(owners))  # a track's number belongs to one process
    named = {(e["pid"], e["tid"]) for e in found.get("M", []) if e["name"] == "thread_name"}
    assert named >= set(tracks)


@given(traces())
def test_csv_gives_the_numbers_back(trace):
    rows = list(csv.DictReader(io.StringIO(written(trace, ".csv").decode(), newline="")))
    assert len(rows) == len(trace)
    for name, kind in table.COLUMNS.items():
        column = [row[name] for row in rows]
        if kind != "string":
            assert list(map(int, column)) == trace.records[name].tolist()
    check_texts(trace, rows)


@given(traces())
def test_parquet_gives_the_numbers_back(trace):
    parquet = pytest.importorskip("pyarrow.parquet")
    read = parquet.read_table(io.BytesIO(written(trace, ".parquet")))
    assert read.column_names == list(table.COLUMNS)
    for name, kind in table.COLUMNS.items():
        if kind != "string":
            assert read.column(name).to_pylist() == trace.records[name].tolist()
            assert str(read.schema.field(name).type) == kind
    check_texts(trace, read.to_pylist())
    assert read.schema.metadata[b"dropped"] == b"3"
    assert read.schema.metadata[b"provenance"] == b"emulated"


def check_texts(trace, rows):
    """Compare the columns of words with what the numbers mean."""
    known = [*NAMES[:2], "/data/\\udcff", NAMES[3]]
    for row, found in zip(rows, trace.records, strict=True):
        file = int(found["file"])
        assert row["file"] == (known[file] if 0 <= file < len(known) else "")
        assert row["layer"] == Layer(int(found["layer"])).name.lower()
        assert row["op"] == Op(int(found["op"])).name.lower()
        assert row["call"] == ("creat" if found["flags"] == 3 << 8 else "")
        words = {0: "", Flag.PART: "part", Flag.COLLECTIVE: "collective"}
        assert row["flags"] == words[int(found["flags"]) & 255]
        assert row["provenance"] == "emulated"


def test_perfetto_nests_layers_and_names_calls():
    def call(start, end, layer, name, **more):
        told = {"rank": 0, "op": Op.WRITE, "length": 8, "result": 8, "flags": call_flag(name)}
        return record(start=start, end=end, layer=layer, **told, **more)

    trace = Trace.from_records(
        np.concatenate(
            [
                call(1000, 9000, Layer.APP, ""),
                call(2000, 8500, Layer.MPIIO, "MPI_File_write_at_all", file=0, offset=64),
                call(3000, 4001, Layer.POSIX, "pwrite"),
                call(3500, 5000, Layer.POSIX, "pwrite", thread=1),
                call(3900, 4500, Layer.POSIX, "pwrite"),  # overlaps the first one
                call(9000, 9500, Layer.APP, ""),
            ]
        ),
        files=["/data/x"],
    )
    found = events(trace)
    slices = [(e["name"], e["cat"], e["ts"], e["dur"]) for e in found["X"]]
    assert slices[:3] == [
        ("write", "app", 0.0, 8.0),
        ("MPI_File_write_at_all", "mpiio", 1.0, 6.5),
        ("pwrite", "posix", 2.0, 1.001),
    ]
    assert found["X"][1]["args"] == {
        **{"op": "write", "offset": 64, "length": 8, "result": 8, "flags": "", "file": "/data/x"}
    }
    names = {e["tid"]: e["args"]["name"] for e in found["M"] if e["name"] == "thread_name"}
    assert [names[e["tid"]] for e in found["X"]] == [
        *("thread 0", "thread 0", "thread 0", "thread 1", "thread 0, overlapping 1", "thread 0")
    ]
    assert {e["args"]["name"] for e in found["M"] if e["tid"] == 0} == {"rank 0 (measured)"}
    last = [e["args"]["bytes"] for e in found["C"] if e["name"] == "posix write"][-1]
    assert last == 24


def test_perfetto_shows_samples_as_counters():
    trace = Trace.from_records(
        record(
            start=5, end=5, rank=-1, layer=Layer.POSIX, op=Op.SAMPLE, file=0, length=9, result=-1
        ),
        files=["/data/x"],
    )
    found = events(trace)
    assert [(e["name"], e["args"]["bytes"]) for e in found["C"]] == [("file size: /data/x", 9)]
    assert "X" not in found


def test_compressed_perfetto_is_the_same():
    trace = import_trace(LOG).trace
    assert gzip.decompress(written(trace, ".json.gz")) == written(trace, ".json")
    assert written(trace, ".json.gz") == written(trace, ".json.gz")


def test_memory_is_for_some_thousands_of_records():
    """A million records are written in pieces."""
    made = np.repeat(record(rank=0, layer=Layer.APP, op=Op.WRITE), 100_000)
    made["start"] = made["end"] = np.arange(len(made))
    pieces = []

    class Stream:
        def write(self, text):
            pieces.append(len(text))

    exporters.write(Trace.from_records(made), Stream(), ".json")
    assert sum(pieces) > 10_000_000
    assert max(pieces) < 5_000_000


@pytest.mark.parametrize("kind", exporters.EXPORTERS)
def test_the_command_line_writes_new_files(kind, tmp_path, capsys):
    if kind == ".parquet":
        pytest.importorskip("pyarrow")
    run = import_trace(LOG)
    path = tmp_path / f"out{kind}"
    assert cli.main(["export", run.name, "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    content = path.read_bytes()
    assert len(content) > 500
    assert cli.main(["export", "latest", "-o", str(path)]) == 2
    assert "exists" in capsys.readouterr().err
    assert path.read_bytes() == content
    assert [found.name for found in tmp_path.iterdir() if found.is_file()] == [path.name]


def test_the_command_line_refuses(tmp_path, capsys, monkeypatch):
    def refused(*arguments):
        assert cli.main(["export", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("piotutor: ") and err.count("\n") == 1
        return err

    new = str(tmp_path / "x.json")
    assert "no run" in refused("nothing", "-o", new)
    assert "no finished run" in refused("latest", "-o", new)
    run = import_trace(LOG)
    assert "must end with .json or" in refused(run.name, "-o", str(tmp_path / "x.txt"))
    assert "not a directory" in refused(run.name, "-o", str(tmp_path / "none" / "x.json"))
    assert "-o" in refused(run.name)
    monkeypatch.setattr(table.importlib.util, "find_spec", lambda name: None)
    assert "piotutor[parquet]" in refused(run.name, "-o", str(tmp_path / "x.parquet"))
    assert not list(tmp_path.glob("x*"))


def test_a_full_disk_leaves_no_half_file(tmp_path, monkeypatch):
    from piotutor.cli import output

    def full(*arguments):
        arguments[1].write(b"half")
        raise OSError(28, "No space left on device")

    run = import_trace(LOG)
    monkeypatch.setattr(exporters, "write", full)
    path = tmp_path / "x.json"
    with pytest.raises(UsageError, match="No space left"), output.new_stream(path) as stream:
        exporters.write(run.trace, stream, ".json")
    assert not path.exists()
