"""The engine's tests once more, with an engine in which each access and each sum is checked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from interposing import compiler

import piotutor

SOURCES = Path(piotutor.__file__).parent / "engine/core"
CHECKS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
LEFT_OUT = ("test_engine_claims.py", Path(__file__).name)
CHOICE = ("-k", "not md1 and not amplif")
FILES = sorted(Path(__file__).parent.glob("test_engine*.py"))

DRIVE = """
import importlib, os, sys, types
import interposing, numpy as np, pytest
from piotutor.engine import library, world

library.library_path = lambda: sys.argv[1]
world._ROOM = 1 << 16
importlib.import_module("piotutor.engine.model").MOST_RECORDS = 1 << 18
memory = lambda _, room, flags: np.zeros(room, np.uint8)  # on the heap, which is watched
world.mmap = types.SimpleNamespace(mmap=memory, MAP_PRIVATE=0, MAP_ANONYMOUS=0, PAGESIZE=4096)
alone = interposing.interposer
interposing.interposer = lambda: f"{os.environ['LD_PRELOAD']}:{alone()}"
sys.exit(pytest.main(sys.argv[2:]))
"""


@pytest.fixture
def sanitized(tmp_path):
    """Return the path of an engine that is watched, or skip the test."""
    out = tmp_path / "engine.so"
    command = [compiler(), "-std=gnu11", "-fPIC", "-fvisibility=hidden", "-shared", *CHECKS]
    try:
        subprocess.run([*command, *sorted(SOURCES.glob("*.c")), "-o", out, "-lm"], check=True)
    except subprocess.CalledProcessError:
        pytest.skip("this compiler has no sanitizers")
    return out


@pytest.mark.slow
@pytest.mark.timeout(600)  # twenty seconds of a processor
def test_sanitizers_find_nothing(sanitized, tmp_path):
    """Virtual time, devices and real processes; large queues, much-written flash are left out."""
    runtime = subprocess.run(
        [compiler(), "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    ).stdout.strip()
    files = [each for each in FILES if each.name not in LEFT_OUT]
    options = ["-sq", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inner'}", *CHOICE]
    done = subprocess.run(
        [sys.executable, "-c", DRIVE, sanitized, *options, *files],
        env=os.environ
        | {
            "LD_PRELOAD": runtime,
            "PYTHONPATH": str(Path(__file__).parent),
            "ASAN_OPTIONS": "detect_leaks=0",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "ERROR: AddressSanitizer" not in done.stdout + done.stderr
    assert "runtime error" not in done.stdout + done.stderr
