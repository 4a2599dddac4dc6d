"""Block requests: the tracer's text, where files lie, and that nothing of the tracer is left."""

from __future__ import annotations

import errno
import os
import secrets
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piotutor.capture import UnavailableError, block, fiemap, procio, tracefs
from piotutor.capture.fiemap import Addresses, Extent, Piece
from piotutor.capture.requests import BIOS, REQUESTS, Request, Requests, op_of
from piotutor.trace import Flag, Layer, Op, Trace
from piotutor.trace.writer import TraceWriter

# As printed by several kernels: 3.x (bytes are 0), 5.x (four flags), 6.x (five), 6.11 (priority).
SAMPLES = {
    "3.x": (
        "paging-10477 [004] d... 28336.973291: block_rq_issue: 8,0 R 0 () 10844936 + 8 [paging]\n"
        "<idle>-0     [004] ..s. 28336.973316: block_rq_complete: 8,0 R () 10844936 + 8 [0]\n",
        [Request("8:0", Op.READ, 10844936 * 512, 4096, 28336973291000, 28336973316000, 0)],
    ),
    "bios of a logical volume": (
        "paging-10477 [004] d... 28336.973281: block_bio_queue: 253,1 R 8334088 + 8 [paging]\n"
        "<idle>-0     [004] ..s. 28336.973316: block_bio_complete: 253,1 R 8334088 + 8 [0]\n",
        [Request("253:1", Op.READ, 8334088 * 512, 4096, 28336973281000, 28336973316000, 0)],
    ),
    "5.x, a flush that fails": (
        " rep-306069 [007] .... 19654.923315: block_bio_queue: 8,0 FWS 0 + 0 [rep]\n"
        " kworker/7:1H-250   [007] .... 19654.923352: block_rq_issue: 8,0 FF 0 () 0 + 0 [kworker]\n"
        " <idle>-0     [007] ..s. 19654.923562: block_rq_complete: 8,0 FF () "
        "18446744073709551615 + 0 [-5]\n"
        " <idle>-0     [007] d.s. 19654.923576: block_rq_complete: 8,0 WS () 0 + 0 [-5]\n",
        [Request("8:0", Op.SYNC, -1, 0, 19654923352000, 19654923562000, -5)],
    ),
    "a passed-on command is no request of ours": (
        "  kworker/u16:9-325     [000] ...2.   230.478731: block_rq_issue: 8,0 N 36 "
        "(12 01 80 00) 0 + 0 [kworker/u16:9]\n",
        [],
    ),
    "6.x, whole or not at all": (
        "xfs_io-4238  [009] .....  4148.126843: block_rq_issue: 259,0 WFSU 16384 () 768 + 32 "
        "none,0,0 [xfs_io]\n"
        "<idle>-0     [009] d.h1.  4148.129864: block_rq_complete: 259,0 WFSU () 768 + 32 "
        "none,0,0 [0]\n",
        [Request("259:0", Op.WRITE, 768 * 512, 16384, 4148126843000, 4148129864000, 0)],
    ),
    "6.18, as it was recorded": (
        "          python-13395   [001] ...1. 12292.040262: block_rq_insert: 254,0 WS 4096 () "
        "261915160 + 8 be,0,4 [python]\n"
        "          python-13395   [001] ..... 12292.040267: block_rq_issue: 254,0 WS 4096 () "
        "261915160 + 8 be,0,4 [python]\n"
        "          python-13394   [001] ..s1. 12292.041835: block_rq_complete: 254,0 WS () "
        "261915160 + 8 be,0,4 [0]\n",
        [Request("254:0", Op.WRITE, 261915160 * 512, 4096, 12292040267000, 12292041835000, 0)],
    ),
    "with the process number, and names that look like lines": (
        "  a b: 8,0 W [1]-37    (     37) [001] ...1     7.000001: block_rq_issue: 8,0 WS 4096 () "
        "16 + 8 [a b: 8,0 W [1]]\n"
        "  [0] 1.1: blo(-9      (-------) [013] ..s1  1007.000003: block_rq_complete: 8,0 WS () "
        "16 + 8 [0]\n",
        [Request("8:0", Op.WRITE, 8192, 4096, 7000001000, 1007000003000, 0)],
    ),
    "a name with a line's end in it": (
        "  a\n[0] b-37  [001] .....     7.000001: block_rq_issue: 8,0 RA 4096 () 16 + 8 [a\n[0]]\n"
        "  a\n[0] b-37  [001] .....     7.000002: block_rq_complete: 8,0 RA () 16 + 8 [0]\n",
        [Request("8:0", Op.READ, 8192, 4096, 7000001000, 7000002000, 0)],
    ),
    "done in two parts, the second in error": (
        "x-1 [000] ..... 1.000001: block_rq_issue: 8,0 W 8192 () 16 + 16 none,0,0 [x]\n"
        "x-1 [000] ..... 1.000005: block_rq_complete: 8,0 W () 16 + 8 none,0,0 [0]\n"
        "x-1 [000] ..... 1.000009: block_rq_complete: 8,0 W () 24 + 8 none,0,0 [-5]\n",
        [
            Request("8:0", Op.WRITE, 8192, 4096, 1000001000, 1000005000, 0),
            Request("8:0", Op.WRITE, 12288, 4096, 1000001000, 1000009000, -5),
        ],
    ),
    "issued before we looked": (
        "x-1 [000] ..... 1.000005: block_rq_complete: 8,0 W () 16 + 8 none,0,0 [0]\n",
        [],
    ),
}


