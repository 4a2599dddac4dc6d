"""What a relay and its senders say to each other, and what neither of them accepts.

A sender begins with `HELLO` and the run's token. The relay answers with the job file, as a frame;
after that the sender sends frames, each a `HEAD`, a name and bytes:

===========  ===================================================================================
`WRITE`      bytes for a trace file, at an offset
`WHOLE`      a small file, all of it
`CHECK`      a file is complete: its size as the offset, and the CRC-32 of all of it as its bytes;
             the relay cuts its copy to that size, and answers a `CHECK` with one byte: 1 if the
             copy is the same
===========  ===================================================================================
"""

from __future__ import annotations

import re
import socket
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

HELLO = b"PIOTUTOR-RELAY-1 "
TOKEN = 64
"""Characters of a token."""
WRITE, WHOLE, CHECK, JOB = 1, 2, 3, 4
PIECE = 1 << 20
"""Bytes of one frame, at most."""
HEAD = struct.Struct("<BBQI")
_NAME = 40
_TRACES = re.compile(r"rank-\d{5}\.piot|below-\d{5}-\d{1,10}(-\d{1,3})?\.piot").fullmatch
_NOTES = re.compile(r"(error-\d{5}|worker)\.json").fullmatch


class FrameError(Exception):
    """What came isn't a frame that may be sent."""


class Frame(NamedTuple):
    """One message.

    Attributes
    ----------
    kind
        `WRITE`, `WHOLE`, `CHECK` or `JOB`.
    name
        The file's name, in ASCII, without a directory.
    offset
        Where its bytes belong, or the size of the file.
    data
        The bytes.
    """

    kind: int
    name: str
    offset: int = 0
    data: bytes = b""


def path_of(run_dir: Path, name: str) -> Path:
    """Return where a file with that name lies in a run directory.

    Raises
    ------
    FrameError
        No rank leaves a file of that name.
    """
    if _TRACES(name) or name == "clocks.json":
        return run_dir / "trace" / name
    if _NOTES(name):
        return run_dir / name
    raise FrameError(f"{name!r} is no file of a rank")


def is_trace(name: str) -> bool:
    """Say whether a name is that of a trace file, which grows."""
    return _TRACES(name) is not None


def send(connection: socket.socket, frame: Frame) -> None:
    """Send a frame."""
    name = frame.name.encode("ascii")
    head = HEAD.pack(frame.kind, len(name), frame.offset, len(frame.data))
    connection.sendall(b"".join((head, name, frame.data)))


def receive(connection: socket.socket) -> Frame | None:
    """Receive a frame; None where the other side has ended.

    Raises
    ------
    FrameError
        It is none, or larger than any is.
    OSError
        The connection broke, or took too long.
    """
    head = _read(connection, HEAD.size, ending=True)
    if not head:
        return None
    kind, name, offset, size = HEAD.unpack(head)
    if kind not in (WRITE, WHOLE, CHECK, JOB) or name > _NAME or size > PIECE:
        raise FrameError("what came is no frame")
    text = _read(connection, name).decode("ascii", "replace")
    return Frame(kind, text, offset, _read(connection, size))


def _read(connection: socket.socket, size: int, *, ending: bool = False) -> bytes:
    """Read so many bytes; fewer only at the end between two frames."""
    data = bytearray()
    while len(data) < size:
        part = connection.recv(min(size - len(data), 1 << 16))
        if not part:
            if ending and not data:
                return b""
            raise FrameError("the connection ended within a frame")
        data += part
    return bytes(data)


def checksum(path: Path) -> tuple[int, bytes]:
    """Return the size of a file and the CRC-32 of all of it."""
    crc = size = 0
    with path.open("rb") as stream:
        while part := stream.read(PIECE):
            crc, size = zlib.crc32(part, crc), size + len(part)
    return size, crc.to_bytes(4, "little")
