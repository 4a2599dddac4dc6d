"""One line of what `piotutor doctor` finds, and how it asks programs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from piotutor import programs
from piotutor.units import format_rate


@dataclass(frozen=True)
class Capability:
    """Something that works here, or doesn't.

    Attributes
    ----------
    name
        What.
    ok
        Whether it works.
    detail
        What was found, with versions and numbers.
    fix
        What to do where it doesn't, or what is lost; empty where nothing needs doing.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""


Check = Callable[[Path], Capability | Sequence[Capability]]
"""Looks at one thing; it is given the path in question."""


def ask(argv: Sequence[str], timeout: float = 20.0) -> tuple[bool, str]:
    """Run a program that may be missing, broken or hanging.

    Returns
    -------
    tuple of bool and str
        Whether it ended well, and what it printed (what it complained, where it didn't).
    """
    try:
        done = programs.ask(argv, timeout)
    except subprocess.TimeoutExpired:
        return False, f"{argv[0]} gave no answer in {timeout:g} s"
    except OSError as error:
        return False, f"{argv[0]}: {error.strerror}"
    if done.returncode:
        return False, programs.last_line(done.stderr) or f"{argv[0]} ended with {done.returncode}"
    return True, done.stdout.strip()


def about(size: int) -> str:
    """Write a large number of bytes with three digits."""
    return format_rate(size).removesuffix("/s")
