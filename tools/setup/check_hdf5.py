"""Does parallel h5py work? Every rank writes its part of one file and reads the others'."""

import tempfile
from pathlib import Path

import h5py
from mpi4py import MPI

comm = MPI.COMM_WORLD
with tempfile.TemporaryDirectory() as folder:
    path = comm.bcast(str(Path(folder, "check.h5")))
    with h5py.File(path, "w", driver="mpio", comm=comm) as file:
        data = file.create_dataset("x", comm.size, "i4")
        with data.collective:
            data[comm.rank] = comm.rank
    with h5py.File(path, "r", driver="mpio", comm=comm) as file:
        if list(file["x"]) != list(range(comm.size)):
            comm.Abort(1)
    comm.Barrier()
