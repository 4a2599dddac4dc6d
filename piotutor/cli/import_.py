"""``piotutor import``: another program's trace, as a run of ours."""

from __future__ import annotations

import argparse
import json
from typing import Any

from piotutor.cli.parser import add_command

_EXAMPLES = """
Read: logs of Darshan (DXT), dftracer and strace, IOR's CSV of operations and its summary,
elbencho's operations log and live CSV, and traces of piotutor. The file itself tells which it is.

examples:
  piotutor import app_id42.darshan
  piotutor import strace-logs/ --format strace
  piotutor import ops-0-00000.csv --json        with IOR's summary beside it
  piotutor report latest -o run.html            afterwards, as of any run
"""


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    about = "make a run of what another program recorded"
    parser = add_command(commands, "import", act, about, _EXAMPLES)
    parser.add_argument("file", metavar="FILE", help="a file, or a directory of one run's files")
    parser.add_argument("--format", metavar="NAME", help="which program wrote it")
    parser.add_argument("--json", action="store_true", help="all numbers as JSON")


def act(options: argparse.Namespace) -> int:
    """Import it and print its numbers."""
    from piotutor.cli.run import describe
    from piotutor.imported import import_trace

    run = import_trace(options.file, options.format)
    print(json.dumps(run.result, indent=2) if options.json else describe(run))
    return 0
