"""How the layers below a program are captured: the interposer, strace, or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from piotutor.capture import preload, strace
from piotutor.errors import UsageError
from piotutor.trace.interest import Interest

FILE = "capture.json"
"""In a run directory: how it was captured, and which files count."""
WAYS = ("auto", "preload", "strace", "none")
"""What may be asked for; ``auto`` is the first of the others that works."""
_GIVES = {
    "preload": "HDF5, MPI-IO and system calls, by a preloaded library",
    "strace": "system calls only, by strace: all durations are inflated",
    "none": "only what the application itself records",
}


@dataclass(frozen=True)
class Capture:
    """What was chosen, and what it needs.

    Attributes
    ----------
    how
        ``preload``, ``strace`` or ``none``.
    why
        One line: what it sees, and why nothing better was taken.
    env
        Variables of the job.
    argv_prefix
        Words before the program of each rank, or before the whole job.
    """

    how: str
    why: str
    env: Mapping[str, str] = field(default_factory=dict)
    argv_prefix: tuple[str, ...] = ()


def choose(asked: str, run_dir: Path | None = None) -> tuple[str, str]:
    """Choose how to capture.

    Parameters
    ----------
    asked : str
        One of `WAYS`.
    run_dir : Path, optional
        The run directory, if it is known already.

    Returns
    -------
    tuple of str
        ``preload``, ``strace`` or ``none``, and why.

    Raises
    ------
    UsageError
        It is none of these, or what is asked for by name can't be had here.
    """
    if asked not in WAYS:
        raise UsageError(f"capture={asked!r} is unknown: choose one of {', '.join(WAYS)}")
    missing: list[str] = []
    ways = (("preload", partial(preload.why_not, run_dir)), ("strace", strace.why_not))
    for how, why_not in ways:
        if asked not in ("auto", how):
            continue
        problem = why_not()
        if not problem:
            return how, "; ".join([_GIVES[how], *missing])
        if asked == how:
            raise UsageError(f"capture={how} can't be had: {problem}")
        missing.append(problem)
    return "none", "; ".join([_GIVES["none"], *missing])


def prepare(
    asked: str,
    run_dir: Path,
    interest: Interest,
    max_bytes: int,
    *,
    whole: bool = False,
    routed: bool = False,
) -> Capture:
    """Choose how to capture a run, and make what it needs in the run directory.

    Parameters
    ----------
    asked : str
        One of `WAYS`.
    run_dir : Path
        The run directory.
    interest : Interest
        The files that count.
    max_bytes : int
        Bound of the trace file of one process.
    whole : bool
        Whether the words stand before the whole job (which starts its ranks itself) instead of
        before each rank's program.
    routed : bool
        Whether the interposer also takes files to servers: then it is loaded in any case.

    Raises
    ------
    UsageError
        What is asked for by name can't be had here, or what the routing needs.
    """
    how, why = choose(_routing(asked) if routed else asked, run_dir)
    told = {"how": how, "why": why, "max_bytes": max_bytes}
    told |= {"prefixes": interest.prefixes, "skip": interest.skip}
    (run_dir / FILE).write_text(json.dumps(told, indent=1))
    if how == "preload":
        env = preload.environment(run_dir / "trace", interest, max_bytes)
        words = preload.argv_prefix(env)
        return Capture(how, why, {k: v for k, v in env.items() if k != "LD_PRELOAD"}, words)
    if how == "strace":
        (run_dir / strace.LOGS).mkdir(mode=0o700)
        return Capture(how, why, {}, strace.argv_prefix(run_dir, whole=whole))
    words = preload.argv_prefix(preload.loading(run_dir)) if routed else ()
    return Capture(how, why, {}, words)


def _routing(asked: str) -> str:
    """Return how to capture where the interposer is needed anyway."""
    if asked == "strace":
        raise UsageError(
            "capture=strace sees nothing of files that are routed to servers: use preload or none"
        )
    problem = preload.why_not()
    if problem:
        raise UsageError(f"files that are routed to servers need the interposer: {problem}")
    return "preload" if asked == "auto" else asked


def finish(run_dir: Path) -> dict[str, Any]:
    """Bring what was captured into the trace of a run that is over, and say how it went.

    Returns
    -------
    dict
        ``how``, ``why``, and ``notes``: a list of what a reader has to know besides.
    """
    try:
        told = json.loads((run_dir / FILE).read_text())
    except (OSError, ValueError):
        return {"how": "none", "why": "this run is older than capture", "notes": []}
    notes = []
    if told["how"] == "strace" and (run_dir / strace.LOGS).is_dir():
        interest = Interest(tuple(told["prefixes"]), tuple(told["skip"]))
        notes = strace.convert(run_dir, interest, told["max_bytes"])
    return {"how": told["how"], "why": told["why"], "notes": notes}
