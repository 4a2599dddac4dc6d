"""strace's logs as records: every way of writing them, descriptors followed, and what is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from piotutor.capture import strace
from piotutor.errors import UsageError
from piotutor.trace import Flag, Layer, Op, Trace, TraceError, importers
from piotutor.trace.calls import CALLS, call_of
from piotutor.trace.importers.strace_calls import CALLS as UNDERSTOOD
from piotutor.trace.importers.strace_calls import function_of
from piotutor.trace.importers.strace_lines import Reader, nanoseconds, text_of
from piotutor.trace.interest import Interest

needs_strace = pytest.mark.skipif(bool(strace.why_not()), reason=strace.why_not())

PLAIN = """\
openat(AT_FDCWD, "/d/a", O_RDWR|O_CREAT|O_TRUNC, 0600) = 3
write(3, "a\\"b), = 7\\n"..., 100) = 100
pwrite64(3, ""..., 10, 500) = 10
read(3, "", 50) = 10
lseek(3, 7, SEEK_SET) = 7
dup(3) = 4
write(4, "xy", 2) = 2
write(3, "z", 1) = 1
close(4) = 0
fsync(3) = 0
close(3) = 0
+++ exited with 0 +++
"""
FOUND = [
    (Op.OPEN, -1, 0, 3),
    (Op.WRITE, 0, 100, 100),
    (Op.WRITE, 500, 10, 10),
    (Op.READ, 100, 50, 10),
    (Op.SEEK, 7, 0, 7),
    (Op.WRITE, 7, 2, 2),
    (Op.WRITE, 9, 1, 1),
    (Op.CLOSE, -1, 0, 0),
    (Op.SYNC, -1, 0, 0),
    (Op.CLOSE, -1, 0, 0),
]


def load(tmp_path, text, name="log"):
    path = tmp_path / name
    path.write_text(text)
    return importers.load(path, "strace")


def rows(trace, *names):
    names = names or ("op", "offset", "length", "result")
    return [tuple(int(record[name]) for name in names) for record in trace.records]


def stamp(template):
    """Write something before each line of `PLAIN`, with a time that grows by 1.5 ms."""
    lines = []
    for number, line in enumerate(PLAIN.splitlines()):
        seconds = f"{50 + 1500 * number // 1_000_000}.{1500 * number % 1_000_000:06d}"
        lines.append(template.format(seconds=seconds) + line)
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("template", "step"),
    [
        ("", 1000),
        ("1234 ", 1000),
        ("[pid  1234] ", 1000),
        ("23:59:{seconds} ", 1_500_000),
        ("1234 17953728{seconds} ", 1_500_000),
        ("17953728{seconds} ", 1_500_000),
        ("17953728{seconds} (+     0.001500) ", 1_500_000),
        ("     0.001500 ", 1_500_000),
        ("1234      0.001500 ", 1_500_000),
        ("17953728{seconds} [00007f4e2f1a2b3c] ", 1_500_000),
        ("17953728{seconds} [   1] ", 1_500_000),
    ],
)
def test_every_way_of_telling_the_time(tmp_path, template, step):
    trace = load(tmp_path, stamp(template))
    assert rows(trace) == FOUND
    lines = np.array([0, 1, 2, 3, 4, 6, 7, 8, 9, 10])  # a dup is no record
    assert (trace.records["start"] - trace.records["start"][0] == step * lines).all()
    assert ("clock" in trace.meta) == (step == 1000)
    assert not trace.meta.get("damage")


def test_midnight_passes(tmp_path):
    lines = ["23:59:59.5 ", "23:59:59.9 ", *(f"00:00:00.{n} " for n in range(1, 9))]
    text = "\n".join(a + b for a, b in zip(lines, PLAIN.splitlines(), strict=False))
    steps = np.diff(load(tmp_path, text).records["start"])
    assert steps.tolist() == [n * 10**8 for n in (4, 2, 1, 1, 2, 1, 1, 1)]


def test_durations(tmp_path):
    text = '1795372861.000000001 openat(AT_FDCWD, "/d/a", O_RDONLY) = 3 <0.000000123>\n'
    trace = load(tmp_path, text + '1795372861.5 read(3, "<0.5>"..., 5) = 5 <1.25>\n')
    took = trace.records["end"] - trace.records["start"]
    assert took.tolist() == [123, 1_250_000_000]
    assert int(trace.records["start"][0]) == 1795372861_000000001
    assert (trace.records["flags"] & Flag.INFLATED).all()
    assert (trace.records["layer"] == Layer.POSIX).all()


def test_the_exact_call_stands_in_the_flags(tmp_path):
    trace = load(tmp_path, PLAIN)
    names = [CALLS[int(code)] for code in call_of(trace.records["flags"])]
    assert names[:5] == ["openat", "write", "pwrite", "read", "lseek"]
    assert names[5:] == ["write", "write", "close", "fsync", "close"]
    assert all(function_of(name) in (*CALLS.values(), "openat2") for name in UNDERSTOOD)


def test_halves_of_a_call_are_put_together(tmp_path):
    text = (
        '7 10:00:00.0 openat(AT_FDCWD, "/d/a", O_RDWR) = 3\n'
        "7 10:00:00.1 read(3,  <unfinished ...>\n"
        '8 10:00:00.2 openat(AT_FDCWD, "/d/b", O_WRONLY <unfinished ...>\n'
        '7 10:00:00.4 <... read resumed>"abc", 4096) = 3 <0.3>\n'
        "8 10:00:00.5 <... openat resumed>) = 5 <0.3>\n"
        "7 10:00:00.6 --- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER} ---\n"
        "8 10:00:00.7 write(5,  <unfinished ...>) = ?\n"
        "8 10:00:00.8 +++ killed by SIGKILL +++\n"
        "7 10:00:00.9 read(3, 0x7ffc, 9) = ? ERESTARTSYS (To be restarted)\n"
    )
    trace = load(tmp_path, text)
    assert [Op(op).name for op in trace.records["op"]] == ["OPEN", "READ", "OPEN"]
    assert trace.files == ["/d/a", "/d/b"]
    assert (trace.records["end"] - trace.records["start"]).tolist() == [0, 3 * 10**8, 3 * 10**8]
    assert trace.records["rank"].tolist() == [0, 0, 1]


def test_paths_with_odd_characters(tmp_path):
    text = (
        r'openat(AT_FDCWD</d>, "we ird\n>na\"me,(\303\251).dat", O_RDWR|O_CREAT, 0600) = '
        r"3</real/we ird\n\76na\"me,(\303\251).dat>" + "\n"
        r'pwrite64(3</real/we ird\n\76na\"me,(\303\251).dat>, ") = 3, \"<"..., 8, 16) = 8' + "\n"
        r'unlink("we ird\n>na\"me,(\303\251).dat") = 0' + "\n"
        r"close(3</real/we ird\n\76na\"me,(\303\251).dat>(deleted)) = 0" + "\n"
    )
    trace = load(tmp_path, text)
    assert trace.files == ['/d/we ird\n>na"me,(é).dat']
    assert rows(trace, "op", "file") == [(op, 0) for op in (1, 3, 6, 5)]


def test_vectors(tmp_path):
    text = (
        'openat(AT_FDCWD, "/d/a", O_RDWR) = 3\n'
        'pwritev(3, [{iov_base="a)\\", = 3"..., iov_len=10}, {iov_base="", iov_len=20}], 2, 5)'
        " = 30\n"
        "writev(3, [...], 2) = 7\n"
        'preadv2(3, [{iov_base="", iov_len=8}], 1, -1, 0) = 4\n'
    )
    trace = load(tmp_path, text)
    assert rows(trace)[1:] == [(3, 5, 30, 30), (3, 0, 7, 7), (2, 7, 8, 4)]
    assert rows(trace, "flags")[3][0] & Flag.SHORT


def test_appending_is_exact_or_unknown(tmp_path):
    new = 'openat(AT_FDCWD, "/d/a", O_WRONLY|O_CREAT|O_TRUNC|O_APPEND, 0600) = 3\n'
    old = 'openat(AT_FDCWD, "/d/b", O_WRONLY|O_APPEND) = 4\n'
    writes = 'write(3, "", 5) = 5\nwrite(3, "", 5) = 5\nwrite(4, "", 5) = 5\n'
    end = 'lseek(4, 0, SEEK_END) = 100\nwrite(4, "", 5) = 5\n'
    trace = load(tmp_path, new + old + writes + end)
    assert trace.records["offset"][trace.where(op=Op.WRITE)].tolist() == [0, 5, -1, 100]


def test_two_writers_append_in_an_unknown_order(tmp_path):
    text = (
        '7 openat(AT_FDCWD, "/d/a", O_WRONLY|O_CREAT|O_TRUNC|O_APPEND, 0600) = 3\n'
        '8 openat(AT_FDCWD, "/d/a", O_WRONLY|O_APPEND) = 3\n'
        '7 write(3, "", 5) = 5\n'
    )
    assert load(tmp_path, text).records["offset"].tolist() == [-1, -1, -1]


def test_forks_share_a_position_and_threads_all_descriptors(tmp_path):
    text = (
        '7 openat(AT_FDCWD, "/d/a", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 3\n'
        "7 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD) = 8\n"
        '8 write(3, "", 5) = 5\n'
        '7 write(3, "", 5) = 5\n'
        "7 clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD, exit_signal=0}, 88) = 9\n"
        '9 openat(AT_FDCWD, "/d/b", O_RDONLY) = 4\n'
        '7 read(4, "", 5) = 5\n'
    )
    trace = load(tmp_path, text)
    found = rows(trace, "op", "offset", "rank", "thread", "file")
    assert found[1:3] == [(3, 0, 0, 0, 0), (3, 5, 0, 0, 0)]
    assert found[3:] == [(1, -1, 0, 1, 1), (2, 0, 0, 0, 1)]


def test_the_rank_is_that_of_the_environment(tmp_path):
    text = (
        '7 execve("/usr/bin/mpiexec", ["mpiexec"], ["HOME=/root"]) = 0\n'
        '7 openat(AT_FDCWD, "/etc/motd", O_RDONLY) = 3\n'
        "7 fork() = 8\n"
        '8 execve("./prog", ["./prog"], ["A=b", "PMI_RANK=5", "C="...]) = 0\n'
        '8 openat(AT_FDCWD, "/d/a", O_RDONLY) = 4\n'
    )
    trace = load(tmp_path, text)
    assert rows(trace, "rank") == [(5,)]
    assert trace.files == ["/d/a"]


def test_a_directory_of_ranks(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    for rank in (0, 1, 10):
        (logs / f"rank{rank}.{4711 + rank}").write_text(PLAIN)
    trace = importers.load(logs)
    assert trace.meta["imported_from"] == "strace"
    assert np.unique(trace.records["rank"], return_counts=True)[0].tolist() == [0, 1, 10]
    assert len(trace) == 3 * len(FOUND)


def test_other_architectures_and_older_names(tmp_path):
    text = (
        'open("/d/a", O_RDWR) = 3\n'
        "_llseek(3, 0, [5000000000], SEEK_END) = 0\n"
        'read(3, "", 10) = 10\n'
        "fcntl64(3, F_SETLKW, {l_type=F_WRLCK, l_whence=SEEK_CUR, l_start=0, l_len=8}) = 0\n"
        "flock(3, LOCK_UN) = 0\n"
        "ftruncate64(3, 77) = 0\n"
        "fallocate(3, 0, 100, 50) = 0\n"
        'creat("/d/b", 0600) = 4\n'
        "copy_file_range(3, [0] => [40], 4, NULL, 9223372035781033984, 0) = 40\n"
        'rename("/d/b", "/d/c") = 0\n'
        'open("/d/no", O_RDONLY) = -1 ENOENT (No such file or directory)\n'
    )
    trace = load(tmp_path, text)
    assert rows(trace)[1:] == [
        (Op.SEEK, 5000000000, 0, 0),
        (Op.READ, 5000000000, 10, 10),
        (Op.LOCK, 5000000010, 8, 0),
        (Op.UNLOCK, 0, 0, 0),
        (Op.TRUNCATE, 77, 0, 0),
        (Op.ALLOCATE, 100, 50, 0),
        (Op.OPEN, -1, 0, 4),
        (Op.READ, 0, 40, 40),
        (Op.WRITE, 0, 40, 40),
        (Op.RENAME, -1, 0, 0),
        (Op.OPEN, -1, 0, -2),
    ]
    assert rows(trace, "flags")[-1][0] & Flag.FAILED


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"#include <stdio.h>\nint main(void)\n{\n}\n", "line 1 is no system call"),
        (os.urandom(4096), "is no log of strace"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "is no log of strace"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path, content, told):
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=told) as problem:
        importers.load(path, "strace")
    assert str(path) in str(problem.value)
    with pytest.raises(UsageError, match="of no known kind"):
        importers.load(path)


def test_a_line_of_the_program_among_the_log_is_survived(tmp_path):
    trace = load(tmp_path, f"Hello world\n{PLAIN}")
    assert rows(trace) == FOUND
    assert trace.meta["damage"] == "1 lines of the log made no sense"


def test_a_line_that_was_cut_is_left_out(tmp_path):
    trace = load(tmp_path, PLAIN[:-60])
    assert rows(trace) == FOUND[: len(trace)]


def test_a_missing_log_is_a_mistake(tmp_path):
    with pytest.raises(UsageError, match="doesn't exist"):
        importers.load(tmp_path / "nowhere")
    with pytest.raises(TraceError, match="holds no files"):
        importers.load(tmp_path, "strace")


def test_texts_and_times():
    assert text_of(r'"\x41\102\n\\"...') == "AB\n\\"
    assert nanoseconds("12.5") == 12_500_000_000
    assert nanoseconds("1795372861.510077390") == 1795372861510077390


def test_words_that_no_kernel_wrote(tmp_path):
    reader = Reader()
    lines = ["read(\n", "write(3, [,], {}) = 1\n", "pread64(3) = 1\n", "openat() = 3\n"]
    assert len(list(reader.calls(lines))) == 3
    assert len(load(tmp_path, "".join(lines))) == 0


PROGRAM = """
import fcntl, os, sys
path = os.path.join(sys.argv[1], 'we ird\\n>na"me,(é).dat')
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
os.write(fd, b"x" * 100)
os.pwritev(fd, [b"a" * 10, b"b" * 20], 5)
os.lseek(fd, 0, 0)
copy = os.dup(fd)
os.read(copy, 10)
os.write(fd, b"y")
fcntl.lockf(fd, fcntl.LOCK_EX, 10, 2, 0)
if os.fork() == 0:
    os.write(fd, b"child")
    os._exit(0)
