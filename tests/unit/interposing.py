"""Building C programs and running them under the interposer, for its tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import piotutor
from piotutor.capture.preload import library, why_not
from piotutor.trace import Layer, Op, Trace
from piotutor.trace.calls import CALLS, call_of

PROGRAMS = Path(__file__).parent / "interposed"
SOURCES = Path(piotutor.__file__).parent / "capture/interposer"
FLAGS = ("-std=gnu11", "-fPIC", "-fvisibility=hidden", "-ftls-model=initial-exec", "-pthread")


def compiler(name: str = "gcc") -> str:
    """Return the path of a compiler, or skip the test."""
    return shutil.which(name) or pytest.skip(f"there is no {name} here")


def interposer() -> str:
    """Return the path of the library, or skip the test."""
    return str(library() or pytest.skip(why_not()))


def build(name: str, directory: Path, *flags: str) -> Path:
    """Compile a program of ``interposed/``; calls stay as they are written."""
    out = directory / name
    command = [compiler(), "-O0", "-fno-builtin", "-pthread", "-w", *flags, "-o", out]
    subprocess.run([*command, PROGRAMS / f"{name}.c"], check=True)
    return out


def build_library(out: Path, *flags: str, cc: str = "gcc") -> Path:
    """Compile the library anew, with other flags."""
    command = [compiler(cc), *FLAGS, *flags, "-shared", "-o", out]
    subprocess.run([*command, *sorted(SOURCES.glob("*.c")), "-ldl"], check=True)
    return out


class Stage:
    """A directory to run in, and one for the trace."""

    def __init__(self, directory: Path) -> None:
        self.here = directory / "here"
        self.trace_dir = directory / "trace"
        self.here.mkdir()
        self.trace_dir.mkdir()

    def run(self, *command: str | Path, preload: str = "", **env: str):
        """Run a command under the library; returns it with its output as bytes."""
        capture = {"PIOTUTOR_CAPTURE_DIR": str(self.trace_dir)}
        loaded = {"LD_PRELOAD": preload or interposer()}
        return self._run(command, {**os.environ, **capture, **loaded, **env})

    def run_alone(self, *command: str | Path):
        """Run a command without it."""
        return self._run(command, dict(os.environ))

    def _run(self, command, env):
        return subprocess.run(
            [str(word) for word in command],
            cwd=self.here,
            env={name: value for name, value in env.items() if value},
            capture_output=True,
            timeout=60,
        )

    def trace(self) -> Trace:
        """Return what was recorded; damage is an error."""
        return Trace.load(self.trace_dir)

    def names(self) -> list[str]:
        """Return the names of the trace files without rank and process."""
        return sorted(path.name for path in self.trace_dir.iterdir())


def told(trace: Trace) -> list[str]:
    """Return the records in words: operation, call, file, offset, length, result."""
    return [
        f"{Op(r['op']).name} {CALLS[int(call)]} {Path(trace.files[r['file']]).name} "
        f"{r['offset']} {r['length']} {r['result']}"
        for r, call in zip(trace.records, call_of(trace.records["flags"]), strict=True)
        if r["layer"] == Layer.POSIX
    ]
