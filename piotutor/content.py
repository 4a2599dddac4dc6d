"""What the bytes of a file must be, so that any reader can verify any range of it.

Byte ``x`` of a file is ``table[x % PERIOD]``, where the table holds pseudo-random bytes drawn from
(seed, file). `PERIOD` is prime to the page, so that no two pages within 16 MiB look alike. The
first 16 bytes of each page are a stamp: seed, file and the offset of the page, mixed so that each
half depends on all three. A reader that finds other bytes can therefore say what it found: holes,
data of another place, of another file, or of an earlier repetition (each has its own seed).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

PERIOD = 4093
"""Length of the table of random bytes: the greatest prime below the page."""
PAGE = 4096
"""Distance of the stamps in the file, in bytes."""
STAMP = 16
"""Length of a stamp in bytes: seed and file, 4 bytes each, then the page's offset, 8 bytes."""

_MIX = np.uint64(0x9E3779B97F4A7C15)

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """Bytes of one transfer that are not what was written.

    Attributes
    ----------
    file : int
        Index of the file.
    rank : int
        The rank that read the bytes.
    offset, count : int
        Offset of the first bad byte in the file, and how many bytes are bad.
    found : str
        What stands there instead, as far as the stamps tell.
    writer : int
        The rank that should have written the first bad byte; -1 if none.
    """

    file: int
    rank: int
    offset: int
    count: int
    found: str = ""
    writer: int = -1

    def __str__(self) -> str:
        by = f" (written by rank {self.writer})" if self.writer >= 0 else ""
        what = f": {self.found}" if self.found else ""
        return (
            f"file {self.file}: rank {self.rank} read {self.count:,} bad bytes, "
            f"the first at offset {self.offset:,}{by}{what}"
        )

    def to_dict(self) -> dict[str, int | str]:
        """Return the fields as a plain dictionary, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Content:
    """The content of all files of one repetition.

    Parameters
    ----------
    seed : int
        0 to 2**32 - 1, different for every repetition.
    """

    seed: int
    _tables: dict[int, Bytes] = field(default_factory=dict, compare=False, repr=False)

    def body(self, file: int, length: int) -> Bytes:
        """Return at least `length` bytes of the file's periodic part, without stamps."""
        table = self._tables.get(file)
        if table is None or len(table) < length:
            random = np.random.Generator(np.random.Philox(key=(self.seed << 32) | file))
            period = np.frombuffer(random.bytes(PERIOD), np.uint8)
            table = self._tables[file] = np.resize(period, length)
        return table

    def fill(self, out: Bytes, file: int, offset: int) -> None:
        """Write into `out` the bytes that the file must hold from `offset` on."""
        size, start = len(out), offset % PERIOD
        out[:] = self.body(file, PERIOD + size)[start : start + size]
        first = -offset % PAGE
        whole = max((size - STAMP - first) // PAGE + 1, 0)
        if whole:
            stamps = np.ndarray((whole, 2), "<u8", out, first, (PAGE, 8))
            pages = np.arange(whole, dtype=np.uint64) * np.uint64(PAGE) + np.uint64(offset + first)
            stamps[:] = self._stamps(file, pages)
        if first > PAGE - STAMP:
            self._cut_stamp(out, file, offset, offset + first - PAGE)
        if first + whole * PAGE < size:
            self._cut_stamp(out, file, offset, offset + first + whole * PAGE)

    def check(self, got: Bytes, file: int, offset: int, rank: int) -> Mismatch | None:
        """Compare `got`, read by `rank` from `offset` on, with what must be there."""
        want = np.empty_like(got)
        self.fill(want, file, offset)
        if np.array_equal(got, want):
            return None
        bad = np.flatnonzero(got != want)
        return Mismatch(
            file=file,
            rank=rank,
            offset=offset + int(bad[0]),
            count=len(bad),
            found=self._describe(got, want, file, offset),
        )

    def _stamps(self, file: int, pages: Words) -> Words:
        """Return the two words at the head of each page."""
        first = (pages * _MIX) ^ np.uint64(self.seed | file << 32)
        return np.stack([first, (first * _MIX) ^ pages], axis=1)

    def _cut_stamp(self, out: Bytes, file: int, offset: int, page: int) -> None:
        """Write the part of one page's stamp that lies within `out`."""
        words = self._stamps(file, np.array([page], np.uint64))
        stamp = words.astype("<u8").view(np.uint8)[0]
        start = max(page, offset)
        stop = min(page + STAMP, offset + len(out))
        out[start - offset : stop - offset] = stamp[start - page : stop - page]

    def _describe(self, got: Bytes, want: Bytes, file: int, offset: int) -> str:
        """Say in a few words what the bad bytes are."""
        if not got[got != want].any():
            return "zeros, as in a hole: never written, or lost"
        for page in range(-offset % PAGE, len(got) - STAMP + 1, PAGE):
            head = slice(page, page + STAMP)
            stamp = read_stamp(got[head])
            if not np.array_equal(got[head], want[head]) and stamp.is_told_by(got[page:][:PAGE]):
                return self._foreign(stamp, file)
        return ""

    def _foreign(self, stamp: Stamp, file: int) -> str:
        if stamp.seed != self.seed:
            return f"data of another repetition or run ({stamp.seed - self.seed:+d})"
        if stamp.file != file:
            return f"data of file {stamp.file}"
        return f"data of offset {stamp.offset:,}"


@dataclass(frozen=True)
class Stamp:
    """The mark at the head of a page: seed, index of the file, offset of the page."""

    seed: int
    file: int
    offset: int

    def is_told_by(self, page: Bytes) -> bool:
        """Tell whether the bytes of a page, or its beginning, are what this stamp promises."""
        if self.offset % PAGE or self.offset >= 1 << 62:
            return False
        want = np.empty_like(page)
        Content(self.seed).fill(want, self.file, self.offset)
        return bool(np.array_equal(page, want))


def read_stamp(head: Bytes) -> Stamp:
    """Decode the first `STAMP` bytes of a page, whatever they are."""
    first, second = np.frombuffer(head.tobytes(), "<u8", 2)
    with np.errstate(over="ignore"):
        offset = second ^ (first * _MIX)
        identity = int(first ^ (offset * _MIX))
    return Stamp(identity & 0xFFFFFFFF, identity >> 32, int(offset))
