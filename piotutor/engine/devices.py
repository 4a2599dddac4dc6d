"""What stores the bytes of a target, by itself: a disk, flash, an array of disks.

Step by step, so that it can be shown what one request costs; many steps in one call, so that it
can be counted.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from piotutor.engine.library import engine
from piotutor.errors import UsageError
from piotutor.trace import Op
from piotutor.units import parse_size

# ------------------------------------------------------------------------------------- a disk

STEPS = np.dtype(
    [(name, "<i8") for name in ("overhead", "seek", "rotation", "transfer", "cylinder")]
)
"""What a request to a disk was made of, in ns, and the cylinder that it was for."""


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A disk with an arm and a platter.

    Attributes
    ----------
    cylinders, tracks, sectors, sector_bytes
        Tracks of a cylinder, sectors of a track.
    rotation, overhead, track_switch
        Seconds of one turn, of the controller's work for a request, of a change of heads.
    near, near_root, near_end, far, far_each
        A seek over d cylinders takes ``near + near_root sqrt(d)`` seconds for d up to
        ``near_end``, ``far + far_each d`` beyond.
    buffer
        Bytes of its memory; 0: none. With one, the platter goes on where a request ended, and what
        has passed by lately can be read from it: a read that begins there, and any request at the
        head or within a track before it, waits for neither the arm nor a turn.
    """

    cylinders: int
    tracks: int
    sectors: int
    sector_bytes: int = 512
    rotation: float
    overhead: float
    track_switch: float
    near: float
    near_root: float
    near_end: float
    far: float
    far_each: float
    buffer: int = 0

    @property
    def bytes(self) -> int:
        """How much it holds."""
        return self.cylinders * self.tracks * self.sectors * self.sector_bytes

    def seek(self, cylinders: int) -> float:
        """Return the seconds that a seek over so many cylinders takes."""
        call = engine().engine_disk_seek
        call.restype = ctypes.c_int64
        return int(call(ctypes.byref(self._kind()), ctypes.c_int64(cylinders))) / 1e9

    def serve(
        self, offsets: Sequence[int], lengths: Sequence[int], times: Sequence[int] | None = None
    ) -> np.ndarray:
        """Serve reads one after the other, in their order, the arm over cylinder 0 at first.

        Parameters
        ----------
        offsets, lengths : sequence of int
            Bytes.
        times : sequence of int, optional
            When each is there, in ns; all at 0 if not given.

        Returns
        -------
        ndarray of STEPS

        Raises
        ------
        UsageError
            A request lies outside of the disk.
        """
        columns = [np.ascontiguousarray(each, np.int64) for each in (offsets, lengths)]
        at, size = columns
        there = np.zeros(len(at), np.int64) if times is None else np.array(times, np.int64)
        if len(at) and (at.min() < 0 or size.min() < 1 or (at + size).max() > self.bytes):
            raise UsageError(f"a request lies outside of the disk's {self.bytes:,} bytes")
        steps = np.zeros(len(at), STEPS)
        pointers = (each.ctypes.data_as(ctypes.c_void_p) for each in (there, at, size, steps))
        engine().engine_disk(ctypes.byref(self._kind()), ctypes.c_int64(len(at)), *pointers)
        return steps

    def _kind(self) -> ctypes.Structure:
        return _DiskKind(**asdict(self))


_KINDS: dict[str, Any] = {"int": ctypes.c_int64, "float": ctypes.c_double}


class _DiskKind(ctypes.Structure):
    _fields_ = tuple((each.name, _KINDS[str(each.type)]) for each in fields(Disk))


DISKS = {
    "hp97560": Disk(
        cylinders=1962,
        tracks=19,
        sectors=72,
        rotation=60 / 4002,
        overhead=2.2e-3,
        track_switch=1.6e-3,
        near=3.24e-3,
        near_root=0.400e-3,
        near_end=383.0,
        far=8.00e-3,
        far_each=0.008e-3,
    ),
    "hc310": Disk(
        cylinders=449_900,
        tracks=8,
        sectors=407,
        sector_bytes=4096,
        rotation=60 / 7200,
        overhead=0.1e-3,
        track_switch=0.3e-3,
        near=0.21e-3,
        near_root=0.0184e-3,
        near_end=90_000.0,
        far=2.97e-3,
        far_each=3.07e-8,
        buffer=256 << 20,
    ),
}
"""Disks by name.

``hp97560``: Ruemmler and Wilkes 1994, as in the published figures; its memory is left out.

``hc310``: a modern one of 7,200 turns a minute and 6 TB. From the specification of the Ultrastar DC
HC310 (Western Digital 2018): the turn, a seek of 0.23 ms to the next track and of 7.4 ms on
average. Its heads and its memory are recalled; the overhead, the change of heads and 200 MB/s on
every track (where a real one has more outside than inside) are round figures.
"""

