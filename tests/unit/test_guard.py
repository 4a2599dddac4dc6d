"""The guard, with tiny programs in the place of ranks: how runs end, and that nothing is left."""

from __future__ import annotations

import json
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from guarding import guarded, result, start

from piotutor import rundir
from piotutor.launch import guard, processes, shared_memory
from piotutor.launch.orders import Orders
from piotutor.storage import datafiles

SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import os, signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "if os.fork() == 0: os.setsid()\n"
    "open(f'ready-{os.getpid()}', 'w').close()\n"
    "time.sleep(600)"
)


@pytest.fixture
def orders(state):
    """Return a function that makes orders for a program given as Python text."""

    def make(text, **more):
        (state / "runs").mkdir(exist_ok=True)
        run_dir = state / "runs" / "one"
        run_dir.mkdir()
        scratch = state / "scratch"
        scratch.mkdir()
        data = datafiles.in_scratch(scratch / "one", 1, keep=False)
        told = Orders(
            run_dir=str(run_dir),
            argv=[sys.executable, "-c", text],
            data=data.to_dict(),
            host=os.uname().nodename,
            since=time.time(),
            **{"env": {"COLOUR": "blue"}, **more},
        )
        told.write(run_dir / "guard.json")
        return told

    return make


@pytest.fixture
def run_here(orders):
    """Return a function that guards a program from within this process."""

    def run(text, **more):
        told = orders(text, **more)
        return guarded(told), Path(told.run_dir)

    return run


def test_done(run_here, state):
    status, run_dir = run_here("import os; print(os.environ['COLOUR'], os.getcwd())")
    assert status == "done"
    assert (run_dir / "output.txt").read_text() == f"blue {run_dir}\n"
    assert result(run_dir)["code"] == 0
    assert json.loads((run_dir / "state.json").read_text())["state"] == "running"
    assert not list((state / "scratch").iterdir())


def test_temporary_files(run_here, tmp_path):
    text = "import tempfile; print(tempfile.mkstemp()[1])"
    status, run_dir = run_here(text, temporary=str(tmp_path / "mine"))
    assert status == "done"
    assert (run_dir / "output.txt").read_text().startswith(f"{tmp_path}/mine/")
    assert not (tmp_path / "mine").exists()


def test_failed(run_here):
    status, run_dir = run_here("import sys; sys.exit('broken')")
    assert status == "failed"
    assert (run_dir / "output.txt").read_text() == "broken\n"
    assert result(run_dir)["code"] == 1


def test_program_missing(orders):
    told = orders("")
    told = Orders(**(vars(told) | {"argv": ["/nowhere/mpiexec"]}))
    assert guarded(told) == "failed"
    assert "/nowhere/mpiexec" in result(told.run_dir)["reason"]


def test_output_is_bounded_and_the_rest_counted(run_here, monkeypatch):
    monkeypatch.setattr(guard, "OUTPUT", 1000)
    status, run_dir = run_here("print('x' * 100_000)")
    text = (run_dir / "output.txt").read_text()
    assert status == "done"
    assert text.startswith("x" * 1000 + "\n[99001 more bytes")


def test_timeout(run_here):
    status, run_dir = run_here(SLEEP, timeout=0.2)
    assert status == "timeout"
    assert not processes.marked(run_dir)


def test_stubborn_processes_in_sessions_of_their_own(run_here, monkeypatch):
    monkeypatch.setattr(processes.end, "__defaults__", (0.3, 5.0))
    status, run_dir = run_here(STUBBORN, timeout=1.0)
    assert status == "timeout"
    assert not processes.marked(run_dir)
    assert result(run_dir)["left"] == []


def test_a_child_that_outlives_its_program_is_ended(run_here):
    status, run_dir = run_here(f"import os\nif os.fork() == 0: os.setsid(); {SLEEP}")
    assert status == "done"
    assert not processes.marked(run_dir)


def test_sampler_ends_after_the_ranks(run_here):
    sampler = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(open('sampled', 'w').close()))\n"
        "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])\n"
        "open('sampling', 'w').close()\n"
        "signal.pause()"
    )
    wait = "import os, time\nwhile not os.path.exists('sampling'): time.sleep(0.01)"
    status, run_dir = run_here(wait, sampler=[sys.executable, "-c", sampler])
    assert status == "done"
    assert (run_dir / "sampled").exists()


@pytest.mark.parametrize("how", ["stop", "close", "TERM", "INT", "HUP"])
def test_ways_to_end_a_run(orders, eventually, how):
    told = orders("print('up', flush=True); " + SLEEP)
    process = start(told)
    eventually(lambda: (Path(told.run_dir) / "output.txt").exists())
    eventually(lambda: (Path(told.run_dir) / "output.txt").read_text())
    if how == "stop":
        process.stdin.write(b"stop\n")
        process.stdin.flush()
    elif how == "close":
        process.stdin.close()
    else:
        process.send_signal(getattr(signal, f"SIG{how}"))
    assert process.wait(30) == guard.CODES["stopped"]
    process.stdin.close()
    assert not processes.marked(told.run_dir)
    assert not Path(told.data["private"]).exists()


