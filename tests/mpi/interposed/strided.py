"""A program under test: one strided pattern on all ranks, collective or by data sieving.

``strided.py DIRECTORY collective|independent``
"""

import sys

import numpy as np
from mpi4py import MPI

BLOCK, BLOCKS = 4096, 16
HINTS = {
    "collective": {"romio_cb_write": "enable", "cb_config_list": "*:1"},
    "independent": {"romio_ds_write": "enable", "romio_cb_write": "disable"},
}


def main():
    directory, how = sys.argv[1:]
    comm = MPI.COMM_WORLD
    mode = MPI.MODE_CREATE | MPI.MODE_RDWR
    file = MPI.File.Open(comm, f"{directory}/{how}", mode, MPI.Info.Create(HINTS[how]))
    filetype = MPI.BYTE.Create_vector(BLOCKS, BLOCK, BLOCK * comm.size).Commit()
    file.Set_view(comm.rank * BLOCK, MPI.BYTE, filetype)
    write = file.Write_at_all if how == "collective" else file.Write_at
    write(0, np.full(BLOCK * BLOCKS, 65 + comm.rank, "u1"))
    file.Close()


if __name__ == "__main__":
    main()
