"""One process writes an array in chunks, and reads a part of it: python slab.py FILE."""

import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1], "w") as file:
    file.create_dataset("grid", data=np.ones((512, 512)), chunks=(128, 128))

with h5py.File(sys.argv[1], "r") as file:
    part = file["grid"][100:300, 200:264]
