"""What is in the buffers: bytes to write, and the check of bytes that were read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from piotutor.content import PAGE, Content, Mismatch
from piotutor.kernels.base import Offsets
from piotutor.kernels.direct import aligned_buffer

_VARIETY = 4
"""Different buffers that are written in turn where nothing will be verified."""


def unstamped(content: Content, file: int, size: int) -> list[memoryview]:
    """Return buffers of `size` bytes to write in turn, at no cost: slices of a prebuilt one.

    They start at pages; as the content's period is prime to the page, all their pages differ.
    """
    whole = aligned_buffer(size + (_VARIETY - 1) * PAGE)
    np.frombuffer(whole, np.uint8)[:] = content.body(file, len(whole))[: len(whole)]
    return [whole[start : start + size] for start in range(0, _VARIETY * PAGE, PAGE)]


class Filler:
    """Fills the buffer for each call with what the file must hold at its extents.

    Parameters
    ----------
    content : Content
        What must be in the files.
    file : int
        Index of the file.
    offsets : array of int64, shape (calls, extents of a call)
        Where the extents lie.
    extent : int
        The length of each extent in bytes.

    Attributes
    ----------
    buffer : memoryview
        What the calls write.
    """

    def __init__(self, content: Content, file: int, offsets: Offsets, extent: int) -> None:
        self.buffer = aligned_buffer(offsets.shape[1] * extent)
        self._rows = np.frombuffer(self.buffer, np.uint8).reshape(-1, extent)
        self._calls = iter(offsets.tolist())
        self._content, self._file = content, file

    def __call__(self) -> None:
        """Fill the buffer for the next call."""
        for row, offset in zip(self._rows, next(self._calls), strict=True):
            self._content.fill(row, self._file, offset)


class Checker:
    """Compares what each call read with what must be there.

    Parameters
    ----------
    content, file, offsets, extent
        See `Filler`.
    rank : int
        The rank that reads.
    report : callable
        Gets every `Mismatch`.

    Attributes
    ----------
    buffer : memoryview
        Where the calls read to.
    right, wrong : int
        Bytes found as they must be, and others.
    """

    def __init__(
        self,
        content: Content,
        file: int,
        offsets: Offsets,
        extent: int,
        rank: int,
        report: Callable[[Mismatch], None],
    ) -> None:
        self.buffer = aligned_buffer(offsets.shape[1] * extent)
        self.right = self.wrong = 0
        self._rows = np.frombuffer(self.buffer, np.uint8).reshape(-1, extent)
        self._calls = iter(offsets.tolist())
        self._content, self._file, self._rank = content, file, rank
        self._report = report

    def __call__(self) -> bool:
        """Check the next call's bytes and spoil the buffer; never ends the phase."""
        for row, offset in zip(self._rows, next(self._calls), strict=True):
            found = self._content.check(row, self._file, offset, self._rank)
            bad = 0 if found is None else found.count
            self.right += len(row) - bad
            self.wrong += bad
            if found is not None:
                self._report(found)
        self._rows[:] = 0
        return False
