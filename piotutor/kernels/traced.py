"""The wrapper that times any kernel and writes one record for every call.

Everything known beforehand (offsets, lengths, buffers, all fields but the times) is prepared
before the first transfer, so that the loop only takes two times and stores three words.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from time import monotonic_ns
from typing import Any

import numpy as np

from piotutor.kernels.base import Bound, Kernel, Offsets, Transfer, complain_short
from piotutor.kernels.burst import Native, plan_work
from piotutor.trace.record import RECORD, Flag, Layer, Op, tail
from piotutor.trace.writer import TraceWriter

Before = Callable[[], None]
After = Callable[[], bool]
Buffers = Sequence[memoryview]
_WORDS = RECORD.itemsize // 8
_CLAIM = 1 << 17
"""Records claimed at once: 10 MiB."""


class Traced:
    """A kernel whose calls are recorded.

    Parameters
    ----------
    kernel : Kernel
        Does the work.
    writer : TraceWriter
        Takes the records of this rank.

    Attributes
    ----------
    file : int
        Index of the file that the following calls are on.
    aux : int
        Repetition and phase of the following calls, see `piotutor.trace.record.pack_aux`.
    """

    def __init__(self, kernel: Kernel, writer: TraceWriter) -> None:
        self.kernel = kernel
        self.writer = writer
        self.file = 0
        self.aux = 0
        work = kernel.workload
        self._collective = Flag.COLLECTIVE if work.collective else Flag(0)
        self._direct = Flag.DIRECT if work.direct_io else Flag(0)

    def open(self, path: str, op: Op, *, exclusive: bool = True) -> None:
        """Open a file, see `Kernel.open`."""
        with self._timed(Op.OPEN):
            self.kernel.open(path, op, exclusive=exclusive)

    def sync(self) -> None:
        """Bring what was written to the device."""
        with self._timed(Op.SYNC):
            self.kernel.sync()

    def close(self) -> None:
        """Close the file."""
        with self._timed(Op.CLOSE):
            self.kernel.close()

    def remove(self, path: str) -> None:
        """Remove a file."""
        with self._timed(Op.REMOVE):
            self.kernel.remove(path)

    def barrier(self, wait: Callable[[], Any]) -> None:
        """Wait for the other ranks with `wait`."""
        with self._timed(Op.BARRIER):
            wait()

    def stream(self, op: Op, offsets: Offsets, buffers: Buffers) -> Stream:
        """Prepare the calls of one phase, before the file is open.

        Parameters
        ----------
        op : Op
            `Op.WRITE` or `Op.READ`.
        offsets : array of int64, shape (calls, extents of a call)
            See `Kernel.calls`.
        buffers : sequence of memoryview
            All of one size: what the calls write, or read to, in turn.
        """
        return Stream(self, op, offsets, buffers)

    def move(self, op: Op, offset: int, data: memoryview) -> int:
        """Make one call, whole, short or failing, with its record."""
        place = {"offset": offset, "length": len(data)}
        start = monotonic_ns()
        try:
            got = (self.kernel.write if op == Op.WRITE else self.kernel.read)(offset, data)
        except Exception as error:
            flags = self.flags(op) | Flag.FAILED
            self.record(op, start, flags=int(flags), result=_error_number(error), **place)
            raise
        flags = self.flags(op) | (Flag.SHORT if got < len(data) else Flag(0))
        self.record(op, start, flags=int(flags), result=got, **place)
        return got

    def flags(self, op: Op) -> Flag:
        """Return how this kernel makes its calls."""
        moves = op in (Op.READ, Op.WRITE)
        return (self._collective if moves else Flag(0)) | self._direct

    def record(self, op: Op, start: int, **fields: int) -> None:
        """Append the record of a call that began at `start` and ended now."""
        known = {"length": -1, "file": self.file, "aux": self.aux, "flags": int(self.flags(op))}
        times = {"start": start, "end": monotonic_ns()}
        self.writer.append(layer=Layer.APP, op=op, **times, **(known | fields))

    @contextmanager
    def _timed(self, op: Op) -> Iterator[None]:
        start = monotonic_ns()
        try:
            yield
        except BaseException as error:
            failed = int(self.flags(op) | Flag.FAILED)
            self.record(op, start, flags=failed, result=_error_number(error))
            raise
        self.record(op, start)


class Stream:
    """The transfers of one phase, ready to be done: made by `Traced.stream`.

    Attributes
    ----------
    done : int
        Calls done so far.
    """

    def __init__(self, traced: Traced, op: Op, offsets: Offsets, buffers: Buffers) -> None:
        self.done = 0
        self._traced = traced
        self._op = op
        self._offsets = offsets
        self._starts = offsets[:, 0].tolist()
        self._buffers = buffers
        self._size = len(buffers[0])
        self._bound: Bound | None = None
        self._places: Offsets | None = None
        self._load()

    def run(
        self,
        stop: int,
        *,
        before: Before | None = None,
        after: After | None = None,
        keep: bool = True,
    ) -> bool:
        """Do transfers, of the open file, until `stop` are done or `after` says True.

        Parameters
        ----------
        stop : int
            The total to reach, counted from the first `run`.
        before, after : callable, optional
            Called before and after each transfer, outside the recorded time; True ends the run.
        keep : bool
            Whether somebody looks at what was read.

        Returns
        -------
        bool
            Whether `after` ended it.
        """
        if self._bound is None:
            self._bind(before, keep)
        stop = min(stop, len(self._offsets))
        gc.disable()
        try:
            while self.done < stop:
                if self.done == self._loaded:
                    self._load()
                if self._burst(min(stop, self._loaded) - self.done, after):
                    return True
        finally:
            gc.enable()
        return False

    def _bind(self, before: Before | None, keep: bool) -> None:
        """Ask the kernel for its calls, now that the file is open."""
        kernel = self._traced.kernel
        self._places = kernel.places(self._offsets)
        self._bound = kernel.bind(self._op, self._starts, self._buffers, keep=keep)
        self._transfers = iter(self._bound.transfers)
        self._unattended = before is None
        if before is not None:
            self._transfers = _preceded(before, self._transfers)

    def _load(self) -> None:
        """Claim the next records and fill in all that is known of them.

        Where the trace has no room left, go on with records that nobody will read.
        """
        wanted = min(len(self._offsets) - self.done, _CLAIM)
        block = self._traced.writer.claim(wanted)
        count = len(block) or wanted
        self._dropping = len(block) == 0
        self._words = block.words
        if self._dropping:
            self._words = memoryview(bytearray(count * RECORD.itemsize)).cast("q")
        self._describe(block.records)
        self._index = block.index
        self._first = self.done
        self._loaded = self.done + count

    def _describe(self, records: Any) -> None:
        traced = self._traced
        records["offset"] = self._offsets[self.done : self.done + len(records), 0]
        records["length"] = records["result"] = self._size
        records["rank"], records["client"] = traced.writer.rank, traced.writer.client
        records["file"], records["aux"] = traced.file, traced.aux
        for name in ("thread", "target", "parent"):
            records[name] = -1

    def _burst(self, count: int, after: After | None) -> bool:
        """Do `count` transfers: the loop that everything else is kept out of."""
        assert self._bound is not None
        call, _, complete, measure, native = self._bound
        now, words = monotonic_ns, self._words
        whole = tail(Layer.APP, self._op, self._traced.flags(self._op))
        plain = after is None and self._places is None
        if native is not None and plain and self._unattended:
            return self._native(native, count, whole)
        at = begin = (self.done - self._first) * _WORDS
        start = 0
        try:
            for transfer in islice(self._transfers, count):
                start = now()
                got = call(*transfer)
                end = now()
                words[at] = start
                words[at + 1] = end
                if measure is not None:
                    got = measure(got)
                if got == complete:
                    words[at + 8] = whole
                else:
                    self._short(at, got)
                at += _WORDS
                if plain:
                    continue
                self._parts(at // _WORDS - 1, start, end)
                if after is not None and after():
                    return True
        except Exception as error:
            self._failed(at, start, error)
            raise
        finally:
            self._count((at - begin) // _WORDS)
        return False

    def _native(self, native: Native, count: int, whole: int) -> bool:
        """Do `count` transfers in C; what goes wrong with one is seen to here."""
        end = self.done + count
        while self.done < end:
            row = self.done - self._first
            records = np.frombuffer(self._words, RECORD)[row : row + end - self.done]
            offsets = np.ascontiguousarray(self._offsets[self.done : end, 0])
            self._count(native(plan_work(self._buffers, offsets, records, whole)))
            if self.done < end:
                self._not_whole(self.done - self._first)
                self._count(1)
        return False

    def _not_whole(self, row: int) -> None:
        """See to a transfer that C has left as it came out: short, or failed."""
        at = row * _WORDS
        result = self._words[at + 4]
        if result < 0:
            self._publish(at, result, Flag.FAILED)
            raise self._traced.kernel.native_error(-result)
        self._short(at, result)

    def _count(self, calls: int) -> None:
        self.done += calls
        if self._dropping and calls:
            self._traced.writer.drop(calls)

    def _short(self, at: int, got: int) -> None:
        """Record a transfer as short, then do what is left of it, or raise `PiotutorError`."""
        traced, op, done = self._traced, self._op, got
        self._publish(at, got, Flag.SHORT)
        number = self._first + at // _WORDS
        offset, buffer = self._starts[number], self._buffers[number % len(self._buffers)]
        while done < self._size:
            if got <= 0 or not traced.kernel.continues:
                raise complain_short(traced.kernel.path, op, offset, self._size, done)
            got = traced.move(op, offset + done, buffer[done:])
            done += got

    def _failed(self, at: int, start: int, error: Exception) -> None:
        """Record the call that raised `error`, unless it was recorded already."""
        if at < len(self._words) and start and not self._words[at + 8]:
            self._words[at] = start
            self._words[at + 1] = monotonic_ns()
            self._publish(at, _error_number(error), Flag.FAILED)

    def _publish(self, at: int, result: int, flag: Flag) -> None:
        self._words[at + 4] = result
        self._words[at + 8] = tail(Layer.APP, self._op, self._traced.flags(self._op) | flag)

    def _parts(self, row: int, start: int, end: int) -> None:
        """Write the records of the extents of one call, where it has several."""
        if self._places is None:
            return
        places = self._places[self._first + row]
        block = self._traced.writer.claim(len(places))
        if len(block) < len(places):
            self._traced.writer.drop(len(places) - len(block))
        records = block.records
        records["offset"] = places[: len(records)]
        records["length"] = records["result"] = self._size // len(places)
        records["start"], records["end"] = start, end
        records["rank"], records["client"] = self._traced.writer.rank, self._traced.writer.client
        records["file"], records["aux"] = self._traced.file, self._traced.aux
        records["thread"] = records["target"] = -1
        records["parent"] = -1 if self._dropping else self._index + row
        records["op"], records["flags"] = self._op, self._traced.flags(self._op) | Flag.PART
        records["layer"] = Layer.APP


def _preceded(before: Before, transfers: Iterator[Transfer]) -> Iterator[Transfer]:
    for transfer in transfers:
        before()
        yield transfer


def _error_number(error: BaseException) -> int:
    """Return the negated error number, as a system call does; -1 where there is none."""
    number = getattr(error, "errno", None)
    return -number if isinstance(number, int) else -1
