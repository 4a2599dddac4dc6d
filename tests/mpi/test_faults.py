"""Bad input and faults: one clear line, the right exit code, nothing left, nothing lost.

The tables are the documentation's numbers: `docs/faults.md` is held to them.
"""

from __future__ import annotations

import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from piotutor import cli, runner
from piotutor.errors import PiotutorError, RunError, UsageError
from piotutor.launch import processes
from piotutor.launch.local import Local
from piotutor.testing import jobs
from piotutor.workload import Workload

pytestmark = [pytest.mark.mpi, pytest.mark.usefixtures("spotless")]

SMALL = {"block_size": 65536, "transfer_size": 16384}

SIZES = [
    ("-t 300 -b 1000", "multiple of 8|no multiple"),
    ("-t 24 -b 1000", "no multiple of transfer_size"),
    ("-t 1m -b 64k", "smaller than transfer_size"),
    ("-t 0", "transfer_size"),
    ("-b 0", "block_size"),
    ("-t -4096", "-t"),
    ("-b -1m", "-b"),
    ("-s 0", "segment_count"),
    ("-s -1", "segment_count"),
    ("-b 99999999999999999999999", "block_size|-b"),
    ("-b 8e", "unknown unit"),
    ("-b 4096p -t 4096p -n 4", "2.63"),
    ("-b 1MB", "1MB"),
    ("-b 1.5.2m", "1.5.2m"),
    ("-b 12xy", "12xy"),
    ("-b ten", "ten"),
    ("-b 0x10", "0x10"),
    ("-b nan", "nan"),
    ("-b 1e999", "1e999"),
    ("-b ''", "-b"),
    ("-t ' '", "-t"),
    ("-t ١٢٨", "-t"),
    ("--hdf5.setAlignment 0 -a HDF5", "alignment|setAlignment"),
    ("--hdf5.chunkSize -1 -a HDF5", "chunk"),
    ("--hdf5.chunkSize 999999999 -a HDF5", "chunk"),
]
CONFLICTS = [
    ("-c -a POSIX", "-c"),
    ("-a HDF5 -z", "-z"),
    ("-a MPIIO -c -z", "drop one"),
    ("-z -C", "-C"),
    ("-z -b 256k -t 256k", "-z"),
    ("-z -z -z", "-z"),
    ("-w -z -z -W", "-W"),
    ("-R", "-R"),
    ("-a NULL -w -W", "keeps none"),
    ("-a NULL -w -R", "keeps none"),
    ("--posix.odirect -a MPIIO", "odirect"),
    ("--mpiio.useFileView -a POSIX", "useFileView"),
    ("--mpiio.useStridedDatatype -a MPIIO", "useFileView"),
    ("--hdf5.chunkSize 8 -a MPIIO", "chunkSize"),
    ("--hints cb_nodes=2 -a POSIX", "hints"),
]
WORDS = [
    ("-a S3", "S3"),
    ("-a posixx", "POSIXX"),
    ("-a ''", "-a|api"),
    ("-n 0", "num_tasks"),
    ("-n -2", "num_tasks|-n"),
    ("-n four", "four"),
    ("-n 2.5", "2.5"),
    ("-n 17", "at most 16 ranks"),
    ("-n 100000", "at most 16 ranks"),
    ("-n 99999999999999999999", "num_tasks|-n"),
    ("-n 3 --max-ranks 2", "at most 2 ranks"),
    ("--max-ranks 0", "max-ranks"),
    ("-i 0", "repetitions"),
    ("-i -1", "repetitions"),
    ("-D -1", "stonewall"),
    ("-Q x", "x"),
    ("-a MPIIO --hints cb_nodez=2", "cb_nodez"),
    ("-a MPIIO --hints cb_nodes", "cb_nodes"),
    ("-a MPIIO --hints cb_nodes=", "cb_nodes"),
    ("-a MPIIO --hints cb_nodes=1,cb_nodes=2", "cb_nodes"),
    ("--frobnicate", "frobnicate"),
    ("--timeout 0", "timeout"),
    ("--timeout soon", "soon"),
    ("--timeout nan", "nan"),
    ("--limit 0", "limit"),
    ("--limit much", "much"),
    ("-b 64m -n 4 -s 2", "the limit is 256 MiB"),
    ("-b 64k -t 64k --limit 128k", "the limit is 128 KiB"),
    ("'ior -a POSIX -b 1m --nosuch'", "nosuch"),
    ("'ior -a \"POSIX'", "quote|quotation"),
]
PLACES = [
    ("-o {tmp}/missing/f", "doesn't exist"),
    ("-o {tmp}/file/f", "is no directory|Not a directory"),
    ("-o {tmp}/directory", "is a directory"),
    ("-o {tmp}/directory/", "give the path of a file"),
    ("-o {tmp}/link", "is a link"),
    ("-o {tmp}/dangling", "is a link"),
    ("-o {tmp}/loop/f", "symbolic links|doesn't exist"),
    ("-o {tmp}/pipe", "a device or a pipe"),
    ("-o /dev/null", "a device or a pipe"),
    ("-o {tmp}/file", "not made by piotutor"),
    ("-o {tmp}/file -k", "not made by piotutor"),
    ("-o {tmp}/file -w", "not made by piotutor"),
    ("-F -o {tmp}/taken", "taken.00000001 exists"),
    ("-o /proc/f", "can't|/proc"),
    ("-o {long}", "too long"),
    ("-o ''", "-o|test_file"),
    ("-r", "nothing to read"),
    ("-r -o {tmp}/missing", "can't be read"),
    ("-r -o {tmp}/dangling", "can't be read"),
    ("-r -o {tmp}/directory", "is a directory"),
    ("-r -o {tmp}/pipe", "a device or a pipe"),
    ("-r -o {tmp}/file", "the reads need"),
    ("-r -F -o {tmp}/taken", "taken.00000000 can't be read"),
    ("--directory {tmp}/missing", "doesn't exist"),
    ("--directory {tmp}/file", "is no directory"),
    ("--plot {tmp}/file.txt", "png"),
]
ENVIRONMENTS = [
    ({"PIOTUTOR_STATE": "/proc/piotutor"}, "PIOTUTOR_STATE"),
    ({"PIOTUTOR_STATE": "{tmp}/file"}, "PIOTUTOR_STATE"),
    ({"PIOTUTOR_SCRATCH": "{tmp}/missing"}, "doesn't exist"),
    ({"PIOTUTOR_MAX_RANKS": "many"}, "PIOTUTOR_MAX_RANKS"),
    ({"PIOTUTOR_QUEUE_DIR": "{tmp}/missing"}, "PIOTUTOR_QUEUE_DIR"),
    ({"PIOTUTOR_QUEUE_DIR": "{tmp}", "PIOTUTOR_QUEUE_RANKS": "0"}, "PIOTUTOR_QUEUE_RANKS"),
    ({"PIOTUTOR_QUEUE_DIR": "{tmp}", "PIOTUTOR_QUEUE_RANKS": "2"}, "can never run at once"),
    ({"PIOTUTOR_MPIEXEC": "/nowhere/mpiexec"}, "/nowhere/mpiexec"),
    ({"PIOTUTOR_MPIEXEC": "{tmp}/file"}, "an unknown MPI"),
]
BAD_INPUT = SIZES + CONFLICTS + WORDS + PLACES


