"""Block requests, from the text of the kernel's tracer: lines to events, pairs of them to requests.

A line looks like this, with small differences between kernels, and a task's name, which may hold
anything, in front and sometimes at the end::

    cat-37   [001] ..... 12292.040267: block_rq_issue: 254,0 WS 4096 () 2048 + 8 be,0,4 [cat]
    cat-9    [001] ..s1. 12292.041835: block_rq_complete: 254,0 WS () 2048 + 8 be,0,4 [0]

Source: the kernel's include/trace/events/block.h, ``blk_fill_rwbs`` in kernel/trace/blktrace.c.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from piotutor.capture.device import SECTOR
from piotutor.trace.record import Op

REQUESTS = ("block/block_rq_issue", "block/block_rq_complete")
"""The events of a disk that takes requests."""
BIOS = ("block/block_bio_queue", "block/block_bio_complete")
"""The events of a device that passes bios on (dm, md) or has no queue (memory)."""

# A task's name has at most 15 bytes: too few to pass for what is matched here.
_LINE = re.compile(
    rb"CPU:\d+ \[LOST (\d+) EVENTS\]"
    rb"|\[\d{3,}\] +(?:\S+ +)?(\d+)\.(\d{6}): block_(?:rq|bio)_(issue|queue|complete): "
    rb"(\d+,\d+) (\w+) (?:\d+ )?(?:\([^)\n]*\) )?(\d+) \+ (\d+)(?:.* \[(-?\d+)\]$)?",
    re.MULTILINE,
)
_NOWHERE = -1


class Request(NamedTuple):
    """What a disk was asked to do.

    Attributes
    ----------
    disk
        Its number, as in ``254:0``.
    op
        READ, WRITE, or SYNC for a flush of the disk's own cache.
    address, length
        Bytes; a flush has neither (-1 and 0).
    start, end
        When it was handed to the disk and when it was done, in ns of the monotonic clock (which
        the kernel prints in microseconds).
    error
        The kernel's number of an error, 0 if it went well.
    """

    disk: str
    op: Op
    address: int
    length: int
    start: int
    end: int
    error: int


class Requests:
    """Make requests of the tracer's text, as it comes.

    Attributes
    ----------
    lost : int
        Events that the kernel had no room for, or that lost their other half by that.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._rest = b""
        self._flying: dict[tuple[bytes, int], tuple[Op, int, int]] = {}

    def feed(self, text: bytes) -> list[Request]:
        """Return the requests that are done, in the order in which they were.

        Parameters
        ----------
        text : bytes
            What the tracer said next; it may end within a line.
        """
        whole, newline, self._rest = (self._rest + text).rpartition(b"\n")
        done: list[Request] = []
        for found in _LINE.findall(whole + newline):
            if found[0]:
                self._lose(int(found[0]))
            else:
                self._take(found, done)
        return done

    def _lose(self, events: int) -> None:
        """Count lost events; what is under way can't be trusted to be paired rightly any more."""
        self.lost += events + len(self._flying)
        self._flying.clear()

    def _take(self, found: Sequence[bytes], done: list[Request]) -> None:
        """Note an issue; add what a completion completes."""
        _, seconds, micro, what, disk, rwbs, sector, sectors, error = found
        count = int(sectors)
        op = op_of(rwbs, count)
        if op is None:
            return
        now = int(seconds + micro) * 1000
        first = _NOWHERE if op is Op.SYNC else int(sector)
        if what == b"complete":
            self._complete(disk, first, count, now, int(error or 0), done)
        else:
            self._flying[disk, first] = op, count, now

    def _complete(
        self, disk: bytes, first: int, count: int, now: int, error: int, done: list[Request]
    ) -> None:
        """Pair a completion, maybe of the first part of a request only, with its issue."""
        issued = self._flying.pop((disk, first), None)
        if issued is None:  # before we looked
            return
        op, asked, since = issued
        if 0 < count < asked:
            self._flying[disk, first + count] = op, asked - count, since
        address = first * SECTOR if count else _NOWHERE
        end = max(since, now)
        done.append(Request(_number(disk), op, address, count * SECTOR, since, end, error))


@lru_cache(maxsize=256)
def _number(disk: bytes) -> str:
    """Write a disk's number as /sys does."""
    return disk.decode().replace(",", ":")


@lru_cache(maxsize=256)
def op_of(rwbs: bytes, sectors: int) -> Op | None:
    """Return what the letters of an event say; None for what moves no data (a discard).

    An ``F`` in front is a flush before: alone it is a request with no sectors of its own.
    """
    if not sectors:
        return Op.SYNC if rwbs.startswith(b"F") else None
    if re.match(rb"F?W(?!Z)", rwbs):
        return Op.WRITE
    return Op.READ if rwbs.startswith(b"R") else None
