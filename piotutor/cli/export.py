"""``piotutor export``: a run's trace for other programs."""

from __future__ import annotations

import argparse
from typing import Any

from piotutor.cli import output
from piotutor.cli.parser import add_command
from piotutor.trace import exporters

_EXAMPLES = """
The name says what is written: .json or .json.gz for ui.perfetto.dev and chrome://tracing, .csv or
.parquet for tables, .piot for piotutor on another machine (`piotutor import` reads it).

examples:
  piotutor export latest -o run.json.gz
  piotutor export 20261122T160000Z-mpiio-1a2b3c -o run.parquet
"""


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    about = "write a run's trace for other programs"
    parser = add_command(commands, "export", act, about, _EXAMPLES)
    parser.add_argument("run", metavar="RUN", help="the run's directory, its name, or 'latest'")
    kinds = ", ".join(exporters.EXPORTERS)
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help=f"a new file: {kinds}"
    )


def act(options: argparse.Namespace) -> int:
    """Write the file."""
    kinds = list(exporters.EXPORTERS)
    path = output.new_file(options.output, kinds)
    kind = next(kind for kind in kinds if path.name.lower().endswith(kind))
    exporters.check(kind)
    from piotutor.results import find_run

    trace = find_run(options.run).trace
    with output.new_stream(path) as stream:
        exporters.write(trace, stream, kind)
    print(path)
    return 0
