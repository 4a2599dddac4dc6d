"""Capture by strace, where the interposer can't be had: the same records, with inflated times.

Each rank runs under a strace of its own, which writes a log for each process to ``RUN/strace``.
When the run is over `convert` makes ``RUN/trace/strace-NNNNN.piot`` of them and removes the logs.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from piotutor import programs
from piotutor.trace.importers.strace import TRACED, Log, calls_of
from piotutor.trace.interest import Interest
from piotutor.trace.record import RECORD, TraceError
from piotutor.trace.source import parse_header
from piotutor.trace.writer import TraceWriter

LOGS = "strace"
"""Directory of the logs, in the run directory."""
OPTIONS = (
    *("-f", "--seccomp-bpf", "-qq", "-y", "-v", "-e", "signal=none"),
    *("--absolute-timestamps=format:unix,precision:ns", "--syscall-times=ns"),
    *("-e", f"trace={','.join(f'?{name}' for name in TRACED)}"),
)
"""Every process (``-f``); other calls run at full speed (``--seccomp-bpf``)."""
_TEXT = ("-s", "0")  # of what is written, nothing; -v lists the lengths of vectors all the same
_ENVIRONMENT = ("-s", "32")  # enough of the environment to see the rank
_RANK = "${PMI_RANK:-${PMIX_RANK:-${OMPI_COMM_WORLD_RANK:-${SLURM_PROCID:-0}}}}"
# The shell replaces nothing but the rank: all other words are its arguments.
_BEGIN = f'strace=$1; shift; exec "$strace" -o "$0/rank{_RANK}" "$@"'


def why_not() -> str:
    """Say why strace can't be used here, and what to do; empty where it can."""
    strace = shutil.which("strace")
    if strace is None:
        return "strace isn't on the PATH: install it"
    try:
        done = programs.ask([strace, *OPTIONS, "-o", "/dev/null", "true"], 20)
    except (OSError, subprocess.SubprocessError) as error:
        return f"strace doesn't run: {error}"
    if done.returncode == 0:
        return ""
    last = programs.last_line(done.stderr) or "no answer"
    return (
        "strace may not trace here: allow ptrace (a container: --cap-add=SYS_PTRACE) and use "
        f"strace 5.6 or later; it says: {last.removeprefix('strace: ')}"
    )


def argv_prefix(run_dir: Path, *, whole: bool) -> tuple[str, ...]:
    """Return the words before a program that put it under strace.

    Parameters
    ----------
    run_dir : Path
        The run directory.
    whole : bool
        Whether they stand before the whole job, whose ranks are its children, instead of before
        each rank's program.
    """
    logs, strace = str(run_dir / LOGS), shutil.which("strace") or "strace"
    if whole:
        return (strace, "-o", f"{logs}/job", "-ff", *OPTIONS, *_ENVIRONMENT, "--")
    return ("sh", "-c", _BEGIN, logs, strace, "-ff", *OPTIONS, *_TEXT, "--")


def convert(run_dir: Path, interest: Interest, max_bytes: int) -> list[str]:
    """Turn the logs of a run that is over into trace files, and remove them.

    Parameters
    ----------
    run_dir : Path
        The run directory.
    interest : Interest
        The files that count; what the C library reads for itself never does.
    max_bytes : int
        Bound of each rank's records; what is beyond is counted as dropped.

    Returns
    -------
    list of str
        What was strange in the logs, a line for each.
    """
    interest = replace(interest, c_library=False)
    log = Log(interest, _to_monotonic(run_dir / "trace"))
    paths = sorted((run_dir / LOGS).glob("*"))
    kept: dict[int, list[np.ndarray]] = {}
    lost: dict[int, int] = {}
    notes = []
    try:
        for records in log.records(calls_of([p for p in paths if p.stat().st_size], [])):
            _keep(records, kept, lost, max_bytes // RECORD.itemsize)
    except TraceError as error:
        notes.append(str(error))
    directories = [number for name, number in log.names.items() if Path(name).is_dir()]
    for rank, parts in kept.items():
        path = run_dir / "trace" / f"strace-{rank:05d}.piot"
        about: dict[str, Any] = {"rank": rank, "files": [*log.names], "writer": "strace"}
        with TraceWriter(path, max_bytes=max_bytes, **about) as writer:
            _fill(writer, [part[~np.isin(part["file"], directories)] for part in parts])
            writer.drop(lost.get(rank, 0))
    shutil.rmtree(run_dir / LOGS, ignore_errors=True)
    return notes


def _keep(
    records: np.ndarray, kept: dict[int, list[np.ndarray]], lost: dict[int, int], most: int
) -> None:
    """Sort records by their rank, as many of each as there is room for."""
    for rank in np.unique(records["rank"]).tolist():
        mine = records[records["rank"] == rank]
        parts = kept.setdefault(rank, [])
        room = most - sum(map(len, parts))
        parts.append(mine[:room])
        lost[rank] = lost.get(rank, 0) + len(mine) - len(parts[-1])


def _fill(writer: TraceWriter, parts: list[np.ndarray]) -> None:
    for part in parts:
        block = writer.claim(len(part))
        block.records[:] = part[: len(block)]
        writer.drop(len(part) - len(block))


def _to_monotonic(trace_dir: Path) -> int:
    """Return what turns strace's time (of the wall) into the run's monotonic one, in ns.

    The run's files hold a pair of both, from when it began; else it is this machine's, of now.
    """
    for header in _headers(trace_dir):
        return int(header["monotonic"]) - int(header["wall"])
    return time.monotonic_ns() - time.time_ns()


def _headers(trace_dir: Path) -> Iterator[np.void]:
    for path in sorted(trace_dir.glob("rank-*.piot")):
        try:
            yield parse_header(path.read_bytes()[:128], path)
        except (TraceError, OSError):  # the run was broken early: another may do
            continue
