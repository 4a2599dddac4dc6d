"""The HDF5 kernel: h5py's low-level interface, with the properties of a parallel file.

The file is IOR's: one dataset ``Dataset-0000.NNNN`` of 64-bit integers for each segment, in which
each rank has its block. All datasets are made (or opened) with the file; IOR makes each when the
first transfer meets it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5f, h5fd, h5p, h5s, h5t

from piotutor.errors import UsageError
from piotutor.kernels.base import Comm, Kernel, Offsets, SerialComm
from piotutor.kernels.hints import judge_hints
from piotutor.trace.record import Op
from piotutor.workload import Workload

_ELEMENT = 8
"""Bytes in an element, as in IOR."""
PARALLEL = bool(h5py.get_config().mpi)
"""Whether this h5py was built with MPI."""


class Hdf5Kernel(Kernel):
    """Files through HDF5, over MPI-IO where h5py can, else (one rank to a file) over POSIX."""

    continues = False

    def __init__(self, workload: Workload, comm: Comm) -> None:
        super().__init__(workload, comm)
        if not PARALLEL and comm.size > 1:
            raise UsageError(
                "this h5py has no MPI, so ranks can't share an HDF5 file: use -F or one rank, "
                "or get parallel HDF5 (`make lab STACK=hdf5`, or conda-forge's h5py=*=mpi_mpich*)"
            )
        if not PARALLEL and (workload.collective or workload.collective_metadata):
            raise UsageError("collective HDF5 needs an h5py with MPI: leave out -c, or get one")
        self.in_step = workload.collective or workload.fsync_per_write
        sharers = 1 if workload.file_per_process else workload.num_tasks
        self._segment = workload.block_size * sharers
        self._count = (workload.transfer_size // _ELEMENT,)
        self._echoed: dict[str, str] = {}

    @staticmethod
    def alone() -> Comm:
        """Return ``MPI_COMM_SELF``, or a stand-in for it."""
        if not PARALLEL:
            return SerialComm()
        from mpi4py import MPI

        comm: Comm = MPI.COMM_SELF
        return comm

    def open(self, path: str, op: Op, *, exclusive: bool = True) -> None:
        """Open a file and all its datasets; make them when writing."""
        self.path = path
        access = self._access()
        name = os.fsencode(path)
        if op == Op.WRITE:
            if exclusive and self.comm.rank == 0 and os.path.lexists(path):
                raise FileExistsError(path)
            flags = h5f.ACC_EXCL if exclusive else h5f.ACC_TRUNC
            self._file = h5f.create(name, flags, fapl=access)
        else:
            self._file = h5f.open(name, h5f.ACC_RDONLY, access)
        shape = (self._segment // _ELEMENT,)
        self._disk, self._memory = h5s.create_simple(shape), h5s.create_simple(self._count)
        each = self._make if op == Op.WRITE else self._find
        self._datasets = [each(segment) for segment in range(self.workload.segment_count)]
        self._moving = h5p.create(h5p.DATASET_XFER)
        if PARALLEL:
            mode = h5fd.MPIO_COLLECTIVE if self.workload.collective else h5fd.MPIO_INDEPENDENT
            self._moving.set_dxpl_mpio(mode)
        if PARALLEL and not self._echoed:
            self._note_hints(access)

    def _access(self) -> Any:
        """Return the file access property list."""
        work, access = self.workload, h5p.create(h5p.FILE_ACCESS)
        if PARALLEL:
            from mpi4py import MPI

            info = MPI.Info.Create(dict(work.hints))
            access.set_fapl_mpio(self.comm, info)
            info.Free()
        access.set_alignment(work.alignment, work.alignment)
        if work.meta_block_size is not None:
            access.set_meta_block_size(work.meta_block_size)
        if work.collective_metadata:
            _call("H5Pset_all_coll_metadata_ops", access.id, True)
            _call("H5Pset_coll_metadata_write", access.id, True)
        return access

    def _make(self, segment: int) -> Any:
        creation = h5p.create(h5p.DATASET_CREATE)
        creation.set_alloc_time(h5d.ALLOC_TIME_EARLY)
        if self.workload.chunk_size:
            creation.set_chunk((self.workload.chunk_size,))
        return h5d.create(self._file, _name(segment), h5t.NATIVE_INT64, self._disk, creation)

    def _find(self, segment: int) -> Any:
        return h5d.open(self._file, _name(segment))

    def write(self, offset: int, data: Any) -> int:
        """Write a hyperslab of one segment's dataset."""
        dataset, array = self._select(offset, data)
        dataset.write(self._memory, self._disk, array, h5t.NATIVE_INT64, self._moving)
        return len(data)

    def read(self, offset: int, data: Any) -> int:
        """Read a hyperslab of one segment's dataset."""
        dataset, array = self._select(offset, data)
        dataset.read(self._memory, self._disk, array, h5t.NATIVE_INT64, self._moving)
        return len(data)

    def _select(self, offset: int, data: Any) -> tuple[Any, Any]:
        segment, within = divmod(offset, self._segment)
        self._disk.select_hyperslab((within // _ELEMENT,), (1,), block=self._count)
        return self._datasets[segment], np.frombuffer(data, np.int64)

    def places(self, offsets: Offsets) -> Offsets | None:
        """Return addresses in the file: of contiguous datasets only, chunks move as they like."""
        if self.workload.chunk_size:
            return None
        bases = [dataset.get_offset() for dataset in self._datasets]
        if None in bases:
            return None
        segment, within = np.divmod(offsets, self._segment)
        return np.array(bases, np.int64)[segment] + within

    def sync(self) -> None:
        """Call ``H5Fflush`` (over MPI-IO, it syncs); over POSIX ``fsync`` too."""
        h5f.flush(self._file, h5f.SCOPE_LOCAL)
        if not PARALLEL:
            os.fsync(self._file.get_vfd_handle())

    def close(self) -> None:
        """Close the datasets and the file."""
        for dataset in self._datasets:
            dataset.close()
        self._datasets = []
        self._file.close()

    def explain(self, error: Exception, path: str, op: Op) -> Exception:
        """Turn HDF5's error stack into one line, with the system's reason where there is one."""
        if isinstance(error, FileExistsError) or not isinstance(error, OSError):
            return super().explain(error, path, op)
        where, mode = (Path(path), os.R_OK) if op == Op.READ else (Path(path).parent, os.W_OK)
        if not where.exists():
            why = os.strerror(errno.ENOENT)
        elif not os.access(where, mode):
            why = os.strerror(errno.EACCES)
        else:
            why = str(error).splitlines()[0]
        return UsageError(f"{path} can't be {'opened' if op == Op.READ else 'made'}: {why}")

    def hints(self) -> dict[str, Any]:
        """Return the hints requested, echoed by the MPI file below HDF5, and how judged."""
        return judge_hints(dict(self.workload.hints), self._echoed)

    def environment(self) -> dict[str, str]:
        """Return the versions of h5py and HDF5, and which MPI-IO driver serves the file."""
        driver = self._echoed.get("romio_filesystem_type", "unknown")
        known = {"h5py": h5py.version.version, "hdf5": h5py.version.hdf5_version}
        return known | ({"mpi_io_driver": driver} if PARALLEL else {})

    def _note_hints(self, access: Any) -> None:
        """Ask the MPI file that HDF5 opened for its hints; h5py has no call for that."""
        from mpi4py import MPI

        handle = ctypes.c_void_p()
        _call("H5Fget_vfd_handle", self._file.id, access.id, ctypes.byref(handle))
        size = MPI._sizeof(MPI.File)
        file = int.from_bytes(ctypes.string_at(handle, size), sys.byteorder)
        info = MPI.File.fromhandle(file).Get_info()
        self._echoed = dict(info.items())
        info.Free()


def _name(segment: int) -> bytes:
    return b"Dataset-0000.%04d" % segment


def _call(name: str, identifier: int, *arguments: Any) -> None:
    """Call a function of the HDF5 that h5py uses, where h5py itself has no such method."""
    function = getattr(ctypes.CDLL(h5p.__file__), name)
    given = [ctypes.c_int64(a) if type(a) is int else a for a in arguments]
    if function(ctypes.c_int64(identifier), *given) < 0:
        raise UsageError(f"{name} failed in HDF5 {h5py.version.hdf5_version}")
