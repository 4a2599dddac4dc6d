"""Each storage and launcher passes its contract, as each kernel does in tests/mpi."""

from __future__ import annotations

from piotutor.launch.local import Local
from piotutor.testing.launchers import LauncherSuite
from piotutor.testing.storages import StorageSuite


class TestLocalStorage(StorageSuite):
    name = "local"


class TestLocalLauncher(LauncherSuite):
    name = "local"

    def make(self):
        return Local(mpiexec="/opt/mpi/bin/mpiexec", family="mpich", python="/venv/bin/python")
