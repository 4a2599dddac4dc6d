"""The engine in C, from Python: a world is made, given files and ranks, and run."""

from __future__ import annotations

import ctypes
import mmap
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

import numpy as np

from piotutor.engine.library import engine
from piotutor.engine.machine import Machine
from piotutor.errors import PiotutorError
from piotutor.trace.record import RECORD, Layer, Op

OPERATION = np.dtype(
    [
        ("offset", "<i8"),
        ("length", "<i8"),
        ("file", "<i4"),
        ("op", "<u2"),
        ("phase", "<u2"),
    ]
)
"""What a rank is to do; ``op`` of `piotutor.trace.Op`, `PAUSE` or `WAIT`."""
PAUSE = 254
"""An operation that is over ``offset`` ns after it began."""
WAIT = 255
"""An operation that is over when ``offset`` ns have passed since the beginning."""
_ROOM = 1 << 24
"""Requests, and events, under way at once at most; memory is taken only for those there are."""
_ENDS = {
    1: "more requests are under way at once than the engine has room for "
    "({room:,}): make transfers smaller, or a machine's requests (rpc_size) larger",
    2: "stopped",
    3: "on this machine it would take more than 36 years: look at its times and speeds",
}
"""Why a world came to no end, by what C says."""
_MANY = 1 << 20
"""Operations from which on a world's memory is worth large pages."""
_DENSE = 8
"""Pairs of a client and a target, or an object, for each operation: with more, pages stay small,
as most of a large one would be zeroed for nothing."""
_LARGE = 1 << 21
"""Bytes of its devices' states from which on these are worth them, too."""
_KINDS: dict[object, Any] = {int: ctypes.c_int64, float: ctypes.c_double}
_NORESERVE = 0x4000  # MAP_NORESERVE, which mmap doesn't name before Python 3.13


class Numbers(ctypes.Structure):
    """The parameters of a machine, as C has them."""

    _fields_ = tuple((name, _KINDS[type(each)]) for name, each in Machine().numbers().items())


@cache
def fitting_engine() -> ctypes.CDLL:
    """Return the engine, if it was built with the parameters that are known here.

    Raises
    ------
    PiotutorError
        It was not built, or is of another version: it would take one number for another.
    """
    found = engine()
    found.engine_parameters.restype = ctypes.c_char_p
    if found.engine_parameters().decode().split() != [field[0] for field in Numbers._fields_]:
        raise PiotutorError(
            "the engine was built by another version of piotutor: install it again "
            "(sh setup.sh install)"
        )
    return found


class Size(ctypes.Structure):
    """What a world is to hold, as C has it."""

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in ("files", "objects", "ranks", "rpcs", "ranges", "events", "records")
    )


class _States(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int64) for name in ("begin", "common", "end"))


class _Counts(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in ("now", "records", "dropped", "happened", "grants", "callbacks")
    )


