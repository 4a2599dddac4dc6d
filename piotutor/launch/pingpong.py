"""Compare the clocks of the hosts of a job, by messages between its ranks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol, cast

from piotutor.kernels.base import Comm
from piotutor.trace.clocks import Clocks, read_clock

LEAST, MOST = 8, 64
"""Round trips of one reading."""
LONGEST = 0.1
"""Seconds after which a reading has had enough round trips."""
_TAG = 2701


class Messages(Protocol):
    """What this needs of a communicator; mpi4py's has it."""

    def send(self, obj: Any, dest: int, tag: int) -> None:
        """Send an object to a rank."""

    def recv(self, *, source: int, tag: int) -> Any:
        """Return an object that a rank has sent."""


def compare(clocks: Clocks, comm: Comm) -> Clocks:
    """Read the clock of each host against rank 0's; all ranks call it.

    The first rank of each other host exchanges messages with rank 0, one host after the other.

    Returns
    -------
    Clocks
        With one more reading of each host, on rank 0; as they were on all others.
    """
    messages = cast(Messages, comm)
    partners = {client: clocks.ranks.index(client) for client in range(1, len(clocks.clients))}
    if comm.rank == 0:
        trips = {client: list(_ask(messages, rank)) for client, rank in partners.items()}
        return clocks.read({client: read_clock(rounds) for client, rounds in trips.items()})
    if comm.rank in partners.values():
        _answer(messages)
    return clocks


def _ask(comm: Messages, rank: int) -> Iterator[tuple[int, int, int]]:
    """Ask a rank for the time, again and again."""
    last = time.monotonic() + LONGEST
    more, count = True, 0
    while more:
        count += 1
        more = count < LEAST or (count < MOST and time.monotonic() < last)
        asked = time.monotonic_ns()
        comm.send(more, dest=rank, tag=_TAG)
        answer = comm.recv(source=rank, tag=_TAG)
        yield asked, answer, time.monotonic_ns()


def _answer(comm: Messages) -> None:
    """Tell rank 0 the time, as often as it asks."""
    more = True
    while more:
        more = comm.recv(source=0, tag=_TAG)
        comm.send(time.monotonic_ns(), dest=0, tag=_TAG)
