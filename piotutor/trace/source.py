"""One trace file: its header, its names and its whole records, or what is wrong with it."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from piotutor.trace.record import (
    HEADER,
    MAGIC,
    PROVENANCES,
    RECORD,
    VERSION,
    Layer,
    Op,
    State,
    TraceError,
)

_FRAME = struct.Struct("<III")  # records, compressed bytes, crc32 of these
_FRAME_RECORDS = 4096
_MAX_HEADER = 1 << 28
_LAST_LAYER, _LAST_OP = int(max(Layer)), int(max(Op))

Complain = Callable[[str], None]


@dataclass
class Source:
    """What one trace file holds, apart from its records."""

    path: Path
    header: np.void
    files: list[str]
    writer: str
    provenance: str
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        """Whether its writer has finished."""
        return bool(self.header["state"] & State.CLOSED)

    @property
    def booted(self) -> int:
        """When its writer's clock was at 0, by the clock of the day: ns since 1970."""
        return int(self.header["wall"]) - int(self.header["monotonic"])


def parse_header(raw: bytes, path: Path) -> np.void:
    """Check the 128 bytes at the front of a trace file.

    Raises
    ------
    TraceError
        If the file is empty, too short, foreign, of another version, or damaged.
    """
    if not raw:
        raise TraceError(f"{path}: is empty, not a trace")
    if len(raw) >= len(MAGIC) and not raw.startswith((MAGIC, bytes(len(MAGIC)))):
        raise TraceError(f"{path}: is not a piotutor trace")
    if len(raw) < HEADER.itemsize or not raw.startswith(MAGIC):
        raise TraceError(f"{path}: is truncated: it ends before its header is complete")
    header: np.void = np.frombuffer(raw, HEADER, 1)[0]
    if header["version"] != VERSION:
        found = f"format {header['version']}, and this piotutor reads format {VERSION}"
        raise TraceError(f"{path}: was written in {found}")
    if header["record_bytes"] != RECORD.itemsize:
        raise TraceError(f"{path}: damaged header: records of {header['record_bytes']} bytes")
    size, text = int(header["header_bytes"]), int(header["text_bytes"])
    if not HEADER.itemsize + text <= size <= _MAX_HEADER:
        raise TraceError(f"{path}: damaged header: {text} bytes of names in {size}")
    return header


def parse_text(raw: bytes, path: Path) -> tuple[dict[str, Any], list[str]]:
    """Read the text area of a header: its first object, and all file names.

    Raises
    ------
    TraceError
        If it isn't the JSON that a writer puts there.
    """
    try:
        text = raw.decode("utf-8", "surrogateescape").removesuffix("\n")
        lines = [json.loads(line) for line in text.split("\n")]
        first = lines[0]
        files = [str(name) for name in first["files"]] + [str(line["file"]) for line in lines[1:]]
        known = first["provenance"] in PROVENANCES and isinstance(first["notes"], dict)
    except (ValueError, LookupError, TypeError, RecursionError):
        known = False
    if not known:
        raise TraceError(f"{path}: damaged header: its names and notes can't be read")
    return first, files


def read_source(path: Path, complain: Complain) -> tuple[Source, np.ndarray]:
    """Read one trace file.

    Parameters
    ----------
    path : Path
        The file.
    complain : callable
        Called with one line for each damage that can be survived; may raise.

    Returns
    -------
    source : Source
    records : numpy.ndarray
        Every whole record, in the order of the file; ``parent`` indexes this array.
    """
    try:
        with path.open("rb") as stream:
            header = parse_header(stream.read(HEADER.itemsize), path)
            source = _describe(stream.read(int(header["text_bytes"])), header, path, complain)
            stream.seek(int(header["header_bytes"]))
            read = _read_frames if header["state"] & State.COMPACT else _read_plain
            records = read(stream, header, path, complain)
    except OSError as error:
        raise TraceError(f"{path}: can't be read: {error.strerror}") from None
    return source, keep_whole(records, path, complain)


