"""Several reads of one rank in flight at once: a thread for each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic_ns

import numpy as np

from piotutor.kernels.base import Offsets
from piotutor.kernels.burst import Shared, Turns, plan_work, posix_shared
from piotutor.kernels.direct import aligned_buffer
from piotutor.kernels.posix import PosixKernel
from piotutor.kernels.traced import After, Buffers, Stream, Traced
from piotutor.trace.record import RECORD, Layer, Op, tail

_WORDS = RECORD.itemsize // 8


class Deep(Stream):
    """The reads of one phase, of which up to `depth` are under way at any time.

    Each thread takes the next read as soon as its last one is over, into a buffer of its own. In C
    they begin together, and none needs Python's lock; in Python the system calls run outside it.

    Parameters
    ----------
    traced, offsets, buffers
        As of a `Stream`.
    depth : int
        How many threads.
    """

    def __init__(self, traced: Traced, offsets: Offsets, buffers: Buffers, depth: int) -> None:
        super().__init__(traced, Op.READ, offsets, buffers)
        self._depth = depth

    def _burst(self, count: int, after: After | None) -> bool:
        """Do `count` reads, of records that are loaded."""
        native = self._shared()
        turns = Turns(threads=min(self._depth, count))
        one = self._in_python(count, turns) if native is None else self._in_c(native, count, turns)
        with ThreadPoolExecutor(turns.threads) as pool:
            try:
                each = [pool.submit(one, thread) for thread in range(turns.threads)]
            except BaseException:
                turns.release()
                raise
        for answer in each:
            answer.result()
        self._count(count)
        return False

    def _shared(self) -> Shared | None:
        """Return the loop in C, where the kernel's calls are those that it makes."""
        kernel = self._traced.kernel
        plain = self._bound is not None and self._bound.native is not None
        return posix_shared(kernel.fd) if plain and isinstance(kernel, PosixKernel) else None

    def _in_c(self, native: Shared, count: int, turns: Turns) -> Callable[[int], None]:
        """Return what a thread does, where the loop is built."""
        row = self.done - self._first
        records = np.frombuffer(self._words, RECORD)[row : row + count]
        offsets = np.ascontiguousarray(self._offsets[self.done : self.done + count, 0])
        whole = tail(Layer.APP, Op.READ, self._traced.flags(Op.READ))

        def work(thread: int) -> None:
            todo = plan_work([aligned_buffer(self._size)], offsets, records, whole)
            while (stopped := native(todo, turns, thread)) < count:
                try:
                    self._not_whole(row + stopped)
                except BaseException:
                    turns.release()
                    raise

        return work

    def _in_python(self, count: int, turns: Turns) -> Callable[[int], None]:
        """Return what a thread does without it."""
        first = self.done - self._first
        rows = iter(range(first, first + count))
        threads = np.frombuffer(self._words, RECORD)["thread"]

        def work(thread: int) -> None:
            buffer = aligned_buffer(self._size)
            for row in rows:
                threads[row] = thread
                try:
                    self._one(row, buffer)
                except BaseException:
                    turns.release()
                    raise
                if not turns.threads:
                    return

        return work

    def _one(self, row: int, buffer: memoryview) -> None:
        """Make one read, with its record."""
        words, at = self._words, row * _WORDS
        start = monotonic_ns()
        try:
            got = self._traced.kernel.read(self._starts[self._first + row], buffer)
        except Exception as error:
            self._failed(at, start, error)
            raise
        words[at], words[at + 1] = start, monotonic_ns()
        if got == self._size:
            words[at + 8] = tail(Layer.APP, Op.READ, self._traced.flags(Op.READ))
        else:
            self._short(at, got)
