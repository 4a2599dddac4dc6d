"""A program under test: one write to the file that it is given, which is deleted then."""

import sys

from mpi4py import MPI

name = sys.argv[1]
file = MPI.File.Open(MPI.COMM_SELF, name, MPI.MODE_CREATE | MPI.MODE_WRONLY)
file.Write(b"text")
file.Close()
MPI.File.Delete(name)
