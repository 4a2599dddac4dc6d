"""A program under test: files opened thousands of times, hundreds at once, and by four threads.

``many.py DIRECTORY``
"""

import sys
import threading

from mpi4py import MPI

TURNS, AT_ONCE, THREADS, EACH = 1500, 300, 4, 500
MODE = MPI.MODE_CREATE | MPI.MODE_RDWR
PIECE = bytes(100)


def opened(name, mode=MODE):
    return MPI.File.Open(MPI.COMM_SELF, f"{sys.argv[1]}/{name}", mode)


def write(file):
    for place in range(EACH):
        file.Write_at(100 * place, PIECE)


def main():
    for _ in range(TURNS):
        file = opened("again")
        file.Write_at(0, PIECE)
        file.Close()
    files = [opened(f"{number}") for number in range(AT_ONCE)]
    for file in files:
        file.Write_at(7, PIECE)
    threads = [threading.Thread(target=write, args=[file]) for file in files[:THREADS]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for file in files:
        file.Close()
    sequential = opened("again", MPI.MODE_CREATE | MPI.MODE_WRONLY | MPI.MODE_SEQUENTIAL)
    sequential.Set_errhandler(MPI.ERRORS_ARE_FATAL)  # nothing wrong is asked of it
    sequential.Write_shared(PIECE)
    sequential.Close()


if __name__ == "__main__":
    main()
