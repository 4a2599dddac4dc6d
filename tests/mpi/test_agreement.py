"""Interposer and strace agree, on the same run: every call, offset, length, result and flag.

Each rank has the interposer preloaded and runs under a strace of its own. What both wrote down of
the data files is compared call by call, in order, rank by rank and file by file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from captured import stack

from piotutor.capture import preload, strace
from piotutor.launch import processes, shared_memory
from piotutor.launch.local import Ranks
from piotutor.testing.jobs import write_job
from piotutor.trace import Flag, Layer, Op, Trace
from piotutor.trace.interest import Interest
from piotutor.workload import Workload

pytestmark = [
    pytest.mark.skipif(bool(preload.why_not()), reason=preload.why_not() or "-"),
    pytest.mark.skipif(bool(strace.why_not()), reason=strace.why_not() or "-"),
]
SECONDS = 120
BYTES = 1 << 24
RANKS = 3
SMALL = {
    **{"num_tasks": RANKS, "transfer_size": 1000, "block_size": 2000, "segment_count": 4},
    **{"write": True, "read": True},
}
STRIDED = {"use_file_view": True, "use_strided_datatype": True}
CASES = {
    "posix": {"api": "POSIX", "fsync": True},
    "posix-each": {"api": "POSIX", "file_per_process": True},
    "independent": {"api": "MPIIO"},
    "collective": {"api": "MPIIO", "collective": True},
    "sieved": {"api": "MPIIO", **STRIDED},
    "collective-view": {"api": "MPIIO", "collective": True, **STRIDED},
    "hdf5": {"api": "HDF5"},
    "hdf5-collective": {"api": "HDF5", "collective": True},
    "hdf5-chunks": {"api": "HDF5", "collective": True, "chunk_size": 250},
}
# Every call that makes, moves or copies a descriptor, and every way to move bytes without stdio.
PROGRAM = """
import fcntl, os, subprocess, sys, threading
def path(name): return os.path.join(sys.argv[1], name)
fd = os.open(path('odd\\n>na"me,(é)'), os.O_RDWR | os.O_CREAT, 0o600)
os.write(fd, b"x" * 100)
os.pwritev(fd, [b"a" * 10] * 40, 5)
os.preadv(fd, [bytearray(7), bytearray(8)], 3)
os.lseek(fd, -50, os.SEEK_END)
os.readv(fd, [bytearray(30), bytearray(50)])
os.writev(fd, [b"1", b"22"])
copy, other = os.dup(fd), fcntl.fcntl(fd, fcntl.F_DUPFD, 30)
os.dup2(fd, 40)
os.fsync(fd), os.fdatasync(40)
for number, command in ((fd, fcntl.LOCK_EX), (40, fcntl.LOCK_UN)):
    fcntl.lockf(number, command, 10, 20, os.SEEK_SET)
    fcntl.flock(number, command)