@pytest.fixture
def place(tmp_path):
    """Return a directory with everything that -o should not be."""
    place = tmp_path / "place"
    place.mkdir()
    (place / "file").write_text("thesis")
    (place / "taken.00000001").write_text("thesis")
    (place / "directory").mkdir()
    (place / "link").symlink_to("file")
    (place / "dangling").symlink_to("nowhere")
    (place / "loop").symlink_to("loop")
    os.mkfifo(place / "pipe")
    return place


def content(place):
    """Return what a directory holds, and what stands in its files."""
    return {
        path.name: path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in place.iterdir()
    }


def refused(capfd, words, pattern, code=2):
    """Call the command line; expect its exit code, and one line that says why."""
    assert cli.main(words) == code
    out, error = capfd.readouterr()
    assert out == ""
    assert error.count("\n") == 1, error
    assert re.search(pattern, error), error


@pytest.mark.parametrize(("text", "pattern"), BAD_INPUT, ids=[text for text, _ in BAD_INPUT])
def test_bad_input(capfd, state, place, text, pattern):
    before = content(place)
    filled = text.format(tmp=place, long=f"{place}/{'f' * 300}")
    refused(capfd, ["run", *shlex.split(filled)], pattern)
    assert content(place) == before
    assert not list((state / "runs").glob("*"))


