"""An argument parser whose errors are ours: one line, exit code 2."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from piotutor.errors import UsageError

Act = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Takes no abbreviations (``-k`` would be ``--keep-going``), keeps the layout of examples."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise what `piotutor.cli.main` prints in one line."""
        raise UsageError(f"{message} (see {self.prog} --help)")


class Version(argparse.Action):
    """Prints the version; found out only when it is asked for."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Print it and end."""
        import piotutor

        print(f"piotutor {piotutor.__version__}")
        parser.exit()


def read(parser: Parser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read a command line.

    What a command passes on to another program becomes ``rest``; a whole program, after ``--``,
    ``program``.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    program: list[str] = []
    if words[:1] == ["trace"] and "--" in words:  # argparse would lose a second one
        program = words[words.index("--") + 1 :]
        words = words[: words.index("--")]
    options, rest = parser.parse_known_args(words)
    options.program = program
    if rest and "rest" not in options:
        parser.error(f"{' '.join(rest)}: not understood")
    options.rest = rest
    return options


def add_command(commands: Any, name: str, act: Act, about: str, examples: str) -> Parser:
    """Add a subcommand.

    Parameters
    ----------
    commands
        What ``add_subparsers`` returned.
    name
        The word on the command line.
    act
        What does it; it is given the options and returns the exit code.
    about
        One sentence.
    examples
        Lines that the help ends with.
    """
    parser: Parser = commands.add_parser(
        name, help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=examples
    )
    parser.set_defaults(act=act)
    return parser


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell when it asks for completions, where argcomplete is installed."""
    with suppress(ImportError):
        importlib.import_module("argcomplete").autocomplete(parser)
