"""A program under test: datasets, attributes and groups of HDF5 as h5py makes them.

``datasets.py DIRECTORY OUT``: files go to the first, ``rank-N.json`` to the second. All ranks do
the same; with a parallel HDF5 they share the files.
"""

import json
import sys
from pathlib import Path

import h5py
import numpy as np

PARALLEL = h5py.get_config().mpi
RANK = 0
if PARALLEL:
    from mpi4py import MPI

    RANK = MPI.COMM_WORLD.rank
DIRECTORY, OUT = Path(sys.argv[1]), Path(sys.argv[2])
log = []


def did(call, offset=-1, length=0, parts=(), **more):
    log.append({"call": call, "offset": offset, "length": length, "parts": list(parts), **more})


def opened(name, mode="w", **how):
    if PARALLEL:
        how |= {"driver": "mpio", "comm": MPI.COMM_WORLD}
    return h5py.File(DIRECTORY / name, mode, **how)


def extents(dataset, selection):
    """Where the elements of a selection lie, in the file's order: runs of neighbours."""
    size, shape = dataset.dtype.itemsize, dataset.shape
    places = np.arange(dataset.size).reshape(shape)[selection]
    places = np.unique(places) * size + dataset.id.get_offset()
    runs = np.split(places, np.flatnonzero(np.diff(places) != size) + 1)
    return [[int(run[0]), len(run) * size] for run in runs]


def move(dataset, selection, dtype=None, together=None):
    """Write a selection and read it back, with one call each."""
    values = np.ones(
        np.arange(dataset.size).reshape(dataset.shape)[selection].shape, dtype or dataset.dtype
    )
    if together is None:
        dataset[selection] = values
    else:
        with dataset.collective:
            dataset[selection] = values
    found = extents(dataset, selection)
    told = {"parts": found if len(found) > 1 else [], "together": together}
    did("H5Dwrite", found[0][0], values.nbytes, **told)
    if together is None:
        length = values.size * dataset.dtype.itemsize
        dataset[selection]
        did("H5Dread", found[0][0], length, **told)


def contiguous(file):
    dataset = file.create_dataset("table", (16, 32), "f8")
    did("H5Dcreate2")
    for selection in (
        np.s_[:, :],
        np.s_[3],
        np.s_[2:8],
        np.s_[2:8:2, 4:20],
        np.s_[:, 5],
        np.s_[::3, ::5],
        np.s_[[1, 3, 4, 11], 2:7],
        np.s_[5:6, 7:9],
    ):
        move(dataset, selection)
    move(dataset, np.s_[1:3, 0:4], "f4")
    cube = file.create_dataset("cube", (4, 5, 6), "i2")
    did("H5Dcreate2")
    for selection in (np.s_[1:3, :, :], np.s_[1:3, 2:4, :], np.s_[::2, 1, 1:3], np.s_[0, 0, 0]):
        move(cube, selection)
    broadcast(dataset)
    points(dataset)


def broadcast(dataset):
    """One call for each row: h5py moves one selection with H5Soffset_simple."""
    dataset[2:8:2, 4:20] = np.arange(16.0)
    for row in (2, 4, 6):
        did("H5Dwrite", extents(dataset, np.s_[row, 4:20])[0][0], 128)


def points(dataset):
    mask = np.zeros(dataset.shape, bool)
    mask[1, 3:5] = mask[7, 30] = mask[15, 31] = True
    dataset[mask] = np.arange(4.0)
    found = extents(dataset, mask)
    did("H5Dwrite", found[0][0], 32, found)


def other_shapes(file):
    scalar = file.create_dataset("scalar", (), "i4")
    did("H5Dcreate2")
    scalar[()] = 7
    did("H5Dwrite", scalar.id.get_offset(), 4)
    file.create_dataset("null", data=h5py.Empty("f4"))
    did("H5Dcreate2")
    file.create_dataset("empty", (0, 5), "f4")
    did("H5Dcreate2")


def chunked(file):
    dataset = file.create_dataset("chunked", (64, 64), "f4", chunks=(16, 16), maxshape=(None, 64))
    did("H5Dcreate2")
    dataset[0:20, 0:20] = np.ones((20, 20), "f4")
    did("H5Dwrite", -1, 1600)
    dataset.resize((80, 64))
    did("H5Dset_extent")
    dataset[0:20, 0:20]
    did("H5Dread", -1, 1600)
    dataset.id.read_direct_chunk((16, 0))
    chunk = dataset.id.get_chunk_info_by_coord((16, 0))
    did("H5Dread_chunk", chunk.byte_offset, 1024)


def together(file):
    dataset = file.create_dataset("together", (8, 16), "f8")
    did("H5Dcreate2")
    columns = np.s_[:, 8 * RANK : 8 * RANK + 8]
    move(dataset, columns, together="collective")
    move(dataset, columns, "f4", together="broken")


def metadata(file):
    file.attrs["four"] = np.arange(4)
    file.create_group("group").create_group("below")
    assert list(file["group"]) == ["below"] and "none" not in file
    assert file.attrs["four"].tolist() == [0, 1, 2, 3]
    file["link"] = h5py.SoftLink("/group")
    del file["link"]


def refused():
    try:
        h5py.File(DIRECTORY / "nowhere" / "file.h5", "r")
    except OSError as error:
        did("H5Fopen", failed=True, message=str(error).replace(str(DIRECTORY), ""))
    with h5py.File(DIRECTORY / f"own-{RANK}.h5", "w") as file:
        try:
            file["nothing"]
        except KeyError as error:
            did("H5Oopen", failed=True, message=str(error))


def contents():
    """All that a reader finds: bytes that nobody reads differ from run to run."""
    found = []
    with h5py.File(DIRECTORY / "data.h5", "r") as file:
        file.visititems(lambda name, item: found.append(name))
        values = {name: file[name][()] for name in found if isinstance(file[name], h5py.Dataset)}
    return {name: str(np.asarray(value).tolist()) for name, value in values.items()}


def main():
    with opened("data.h5", userblock_size=512) as file:
        did("H5Fcreate")
        contiguous(file)
        other_shapes(file)
        chunked(file)
        if PARALLEL:
            together(file)
        metadata(file)
        file.flush()
        did("H5Fflush")
    refused()
    if PARALLEL:
        MPI.COMM_WORLD.Barrier()
    did("contents", found=contents())
    (OUT / f"rank-{RANK}.json").write_text(json.dumps(log))


if __name__ == "__main__":
    main()
