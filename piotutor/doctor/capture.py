"""Which of the layers below the application can be seen, how, and what each way gives."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from piotutor import programs
from piotutor.capture import block, preload, strace
from piotutor.doctor.capability import Capability
from piotutor.errors import PiotutorError
from piotutor.trace import Op, Trace
from piotutor.trace.interest import Interest

_GIVES = "HDF5, MPI-IO and system calls, live, for well under a microsecond each"


def interposer(_path: Path) -> Capability:
    """Have a small program recorded by the preloaded library."""
    problem = preload.why_not()
    if problem:
        detail, _, fix = problem.partition(": ")
        lost = "until then strace is used, which sees system calls only"
        return Capability("interposer", False, detail, f"{fix}; {lost}" if fix else lost)
    with tempfile.TemporaryDirectory(prefix="piotutor-doctor-") as place:
        problem = _record(Path(place))
    if problem:
        fix = "install piotutor again: the library was built for another system"
        return Capability("interposer", False, problem, fix)
    return Capability("interposer", True, f"{_GIVES} ({preload.library()})")


def _record(place: Path) -> str:
    """Copy a file with the interposer looking on; return what went wrong."""
    (place / "a").write_bytes(bytes(1000))
    (place / "trace").mkdir()
    env = preload.environment(place / "trace", Interest.of([place / "b"]), 1 << 22)
    try:
        done = programs.ask(["cp", str(place / "a"), str(place / "b")], 20, env)
        trace = Trace.load(place / "trace", salvage=True)
    except (OSError, subprocess.SubprocessError) as error:
        return f"a program under it doesn't run: {error}"
    except PiotutorError:
        return f"it records nothing: {programs.last_line(done.stderr) or 'no reason was given'}"
    moved = int(trace.records["result"][trace.where(op=Op.WRITE)].sum())
    return "" if moved == 1000 else f"it saw {moved} of 1000 bytes"


def system_calls(_path: Path) -> Capability:
    """Say whether strace is there and may trace."""
    problem = strace.why_not()
    if problem:
        detail, _, fix = problem.partition(": ")
        lost = "needed only where the interposer isn't built"
        return Capability("strace", False, detail, f"{fix}; {lost}" if fix else lost)
    detail = "system calls only, each some 30 µs slower: its times are no latencies"
    return Capability("strace", True, detail)


def requests(_path: Path) -> Capability:
    """Say whether the kernel's block requests can be recorded."""
    fine, detail = block.permitted()
    if fine:
        return Capability("block requests", True, f"what reaches the disk, {detail}")
    fix = "run as root to see single requests; counters of the disk are shown all the same"
    return Capability("block requests", False, detail, fix)


CHECKS = (interposer, system_calls, requests)
