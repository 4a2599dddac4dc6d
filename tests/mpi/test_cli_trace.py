"""``piotutor trace``: programs that aren't ours, from the command line and from Python."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest

import piotutor as pio
from piotutor import cli, results, runner
from piotutor.capture import preload, strace
from piotutor.errors import RunError, UsageError
from piotutor.trace import Layer

pytestmark = [pytest.mark.mpi, pytest.mark.usefixtures("spotless")]
COMMAND = [sys.executable, "-m", "piotutor"]
PATIENCE = 60
WHY_NOT = {"preload": preload.why_not(), "strace": strace.why_not()}
HOWS = [
    pytest.param(how, marks=pytest.mark.skipif(bool(why), reason=why or "-"))
    for how, why in WHY_NOT.items()
]
SEEN = pytest.mark.skipif(all(WHY_NOT.values()), reason="nothing can be captured here")
# Each rank writes 8 blocks of 1000 bytes through MPI-IO, and reads them back.
PROGRAM = """
import sys
from mpi4py import MPI
comm = MPI.COMM_WORLD
file = MPI.File.Open(comm, sys.argv[1], MPI.MODE_CREATE | MPI.MODE_RDWR)
data, back = bytes([65 + comm.rank]) * 1000, bytearray(1000)
for n in range(8):
    file.Write_at((comm.size * n + comm.rank) * 1000, data)
comm.Barrier()
for n in range(8):
    file.Read_at((comm.size * n + comm.rank) * 1000, back)
    assert back == data
file.Close()
print(f"{comm.rank} is done", flush=True)
"""


def trace(*arguments, **settings):
    """Run the command as people do; return the finished process."""
    line = [*COMMAND, "trace", *map(str, arguments)]
    settings = {"stdin": subprocess.DEVNULL, **settings}
    return subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, **settings)


def result_of(*arguments, **settings):
    """Run with --json, which must go well; return the result and what the program printed."""
    done = trace("--json", *arguments, **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture
def program(tmp_path):
    """Return the words of an MPI program, and where it writes."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return [sys.executable, "-m", "mpi4py", str(path), str(tmp_path / "data")], tmp_path / "data"


@pytest.mark.parametrize("how", HOWS)
def test_a_serial_program(tmp_path, how):
    source = tmp_path / "source"
    source.write_bytes(b"x" * 10_000)
    words = ["dd", f"if={source}", f"of={tmp_path / 'copy'}", "bs=1000"]
    result, printed = result_of("--capture", how, "--", *words)
    assert "10+0 records out" in printed
    assert result["layers"]["posix"]["write"] == {"operations": 10, "bytes": 10_000}
    assert result["layers"]["posix"]["read"]["bytes"] == 10_000
    assert [phase["op"] for phase in result["phases"]] == ["read", "write"]
    assert {phase["bytes"] for phase in result["phases"]} == {10_000}
    assert [phase["latency"] is None for phase in result["phases"]] == [how == "strace"] * 2
    assert result["capture"]["how"] == result["environment"]["capture"] == how
    assert result["environment"]["slowed"] == ("strace" if how == "strace" else None)
    assert (result["exit_code"], result["status"], result["provenance"]) == (0, "done", "measured")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("how", HOWS)
def test_ranks_that_we_start(mpi, program, how):
    words, data = program
    result, printed = result_of("-n", 2, "--capture", how, "--", *words)
    check_ranks(result, data, how)
    assert printed.count("is done") == 2


@pytest.mark.parametrize("how", HOWS)
def test_ranks_that_the_program_starts(mpi, program, how):
    """The rank comes from the environment; what mpiexec itself opens isn't recorded."""
    words, data = program
    env = {**os.environ, **mpi.env()}
    line = ["--capture", how, "--", mpi.mpiexec, "-n", 2, *words]
    result, _ = result_of(*line, env=env)
    check_ranks(result, data, how)


