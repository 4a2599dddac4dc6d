"""Files of other programs as traces: real small ones, damaged ones, foreign ones."""

from __future__ import annotations

import gzip
import importlib.util
import itertools
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piotutor import metrics, pattern
from piotutor.errors import PiotutorError, UsageError
from piotutor.ior import parse
from piotutor.trace import Flag, Layer, Op, importers
from piotutor.trace.calls import CALLS, call_of
from piotutor.trace.importers import columns, darshan
from piotutor.trace.importers.positions import positions

DATA = Path(__file__).parents[1] / "data"
needs_darshan = pytest.mark.skipif(
    importlib.util.find_spec("darshan") is None, reason="pydarshan isn't installed"
)
SAMPLES = {
    "darshan": DATA / "darshan" / "ior-mpiio-dxt.darshan",
    "dftracer": DATA / "dftracer" / "2.1.0.pfw",
    "elbencho": DATA / "elbencho" / "files.json",
    "ior": DATA / "ior" / "summary.json",
}
OTHERS = (
    DATA / "darshan" / "ior-posix-counters.darshan",
    DATA / "dftracer" / "2.2.0",
    *sorted((DATA / "dftracer" / "2.2.0").iterdir()),
    DATA / "dftracer" / "2.0.0.pfw",
    DATA / "elbencho" / "directories.json",
    DATA / "elbencho" / "live.csv",
    DATA / "ior" / "op-0-00000.csv",
    DATA / "ior" / "text" / "output.txt",
    DATA / "ior" / "text" / "random-0-00001.csv",
)


def moved(trace, op, layer=None):
    """Return who moved what: (rank, offset, length), in the order of time."""
    found = trace.records[metrics.transfers(trace, op, layer)]
    return [(int(r["rank"]), int(r["offset"]), int(r["length"])) for r in found]


def rows(workload, op):
    """Return what a workload moves: (rank, offset, length), rank by rank."""
    rank, extents = pattern.all_transfers(workload, op)
    return sorted(zip(rank.tolist(), extents.offset.tolist(), extents.length.tolist(), strict=True))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_tells_who_wrote_it(name):
    assert importers.sniff(SAMPLES[name]) == name


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.name)
def test_so_do_the_others(path):
    assert importers.sniff(path) == path.relative_to(DATA).parts[0]


def test_nobody_knows_other_files(tmp_path):
    for name, content in {"text": b"hello\n", "empty": b"", "binary": bytes(range(256))}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match="of no known kind"):
            importers.load(tmp_path / name)


def test_a_name_that_nobody_has():
    with pytest.raises(UsageError, match=r"choose one of .*darshan"):
        importers.load(SAMPLES["ior"], "vampir")
    with pytest.raises(UsageError, match="doesn't exist"):
        importers.load("/nowhere/at.all")


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 500, b"{}\n", b"[1, 2]\n", b"a,b\n1,2\n"])
def test_what_is_said_to_be_of_a_program_and_isnt(name, content, tmp_path):
    if name == "darshan" and importlib.util.find_spec("darshan") is None:
        pytest.skip("pydarshan isn't installed")
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(PiotutorError) as told:
        importers.load(path, name)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


TEXTS = ("dftracer/2.1.0.pfw", "elbencho/files.json", "elbencho/live.csv", "ior/text/output.txt")


@given(
    st.sampled_from(TEXTS),
    st.lists(st.tuples(st.floats(0, 0.99), st.integers(0, 9), st.binary(max_size=12)), max_size=3),
)
def test_any_damage_is_refused_in_one_line_or_survived(name, changes):
    content = bytearray((DATA / name).read_bytes())
    for where, gone, instead in changes:
        at = int(where * len(content))
        content[at : at + gone] = instead
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "file"
        path.write_bytes(content)
        try:
            importers.load(path, name.split("/")[0])
        except PiotutorError as error:
            assert "\n" not in str(error)


# ------------------------------------------------------------------------------------ Darshan