class World:
    """One storage system in virtual time.

    Parameters
    ----------
    machine : Machine
        What it is.
    files : sequence of (int, sequence of int)
        The stripe size of each file, and the target of each of its objects.
    clients : sequence of int
        The client that each rank runs on.
    layers : sequence of Layer
        Of which layers there are to be records.
    records : int
        How many there may be; those beyond are counted.
    directories : sequence of int
        The directory that each file is in, numbers below that of files; without, all are in one.

    Raises
    ------
    PiotutorError
        The engine was not built, or the world is larger than what may be had of memory.
    """

    def __init__(
        self,
        machine: Machine,
        files: Sequence[tuple[int, Sequence[int]]],
        clients: Sequence[int],
        layers: Sequence[Layer] = (),
        records: int = 0,
        directories: Sequence[int] = (),
    ) -> None:
        self._engine = found = fitting_engine()
        self.ranks = len(clients)
        self._machine, self._files = machine, len(files)
        objects = sum(len(targets) for _, targets in files)
        self._pairs = machine.clients * (machine.targets + objects)
        plan = Numbers(**machine.numbers())
        self._memory, size = _space(plan, (len(files), objects, self.ranks), records)
        self._states = _States()
        found.engine_states(*map(ctypes.byref, (plan, size, self._states)))
        if self._states.end - self._states.begin >= _LARGE:
            self._want_large_pages(self._states.begin, self._states.end)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._world = ctypes.c_void_p(start)
        bits = sum(1 << layer for layer in layers)
        args = self._world, ctypes.byref(plan), ctypes.byref(size), bits, _common(machine)
        self._stoppable(found.engine_make, *args)
        self._add(files, clients)
        for number, directory in enumerate(directories):
            found.engine_put_file(self._world, ctypes.c_int64(number), directory)

    def _want_large_pages(self, begin: int, end: int) -> None:
        """Ask for them between two bytes of the world: those that are used come faster."""
        first = begin // mmap.PAGESIZE * mmap.PAGESIZE
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # a system without them
                self._memory.madvise(mmap.MADV_HUGEPAGE, first, end - first)

    def devices(self) -> bytes:
        """Return what its devices have in common: SSDs, the state that use has left them in."""
        return bytes(self._memory[self._states.common : self._states.end])

    def _add(self, files: Sequence[tuple[int, Sequence[int]]], clients: Sequence[int]) -> None:
        first = 0
        for number, (stripe_size, targets) in enumerate(files):
            homes = (ctypes.c_int32 * len(targets))(*targets)
            where = map(ctypes.c_int64, (number, first, stripe_size, len(targets)))
            self._engine.engine_add_file(self._world, *where, homes)
            first += len(targets)
        for rank, client in enumerate(clients):
            self._engine.engine_add_rank(self._world, ctypes.c_int64(rank), client)

    def run(self, operations: np.ndarray, counts: np.ndarray) -> None:
        """Let every rank do its operations, one after the other.

        Parameters
        ----------
        operations : ndarray of OPERATION
            Those of rank 0, then those of rank 1, ...
        counts : ndarray of int64, shape (ranks,)
            How many each rank has.

        Raises
        ------
        PiotutorError
            More was under way at once than the engine has room for, or its end is too far away.
        """
        todo = np.ascontiguousarray(operations, OPERATION)
        if len(todo) >= max(_MANY, self._pairs // _DENSE):
            self._want_large_pages(0, len(self._memory))
        if self._machine.read_ahead:
            self._extend(todo)
        end = np.cumsum(counts, dtype=np.int64)
        begin = end - counts
        pointers = (ctypes.c_void_p(array.ctypes.data) for array in (todo, begin, end))
        if why := self._stoppable(self._engine.engine_run, self._world, *pointers):
            raise PiotutorError(_ENDS[why].format(room=_ROOM))

    def _stoppable(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call C; in a thread of its own where Ctrl-C is heard, so that that ends it."""
        if threading.current_thread() is not threading.main_thread():
            return call(*arguments)
        with ThreadPoolExecutor(1) as pool:
            going = pool.submit(call, *arguments)
            try:
                return going.result()
            except BaseException:
                self._engine.engine_stop(self._world)
                raise

    def _extend(self, todo: np.ndarray) -> None:
        """Make each file as long as it will ever be: nothing behind that is read ahead."""
        moves = todo[np.isin(todo["op"], (Op.READ, Op.WRITE))]
        ends = np.zeros(self._files, np.int64)
        np.maximum.at(ends, moves["file"], moves["offset"] + moves["length"])
        for number, end in enumerate(ends.tolist()):
            self._engine.engine_extend_file(
                self._world, ctypes.c_int64(number), ctypes.c_int64(end)
            )

    @property
    def now(self) -> int:
        """Nanoseconds since the beginning."""
        return int(self._counts().now)

    @property
    def events(self) -> int:
        """How many events there were."""
        return int(self._counts().happened)

    @property
    def grants(self) -> int:
        """How many locks were granted."""
        return int(self._counts().grants)

    @property
    def callbacks(self) -> int:
        """How many were called back."""
        return int(self._counts().callbacks)

    @property
    def dropped(self) -> int:
        """Records that found no room."""
        return int(self._counts().dropped)

    @property
    def records(self) -> np.ndarray:
        """The records, in the order in which calls ended; of `RECORD`."""
        count = self._counts().records
        start = self._engine.engine_records(self._world)
        return np.frombuffer(self._memory, RECORD, count, start)

    def _counts(self) -> _Counts:
        counts = _Counts()
        self._engine.engine_counts(self._world, ctypes.byref(counts))
        return counts


def _space(plan: Numbers, things: tuple[int, int, int], records: int) -> tuple[mmap.mmap, Size]:
    """Return zeroed memory for a world, and what it can hold.

    Only what is used of it is ever taken. Where so much may not be had, there is room for fewer
    requests at once, and for fewer records.
    """
    for less in (1, 16, 256):
        room = -(-_ROOM // less)
        size = Size(*things, room, room, room, records if less == 1 else min(records, room))
        needed = fitting_engine().engine_bytes(ctypes.byref(plan), ctypes.byref(size))
        with suppress(OSError, OverflowError):
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
            return mmap.mmap(-1, needed, flags=flags), size
    raise PiotutorError(
        f"the model's tables are {needed / 2**30:,.1f} GiB, more than may be had here (ulimit -v "
        "limits it, too): model fewer clients, targets, files or stripes"
    )


def _common(machine: Machine) -> bytes | None:
    """Return what the devices of a machine have in common; None: its world is to make it.

    For SSDs that may take longer than a short run does: worlds with the same ones share it.
    """
    if machine.device != "ssd":
        return None
    about = {name: value for name, value in vars(machine).items() if name.startswith("ssd_")}
    bare = Machine(device="ssd", rpc_size=1, seed=machine.seed, **about)
    return None if machine == bare else _common_of(bare)


@lru_cache(maxsize=1)
def _common_of(machine: Machine) -> bytes:
    return World(machine, [], []).devices()
