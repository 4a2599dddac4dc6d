"""``piotutor doctor``: what works here."""

from __future__ import annotations

import argparse
import json
from typing import Any

from piotutor.cli.parser import add_command

_EXAMPLES = """
examples:
  piotutor doctor                  of the place where runs keep their data
  piotutor doctor /scratch/$USER   of another directory
  piotutor doctor --json | python -m json.tool
"""


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    about = "say what works here, what doesn't, and what to do about it"
    parser = add_command(commands, "doctor", act, about, _EXAMPLES)
    parser.add_argument("path", nargs="?", metavar="PATH", help="the directory to look at")
    parser.add_argument("--json", action="store_true", help="as JSON: {capabilities: [...]}")


def act(options: argparse.Namespace) -> int:
    """Look, and print what was found."""
    from piotutor import doctor

    card = doctor.card(options.path)
    print(json.dumps(card.to_dict(), indent=2) if options.json else doctor.table(card.groups))
    return 0
