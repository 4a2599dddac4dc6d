"""A bundle is packed, carried away, and set up where every network is cut."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CUT = ["unshare", "-r", "-n"]
PARALLEL = "import h5py, sys; sys.exit(not h5py.get_config().mpi)"


@pytest.fixture
def stack():
    """Return the stack of this environment, or skip where it can't be packed."""
    ready = Path(sys.prefix, ".piotutor-ready")
    name = ready.read_text().splitlines()[2] if ready.exists() else "none of setup.sh"
    if name not in ("hdf5", "pip"):
        pytest.skip(f"the stacks hdf5 and pip can be packed, this is {name}")
    if not shutil.which("unshare") or subprocess.run([*CUT, "true"], check=False).returncode:
        pytest.skip("the network can't be cut here: unshare isn't permitted")
    return name


@pytest.fixture
def unpacked(stack, tmp_path):
    """Pack a bundle and unpack it; it is large, so it goes when the test ends."""
    command = [sys.executable, ROOT / "tools/setup/bundle.py", stack, sys.prefix, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    if "there is no network" in done.stderr:
        pytest.skip("there is no network to pack a bundle from")
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("piotutor-bundle-*.tar")
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path], check=True)
    archive.unlink()
    yield tmp_path / "piotutor-bundle"
    shutil.rmtree(tmp_path / "piotutor-bundle")


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_make_lab_without_a_network(unpacked, stack, tmp_path):
    source = unpacked / "piotutor"
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    env["PYTHON"] = getattr(sys, "_base_executable", sys.executable)

    def offline(*command):
        argv = [*CUT, *command]
        return subprocess.run(argv, cwd=source, env=env, capture_output=True, text=True)

    done = offline("sh", "setup.sh", "lab", "--version")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"the {stack} stack is ready in {source}/.venv after" in done.stdout
    assert done.stdout.splitlines()[-1][:1].isdigit()
    again = offline("sh", "setup.sh", "install")
    assert again.stdout == f"piotutor: the {stack} stack is ready in {source}/.venv\n"
    python = source / ".venv/bin/python"
    assert (offline(python, "-c", PARALLEL).returncode == 0) is (stack == "hdf5")
    pattern = offline(source / ".venv/bin/piotutor", "pattern", "-n", "1", "-w", "--csv")
    assert pattern.stdout.startswith("rank,file,op,offset,length\n0,0,write,0,262144\n")