def test_a_stopped_process_is_ended(orders, eventually):
    told = orders("print('up', flush=True); " + SLEEP)
    process = start(told)
    (pid,) = eventually(lambda: processes.marked(told.run_dir))
    eventually(lambda: (Path(told.run_dir) / "output.txt").exists())
    os.kill(pid, signal.SIGSTOP)
    process.stdin.close()
    assert process.wait(30) == guard.CODES["stopped"]
    assert not processes.marked(told.run_dir)


@pytest.mark.parametrize("how", ["KILL", "HUP", "TERM"])
def test_parent_dies(orders, eventually, how):
    """The parent has a child that holds the pipe open, too: its death must be seen anyway."""
    told = orders("print('up', flush=True); " + SLEEP)
    text = (
        "import os, subprocess, sys, time, json\n"
        "path = sys.argv[1]\n"
        "told = json.load(open(path)); told['parent'] = os.getpid()\n"
        "json.dump(told, open(path, 'w'))\n"
        "guard = subprocess.Popen([sys.executable, '-m', 'piotutor.launch.guard', path],\n"
        "    stdin=subprocess.PIPE, start_new_session=True)\n"
        "holder = os.fork()\n"
        "if holder: print(guard.pid, holder, flush=True)\n"
        "time.sleep(600)"
    )
    argv = [sys.executable, "-c", text, f"{told.run_dir}/guard.json"]
    parent = subprocess.Popen(argv, stdout=subprocess.PIPE)
    _, holder = map(int, parent.stdout.readline().split())
    eventually(lambda: processes.marked(told.run_dir))
    parent.send_signal(getattr(signal, f"SIG{how}"))
    parent.wait(30)
    parent.stdout.close()
    try:
        eventually(lambda: (Path(told.run_dir) / "guard-result.json").exists())
    finally:
        os.kill(holder, signal.SIGKILL)
    assert result(told.run_dir)["status"] == "stopped"
    assert not processes.marked(told.run_dir)
    assert not Path(told.data["private"]).exists()


def test_a_killed_guard_is_cleaned_up_after(orders, eventually, state):
    told = orders(STUBBORN)
    process = start(told)
    eventually(lambda: len(list(Path(told.run_dir).glob("ready-*"))) == 2)
    process.kill()
    process.wait(30)
    process.stdin.close()
    assert processes.marked(told.run_dir)
    assert rundir.sweep(state) == [Path(told.run_dir)]
    assert not processes.marked(told.run_dir)
    assert not Path(told.data["private"]).exists()
    assert "killed" in result(told.run_dir)["reason"]
    assert rundir.sweep(state) == []


def test_shared_memory_of_the_dead_goes_and_nothing_else(tmp_path):
    since = time.time()
    names = ["mpich_shm_dead", "mpich_shm_used", "other"]
    for name in names:
        (tmp_path / name).write_bytes(bytes(4096))
    with (tmp_path / "mpich_shm_used").open("r+b") as file, mmap.mmap(file.fileno(), 4096):
        assert shared_memory.remove(since, tmp_path) == ["mpich_shm_dead"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == names[1:]
    assert shared_memory.remove(time.time() + 60, tmp_path) == []
    assert (tmp_path / "mpich_shm_used").exists()


def test_no_shared_memory_here(tmp_path):
    assert shared_memory.remove(0, tmp_path / "nowhere") == []


def test_waits_for_a_place_and_says_so(orders, eventually, tmp_path):
    from contextlib import ExitStack

    from piotutor.launch.queue import Pool

    pool = Pool(str(tmp_path / "queue"), 2)
    told = orders("print('up')", ranks=2, pools=[vars(pool)])
    with ExitStack() as held:
        pool.take(1, held, pytest.fail)
        process = start(told)
        path = Path(told.run_dir) / "state.json"
        said = json.loads(eventually(lambda: path.exists() and path.read_text()))
        assert said["state"] == "waiting"
        assert "2 ranks need" in said["why"]
        assert not (Path(told.run_dir) / "output.txt").exists()
    assert process.wait(30) == 0
    process.stdin.close()


def test_stopped_while_waiting(orders, eventually, tmp_path):
    from contextlib import ExitStack

    from piotutor.launch.queue import Pool

    pool = Pool(str(tmp_path / "queue"), 1)
    told = orders("print('up')", pools=[vars(pool)])
    with ExitStack() as held:
        pool.take(1, held, pytest.fail)
        process = start(told)
        eventually(lambda: (Path(told.run_dir) / "state.json").exists())
        process.stdin.close()
        assert process.wait(30) == guard.CODES["stopped"]
    assert not (Path(told.run_dir) / "output.txt").exists()
