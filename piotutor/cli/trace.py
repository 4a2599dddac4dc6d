"""``piotutor trace``: what any program does with files, layer by layer."""

from __future__ import annotations

import argparse
import json
from typing import Any

from piotutor.cli import output
from piotutor.cli.parser import add_command
from piotutor.cli.run import add_capture, add_launcher, add_storage, describe, follow, positive
from piotutor.errors import UsageError

_EXAMPLES = """
The command runs here, with your environment, standard input and output; its exit code is ours.
Every regular file that it opens is recorded, but for shared libraries, Python's own files, /proc,
/sys and /dev. Its files stay as it leaves them. {place} in its words, and $PIOTUTOR_PLACE, stand
for a directory of its own on the storage, which goes with the run.

examples:
  piotutor trace -n 4 -- ./simulation input.nml
  piotutor trace --prefix /scratch/$USER/run7 -- srun -n 64 ./simulation
  piotutor trace --json -- python train.py > result.json
  piotutor trace -n 2 --storage lustre:stripe_count=4 --directory /lustre/me -- ./code {place}/out
  piotutor trace -n 4 --plot map.png -- ior -a MPIIO -c -t 47008 -b 47008 -s 200
"""


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    about = "run any program and show what it, and the layers below it, did with files"
    parser = add_command(commands, "trace", act, about, _EXAMPLES)
    parser.usage = (
        "piotutor trace [-n N] [--launcher SPEC] [--capture HOW] [--storage SPEC] [--prefix PATH]"
        "... [--directory DIR] [--timeout SECONDS] [--json] [--plot FILE] -- COMMAND ..."
    )
    parser.add_argument("-n", dest="ranks", metavar="N", help="start it as N ranks under MPI")
    parser.add_argument("--prefix", action="append", metavar="PATH", help="only files below PATH")
    add_storage(parser)
    parser.add_argument("--directory", metavar="DIR", help="where {place} is made")
    parser.add_argument("--timeout", metavar="SECONDS", help="end it after so long")
    parser.add_argument("--max-ranks", metavar="N", help="ranks at most (default: 16)")
    add_capture(parser)
    add_launcher(parser)
    parser.add_argument("--json", action="store_true", help="all numbers as JSON")
    parser.add_argument("--plot", metavar="FILE", help="draw the access map into a new .png")


def act(options: argparse.Namespace) -> int:
    """Run the program, print the result, and return the program's exit code."""
    figure = None
    if options.plot is not None:
        output.need_pictures()
        figure = output.new_file(options.plot, [".png"])
    from piotutor import runner
    from piotutor.cli.progress import Nothing

    settings = read_settings(options)
    streams = (0, 2, 2) if options.json else (0, 1, 2)
    run = follow(runner.start_command(options.program, streams=streams, **settings), Nothing())
    if figure:
        from piotutor import report

        output.write_new(figure, report.access_map(run))
    print(json.dumps(run.result, indent=2) if options.json else f"\n{describe(run)}")
    code = run.result["exit_code"]
    return 1 if code is None else int(code) if code >= 0 else 128 - int(code)


def read_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Read how the program is run; what isn't given is left to the runner.

    Raises
    ------
    UsageError
        A number is none, or there is no command.
    """
    if not options.program:
        raise UsageError("name a program after --: piotutor trace -- COMMAND ...")
    settings: dict[str, Any] = {"prefixes": options.prefix or ()}
    if options.storage is not None:
        settings["storage"] = options.storage
    if options.directory is not None:
        settings["directory"] = options.directory
    if options.capture is not None:
        settings["capture"] = options.capture
    if options.launcher is not None:
        if options.ranks is None:
            raise UsageError("--launcher starts ranks: say how many with -n")
        settings["launcher"] = options.launcher
    if options.ranks is not None:
        settings["ranks"] = positive("-n", options.ranks, int)
    if options.max_ranks is not None:
        settings["max_ranks"] = positive("--max-ranks", options.max_ranks, int)
    if options.timeout is not None:
        settings["timeout"] = positive("--timeout", options.timeout, float)
    return settings
