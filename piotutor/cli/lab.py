"""``piotutor lab``: JupyterLab on the lessons."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from piotutor.cli.parser import add_command
from piotutor.errors import UsageError

_EXAMPLES = """
It listens on this machine only (127.0.0.1) and asks for a token. Other options are JupyterLab's.

examples:
  piotutor lab
  piotutor lab --no-browser --port=8890
"""


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    about = "open JupyterLab on the lessons"
    parser = add_command(commands, "lab", act, about, _EXAMPLES)
    parser.set_defaults(rest=[])


def act(options: argparse.Namespace) -> NoReturn:
    """Become JupyterLab."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise UsageError("JupyterLab isn't installed here: pip install 'piotutor[lab]'")
    argv = command(find_notebooks(), options.rest, root=os.geteuid() == 0)
    os.execv(argv[0], argv)


def command(notebooks: Path, arguments: Sequence[str], *, root: bool) -> list[str]:
    """Return the command line that starts JupyterLab.

    Parameters
    ----------
    notebooks
        The directory that it opens.
    arguments
        Options of JupyterLab; they come last, so that they win.
    root
        Whether this is the superuser, whom Jupyter refuses unless told not to.
    """
    allowed = ["--allow-root"] if root else []
    start = [sys.executable, "-m", "jupyterlab", str(notebooks), "--ip=127.0.0.1"]
    return [*start, *allowed, *arguments]


def find_notebooks() -> Path:
    """Return the directory of the lessons: of the checkout, or of what was installed.

    Raises
    ------
    UsageError
        There is none.
    """
    package = Path(__file__).parents[1]
    places = (
        package.parent / "notebooks",
        package / "notebooks",
        Path(sys.prefix) / "share" / "piotutor" / "notebooks",
        Path.cwd() / "notebooks",
    )
    for place in places:
        if any(place.glob("*.ipynb")):
            return place
    raise UsageError("the notebooks aren't here: start it in a checkout of piotutor")