def _describe(raw: bytes, header: np.void, path: Path, complain: Complain) -> Source:
    first: dict[str, Any] = {"writer": "?", "provenance": "measured", "notes": {}}
    files: list[str] = []
    try:
        first, files = parse_text(raw, path)
    except TraceError as error:
        complain(str(error))
    return Source(
        path, header, files, str(first.get("writer")), first["provenance"], first["notes"]
    )


def _read_plain(stream: IO[bytes], header: np.void, path: Path, complain: Complain) -> np.ndarray:
    count = int(header["count"])
    start = int(header["header_bytes"])
    held = max(0, path.stat().st_size - start) // RECORD.itemsize
    if held < count:
        complain(f"{path}: is truncated: its header counts {count:,} records, it holds {held:,}")
    return np.fromfile(stream, RECORD, min(count, held))


def _read_frames(stream: IO[bytes], header: np.void, path: Path, complain: Complain) -> np.ndarray:
    parts: list[np.ndarray] = []
    held = 0
    while head := stream.read(_FRAME.size):
        part = _read_frame(stream, head)
        if part is None:
            complain(f"{path}: is truncated or damaged after {held:,} records")
            break
        parts.append(part)
        held += len(part)
    if held != header["count"]:
        complain(f"{path}: its header counts {header['count']:,} records, it holds {held:,}")
    return np.concatenate(parts) if parts else np.empty(0, RECORD)


def _read_frame(stream: IO[bytes], head: bytes) -> np.ndarray | None:
    """Read one frame of a compact trace; None if it isn't whole."""
    if len(head) < _FRAME.size:
        return None
    records, size, crc = _FRAME.unpack(head)
    limit = _FRAME_RECORDS * RECORD.itemsize
    if records > _FRAME_RECORDS or size > 2 * limit:
        return None
    packed = stream.read(size)
    if len(packed) < size or zlib.crc32(packed) != crc:
        return None
    try:
        plain = zlib.decompressobj().decompress(packed, limit)
    except zlib.error:
        return None
    if len(plain) != records * RECORD.itemsize:
        return None
    columns = np.frombuffer(plain, np.uint8).reshape(RECORD.itemsize, records)
    part: np.ndarray = np.ascontiguousarray(columns.T).view(RECORD).reshape(records)
    return part


def write_frames(stream: IO[bytes], records: np.ndarray) -> None:
    """Write records compactly: column after column, compressed, some thousands at a time."""
    for start in range(0, len(records), _FRAME_RECORDS):
        part = np.ascontiguousarray(records[start : start + _FRAME_RECORDS])
        columns = part.view(np.uint8).reshape(len(part), RECORD.itemsize).T
        packed = zlib.compress(columns.tobytes())
        stream.write(_FRAME.pack(len(part), len(packed), zlib.crc32(packed)) + packed)


def whole(records: np.ndarray) -> np.ndarray:
    """Tell for each record whether it can be one (a mask)."""
    layer, op = records["layer"], records["op"]
    known: np.ndarray = (layer > 0) & (layer <= _LAST_LAYER) & (op > 0) & (op <= _LAST_OP)
    known &= records["end"] >= records["start"]
    return known


def keep_whole(records: np.ndarray, path: Path, complain: Complain) -> np.ndarray:
    """Drop records that were claimed and never filled, and complain of impossible ones."""
    keep = whole(records)
    if keep.all():
        return records
    damaged = np.flatnonzero(~keep & (records["layer"] > 0))
    if len(damaged):
        complain(f"{path}: {len(damaged):,} damaged records, the first is number {damaged[0]:,}")
    kept = records[keep]
    place = np.append(np.cumsum(keep) - 1, -1)
    place[:-1][~keep] = -1
    kept["parent"] = place[clip_parent(kept["parent"], len(records))]
    return np.asarray(kept)


def clip_parent(parent: np.ndarray, n: int) -> np.ndarray:
    """Return `parent` with everything that is no index below `n` turned into -1."""
    clipped: np.ndarray = np.where((parent >= 0) & (parent < n), parent, -1)
    return clipped
