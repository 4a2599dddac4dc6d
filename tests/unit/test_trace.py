"""The trace file: written, read, merged, damaged, without room."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from piotutor.trace import (
    HEADER,
    RECORD,
    Flag,
    Layer,
    Op,
    Phase,
    Trace,
    TraceError,
    TraceWriter,
    pack_aux,
    phase_of,
    repetition_of,
    tail,
    writer,
)

APP = {"layer": Layer.APP, "op": Op.WRITE}


def fill(block, rank=0, first=0, op=Op.WRITE):
    """Fill a block as a kernel does: all in advance, the times and the last word in a loop."""
    n = len(block)
    block.records["offset"] = 100 * np.arange(n)
    block.records["length"] = block.records["result"] = 100
    block.records["rank"] = rank
    block.records["parent"] = -1
    for i in range(n):
        block.words[10 * i] = first + i
        block.words[10 * i + 1] = first + i + 1
        block.words[10 * i + 8] = tail(Layer.APP, op)


def write(path, n=5, rank=0, files=("data0",), first=0, **options):
    with TraceWriter(path, rank=rank, files=files, **options) as trace:
        fill(trace.claim(n), rank, first)
    return path


def random_records():
    """Any whole records: every bit pattern in the fields that readers don't interpret."""
    raw = hnp.arrays(np.uint8, st.integers(0, 40).map(lambda n: n * RECORD.itemsize))

    def whole(data):
        records = data.view(RECORD).copy()
        records["layer"] = records["layer"] % max(Layer) + 1
        records["op"] = records["op"] % max(Op) + 1
        records["file"] = records["file"] % 3
        records["parent"] = -1
        records["start"], records["end"] = np.sort([records["start"], records["end"]], axis=0)
        return records

    return raw.map(whole)


def test_the_record_is_laid_out_as_published():
    assert (RECORD.itemsize, HEADER.itemsize) == (80, 128)
    places = {name: RECORD.fields[name][1] for name in RECORD.names}
    assert places == {
        **{"start": 0, "end": 8, "offset": 16, "length": 24, "result": 32, "rank": 40},
        **{"client": 44, "thread": 48, "file": 52, "target": 56, "parent": 60, "layer": 64},
        **{"op": 65, "flags": 66, "reserved": 68, "aux": 72},
    }


def test_aux_holds_repetition_and_phase():
    aux = np.array([pack_aux(rep, phase) for rep in (0, 7) for phase in Phase], np.uint64)
    assert phase_of(aux).tolist() == [0, 1, 2, 3, 4] * 2
    assert repetition_of(aux).tolist() == [0] * 5 + [7] * 5


def test_append_stores_every_field(tmp_path):
    given_fields = {
        **{"start": 1, "end": 2, "offset": 3, "length": 4, "result": 5, "thread": 6, "file": 0},
        **{"target": 8, "parent": -1, "layer": 4, "op": 3, "flags": Flag.DIRECT, "aux": 2**64 - 1},
    }
    with TraceWriter(tmp_path / "a.piot", rank=3, client=2, files=["x"]) as trace:
        assert trace.append(**given_fields) == 0
    record = Trace.load(tmp_path / "a.piot").records[0]
    expected = given_fields | {"rank": 3, "client": 2, "reserved": 0}
    assert {name: int(record[name]) for name in RECORD.names} == expected


@settings(deadline=None, max_examples=50)
@given(parts=st.lists(random_records(), min_size=1, max_size=4))
def test_what_is_written_is_read_and_merged_by_time(tmp_path_factory, parts):
    directory = tmp_path_factory.mktemp("trace")
    for rank, records in enumerate(parts):
        path = directory / f"rank-{rank:05d}.piot"
        with TraceWriter(path, rank=rank, files=["a", "b", "c"]) as trace:
            trace.claim(len(records)).records[:] = records
    merged = Trace.load(directory)
    everything = np.concatenate(parts)
    expected = everything[np.argsort(everything["start"], kind="stable")]
    assert merged.records.tobytes() == expected.tobytes()


