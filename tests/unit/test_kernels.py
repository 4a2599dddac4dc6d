"""The kernels and the benchmark on one rank, without MPI: faults, short transfers, records."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from piotutor.errors import PiotutorError, UsageError
from piotutor.kernels import KERNELS, benchmark, burst, kernel_class
from piotutor.kernels.base import Kernel, SerialComm
from piotutor.kernels.benchmark import run_rank
from piotutor.kernels.direct import aligned_buffer, check_alignment, direct_alignment
from piotutor.kernels.hints import judge_hints
from piotutor.kernels.job import Job, read_job
from piotutor.kernels.null import NullKernel
from piotutor.kernels.posix import PosixKernel
from piotutor.kernels.traced import Traced
from piotutor.trace.reader import Trace
from piotutor.trace.record import Flag, Op, Phase, phase_of, repetition_of
from piotutor.trace.writer import TraceWriter
from piotutor.workload import Workload

SIZE = 3000


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Build the loop in C, where there is a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    source = Path(burst.__file__).with_name("_burst.c")
    target = tmp_path_factory.mktemp("burst") / "_burst.so"
    strict = ["-Wall", "-Wextra", "-Werror", "-std=gnu11"]
    subprocess.run([compiler, *strict, "-shared", "-fPIC", "-o", target, source], check=True)
    return burst.load(str(target))


@pytest.fixture(params=["python", "c"], autouse=True)
def loop(request, monkeypatch, compiled):
    """Do every test with both loops."""
    if request.param == "c" and compiled is None:
        pytest.skip("no compiler")
    library = compiled if request.param == "c" else None
    monkeypatch.setattr(burst, "library", lambda: library)
    return request.param


@dataclass
class Left:
    cached: int | None


def small(**options):
    few = {"num_tasks": 1, "block_size": 4 * SIZE, "transfer_size": SIZE}
    return Workload(**{**few, "write": True, **options})


def run(tmp_path, work, kernel=None, monkeypatch=None, cached=0, evict=None, **fields):
    """Run one rank here; return its outcome and its trace."""
    if kernel is not None:
        monkeypatch.setattr(benchmark, "kernel_class", lambda api: kernel)
    job = Job(workload=work, files=(str(tmp_path / "data"),), run_dir=tmp_path, **fields)
    path = tmp_path / "trace.piot"
    path.unlink(missing_ok=True)
    try:
        with TraceWriter(path, rank=0, max_bytes=job.trace_max_bytes) as writer:
            return run_rank(job, SerialComm(), writer, evict or (lambda path: Left(cached)))
    finally:
        run.trace = Trace.load(path)


def records(op, phase=None):
    found = run.trace.records
    wanted = found["op"] == op
    return found[wanted if phase is None else wanted & (phase_of(found["aux"]) == phase)]


class Stingy(PosixKernel):
    """Never moves more than 1000 bytes at once."""

    def write(self, offset, data):
        return super().write(offset, data[:1000])

    def read(self, offset, data):
        return super().read(offset, data[:1000])

    bind = Kernel.bind


class Full(PosixKernel):
    """Has room for two transfers."""

    def write(self, offset, data):
        if offset >= 2 * SIZE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(offset, data)

    bind = Kernel.bind


class Forgetful(PosixKernel):
    """Loses the third transfer, and spoils one byte of the second."""

    def write(self, offset, data):
        if offset == 2 * SIZE:
            return SIZE
        if offset == SIZE:
            data = bytearray(data)
            data[5] ^= 1
        return super().write(offset, data)

    bind = Kernel.bind


def test_short_transfers_are_continued_and_marked(tmp_path, monkeypatch):
    outcome = run(tmp_path, small(verify_read=True), Stingy, monkeypatch)
    assert (outcome.verified_bytes, outcome.bad_bytes) == (4 * SIZE, 0)
    for op in (Op.WRITE, Op.READ):
        found = records(op)
        assert found["result"].tolist() == [1000] * 12
        assert found["length"].tolist() == [3000, 2000, 1000] * 4
        short = (found["flags"] & Flag.SHORT) != 0
        assert short.tolist() == [True, True, False] * 4
        assert found["offset"].tolist() == list(range(0, 4 * SIZE, 1000))


def test_the_end_of_a_file_is_reported(tmp_path):
    (tmp_path / "data").write_bytes(bytes(2 * SIZE + 100))
    with pytest.raises(PiotutorError, match="read at offset 6,000 gave 100 of 3,000 bytes"):
        run(tmp_path, small(write=False, read=True))
    assert records(Op.READ)["result"].tolist() == [SIZE, SIZE, 100, 0]
    assert (tmp_path / "data").exists()


def deep(depth, **options):
    return small(write=False, read=True, queue_depth=depth, **options)


def test_deep_reads_are_those_of_a_single_thread(tmp_path):
    (tmp_path / "data").write_bytes(bytes(40 * SIZE))
    run(tmp_path, deep((1, 3, 64), block_size=40 * SIZE, repetitions=3))
    found = records(Op.READ)
    for repetition, depth in enumerate((1, 3, 64)):
        mine = found[repetition_of(found["aux"]) == repetition]
        assert sorted(mine["offset"].tolist()) == list(range(0, 40 * SIZE, SIZE))
        assert set(mine["result"].tolist()) == {SIZE}
        assert np.all(mine["end"] >= mine["start"])
        threads = set(mine["thread"].tolist())
        assert threads == {-1} if depth == 1 else threads <= set(range(depth))
    assert run.trace.dropped == 0


class Together(PosixKernel):
    """Lets reads go on only when three are under way."""

    bind = Kernel.bind
    gate = threading.Barrier(3, timeout=60)

    def read(self, offset, data):
        self.gate.wait()
        return super().read(offset, data)


def test_deep_reads_are_under_way_at_once(tmp_path, monkeypatch):
    (tmp_path / "data").write_bytes(bytes(12 * SIZE))
    run(tmp_path, deep(3, block_size=12 * SIZE), Together, monkeypatch)
    found = records(Op.READ)
    assert np.bincount(found["thread"]).tolist() == [4, 4, 4]


def test_short_deep_reads_are_continued(tmp_path, monkeypatch):
    (tmp_path / "data").write_bytes(bytes(4 * SIZE))
    run(tmp_path, deep(2), Stingy, monkeypatch)
    assert sorted(records(Op.READ)["offset"].tolist()) == list(range(0, 4 * SIZE, 1000))


def test_the_end_of_a_file_ends_all_that_read_deep(tmp_path):
    (tmp_path / "data").write_bytes(bytes(2 * SIZE + 100))
    with pytest.raises(PiotutorError, match=r"gave (100|0) of 3,000 bytes"):
        run(tmp_path, deep(2))


def test_reading_deep_what_cant_be_read_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "data").write_bytes(bytes(4 * SIZE))
    monkeypatch.setattr(PosixKernel, "close", lambda self: None)
    monkeypatch.setattr(Traced, "open", lambda self, *_, **__: None)
    with pytest.raises(OSError) as caught:
        run(tmp_path, deep(2))
    assert caught.value.errno == errno.EBADF
    assert Flag.FAILED in records(Op.READ)["flags"]


def test_deep_reads_without_room_for_records_are_counted(tmp_path):
    (tmp_path / "data").write_bytes(bytes(4 * SIZE))
    run(tmp_path, deep(2), trace_max_bytes=1 << 14)
    assert run.trace.dropped >= 4


def test_a_full_disk_is_recorded_and_raised(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="No space"):
        run(tmp_path, small(), Full, monkeypatch)
    found = records(Op.WRITE)
    assert found["result"].tolist() == [SIZE, SIZE, -errno.ENOSPC]
    assert found["flags"].tolist() == [0, 0, Flag.FAILED]
    assert (tmp_path / "made-00000").read_text() == str(tmp_path / "data")


@pytest.fixture
def file_limit():
    """Let files grow to two transfers and a half."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_write_that_the_system_cuts_short_is_marked_and_tried_again(tmp_path, file_limit):
    work = Workload(num_tasks=1, block_size=1 << 20, transfer_size=1 << 18, write=True)
    (tmp_path / "trace.piot").touch()
    file_limit((1 << 19) + 4096)
    with pytest.raises(OSError) as caught:
        run(tmp_path, work)
    assert caught.value.errno == errno.EFBIG
    found = records(Op.WRITE)
    assert found["result"].tolist() == [1 << 18, 1 << 18, 4096, -errno.EFBIG]
    assert found["flags"].tolist() == [0, 0, Flag.SHORT, Flag.FAILED]


