"""Four ranks write one array, each a block of columns: python columns.py FILE [collective]."""

import sys

import h5py
import numpy as np
from mpi4py import MPI

comm = MPI.COMM_WORLD
width = 512 // comm.size
mine = slice(comm.rank * width, (comm.rank + 1) * width)
values = np.full((64, width), comm.rank, "f8")

with h5py.File(sys.argv[1], "w", driver="mpio", comm=comm) as file:
    field = file.create_dataset("field", (64, 512), "f8")
    if "collective" in sys.argv:
        with field.collective:
            field[:, mine] = values
    else:
        field[:, mine] = values
