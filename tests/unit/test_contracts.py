"""Each storage and launcher passes its contract, as each kernel does in tests/mpi."""

from __future__ import annotations

import os

import pytest

from piotutor.launch import LAUNCHERS
from piotutor.launch.flux import Flux
from piotutor.launch.hosts import Hosts
from piotutor.launch.local import Local
from piotutor.launch.lsf import LSF
from piotutor.launch.pbs import PBS
from piotutor.launch.slurm import Slurm
from piotutor.storage import STORAGES
from piotutor.testing.launchers import LauncherSuite
from piotutor.testing.storages import StorageSuite


class TestLocalStorage(StorageSuite):
    name = "local"


class TestLustreStorage(StorageSuite):
    """A script stands in for ``lfs``: there is no Lustre here."""

    name = "lustre"

    @pytest.fixture(autouse=True)
    def lfs(self, tmp_path_factory, monkeypatch):
        tool = tmp_path_factory.mktemp("bin") / "lfs"
        tool.write_text("#!/bin/sh\necho stripe_count: 4 stripe_size: 1048576\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")


class TestBeegfsStorage(StorageSuite):
    """A script stands in for ``beegfs-ctl``: there is no BeeGFS here."""

    name = "beegfs"

    @pytest.fixture(autouse=True)
    def ctl(self, tmp_path_factory, monkeypatch):
        tool = tmp_path_factory.mktemp("bin") / "beegfs-ctl"
        pattern = "+ Type: RAID0\\n+ Chunksize: 512K\\n+ Number of storage targets: desired: 4\\n"
        tool.write_text(f"#!/bin/sh\nprintf '{pattern}'\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")


class TestCephStorage(StorageSuite):
    name = "ceph"


class TestEmulatedStorage(StorageSuite):
    name = "emulated"


class TestLocalLauncher(LauncherSuite):
    name = "local"

    def make(self):
        return Local(mpiexec="/opt/mpi/bin/mpiexec", family="mpich", python="/venv/bin/python")


class TestHostsLauncher(LauncherSuite):
    name = "hosts"

    def make(self):
        return Hosts(names="a+b", local=TestLocalLauncher().make())


MPICH = Local(mpiexec="/opt/mpi/bin/mpiexec", family="mpich", library="MPICH 5.0.2")


class TestSlurmLauncher(LauncherSuite):
    name = "slurm"

    def make(self):
        return Slurm(local=MPICH, plugins=("none", "pmi2"))


class TestPBSLauncher(LauncherSuite):
    name = "pbs"

    def make(self):
        return PBS(local=MPICH)


class TestFluxLauncher(LauncherSuite):
    name = "flux"

    def make(self):
        return Flux(local=MPICH)


class TestLSFLauncher(LauncherSuite):
    name = "lsf"

    def make(self):
        return LSF(local=MPICH)


@pytest.mark.parametrize(
    ("table", "suite"),
    [(STORAGES, StorageSuite), (LAUNCHERS, LauncherSuite)],
    ids=["storages", "launchers"],
)
def test_none_is_without_its_suite(table, suite):
    assert {one.name for one in suite.__subclasses__()} >= set(table)