@pytest.mark.parametrize("kernel", SAMPLES)
def test_lines_of_several_kernels(kernel):
    text, expected = SAMPLES[kernel]
    assert Requests().feed(text.encode()) == expected


@pytest.mark.parametrize("kernel", SAMPLES)
def test_text_may_be_cut_anywhere(kernel):
    text, expected = SAMPLES[kernel]
    for size in (1, 7, 100):
        requests, data = Requests(), text.encode()
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert [done for piece in pieces for done in requests.feed(piece)] == expected


def test_lost_events_are_counted_and_what_was_under_way_is_not_trusted():
    requests = Requests()
    text = (
        "x-1 [000] ..... 1.000001: block_rq_issue: 8,0 W 4096 () 16 + 8 none,0,0 [x]\n"
        "CPU:1 [LOST 12 EVENTS]\n"
        "x-1 [000] ..... 3.000001: block_rq_complete: 8,0 W () 16 + 8 none,0,0 [0]\n"
    )
    assert requests.feed(text.encode()) == []
    assert requests.lost == 13


@pytest.mark.parametrize(
    ("rwbs", "sectors", "op"),
    [
        (b"W", 8, Op.WRITE),
        (b"WS", 8, Op.WRITE),
        (b"FWFS", 8, Op.WRITE),
        (b"WM", 8, Op.WRITE),
        (b"R", 8, Op.READ),
        (b"RAM", 8, Op.READ),
        (b"FF", 0, Op.SYNC),
        (b"FWS", 0, Op.SYNC),
        (b"WS", 0, None),
        (b"D", 8, None),
        (b"DE", 8, None),
        (b"WZ", 8, None),
        (b"N", 0, None),
    ],
)
def test_letters_of_an_event(rwbs, sectors, op):
    assert op_of(rwbs, sectors) == op


@st.composite
def disks(draw):
    """Draw files, their blocks strewn over a small disk: for each block (file, block in it)."""
    blocks = draw(st.integers(1, 40))
    owner = draw(st.lists(st.integers(-1, 2), min_size=blocks, max_size=blocks))
    order = draw(st.permutations(range(blocks)))
    at: dict[int, list[int]] = {}
    for place in order:
        at.setdefault(owner[place], []).append(place)
    at.pop(-1, None)
    return blocks, at


def runs(places):
    """Return a file's extents, given the place of each of its blocks, neighbours joined or not."""
    found = []
    for block_, place in enumerate(places):
        last = found[-1] if found else Extent(0, -2, 0)
        if last.address + last.length == place and place % 3:
            found[-1] = last._replace(length=last.length + 1)
        else:
            found.append(Extent(block_, place, 1))
    return found


@given(disks(), st.data())
def test_a_request_finds_exactly_the_bytes_of_the_files(disk, data):
    blocks, at = disk
    addresses = Addresses([(file, runs(places)) for file, places in at.items()])
    start = data.draw(st.integers(0, blocks - 1))
    length = data.draw(st.integers(1, blocks - start))
    pieces = addresses.find(start, length)
    expected = {
        place: (file, block_)
        for file, places in at.items()
        for block_, place in enumerate(places)
        if start <= place < start + length
    }
    found = [
        (piece.address + i, (piece.file, piece.offset + i))
        for piece in pieces
        for i in range(piece.length)
    ]
    assert dict(found) == expected
    assert len(found) == len(expected)
    for one, after in pairwise(pieces):  # what goes on is one piece
        goes_on = (after.address - one.address, after.offset - one.offset, after.file)
        assert goes_on != (one.length, one.length, one.file)