def check_ranks(result, data, how):
    layers = result["layers"]
    for layer in ("posix", "mpiio") if how == "preload" else ("posix",):
        for op in ("write", "read"):
            assert layers[layer][op] == {"operations": 16, "bytes": 16_000}, (layer, op)
    assert result["environment"]["ranks"] == 2
    run = pio.open_run(result["run_dir"])
    assert (run.workload, run.command[-1]) == (None, str(data))
    found = run.trace
    top = Layer.MPIIO if how == "preload" else Layer.POSIX
    assert pio.metrics.top_layer(found) == top
    writes = found.select(layer=top, op=3)
    assert sorted(writes.records["offset"].tolist()) == list(range(0, 16_000, 1000))
    assert (writes.records["offset"] // 1000 % 2 == writes.records["rank"]).all()
    assert {found.files[n] for n in set(found.records["file"].tolist()) if n >= 0} == {str(data)}
    assert data.stat().st_size == 16_000


@SEEN
def test_the_program_has_the_callers_streams_and_place(tmp_path):
    code = (
        "import os, sys; print(sys.stdin.read().upper(), os.getcwd(), "
        "os.environ.get('OMP_NUM_THREADS'), os.environ.get('PYTHONPATH'), sys.argv[1:]);"
        "print('wrong', file=sys.stderr); sys.exit(7)"
    )
    env = {**os.environ, "PYTHONPATH": "/somewhere"}
    env.pop("OMP_NUM_THREADS", None)
    odd = ["a b", "$HOME", "--", "--json"]
    line = [*COMMAND, "trace", "--", sys.executable, "-c", code, *odd]
    done = subprocess.run(
        line, input="hello", capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path, env=env
    )
    assert done.returncode == 7
    first = done.stdout.splitlines()[0]
    assert first == f"HELLO {tmp_path} None /somewhere {odd}"
    assert done.stderr == "wrong\n"
    assert "status: failed (exit code 7)" in done.stdout
    assert list(tmp_path.iterdir()) == [tmp_path / "state"]


def test_a_program_that_is_killed():
    done = trace("--", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert done.returncode == 128 + signal.SIGKILL


@SEEN
def test_only_files_below_a_prefix(tmp_path):
    code = (
        "import os, sys\n"
        "for name in sys.argv[1:]:\n"
        "    fd = os.open(name, os.O_CREAT | os.O_WRONLY); os.write(fd, b'abc'); os.close(fd)"
    )
    (tmp_path / "in").mkdir()
    names = [tmp_path / "in" / "a", tmp_path / "out"]
    words = ["--", sys.executable, "-c", code, *names]
    result, _ = result_of("--prefix", tmp_path / "in", *words)
    assert result["layers"]["posix"]["write"] == {"operations": 1, "bytes": 3}
    result, _ = result_of("--prefix", "in", "--prefix", tmp_path / "ou", *words, cwd=tmp_path)
    assert result["layers"]["posix"]["write"] == {"operations": 2, "bytes": 6}
    result, _ = result_of(*words)
    assert result["layers"]["posix"] == {
        "open": {"operations": 2, "bytes": 0},
        "write": {"operations": 2, "bytes": 6},
        "close": {"operations": 2, "bytes": 0},
    }


def test_a_program_of_which_nothing_was_seen():
    if WHY_NOT["preload"]:
        pytest.skip(WHY_NOT["preload"])
    result, _ = result_of("--", "true")
    assert result["layers"] == {}
    assert "nothing was recorded" in result["capture"]["notes"][0]


def test_without_capture_the_program_just_runs(tmp_path):
    result, _ = result_of("--capture", "none", "--", "touch", tmp_path / "made")
    assert result["capture"]["how"] == "none"
    assert result["phases"] == []
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "after --"),
        (["ls"], "not understood"),
        (["--", "no-such-program"], "no-such-program"),
        (["--", "/"], "no such program"),
        (["-n", "0", "--", "ls"], "-n 0"),
        (["-n", "17", "--", "ls"], "17 ranks"),
        (["--timeout", "x", "--", "ls"], "--timeout x"),
        (["--storage", "tape", "--", "ls"], "tape"),
        (["--capture", "magic", "--", "ls"], "auto, preload, strace, none"),
        (["--prefix", "a\nb", "--", "ls"], "line break"),
        (["--plot", "x.pdf", "--", "ls"], ".png"),
    ],
)
def test_mistakes_are_one_line_and_2(capfd, state, arguments, told):
    assert cli.main(["trace", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("piotutor: ")
    assert told in err
    assert err.count("\n") == 1
    assert not list((state / "runs").glob("*"))


@pytest.mark.parametrize("how", [*HOWS, "none"])
def test_ctrl_c_ends_all(mpi, how, eventually, living, tmp_path):
    code = "import sys, time; open(sys.argv[1] + sys.argv[2], 'w').close(); time.sleep(600)"
    one = [sys.executable, "-c", code, str(tmp_path / "up")]
    line = [*COMMAND, "trace", "--capture", how, "-n", "2", "--", *one, "x"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        eventually(lambda: (tmp_path / "upx").exists())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert err.splitlines()[-1] == b"piotutor: stopped"
    eventually(lambda: not living())


def test_a_timeout_is_one_line_and_1(tmp_path):
    done = trace("--timeout", "0.5", "--", "sleep", "600")
    assert done.returncode == 1
    assert "the job was ended" in done.stderr
    assert done.stderr.count("\n") == 1


@SEEN
def test_a_program_is_shown_everywhere(tmp_path, capsys):
    """Picture, report and replay of a run without a workload."""
    pytest.importorskip("matplotlib")
    words = ["dd", "if=/dev/zero", f"of={tmp_path / 'data'}", "bs=4096", "count=20", "conv=fsync"]
    picture, page, poster = (tmp_path / name for name in ("x.png", "x.html", "y.png"))
    done = trace("--plot", picture, "--", *words)
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    for text in ("measured · ", "1 rank · captured: ", "dd if=/dev/zero", "posix write", "run: "):
        assert text in done.stdout, text
    assert cli.main(["report", "latest", "-o", str(page)]) == 0
    assert cli.main(["report", "latest", "-o", str(poster)]) == 0
    capsys.readouterr()
    html = page.read_text()
    assert "What ran: <code>dd if=/dev/zero" in html
    assert html.count("<figure>") >= 4
    run = results.find_run("latest")
    assert "write" in repr(run)
    assert "1 ranks" in run._repr_html_() or "1 rank" in run._repr_html_()
    pytest.importorskip("anywidget")
    board = pio.replay(run, views=("access_map", "throughput", "latency", "timeline", "tank"))
    board._ipython_display_()


@SEEN
def test_from_python(tmp_path):
    run = runner.trace_command_sync(["cp", __file__, str(tmp_path / "data")])
    assert run.result["layers"]["posix"]["close"]["operations"] >= 1
    run = asyncio.run(pio.trace_command([sys.executable, "-c", "print('hi'); raise SystemExit(3)"]))
    assert (run.result["exit_code"], run.status, run.output) == (3, "failed", "hi\n")
    with pytest.raises(UsageError, match="list of the program's words"):
        pio.start_command("ls -l")
    with pytest.raises(RunError, match="timeout raises"):
        pio.trace_command_sync(["sleep", "600"], timeout=0.3)


def test_an_existing_preload_is_kept(tmp_path):
    if WHY_NOT["preload"]:
        pytest.skip(WHY_NOT["preload"])
    env = {**os.environ, "LD_PRELOAD": str(preload.library())}  # any library that exists
    code = "import os; print(os.environ['LD_PRELOAD'].count(':'))"
    done = trace("--", sys.executable, "-c", code, env=env)
    assert done.stdout.splitlines()[0] == "1"