def test_both_loops_write_the_same_records(tmp_path, loop):
    run(tmp_path, small(read=True, segment_count=50))
    for op in (Op.WRITE, Op.READ):
        found = records(op)
        assert found["offset"].tolist() == list(range(0, 200 * SIZE, SIZE))
        assert set(found["length"].tolist()) == set(found["result"].tolist()) == {SIZE}
        assert np.all(found["start"] <= found["end"])
        assert np.all(found["end"][:-1] <= found["start"][1:])
        opened, closed = records(Op.OPEN)["end"], records(Op.CLOSE)["start"]
        assert np.any(opened <= found["start"][0]) and np.any(closed >= found["end"][-1])


def test_what_is_lost_or_spoiled_is_named(tmp_path, monkeypatch):
    outcome = run(tmp_path, small(verify_read=True, verify_write=True), Forgetful, monkeypatch)
    spoiled, lost = outcome.mismatches[:2]
    assert (spoiled.offset, spoiled.count, spoiled.writer, spoiled.file) == (SIZE + 5, 1, 0, 0)
    assert lost.offset // SIZE == 2 and "never written" in lost.found
    assert outcome.bad_bytes == 2 * (1 + lost.count)
    assert outcome.verified_bytes + outcome.bad_bytes == 2 * 4 * SIZE


