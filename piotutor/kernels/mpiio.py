"""The MPI-IO kernel: explicit offsets or file views, independent or collective."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from typing import Any, cast

from mpi4py import MPI

from piotutor.errors import UsageError
from piotutor.kernels.base import Bound, Comm, Kernel, Offsets, Transfer
from piotutor.kernels.burst import Native, mpi_native
from piotutor.kernels.hints import judge_hints
from piotutor.pattern import Extents
from piotutor.trace.record import Op
from piotutor.workload import Workload

_MAX_COUNT = 2**31 - 1
_ADVICE = {
    MPI.ERR_FILE_EXISTS: "it exists and is left as it is: name a new file",
    MPI.ERR_NO_SUCH_FILE: "there is no such file or directory",
    MPI.ERR_ACCESS: "permission denied",
    MPI.ERR_READ_ONLY: "the file system is read-only",
    MPI.ERR_NO_SPACE: "no space left on the device",
    MPI.ERR_QUOTA: "the quota is used up",
    MPI.ERR_BAD_FILE: "the name is no valid path",
}


class MpiioKernel(Kernel):
    """Files through ``MPI_File_*`` calls.

    With ``use_file_view`` a rank sees only its own blocks. With ``use_strided_datatype`` too, each
    call moves one transfer of every segment, by a view that begins at the first of them.
    """

    def __init__(self, workload: Workload, comm: Comm) -> None:
        super().__init__(workload, comm)
        self.continues = not (workload.collective or workload.use_file_view)
        self.in_step = workload.collective or workload.use_strided_datatype
        self._owner = self._end = 0
        self._echoed: dict[str, str] = {}
        sharers = 1 if workload.file_per_process else workload.num_tasks
        self._segment = workload.block_size * sharers
        self._per_block = workload.block_size // workload.transfer_size

    @staticmethod
    def alone() -> Comm:
        """Return ``MPI_COMM_SELF``."""
        comm: Comm = MPI.COMM_SELF
        return comm

    def calls(self, extents: Extents) -> Offsets:
        """Group the transfers that are equal in all segments, where the datatype is strided."""
        work, offsets = self.workload, extents.offset
        if len(offsets) and not work.file_per_process:
            self._owner = int(offsets[0]) // work.block_size % work.num_tasks
        self._end = int((offsets + extents.length).max(initial=0))
        if work.use_strided_datatype:
            return offsets.reshape(-1, work.segment_count)
        return offsets[:, None]

    def open(self, path: str, op: Op, *, exclusive: bool = True) -> None:
        """Open a file with the workload's hints, and set the view."""
        self.path = path
        mode = MPI.MODE_RDONLY
        if op == Op.WRITE:
            mode = MPI.MODE_WRONLY | MPI.MODE_CREATE | (MPI.MODE_EXCL if exclusive else 0)
        info = MPI.Info.Create(dict(self.workload.hints))
        comm = cast(MPI.Intracomm, self.comm)
        self._file = MPI.File.Open(comm, path, mode | MPI.MODE_UNIQUE_OPEN, info)
        info.Free()
        if op == Op.WRITE and not exclusive:
            self._file.Set_size(0)
        if not self._echoed:
            self._note_hints()
        if self.workload.use_file_view:
            self._make_types()

    def _note_hints(self) -> None:
        info = self._file.Get_info()
        self._echoed = dict(info.items())
        info.Free()

    def _make_types(self) -> None:
        """Make IOR's types: a transfer, and this rank's block within a segment."""
        work = self.workload
        self._etype = MPI.BYTE.Create_contiguous(work.transfer_size).Commit()
        if work.use_strided_datatype:
            self._filetype = self._etype.Create_resized(0, self._segment).Commit()
            return
        sizes = [1, self._segment // work.transfer_size]
        starts = [0, self._per_block * self._owner]
        subarray = self._etype.Create_subarray(sizes, [1, self._per_block], starts)
        self._filetype = subarray.Commit()
        self._file.Set_view(0, self._etype, self._filetype)

    def write(self, offset: int, data: Any) -> int:
        """Write with one ``MPI_File_write_at`` or ``MPI_File_write_at_all``."""
        return self._move(Op.WRITE, offset, data)

    def read(self, offset: int, data: Any) -> int:
        """Read with one ``MPI_File_read_at`` or ``MPI_File_read_at_all``."""
        return self._move(Op.READ, offset, data)

    def _move(self, op: Op, offset: int, data: Any) -> int:
        (transfer,) = self._arguments([offset], [data])
        return int(self._counting(self._call(op))(*transfer))

    def bind(
        self, op: Op, offsets: Iterable[int], buffers: Sequence[memoryview], *, keep: bool = True
    ) -> Bound:
        """Return the call that this workload asks for.

        Bytes are counted only when reading beyond the end of the file: nowhere else does MPI move
        less than it was asked for without an error.
        """
        call, transfers = self._call(op), self._arguments(offsets, buffers)
        if op == Op.READ and self._file.Get_size() < self._end:
            return Bound(self._counting(call), transfers, len(buffers[0]))
        return Bound(call, transfers, None, native=self._native(op, len(buffers[0])))

    def _native(self, op: Op, size: int) -> Native | None:
        if self.workload.use_file_view or size > _MAX_COUNT:
            return None
        handles = (self._file.handle, MPI.BYTE.handle)
        return mpi_native(f"MPI_File_{self._name(op).lower()}", MPI.__file__, *handles)

    def native_error(self, number: int) -> Exception:
        """Return MPI's own exception."""
        return MPI.Exception(number)

    def _name(self, op: Op) -> str:
        return f"{op.name.capitalize()}_at{'_all' if self.workload.collective else ''}"

    def _arguments(
        self, offsets: Iterable[int], buffers: Sequence[memoryview]
    ) -> Iterable[Transfer]:
        """Return pairs of (offset, in the view if there is one) and (buffer, size, MPI_BYTE)."""
        work = self.workload
        if work.use_file_view and not work.use_strided_datatype:
            offsets = map(self._in_view, offsets)
        specs = cycle([(buffer, len(buffer), MPI.BYTE) for buffer in buffers])
        return zip(offsets, specs, strict=False)

    def _call(self, op: Op) -> Callable[..., None]:
        move: Callable[..., None] = getattr(self._file, self._name(op))

        def strided(offset: int, data: Any, status: Any = None) -> None:
            self._file.Set_view(offset, self._etype, self._filetype)
            move(0, data, status)

        return strided if self.workload.use_strided_datatype else move

    @staticmethod
    def _counting(call: Callable[..., None]) -> Callable[..., int]:
        status = MPI.Status()

        def count(offset: int, data: Any) -> int:
            call(offset, data, status)
            return status.count

        return count

    def _in_view(self, offset: int) -> int:
        """Return the offset in this rank's view, in transfers, of an offset in the file."""
        segment, within = divmod(offset, self._segment)
        within -= self._owner * self.workload.block_size
        return segment * self._per_block + within // self.workload.transfer_size

    def sync(self) -> None:
        """Call ``MPI_File_sync``."""
        self._file.Sync()

    def close(self) -> None:
        """Close the file, and free its types."""
        self._file.Close()
        if self.workload.use_file_view:
            self._filetype.Free()
            self._etype.Free()

    def remove(self, path: str) -> None:
        """Remove a file with ``MPI_File_delete``."""
        MPI.File.Delete(path)

    def size(self, path: str) -> int:
        """Return what ``MPI_File_get_size`` says."""
        file = MPI.File.Open(MPI.COMM_SELF, path, MPI.MODE_RDONLY)
        try:
            return int(file.Get_size())
        finally:
            file.Close()

    def explain(self, error: Exception, path: str, op: Op) -> Exception:
        """Turn an MPI error of `open` into a `UsageError` where the user can do something."""
        if not isinstance(error, MPI.Exception):
            return super().explain(error, path, op)
        text = _ADVICE.get(error.Get_error_class()) or error.Get_error_string().splitlines()[0]
        return UsageError(f"{path} can't be {'made' if op == Op.WRITE else 'opened'}: {text}")

    def hints(self) -> dict[str, Any]:
        """Return the hints requested, echoed by the open file, and how they were judged."""
        return judge_hints(dict(self.workload.hints), self._echoed)

    def environment(self) -> dict[str, str]:
        """Return which MPI-IO driver serves the file."""
        return {"mpi_io_driver": self._echoed.get("romio_filesystem_type", "unknown")}
