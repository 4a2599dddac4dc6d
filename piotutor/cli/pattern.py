"""``piotutor pattern``: every transfer of a workload, without any I/O."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from piotutor.cli import output
from piotutor.cli.parser import add_command
from piotutor.cli.words import add_workload, read_workload

_FIRST = 8
_EXAMPLES = """
examples:
  piotutor pattern -n 2 -t 4k -b 8k -s 3
  piotutor pattern -n 4 -t 47008 -b 47008 -s 200 --csv > transfers.csv
  piotutor pattern "ior -a POSIX -z -t 64k -b 1m" --csv | head
"""


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    about = "list every transfer of a workload, without any I/O"
    parser = add_command(commands, "pattern", act, about, _EXAMPLES)
    parser.add_argument("--csv", action="store_true", help="all: rank,file,op,offset,length")
    add_workload(parser)


def act(options: argparse.Namespace) -> int:
    """Print the transfers: all as CSV, or a summary and each rank's first ones."""
    from piotutor import pattern

    workload = read_workload(options)
    if options.csv:
        pattern.write_csv(workload, sys.stdout)
    else:
        _summarise(workload)
    return 0


def _summarise(workload: Any) -> None:
    from piotutor import ior, pattern
    from piotutor.units import format_count, format_size

    print(f"{ior.command(workload)}\n")
    print(f"{format_size(workload.total_bytes)} in {workload.num_files} file(s)")
    op = "write" if workload.write else "read"
    rows = []
    for rank in range(min(workload.num_tasks, _FIRST)):
        extents = pattern.transfers(workload, rank, op)
        first = ", ".join(str(offset) for offset in extents.offset[:_FIRST].tolist())
        more = ", ..." if len(extents.offset) > _FIRST else ""
        rows.append((str(rank), format_count(len(extents.offset)), first + more))
    print(output.table(("rank", f"{op}s", "first offsets"), rows))
    if workload.num_tasks > _FIRST:
        print(f"... and {workload.num_tasks - _FIRST} more ranks (--csv lists all)")
