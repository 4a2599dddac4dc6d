"""Four ranks write three arrays, and ask for collective writes each time: python three.py FILE."""

import sys

import h5py
import numpy as np
from mpi4py import MPI

ARRAYS = {"pressure": ("f8", "f8"), "temperature": ("f8", "f4"), "salinity": ("f4", "f4")}

comm = MPI.COMM_WORLD
width = 512 // comm.size
mine = slice(comm.rank * width, (comm.rank + 1) * width)

with h5py.File(sys.argv[1], "w", driver="mpio", comm=comm) as file:
    for name, (in_file, in_memory) in ARRAYS.items():
        dataset = file.create_dataset(name, (64, 512), in_file)
        with dataset.collective:
            dataset[:, mine] = np.full((64, width), comm.rank, in_memory)
