"""The POSIX kernel: ``pwrite`` and ``preadv`` on a file descriptor, buffered or direct."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from piotutor.kernels.base import Kernel, Transfer
from piotutor.kernels.direct import check_alignment, direct_alignment
from piotutor.trace.record import Op


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

    def bind(self, op: Op) -> Callable[..., int]:
        """Return the system call itself."""
        return partial(os.pwrite if op == Op.WRITE else os.preadv, self.fd)

    def arguments(
        self, op: Op, offsets: Iterable[int], buffers: Iterable[memoryview]
    ) -> Iterable[Transfer]:
        """Yield (buffer, offset) for ``pwrite``, ([buffer], offset) for ``preadv``."""
        if op == Op.WRITE:
            return zip(buffers, offsets, strict=False)
        return zip(([buffer] for buffer in buffers), offsets, strict=False)

    def rest(self, op: Op, transfer: Transfer, done: int) -> Transfer:
        """Return the arguments for what a short transfer left."""
        data, offset = transfer
        return (data[done:] if op == Op.WRITE else [data[0][done:]]), offset + done

    def sync(self) -> None:
        """Call ``fsync``."""
        os.fsync(self.fd)

    def close(self) -> None:
        """Close the descriptor."""
        fd, self.fd = self.fd, -1
        os.close(fd)