@needs_darshan
def test_darshan_traced_by_itself():
    trace = importers.load(SAMPLES["darshan"])
    workload, _ = parse("mpiexec -n 2 ior -a MPIIO -c -w -r -t 4k -b 8k -s 2")
    for layer, op in itertools.product((Layer.MPIIO, Layer.POSIX), ("write", "read")):
        assert sorted(moved(trace, Op[op.upper()], layer)) == rows(workload, op)
    mpi = trace.records[metrics.transfers(trace, layer=Layer.MPIIO)]
    assert (mpi["flags"] & Flag.COLLECTIVE).all()
    assert not (trace.records["flags"][metrics.transfers(trace, layer=Layer.POSIX)]).any()
    assert trace.files == ["/scratch/demo/t.dat"]
    assert (trace.dropped, trace.provenance, trace.meta["ranks"]) == (0, "measured", 2)
    assert trace.meta["source"]["version"] == "3.5.0"
    assert trace.meta["source"]["command"].startswith("ior -a MPIIO -c")
    assert trace.meta["layers"]["mpiio"]["write"] == {"operations": 8, "bytes": 32768}
    assert trace.meta["layers"]["posix"]["open"]["operations"] > 0


@needs_darshan
def test_darshan_without_a_trace_gives_numbers():
    trace = importers.load(DATA / "darshan" / "ior-posix-counters.darshan")
    assert len(trace) == 0
    assert "counters only" in trace.meta["source"]["missing"][0]
    phases = [(p["op"], p["bytes"], p["operations"]) for p in trace.meta["phases"]]
    assert phases == [("write", 32768, 8), ("read", 32768, 8)]
    assert trace.meta["layers"]["posix"]["sync"]["operations"] == 2


@needs_darshan
def test_darshans_own_examples():
    package = importlib.util.find_spec("darshan").origin
    logs = Path(package).parent / "examples" / "example_logs"
    if not logs.is_dir():
        pytest.skip("this pydarshan ships no examples")
    trace = importers.load(logs / "ior_hdf5_example.darshan")
    layers = metrics.layers(trace)
    assert layers["mpiio"]["write"] == {"operations": 23, "bytes": 4195800}
    assert layers["posix"]["read"] == {"operations": 36, "bytes": 4202504}
    assert trace.meta["layers"]["hdf5"]["write"] == {"operations": 12, "bytes": 3145728}


@needs_darshan
@pytest.mark.parametrize("keep", [12, 1000, 2500])
def test_darshan_cut_off(keep, tmp_path):
    path = tmp_path / "cut.darshan"
    path.write_bytes(SAMPLES["darshan"].read_bytes()[:keep])
    try:
        trace = importers.load(path, "darshan")
    except PiotutorError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        assert trace.meta.get("damage") or len(trace) == 32


@needs_darshan
def test_darshan_of_a_version_yet_unknown(tmp_path):
    path = tmp_path / "new.darshan"
    path.write_bytes(b"9.99\0\0\0\0" + SAMPLES["darshan"].read_bytes()[8:])
    with pytest.raises(PiotutorError, match="version that this pydarshan doesn't read"):
        importers.load(path)


def test_darshan_without_pydarshan(monkeypatch):
    monkeypatch.setattr(darshan.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"piotutor\[darshan\]"):
        importers.load(SAMPLES["darshan"])


def test_why_pydarshan_cant():
    assert darshan._reason(["Error: a", "is damaged, or"], ["a"]) == "is damaged, or"
    assert darshan._reason(["Error: a", "knows of no I/O"], ["a"]) == "is damaged: a"
    assert darshan._reason(["Traceback", "X: y"], []).endswith("expects it: X: y")


# ----------------------------------------------------------------------------------- dftracer


def test_dftracer_of_two_ranks():
    trace = importers.load(DATA / "dftracer" / "2.2.0")
    workload, _ = parse("mpiexec -n 2 ior -a POSIX -w -r -t 4k -b 8k")
    for op in ("write", "read"):
        assert sorted(moved(trace, Op[op.upper()])) == rows(workload, op)
    counts = {op: found["operations"] for op, found in metrics.layers(trace)["posix"].items()}
    assert (counts["open"], counts["close"], counts["sync"], counts["seek"]) == (4, 4, 2, 8)
    assert {CALLS[int(call)] for call in np.unique(call_of(trace.column("flags")))[1:]} == {
        *("open", "read", "write", "lseek", "fsync", "close", "unlink")
    }
    assert trace.meta["source"]["command"].endswith("-o /scratch/demo/t.dat")


@pytest.mark.parametrize("version", ["2.0.0", "2.1.0"])
def test_dftracer_of_older_versions(version):
    trace = importers.load(DATA / "dftracer" / f"{version}.pfw")
    assert moved(trace, Op.WRITE) == [(0, 0, 4096), (0, 4096, 4096)]
    assert moved(trace, Op.READ) == [(0, 0, 4096), (0, 4096, 4096)]
    assert trace.meta["source"]["version"] == version


