"""One JupyterLab for all browser tests, one Chromium for each file of them.

Playwright keeps an event loop running while its browser lives: it must be gone before tests that
start a loop of their own.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from piotutor.launch import processes
from piotutor.testing import browser as rig

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory):
    """A server, the directory of its notebooks, and the state of its runs."""
    pytest.importorskip("playwright.sync_api")
    pytest.importorskip("jupyterlab")
    pytest.importorskip("anywidget")
    if rig.find_chromium() is None:
        pytest.skip("no Chromium: apt-get install chromium, or name one in PIOTUTOR_CHROMIUM")
    directory, state = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("state")
    old = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join(filter(None, (str(ROOT), old)))
    env = {"PYTHONPATH": path, "PIOTUTOR_STATE": str(state)}
    with rig.server(directory, env) as running:
        yield running, directory, state


@pytest.fixture(scope="module")
def chromium(jupyter):
    """A browser."""
    with rig.chromium() as browser:
        yield browser


@pytest.fixture
def lab(jupyter, chromium, mpi):
    """A page of its own; nothing but loopback may be asked for, and no script may fail."""
    running, directory, _ = jupyter
    lab = rig.Lab(chromium, running, directory)
    yield lab
    lab.close()
    assert lab.outside == []
    assert lab.errors == []


@pytest.fixture
def jobs(jupyter):
    """Return a function that lists the processes of all runs of the server's kernels."""
    _, _, state = jupyter

    def find():
        runs = [path for path in (state / "runs").glob("*") if path.is_dir()]
        return [pid for run in runs for pid in processes.marked(run)]

    return find