def test_stale_data_of_an_earlier_repetition_is_found(tmp_path, monkeypatch):
    class Stale(PosixKernel):
        """Writes nothing once the file has its size, and never removes it."""

        bind = Kernel.bind

        def write(self, offset, data):
            if os.fstat(self.fd).st_size >= offset + SIZE:
                return SIZE
            return super().write(offset, data)

        def open(self, path, op, *, exclusive=True):
            flags = os.O_RDWR | (os.O_CREAT if op == Op.WRITE else 0)
            self.fd = os.open(path, flags)

        def remove(self, path):
            pass

    work = small(verify_read=True, repetitions=2)
    outcome = run(tmp_path, work, Stale, monkeypatch)
    assert outcome.bad_bytes > 0.9 * 4 * SIZE
    assert "another repetition or run (-1)" in outcome.mismatches[0].found


@pytest.mark.parametrize(
    ("cached", "direct", "source"),
    [
        (0, False, "after-evict"),
        (4096, False, "cache"),
        (None, False, "cache"),
        (0, True, "direct"),
    ],
)
def test_it_says_what_was_verified_from(tmp_path, cached, direct, source):
    work = small(verify_read=True, direct_io=direct, block_size=1 << 14, transfer_size=1 << 12)
    try:
        outcome = run(tmp_path, work, cached=cached)
    except UsageError as error:
        pytest.skip(str(error))
    assert outcome.verified_from == source


def test_it_evicts_before_it_verifies_and_only_then(tmp_path):
    seen = []
    evict = lambda path: seen.append(path) or Left(0)  # noqa: E731
    run(tmp_path, small(read=True), evict=evict)
    assert seen == []
    run(tmp_path, small(verify_read=True), evict=evict)
    assert set(seen) == {str(tmp_path / "data")}