def event(name, **told):
    args = {key: told.pop(key) for key in list(told) if key not in ("pid", "tid", "ts", "dur")}
    base = {"name": name, "cat": "POSIX", "pid": 1, "tid": 1, "ts": 0, "dur": 1, "ph": "X"}
    return json.dumps({**base, **told, "args": args})


def dftracer_log(path, *events):
    start = '{"name":"start","cat":"dftracer","pid":1,"tid":1,"ts":0,"dur":0,"ph":"X","args":{}}'
    path.write_text("\n".join(["[", start, *events]) + "\n")
    return path


def test_dftracer_works_out_offsets(tmp_path):
    path = dftracer_log(
        tmp_path / "a.pfw",
        event("open", ts=1, fhash="a"),
        event("write", ts=2, fhash="a", count=100, ret=60),
        event("lseek64", ts=3, fhash="a", ret=1000, offset=0, whence=2),
        event("read", ts=4, fhash="a", count=10, ret=10),
        event("pwrite64", ts=5, fhash="a", count=7, ret=7, offset=5),
        event("read", ts=6, fhash="a", count=10, ret=-1),
        event("open", ts=7, fhash="a"),
        event("read", ts=8, fhash="a", count=10, ret=10),
        event("open", ts=9, fhash="b", flags=0o2001),
        event("write", ts=10, fhash="b", count=10, ret=10),
        event("mkdir", ts=11),
    )
    trace = importers.load(path)
    found = trace.records[metrics.transfers(trace)]
    assert found["offset"].tolist() == [0, 1000, 5, 1010, -1, -1]
    assert found["length"].tolist() == [100, 10, 7, 10, 10, 10]
    assert (found["flags"] & 255).tolist() == [Flag.SHORT, 0, 0, Flag.FAILED, 0, 0]
    assert "mkdir (1)" in trace.meta["source"]["missing"][-1]


def test_dftracer_without_details_gives_calls_and_times(tmp_path):
    bare = '{"name":"read","cat":"POSIX","pid":1,"tid":1,"ts":5,"dur":2,"ph":1}'
    trace = importers.load(dftracer_log(tmp_path / "a.pfw", bare))
    assert trace.records[["start", "offset", "length", "file"]].tolist() == [(5000, -1, 0, -1)]
    assert "DFTRACER_INC_METADATA=1" in trace.meta["source"]["missing"][0]


def test_dftracer_counts_children_as_their_parents(tmp_path):
    told = {"cat": "dftracer", "tid": 1, "ts": 0, "dur": 0, "ph": 1, "name": "start"}
    starts = [
        json.dumps({**told, "pid": pid, "args": {"hhash": "h", "ppid": ppid}})
        for pid, ppid in ((30, 29), (20, 1), (29, 1))
    ]
    calls = [
        event("write", ts=pid, pid=pid, hhash="h", fhash="a", count=1, ret=1)
        for pid in (30, 20, 29)
    ]
    trace = importers.load(dftracer_log(tmp_path / "a.pfw", *starts, *calls))
    assert sorted(trace.records["rank"].tolist()) == [0, 1, 1]


def test_dftracer_cut_off_keeps_what_is_whole(tmp_path):
    path = DATA / "dftracer" / "2.1.0.pfw"
    (tmp_path / "cut.pfw").write_bytes(path.read_bytes()[:-150])
    trace = importers.load(tmp_path / "cut.pfw")
    assert len(trace) and "cut off in line" in trace.meta["damage"][0]
    whole = gzip.compress(path.read_bytes())
    (tmp_path / "cut.pfw.gz").write_bytes(whole[: len(whole) * 2 // 3])
    assert "cut off" in importers.load(tmp_path / "cut.pfw.gz").meta["damage"][0]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "7",
        '{"ph":"X","cat":"POSIX"}',
        '{"ph":"X","cat":"POSIX","name":"read","args":{},"pid":1,"tid":1,"ts":"x","dur":1}',
    ],
)
def test_dftracer_with_a_line_that_is_none(line, tmp_path):
    path = dftracer_log(tmp_path / "a.pfw", line, event("open", fhash="a"))
    with pytest.raises(PiotutorError, match=r"a\.pfw: .*line"):
        importers.load(path)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([Op.OPEN, Op.CLOSE, Op.SEEK, Op.READ, Op.WRITE, Op.SYNC]),
            st.integers(0, 9),
        ),
        max_size=30,
    )
)
def test_positions_are_those_of_a_simple_machine(steps):
    """What is vectorised is equal to following one operation after the other."""
    state, expected = {}, []
    for group, op, amount in steps:
        opened, at = state.get(group, (0, -1))
        known = at if opened <= 1 else -1
        expected.append(known if (op in (Op.READ, Op.WRITE)) else None)
        opened += {Op.OPEN: 1, Op.CLOSE: -1}.get(op, 0)
        if op in (Op.OPEN, Op.SEEK):
            at = (0 if op == Op.OPEN else amount) if opened <= 1 else -1
        elif op in (Op.READ, Op.WRITE) and at >= 0:
            at += amount
        state[group] = opened, at
    group, op, amount = (
        (np.array(part, np.int64) for part in zip(*steps, strict=True))
        if steps
        else [np.empty(0, np.int64)] * 3
    )
    moves = np.isin(op, (Op.READ, Op.WRITE))
    place = np.where(op == Op.OPEN, 0, amount)
    found = positions(group, op, np.where(moves, amount, 0), place)
    assert [int(x) for x, e in zip(found, expected, strict=True) if e is not None] == [
        e for e in expected if e is not None
    ]


