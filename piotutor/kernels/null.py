"""The null kernel: no I/O at all. It shows what the rest costs, and is the template of a kernel."""

from __future__ import annotations

from typing import Any, ClassVar

from piotutor.kernels.base import Kernel
from piotutor.trace.record import Op


class NullKernel(Kernel):
    """Takes every byte, and keeps none; IOR calls it DUMMY."""

    keeps_data: ClassVar[bool] = False

    def open(self, path: str, op: Op, *, exclusive: bool = True) -> None:
        """Open nothing."""

    def write(self, offset: int, data: Any) -> int:
        """Take all bytes."""
        return len(data)

    def read(self, offset: int, data: Any) -> int:
        """Leave `data` as it is."""
        return len(data)

    def sync(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close nothing."""

    def size(self, path: str) -> int:
        """Return 0: there is no file."""
        return 0
