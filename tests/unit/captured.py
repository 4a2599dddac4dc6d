"""Programs under the interposer, and what it recorded of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from piotutor.capture import preload
from piotutor.launch.local import Local, Ranks
from piotutor.trace import Flag, Layer, Op, Trace
from piotutor.trace.calls import CALLS
from piotutor.trace.interest import Interest

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests/mpi/interposed"
SECONDS = 100
MAX_BYTES = 1 << 26

# Other ways of Open MPI 5.0.11 to keep a shared file pointer hang now and then, without us too.
_OPENMPI = {"OMPI_MCA_sharedfp": "sm"}


def stack(name, cache=None):
    """Return the launcher of a stack: ``this`` Python's, or the one that lies in a directory."""
    if name == "this":
        launcher = Local.find(cache)
        if launcher.problem:
            pytest.skip(launcher.problem)
        return launcher
    programs = ROOT / name / "bin"
    if not (programs / "mpiexec").exists():
        pytest.skip(f"there is no {name} (STACK=openmpi sh setup.sh install)")
    if Path(sys.prefix).resolve() == (ROOT / name).resolve():
        pytest.skip(f"{name} is this Python's")
    return Local(str(programs / "mpiexec"), "openmpi", "Open MPI", python=str(programs / "python"))


def run(launcher, ranks, program, *arguments, capture=None, prefix=None):
    """Run a program of `PROGRAMS`, captured into a directory if there is one; return its output."""
    env = {**os.environ, **launcher.env(), **_OPENMPI}
    words = ()
    if capture is not None:
        if preload.library() is None:
            pytest.skip(preload.why_not())
        ours = preload.environment(capture, Interest.of([prefix]), MAX_BYTES, {})
        words = preload.argv_prefix(ours)
        env |= {name: value for name, value in ours.items() if name != "LD_PRELOAD"}
    started = Ranks(
        ranks, prefix=words, program=(launcher.python, str(PROGRAMS / program), *arguments)
    )
    done = subprocess.run(
        launcher.argv(started), env=env, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(trace, *, layer, rank=None, parts=False):
    """Return the records of a layer and a rank as dictionaries, their extents left out or alone."""
    mask = trace.where(layer=layer, rank=rank)
    flags = trace.column("flags")
    mask &= ((flags & Flag.PART) > 0) == parts
    return [row(trace, index) for index in np.flatnonzero(mask)]


def row(trace, index):
    """Return one record, its names spelt out, with its place in the trace."""
    record = trace.records[index]
    found = {name: record[name].item() for name in record.dtype.names}
    flags = found["flags"]
    return found | {
        "at": int(index),
        "layer": Layer(found["layer"]).name,
        "op": Op(found["op"]).name,
        "call": CALLS.get(flags >> 8, ""),
        "flags": Flag(flags & 255),
        "name": trace.files[found["file"]] if found["file"] >= 0 else "",
    }


def inside(trace, outer, layer):
    """Return the records of a layer that lie right inside a record (a row, by its place)."""
    mask = trace.where(layer=layer, without=Flag.PART)
    mask &= trace.column("parent") == outer["at"]
    return [row(trace, index) for index in np.flatnonzero(mask)]


def parts_of(trace, outer):
    """Return the extents of a call as pairs of offset and length, in the order they were told."""
    mask = (trace.column("parent") == outer["at"]) & ((trace.column("flags") & Flag.PART) > 0)
    mask &= trace.column("layer") == Layer[outer["layer"]]
    found = trace.records[mask]
    return list(zip(found["offset"].tolist(), found["length"].tolist(), strict=True))


def load(directory):
    """Return what was recorded, nothing lost."""
    trace = Trace.load(directory)
    assert trace.dropped == 0
    return trace
