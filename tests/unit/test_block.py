"""Block requests recorded beside a job, and that nothing of the tracer is left."""

from __future__ import annotations

import errno
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from piotutor.capture import UnavailableError, block, fiemap, procio, tracefs
from piotutor.capture.fiemap import Addresses, Extent
from piotutor.capture.requests import BIOS, REQUESTS
from piotutor.trace import Flag, Layer, Op, Trace
from piotutor.trace.writer import TraceWriter


class Everywhere:
    """Stands in for the places of files: the disk is cut in two files of 8 KiB each, in turn."""

    def __init__(self, files, notes):
        pass

    def refresh(self):
        pass

    def find(self, disk, address, length, when):
        pieces = [(block_ % 3, 4096 * (block_ // 3), 4096 * block_) for block_ in range(12)]
        extents = [(file, [Extent(offset, at, 4096)]) for file, offset, at in pieces if file < 2]
        return Addresses(extents).find(address, length)


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Return a function that records what the kernel is made to say."""
    monkeypatch.setattr(block, "Whereabouts", Everywhere)

    def record(text):
        inside, outside = os.pipe()
        os.set_blocking(inside, False)
        os.write(outside, text.encode())
        with TraceWriter(tmp_path / "block.piot", rank=-1, files=["a", "b"]) as writer:
            recorder = block.Recorder(writer, tmp_path)
            ended, end = os.pipe()
            thread = threading.Thread(target=recorder.run, args=(inside, ended))
            thread.start()
            os.close(end)
            thread.join()
            os.close(ended)
            os.close(outside)
            recorder.finish(inside)
            os.close(inside)
        return Trace.load(tmp_path / "block.piot"), recorder

    return record


def said(at, letters, sector, sectors, error=0):
    issue = f"block_rq_issue: 8,0 {letters} 0 () {sector} + {sectors} [x]"
    complete = f"block_rq_complete: 8,0 {letters} () {sector} + {sectors} [{error}]"
    lines = ((at, issue), (at + 5, complete))
    return "".join(f"x-1 [000] ..... 1.{micro:06}: {event}\n" for micro, event in lines)


def test_a_request_becomes_a_record(recorded):
    trace, recorder = recorded(said(10, "W", 0, 8) + said(20, "R", 8, 8) + said(30, "FF", 0, 0))
    assert list(trace.column("op")) == [Op.WRITE, Op.READ, Op.SYNC]
    assert set(trace.column("layer")) == {Layer.BLOCK}
    assert set(trace.column("rank")) == {-1}
    assert list(trace.column("file")) == [0, 1, -1]
    assert list(trace.column("offset")) == [0, 0, -1]
    assert list(trace.column("length")) == [4096, 4096, 0]
    assert list(trace.column("aux")[:2]) == [0, 4096]
    assert list(trace.column("end") - trace.column("start")) == [5000] * 3
    assert recorder.left_out.startswith("0 requests")


def test_a_request_of_two_files_is_one_of_each_with_its_parts(recorded):
    trace, _ = recorded(said(10, "W", 0, 48))  # a b - a b -
    calls = trace.records[(trace.column("flags") & Flag.PART) == 0]
    parts = trace.records[(trace.column("flags") & Flag.PART) != 0]
    assert [(r["file"], r["offset"], r["length"], r["aux"]) for r in calls] == [
        (0, 0, 8192, 0),
        (1, 0, 8192, 4096),
    ]
    assert [(r["file"], r["offset"], r["length"]) for r in parts] == [
        (0, 0, 4096),
        (0, 4096, 4096),
        (1, 0, 4096),
        (1, 4096, 4096),
    ]
    assert list(trace.records["file"][parts["parent"]]) == list(parts["file"])


def test_others_are_only_counted_and_errors_are_told(recorded):
    trace, recorder = recorded(said(10, "W", 16, 8) + said(20, "W", 0, 8, -5) + said(30, "D", 0, 8))
    (record,) = trace.records
    assert record["flags"] == Flag.FAILED
    assert (record["length"], record["result"]) == (4096, -5)
    assert recorder.left_out == "1 requests of 4,096 bytes of other files"


def test_lost_events_are_dropped_records(recorded):
    trace, _ = recorded("CPU:0 [LOST 7 EVENTS]\n" + said(10, "W", 0, 8))
    assert (len(trace), trace.dropped) == (1, 7)


def test_names_come_from_interposers_as_they_meet_files(tmp_path):
    with TraceWriter(tmp_path / "block.piot", rank=-1, files=["a"]) as writer:
        names = block.Names(writer, tmp_path)
        with TraceWriter(tmp_path / "below-00000-7.piot", rank=0, files=["b", "a"]) as other:
            names.update()
            assert writer.files == ["a", "b"]
            other.add_file("c")
            names.update()
            names.update()
        (tmp_path / "below-00001-8.piot").write_bytes(b"not a trace")
        names.update()
        assert writer.files == ["a", "b", "c"]


@pytest.mark.parametrize("everywhere", [False, True])
def test_what_the_kernel_is_told(tmp_path, monkeypatch, everywhere):
    disk = fiemap.Disk("254:3", 0, requests=everywhere)
    monkeypatch.setattr(block, "find_device", lambda path: None)
    monkeypatch.setattr(block, "disk_of", lambda path: disk)
    told = block.order("20260101-x", tmp_path / "not yet", everywhere=everywhere)
    assert told.name == "piotutor-20260101-x"
    assert told.events == (REQUESTS if everywhere else BIOS)
    assert told.condition == ("" if everywhere else f"dev == {254 * 2**20 + 3}")


def test_no_disk_no_order():
    with pytest.raises(UnavailableError, match=r"memory|container|darwin|which disk"):
        block.order("x", Path("/dev/shm"))


def test_without_a_disk_it_is_said(tmp_path, monkeypatch):
    def hidden(path):
        raise UnavailableError("tmpfs is memory")

    monkeypatch.setattr(block, "find_device", hidden)
    with block.recording(tmp_path, [], tmp_path) as about:
        pass
    assert about == {"block": "unavailable here: tmpfs is memory"}


# What needs the kernel's tracer.

TRACES, REASON = block.permitted()
needs_tracer = pytest.mark.skipif(not TRACES, reason=f"no block tracing: {REASON}")


@pytest.fixture
def instance(tmp_path):
    """Return the order of an instance that is removed whatever happens."""
    try:
        told = block.order(f"test-{secrets.token_hex(4)}", tmp_path)
    except UnavailableError as why:
        pytest.skip(f"no disk to be traced: {why}")
    yield told
    tracefs.remove(told.name)


def instances():
    with tracefs.opened() as root:
        return [path.name for path in (root / "instances").iterdir()]


def mounts():
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if " - tracefs " in line]


def handles():
    return len(list(Path("/proc/self/fd").iterdir()))


@needs_tracer
@pytest.mark.root
def test_an_instance_comes_and_goes_and_nothing_is_mounted(instance):
    before = mounts(), handles()
    tracefs.begin(instance)
    assert instance.name in instances()
    assert (mounts(), handles()) == before
    tracefs.remove(instance.name)
    assert instance.name not in instances()
    tracefs.remove(instance.name)
    assert (mounts(), handles()) == before


@needs_tracer
@pytest.mark.root
def test_an_order_that_can_not_be_met_leaves_nothing(instance):
    with pytest.raises(OSError):
        tracefs.begin(tracefs.Order(instance.name, ("block/no_such_event",)))
    assert instance.name not in instances()


@needs_tracer
@pytest.mark.root
def test_what_is_written_is_recorded(tmp_path, instance):
    path = tmp_path / "data"
    (tmp_path / "trace").mkdir()
    run_dir = tmp_path
    named = tracefs.Order(block.instance_of(run_dir.name), instance.events, instance.condition)
    tracefs.begin(named)
    try:
        with block.recording(run_dir, [str(path)], tmp_path) as about, path.open("wb") as file:
            file.write(os.urandom(1 << 20))
            file.flush()
            os.fsync(file.fileno())
    finally:
        tracefs.remove(named.name)
    if not fiemap_says(path) or not fiemap.extents(path):
        pytest.skip("no addresses here")
    assert about["block"] == "tracefs"
    trace = Trace.load(tmp_path / "trace")
    writes = trace.records[trace.column("op") == Op.WRITE]
    covered = np.zeros(1 << 20, bool)
    for record in writes:
        covered[record["offset"] : record["offset"] + record["length"]] = True
    assert covered.all()
    assert writes["result"].sum() >= 1 << 20
    assert (writes["end"] >= writes["start"]).all()


@needs_tracer
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")
def test_an_ordinary_user_is_told_why_not():
    code = (
        "import os; from piotutor.capture import block, tracefs; os.setgroups([]);"
        "os.setgid(65534); os.setuid(65534); tracefs.remove('piotutor-none');"
        "print(*block.permitted())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("False tracefs is ")
    assert "root" in said.stdout


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENODEV, errno.ENOSYS, errno.EINVAL])
def test_without_tracefs_the_reason_is_one_line(monkeypatch, number):
    class Libc:
        def syscall(self, *arguments):
            return -1

    monkeypatch.setattr(tracefs, "HOMES", ())
    monkeypatch.setattr(tracefs.ctypes, "CDLL", lambda *_, **__: Libc())
    monkeypatch.setattr(tracefs.ctypes, "get_errno", lambda: number)
    permitted, reason = block.permitted()
    assert not permitted
    assert reason
    assert "\n" not in reason


def test_a_mounted_tracefs_is_used(monkeypatch, tmp_path):
    (tmp_path / "instances").mkdir()
    monkeypatch.setattr(tracefs, "HOMES", (str(tmp_path / "none"), str(tmp_path)))
    assert block.permitted() == (False, "this kernel traces no block requests")
    for event in REQUESTS:
        (tmp_path / "events" / event).mkdir(parents=True)
    assert block.permitted() == (True, f"through tracefs at {tmp_path}")


def test_a_kernel_that_was_told_nothing(monkeypatch, tmp_path):
    (tmp_path / "instances").mkdir()
    monkeypatch.setattr(tracefs, "HOMES", (str(tmp_path),))
    monkeypatch.setattr(block, "find_device", lambda path: None)
    monkeypatch.setattr(block, "disk_of", lambda path: fiemap.Disk("8:0", 0, requests=True))
    with block.recording(tmp_path, [], tmp_path) as about:
        pass
    assert about["block"].startswith("deltas: ")


def test_a_jobs_bytes_are_its_guards(tmp_path):
    before = procio.counters()
    if not before:
        pytest.skip("no /proc/self/io here")
    code = "import os, sys; open(sys.argv[1], 'wb').write(os.urandom(1 << 20))"
    subprocess.run([sys.executable, "-c", code, tmp_path / "file"], check=True)
    moved = procio.moved(before)
    assert set(moved) == {"read_bytes", "write_bytes"}
    if fiemap_says(tmp_path):
        assert moved["write_bytes"] >= 1 << 20


def fiemap_says(path):
    """Whether files there lie on a disk of ours, so that their bytes count as written."""
    try:
        fiemap.disk_of(path)
    except (UnavailableError, OSError):
        return False
    return True


def test_no_counters_no_answer(monkeypatch):
    monkeypatch.setattr(procio, "_OWN", Path("/nowhere/io"))
    assert procio.counters() == {}
    assert procio.moved({}) == {}
