"""Commands on other hosts, through ssh or what stands for it: all at once, for so long at most."""

from __future__ import annotations

import math
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


def reach(remote: str, host: str, command: Sequence[str], wait: float) -> list[str]:
    """Return the command line that runs a command on a host, through ssh or what stands for it.

    The words are quoted for the shell there; ssh asks no questions.
    """
    ssh = Path(remote).name == "ssh"
    quiet = ["-x", "-oBatchMode=yes", f"-oConnectTimeout={math.ceil(wait)}"] if ssh else []
    return [remote, *quiet, host, shlex.join(command)]


@dataclass(frozen=True)
class Answer:
    """How a command on a host ended.

    Attributes
    ----------
    code
        Its exit code; None: it didn't end in time, or couldn't be started.
    why
        Its last words.
    """

    code: int | None
    why: str


def run_on(commands: Mapping[str, Sequence[str]], wait: float) -> dict[str, Answer]:
    """Run a command for each host, all at once, and end those that take too long.

    Parameters
    ----------
    commands : mapping of str to sequence of str
        The command lines, by host.
    wait : float
        Seconds for all.
    """
    last = time.monotonic() + wait
    started = {host: _start(argv) for host, argv in commands.items()}
    return {host: _finish(process, last, wait) for host, process in started.items()}


def _start(argv: Sequence[str]) -> subprocess.Popen[str] | str:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return f"{argv[0]}: {error.strerror}"


def _finish(process: subprocess.Popen[str] | str, last: float, wait: float) -> Answer:
    if isinstance(process, str):
        return Answer(None, process)
    with process:
        try:
            output, _ = process.communicate(timeout=max(0.0, last - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Answer(None, f"no answer within {wait:g} s")
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return Answer(process.returncode, lines[-1] if lines else f"code {process.returncode}")
