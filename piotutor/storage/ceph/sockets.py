"""Asking a daemon of Ceph through its admin socket: its counters, its sessions.

The protocol is Ceph's own (``src/common/admin_socket.cc``): the command in JSON and a zero byte;
the answer's length in four bytes, big-endian, and the answer.
"""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any

from piotutor.storage.ceph.monitor import CephError

SECONDS = 10.0


def ask(path: Path, prefix: str, **arguments: Any) -> Any:
    """Give a command to the daemon behind a socket; return its answer, read from JSON.

    Raises
    ------
    CephError
        It doesn't answer, or not in JSON.
    """
    words = json.dumps({"prefix": prefix, "format": "json", **arguments}).encode() + b"\0"
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(SECONDS)
            line.connect(str(path))
            line.sendall(words)
            (size,) = struct.unpack(">I", _exactly(line, 4))
            answer = _exactly(line, size)
        return json.loads(answer) if answer.strip() else None
    except (OSError, ValueError) as error:
        raise CephError(f"{path.stem} gave no answer to {prefix}: {error}") from None


def _exactly(line: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = line.recv(min(size, 1 << 16))
        if not part:
            raise ValueError("it ended")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
