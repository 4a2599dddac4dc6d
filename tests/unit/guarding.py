"""A guard with made-up orders: run from within this process, or started as the runner does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from piotutor.launch import guard


def guarded(told):
    """Run a guard within this process; return how the job ended."""
    inside, outside = os.pipe()
    try:
        return guard.Guard(told, stdin=inside).run()
    finally:
        os.close(inside)
        os.close(outside)


def start(told):
    """Start a guard as the runner does."""
    return subprocess.Popen(
        [sys.executable, "-m", "piotutor.launch.guard", f"{told.run_dir}/guard.json"],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def result(run_dir):
    """Return what the guard wrote in the end."""
    return json.loads((Path(run_dir) / "guard-result.json").read_text())
