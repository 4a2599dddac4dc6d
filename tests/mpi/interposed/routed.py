"""A program under test: the same bytes by every interface; it says how many of each were lost.

``routed.py DIRECTORY [CASE...]``. In rank order, again and again, each rank has a block of its own.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

BLOCK, BLOCKS = 4096, 32
LAYOUT = b"stripe_unit=65536 stripe_count=4 object_size=1048576 pool=cephfs_data"


def pattern(ranks):
    return np.repeat(np.tile(np.arange(1, ranks + 1, dtype="u1"), BLOCKS), BLOCK)


def through(comm, path, write, **hints):
    """Write by MPI-IO on a strided view, and read it by another way."""
    mine = np.full(BLOCK * BLOCKS, comm.rank + 1, "u1")
    mode = MPI.MODE_CREATE | MPI.MODE_RDWR
    file = MPI.File.Open(comm, path, mode, MPI.Info.Create(hints))
    view = MPI.BYTE.Create_vector(BLOCKS, BLOCK, BLOCK * comm.size).Commit()
    file.Set_view(comm.rank * BLOCK, MPI.BYTE, view)
    write(file, mine)
    file.Close()


def aggregated(comm, path, nodes):
    hints = {"romio_cb_write": "enable", "cb_config_list": "*:*", "cb_nodes": nodes}
    through(comm, path, lambda file, mine: file.Write_at_all(0, mine), **hints)


def sieved(comm, path):
    hints = {"romio_ds_write": "enable", "romio_cb_write": "disable"}
    through(comm, path, lambda file, mine: file.Write_at(0, mine), **hints)


def nonblocking(comm, path):
    file = MPI.File.Open(comm, path, MPI.MODE_CREATE | MPI.MODE_WRONLY)
    mine = np.full(BLOCK, comm.rank + 1, "u1")
    places = [(turn * comm.size + comm.rank) * BLOCK for turn in range(BLOCKS)]
    MPI.Request.Waitall([file.Iwrite_at(place, mine) for place in places])
    file.Close()


def hdf5(comm, path):
    """Collectively, columns of a dataset; they are brought into rank order afterwards."""
    import h5py

    with h5py.File(f"{path}.h5", "w", driver="mpio", comm=comm) as file:
        data = file.create_dataset("data", (BLOCKS, BLOCK * comm.size), "u1")
        with data.collective:
            data[:, comm.rank * BLOCK : (comm.rank + 1) * BLOCK] = comm.rank + 1
    if comm.rank == 0:
        with h5py.File(f"{path}.h5") as file, Path(path).open("r+b", buffering=0) as copy:
            copy.write(file["data"][...])


def posix(comm, path):
    file = os.open(path, os.O_RDWR)
    for turn in range(BLOCKS):
        place = (turn * comm.size + comm.rank) * BLOCK
        os.pwrite(file, bytes([comm.rank + 1]) * BLOCK, place)
    os.fsync(file)
    os.close(file)


CASES = {
    "one aggregator": lambda comm, path: aggregated(comm, path, "1"),
    "four aggregators": lambda comm, path: aggregated(comm, path, "4"),
    "sieved": sieved,
    "nonblocking": nonblocking,
    "hdf5": hdf5,
    "posix": posix,
}


def prepare(path):
    """Make the empty file, with a layout over four servers where it can have one."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    os.setxattr(path, "ceph.file.layout", LAYOUT)
    assert os.getxattr(path, "ceph.file.layout").startswith(LAYOUT)


def lost(path, wanted):
    found = np.frombuffer(Path(path).read_bytes(), "u1")
    return int((found != wanted[: found.size]).sum()) + abs(wanted.size - found.size)


def main():
    directory, *asked = sys.argv[1:]
    comm = MPI.COMM_WORLD
    told = {}
    for name in asked or CASES:
        path = f"{directory}/{name}"
        if comm.rank == 0:
            prepare(path)
        comm.barrier()
        CASES[name](comm, path)
        comm.barrier()
        if comm.rank == 0:
            told[name] = lost(path, pattern(comm.size))
            Path(path).unlink()
    if comm.rank == 0:
        print(json.dumps(told))


if __name__ == "__main__":
    main()
