"""setup.sh: what it chooses, what it says, and that nothing goes on when it is stopped."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEP = ROOT / "tools/setup/step.py"
TOOLS = ("cat", "cksum", "date", "dirname", "id", "ls", "sed", "sh", "uname")
HERE = f"{sys.version_info.major}.{sys.version_info.minor} {platform.machine()}"


@pytest.fixture
def machine(tmp_path):
    """Return a function that runs setup.sh where only the named programs are on the PATH."""
    path = tmp_path / "bin"
    path.mkdir()
    for name in TOOLS:
        (path / name).symlink_to(shutil.which(name))
    (path / "python3").symlink_to(getattr(sys, "_base_executable", sys.executable))

    def run(*arguments, programs=(), **env):
        for name in programs:
            (path / name).write_text("#!/bin/sh\n")
            (path / name).chmod(0o755)
        command = ["/bin/sh", ROOT / "setup.sh", *arguments]
        env = {"PATH": str(path), "HOME": str(tmp_path)} | {k: str(v) for k, v in env.items()}
        return subprocess.run(command, env=env, capture_output=True, text=True, cwd=tmp_path)

    return run


def conda_environment(folder):
    """Make a folder look like an active environment of environment.yml."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").symlink_to(sys.executable)
    (folder / "conda-meta").mkdir()
    for name in ("mpi4py-4.1.2-py311_0", "h5py-3.16.0-mpi_mpich_0"):
        (folder / f"conda-meta/{name}.json").touch()
    return folder


DEBIAN = ("apt-get", "dpkg-deb")


@pytest.mark.parametrize(
    ("programs", "env", "said"),
    [
        ((), {}, "pip: there is no conda"),
        (DEBIAN, {}, "hdf5: Debian"),
        (("dpkg-deb",), {}, "pip: "),
        ((*DEBIAN, "mpicc"), {"MPICC": "mpicc"}, "site: MPICC is set: mpicc"),
        ((*DEBIAN, "conda"), {}, "conda: on the PATH: "),
        ((*DEBIAN, "micromamba"), {}, "conda: on the PATH: "),
        ((*DEBIAN, "mamba", "mpicc"), {"MPICC": "mpicc"}, "conda: on the PATH: "),
        ((*DEBIAN, "conda"), {"STACK": "pip"}, "pip: STACK=pip"),
        (DEBIAN, {"STACK": "openmpi"}, "openmpi: STACK=openmpi"),
        (DEBIAN, {"STACK": ""}, "hdf5: Debian"),
        (("mpicc",), {"STACK": "site", "MPICC": "mpicc"}, "site: STACK=site"),
    ],
)
def test_the_stack_is_chosen_in_the_documented_order(machine, programs, env, said):
    done = machine("stack", programs=programs, **env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(said)


def test_an_active_conda_environment_comes_first(machine, tmp_path):
    active = conda_environment(tmp_path / "conda")
    done = machine("stack", programs=(*DEBIAN, "conda"), CONDA_PREFIX=active)
    assert done.stdout.startswith("conda: an active conda environment has mpi4py")


def test_a_foreign_conda_environment_is_not_taken(machine, tmp_path):
    (tmp_path / "base/bin").mkdir(parents=True)
    (tmp_path / "base/bin/python").symlink_to(sys.executable)
    done = machine("stack", programs=DEBIAN, CONDA_PREFIX=tmp_path / "base")
    assert done.stdout.startswith("hdf5: ")


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (["stack"], {"STACK": "mvapich"}, "STACK=mvapich is unknown: choose conda, site, hdf5"),
        (["stack"], {"STACK": "site"}, "STACK=site needs MPICC="),
        (["stack"], {"MPICC": "/nowhere/mpicc"}, "MPICC=/nowhere/mpicc is no program"),
        (["stack"], {"PYTHON": "/nowhere/python"}, "no Python 3.10 or newer"),
        (["lab"], {"OFFLINE": "/nowhere"}, "OFFLINE: no such directory"),
        (["stack"], {"OFFLINE": "/"}, "is / an unpacked bundle?"),
        (["bundle"], {"OFFLINE": "/"}, "a bundle is made where there is a network"),
        (["laboratory"], {}, "unknown command: laboratory"),
    ],
)
def test_mistakes_are_one_line(machine, arguments, env, said):
    done = machine(*arguments, **env)
    assert done.returncode == 1
    assert done.stderr.startswith("piotutor: error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_and_makefile_name_every_command(machine):
    script = (ROOT / "setup.sh").read_text()
    commands = set(re.findall(r"^do_(\w+)\(\)", script, re.MULTILINE))
    told = set(re.findall(r"^(?:  )?sh setup\.sh (\w+)", machine("help").stdout, re.MULTILINE))
    assert told == commands
    make = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert set(make) == commands - {"stack"}


def test_another_setup_is_waited_for(tmp_path):
    for name in ("setup.sh", "pyproject.toml", "environment.yml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    with (tmp_path / ".venv-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = ["sh", "setup.sh", "install"]
        setup = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, **GROUP)
        try:
            assert "another setup is at work" in setup.stdout.readline()
            assert setup.poll() is None
            assert not (tmp_path / ".venv").exists()
        finally:
            os.killpg(setup.pid, signal.SIGKILL)
            setup.communicate()


GROUP = {"start_new_session": True}


def step(log, *command, **options):
    """Run one step of the setup."""
    argv = [sys.executable, STEP, log, "counting", *command]
    return subprocess.run(argv, capture_output=True, text=True, **options)


def test_a_step_shows_what_it_does_and_keeps_the_rest_in_the_log(tmp_path):
    done = step(tmp_path / "log", "sh", "-c", "echo much; echo more >&2")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"piotutor: counting \.* \d+ s\n", done.stdout)
    assert "\nmuch\nmore\n" in (tmp_path / "log").read_text()


