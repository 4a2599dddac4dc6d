"""nonblocking.py FILE: each rank begins four writes at once, then four reads, and waits by MPI."""

from __future__ import annotations

import sys

import numpy as np
from mpi4py import MPI

SIZE, COUNT = 65536, 4

ranks = MPI.COMM_WORLD
file = MPI.File.Open(ranks, sys.argv[1], MPI.MODE_CREATE | MPI.MODE_RDWR)
places = [(ranks.rank * COUNT + i) * SIZE for i in range(COUNT)]
given = [np.full(SIZE, place // SIZE, np.uint8) for place in places]
begun = [file.Iwrite_at(place, data) for place, data in zip(places, given, strict=True)]
MPI.Request.Waitall(begun)
found = [np.zeros(SIZE, np.uint8) for _ in places]
begun = [file.Iread_at(place, data) for place, data in zip(places, found, strict=True)]
while not begun[-1].Test():
    pass
MPI.Request.Waitall(begun)
assert all(map(np.array_equal, given, found))
file.Close()
