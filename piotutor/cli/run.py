"""``piotutor run``: a real job, its numbers, and a picture of it."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from piotutor.cli import output
from piotutor.cli.parser import add_command
from piotutor.cli.words import add_workload, read_workload
from piotutor.errors import PiotutorError, UsageError
from piotutor.units import parse_size

if TYPE_CHECKING:
    from piotutor.cli.progress import Show
    from piotutor.results import Run
    from piotutor.runner import Job
    from piotutor.workload import Workload

_TICK = 0.1
"""Seconds between two looks at a job that is shown on a terminal."""
_EXAMPLES = """
examples:
  piotutor run                                            4 ranks, 1 MiB each, POSIX
  piotutor run -a MPIIO -c -n 4 -t 47008 -b 47008 -s 200 -w -r -R --json
  piotutor run "mpiexec -n 2 ior -a POSIX -F -e -t 1m -b 16m" --live
  piotutor run -a HDF5 -c -t 64k -b 4m --plot map.png
  piotutor run -b 1g -n 1 --limit 1g --timeout 60 -o /scratch/$USER/data -k
"""


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    about = "run a real parallel I/O job and show what it did"
    parser = add_command(commands, "run", act, about, _EXAMPLES)
    shown = parser.add_argument_group("Output")
    shown.add_argument("--json", action="store_true", help="all numbers as JSON")
    shown.add_argument("--plot", metavar="FILE", help="draw the access map into a new .png")
    shown.add_argument("--live", action="store_true", help="show ranks and offsets while it runs")
    bounds = parser.add_argument_group("Bounds")
    bounds.add_argument(
        "--limit", metavar="SIZE", help="data of a repetition, at most (default: 256 MiB)"
    )
    bounds.add_argument(
        "--timeout", metavar="SECONDS", help="end the job after so long (default: 600)"
    )
    bounds.add_argument("--max-ranks", metavar="N", help="ranks at most (default: 16)")
    add_capture(shown)
    add_storage(bounds)
    add_launcher(bounds)
    bounds.add_argument("--directory", metavar="DIR", help="where data goes that -o doesn't name")
    add_workload(parser)


def add_capture(group: Any) -> None:
    """Add the option that says how the layers below are captured."""
    group.add_argument(
        "--capture",
        metavar="HOW",
        help="see the layers below by preload, strace, none or auto (the default: the best here)",
    )


def add_storage(group: Any) -> None:
    """Add the option that says what the files lie on."""
    group.add_argument(
        "--storage",
        metavar="SPEC",
        help="what the files lie on: NAME[:key=value,...], as lustre:stripe_size=1m,stripe_count=4",
    )


def add_launcher(group: Any) -> None:
    """Add the option that says what starts the ranks."""
    group.add_argument(
        "--launcher",
        metavar="SPEC",
        help="what starts the ranks: NAME[:key=value,...], as slurm:partition=debug,nodes=2",
    )


def act(options: argparse.Namespace) -> int:
    """Run it and print the result."""
    workload = read_workload(options)
    bounds = read_bounds(options)
    if workload.test_file and options.directory is not None:
        raise UsageError("--directory is where data goes that -o doesn't name: give one of them")
    figure = None
    if options.plot is not None:
        output.need_pictures()
        figure = output.new_file(options.plot, [".png"])
    from piotutor import runner

    job = runner.start(workload, **bounds)
    run = follow(job, _choose_show(options, workload))
    if figure:
        from piotutor import report

        output.write_new(figure, report.access_map(run))
    print(json.dumps(run.result, indent=2) if options.json else describe(run))
    return 0 if run.status == "done" else 1


def read_bounds(options: argparse.Namespace) -> dict[str, Any]:
    """Read what a run may take; what isn't given is left to the runner."""
    bounds: dict[str, Any] = {}
    if options.limit is not None:
        bounds["limit"] = parse_size(options.limit)
    if options.timeout is not None:
        bounds["timeout"] = positive("--timeout", options.timeout, float)
    if options.max_ranks is not None:
        bounds["max_ranks"] = positive("--max-ranks", options.max_ranks, int)
    if options.directory is not None:
        bounds["directory"] = options.directory
    if options.capture is not None:
        bounds["capture"] = options.capture
    if options.storage is not None:
        bounds["storage"] = options.storage
    if options.launcher is not None:
        bounds["launcher"] = options.launcher
    return bounds


def positive(name: str, text: str, kind: type[int] | type[float]) -> float:
    """Read the positive number that an option was given.

    Raises
    ------
    UsageError
        It is none.
    """
    try:
        value = kind(text)
    except ValueError:
        value = kind(0)
    if not 0 < value < 1e9:
        raise UsageError(f"{name} {text}: give a positive number")
    return value


def follow(job: Job, show: Show) -> Run:
    """Wait for the end of a job and show it meanwhile; if interrupted, stop it first."""
    try:
        while True:
            try:
                run = job.wait_sync(_TICK)
            except TimeoutError:
                show.paint(job)
            else:
                show.paint(job)
                return run
    except KeyboardInterrupt:
        job.stop()
        with suppress(PiotutorError):
            job.wait_sync()
        raise
    finally:
        show.close()


def _choose_show(options: argparse.Namespace, workload: Workload) -> Show:
    """Choose what to show: only a terminal is painted on."""
    from piotutor.cli.progress import Bar, Map, Nothing

    if not sys.stderr.isatty():
        return Nothing()
    return Map(workload, sys.stderr) if options.live else Bar(workload, sys.stderr)


def describe(run: Run) -> str:
    """Write a run's result for people."""
    from piotutor.cli.tables import sections

    return "\n\n".join(sections(run))
