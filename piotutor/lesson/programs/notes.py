"""One process makes 24 arrays, each with 4 attributes: python notes.py FILE META_BLOCK_BYTES."""

import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1], "w", meta_block_size=int(sys.argv[2])) as file:
    for step in range(24):
        made = file.create_dataset(f"step{step}", data=np.ones(8192))
        for name in ("time", "mass", "energy", "error"):
            made.attrs[name] = float(step)
