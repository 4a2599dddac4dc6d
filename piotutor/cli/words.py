"""A workload from the words of a command line: its options, or IOR's own line in quotes."""

from __future__ import annotations

import argparse
import sys
from pathlib import PurePath

from piotutor import ior
from piotutor.errors import UsageError
from piotutor.workload import Workload, options

_LAUNCHERS = {"ior", "mpiexec", "mpirun", "srun"}


def add_workload(parser: argparse.ArgumentParser) -> None:
    """Add every parameter of a workload, and the place for a whole IOR command line."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="IOR",
        help="a whole IOR command line, in quotes, instead of options",
    )
    ior.add_options(parser)


def read_workload(given: argparse.Namespace) -> Workload:
    """Build the workload; say on standard error what of an IOR line has no equal.

    Raises
    ------
    UsageError
        It makes no sense, or is said in both ways at once.
    """
    words = [word for word in given.words if PurePath(word).name not in _LAUNCHERS]
    if not words:
        return ior.from_namespace(given)
    if len(given.words) > 1 or " " not in words[0].strip():
        raise UsageError(f"{words[0]!r} is no option: give options, or one IOR line in quotes")
    also = [name for name in options() if hasattr(given, name)]
    if also:
        raise UsageError(f"{also[0]} is given beside an IOR line: put it into the line")
    workload, unsupported = ior.parse(words[0])
    for part in unsupported:
        print(f"piotutor: no equal for {part}: left out", file=sys.stderr)
    return workload