@pytest.mark.parametrize(("environment", "pattern"), ENVIRONMENTS, ids=str)
def test_bad_environment(capfd, monkeypatch, state, place, environment, pattern):
    before = content(place)
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(tmp=place))
    refused(capfd, ["run", "-b", "64k", "-t", "64k"], pattern)
    assert content(place) == before
    assert not list((state / "runs").glob("*"))


LAUNCHERS = {
    "no MPI": ("", None),
    "no mpiexec": ("MPICH Version: 5.0.2", None),
    "another MPI's mpiexec": ("MPICH Version: 5.0.2", "mpiexec (Open MPI) 5.0.9"),
    "and the other way round": ("Open MPI v5.0.9", "HYDRA build details"),
}


@pytest.mark.parametrize("name", LAUNCHERS)
def test_no_or_wrong_mpi(capfd, monkeypatch, state, tmp_path, name):
    from piotutor.launch import local

    library, answer = LAUNCHERS[name]
    (state / "mpi.json").unlink(missing_ok=True)
    monkeypatch.setattr(local, "_candidates", lambda _env: ["/x/mpiexec"] if answer else [])
    monkeypatch.setattr(
        local, "_ask", lambda argv: library if argv[0] == sys.executable else answer
    )
    refused(capfd, ["run", "-n", "2"], "pip install|PIOTUTOR_MPIEXEC")
    run = runner.run_sync(Workload(num_tasks=1, **SMALL), sample=False)
    assert run.status == "done"


def test_two_mpis_in_one_job(mpi, tmp_path):
    """The mpiexec starts ranks that don't find each other: each thinks that it is alone."""
    lonely = tmp_path / "mpiexec"
    lonely.write_text('#!/bin/sh\nshift 2\n"$@" &\n"$@"\ncode=$?\nwait\nexit $code\n')
    lonely.chmod(0o755)
    launcher = Local(mpiexec=str(lonely), family=mpi.family)
    with pytest.raises(UsageError, match=r"MPI sees 1 of 2 ranks: .*--launcher slurm:mpi="):
        runner.run_sync(Workload(num_tasks=2, **SMALL), launcher=launcher, sample=False)


FAULTS = {
    "raise": r"rank 1: .*fault",
    "kill": r"a rank was killed|ended with code",
    "exit": r"a rank was killed|ended with code",
    "hang": r"no end after",
}


@pytest.mark.parametrize("how", FAULTS)
def test_a_rank_fails(capfd, mpi, how, tmp_path):
    """With its file under a name of the user's: that goes, too."""
    work = Workload(num_tasks=4, test_file=str(tmp_path / "f"), keep=True, **SMALL)
    with pytest.raises(RunError, match=FAULTS[how]) as caught:
        runner.run_sync(work, fault={"rank": 1, "how": how}, timeout=4 if how == "hang" else 60)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state"]
    run = runner.open_run(caught.value.run_dir)
    assert run.status == ("timeout" if how == "hang" else "failed")
    assert repr(run)
    assert run.trace is not None


def test_a_bare_job_that_hangs_leaves_nothing(mpi, monkeypatch, tmp_path):
    """Without a guard, as kernels are tested: mpiexec is killed, its ranks and files go too."""
    monkeypatch.setattr(jobs, "TIMEOUT", 5)
    work = Workload(api="MPIIO", num_tasks=2, **SMALL)
    with pytest.raises(subprocess.TimeoutExpired):
        jobs.run_job(tmp_path / "job", work, fail={"rank": 1, "how": "hang"})
    assert processes.marked(tmp_path / "job") == []