def test_names_of_calls():
    names = ("pwrite64", "__xstat64", "fread_unlocked", "__read_chk", "open", "_IO_putc")
    assert [columns.plain(name) for name in names[:5]] == [
        "pwrite",
        "stat",
        "fread",
        "read",
        "open",
    ]


# ---------------------------------------------------------------------------------------- IOR


def test_iors_operations_with_its_summary():
    trace = importers.load(DATA / "ior" / "op-1-00000.csv")
    workload, _ = parse("mpiexec -n 2 ior -a MPIIO -c -C -w -r -t 4k -b 8k -s 2 -i 2")
    phases = [(p.op, p.repetition, p.operations, p.bytes) for p in metrics.phases(trace)]
    assert phases == [("read", 0, 8, 32768), ("read", 1, 8, 32768)]
    told = [(p["op"], p["repetition"], p["operations"], p["bytes"]) for p in trace.meta["phases"]]
    assert told == [(op, i, 8, 32768) for i in range(2) for op in ("write", "read")]
    again = trace.select(repetition=1)
    assert sorted(moved(again, Op.READ)) == rows(workload, "read")
    assert again.records["start"].min() >= trace.select(repetition=0).records["end"].max()
    assert len(importers.load(DATA / "ior" / "summary.json")) == len(trace)


def test_iors_operations_with_what_it_printed():
    trace = importers.load(DATA / "ior" / "text" / "random-0-00000.csv")
    command = "mpiexec -n 2 ior -a POSIX -F -w -t 4k -b 8k -s 2 -z --random-offset-seed 5"
    workload, _ = parse(command)
    assert sorted(moved(trace, Op.WRITE)) == rows(workload, "write")
    assert trace.files == ["/scratch/demo/t.dat.00000000", "/scratch/demo/t.dat.00000001"]
    assert trace.records["file"].tolist() == trace.records["rank"].tolist()


def test_iors_operations_alone_tell_too_little(tmp_path):
    shutil.copy(DATA / "ior" / "op-0-00000.csv", tmp_path)
    with pytest.raises(PiotutorError, match="put the same run's output"):
        importers.load(tmp_path / "op-0-00000.csv")


def test_an_order_that_nobody_knows_gives_no_offsets(tmp_path):
    for name in ("output.txt", "random-0-00000.csv"):
        text = (DATA / "ior" / "text" / name).read_text()
        (tmp_path / name).write_text(text.replace(" --random-offset-seed 5", ""))
    trace = importers.load(tmp_path / "output.txt")
    assert (trace.records["offset"] == -1).all() and (trace.records["length"] == 4096).all()
    assert "don't follow" in trace.meta["source"]["missing"][-1]


def test_iors_summary_of_older_versions_has_lists_of_lists(tmp_path):
    told = json.loads((DATA / "ior" / "summary.json").read_text())
    told["tests"][0]["Results"] = [[row] for row in told["tests"][0]["Results"]]
    (tmp_path / "old.json").write_text(json.dumps(told))
    trace = importers.load(tmp_path / "old.json")
    assert [p["op"] for p in trace.meta["phases"]] == ["write", "read"] * 2
    assert len(trace) == 0 and "only IOR's results" in trace.meta["source"]["missing"][0]


