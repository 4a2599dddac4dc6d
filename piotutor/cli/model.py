"""``piotutor model``: a workload on a machine that isn't there, in virtual time."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from piotutor.cli.parser import add_command
from piotutor.cli.words import add_workload, read_workload
from piotutor.errors import UsageError
from piotutor.storage.options import count
from piotutor.units import format_count, parse_size

_MANY = 2_000_000  # requests, some seconds of a slow processor

_EXAMPLES = """
A machine is a name, or a .json file with parameters; others can follow a colon.

examples:
  piotutor model --machine list
  piotutor model -n 16 -t 1m -b 64m --machine small-lustre --stripe-count 4
  piotutor model -n 64 -F -t 1m -b 64m --machine small-lustre:targets=16 --json
  piotutor model "ior -a POSIX -t 47008 -b 47008 -s 100" -n 8 --machine my.json
  piotutor report latest -o model.html          afterwards, as of any run
"""


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    about = "what a workload would do on another machine, in virtual time"
    parser = add_command(commands, "model", act, about, _EXAMPLES)
    where = parser.add_argument_group("Machine")
    where.add_argument("--machine", metavar="NAME|FILE", required=True, help="on what; or: list")
    where.add_argument("--stripe-size", metavar="SIZE", help="of each file (default: 1 MiB)")
    where.add_argument("--stripe-count", metavar="N", help="of each file (default: 1)")
    where.add_argument("--directories", metavar="N", help="that files are made in (default: 1)")
    parser.add_argument("--json", action="store_true", help="all numbers as JSON")
    add_workload(parser)


def act(options: argparse.Namespace) -> int:
    """Model it and print its numbers."""
    from piotutor.cli.run import describe
    from piotutor.engine.demand import requests_of
    from piotutor.engine.machines import read_machine
    from piotutor.modelled import model_run

    if options.machine == "list":
        print(_machines())
        return 0
    layout: dict[str, int] = {}
    if options.stripe_size is not None:
        layout["stripe_size"] = parse_size(options.stripe_size)
    if options.stripe_count is not None:
        layout["stripe_count"] = _count(options.stripe_count, "--stripe-count")
    if options.directories is not None:
        layout["directories"] = _count(options.directories, "--directories")
    workload = read_workload(options)
    _warn(requests_of(workload, read_machine(options.machine)))
    run = model_run(workload, options.machine, **layout)
    print(json.dumps(run.result, indent=2) if options.json else describe(run))
    return 0


def _warn(requests: int) -> None:
    """Say beforehand what takes more than some seconds."""
    if requests > _MANY:
        told = f"{format_count(requests)} requests to model: that takes a while, Ctrl-C ends it"
        print(f"piotutor: {told}", file=sys.stderr, flush=True)


def _count(text: str, option: str) -> int:
    try:
        return count(text)
    except UsageError as error:
        raise UsageError(f"{option} {text:.40}: {error}") from None


def _machines() -> str:
    from piotutor.engine.machines import MACHINES

    width = max(map(len, MACHINES))
    lines = [
        f"{name:{width}}  {named.about}\n{'':{width}}  ({named.source})"
        for name, named in MACHINES.items()
    ]
    return "\n".join(lines)