os.posix_fallocate(fd, 600, 100)
os.ftruncate(fd, 650)
new = os.open(path("copy"), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
os.sendfile(new, fd, 10, 100)
os.copy_file_range(fd, new, 50, 200, 300)
os.pwrite(new, b"end", 1 << 33)
end = os.open(path("appended"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
for part in (b"a", b"bc", b"def"):
    os.write(end, part)
files = [os.open(path(f"thread{n}"), os.O_RDWR | os.O_CREAT, 0o600) for n in range(4)]
def work(fd):
    for n in range(50):
        os.write(fd, b"n" * n)
threads = [threading.Thread(target=work, args=(fd,)) for fd in files]
[thread.start() for thread in threads], [thread.join() for thread in threads]
child = os.fork()
if not child:
    own = os.open(path("child"), os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(own, b"child")
    os._exit(0)
os.waitpid(child, 0)
subprocess.run(["dd", "if=/dev/zero", "of=" + path("dd"), "bs=100", "count=3", "status=none"])
for number in (fd, copy, other, 40, new, end):
    os.close(number)
os.rename(path("copy"), path("moved"))
os.truncate(path("moved"), 5)
os.unlink(path("moved"))
for flags in (os.O_RDONLY, os.O_WRONLY):
    try:
        os.open(path("nowhere/file"), flags)
    except OSError:
        pass
"""


def under_both(directory, prefixes, start, env):
    """Run what `start` makes of words before a program; return what interposer and strace saw."""
    (directory / "trace").mkdir()
    (directory / strace.LOGS).mkdir()
    interest = Interest.of(prefixes)
    ours = preload.environment(directory / "trace", interest, BYTES, {})
    words = (*strace.argv_prefix(directory, whole=False), *preload.argv_prefix(ours))
    env = {**os.environ, **env, **ours, processes.MARK: str(directory)}
    del env["LD_PRELOAD"]
    since = time.time()
    try:
        done = subprocess.run(
            start(words),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
    finally:
        processes.end(directory)
        shared_memory.remove(since)
    assert done.returncode == 0, done.stdout
    assert strace.convert(directory, interest, BYTES) == []
    seen = [Trace.load((directory / "trace").glob(f"{who}-*.piot")) for who in ("below", "strace")]
    assert [trace.dropped for trace in seen] == [0, 0]
    return [trace.select(layer=Layer.POSIX) for trace in seen]


def calls(trace, rank, below):
    """Return a rank's calls on files below a directory, in their order, by file."""
    found = {}
    mask = trace.where(rank=rank, without=Flag.PART)
    for record in trace.records[mask]:
        numbers = [int(record[name]) for name in ("offset", "length", "result")]
        flags = Flag(int(record["flags"]) & 255) & ~Flag.INFLATED
        what = (Op(record["op"]).name, *numbers, flags)
        name = trace.files[record["file"]]
        if name.startswith(str(below)):
            found.setdefault(name, []).append(what)
    return found


@pytest.fixture(scope="module", params=["this", ".venv-openmpi"])
def seen(request, tmp_path_factory, mpi_cache):
    """Run all workloads, one after the other, under both; once for each MPI."""
    launcher = stack(request.param, mpi_cache)
    home = tmp_path_factory.mktemp("agreement")
    cases = {n: fields for n, fields in CASES.items() if fields["api"] != "HDF5"}
    if parallel_hdf5(launcher.python):
        cases = CASES
    jobs = [str(write_job(home / n, Workload(**SMALL, **fields))) for n, fields in cases.items()]

    def start(words):
        return launcher.argv(Ranks(RANKS, ("piotutor.testing.jobs", *jobs), words))

    prefixes = [home / name / "data" for name in cases]
    return home, cases, under_both(home, prefixes, start, launcher.env())


def parallel_hdf5(python):
    """Ask a Python for its HDF5."""
    ask = "import h5py; raise SystemExit(not h5py.get_config().mpi)"
    return subprocess.run([python, "-c", ask], capture_output=True, timeout=60).returncode == 0


@pytest.mark.mpi
@pytest.mark.parametrize("name", CASES)
def test_interposer_and_strace_agree(seen, name):
    home, cases, (ours, theirs) = seen
    if name not in cases:
        pytest.skip("the h5py of this stack has no MPI")
    moved = 0
    for rank in range(RANKS):
        found = calls(ours, rank, home / name)
        assert found == calls(theirs, rank, home / name)
        for what in (what for whats in found.values() for what in whats):
            if what[0] in ("READ", "WRITE"):
                assert what[1] >= 0, "its offset is unknown"
                moved += what[3]
    assert moved >= 2 * RANKS * 8000


def test_they_agree_on_every_kind_of_call(tmp_path):
    (tmp_path / "data").mkdir()
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "data")]
    ours, theirs = under_both(tmp_path, [tmp_path / "data"], lambda words: [*words, *program], {})
    found, expected = (calls(trace, 0, tmp_path / "data") for trace in (ours, theirs))
    assert {Path(name).name for name in found} == {
        *('odd\n>na"me,(é)', "copy", "moved", "appended", "child", "dd", "file"),
        *(f"thread{n}" for n in range(4)),
    }
    for name, whats in found.items():
        # To know where a shared descriptor stands, the interposer asks: strace sees that as well.
        asked = [what for what in expected[name] if what[0] != "SEEK"]
        assert [what for what in whats if what[0] != "SEEK"] == asked, name