def test_phases_and_repetitions_are_marked(tmp_path):
    run(tmp_path, small(read=True, verify_write=True, repetitions=3))
    for phase in (Phase.WRITE, Phase.READ, Phase.VERIFY_WRITE):
        op = Op.WRITE if phase == Phase.WRITE else Op.READ
        found = records(op, phase)
        assert repetition_of(found["aux"]).tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert phase_of(records(Op.REMOVE)["aux"]).tolist() == [Phase.OTHER] * 3
    assert not (tmp_path / "data").exists()


def test_a_kept_file_is_that_of_the_last_repetition(tmp_path):
    from piotutor.content import Content

    run(tmp_path, small(keep=True, repetitions=3), seed=40)
    data = np.fromfile(tmp_path / "data", np.uint8)
    assert Content(42).check(data, 0, 0, 0) is None


def test_a_file_that_was_only_read_stays(tmp_path):
    (tmp_path / "data").write_bytes(bytes(4 * SIZE))
    run(tmp_path, small(write=False, read=True))
    assert (tmp_path / "data").exists()
    assert len(records(Op.REMOVE)) == 0


def test_an_existing_file_is_refused_or_emptied(tmp_path):
    (tmp_path / "data").write_bytes(bytes(100 * SIZE))
    with pytest.raises(UsageError, match="exists and is left as it is"):
        run(tmp_path, small())
    assert (tmp_path / "data").stat().st_size == 100 * SIZE
    run(tmp_path, small(keep=True), exclusive=False)
    assert (tmp_path / "data").stat().st_size == 4 * SIZE


@pytest.mark.parametrize(
    ("path", "words"),
    [("missing/data", "No such file"), ("", "Is a directory|exists"), ("file/data", "Not a dir")],
)
def test_bad_paths_are_one_line(tmp_path, path, words):
    (tmp_path / "file").touch()
    job = Job(workload=small(), files=(str(tmp_path / path),), run_dir=tmp_path)
    with TraceWriter(tmp_path / "t", rank=0) as writer, pytest.raises(UsageError, match=words) as e:
        run_rank(job, SerialComm(), writer, lambda path: Left(0))
    assert "\n" not in str(e.value)


def test_a_full_trace_drops_and_counts(tmp_path):
    work = small(block_size=8 * 4096, transfer_size=8, verify_read=True)
    outcome = run(tmp_path, work, trace_max_bytes=16384 + 80 * 1000)
    assert outcome.verified_bytes == 8 * 4096
    assert len(run.trace.records) == 1000
    assert run.trace.dropped == 2 * (4096 + 2) + 1 - 1000


def test_null_moves_nothing(tmp_path):
    run(tmp_path, small(api="NULL", read=True))
    assert records(Op.WRITE)["result"].tolist() == [SIZE] * 4
    assert not (tmp_path / "data").exists()


def test_random_blocks_of_an_existing_file(tmp_path):
    (tmp_path / "data").write_bytes(bytes(64 * SIZE))
    run(tmp_path, small(write=False, read=True, random_offset=2, segment_count=9))
    found = records(Op.READ)
    assert len(found) == 9 * 4
    assert found["offset"].max() > 4 * SIZE


def test_the_wrapper_times_any_kernel(tmp_path):
    class Mine(NullKernel):
        calls = 0

        def write(self, offset, data):
            self.calls += 1
            return len(data)

    kernel = Mine(small(), SerialComm())
    with TraceWriter(tmp_path / "t.piot", rank=3) as writer:
        traced = Traced(kernel, writer)
        offsets = np.arange(0, 30, 10)[:, None]
        stream = traced.stream(Op.WRITE, offsets, [bytes(SIZE)] * 3)
        assert stream.run(2) is False and stream.done == 2
        assert stream.run(3, after=lambda: True) is True and stream.done == 3
    trace = Trace.load(tmp_path / "t.piot")
    assert kernel.calls == 3
    assert trace.records["offset"].tolist() == [0, 10, 20]
    assert set(trace.records["rank"].tolist()) == {3}