@settings(deadline=None, max_examples=50)
@given(records=random_records(), notes=st.dictionaries(st.text(), st.text()))
def test_saving_and_loading_give_the_same_trace(tmp_path_factory, records, notes):
    path = tmp_path_factory.mktemp("trace") / "saved.piot"
    trace = Trace.from_records(
        records, files=["ä", "b\n", "\udcff"], dropped=7, provenance="emulated", meta=notes
    )
    trace.save(path)
    again = Trace.load(path)
    assert again.records.tobytes() == trace.records.tobytes()
    assert (again.files, again.dropped, again.meta) == (trace.files, 7, notes)
    assert again.provenance == "emulated"


def test_saving_is_compact_and_replaces_in_one_step(tmp_path):
    big = Trace.load(write(tmp_path / "a.piot", n=20_000))
    big.save(tmp_path / "a.piot")
    assert (tmp_path / "a.piot").stat().st_size < 20_000 * 8
    assert Trace.load(tmp_path / "a.piot").records.tobytes() == big.records.tobytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.piot", "state"]


def test_names_merge_and_parents_follow_their_records(tmp_path):
    for rank, names in enumerate((["shared", "own0"], ["own1", "shared"])):
        with TraceWriter(tmp_path / f"{rank}.piot", rank=rank, files=names) as trace:
            late = 100 - 50 * rank
            parent = trace.append(**APP, start=late, end=late + 10, file=0)
            trace.append(**APP, start=late + 1, end=late + 2, file=1, parent=parent)
            trace.append(**APP, start=0, end=1, file=trace.add_file(f"more{rank}"))
    merged = Trace.load(tmp_path)
    assert merged.files == ["shared", "own0", "more0", "own1", "more1"]
    assert merged.records["start"].tolist() == [0, 0, 50, 51, 100, 101]
    assert merged.records["file"].tolist() == [2, 4, 3, 0, 0, 1]
    assert merged.records["parent"].tolist() == [-1, -1, -1, 2, -1, 4]
    assert merged.select(rank=1).records["parent"].tolist() == [-1, -1, 1]


def test_records_that_were_claimed_and_never_filled_are_not_read(tmp_path):
    with TraceWriter(tmp_path / "a.piot", rank=0) as trace:
        block = trace.claim(4)
        block.words[8] = block.words[28] = tail(Layer.APP, Op.WRITE)
        block.records["parent"] = -1
        trace.append(**APP, start=5, end=6, parent=2)
        trace.append(**APP, start=7, end=8, parent=1)
    records = Trace.load(tmp_path / "a.piot").records
    assert records["start"].tolist() == [0, 0, 5, 7]
    assert records["parent"].tolist() == [-1, -1, 1, -1]


