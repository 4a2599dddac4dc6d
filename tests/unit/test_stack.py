"""The libraries that were installed fit each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")

_LIBRARIES = """
import h5py
from mpi4py import MPI
from pathlib import Path
mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
print(*(path for path in mapped if Path(path).name.startswith(("libmpi.so", "libmpich.so"))))
"""


@pytest.mark.skipif(not h5py.get_config().mpi, reason="this h5py has no MPI")
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_hdf5_and_mpi4py_share_one_mpi():
    done = subprocess.run([sys.executable, "-c", _LIBRARIES], capture_output=True, text=True)
    assert len(done.stdout.split()) == 1, done.stdout + done.stderr
