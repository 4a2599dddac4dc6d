"""The command line: ``piotutor doctor | run | trace | model | pattern | report | ...``.

A mistake is one line on standard error and exit code 2; a job that failed is one line and 1;
Ctrl-C ends the job cleanly and gives 130. Figures and reports are new files: nothing is
overwritten.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from piotutor.cli import doctor, export, import_, lab, model, pattern, report, run, trace
from piotutor.cli.parser import Parser, Version, complete, read
from piotutor.errors import PiotutorError, RunError, UsageError

__all__ = ["main", "make_parser"]

_COMMANDS = (doctor, run, trace, model, pattern, report, import_, export, lab)
_EXAMPLES = """
examples:
  piotutor doctor                                what works here, and what to do about the rest
  piotutor run -a MPIIO -c -t 47008 -b 47008 -s 200 -w -r -R
  piotutor run "mpiexec -n 2 ior -a POSIX -F -t 1m -b 16m" --json
  piotutor trace -n 4 -- ./simulation            any program, layer by layer
  piotutor model -n 64 -t 1m -b 64m --machine small-lustre
  piotutor import app_id42.darshan               another program's trace, as a run
  piotutor pattern -n 2 -t 4k -b 8k -s 3 --csv   every transfer, without any I/O
  piotutor lab                                   the lessons, in JupyterLab
"""


def make_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="piotutor",
        description="Run real parallel I/O, watch it, and explain it.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    if sys.stdout is None:
        return _complain("standard output is closed", 1)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        parser = make_parser()
        complete(parser)
        options = read(parser, arguments)
        code = int(options.act(options))
        sys.stdout.flush()
        return code
    except UsageError as error:
        return _complain(str(error), 2)
    except RunError as error:
        told = error.run_dir is None or str(error.run_dir) in str(error)
        where = "" if told else f" (run: {error.run_dir})"
        return _complain(f"{error}{where}", 1)
    except PiotutorError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt:
        return _complain("stopped", 130)
    except MemoryError as error:
        return _complain(f"there is too little memory: {str(error) or 'ask for less'}", 1)
    except BrokenPipeError:
        return _hang_up(141)
    except OSError as error:
        _hang_up(1)
        return _complain(_explain(error), 1)


def _explain(error: OSError) -> str:
    """Say what the system refused; it names no file for its output and where we stand."""
    if error.filename:
        return f"{error.filename}: {error.strerror}"
    if error.errno == errno.ENOENT:
        return "the current directory is gone: change to another"
    return f"standard output: {error.strerror or error}"


def _complain(message: str, code: int) -> int:
    """Say what went wrong, in one line."""
    with suppress(OSError):
        print(f"piotutor: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return code


def _hang_up(code: int) -> int:
    """Nobody reads our output any more: don't let the interpreter's last flush complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