def test_a_writer_that_was_killed_leaves_its_whole_records(tmp_path):
    code = f"""
import os, signal
from piotutor.trace import TraceWriter
trace = TraceWriter({str(tmp_path / "a.piot")!r}, rank=0)
trace.claim(10)
for i in range(3):
    trace.append(layer=1, op=3, start=i, end=i)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert Trace.load(tmp_path).records["start"].tolist() == [0, 1, 2]


def test_threads_append_without_losing_any(tmp_path):
    with TraceWriter(tmp_path / "a.piot", rank=0) as trace:
        threads = [
            threading.Thread(
                target=lambda k=k: [
                    trace.append(**APP, start=i, end=i, thread=k) for i in range(3000)
                ]
            )
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    counted = np.bincount(Trace.load(tmp_path / "a.piot").records["thread"])
    assert counted.tolist() == [3000] * 4


def test_nodes_with_clocks_of_their_own_are_brought_to_one(tmp_path):
    hour = 3_600_000_000_000
    for client in (0, 1):
        path = tmp_path / f"{client}.piot"
        write(path, n=1, rank=client, client=client, first=hour * client)
        with path.open("r+b") as stream:
            header = np.frombuffer(stream.read(128), HEADER).copy()
            header["wall"], header["monotonic"] = 10**18, hour * client
            stream.seek(0)
            stream.write(header.tobytes())
    assert Trace.load(tmp_path).records["start"].tolist() == [0, 0]


def test_select_by_layer_op_rank_phase_and_repetition(tmp_path):
    with TraceWriter(tmp_path / "a.piot", rank=0) as trace:
        for number, phase in enumerate((Phase.WRITE, Phase.READ, Phase.WRITE)):
            aux = pack_aux(number // 2, phase)
            trace.append(**APP, start=number, end=number, aux=aux)
        trace.append(layer=Layer.POSIX, op=Op.READ, start=9, end=9)
        trace.append(layer=Layer.DEVICE, op=Op.SAMPLE, start=10, end=10)
    found = Trace.load(tmp_path)
    starts = {
        "layer": found.select(layer=Layer.POSIX),
        "op": found.select(op=(Op.READ, Op.SAMPLE)),
        "phase": found.select(phase=Phase.WRITE),
        "both": found.select(phase=Phase.WRITE, repetition=1),
        "rank": found.select(rank=1),
    }
    assert {name: trace.records["start"].tolist() for name, trace in starts.items()} == {
        **{"layer": [9], "op": [9, 10], "phase": [0, 2], "both": [2], "rank": []}
    }


def test_records_are_read_only(tmp_path):
    trace = Trace.load(write(tmp_path / "a.piot"))
    with pytest.raises(ValueError, match="read-only"):
        trace.records["start"] = 0


# What can be wrong with a file.


def patch(path, at, data):
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(data)


def cut(n):
    return lambda path: os.truncate(path, n)


HEADER_BYTES = 16384
DAMAGE = {
    "empty": (cut(0), "is empty"),
    "magic only": (cut(8), "truncated"),
    "half a header": (cut(100), "truncated"),
    "never begun": (lambda path: patch(path, 0, bytes(8)), "truncated"),
    "foreign": (lambda path: path.write_bytes(b"#!/bin/sh\necho\n" * 50), "not a piotutor trace"),
    "foreign and short": (lambda path: path.write_bytes(b"hello trace"), "not a piotutor trace"),
    "a later format": (lambda path: patch(path, 8, struct.pack("<I", 9)), "format 9"),
    "other records": (lambda path: patch(path, 16, struct.pack("<I", 96)), "records of 96 bytes"),
    "huge header": (lambda path: patch(path, 12, struct.pack("<I", 2**31)), "damaged header"),
    "huge text": (lambda path: patch(path, 32, struct.pack("<Q", 2**60)), "damaged header"),
    "names gone": (lambda path: patch(path, 128, b"\0" * 20), "names and notes can't be read"),
    "names cut": (lambda path: patch(path, 32, struct.pack("<Q", 11)), "names and notes"),
    "huge count": (lambda path: patch(path, 40, struct.pack("<Q", 2**62)), "it holds 5"),
    "cut in a record": (cut(HEADER_BYTES + 80 * 3 + 17), "counts 5 records, it holds 3"),
    "cut before them": (cut(HEADER_BYTES - 100), "it holds 0"),
    "unknown layer": (lambda path: patch(path, HEADER_BYTES + 144, b"\x63"), "1 damaged records"),
    "unknown op": (lambda path: patch(path, HEADER_BYTES + 145, b"\xff"), "number 1"),
    "end before start": (lambda path: patch(path, HEADER_BYTES + 80, b"\xff" * 7), "number 1"),
}
KEPT = {
    **{"names gone": 5, "names cut": 5, "huge count": 5, "cut in a record": 3},
    **{"cut before them": 0, "unknown layer": 4, "unknown op": 4, "end before start": 4},
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_one_clear_line_that_names_the_file(tmp_path, case):
    path = write(tmp_path / "bad.piot")
    assert path.stat().st_size == HEADER_BYTES + 5 * 80
    harm, message = DAMAGE[case]
    harm(path)
    with pytest.raises(TraceError, match=message) as caught:
        Trace.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", DAMAGE)
def test_salvage_keeps_every_whole_record_and_says_what_was_wrong(tmp_path, case):
    harm, _ = DAMAGE[case]
    harm(write(tmp_path / "bad.piot"))
    write(tmp_path / "good.piot", n=2, rank=1, first=1000)
    trace = Trace.load(tmp_path, salvage=True)
    assert len(trace) == 2 + KEPT.get(case, 0)
    assert len(trace.meta["damage"]) == 1


def test_salvage_of_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "bad.piot").write_bytes(b"")
    with pytest.raises(TraceError, match="is empty"):
        Trace.load(tmp_path, salvage=True)


@pytest.mark.parametrize("at", range(128, 40_000, 3571))
def test_a_saved_trace_cut_anywhere_is_refused_or_salvaged(tmp_path, at):
    path = tmp_path / "saved.piot"
    Trace.load(write(tmp_path / "a.piot", n=12_000)).save(path)
    at = min(at, path.stat().st_size - 1)
    os.truncate(path, at)
    with pytest.raises(TraceError, match=r"saved\.piot"):
        Trace.load(path)
    kept = Trace.load(path, salvage=True).records["start"].tolist()
    assert kept == list(range(len(kept)))
    assert len(kept) % 4096 == 0


def test_a_saved_trace_with_one_flipped_bit_is_refused(tmp_path):
    path = tmp_path / "saved.piot"
    Trace.load(write(tmp_path / "a.piot", n=5000)).save(path)
    middle = path.stat().st_size // 2
    patch(path, middle, bytes([path.read_bytes()[middle] ^ 16]))
    with pytest.raises(TraceError, match="damaged after 0 records"):
        Trace.load(path)


@settings(deadline=None, max_examples=150)
@given(
    saved=st.booleans(),
    at=st.integers(0, 10**6),
    data=st.binary(min_size=1, max_size=8),
    salvage=st.booleans(),
)
def test_any_bytes_anywhere_give_a_trace_or_one_clear_error(
    tmp_path_factory, saved, at, data, salvage
):
    path = write(tmp_path_factory.mktemp("trace") / "a.piot", n=3)
    if saved:
        Trace.load(path).save(path)
    places = [*range(160), *range(HEADER_BYTES, HEADER_BYTES + 240)]
    patch(path, at % path.stat().st_size if saved else places[at % len(places)], data)
    try:
        assert len(Trace.load(path, salvage=salvage)) <= path.stat().st_size
    except TraceError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)


def test_a_place_that_is_no_trace(tmp_path):
    with pytest.raises(TraceError, match="No such file"):
        Trace.load(tmp_path / "missing.piot")
    with pytest.raises(TraceError, match="holds no traces"):
        Trace.load(tmp_path)
    with pytest.raises(TraceError, match="Is a directory"):
        Trace.load([tmp_path])
    with pytest.raises(TraceError, match="no trace was named"):
        Trace.load([])


def test_traces_of_different_provenance_do_not_mix(tmp_path):
    write(tmp_path / "a.piot")
    write(tmp_path / "b.piot", provenance="modelled")
    with pytest.raises(TraceError, match="measured and modelled"):
        Trace.load(tmp_path)


def test_notes_that_look_like_code_stay_text(tmp_path):
    notes = {"a": "__import__('os').system('false')", "b": [1, None]}
    assert Trace.load(write(tmp_path / "a.piot", notes=notes)).meta == notes


def test_more_names_than_there_is_room_for_are_numbered(tmp_path):
    with TraceWriter(tmp_path / "a.piot", rank=0) as trace:
        numbers = [trace.add_file(f"{n:05d}" * 200) for n in range(40)]
        trace.append(**APP, start=0, end=0, file=numbers[-1])
    found = Trace.load(tmp_path / "a.piot")
    assert found.files[0] == "00000" * 200
    assert found.files[found.records["file"][0]] == "file 39"


def test_names_given_at_first_always_fit(tmp_path):
    names = [f"{n:05d}" * 200 for n in range(400)]
    assert Trace.load(write(tmp_path / "a.piot", files=names)).files == names


# Writing where that isn't possible.


def test_an_existing_file_is_not_overwritten(tmp_path):
    (tmp_path / "a.piot").write_text("mine")
    with pytest.raises(TraceError, match="exists already"):
        TraceWriter(tmp_path / "a.piot", rank=0)
    assert (tmp_path / "a.piot").read_text() == "mine"


def test_a_directory_that_is_missing_is_named(tmp_path):
    with pytest.raises(TraceError, match=r"no/a\.piot: no trace can be made here"):
        TraceWriter(tmp_path / "no" / "a.piot", rank=0)


def test_beyond_its_bound_every_record_is_counted_as_dropped(tmp_path):
    bound = HEADER_BYTES + 80 * 100
    with TraceWriter(tmp_path / "a.piot", rank=0, max_bytes=bound) as trace:
        block = trace.claim(70)
        fill(block)
        short = trace.claim(50)
        fill(short)
        trace.drop(50 - len(short))
        assert [trace.append(**APP, start=0, end=0) for _ in range(3)] == [-1] * 3
    assert (len(block), len(short)) == (70, 30)
    assert (tmp_path / "a.piot").stat().st_size == bound
    found = Trace.load(tmp_path / "a.piot")
    assert (len(found), found.dropped) == (100, 23)


def test_no_room_for_the_header_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_allocate", lambda *_: False)
    with pytest.raises(TraceError, match="no room for the header"):
        TraceWriter(tmp_path / "a.piot", rank=0)
    assert not (tmp_path / "a.piot").exists()


@pytest.mark.parametrize("failure", ["absent", errno.EOPNOTSUPP, errno.EINVAL])
def test_where_space_cannot_be_reserved_the_file_is_really_extended(tmp_path, monkeypatch, failure):
    if failure == "absent":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    else:

        def refuse(*_):
            raise OSError(failure, "refused")

        monkeypatch.setattr(os, "posix_fallocate", refuse)
    path = tmp_path / "a.piot"
    with TraceWriter(path, rank=0) as trace:
        fill(trace.claim(10_000))
        assert path.stat().st_blocks * 512 >= 10_000 * 80
    assert len(Trace.load(path)) == 10_000


FILL = """
import json, sys
from piotutor.trace import TraceWriter
asked = 0
with TraceWriter(sys.argv[1], rank=0) as trace:
    for i in range(20000):
        trace.append(layer=1, op=3, start=i, end=i)
    block = trace.claim(1000)
    trace.drop(1000 - len(block))
    for i in range(len(block)):
        block.words[10 * i + 8] = 3 << 8 | 1
