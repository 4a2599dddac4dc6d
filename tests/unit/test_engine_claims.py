"""What the engine is held to: one command computes the table that the docs have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from piotutor.engine.library import library

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")

ROOT = Path(__file__).parents[2]
KNOWN = {"the same, 24 writers, which are one node: behind"}
"""What the docs say the engine doesn't show."""


@pytest.mark.timeout(400)  # ten seconds of a processor
def test_one_command_computes_the_table_of_the_docs():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/engine_claims.py"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert len(rows) > 20
    assert {claim for claim, *_, holds in rows if holds != "yes"} == KNOWN