def test_a_step_that_fails_says_why_in_one_line(tmp_path):
    done = step(tmp_path / "log", "sh", "-c", "echo ERROR: no such package; echo bye; exit 3")
    assert done.returncode == 3
    said = done.stdout.splitlines()
    assert said[1:] == [
        f"piotutor: that failed: ERROR: no such package (all of it: {tmp_path / 'log'})"
    ]


@pytest.mark.parametrize(
    "sign", ["connection broken by 'NewConnectionError'", "client error (Connect): dns error"]
)
def test_a_step_that_met_no_network_says_just_that(tmp_path, sign):
    done = step(tmp_path / "log", "sh", "-c", 'echo "WARNING: $0"; echo ERROR: oh; exit 2', sign)
    assert done.returncode == 69
    assert done.stdout.splitlines()[1:] == ["piotutor: that failed: there is no network"]


def test_a_step_whose_program_is_missing_fails_as_in_a_shell(tmp_path):
    done = step(tmp_path / "log", tmp_path / "nothing")
    assert done.returncode == 127
    assert "No such file or directory" in done.stdout


def test_a_step_that_is_stopped_takes_its_whole_family_along(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # The grandchild holds the pipe open until it ends: the read below returns then.
    command = ["sh", "-c", f"exec 3>{fifo}; echo up >&3; (while :; do sleep 60; done) & wait"]
    argv = [sys.executable, STEP, tmp_path / "log", "waiting", *command]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as running, fifo.open() as pipe:
        assert pipe.readline() == "up\n"
        running.send_signal(signal.SIGTERM)
        assert pipe.read() == ""
    assert running.returncode == 128 + signal.SIGTERM


@pytest.fixture
def bundle(tmp_path):
    """Return a small but whole bundle."""
    folder = tmp_path / "bundle"
    (folder / "wheels").mkdir(parents=True)
    wheel = folder / "wheels/x-1-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    digest = hashlib.sha256(b"a wheel").hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  wheels/{wheel.name}\n")
    (folder / "python").write_text(f"{HERE}\n")
    (folder / "stack").write_text("hdf5\n")
    return folder


def test_a_whole_bundle_is_taken(machine, bundle):
    assert machine("stack", OFFLINE=bundle).stdout == "hdf5: it is what the bundle holds\n"
    assert machine("stack", OFFLINE=bundle, STACK="pip").stdout == "pip: STACK=pip\n"


def test_a_bundle_without_that_stack_is_refused(machine, bundle):
    assert (
        "holds the stacks hdf5 and pip, not openmpi"
        in machine("stack", OFFLINE=bundle, STACK="openmpi").stderr
    )


def test_a_bundle_damaged_on_its_way_is_refused(machine, bundle):
    wheel = next((bundle / "wheels").iterdir())
    wheel.write_bytes(b"a whee")
    assert f"{wheel} is damaged or missing" in machine("stack", OFFLINE=bundle).stderr
    wheel.unlink()
    assert f"{wheel} is damaged or missing" in machine("stack", OFFLINE=bundle).stderr


def test_a_bundle_for_another_python_is_refused(machine, bundle):
    (bundle / "python").write_text("2.7 vax\n")
    assert f"for Python 2.7 vax, this is {HERE}" in machine("stack", OFFLINE=bundle).stderr


def test_a_distribution_without_apt_is_named_in_one_line(tmp_path):
    argv = [sys.executable, ROOT / "tools/setup/debian.py", "hdf5", tmp_path]
    done = subprocess.run(argv, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: this is neither Debian nor Ubuntu")
    assert not (tmp_path / "apt").exists()
