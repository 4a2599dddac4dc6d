"""What a storage has beside the ranks, seen by the guard: tiny programs stand in for both."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from guarding import guarded, result, start

from piotutor import rundir
from piotutor.launch import guard, processes, service
from piotutor.launch.orders import Orders
from piotutor.storage.datafiles import DataFiles

READY = """
import json, os, sys, time
def tell(name, told):
    with open("part", "w") as file: json.dump(told, file)
    os.rename("part", f"storage-{name}.json")
def ready(**told): tell("ready", told)
"""
WAIT = "assert sys.stdin.readline() == 'stop\\n'; open('stopped', 'w').close()"
RANKS = "import os; print(os.environ['COLOUR'], os.environ.get('TMPDIR'))"
SLEEP = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture
def orders(state):
    """Return a function that makes orders for ranks and a service given as Python text."""

    def make(ranks, beside, **more):
        run_dir = state / "runs" / "one"
        run_dir.mkdir(parents=True)
        told = Orders(
            run_dir=str(run_dir),
            argv=[sys.executable, "-c", ranks],
            env={},
            data=DataFiles(()).to_dict(),
            service=[sys.executable, "-c", READY + beside],
            temporary=str(state / "temporary"),
            host=os.uname().nodename,
            since=time.time(),
            **more,
        )
        told.write(run_dir / "guard.json")
        return told

    return make


@pytest.fixture
def run_here(orders):
    """Return a function that guards ranks and a service from within this process."""

    def run(ranks, beside, **more):
        told = orders(ranks, beside, **more)
        status = guarded(told)
        assert not processes.marked(told.run_dir)
        assert not Path(told.temporary).exists()
        return status, Path(told.run_dir)

    return run


def test_it_is_ready_before_the_ranks_and_ends_after_them(run_here):
    beside = "ready(env={'COLOUR': 'green'}, argv_prefix=['env', 'MORE=1']); " + WAIT
    ranks = RANKS + "; print(os.environ['MORE'], os.path.exists('stopped'))"
    status, run_dir = run_here(ranks, beside)
    assert status == "done"
    assert (run_dir / "output.txt").read_text().split()[::2] == ["green", "1"]
    assert (run_dir / "output.txt").read_text().endswith("False\n")
    assert (run_dir / "stopped").exists()
    assert result(run_dir)["unfinished"] == ""
    assert json.loads((run_dir / "state.json").read_text())["state"] == "finishing"


def test_its_temporary_files_are_the_runs(run_here, state):
    beside = "ready(env={'COLOUR': os.environ['TMPDIR']}); " + WAIT
    _, run_dir = run_here(RANKS, beside)
    assert (run_dir / "output.txt").read_text() == f"{state / 'temporary'} {state / 'temporary'}\n"


def test_it_ends_at_once_with_a_message(run_here):
    status, run_dir = run_here(RANKS, "sys.exit('no such thing as a ceph-osd here')")
    assert status == "failed"
    assert result(run_dir)["reason"] == "no such thing as a ceph-osd here (code 1)"
    assert not (run_dir / "output.txt").exists()


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ("", "ended and said nothing"),
        (
            "open('storage-error.json', 'w').write(json.dumps({'problem': 'no\\nroom'}))",
            "^no room$",
        ),
        ("open('storage-ready.json', 'w').write('['); time.sleep(9)", "can't be read"),
        ("ready(envy={}); time.sleep(9)", "can't be read.*envy"),
        ("ready(env=[1]); sys.exit(1)", "can't be read"),
        ("ready(env={'A': 1}); sys.exit(1)", "can't be read"),
    ],
)
def test_what_else_it_may_do_instead_of_getting_ready(run_here, beside, message):
    status, run_dir = run_here(RANKS, beside)
    assert status == "failed"
    assert re.search(message, result(run_dir)["reason"])


def test_it_never_gets_ready(run_here, monkeypatch):
    monkeypatch.setattr(service, "START", 0.3)
    status, run_dir = run_here(RANKS, "print('still busy', flush=True); time.sleep(600)")
    assert status == "failed"
    late = r"the storage wasn't ready after 0\.3 s(: still busy)?"  # if it got so far
    assert re.fullmatch(late, result(run_dir)["reason"])


def test_it_ends_while_ranks_run(run_here):
    """The ranks would go on for minutes: they are ended, and the storage says why."""
    beside = (
        "ready(env={'COLOUR': 'red'})\n"
        "while not os.path.exists('here'): time.sleep(0.01)\n"
        "tell('error', {'problem': 'OSD 1 has died'}); sys.exit(1)"
    )
    status, run_dir = run_here(f"open('here', 'w').close(); {SLEEP}", beside)
    assert status == "failed"
    assert result(run_dir)["reason"] == "OSD 1 has died"


def test_ranks_that_fail_for_it_are_not_to_blame(run_here):
    beside = (
        "ready(env={'COLOUR': 'red'})\n"
        "while not os.path.exists('here'): time.sleep(0.01)\n"
        "tell('error', {'problem': 'OSD 1 has died'}); time.sleep(600)"
    )
    ranks = (
        "import os, sys, time\nopen('here', 'w').close()\n"
        "while not os.path.exists('storage-error.json'): time.sleep(0.01)\n"
        "sys.exit('EIO')"
    )
    status, run_dir = run_here(ranks, beside)
    assert (status, result(run_dir)["reason"]) == ("failed", "OSD 1 has died")


def test_ranks_that_fail_by_themselves(run_here):
    """Nothing is asked of the storage any more: it is ended."""
    status, run_dir = run_here("import sys; sys.exit('broken')", "ready(env={}); " + WAIT)
    assert (status, result(run_dir)["code"]) == ("failed", 1)
    assert not (run_dir / "stopped").exists()


def test_it_does_not_end_when_asked(run_here, monkeypatch):
    monkeypatch.setattr(service, "FINISH", 0.3)
    status, run_dir = run_here("", "ready(env={}); sys.stdin.readline(); time.sleep(600)")
    assert status == "done"
    assert result(run_dir)["unfinished"] == "it didn't end within 0.3 s"


def test_it_fails_when_asked_to_end(run_here):
    beside = "ready(env={}); sys.stdin.readline(); sys.exit('no last counts')"
    status, run_dir = run_here("", beside)
    assert (status, result(run_dir)["unfinished"]) == ("done", "no last counts")


@pytest.mark.parametrize("when", ["starting", "running"])
def test_stopped(orders, eventually, when):
    beside = "open('begun', 'w').close(); time.sleep(600)"
    if when == "running":
        beside = "ready(env={}); " + beside
    told = orders(SLEEP, beside)
    process = start(told)
    path = Path(told.run_dir)
    eventually(lambda: (path / "begun").exists())
    eventually(lambda: json.loads((path / "state.json").read_text())["state"] == when)
    process.stdin.close()
    assert process.wait(30) == guard.CODES["stopped"]
    assert not processes.marked(told.run_dir)
    assert not Path(told.temporary).exists()


def test_a_killed_guard_takes_it_along(orders, eventually, state):
    """Its pipe ends: a service ends what it started. What doesn't is ended by the next start."""
    beside = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "ready(env={})\n"
        "if os.fork(): assert not sys.stdin.read(); sys.exit(1)\n"
        "open('begun', 'w').close(); time.sleep(600)"
    )
    told = orders(SLEEP, beside)
    process = start(told)
    path = Path(told.run_dir)
    eventually(lambda: (path / "begun").exists() and (path / "output.txt").exists())
    assert len(eventually(lambda: processes.marked(path))) >= 2
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.stdin.close()
    assert rundir.sweep(state) == [path]
    assert not processes.marked(path)
    assert not Path(told.temporary).exists()