# -------------------------------------------------------------------------------------- flash

ERASED, LIVE, DEAD = range(3)
"""What a page of flash is: free to be written, still wanted, or replaced by a later write."""


_NO_BLOCK = 2**32 - 1


class Flash:
    """Flash with a page map and greedy garbage collection.

    Parameters
    ----------
    overprovisioning : float
        Pages there are over pages the user has, less 1.
    pages_per_block : int
        Pages that are erased together.
    blocks : int
        How many blocks there are.
    reserve : int
        Blocks kept erased.

    Raises
    ------
    UsageError
        There is no room for the collection to work in.
    """

    def __init__(
        self, overprovisioning: float, *, pages_per_block: int = 256, blocks: int = 4096,
        reserve: int = 1,
    ) -> None:  # fmt: skip
        self.user_pages = user_pages(overprovisioning, pages_per_block, blocks, reserve)
        self._engine = engine()
        shape = [ctypes.c_int64(each) for each in (pages_per_block, blocks, self.user_pages)]
        self._engine.engine_flash_bytes.restype = ctypes.c_int64
        self._engine.engine_flash_write_random.restype = ctypes.c_uint64
        room = int(self._engine.engine_flash_bytes(*shape))
        self._memory = np.zeros(room // 8 + 1, np.int64)
        self._engine.engine_flash_make(self._where, *shape, ctypes.c_int64(reserve))

    def write(self, pages: Sequence[int]) -> np.ndarray:
        """Write pages, and return how many others had to be moved before each."""
        which = np.ascontiguousarray(pages, np.uint32)
        if len(which) and int(which.max()) >= self.user_pages:
            raise UsageError(f"page {which.max()}: there are {self.user_pages:,}")
        moved = np.zeros(len(which), np.uint32)
        pointers = (each.ctypes.data_as(ctypes.c_void_p) for each in (which, moved))
        self._engine.engine_flash_write(self._where, ctypes.c_int64(len(which)), *pointers)
        return moved

    def write_random(self, count: int, seed: int = 1) -> None:
        """Write so many uniformly drawn pages; the same ones for the same seed."""
        where, n = self._where, ctypes.c_int64(count)
        self._engine.engine_flash_write_random(where, n, ctypes.c_uint64(seed or 1))

    @property
    def written(self) -> int:
        """Pages that were written by the user."""
        return int(self._memory[4])

    @property
    def moved(self) -> int:
        """Pages that the collection has moved."""
        return int(self._memory[5])

    @property
    def erased(self) -> int:
        """Blocks that were erased."""
        return int(self._memory[6])

    @property
    def pages(self) -> np.ndarray:
        """What each page of each block is now: `ERASED`, `LIVE` or `DEAD` (blocks x pages)."""
        each, blocks, user = self._memory[:3].tolist()
        place, held = self._table(0, user), self._table(1, each * blocks)
        live = place[held] == np.arange(each * blocks)
        state = np.where(live, LIVE, DEAD).astype(np.int8).reshape(blocks, each)
        for block, written in self._unfilled():
            state[block, written:] = ERASED
        return state

    def _unfilled(self) -> Iterator[tuple[int, int]]:
        """Find the blocks that have room, and how many of their pages are written."""
        each, blocks = self._memory[:2].tolist()
        opened = self._memory[8:10].view(np.uint32).reshape(2, 2)
        yield from ((int(block), int(written)) for block, written in opened)
        following, block = self._table(3, blocks), int(self._table(5, each + 2)[-1])
        while block != _NO_BLOCK:
            yield block, 0
            block = int(following[block])

    def _table(self, number: int, length: int) -> np.ndarray:
        """Return one of the tables of ``struct flash``, in the order of its `at`."""
        first = int(self._memory[11 + number]) // 4
        return self._memory.view(np.uint32)[first : first + length]

    @property
    def _where(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._memory.ctypes.data)


def user_pages(overprovisioning: float, pages_per_block: int, blocks: int, reserve: int) -> int:
    """Return how many pages flash of that shape has for its user.

    Raises
    ------
    UsageError
        There is no room for the collection to work in.
    """
    pages = int(pages_per_block * blocks / (1 + overprovisioning))
    spare = blocks - -(-pages // pages_per_block)
    if spare < reserve + 3:
        raise UsageError(
            f"overprovisioning={overprovisioning}: {spare} spare blocks of {blocks} are too few, "
            f"{reserve + 3} are needed"
        )
    return pages


def amplification(overprovisioning: float, *, turns: int = 8, **shape: int) -> float:
    """Return pages written to flash over pages written by the user, drawn uniformly.

    Parameters
    ----------
    overprovisioning : float
        Pages there are over pages the user has, less 1.
    turns : int
        How often the whole device is written before counting begins; half as often while counting.
    **shape
        As of `Flash`.
    """
    flash = Flash(overprovisioning, **shape)
    flash.write(range(flash.user_pages))
    flash.write_random(turns * flash.user_pages, seed=1)
    written, moved = flash.written, flash.moved
    flash.write_random(max(1, turns // 2) * flash.user_pages, seed=2)
    return 1 + (flash.moved - moved) / (flash.written - written)


# ----------------------------------------------------------------------------- an array of disks

MEMBERS = np.dtype(
    [("offset", "<i8"), ("length", "<i8"), ("disk", "<i4"), ("op", "<i2"), ("parity", "<i2")]
)
"""Requests to the disks of an array: ``op`` of `piotutor.trace.Op`; whether it is parity."""
POLICIES = ("cheaper", "read-modify-write", "reconstruct-write")
_MOST_DISKS = 256


@dataclass(frozen=True, kw_only=True)
class Array:
    """Disks that together survive the loss of one or two.

    Attributes
    ----------
    level
        0, 1, 5 or 6.
    width
        Disks that a stripe lies on, those of parity among them.
    disks
        Disks of the array; more than `width`: declustered.
    chunk
        Bytes of a stripe on one disk.
    policy
        How small writes make new parity: one of `POLICIES`; ``cheaper`` takes the fewer requests.
    failed
        A disk that is gone; -1: none.
    """

    level: int
    width: int
    disks: int = 0
    chunk: int = 1 << 16
    policy: str = "cheaper"
    failed: int = -1

    def __post_init__(self) -> None:
        object.__setattr__(self, "chunk", parse_size(self.chunk))
        object.__setattr__(self, "disks", self.disks or self.width)
        least = {0: 1, 1: 2, 5: 3, 6: 4}
        if self.level not in least:
            raise UsageError(f"level={self.level}: choose 0, 1, 5 or 6")
        if not least[self.level] <= self.width <= self.disks <= _MOST_DISKS:
            raise UsageError(
                f"width={self.width}, disks={self.disks}: RAID {self.level} takes "
                f"{least[self.level]} to {_MOST_DISKS} disks, no stripe is wider than the array"
            )
        if self.policy not in POLICIES:
            raise UsageError(f"policy={self.policy!r}: choose {', '.join(POLICIES)}")
        if not -1 <= self.failed < self.disks:
            raise UsageError(f"failed={self.failed}: there are disks 0 to {self.disks - 1}")

    @property
    def stripe(self) -> int:
        """Bytes of data in a stripe."""
        parity = {5: 1, 6: 2}.get(self.level, 0)
        return self.chunk * (1 if self.level == 1 else self.width - parity)

    def requests(self, op: Op, offset: int, length: int) -> np.ndarray:
        """Return what the disks do for one request: of each stripe, all reads before all writes.

        Returns
        -------
        ndarray of MEMBERS

        Raises
        ------
        UsageError
            The bytes are lost with the disk that is gone, or the request makes no sense.
        """
        if op not in (Op.READ, Op.WRITE) or offset < 0 or length < 1:
            raise UsageError(f"op={op}, offset={offset}, length={length}: no request to an array")
        whole = ctypes.byref(self._array())
        call = engine().engine_raid
        call.restype = ctypes.c_int64
        where = (ctypes.c_int32(op), ctypes.c_int64(offset), ctypes.c_int64(length))
        count = int(call(whole, *where, None, ctypes.c_int64(0)))
        if count < 0:
            raise UsageError(f"disk {self.failed} is gone, and with it what is asked for")
        out = np.zeros(count, MEMBERS)
        call(whole, *where, out.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(count))
        return out

    def _array(self) -> ctypes.Structure:
        given = asdict(self) | {"policy": POLICIES.index(self.policy)}
        return _Array(**given)


class _Array(ctypes.Structure):
    _fields_ = tuple((each.name, ctypes.c_int64) for each in fields(Array))
