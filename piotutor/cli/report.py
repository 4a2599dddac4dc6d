"""``piotutor report``: a run as one file, to keep or to hand on."""

from __future__ import annotations

import argparse
from typing import Any

from piotutor.cli import output
from piotutor.cli.parser import add_command

_KINDS = (".html", ".png")
_EXAMPLES = """
examples:
  piotutor report ~/.local/state/piotutor/runs/20261122T160000Z-mpiio-1a2b3c -o run.html
  piotutor report latest -o run.png
"""


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    about = "make one self-contained file of a run: figures, tables, environment"
    parser = add_command(commands, "report", act, about, _EXAMPLES)
    parser.add_argument("run", metavar="RUN", help="the run's directory, its name, or 'latest'")
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="a new file, .html or .png"
    )


def act(options: argparse.Namespace) -> int:
    """Write the report."""
    output.need_pictures()
    path = output.new_file(options.output, _KINDS)
    from piotutor import report
    from piotutor.results import find_run

    run = find_run(options.run)
    make = report.html if path.suffix.lower() == ".html" else report.png
    output.write_new(path, make(run))
    print(path)
    return 0
