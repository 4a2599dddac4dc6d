"""Run one step of the setup: its output goes to a log, dots and seconds to the screen.

Usage: step.py LOG "what it does" COMMAND [ARGUMENT ...]

The command gets a process group of its own, which ends with this program, so that nothing is
still compiling after Ctrl-C. Exits as the command does, or with 69 where it met no network.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

NO_NETWORK = 69
SIGNS = ("connection broken", "dns error", "tcp connect error", "temporary failure resolving")


def main(log: str, what: str, *command: str) -> int:
    """Run the command, show that it goes on, and say in one line why it failed."""
    began = time.monotonic()
    print(f"piotutor: {what} ", end="", flush=True)
    with Path(log).open("a", encoding="utf-8") as out:
        out.write(f"\n### {what}: {' '.join(command)}\n")
        out.flush()
        start = out.tell()
        status = _run(command, out)
    print(f" {time.monotonic() - began:.0f} s", flush=True)
    if not status:
        return 0
    said = _said(log, start)
    if any(sign in line.lower() for line in said for sign in SIGNS):
        print("piotutor: that failed: there is no network", flush=True)
        return NO_NETWORK
    print(f"piotutor: that failed: {_reason(said)} (all of it: {log})", flush=True)
    return status


def _run(command: tuple[str, ...], out: object) -> int:
    """Run the command; a signal to us ends its whole group, whenever it comes."""
    stopped: list[int] = []
    for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda signum, frame: stopped.append(signum))
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    except OSError as error:
        print(error, file=out)
        return 127
    shown = time.monotonic()
    while True:
        try:
            return child.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            if stopped:
                _end(child)
                return 128 + stopped[0]
            if time.monotonic() - shown > 3:
                shown += 3
                print(".", end="", flush=True)


def _end(child: subprocess.Popen[bytes]) -> None:
    os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=3)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _said(log: str, start: int) -> list[str]:
    with Path(log).open(encoding="utf-8", errors="replace") as lines:
        lines.seek(start)
        return [line.strip() for line in lines if line.strip()]


def _reason(said: list[str]) -> str:
    errors = [line for line in said if line.lower().startswith(("error", "e:", "fatal"))]
    return (errors or said or ["it said nothing"])[-1][:200]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