"""


def check_full(directory):
    """Of 21,000 records each one is in the file or counted as dropped."""
    found = Trace.load(directory / "a.piot")
    assert 1000 < len(found) < 15_000
    assert found.records["start"].tolist() == list(range(len(found)))
    assert len(found) + found.dropped == 21_000


def test_a_limit_of_file_size_drops_and_counts(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    command = [sys.executable, "-c", FILL, str(tmp_path / "a.piot")]
    subprocess.run(command, check=True, preexec_fn=limit)
    check_full(tmp_path)


def test_a_full_disk_drops_and_counts_without_a_signal(tmp_path):
    unshare = shutil.which("unshare")
    mounted = f"mount -t tmpfs -o size=1m none {tmp_path} && "
    inside = [unshare or "", "-Urm", "sh", "-c"]
    if unshare is None or subprocess.run([*inside, mounted + "true"], check=False).returncode:
        pytest.skip("no namespaces here in which to mount a small disk")
    script = mounted + '"$0" -c "$1" "$2" && cp "$2" "$3"'
    kept = Path(f"{tmp_path}-kept")
    kept.mkdir()
    command = [sys.executable, FILL, str(tmp_path / "a.piot"), str(kept)]
    subprocess.run([*inside, script, *command], check=True)
    check_full(kept)


def test_header_text_is_json_lines(tmp_path):
    raw = write(tmp_path / "a.piot", writer="x", notes={"k": 1}).read_bytes()
    size = int(np.frombuffer(raw, HEADER, 1)["text_bytes"][0])
    assert json.loads(raw[128 : 128 + size]) == {
        **{"writer": "x", "provenance": "measured", "files": ["data0"], "notes": {"k": 1}}
    }