os.wait()
os.write(fd, b"parent")
os.ftruncate(fd, 50)
os.close(copy)
os.close(fd)
os.unlink(path)
"""
DONE = [
    (Op.OPEN, -1, 0),
    (Op.WRITE, 0, 100),
    (Op.WRITE, 5, 30),
    (Op.SEEK, 0, 0),
    (Op.READ, 0, 10),
    (Op.WRITE, 10, 1),
    (Op.LOCK, 2, 10),
    (Op.WRITE, 11, 5),
    (Op.WRITE, 16, 6),
    (Op.TRUNCATE, 50, 0),
    (Op.CLOSE, -1, 0),
    (Op.CLOSE, -1, 0),
    (Op.REMOVE, -1, 0),
]


@needs_strace
@pytest.mark.parametrize("whole", [False, True])
def test_a_real_program(tmp_path, whole):
    (tmp_path / "run" / "strace").mkdir(parents=True)
    (tmp_path / "run" / "trace").mkdir()
    (tmp_path / "data").mkdir()
    words = strace.argv_prefix(tmp_path / "run", whole=whole)
    env = {**os.environ, "PMI_RANK": "3"}
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "data")]
    subprocess.run([*words, *program], env=env, check=True, timeout=60)
    notes = strace.convert(tmp_path / "run", Interest.of([tmp_path / "data"]), 1 << 20)
    assert notes == []
    assert not (tmp_path / "run" / "strace").exists()
    trace = Trace.load(tmp_path / "run" / "trace" / "strace-00003.piot")
    assert rows(trace, "op", "offset", "length") == DONE
    assert [Path(name).name for name in trace.files] == ['we ird\n>na"me,(é).dat']
    assert (trace.records["rank"] == 3).all()


@needs_strace
def test_times_are_those_of_the_run(tmp_path):
    (tmp_path / "strace").mkdir()
    (tmp_path / "trace").mkdir()
    before = time.monotonic_ns()
    words = strace.argv_prefix(tmp_path, whole=False)
    subprocess.run([*words, "cp", __file__, str(tmp_path / "copy")], check=True, timeout=60)
    after = time.monotonic_ns()
    strace.convert(tmp_path, Interest.of([tmp_path / "copy"]), 1 << 20)
    trace = Trace.load(tmp_path / "trace")
    assert len(trace)
    assert before < trace.records["start"].min() <= trace.records["end"].max() < after


@needs_strace
def test_room_is_bounded_and_what_is_lost_is_counted(tmp_path):
    (tmp_path / "strace").mkdir()
    (tmp_path / "trace").mkdir()
    words = strace.argv_prefix(tmp_path, whole=False)
    dd = ["dd", "if=/dev/zero", f"of={tmp_path / 'out'}", "bs=1", "count=300", "status=none"]
    subprocess.run([*words, *dd], check=True, timeout=60)
    strace.convert(tmp_path, Interest.of([tmp_path / "out"]), 100 * 80)
    trace = Trace.load(tmp_path / "trace")
    assert len(trace) + trace.dropped >= 302
    assert len(trace) <= 100


def test_why_not(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install it" in strace.why_not()
    (tmp_path / "strace").write_text(
        "#!/bin/sh\necho 'strace: PTRACE: not permitted' >&2; exit 1\n"
    )
    (tmp_path / "strace").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(shutil.which('sh') or '/bin/sh').parent}")
    assert "PTRACE: not permitted" in strace.why_not()
    assert "\n" not in strace.why_not()
