"""The POSIX kernel: ``pwrite`` and ``preadv`` on a file descriptor, buffered or direct."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import cycle, repeat
from typing import Any

from piotutor.kernels.base import Bound, Kernel
from piotutor.kernels.burst import posix_native
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

    def bind(
        self, op: Op, offsets: Iterable[int], buffers: Sequence[memoryview], *, keep: bool = True
    ) -> Bound:
        """Return the system call itself: ``pwrite``, ``preadv`` or, as it is quicker, ``pread``."""
        size, fd, native = len(buffers[0]), repeat(self.fd), posix_native(op, self.fd)
        if op == Op.WRITE:
            transfers = zip(fd, cycle(buffers), offsets, strict=False)
            return Bound(os.pwrite, transfers, size, native=native)
        if not keep and not self.workload.direct_io and size <= _PLAIN:
            return Bound(os.pread, zip(fd, repeat(size), offsets, strict=False), size, len, native)
        vectors = cycle([[buffer] for buffer in buffers])
        return Bound(os.preadv, zip(fd, vectors, offsets, strict=False), size, native=native)

    def sync(self) -> None:
        """Call ``fsync``."""
        os.fsync(self.fd)

    def close(self) -> None:
        """Close the descriptor."""
        fd, self.fd = self.fd, -1
        os.close(fd)
