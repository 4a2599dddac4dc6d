"""What all tests share: a state directory of their own, and the search for what is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import settings

from piotutor.capture import UnavailableError, tracefs
from piotutor.launch import processes, shared_memory
from piotutor.launch.local import Local

settings.register_profile("piotutor", deadline=None)
settings.load_profile("piotutor")

# A shell that starts us in the background has both ignored, and programs under test inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

_KEPT = ("PIOTUTOR_MPIEXEC", "PIOTUTOR_TEST")
PAGES = ("tests/notebooks", "tests/browser")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give one worker what needs pages, and another one all the rest, each in its order.

    Both wait more than they compute; a browser's event loop is then in a process of its own, and
    there is one Slurm at a time, whose job numbers are names in the machine's shared memory.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Halves(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "pages" if nodeid.startswith(PAGES) else "others"

    return Halves(config, log)


@pytest.fixture(scope="session")
def mpi_cache(tmp_path_factory):
    """Ask for the MPI once for all tests."""
    cache = tmp_path_factory.mktemp("mpi")
    Local.find(cache)
    return cache


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch, mpi_cache):
    """Give each test a state directory, and no settings of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("PIOTUTOR_") and not name.startswith(_KEPT):
            monkeypatch.delenv(name)
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    if (mpi_cache / "mpi.json").exists():
        shutil.copy(mpi_cache / "mpi.json", state)
    monkeypatch.setenv("PIOTUTOR_STATE", str(state))
    return state


@pytest.fixture
def mpi(state):
    """Skip where ranks can't be started; else return the launcher."""
    launcher = Local.find(state)
    if launcher.problem:
        pytest.skip(launcher.problem)
    return launcher


@pytest.fixture
def eventually():
    """Return a function that waits until something is true, or fails."""
    return wait_until


@pytest.fixture
def living(state):
    """Return a function that lists the processes of all runs of this test."""

    def find():
        runs = [path for path in (state / "runs").glob("*") if path.is_dir()]
        return [pid for run in runs for pid in processes.marked(run)]

    return find


@pytest.fixture
def spotless(request, state, eventually, living):
    """Check after a test that no process, data, shared memory or file of MPI's is left."""
    since = time.time()
    yield
    eventually(lambda: not living())
    if request.node.get_closest_marker("mpi"):
        eventually(lambda: not shared_memory.orphans(since))
        eventually(lambda: not descriptions(since))
    runs = {f"piotutor-{path.name}" for path in (state / "runs").glob("*")}
    eventually(lambda: not runs & {path.name for path in Path(tempfile.gettempdir()).iterdir()})
    eventually(lambda: not list((state / "scratch").glob("*")))
    eventually(lambda: not runs & traced())


def traced():
    """Return the names of what the kernel's tracer keeps, as far as we may look."""
    try:
        with tracefs.opened() as root:
            return {path.name for path in (root / "instances").iterdir()}
    except (UnavailableError, OSError):
        return set()


def descriptions(since):
    """Return the files in which MPICH's mpiexec described the machine to its ranks."""
    found = [path.stat() for path in Path("/tmp").glob("hydra_hwloc_xmlfile_*")]
    return [file for file in found if file.st_uid == os.geteuid() and file.st_ctime >= since]


def wait_until(check, seconds=30.0):
    """Wait for a check to return something true, and return it; fail after some seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {check}")
        time.sleep(0.01)
    return answer
