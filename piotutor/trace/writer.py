"""Writing a trace without waiting: records go into mapped memory, space is reserved first.

The cheapest loop, about 100 ns a record, fills a claimed block in advance and stores three
words for each transfer::

    block = writer.claim(n)
    block.records[...] = ...                    # all but start, end and the word at byte 64
    last = tail(Layer.APP, Op.WRITE)
    for i in range(0, 10 * len(block), 10):
        words[i] = clock()
        ...                                     # the transfer
        words[i + 1] = clock()                  # words[i + 4] = result where it isn't length
        words[i + 8] = last                     # the record is whole, and readers see it

with ``words = block.words``. ``struct.pack_into("<qq", block.buffer, 80 * i, start, end)`` and
a store of the layer at ``80 * i + 64`` cost 10 to 20 ns more.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import struct
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from piotutor.trace.record import (
    HEADER,
    MAGIC,
    PROVENANCES,
    RECORD,
    VERSION,
    State,
    TraceError,
)

_CHUNK = 8192  # records reserved at a time
_TEXT = 16384 - HEADER.itemsize  # bytes for names and notes, unless they need more
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TEXT_BYTES, _COUNT, _DROPPED = 4, 5, 6  # 8-byte words of the header
_HEAD = struct.Struct("<5q6i").pack_into
_REST = struct.Struct("<xBHIQ").pack_into


class Block:
    """Consecutive records claimed from a `TraceWriter`, zeroed, for one thread to fill in order.

    Attributes
    ----------
    index : int
        Position of the first record in the file.
    records : numpy.ndarray
        Structured view (`RECORD`) of the claimed records: fewer than asked when space is out.
    buffer : memoryview
        The same bytes, writable; record ``i`` starts at byte ``80 * i``.
    words : memoryview
        The same bytes as 8-byte integers; record ``i`` starts at word ``10 * i``.
    """

    def __init__(self, index: int, buffer: memoryview) -> None:
        self.index = index
        self.buffer = buffer
        self.words = buffer.cast("q")
        self.records = np.frombuffer(buffer, RECORD)

    def __len__(self) -> int:
        return len(self.records)


class TraceWriter:
    """Write the trace of one rank (or of another single source of records).

    Parameters
    ----------
    path : path
        A new file; one that exists is refused.
    rank : int
        Rank that the records belong to; -1 for a source that isn't a rank.
    client : int
        The node that it runs on.
    files : iterable of str
        Names that the ``file`` field of records counts in.
    writer : str
        Who writes: ``app``, ``sampler``, ...
    max_bytes : int
        Bound of the trace file. Records beyond it are counted as dropped.
    provenance : str
        ``measured``, ``emulated`` or ``modelled``.
    notes : mapping
        Anything that JSON can hold; it comes back as `Trace.meta`.

    Raises
    ------
    TraceError
        If the file exists, or can't be made, or there is no room for its header.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rank: int,
        client: int = 0,
        files: Iterable[str] = (),
        writer: str = "app",
        max_bytes: int = 1 << 28,
        provenance: str = "measured",
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        if provenance not in PROVENANCES:
            raise TraceError(f"provenance {provenance!r}: use one of {', '.join(PROVENANCES)}")
        self.path = Path(path)
        self.rank, self.client = rank, client
        self.files = list(files)
        text = header_line(writer, provenance, self.files, notes or {})
        self._lock = threading.Lock()
        self._max_bytes = max_bytes
        self._full = False
        self._closed = False
        self._fd = _create(self.path)
        try:
            self._begin(text)
        except BaseException:
            os.close(self._fd)
            self.path.unlink()
            raise

    def _begin(self, text: bytes) -> None:
        """Reserve and fill the header, its magic last."""
        self._header_bytes = HEADER.itemsize + max(_TEXT, -(-2 * len(text) // 4096) * 4096)
        if _reserve(self._fd, 0, self._header_bytes) < self._header_bytes:
            raise TraceError(f"{self.path}: no room for the header of a trace")
        self._map = mmap.mmap(self._fd, self._header_bytes)
        self._words = np.frombuffer(self._map, "<u8", HEADER.itemsize // 8)
        header = np.zeros((), HEADER)
        header["version"], header["header_bytes"] = VERSION, self._header_bytes
        header["record_bytes"], header["rank"] = RECORD.itemsize, self.rank
        header["client"], header["text_bytes"] = self.client, len(text)
        header["monotonic"], header["wall"] = time.monotonic_ns(), time.time_ns()
        self._map[: HEADER.itemsize] = header.tobytes()
        self._map[HEADER.itemsize : HEADER.itemsize + len(text)] = text
        self._map[: len(MAGIC)] = MAGIC
        self._count = 0
        self._room = 0  # records that the current mapping holds in all
        self._base = 0  # index of the first record in the current mapping's view
        self._view = memoryview(bytearray())

    @property
    def count(self) -> int:
        """Records claimed so far."""
        return self._count

    @property
    def dropped(self) -> int:
        """Records that found no room."""
        return int(self._words[_DROPPED])

    def claim(self, n: int) -> Block:
        """Claim `n` consecutive records, or as many as there is room for.

        The caller counts those that don't fit with `drop`, as they happen. Fill the records in
        order: a follower looks for new ones at the front of each gap first.
        """
        with self._lock:
            room = self._make_room(n)
            index = self._count
            self._count += room
            self._words[_COUNT] = self._count
            start = (index - self._base) * RECORD.itemsize
            return Block(index, self._view[start : start + room * RECORD.itemsize])

    def append(
        self,
        *,
        layer: int,
        op: int,
        start: int,
        end: int,
        offset: int = -1,
        length: int = 0,
        result: int = 0,
        thread: int = -1,
        file: int = -1,
        target: int = -1,
        parent: int = -1,
        flags: int = 0,
        aux: int = 0,
    ) -> int:
        """Write one whole record; may be called from any thread.

        Returns
        -------
        int
            Index of the record in the file, or -1 if it was dropped (and counted).
        """
        with self._lock:
            if not self._make_room(1):
                self._words[_DROPPED] += 1
                return -1
            index, self._count = self._count, self._count + 1
            self._words[_COUNT] = self._count
            view, at = self._view, (index - self._base) * RECORD.itemsize
        head = (start, end, offset, length, result, self.rank, self.client, thread, file)
        _HEAD(view, at, *head, target, parent)
        _REST(view, at + 64, op, flags, 0, aux)
        view[at + 64] = layer
        return index

    def drop(self, k: int = 1) -> None:
        """Count `k` records that were not written."""
        with self._lock:
            self._words[_DROPPED] += k

    def add_file(self, name: str) -> int:
        """Name one more file and return its index.

        When the header has no room left for the name, readers call it ``file N``.
        """
        with self._lock:
            text, used = _line({"file": name}), int(self._words[_TEXT_BYTES])
            end = HEADER.itemsize + used + len(text)
            if end <= self._header_bytes:
                self._map[end - len(text) : end] = text
                self._words[_TEXT_BYTES] = used + len(text)
            self.files.append(name)
            return len(self.files) - 1

    def close(self) -> None:
        """Give back the space that wasn't used, and mark the file as closed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            os.ftruncate(self._fd, self._header_bytes + self._count * RECORD.itemsize)
            np.frombuffer(self._map, HEADER, 1)["state"] = State.CLOSED
            os.close(self._fd)
            self._full, self._room = True, self._count

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make_room(self, n: int) -> int:
        """Return how many of `n` records fit in the mapping, which grows where it can."""
        if self._count + n > self._room and not self._full:
            self._grow(n)
        return max(0, min(n, self._room - self._count))

    def _grow(self, n: int) -> None:
        """Reserve room for `n` more records and map all that isn't claimed."""
        end = self._header_bytes + self._room * RECORD.itemsize
        wanted = max(n - (self._room - self._count), _CHUNK) * RECORD.itemsize
        allowed = max(0, min(wanted, self._max_bytes - end)) // RECORD.itemsize
        got = _reserve(self._fd, end, allowed * RECORD.itemsize) // RECORD.itemsize
        self._full = got * RECORD.itemsize < wanted
        if not got:
            return
        self._room += got
        start = self._header_bytes + self._count * RECORD.itemsize
        page = start - start % mmap.ALLOCATIONGRANULARITY
        length = self._header_bytes + self._room * RECORD.itemsize - page
        self._view = memoryview(mmap.mmap(self._fd, length, offset=page))[start - page :]
        self._base = self._count


def header_line(
    writer: str, provenance: str, files: Iterable[str], notes: Mapping[str, Any]
) -> bytes:
    """Return the first line of the text area of a header."""
    first = {"writer": writer, "provenance": provenance, "files": list(files)}
    return _line({**first, "notes": dict(notes)})


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"


def _create(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise TraceError(f"{path}: exists already; a trace never overwrites a file") from None
    except OSError as error:
        raise TraceError(f"{path}: no trace can be made here: {error.strerror}") from None


def _reserve(fd: int, start: int, length: int) -> int:
    """Reserve bytes of the file; return how many there was room for."""
    done, step = 0, length
    while done < length and step >= RECORD.itemsize:
        step = min(step, length - done)
        if _allocate(fd, start + done, step):
            done += step
        else:
            step //= 2
    return done


def _allocate(fd: int, start: int, length: int) -> bool:
    """Reserve exactly these bytes, or nothing that matters; False when space is out."""
    allocate = getattr(os, "posix_fallocate", None)  # macOS has none
    try:
        if allocate is not None:
            with suppress(NotImplementedError):
                allocate(fd, start, length)
                return True
        return _write_zeros(fd, start, length)
    except OSError as error:
        if error.errno in _NO_SPACE:
            return False
        if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):
            return _write_zeros(fd, start, length)
        raise


def _write_zeros(fd: int, start: int, length: int) -> bool:
    """Extend a file with real blocks where the file system can't reserve them."""
    zeros = bytes(min(length, 1 << 20))
    try:
        while length > 0:
            done = os.pwrite(fd, zeros[:length], start)
            start, length = start + done, length - done
    except OSError as error:
        if error.errno in _NO_SPACE:
            return False
        raise
    return True
