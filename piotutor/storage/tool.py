"""How a file system's own tool is asked: no shell, in English, not longer than so many seconds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from piotutor.programs import last_line
from piotutor.storage.striping import LayoutError

SECONDS = 10.0
"""A file system that hangs must not hang us."""
_ENGLISH = {"LC_ALL": "C", "LANGUAGE": "C"}


def ask(argv: Sequence[str], timeout: float = SECONDS) -> str:
    """Run a tool and return what it printed.

    Parameters
    ----------
    argv : sequence of str
        Its words. It reads nothing, and everything that it starts ends with it.
    timeout : float
        Seconds after which it is ended.

    Raises
    ------
    LayoutError
        It is missing, can't be started, gives no answer in time or complains.
    """
    name = argv[0]
    if shutil.which(name) is None:
        raise LayoutError(f"{name} is not on the PATH: load the site's module of that file system")
    try:
        tool = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_ENGLISH},
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise LayoutError(f"{name} can't be started: {error}") from None
    with tool:
        try:
            answer, complaint = tool.communicate(timeout=timeout)
        except BaseException as error:
            with suppress(OSError):
                os.killpg(tool.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise LayoutError(f"{name} gave no answer in {timeout:g} s") from None
            raise
    if tool.returncode:
        said = last_line(complaint) or last_line(answer) or f"it ended with {tool.returncode}"
        raise LayoutError(f"{name}: {said[:300]}")
    return answer
