"""What the programs beside the ranks have in common: how they end, and what they write.

The other side, the guard's, is `piotutor.launch.service`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from piotutor.errors import PiotutorError

READY, ERROR = "storage-ready.json", "storage-error.json"
"""What such a program leaves in the run directory: that it can be used, or why it can't."""
TICK = 0.1
"""Seconds between its looks at what it stands for."""


def told_to_end(*, listening: bool = True) -> bool:
    """Wait a little; say whether a line on the standard input asked for the end.

    Parameters
    ----------
    listening : bool
        Whether to look at the standard input at all.

    Raises
    ------
    SystemExit
        It has ended: who started us is dead, and nothing more is to be recorded.
    """
    ready, _, _ = select.select([0] if listening else [], [], [], TICK)
    if not ready:
        return False
    said = os.read(0, 4096)
    if not said:
        raise SystemExit(1)
    return said == b"stop\n"


def write_whole(path: Path, value: Any) -> None:
    """Write a small file whole."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1))
    part.replace(path)


def serve(arguments: Iterable[str], begin: Callable[[Any], Callable[[], None]]) -> NoReturn:
    """Serve the run whose orders are named; a problem is told in one line, and in a file.

    Parameters
    ----------
    arguments : iterable of str
        The path of the orders, alone.
    begin : callable
        Makes of the orders what serves until it is told to end.
    """
    (path,) = arguments
    orders = json.loads(Path(path).read_text())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        begin(orders)()
    except (PiotutorError, OSError) as error:
        problem = str(error)
        write_whole(Path(orders["run_dir"]) / ERROR, {"problem": problem})
        sys.exit(problem)
    sys.exit(0)
