"""The command line, without ranks: what it takes, what it refuses, and how it says so."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from piotutor import cli, pattern, runner
from piotutor.cli import doctor as doctor_command
from piotutor.cli import lab, output, progress
from piotutor.cli import run as run_command
from piotutor.errors import PiotutorError, RunError, UsageError
from piotutor.ior import command, parse
from piotutor.trace import Layer, Op, Phase
from piotutor.trace.record import RECORD, pack_aux
from piotutor.workload import Workload, options

full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
COMMANDS = ("doctor", "run", "trace", "pattern", "report", "import", "export", "lab")


@pytest.fixture
def no_job(monkeypatch):
    """Fail when a job is started."""

    def start(*args, **kwargs):
        raise AssertionError("a job was started")

    monkeypatch.setattr(runner, "start", start)


def refused(capsys, *arguments):
    """Run the command line, which must refuse in one line; return that line."""
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("piotutor: ")
    assert err.count("\n") == 1
    return err


def test_help_has_examples(capsys):
    for arguments in (["--help"], *([name, "--help"] for name in COMMANDS)):
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        assert end.value.code == 0
        out = capsys.readouterr().out
        assert "examples:" in out
        assert "Traceback" not in out


def test_every_command_is_in_the_help(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert all(f"\n    {name} " in out for name in COMMANDS)


def test_every_parameter_is_in_the_help_of_run(capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    out = capsys.readouterr().out
    assert all(flag in out for option in options().values() for flag in option.flags)


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("piotutor ")


CARELESS = [
    [],
    ["nonsense"],
    ["run", "--nonsense"],
    ["run", "-t"],
    ["run", "-t", "abc"],
    ["run", "-t", "1MB"],
    ["run", "-t", "-1"],
    ["run", "-t", "0"],
    ["run", "-t", "64k", "-b", "4k"],
    ["run", "-t", "48", "-b", "100"],
    ["run", "-b", "9" * 40],
    ["run", "-b", "1e6"],
    ["run", "-b", "nan"],
    ["run", "-b", ""],
    ["run", "-b", "1 2"],
    ["run", "-b", "１ｋ" * 3],
    ["run", "-n", "0"],
    ["run", "-n", "-4"],
    ["run", "-n", "two"],
    ["run", "-n", "2.5"],
    ["run", "-s", "0"],
    ["run", "-i", "0"],
    ["run", "-a", "NFS"],
    ["run", "-a", ""],
    ["run", "-c"],
    ["run", "-a", "POSIX", "-c"],
    ["run", "-z", "-z", "-z"],
    ["run", "-z", "-w", "-R"],
    ["run", "--hints", "nonsense", "-a", "MPIIO"],
    ["run", "--hints", "=", "-a", "MPIIO"],
    ["run", "-O", "nonsense=1"],
    ["run", "-O", "checkRead"],
    ["run", "-o", ""],
    ["run", "-o", "a\0b"],
    ["run", "-o", "directory/"],
    ["run", "--limit", "abc"],
    ["run", "--limit", "-1"],
    ["run", "--timeout", "abc"],
    ["run", "--timeout", "0"],
    ["run", "--timeout", "-1"],
    ["run", "--timeout", "nan"],
    ["run", "--timeout", "inf"],
    ["run", "--max-ranks", "0"],
    ["run", "--max-ranks", "1.5"],
    ["run", "--js"],
    ["run", "--directory", "/tmp", "-o", "/tmp/x"],
    ["run", "word"],
    ["run", "two words", "more words"],
    ["run", "ior -a POSIX", "-t", "4k"],
    ["run", "ior -a POSIX -t"],
    ["run", "ior --frobnicate"],
    ["run", 'ior -o "open quote'],
    ["run", "rm -rf /tmp/x"],
    ["run", "--plot", "picture.gif"],
    ["run", "--plot", ""],
    ["run", "--plot", "/no/such/directory/x.png"],
    ["run", "--plot", "/proc/x.png"],
    ["pattern", "-t", "abc", "--csv"],
    ["pattern", "--json"],
    ["report"],
    ["report", "x"],
    ["report", "no-such-run", "-o", "x.html"],
    ["report", "latest", "-o", "x.html"],
    ["report", "latest", "-o", "x.pdf"],
    ["report", "latest", "-o", "/no/such/x.html"],
    ["doctor", "/no/such/directory"],
    ["doctor", "/etc/passwd"],
    ["doctor", "a", "b"],
]


@pytest.mark.parametrize("arguments", CARELESS, ids=lambda words: " ".join(words)[:40] or "nothing")
def test_careless_input_is_one_line_and_2(capsys, tmp_path, monkeypatch, no_job, arguments):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    refused(capsys, *arguments)
    assert list(here.iterdir()) == []


def test_an_existing_file_is_not_overwritten(capsys, tmp_path, no_job):
    (tmp_path / "x.png").write_text("mine")
    (tmp_path / "y.html").symlink_to(tmp_path / "nowhere")
    assert "exists" in refused(capsys, "run", "--plot", str(tmp_path / "x.png"))
    assert "exists" in refused(capsys, "report", "latest", "-o", str(tmp_path / "y.html"))
    assert (tmp_path / "x.png").read_text() == "mine"


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path):
    path = output.new_file(str(tmp_path / "x.png"), [".png"])
    path.write_text("mine")
    with pytest.raises(UsageError, match="File exists"):
        output.write_new(path, b"ours")
    assert path.read_text() == "mine"


@full_device
def test_a_file_that_can_not_be_written_is_not_left(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    real = Path.open

    def full(self, mode="r", *args, **kwargs):
        real(self, "wb").close()
        return real(Path("/dev/full"), "wb")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(UsageError, match="No space"):
        output.write_new(path, b"x" * 100)
    assert not path.exists()


def test_without_matplotlib_nothing_is_run_for_a_picture(capsys, monkeypatch, tmp_path, no_job):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "matplotlib" in refused(capsys, "run", "--plot", str(tmp_path / "x.png"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["-n", "2", "-t", "4k", "-b", "8k", "-s", "3"],
        ["ior", "-n", "2", "-t", "4k", "-b", "8k", "-s", "3"],
        ["mpiexec -n 2 ior -t 4k -b 8k -s 3"],
        ["-n2", "-t4k", "-b8k", "-s3", "-wr"],
    ],
)
def test_pattern_csv_is_every_transfer_rank_by_rank(capsys, arguments):
    assert cli.main(["pattern", *arguments, "--csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["rank", "file", "op", "offset", "length"]
    work = Workload.make(num_tasks=2, transfer_size="4k", block_size="8k", segment_count=3)
    expected = []
    for rank in range(2):
        for op in ("write", "read"):
            found = pattern.transfers(work, rank, op)
            expected += [
                [str(rank), str(f), op, str(o), str(n)] for f, o, n in zip(*found, strict=True)
            ]
    assert rows[1:] == expected


def test_pattern_without_csv_is_a_summary(capsys):
    assert cli.main(["pattern", "-n", "12", "-t", "4k", "-b", "4k", "-s", "30"]) == 0
    out = capsys.readouterr().out
    assert "ior -a POSIX -b 4k -t 4k -s 30" in out
    assert "0, 49152, 98304" in out
    assert "4 more ranks" in out


def test_what_ior_has_and_we_have_not_is_named(capsys):
    assert cli.main(["pattern", "ior -v -t 4k -b 4k", "--csv"]) == 0
    assert capsys.readouterr().err == "piotutor: no equal for -v (verbose): left out\n"


def test_nothing_is_said_to_a_reader_who_left(tmp_path):
    command = [sys.executable, "-m", "piotutor", "pattern", "-t", "8", "-b", "8m", "--csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"rank,file,op,offset,length\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


@full_device
def test_a_full_standard_output_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "piotutor", "pattern"], stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 1
    assert done.stderr == b"piotutor: standard output: No space left on device\n"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("first line\n  second"), 2, "first line second"),
        (RunError("rank 0: full", "/runs/x"), 1, "rank 0: full (run: /runs/x)"),
        (
            RunError("killed (all output: /runs/x/y)", "/runs/x"),
            1,
            "killed (all output: /runs/x/y)",
        ),
        (PiotutorError("damaged"), 1, "damaged"),
    ],
)
def test_errors_have_their_codes_and_one_line(capsys, monkeypatch, error, code, line):
    def start(workload, **bounds):
        raise error

    monkeypatch.setattr(runner, "start", start)
    assert cli.main(["run"]) == code
    assert capsys.readouterr().err == f"piotutor: {line}\n"


def test_bounds_reach_the_runner(monkeypatch, capsys):
    seen = {}

    def start(workload, **bounds):
        seen.update(bounds, workload=workload)
        raise UsageError("enough")

    monkeypatch.setattr(runner, "start", start)
    words = ["--limit", "1g", "--timeout", "2.5", "--max-ranks", "64", "--directory", "/x"]
    assert cli.main(["run", "-n", "3", *words]) == 2
    assert seen.pop("workload") == Workload(num_tasks=3)
    assert seen == {"limit": 2**30, "timeout": 2.5, "max_ranks": 64, "directory": "/x"}


class Job:
    """Stands in for a job: runs for some looks, then ends or is interrupted."""

    def __init__(self, looks, end="run"):
        self.looks, self.end, self.stopped = looks, end, 0
        self.state, self.why = "running", ""
        self.follower = SimpleNamespace(poll=lambda: np.empty(0, RECORD))

    def wait_sync(self, timeout=None):
        self.looks -= 1
        if self.stopped or (self.looks < 0 and self.end == "run"):
            return "run"
        if self.looks < 0:
            raise KeyboardInterrupt
        raise TimeoutError

    def stop(self):
        self.stopped += 1


def test_a_job_is_painted_until_it_ends():
    painted = []
    show = SimpleNamespace(paint=painted.append, close=lambda: painted.append("closed"))
    job = Job(3)
    assert run_command.follow(job, show) == "run"
    assert painted == [job] * 4 + ["closed"]


def test_an_interrupt_stops_the_job_and_gives_130(monkeypatch, capsys):
    job = Job(2, end="interrupt")
    monkeypatch.setattr(runner, "start", lambda workload, **bounds: job)
    assert cli.main(["run"]) == 130
    assert job.stopped == 1
    assert capsys.readouterr().err == "piotutor: stopped\n"


def record(rank, offset, length, phase=Phase.WRITE, layer=Layer.APP, op=Op.WRITE):
    row = np.zeros(1, RECORD)
    row["rank"], row["offset"], row["length"], row["result"] = rank, offset, length, length
    row["layer"], row["op"], row["aux"] = layer, op, pack_aux(0, phase)
    return row


def job_with(*polls):
    job, queue = Job(0), list(polls)
    job.follower.poll = lambda: np.concatenate(queue.pop(0)) if queue else np.empty(0, RECORD)
    return job


def test_the_bar_counts_bytes_of_transfers_only(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    work = Workload(num_tasks=2, block_size=1024, transfer_size=512, write=True)
    out = io.StringIO()
    bar = progress.Bar(work, out)
    posix = record(0, 0, 512, layer=Layer.POSIX)
    bar.paint(job_with([record(0, 0, 512), posix, record(0, 0, 0, op=Op.OPEN)]))
    assert " 25% write" in out.getvalue()
    bar.close()
    assert out.getvalue().endswith("\r\x1b[K")


def test_the_map_fills_where_ranks_were(monkeypatch):
    monkeypatch.setenv("COLUMNS", "28")
    monkeypatch.setenv("LINES", "24")
    work = Workload(num_tasks=2, block_size=800, transfer_size=800, write=True, read=True)
    out = io.StringIO()
    show = progress.Map(work, out)
    show.paint(job_with([record(0, 0, 800), record(1, 800, 400)]))
    lines = out.getvalue().replace("\x1b[K", "").splitlines()
    assert lines[0].startswith("write: offset")
    assert lines[1:] == ["rank   0 |########        |", "rank   1 |        ####    |"]
    show.paint(job_with([record(1, 0, 10, Phase.READ, op=Op.READ)]))
    assert out.getvalue().replace("\x1b[K", "").splitlines()[-2:] == [
        "rank   0 |                |",
        "rank   1 |.               |",
    ]


def test_a_small_terminal_hides_ranks_and_says_so(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "10")
    out = io.StringIO()
    progress.Map(Workload(num_tasks=64), out).paint(job_with())
    assert out.getvalue().count("rank ") == 5
    assert "... and 59 more ranks" in out.getvalue()


def test_bytes_between_edges_are_exact():
    edges = np.array([0.0, 10, 20, 30])
    offsets, lengths = np.array([5, 0, 25, 12]), np.array([20, 3, 5, 0])
    assert progress.bytes_between(edges, offsets, lengths).tolist() == [8, 10, 10]


def test_all_bytes_of_random_extents_are_found():
    generator = np.random.default_rng(1)
    offsets, lengths = generator.integers(0, 900, 500), generator.integers(0, 100, 500)
    edges = np.linspace(0, 1000, 17)
    assert progress.bytes_between(edges, offsets, lengths).sum() == pytest.approx(lengths.sum())


def test_only_a_terminal_is_painted_on(monkeypatch):
    given = SimpleNamespace(live=True)
    assert isinstance(run_command._choose_show(given, Workload()), progress.Nothing)
    main, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream, os.fdopen(main, "rb"):
        monkeypatch.setattr(sys, "stderr", stream)
        assert isinstance(run_command._choose_show(given, Workload()), progress.Map)
        given.live = False
        assert isinstance(run_command._choose_show(given, Workload()), progress.Bar)


def test_doctor_json_has_the_outside_form(capsys, monkeypatch):
    from piotutor import doctor

    one = doctor.Capability("cores", True, "2")
    two = doctor.Capability("Lustre", False, "no lfs", "only on a cluster")
    card = doctor.Card({"Group": [one, two]})
    monkeypatch.setattr(doctor, "card", lambda path: card)
    assert cli.main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["capabilities"][1] == {
        "name": "Lustre",
        "ok": False,
        "detail": "no lfs",
        "fix": "only on a cluster",
    }
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "ok  cores" in text
    assert "NO  Lustre" in text
    assert doctor_command.act


def test_lab_listens_here_only_and_ours_can_be_overruled(tmp_path):
    start = lab.command(tmp_path, ["--no-browser", "--port=1"], root=True)
    assert start[:3] == [sys.executable, "-m", "jupyterlab"]
    assert start[3:] == [
        str(tmp_path),
        "--ip=127.0.0.1",
        "--allow-root",
        "--no-browser",
        "--port=1",
    ]
    assert "--allow-root" not in lab.command(tmp_path, [], root=False)


def test_lab_becomes_jupyterlab(tmp_path, monkeypatch):
    became = []
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "x.ipynb").touch()
    monkeypatch.setattr(lab, "find_notebooks", lambda: tmp_path / "notebooks")

    def become(path, argv):
        became.append(argv)
        raise AssertionError("became JupyterLab")

    monkeypatch.setattr(os, "execv", become)
    with pytest.raises(AssertionError, match="became JupyterLab"):
        cli.main(["lab", "--no-browser", "--port", "8890"])
    assert became[0][-3:] == ["--no-browser", "--port", "8890"]


def test_lab_without_jupyterlab(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    assert "piotutor[lab]" in refused(capsys, "lab")


def test_the_help_is_quick_and_loads_little():
    script = (
        "import sys\nfrom piotutor import cli\ncli.make_parser()\n"
        "heavy = {'mpi4py', 'h5py', 'matplotlib', 'ipywidgets', 'anywidget'} & set(sys.modules)\n"
        "raise SystemExit(' '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_output_in_an_ascii_locale(tmp_path):
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "piotutor", "run", "-o", "/no/sûch/file"],
        capture_output=True,
        env=env,
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_commands_are_in_step_with_ior():
    line = "mpiexec -n 2 ior -a MPIIO -b 47008 -t 47008 -s 3 -c -w"
    assert command(parse(line)[0]) == line


def test_an_interrupt_before_anything_is_quiet(monkeypatch, capsys):
    def interrupted(options):
        assert threading.current_thread() is threading.main_thread()
        raise KeyboardInterrupt

    monkeypatch.setattr(run_command, "read_workload", interrupted)
    assert cli.main(["run"]) == 130
    assert capsys.readouterr().err == "piotutor: stopped\n"


def test_a_directory_that_is_gone_is_said(tmp_path):
    script = (
        "import os, sys\nos.mkdir(sys.argv[1])\nos.chdir(sys.argv[1])\nos.rmdir(sys.argv[1])\n"
        "from piotutor.cli import main\nraise SystemExit(main(['doctor', '.']))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "gone")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "current directory is gone" in done.stderr


def test_a_standard_output_that_is_closed_is_said(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    assert cli.main(["pattern", "-n", "2"]) == 1
    assert capsys.readouterr().err == "piotutor: standard output is closed\n"
