"""A program under test: every form of MPI-IO, and on each rank a list of what it asked for.

``forms.py DIRECTORY OUT``: files go to the first, ``rank-N.json`` to the second.
"""

import ctypes
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

SIZE = 512
COMM = MPI.COMM_WORLD
DIRECTORY, OUT = map(Path, sys.argv[1:])
BUFFER = np.arange(SIZE, dtype="u1") + COMM.rank
LONG = np.tile(BUFFER, 8)
log = []


def did(call, offset=-1, length=0, **more):
    log.append({"call": f"MPI_File_{call}", "offset": offset, "length": length, **more})


def opened(name, mode=MPI.MODE_CREATE | MPI.MODE_RDWR, comm=COMM, **hints):
    did("open")
    COMM.Barrier()  # an open right after a close hangs in Open MPI 5.0.11 now and then
    return MPI.File.Open(comm, f"{DIRECTORY}/{name}", mode, MPI.Info.Create(hints))


def closed(file):
    file.Close()
    did("close")


def each_form(file, move):
    """All forms at places of their own: bytes, as the view is the default one."""
    buffer = BUFFER.copy()
    places = iter(range(COMM.rank * SIZE, 1 << 20, COMM.size * SIZE))

    def told(form, offset):
        did(form, offset, SIZE, digest=hashlib.sha256(buffer).hexdigest())
        buffer[:] = BUFFER

    for form in (f"{move}_at", f"{move}_at_all"):
        offset = next(places)
        getattr(file, form.capitalize())(offset, buffer)
        told(form, offset)
    for form in (f"i{move}_at", f"i{move}_at_all"):
        offset = next(places)
        getattr(file, form.capitalize())(offset, buffer).Wait()
        told(form, offset)
    for form in (move, f"{move}_all", f"i{move}", f"i{move}_all"):
        offset = next(places)
        file.Seek(offset)
        did("seek", offset)
        request = getattr(file, form.capitalize())(buffer)
        if request:
            request.Wait()
        told(form, offset)
    each_split_form(file, move, buffer, places, told)
    file.Seek_shared(0)
    did("seek_shared")
    file.Sync()
    did("sync")
    for turn in range(COMM.size):
        if turn == COMM.rank:
            getattr(file, f"{move}_shared".capitalize())(buffer)
            told(f"{move}_shared", -1)
            getattr(file, f"i{move}_shared".capitalize())(buffer).Wait()
            told(f"i{move}_shared", -1)
        COMM.Barrier()
    getattr(file, f"{move}_ordered".capitalize())(buffer)
    told(f"{move}_ordered", -1)


def each_split_form(file, move, buffer, places, told):
    offset = next(places)
    begin, end = f"{move}_at_all_begin", f"{move}_at_all_end"
    getattr(file, begin.capitalize())(offset, buffer)
    getattr(file, end.capitalize())(buffer)
    told(begin, offset)
    did(end)
    offset = next(places)
    begin, end = f"{move}_all_begin", f"{move}_all_end"
    file.Seek(offset)
    did("seek", offset)
    getattr(file, begin.capitalize())(buffer)
    getattr(file, end.capitalize())(buffer)
    told(begin, offset)
    did(end)
    begin, end = f"{move}_ordered_begin", f"{move}_ordered_end"
    getattr(file, begin.capitalize())(buffer)
    getattr(file, end.capitalize())(buffer)
    told(begin, -1)
    did(end)


def plain_forms(file):
    """What a program in C calls: mpi4py binds the large-count forms only."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "MPI_File_write_at"):
        library = ctypes.CDLL(MPI.__file__)
    status = ctypes.create_string_buffer(64)
    handle, byte = ctypes.c_void_p(MPI._handleof(file)), ctypes.c_ssize_t(MPI._handleof(MPI.BYTE))
    for count in (3, 5):
        where = ctypes.c_longlong(100 * COMM.rank + count)
        error = library.MPI_File_write_at(handle, where, BUFFER.ctypes, count, byte, status)
        assert error == 0
        did("write_at", where.value, count)


def beyond_the_end(file):
    size = 100_000
    file.Set_size(size)
    did("set_size", size)
    file.Preallocate(size)
    did("preallocate", 0, size)
    status = MPI.Status()  # Open MPI 5.0 claims more than there was
    file.Read_at(size - 100, BUFFER.copy(), status)
    did("read_at", size - 100, SIZE, result=status.Get_count(MPI.BYTE))
    file.Read_at(0, bytearray())
    did("read_at", 0, 0)


def refused():
    file = opened("refused", MPI.MODE_CREATE | MPI.MODE_WRONLY, MPI.COMM_SELF)
    try:
        file.Read_at(7, BUFFER.copy())
    except MPI.Exception:
        did("read_at", length=SIZE, failed=True)
    closed(file)
    try:
        opened("no/such/file", MPI.MODE_RDONLY)
    except MPI.Exception:
        log[-1]["failed"] = True
    COMM.Barrier()
    if COMM.rank == 0:
        MPI.File.Delete(f"{DIRECTORY}/refused")
        did("delete")


def scattered(displacement, tile, extent, etype, position, n):
    """Extents of `n` etypes from a position; `tile` holds the offsets of one filetype's."""
    k = np.arange(position, position + n)
    starts = displacement + k // len(tile) * extent + np.asarray(tile)[k % len(tile)]
    breaks = np.flatnonzero(np.diff(starts) != etype) + 1
    runs = np.split(starts, breaks)
    return [[int(run[0]), len(run) * etype] for run in runs if len(run)]


