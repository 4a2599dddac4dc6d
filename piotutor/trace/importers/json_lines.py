"""Files of JSON, one object a line, perhaps compressed, perhaps cut off."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from piotutor.trace.record import TraceError

_BLOCK = 16384  # lines that are parsed at a time
_HEAD = 1 << 16  # bytes that are looked at to know a file
_PACKED = b"\x1f\x8b"
_FRAME = ("", "[", "]")  # lines that stand around the objects


def head(path: Path, size: int = 4096) -> str:
    """Return how the text of a file begins, as far as it is text."""
    with path.open("rb") as stream:
        raw = stream.read(_HEAD)
    if raw.startswith(_PACKED):
        try:
            raw = zlib.decompressobj(wbits=31).decompress(raw, size)
        except zlib.error:
            return ""
    return raw[:size].decode("utf-8", "replace")


def blocks(path: Path, damage: list[str]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield the objects of a file, some thousands at a time, and the line that each lot begins in.

    A file that ends early is read up to there, and one line is added to `damage`.

    Raises
    ------
    TraceError
        It is no text, or a line of it no object.
    """
    seen = 0
    try:
        with _open(path) as stream:
            whole = _until_cut(stream, path, damage)
            while lines := list(islice(whole, _BLOCK)):
                yield seen + 1, _parse(lines, path, seen, damage)
                seen += len(lines)
    except (UnicodeDecodeError, gzip.BadGzipFile):
        raise TraceError(f"{path}: is no text, from line {seen + 1:,} on at the latest") from None
    except OSError as error:
        raise TraceError(f"{path}: can't be read: {error.strerror}") from None


def _until_cut(stream: TextIO, path: Path, damage: list[str]) -> Iterator[str]:
    """Yield the lines of a file that may end in the middle of what is packed."""
    try:
        yield from stream
    except (EOFError, zlib.error):
        damage.append(f"{path}: is cut off or damaged")


def _open(path: Path) -> TextIO:
    with path.open("rb") as stream:
        packed = stream.read(2) == _PACKED
    if packed:
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _parse(lines: list[str], path: Path, seen: int, damage: list[str]) -> list[dict[str, Any]]:
    """Parse lines; only one that isn't ended, the last, may be no object."""
    texts = [line.strip().removesuffix(",") for line in lines]
    if not lines[-1].endswith("\n") and texts[-1] not in _FRAME and not _whole(texts[-1]):
        texts.pop()
        damage.append(f"{path}: is cut off in line {seen + len(lines):,}")
    joined = ",".join(text for text in texts if text not in _FRAME)
    try:
        found: list[dict[str, Any]] = json.loads(f"[{joined}]")
    except (ValueError, RecursionError):
        found = []
    if (found and all(isinstance(one, dict) for one in found)) or not joined:
        return found
    bad = next((at for at, text in enumerate(texts) if text not in _FRAME and not _whole(text)), 0)
    raise TraceError(f"{path}: is damaged: line {seen + bad + 1:,} is no JSON object")


def _whole(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