JOBS = {
    "empty": b"",
    "half": b'{"format": 1, "workload": {"api": "POSIX"',
    "foreign": b"\x89PNG\r\n\x1a\n",
    "list": b"[]",
    "another format": b'{"format": 2}',
    "no workload": b'{"format": 1}',
    "unknown parameter": b'{"format": 1, "workload": {"colour": 3}, "files": [], "run_dir": "/"}',
    "wrong type": b'{"format": 1, "workload": 3, "files": [], "run_dir": "/"}',
}


class Damaging(Local):
    """Damages the job file before the ranks read it."""

    def argv(self, ranks):
        spoil = "import sys; open(sys.argv[1], 'wb').write(bytes.fromhex(sys.argv[2]))"
        job = ranks.module[-1]
        damage = [sys.executable, "-c", spoil, job, self.library]
        script = 'spoil="$1"; shift; eval "$spoil"; exec "$@"'
        return ["sh", "-c", script, "sh", shlex.join(damage), *super().argv(ranks)]


@pytest.mark.parametrize("name", JOBS)
def test_a_damaged_job_file(name):
    with pytest.raises(PiotutorError, match=r"job\.json|parameter|workload") as caught:
        runner.run_sync(
            Workload(num_tasks=1, **SMALL),
            launcher=Damaging(library=JOBS[name].hex()),
            sample=False,
        )
    assert "\n" not in str(caught.value)


