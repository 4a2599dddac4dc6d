"""The POSIX kernel: ``pwrite`` and ``preadv`` on a file descriptor, buffered or direct."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import cycle, repeat
from typing import Any

from piotutor.kernels.base import Bound, Kernel, Transfer
from piotutor.kernels.direct import check_alignment, direct_alignment
from piotutor.trace.record import Op

_PLAIN = 1 << 16
"""Up to so many bytes, ``pread`` into new memory is quicker than ``preadv`` into a buffer."""


class PosixKernel(Kernel):
    """Files through the system's own calls; every transfer names its offset, none seeks."""

    fd = -1

    def open(self, path: str, op: Op, *, exclusive: bool = True) -> None:
        """Open a file; a new shared one is made by the first rank, then opened by the others."""
        self.path = path
        flags = os.O_RDONLY
        if op == Op.WRITE:
            flags = os.O_RDWR
            if self.comm.rank == 0:
                create = os.O_EXCL if exclusive else os.O_TRUNC
                self.fd = os.open(path, flags | os.O_CREAT | create, 0o644)
            self.comm.barrier()
        if self.fd < 0:
            self.fd = os.open(path, flags)
        if self.workload.direct_io:
            self._turn_direct()

    def _turn_direct(self) -> None:
        import fcntl

        alignment = direct_alignment(self.path)
        work = self.workload
        check_alignment(
            self.path, alignment, transfer_size=work.transfer_size, block_size=work.block_size
        )
        flags = fcntl.fcntl(self.fd, fcntl.F_GETFL)
        fcntl.fcntl(self.fd, fcntl.F_SETFL, flags | os.O_DIRECT)

    def write(self, offset: int, data: Any) -> int:
        """Write with one ``pwrite``."""
        return os.pwrite(self.fd, data, offset)

    def read(self, offset: int, data: Any) -> int:
        """Read with one ``preadv``."""
        return os.preadv(self.fd, [data], offset)

    def arguments(
        self, op: Op, offsets: Iterable[int], buffers: Sequence[memoryview], *, keep: bool = True
    ) -> Iterable[Transfer]:
        """Yield what ``pwrite``, ``pread`` or ``preadv`` take after the descriptor."""
        if op == Op.WRITE:
            return zip(cycle(buffers), offsets, strict=False)
        if self._reads_plainly(keep):
            return zip(repeat(self.workload.transfer_size), offsets, strict=False)
        return zip(cycle([[buffer] for buffer in buffers]), offsets, strict=False)

    def bind(self, op: Op, size: int, *, keep: bool = True) -> Bound:
        """Return the system call itself."""
        if op == Op.WRITE:
            return Bound(partial(os.pwrite, self.fd), size)
        if self._reads_plainly(keep):
            return Bound(partial(os.pread, self.fd), size, len)
        return Bound(partial(os.preadv, self.fd), size)

    def _reads_plainly(self, keep: bool) -> bool:
        """Tell whether ``pread`` serves: it is quicker, but only when small and not looked at."""
        work = self.workload
        return not keep and not work.direct_io and work.transfer_size <= _PLAIN

    def rest(self, op: Op, transfer: Transfer, done: int) -> Transfer:
        """Return the arguments for what a short transfer left."""
        data, offset = transfer
        if isinstance(data, int):
            return data - done, offset + done
        return (data[done:] if op == Op.WRITE else [data[0][done:]]), offset + done

    def sync(self) -> None:
        """Call ``fsync``."""
        os.fsync(self.fd)

    def close(self) -> None:
        """Close the descriptor."""
        fd, self.fd = self.fd, -1
        os.close(fd)
