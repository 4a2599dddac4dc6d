"""The contract of all kernels: a kernel moves bytes through one interface, and times nothing.

The least that a kernel must do is `Kernel.open`, `write`, `read`, `sync`, `close`. One that is to
be measured at full speed also gives `Kernel.bind`: a bare function of the library, and what to
call it with; see `posix`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from piotutor.errors import PiotutorError, UsageError
from piotutor.kernels.burst import Native
from piotutor.pattern import Extents
from piotutor.trace.record import Op
from piotutor.workload import Workload

Offsets = NDArray[np.int64]
Transfer = tuple[Any, ...]


class Bound(NamedTuple):
    """How a kernel makes the calls of one phase on its open file.

    Attributes
    ----------
    call : callable
        The function of the library.
    transfers : iterable of tuple
        Its arguments, for each transfer.
    whole : object
        What it returns when all bytes were moved: mostly their number.
    measure : callable, optional
        Makes the number of bytes of what `call` returned, where that is something else.
    native : callable, optional
        Does the same in C, for calls with nothing to do between them.
    """

    call: Callable[..., Any]
    transfers: Iterable[Transfer]
    whole: Any
    measure: Callable[[Any], int] | None = None
    native: Native | None = None


class Comm(Protocol):
    """What kernels and the benchmark need of a communicator; mpi4py's has it."""

    @property
    def rank(self) -> int:
        """Number of this rank, from 0."""

    @property
    def size(self) -> int:
        """How many ranks there are."""

    def barrier(self) -> None:
        """Wait until all ranks are here."""

    def bcast(self, obj: Any, root: int = 0) -> Any:
        """Return the `obj` that rank `root` gave."""

    def allgather(self, sendobj: Any) -> list[Any]:
        """Return what all ranks gave."""


class SerialComm:
    """A communicator of one rank, for kernels that need no MPI."""

    rank = 0
    size = 1

    def barrier(self) -> None:
        """Return at once: nobody else is there."""

    def bcast(self, obj: Any, root: int = 0) -> Any:
        """Return `obj`."""
        return obj

    def allgather(self, sendobj: Any) -> list[Any]:
        """Return `sendobj` in a list."""
        return [sendobj]


class Kernel(ABC):
    """One file, as one rank reaches it through one interface.

    Parameters
    ----------
    workload : Workload
        What is to be done; a kernel reads its own options from it.
    comm : Comm
        The ranks that share the file: all of them, or (file per process) this one alone.

    Notes
    -----
    Offsets are those of the pattern: bytes from the start of the data. For interfaces with a
    format of their own (HDF5) `places` says where they lie in the file.
    """

    keeps_data: ClassVar[bool] = True
    """Whether what was written can be read back."""
    continues: bool = True
    """Whether the rest of a short transfer may be asked for (not within collective calls)."""
    in_step: bool = False
    """Whether all ranks must make the same number of calls."""

    def __init__(self, workload: Workload, comm: Comm) -> None:
        self.workload = workload
        self.comm = comm
        self.path = ""

    @staticmethod
    def alone() -> Comm:
        """Return the communicator for a file that only this rank uses."""
        return SerialComm()

    @abstractmethod
    def open(self, path: str, op: Op, *, exclusive: bool = True) -> None:
        """Open a file: all ranks of `comm` together.

        Parameters
        ----------
        path : str
            The file.
        op : Op
            `Op.WRITE` creates it (and only writes), `Op.READ` opens an existing one.
        exclusive : bool
            When writing, refuse a file that exists; otherwise it is emptied.

        Raises
        ------
        OSError, mpi4py.MPI.Exception
            As the library says.
        """

    @abstractmethod
    def write(self, offset: int, data: Any) -> int:
        """Write `data` at `offset` with one call; return the number of bytes that it took."""

    @abstractmethod
    def read(self, offset: int, data: Any) -> int:
        """Read into `data` from `offset` with one call; return the number of bytes that came."""

    @abstractmethod
    def sync(self) -> None:
        """Bring what was written to the device."""

    @abstractmethod
    def close(self) -> None:
        """Close the file: all ranks of `comm` together."""

    def remove(self, path: str) -> None:
        """Remove a file; called by one rank of `comm`."""
        with suppress(FileNotFoundError):
            Path(path).unlink()

    def size(self, path: str) -> int:
        """Return the bytes of the file `path`, of its own headers too."""
        return Path(path).stat().st_size

    def explain(self, error: Exception, path: str, op: Op) -> Exception:
        """Turn an error of `open` into a `UsageError` that says what to do, where it is one."""
        if isinstance(error, FileExistsError):
            return UsageError(f"{path} exists and is left as it is: name a new file")
        if isinstance(error, OSError):
            verb = "made" if op == Op.WRITE else "opened"
            return UsageError(f"{path} can't be {verb}: {error.strerror or error}")
        return error

    def calls(self, extents: Extents) -> Offsets:
        """Group transfers into calls: shape (calls, extents of one call), offsets in bytes.

        All extents have the workload's transfer size. Unless a kernel's calls take several
        (strided views), there is one call for each.
        """
        return extents.offset[:, None]

    def places(self, offsets: Offsets) -> Offsets | None:
        """Return where in the open file the extents of calls lie, where that isn't `offsets`.

        None: a call is one extent, at its own offset, or the address can't be known.
        """
        return offsets if offsets.shape[1] > 1 else None

    def bind(
        self, op: Op, offsets: Iterable[int], buffers: Sequence[memoryview], *, keep: bool = True
    ) -> Bound:
        """Say how to make the calls of a phase at full speed, once the file is open.

        Parameters
        ----------
        op : Op
            `Op.WRITE` or `Op.READ`.
        offsets : iterable of int
            Where each call begins.
        buffers : sequence of memoryview
            All of one size; the calls use them in turn.
        keep : bool
            Whether somebody looks at what was read: if not, a kernel may read it elsewhere.
        """
        call = self.write if op == Op.WRITE else self.read
        return Bound(call, zip(offsets, cycle(buffers), strict=False), len(buffers[0]))

    def native_error(self, number: int) -> Exception:
        """Return the error that a native call reported by its number."""
        return OSError(number, os.strerror(number), self.path)

    def hints(self) -> dict[str, Any]:
        """Return the hints ``requested``, ``echoed`` by the library and, if known, ``verified``.

        ``verified`` says for each requested key ``{"obeyed": bool | None, "why": text}``.
        """
        return {"requested": dict(self.workload.hints), "echoed": {}, "verified": {}}

    def environment(self) -> dict[str, str]:
        """Return names and versions of the libraries below this kernel."""
        return {}


def complain_short(path: str, op: Op, offset: int, wanted: int, got: int) -> PiotutorError:
    """Return the error for a transfer that can't be completed."""
    verb = "took" if op == Op.WRITE else "gave"
    return PiotutorError(
        f"{path}: {op.name.lower()} at offset {offset:,} {verb} {got:,} of {wanted:,} bytes"
    )
