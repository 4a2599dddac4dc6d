"""Emulated servers while a run goes on: how long queues are, who holds what, bytes so far."""

from __future__ import annotations

import time
from pathlib import Path

from piotutor.errors import UsageError
from piotutor.jobs import Job
from piotutor.metrics_servers import ServerBook, ServerState
from piotutor.results import Run
from piotutor.trace import Follower

BEHIND = 250_000_000
"""ns by which what servers have recorded may lag: they write it down 10 times a second."""


class Servers:
    """The servers of a run, as they record themselves; ranks don't notice who looks.

    Parameters
    ----------
    of : Job, Run or path
        A job under way, a run that is over, or the directory of either.

    Raises
    ------
    UsageError
        There is no such directory.

    Examples
    --------
    >>> job = pio.start("ior -w -N 4 -b 64m", storage="emulated:small-lustre")  # doctest: +SKIP
    >>> servers = pio.servers(job)  # doctest: +SKIP
    >>> servers.look().queue  # doctest: +SKIP
    array([3, 0, 1, 0])
    """

    def __init__(self, of: Job | Run | str | Path) -> None:
        found = of.run_dir if isinstance(of, Job) else of.dir if isinstance(of, Run) else of
        if not isinstance(found, str | Path) or not Path(found).is_dir():
            raise UsageError(f"{found!s:.200} is no run: give a job, a run or its directory")
        self._follower = Follower(Path(found) / "trace", ("servers.piot",))
        self._book = ServerBook()
        self._at = 0

    def look(self) -> ServerState:
        """Return how servers were a quarter of a second ago at most; of a finished run, last."""
        self._book.take(self._follower.poll(everything=True))
        book = self._book
        if self._follower.finished:
            moment = book.last
        else:
            moment = max(book.newest, time.monotonic_ns() - BEHIND)
        self._at = max(self._at, moment if book.newest else 0)
        return book.at(self._at)
