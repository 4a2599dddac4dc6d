"""One process reads an array of chunks row by row: python rows.py FILE CACHE_BYTES."""

import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1], "w") as file:
    file.create_dataset("grid", data=np.ones((64, 1024)), chunks=(64, 128))

with h5py.File(sys.argv[1], "r", rdcc_nbytes=int(sys.argv[2])) as file:
    grid = file["grid"]
    for row in range(64):
        grid[row]