@pytest.mark.parametrize("cut", [200, 1500, 4500])
def test_iors_summary_cut_off(cut, tmp_path):
    path = tmp_path / "summary.json"
    path.write_bytes((DATA / "ior" / "summary.json").read_bytes()[:cut])
    with pytest.raises(PiotutorError, match="is cut off"):
        importers.load(path)


def test_iors_operations_damaged(tmp_path):
    shutil.copytree(DATA / "ior" / "text", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "random-0-00000.csv"
    for bad in ("1.0,2", "1.0,x,3.0", "nan,1.0,2.0", "\n".join(["0,1,2"] * 99)):
        path.write_text(f"time,runtime,tp\n{bad}\n")
        with pytest.raises(PiotutorError, match=r"random-0-00000\.csv: "):
            importers.load(path)


# ----------------------------------------------------------------------------------- elbencho


def test_elbenchos_log_of_a_shared_file():
    trace = importers.load(SAMPLES["elbencho"])
    half = [(rank, rank * 32768 + at, 16384) for rank in range(2) for at in (0, 16384)]
    assert sorted(moved(trace, Op.WRITE)) == sorted(moved(trace, Op.READ)) == half
    assert trace.files == ["descriptor 3"]
    assert metrics.latency(trace) is None


def test_elbenchos_log_of_directories():
    trace = importers.load(DATA / "elbencho" / "directories.json")
    found = trace.records[metrics.transfers(trace, Op.WRITE)]
    names = [f"/scratch/demo/d/r{rank}/d0/r{rank}-f0" for rank in range(2)]
    wrote = sorted((trace.files[r["file"]], int(r["rank"]), int(r["offset"])) for r in found)
    assert wrote == [(names[rank], rank, at) for rank in range(2) for at in (0, 4096)]
    counts = {op: n["operations"] for op, n in metrics.layers(trace)["posix"].items()}
    assert (counts["open"], counts["close"], counts["read"], counts["write"]) == (4, 4, 4, 4)
    assert "mkdirat" in trace.meta["source"]["missing"][0]


def test_elbenchos_log_with_calls_that_queue_fail_or_dont_end(tmp_path):
    def line(name, finished, **told):
        base = {"date": "2026-11-22T10:00:00.500+0530", "worker_rank": 0, "op_name": name}
        rest = {"entry_name": "3", "offset": 0, "length": 9, "is_finished": finished}
        return json.dumps({**base, **rest, "is_error": False, **told})

    lines = [
        line("aiowrite", False),
        line("pread", False),
        line("pread", True, is_error=True),
        line("pwrite", False, offset=9),
    ]
    path = tmp_path / "ops"
    path.write_text("\n".join(lines) + "\n")
    trace = importers.load(path)
    flags = [int(flag) & 255 for flag in trace.records["flags"]]
    assert flags == [Flag.INFLATED | Flag.NONBLOCKING, Flag.INFLATED | Flag.FAILED]
    assert trace.records["result"].tolist() == [9, -1]
    assert trace.meta["source"]["missing"][0] == "1 calls whose end isn't in the log"
    at = np.datetime64("2026-11-22T04:30:00.500", "ns").astype(np.int64)
    assert trace.records["start"].tolist() == [at, at]


def test_elbenchos_live_csv():
    trace = importers.load(DATA / "elbencho" / "live.csv")
    phases = [(p["op"], p["bytes"]) for p in trace.meta["phases"]]
    assert {op for op, _ in phases} <= {"write", "read"}
    size = 67108864
    assert all(0 < amount <= size for _, amount in phases)
    assert set(trace.records["rank"].tolist()) == {0, 1}
    assert (trace.records["end"] > trace.records["start"]).all()
    last = [line.split(",") for line in (DATA / "elbencho" / "live.csv").read_text().splitlines()]
    mine = [row for row in last if row[2] == "WRITE" and row[4] in ("0", "1")]
    done = {row[4]: int(row[7]) for row in mine}
    wrote = metrics.transfers(trace, Op.WRITE)
    assert int(trace.records["result"][wrote].sum()) == sum(done.values())


def test_elbenchos_live_csv_damaged(tmp_path):
    text = (DATA / "elbencho" / "live.csv").read_text()
    path = tmp_path / "live.csv"
    for bad in (text.splitlines()[0] + "\n", text[:-400] + ",x", text.replace("WRITE,", "WRITE,x")):
        path.write_text(bad)
        with pytest.raises(PiotutorError, match=r"live\.csv: "):
            importers.load(path)