def test_blocks_that_two_files_share_count_once():
    addresses = Addresses([(0, [Extent(0, 100, 50)]), (1, [Extent(0, 120, 50)])])
    pieces = addresses.find(90, 200)
    assert pieces == [Piece(0, 0, 100, 50), Piece(1, 30, 150, 20)]
    assert not addresses.find(0, 100)
    assert not addresses.find(170, 10)


def test_a_partition_begins_somewhere_on_its_disk(tmp_path):
    disk = tmp_path / "devices/sda"
    (disk / "sda2").mkdir(parents=True)
    (disk / "mq").mkdir()
    (disk / "dev").write_text("8:0\n")
    for name, text in (("dev", "8:2\n"), ("partition", "2\n"), ("start", "2048\n")):
        (disk / "sda2" / name).write_text(text)
    (tmp_path / "dm").mkdir()
    (tmp_path / "dm/dev").write_text("253:1\n")
    for number, home in (("8:0", disk), ("8:2", disk / "sda2"), ("253:1", tmp_path / "dm")):
        (tmp_path / number).symlink_to(home)
    assert fiemap._disk(os.makedev(8, 0), tmp_path) == ("8:0", 0, True)
    assert fiemap._disk(os.makedev(8, 2), tmp_path) == ("8:0", 1 << 20, True)
    assert fiemap._disk(os.makedev(253, 1), tmp_path) == ("253:1", 0, False)
    with pytest.raises(UnavailableError, match="which disk"):
        fiemap._disk(os.makedev(0, 45), tmp_path)


def lies(path):
    """Return where a file lies, or skip."""
    try:
        fiemap.disk_of(path)
        return fiemap.extents(path)
    except (UnavailableError, OSError) as why:
        pytest.skip(f"addresses can't be seen here: {why}")


def test_a_file_lies_somewhere(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        for at in (0, 5 << 20):
            file.seek(at)
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    found = lies(path)
    assert sum(extent.length for extent in found) == 2 << 20
    held = [False] * 6
    for extent in found:
        for at in range(extent.offset, extent.offset + extent.length, 4096):
            held[at >> 20] = True
    assert held == [True, False, False, False, False, True]


def test_what_has_no_address_yet_is_left_out(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    assert sum(extent.length for extent in lies(path)) <= 4096


def test_a_file_that_went_away_is_known_for_a_moment(tmp_path, monkeypatch):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(os.urandom(8192))
        file.flush()
        os.fsync(file.fileno())
    first, *_ = lies(path)
    disk = fiemap.disk_of(path)
    where = fiemap.Whereabouts([str(path), str(tmp_path / "none")], tmp_path / "no notes")
    where.refresh()
    piece = (0, first.offset, disk.start + first.address, first.length)
    asked = (disk.number, disk.start + first.address, first.length)
    now = time.monotonic_ns()
    assert where.find(*asked, now) == [piece]
    path.unlink()
    where.refresh()
    assert where.find(*asked, now) == [piece]
    assert where.find(*asked, time.monotonic_ns()) == []  # it was gone by then
    where.refresh()
    assert where.find(*asked, now) == [piece]
    monkeypatch.setattr(fiemap, "MOMENT", 0)
    where.refresh()
    assert where.find(*asked, now) == []
    assert where.find("no disk", 0, 1, now) == []


def test_where_a_file_lay_is_noted_before_it_is_removed(tmp_path):
    path, notes = tmp_path / "file", tmp_path / fiemap.NOTES
    where = fiemap.Whereabouts(["other", str(path)], notes)
    fiemap.note(tmp_path, str(path))  # nobody asked
    assert not notes.exists()
    notes.mkdir()
    with path.open("wb") as file:
        file.write(os.urandom(8192))
        file.flush()
        os.fsync(file.fileno())
    first, *_ = lies(path)
    done = time.monotonic_ns()
    fiemap.note(tmp_path, str(path))
    path.unlink()
    disk = fiemap.disk_of(tmp_path)
    asked = (disk.number, disk.start + first.address, first.length)
    where.refresh()
    assert where.find(*asked, done) == [(1, first.offset, *asked[1:])]
    where.refresh()
    assert where.find(*asked, done) == [(1, first.offset, *asked[1:])]
    assert where.find(*asked, time.monotonic_ns()) == []  # it was gone by then


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
    if not lies(path):
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
