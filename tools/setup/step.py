"""Run one step of the setup: its output goes to a log, dots and seconds to the screen.

Usage: step.py LOG "what it does" COMMAND [ARGUMENT ...]

The command gets a process group of its own, which ends with this program, so that nothing is
still compiling after Ctrl-C. Exits as the command does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


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
    if status:
        print(f"piotutor: that failed: {_last_line(log, start)} (all of it: {log})", flush=True)
    return status


def _run(command: tuple[str, ...], out: object) -> int:
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    except OSError as error:
        print(error, file=out)
        return 127

    def stop(signum: int, frame: object) -> None:
        os.killpg(child.pid, signal.SIGTERM)
        raise SystemExit(128 + signum)

    for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
    while True:
        try:
            return child.wait(timeout=3)
        except subprocess.TimeoutExpired:
            print(".", end="", flush=True)


def _last_line(log: str, start: int) -> str:
    with Path(log).open(encoding="utf-8", errors="replace") as lines:
        lines.seek(start)
        said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if line.lower().startswith(("error", "e:", "fatal"))]
    return (errors or said or ["it said nothing"])[-1][:200]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