DAMAGES = {
    "empty": lambda raw: b"",
    "truncated header": lambda raw: raw[:40],
    "truncated records": lambda raw: raw[: 16384 + 100],
    "foreign": lambda raw: b"\x89PNG" + raw[4:],
    "newer version": lambda raw: raw[:8] + b"\xff" + raw[9:],
    "noise": lambda raw: bytes(range(256)) * (len(raw) // 256),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_trace(capfd, name, tmp_path):
    """A report of it is refused in one line, or made of every whole record."""
    run = runner.run_sync(Workload(num_tasks=1, **SMALL), launcher=Local(), sample=False)
    path = run.dir / "trace" / "rank-00000.piot"
    path.write_bytes(DAMAGES[name](path.read_bytes()))
    try:
        trace = runner.open_run(run.dir).trace
    except PiotutorError as error:
        assert "\n" not in str(error)
        assert "rank-00000.piot" in str(error)
    else:
        assert len(trace) <= len(run.trace)


def test_nothing_in_a_run_directory(capfd, tmp_path):
    refused(capfd, ["report", str(tmp_path), "-o", str(tmp_path / "r.html")], r"job\.json", code=1)


def test_direct_io_in_pieces_that_are_too_small(mpi, tmp_path):
    """Too small pieces for the device: refused by the rank, as the user's mistake."""
    work = Workload(num_tasks=2, block_size=1000, transfer_size=200, direct_io=True)
    with pytest.raises(UsageError, match=r"rank [01]: .*direct|O_DIRECT|multiple"):
        runner.run_sync(work, directory=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state"]


def test_space_is_checked_first(capfd, monkeypatch):
    from types import SimpleNamespace

    from piotutor.launch import limits

    room = SimpleNamespace(f_bavail=1000, f_frsize=4096)
    monkeypatch.setattr(limits.os, "statvfs", lambda _path: room)
    refused(capfd, ["run", "-n", "1"], "free, the files need 1 MiB")


needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0
    or not shutil.which("unshare")
    or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0,
    reason="needs root and mount namespaces",
)


def in_small_space(tmp_path, size, text, files=None):
    """Run Python with a small file system of its own at ``tmp_path/small``."""
    (tmp_path / "small").mkdir(exist_ok=True)
    options = f"size={size}" + (f",nr_inodes={files}" if files else "")
    script = f'mount -t tmpfs -o {options} none {tmp_path / "small"} && exec "$@"'
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", text],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
    )


RUN_FULL = """
from piotutor import runner, Workload
from piotutor.errors import PiotutorError
from piotutor.launch import limits
{patch}
try:
    run = runner.run_sync(Workload(num_tasks={ranks}, api={api!r}, block_size={block},
        transfer_size=65536, {more}), {options})
    print(run.status, run.result['dropped'] > 0, len(run.trace) > 0)
except PiotutorError as error:
    print(type(error).__name__, error)
"""


def fill(**values):
    """Write the program that runs into the full disk."""
    default = {"patch": "", "ranks": 2, "api": "POSIX", "block": 1 << 20, "more": "", "options": ""}
    return RUN_FULL.format(**(default | values))


@pytest.mark.root
@needs_mounts
@pytest.mark.parametrize("api", ["POSIX", "MPIIO"])
def test_the_disk_fills_during_a_run(mpi, tmp_path, api):
    """Someone else takes the space after it was checked: here, it is not checked."""
    text = fill(
        patch="limits.check_space = lambda *_: None",
        api=api,
        block=4 << 20,
        options="directory='small'",
    )
    answer = in_small_space(tmp_path, "3m", text)
    assert answer.stdout.startswith("RunError rank "), answer
    assert "No space left" in answer.stdout or "space" in answer.stdout.lower()
    assert answer.stdout.count("\n") == 1


@pytest.mark.root
@needs_mounts
def test_the_disk_fills_under_a_named_file(mpi, tmp_path):
    text = fill(
        patch="limits.check_space = lambda *_: None",
        block=4 << 20,
        more="test_file='small/f', keep=True",
    )
    answer = in_small_space(tmp_path, "3m", text + "import os; print(os.listdir('small'))")
    assert answer.stdout.startswith("RunError rank "), answer
    assert answer.stdout.endswith("\n[]\n")


@pytest.mark.root
@needs_mounts
def test_a_full_disk_is_seen_before(mpi, tmp_path):
    answer = in_small_space(tmp_path, "3m", fill(options="directory='small'"))
    assert answer.stdout.startswith("UsageError "), answer
    assert "free, the files need 2 MiB" in answer.stdout


@pytest.mark.root
@needs_mounts
def test_no_file_can_be_made(mpi, tmp_path):
    answer = in_small_space(tmp_path, "64m", fill(options="directory='small'"), files=1)
    assert answer.stdout.startswith("UsageError "), answer
    assert "No space left" in answer.stdout


@pytest.mark.root
@needs_mounts
def test_the_disk_fills_under_the_trace(mpi, tmp_path):
    """The run goes on; what could not be kept is counted."""
    text = fill(
        patch="import os; os.environ['PIOTUTOR_STATE'] = 'small/state'",
        block=64 << 20,
        more="segment_count=1, write=True",
        options="directory='.', sample=False",
    ).replace("transfer_size=65536", "transfer_size=4096")
    answer = in_small_space(tmp_path, "1m", text)
    assert answer.stdout == "done True True\n", answer


@pytest.mark.root
@needs_mounts
def test_the_disk_is_full_under_everything_that_a_run_writes(mpi, tmp_path):
    """Not even a result can be written: still one line, and no process left."""
    text = fill(
        patch=(
            "import os; os.environ['PIOTUTOR_STATE'] = 'small/state'\n"
            "os.makedirs('small/state')\n"
            "try:\n    open('small/filler', 'wb').write(bytes(1 << 20))\n"
            "except OSError: pass"
        ),
        options="directory='.'",
    )
    answer = in_small_space(tmp_path, "256k", text)
    assert answer.stdout.count("\n") == 1, answer
    assert "Error " in answer.stdout, answer
    assert "Traceback" not in answer.stderr


def test_a_bound_on_the_size_of_files(mpi, tmp_path):
    """RLIMIT_FSIZE, as some sites set it (large enough for MPI's own shared memory)."""
    text = fill(block=40 << 20)
    answer = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (32 << 20, 32 << 20)),
    )
    assert answer.stdout.startswith("RunError rank "), answer
    assert answer.stdout.count("\n") == 1


def test_the_documentation_has_the_numbers():
    page = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    numbers = {
        "sizes": len(SIZES),
        "options that don't go together": len(CONFLICTS),
        "values": len(WORDS),
        "places": len(PLACES),
        "environments": len(ENVIRONMENTS),
        "MPI missing or wrong": len(LAUNCHERS) + 1,
        "ranks that fail": len(FAULTS),
        "job files": len(JOBS),
        "traces": len(DAMAGES),
    }
    for name, number in numbers.items():
        assert f"| {name} | {number} |" in page, name