def tile_of(filetype, unit):
    """Where a filetype's etypes lie: MPI itself strews ones over zeros."""
    start, extent = filetype.Get_true_extent()
    room = np.zeros(max(start + extent, filetype.Get_extent()[1]), "u1")
    filetype.Unpack(np.ones(filetype.Get_size(), "u1"), 0, room, MPI.COMM_SELF)
    return np.flatnonzero(room)[::unit].tolist()


def filetypes():
    """Of each kind that there is, with etype and bytes of that."""
    rank, size = COMM.rank, COMM.size
    byte, integer, double = MPI.BYTE, MPI.INT, MPI.DOUBLE
    pair = MPI.Datatype.Create_struct([2, 1], [0, 16], [integer, double])
    vector = double.Create_vector(4, 2, 2 * size)
    fortran = MPI.ORDER_FORTRAN
    yield double, 8, vector.Dup()
    yield double, 8, double.Create_contiguous(6)
    yield byte, 1, byte.Create_subarray([6, 40], [3, 10], [1, 5 + rank])
    yield byte, 1, integer.Create_subarray([5, 4, 3], [2, 2, 2], [1, 2, 0], fortran)
    yield integer, 4, integer.Create_contiguous(3).Create_resized(0, 12 * size)
    yield byte, 1, byte.Create_indexed([3, 5, 8], [0, 3, 20])
    yield byte, 1, double.Create_hindexed([1, 2], [4, 40])
    yield byte, 1, double.Create_indexed_block(2, [0, 3, 8])
    yield byte, 1, integer.Create_hindexed_block(1, [3, 11, 15])
    yield byte, 1, vector.Create_hvector(3, 2, 1000)
    yield byte, 1, pair.Create_vector(2, 1, 3)
    blocks, cyclic = MPI.DISTRIBUTE_BLOCK, MPI.DISTRIBUTE_CYCLIC
    default = MPI.DISTRIBUTE_DFLT_DARG
    yield byte, 1, byte.Create_darray(size, rank, [8, 9], [cyclic, blocks], [1, default], [size, 1])


def each_view(file):
    for number, (etype, unit, filetype) in enumerate(filetypes()):
        # A place of its own for each rank: who writes last doesn't win.
        displacement = 10 * number + (COMM.rank << 16)
        tile = tile_of(filetype.Commit(), unit)
        file.Set_view(displacement, etype, filetype)
        did("set_view", displacement)
        extent = filetype.Get_extent()[1]
        for position, n in ((0, len(tile)), (3, 2 * len(tile) + 5), (len(tile), 1), (0, 0)):
            parts = scattered(displacement, tile, extent, unit, position, n)
            file.Write_at_all(position, LONG[: n * unit])
            told = {"parts": parts if len(parts) > 1 else []}
            first = scattered(displacement, tile, extent, unit, position, 1)[0][0]
            did("write_at_all", first, n * unit, **told)
            file.Seek(position)
            did("seek", first)
            file.Read(np.empty(n * unit, "u1"))
            did("read", first, n * unit, **told)
        filetype.Free()
    file.Set_view()
    did("set_view", 0)


def large_count(file):
    """More of nothing than an int can count: an MPI without large counts refuses it."""
    nothing = MPI.BYTE.Create_contiguous(0).Commit()
    try:
        file.Write_at(0, [BUFFER, 2**31 + 8, nothing])
        did("write_at", 0, 0)
    except MPI.Exception:
        assert "Open MPI" in MPI.Get_library_version()


def main():
    file = opened("forms")
    each_form(file, "write")
    COMM.Barrier()
    each_form(file, "read")
    plain_forms(file)
    large_count(file)
    beyond_the_end(file)
    closed(file)
    file = opened("views")
    each_view(file)
    file.Set_info(MPI.Info.Create({"access_style": "write_once"}))
    did("set_info")
    file.Set_atomicity(False)
    did("set_atomicity")
    closed(file)
    refused()
    (OUT / f"rank-{COMM.rank}.json").write_text(json.dumps(log))


if __name__ == "__main__":
    main()
