"""Which mpiexec, and its command line: no rank is started here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from piotutor.errors import UsageError
from piotutor.launch import local
from piotutor.launch.local import Local, Ranks, family_of
from piotutor.workload import Workload

MODULE = ("piotutor.launch.worker", "/run/job.json")


def test_command_line():
    launcher = Local(mpiexec="/opt/mpiexec", family="mpich", python="/venv/python")
    assert launcher.argv(Ranks(4, MODULE, ("wrap", "-x"))) == [
        *("/opt/mpiexec", "-n", "4", "wrap", "-x"),
        *("/venv/python", "-m", "mpi4py", "-m", "piotutor.launch.worker", "/run/job.json"),
    ]
    assert launcher.env() == {"HWLOC_XMLFILE": ""}  # no /tmp/hydra_hwloc_xmlfile_*


def test_command_line_without_mpi():
    launcher = Local(python="/venv/python", problem="no mpiexec")
    assert launcher.argv(Ranks(1, MODULE)) == ["/venv/python", "-m", *MODULE]


def test_openmpi_is_told_that_root_and_many_ranks_are_meant():
    env = Local(mpiexec="/opt/mpiexec", family="openmpi").env()
    assert env["OMPI_ALLOW_RUN_AS_ROOT"] == env["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] == "1"
    assert env["PRTE_MCA_rmaps_default_mapping_policy"] == ":oversubscribe"


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("HYDRA build details:\n    Version: 5.0.2", "mpich"),
        ("MPICH Version:      4.0.2", "mpich"),
        ("Intel(R) MPI Library for Linux* OS, Version 2021.10", "mpich"),
        ("mpiexec (OpenRTE) 4.1.4", "openmpi"),
        ("mpirun (Open MPI) 5.0.9", "openmpi"),
        ("Open MPI v5.0.9, package: ...", "openmpi"),
        ("something else", ""),
        ("", ""),
    ],
)
def test_families(text, family):
    assert family_of(text) == family


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Return a function that makes an mpiexec which says something; nothing is beside Python."""
    (tmp_path / "python").mkdir()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python" / "python"))

    def make(name, text):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "mpiexec"
        path.write_text(f"#!/bin/sh\necho '{text}'\n")
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def library(monkeypatch):
    """Return a function that sets what mpi4py says its library is."""
    real = local._ask

    def say(text):
        monkeypatch.setattr(
            local, "_ask", lambda argv: text if argv[0] == sys.executable else real(argv)
        )

    return say


def search(*paths):
    return {"PATH": os.pathsep.join(str(Path(path).parent) for path in paths)}


def test_the_one_that_fits_is_taken(programs, library):
    library("MPICH Version:      5.0.2\nMPICH Release date: ...")
    other, fits = programs("a", "mpiexec (Open MPI) 5.0.9"), programs("b", "HYDRA build details:")
    found = Local.find(environment=search(other, fits))
    assert (found.mpiexec, found.family, found.library) == (fits, "mpich", "MPICH 5.0.2")
    assert not found.problem


def test_a_mismatch_is_refused_in_one_line(programs, library):
    library("Open MPI v5.0.9, package: somebody's")
    path = programs("a", "HYDRA build details:")
    found = Local.find(environment=search(path))
    assert found.problem.startswith(f"{path} is MPICH, but mpi4py uses Open MPI: ")
    assert "\n" not in found.problem
    with pytest.raises(UsageError, match="but mpi4py uses Open MPI"):
        found.check(Workload(num_tasks=2))
    found.check(Workload(num_tasks=1))
    with pytest.raises(UsageError):
        found.check(Workload(num_tasks=1, api="MPIIO"))


def test_named_by_the_user(programs, library):
    library("MPICH Version: 5.0.2")
    first, named = programs("a", "HYDRA"), programs("b", "HYDRA")
    assert Local.find(environment=search(first)).mpiexec == first
    env = {**search(first), "PIOTUTOR_MPIEXEC": named}
    assert Local.find(environment=env).mpiexec == named
    gone = Local.find(environment={**env, "PIOTUTOR_MPIEXEC": "/nowhere/mpiexec"})
    assert gone.problem.startswith("/nowhere/mpiexec is an unknown MPI")


def test_no_mpiexec(programs, library):
    library("MPICH Version: 5.0.2")
    assert Local.find(environment={"PATH": "/nowhere"}).problem.startswith("no mpiexec beside ")


def test_no_mpi4py(programs, library):
    library("")
    found = Local.find(environment=search(programs("a", "HYDRA")))
    assert "can't be loaded" in found.problem
    assert found.mpiexec is None


def test_asked_once(programs, library, tmp_path, monkeypatch):
    library("MPICH Version: 5.0.2")
    env = search(programs("a", "HYDRA"))
    found = Local.find(tmp_path, env)
    monkeypatch.setattr(local, "_ask", lambda _argv: pytest.fail("asked again"))
    assert Local.find(tmp_path, env) == found


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 1}', '{"key": [], "found": 3}'])
def test_a_damaged_cache_is_asked_anew(programs, library, tmp_path, text):
    library("MPICH Version: 5.0.2")
    (tmp_path / "mpi.json").write_text(text)
    assert Local.find(tmp_path, search(programs("a", "HYDRA"))).family == "mpich"


def test_a_changed_installation_is_asked_anew(programs, library, tmp_path):
    library("MPICH Version: 5.0.2")
    path = programs("a", "HYDRA")
    assert not Local.find(tmp_path, search(path)).problem
    Path(path).write_text("#!/bin/sh\necho 'Open MPI'\n")
    os.utime(path, (1, 1))
    assert Local.find(tmp_path, search(path)).problem


def test_silent_and_broken_programs(tmp_path):
    assert local._ask(["/nowhere"]) == ""
    assert local._ask(["false"]) == ""
