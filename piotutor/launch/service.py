"""The program that a storage needs beside the ranks (its servers, say), as its guard sees it.

It is started before the ranks, with a pipe as its standard input. When it can be used it writes
``RUN/storage-ready.json``, whole: `Ready`. If it can't go on it writes ``{"problem": one line}``
to ``RUN/storage-error.json``, whole and at once, and exits; what it prints is kept in
``RUN/storage.log``, whose last line has to do where there is no such file. A line ``stop`` on its
standard input, after the ranks ended well, asks for its last records and its end; the pipe's end
says that the guard is dead.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from piotutor.launch import processes
from piotutor.storage.beside import ERROR, READY

LOG = "storage.log"
"""What it prints, in the run directory; `READY` and `ERROR` are its own words."""
START = 60.0
"""Seconds until it must be ready."""
FINISH = 15.0
"""Seconds that it may take to end, once asked."""
TICK = 0.02


class BrokenError(Exception):
    """The storage can't be used, or not any more; the text says why, in one line."""


@dataclass(frozen=True)
class Ready:
    """What a storage that is up tells the guard, and whoever looks at the run later.

    Attributes
    ----------
    env
        Variables for the ranks.
    argv_prefix
        Words before the command that starts the ranks.
    environment
        For the run's ``environment``.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    argv_prefix: Sequence[str] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, run_dir: Path) -> Ready | None:
        """Read it from a run directory; None if it isn't there (yet), ValueError if damaged."""
        try:
            told = cls(**json.loads((run_dir / READY).read_text()))
            words = [*dict(told.env).items(), told.argv_prefix]
            if not all(isinstance(word, str) for pair in words for word in pair):
                raise ValueError(f"{words} aren't words")
            return replace(told, environment=dict(told.environment))
        except FileNotFoundError:
            return None
        except (OSError, TypeError) as error:
            raise ValueError(str(error)) from None


class Service:
    """One such program, started.

    Parameters
    ----------
    argv : sequence of str
        Its command.
    run_dir : Path
        The run directory.
    temporary : str
        Its directory for temporary files; empty for the usual one.
    """

    def __init__(self, argv: Sequence[str], run_dir: Path, temporary: str = "") -> None:
        self._run_dir = run_dir
        place = {"TMPDIR": temporary} if temporary else {}
        with (run_dir / LOG).open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **place, processes.MARK: str(run_dir)},
                cwd=run_dir,
                start_new_session=True,
            )

    def wait(self, pause: Callable[[float], None]) -> Ready:
        """Wait until it is ready.

        Parameters
        ----------
        pause : callable
            Waits for some seconds; raises to give up.

        Raises
        ------
        BrokenError
            It has ended, takes too long, or says what isn't understood.
        """
        last = time.monotonic() + START
        while True:
            try:
                ready = Ready.read(self._run_dir)
            except ValueError as error:
                raise BrokenError(f"the storage's answer can't be read: {error}") from None
            if ready:
                return ready
            self.check()
            if time.monotonic() > last:
                said = self._last_words()
                late = f"the storage wasn't ready after {START:g} s"
                raise BrokenError(f"{late}: {said}" if said else late)
            pause(TICK)

    def check(self) -> None:
        """Raise `BrokenError` if it has ended, or says that it must."""
        code, trouble = self._process.poll(), problem(self._run_dir)
        if trouble:
            raise BrokenError(trouble)
        if code is not None:
            said = self._last_words() or "the storage's program has ended and said nothing"
            raise BrokenError(f"{said} (code {code})")

    def finish(self, pause: Callable[[float], None]) -> str:
        """Ask for its end and wait for it; return what went wrong, empty if nothing did."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.write(b"stop\n")
            self._process.stdin.flush()
        last = time.monotonic() + FINISH
        while self._process.poll() is None and time.monotonic() < last:
            pause(TICK)
        if self._process.poll() is None:
            return f"it didn't end within {FINISH:g} s"
        if not self._process.returncode:
            return ""
        return problem(self._run_dir) or self._last_words() or "its program failed"

    def close(self) -> None:
        """Close the pipe, after its end."""
        with suppress(OSError, subprocess.TimeoutExpired):
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(processes.PATIENCE)

    def _last_words(self) -> str:
        lines = []
        with suppress(OSError):
            text = (self._run_dir / LOG).read_text(errors="replace")
            lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1][:500] if lines else ""


def problem(run_dir: Path) -> str:
    """Return what a storage said of its own end in a run directory; empty if nothing."""
    try:
        said = json.loads((run_dir / ERROR).read_text())["problem"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return " ".join(str(said).split())
