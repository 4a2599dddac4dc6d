"""The relay: takes trace files from hosts that don't see the run directory, and writes them there.

``python -m piotutor.launch.relay RUN ADDRESS[:PORT]`` is started by the guard. It listens on that
address only, prints where and a token for this run, and ends when its standard input does: once
nobody is connected any more, or `PATIENCE` later. Who doesn't begin with the token is cut off.
Only files that ranks leave are written, only new ones, into this run's directory, up to a bound.
"""

from __future__ import annotations

import errno
import hmac
import json
import os
import secrets
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from piotutor.launch import away, limits, processes
from piotutor.launch.frames import (
    CHECK,
    HELLO,
    JOB,
    TOKEN,
    WHOLE,
    WRITE,
    Frame,
    FrameError,
    checksum,
    path_of,
    receive,
    send,
)

PATIENCE = 15.0
"""Seconds after the ranks' end in which senders may finish."""
FIRST = 5.0
"""Seconds in which someone who connects must have shown the token."""
LOG = "relay.log"
"""In a run directory: what the relay had to say."""
SILENCE = 600.0
"""Seconds after which a sender that says nothing is cut off."""
MOST = 256
"""Connections at once."""


class Files:
    """The files that came through a relay.

    Parameters
    ----------
    run_dir : Path
        Where they go.
    most : int
        Bytes that all of them may take together.
    """

    def __init__(self, run_dir: Path, most: int) -> None:
        self.run_dir = run_dir
        self.most = most
        self._mine: set[str] = set()
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, frame: Frame) -> bytes:
        """Do what a frame says; return the answer, mostly none.

        Raises
        ------
        FrameError
            It isn't allowed.
        """
        path = path_of(self.run_dir, frame.name)
        with self._lock:
            if frame.kind == WHOLE:
                return self._replace(path, frame)
            write = frame.kind == WRITE
            self._account(frame.name, frame.offset + (len(frame.data) if write else 0))
            with self._file(path, frame.name) as file:
                if write:
                    os.pwrite(file.fileno(), frame.data, frame.offset)
                    return b""
                os.ftruncate(file.fileno(), frame.offset)
        return b"\1" if checksum(path) == (frame.offset, frame.data) else b"\0"

    def _replace(self, path: Path, frame: Frame) -> bytes:
        self._account(frame.name, len(frame.data))
        part = path.with_name(path.name + ".relayed")
        part.write_bytes(frame.data)
        part.replace(path)
        return b""

    def _file(self, path: Path, name: str) -> BinaryIO:
        """Return a trace file that is ours; one that was there before is not."""
        new = 0 if name in self._mine else os.O_CREAT | os.O_EXCL
        try:
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | new, 0o600)
        except FileExistsError:
            raise FrameError(f"{name} is there already") from None
        self._mine.add(name)
        return os.fdopen(handle, "r+b")

    def _account(self, name: str, size: int) -> None:
        sizes = self._sizes | {name: max(size, self._sizes.get(name, 0))}
        if sum(sizes.values()) > self.most:
            raise FrameError(f"more than {self.most:,} bytes")
        self._sizes = sizes


class Relay:
    """A server for the senders of one run.

    Parameters
    ----------
    run_dir : Path
        The run directory.
    address : str
        Where to listen: ``HOST`` or ``HOST:PORT``; port 0 is any free one.
    token : str
        What senders have to know.

    Raises
    ------
    OSError
        It can't listen there.
    """

    def __init__(self, run_dir: Path, address: str = "127.0.0.1", token: str = "") -> None:
        host, _, port = address.partition(":")
        self.token = token or secrets.token_hex(TOKEN // 2)
        self.files = Files(run_dir, 2 * limits.TRACE)
        self.server = socket.create_server((host, int(port or 0)), backlog=64)
        self.address = f"{host}:{self.server.getsockname()[1]}"
        self.busy: set[threading.Thread] = set()

    def serve(self, until: int) -> None:
        """Serve until a descriptor ends, and the senders then connected are done.

        Parameters
        ----------
        until : int
            A descriptor that nothing is written to.
        """
        last = float("inf")
        while time.monotonic() < last and not (last < float("inf") and not self.busy):
            server, ending = self.server.fileno(), last < float("inf")
            watched = [server] if ending else [server, until]
            ready, _, _ = select.select(watched, [], [], 0.05 if ending else None)
            if until in ready:
                last = time.monotonic() + PATIENCE
            if server in ready:
                self._accept()

    def _accept(self) -> None:
        connection, _ = self.server.accept()
        if len(self.busy) >= MOST:
            connection.close()
            return
        thread = threading.Thread(target=self._talk, args=(connection,), daemon=True)
        self.busy.add(thread)
        thread.start()

    def _talk(self, connection: socket.socket) -> None:
        """Serve one sender; whatever it does wrong ends its connection, and nothing else."""
        try:
            with connection:
                connection.settimeout(FIRST)
                if self._knows_token(connection):
                    connection.settimeout(SILENCE)
                    self._listen(connection)
        except (FrameError, OSError) as error:
            print(f"relay: a connection was ended: {error}", file=sys.stderr, flush=True)
        finally:
            self.busy.discard(threading.current_thread())

    def _knows_token(self, connection: socket.socket) -> bool:
        wanted = HELLO + self.token.encode()
        last, given = time.monotonic() + FIRST, b""
        while len(given) < len(wanted) and time.monotonic() < last:
            part = connection.recv(len(wanted) - len(given))
            if not part:
                return False
            given += part
        if not hmac.compare_digest(given, wanted):
            raise FrameError("it didn't know the token")
        return True

    def _listen(self, connection: socket.socket) -> None:
        job = (self.files.run_dir / "job.json").read_bytes()
        send(connection, Frame(JOB, "job.json", 0, job))
        while frame := receive(connection):
            if frame.kind == JOB:
                raise FrameError("it sent a job")
            answer = self.files.take(frame)
            if frame.kind == CHECK:
                send(connection, Frame(CHECK, frame.name, 0, answer))


class Started:
    """A relay as a process, as its guard sees it.

    Parameters
    ----------
    run_dir : Path
        The run directory.
    address : str
        Where it is to listen.

    Attributes
    ----------
    env
        What ranks have to know.

    Raises
    ------
    OSError
        It can't listen there; the text says why.
    """

    def __init__(self, run_dir: Path, address: str) -> None:
        self.log = run_dir / LOG
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "piotutor.launch.relay", str(run_dir), address],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, processes.MARK: str(run_dir)},
                start_new_session=True,
            )
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            line = stdout.readline() if select.select([stdout], [], [], PATIENCE)[0] else b""
        if not line:
            self.close()
            raise OSError(errno.EADDRNOTAVAIL, self._last() or f"no relay on {address}")
        told = json.loads(line)
        self.env = {away.ADDRESS: told["address"], away.TOKEN: told["token"]}

    def finish(self) -> str:
        """Wait for the senders to be done, but not for ever; say what is wrong, if anything is."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            code = self.process.wait(PATIENCE + 5.0)
        except subprocess.TimeoutExpired:
            code = -1
        return "" if code == 0 else self._last() or f"the relay ended with code {code}"

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()

    def _last(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")


def main(arguments: Sequence[str]) -> int:
    """Serve the run directory that is named."""
    run_dir, address = arguments
    try:
        relay = Relay(Path(run_dir), address)
    except (OSError, OverflowError) as error:
        print(f"no relay can listen on {address}: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"address": relay.address, "token": relay.token}), flush=True)
    with suppress(KeyboardInterrupt):
        relay.serve(0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
