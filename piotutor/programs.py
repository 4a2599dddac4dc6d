"""Other programs, asked: no shell, nothing to read, and not for longer than so many seconds."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence


def ask(
    argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program that may be missing, may hang, and may print what isn't text.

    Parameters
    ----------
    argv : sequence of str
        Its words. It reads nothing.
    timeout : float
        Seconds after which it is ended.
    env : mapping, optional
        Variables, besides our own.

    Returns
    -------
    subprocess.CompletedProcess
        What it printed and how it ended, well or not.

    Raises
    ------
    OSError
        It can't be started.
    subprocess.TimeoutExpired
        It gave no answer in time.
    """
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        env={**os.environ, **(env or {})},
    )


def first_line(text: str) -> str:
    """Return the first line that isn't empty."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def last_line(text: str) -> str:
    """Return the last line that isn't empty: of a traceback, the error itself."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
