"""The sender: tells a relay what the ranks of a host record, while they do and until it has all.

``python -m piotutor.launch.sender RUN`` is started by the first rank of a host that doesn't see
the run directory, in which case the directory of that name is the host's own. It ends when its
standard input does and the ranks' files are closed; then it removes that directory.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from piotutor.launch import away
from piotutor.launch.frames import (
    CHECK,
    PIECE,
    WHOLE,
    WRITE,
    Frame,
    FrameError,
    checksum,
    is_trace,
    path_of,
    receive,
    send,
)
from piotutor.trace.follow import Tail
from piotutor.trace.record import HEADER, RECORD, TraceError

TICK = 0.1
"""Seconds between two looks at the files."""
CLOSING = 5.0
"""Seconds after the first rank's end in which the others close their files."""
_PROCESS = re.compile(r"below-\d+-(\d+)").match


class Sender:
    """The files of one host's ranks, sent as they grow.

    Parameters
    ----------
    run_dir : Path
        The host's own run directory.
    connection : socket
        To the relay, with the greetings over.
    """

    def __init__(self, run_dir: Path, connection: socket.socket) -> None:
        self.run_dir = run_dir
        self.connection = connection
        self._tails: dict[str, Tail] = {}
        self._headers: dict[str, bytes] = {}
        self._seen: dict[str, tuple[int, int]] = {}

    @property
    def closed(self) -> bool:
        """Whether nobody writes to a trace file any more."""
        return all(tail.finished or not _lives(tail.path) for tail in self._tails.values())

    def look(self, *, everything: bool = False) -> None:
        """Send what is new.

        Raises
        ------
        OSError, FrameError
            The relay is gone.
        """
        for path in sorted([*self.run_dir.glob("*.json"), *self.run_dir.glob("trace/*")]):
            with suppress(FileNotFoundError):
                if is_trace(path.name):
                    self._follow(path, everything)
                elif _is_note(self.run_dir, path):
                    self._send_whole(path)

    def finish(self) -> list[str]:
        """Send all that is left, and compare; return the names of files that don't arrive whole."""
        self.look(everything=True)
        return [name for name, tail in self._tails.items() if not self._complete(tail.path)]

    def _follow(self, path: Path, everything: bool) -> None:
        """Send new records, then the header as it was before: it never counts more than is sent."""
        tail = self._tails.setdefault(path.name, Tail(path))
        header = _header(path)
        with suppress(TraceError):
            for run in tail.poll(everything, wander=True):
                self._send(path.name, tail.base + run.first * RECORD.itemsize, run.raw)
        if header != self._headers.get(path.name):
            self._send(path.name, 0, header)
            self._headers[path.name] = header

    def _send_whole(self, path: Path) -> None:
        state = path.stat()
        seen = (state.st_mtime_ns, state.st_size)
        if seen != self._seen.get(path.name) and state.st_size <= PIECE:
            send(self.connection, Frame(WHOLE, path.name, 0, path.read_bytes()))
            self._seen[path.name] = seen

    def _complete(self, path: Path) -> bool:
        """Have the relay compare its copy; if it isn't the same, send all of it again."""
        return self._check(path) or (self._send_again(path) and self._check(path))

    def _check(self, path: Path) -> bool:
        size, crc = checksum(path)
        send(self.connection, Frame(CHECK, path.name, size, crc))
        answer = receive(self.connection)
        return answer is not None and answer.data == b"\1"

    def _send_again(self, path: Path) -> bool:
        with path.open("rb") as stream:
            offset = 0
            while part := stream.read(PIECE):
                self._send(path.name, offset, part)
                offset += len(part)
        return True

    def _send(self, name: str, offset: int, data: bytes) -> None:
        for start in range(0, len(data), PIECE):
            part = data[start : start + PIECE]
            send(self.connection, Frame(WRITE, name, offset + start, part))


def follow(sender: Sender, stdin: int, ended: int) -> list[str]:
    """Send until the ranks of this host are done; return the names of what isn't whole there.

    Parameters
    ----------
    sender : Sender
        What sends.
    stdin, ended : int
        Descriptors: the one ends with the first rank, the other can be read when all must end.
    """
    while not (ready := select.select([stdin, ended], [], [], TICK)[0]):
        sender.look()
    last = time.monotonic() + CLOSING
    while ended not in ready and time.monotonic() < last:
        sender.look()
        if sender.closed:
            break
        ready = select.select([ended], [], [], TICK)[0]
    return sender.finish()


def _header(path: Path) -> bytes:
    """Return a trace file's header with its names; empty while it is only beginning."""
    with path.open("rb") as stream:
        raw = stream.read(HEADER.itemsize)
        if len(raw) < HEADER.itemsize or not raw[0]:
            return b""
        text = int(np.frombuffer(raw, HEADER)["text_bytes"][0])
        return raw + stream.read(min(text, PIECE))


def _lives(path: Path) -> bool:
    """Say whether the process that writes a file may still be there."""
    found = _PROCESS(path.name)
    return found is None or Path(f"/proc/{found[1]}").exists()


def _is_note(run_dir: Path, path: Path) -> bool:
    try:
        return path_of(run_dir, path.name) == path
    except FrameError:
        return False


def main(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Send the files of the run directory that is named."""
    run_dir = Path(arguments[0])
    woken, wake = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(wake, b"e"))
    try:
        with away.connect(environment) as connection:
            receive(connection)  # the job, which is here already
            left = follow(Sender(run_dir, connection), 0, woken)
    except (OSError, FrameError) as error:
        left = [f"nothing more of this host: {error}"]
        select.select([0, woken], [], [])  # its ranks go on, and need the directory
    finally:
        away.remove(run_dir)
    print(
        "".join(f"relay: {name} isn't complete there\n" for name in left), end="", file=sys.stderr
    )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