def test_a_stopped_phase_leaves_no_half_records(tmp_path):
    kernel = NullKernel(small(), SerialComm())
    with TraceWriter(tmp_path / "t.piot", rank=0) as writer:
        traced = Traced(kernel, writer)
        buffers = [bytes(SIZE)] * 100
        stream = traced.stream(Op.WRITE, np.arange(100)[:, None], buffers)
        stream.run(7)
        traced.sync()
    trace = Trace.load(tmp_path / "t.piot")
    assert len(trace.records) == 8


def test_the_table_names_every_kernel():
    for api in ("NULL", "POSIX"):
        assert kernel_class(api).__name__ == KERNELS[api].partition(":")[2]
    with pytest.raises(UsageError, match="FTP"):
        kernel_class("FTP")


def test_a_missing_library_is_one_line(monkeypatch):
    monkeypatch.setitem(KERNELS, "HDF5", "piotutor.kernels.absent:Kernel")
    with pytest.raises(UsageError, match=r"HDF5 can't be used here.*doctor"):
        kernel_class("HDF5")


def test_direct_alignment(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(bytes(8192))
    try:
        alignment = direct_alignment(str(path))
    except UsageError as error:
        assert "no direct I/O" in str(error) or "O_DIRECT" in str(error)
        return
    assert alignment & (alignment - 1) == 0 and 1 <= alignment <= 1 << 20
    check_alignment("f", alignment, transfer_size=alignment * 3)
    with pytest.raises(UsageError, match=f"transfer_size {alignment + 1} can't"):
        check_alignment("f", alignment, transfer_size=alignment + 1)


def test_buffers_begin_at_a_page():
    for size in (1, 4096, 100_000):
        buffer = aligned_buffer(size)
        assert len(buffer) == size
        assert np.frombuffer(buffer, np.uint8).ctypes.data % 4096 == 0


def test_hints_are_judged_by_driver_and_echo():
    asked = {
        "cb_nodes": "2",
        "striping_factor": "4",
        "romio_cb_read": "enable",
        "nonsense": "1",
        "direct_read": "true",
    }
    echoed = {
        "cb_nodes": "1",
        "striping_factor": "4",
        "romio_cb_read": "enable",
        "direct_read": "true",
    }
    ufs = judge_hints(asked, {**echoed, "romio_filesystem_type": "UFS: Generic"})["verified"]
    assert {name: verdict["obeyed"] for name, verdict in ufs.items()} == {
        "cb_nodes": False,
        "striping_factor": False,
        "romio_cb_read": True,
        "nonsense": False,
        "direct_read": False,
    }
    lustre = judge_hints(asked, {**echoed, "romio_filesystem_type": "LUSTRE:"})["verified"]
    assert lustre["striping_factor"]["obeyed"] is None
    silent = judge_hints(asked, {})["verified"]
    assert {verdict["obeyed"] for verdict in silent.values()} == {None}


def job_fields(tmp_path, **changes):
    fields = {"format": 1, "workload": small().to_dict(), "files": ["/data"]}
    return {**fields, "run_dir": str(tmp_path), "seed": 3, **changes}


def test_a_job_file_comes_back(tmp_path):
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job_fields(tmp_path, exclusive=False)))
    job = read_job(path)
    assert (job.workload, job.files, job.seed) == (small(), ("/data",), 3)
    assert job.exclusive is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        json.dumps({"format": 2}),
        json.dumps({"format": 1, "workload": 3, "files": [], "run_dir": "/"}),
        json.dumps({"format": 1, "workload": small().to_dict(), "files": [], "run_dir": "/"}),
        json.dumps(
            {"format": 1, "workload": small().to_dict(), "files": ["/a"], "run_dir": "/", "x": 1}
        ),
    ],
)
def test_a_damaged_job_file_is_one_line(tmp_path, text):
    path = tmp_path / "job.json"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_job(path)
    assert "\n" not in str(caught.value)


def test_a_missing_job_file_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="is no job file"):
        read_job(tmp_path / "nowhere.json")
