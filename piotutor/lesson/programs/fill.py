"""Four ranks make three arrays and write nothing into them: python fill.py FILE."""

import sys

import h5py
from mpi4py import MPI

with h5py.File(sys.argv[1], "w", driver="mpio", comm=MPI.COMM_WORLD) as file:
    for name in ("alloc", "ifset", "never"):
        file.create_dataset(name, (512, 512), "f8", chunks=(128, 128), fill_time=name)
