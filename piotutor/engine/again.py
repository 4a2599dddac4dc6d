"""The calls of real ranks once more, in virtual time.

An emulated run keeps how the engine had its calls: when each began, and when it was over. Made
again, each so long after its rank's last one as it really was, they take as long to the nanosecond:
both clocks have one engine. What is left between a run and the model of its workload is what its
ranks did between calls.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from piotutor.engine.machine import Machine
from piotutor.engine.model import targets_of
from piotutor.engine.world import OPERATION, PAUSE, World
from piotutor.trace import Layer, Op


def again(
    calls: np.ndarray,
    machine: Machine,
    *,
    stripe_size: int = 1 << 20,
    stripe_count: int = 1,
    directories: Sequence[int] = (),
) -> np.ndarray:
    """Make the calls of an emulated run in virtual time, with the pauses between them.

    Parameters
    ----------
    calls : ndarray of RECORD
        As the run has them; ``rank`` is the place of one who makes one call at a time: a rank, or
        a further thread of one.
    machine : Machine
        What was emulated.
    stripe_size, stripe_count : int
        How each file was laid out.
    directories : sequence of int
        The directory that each file is in; without, all are in one.

    Returns
    -------
    ndarray of RECORD
        The same calls in the same order, with the moments at which they begin and are over: of the
        same clock, so that a disk is turned as it was.

    Raises
    ------
    PiotutorError
        There is no engine.
    """
    found: np.ndarray = calls.copy()
    if not len(calls):
        return found
    order, firsts = _by_caller(calls)
    todo = np.zeros(2 * len(calls), OPERATION)
    todo["op"][0::2] = PAUSE
    todo["offset"][0::2] = pauses(calls)[order]
    for name in ("offset", "length", "file", "op"):
        todo[name][1::2] = calls[name][order]
    files = [
        (stripe_size, targets_of(file, stripe_count, machine.targets))
        for file in range(int(calls["file"].max()) + 1)
    ]
    clients = calls["client"][order[firsts]].tolist()
    homes = directories[: len(files)]
    world = World(machine.replace(think_time=0.0), files, clients, [Layer.APP], len(calls), homes)
    world.run(todo, 2 * np.diff(firsts, append=len(calls)))
    made = world.records
    in_order = np.lexsort((made["start"], made["rank"]))
    for name in ("start", "end"):
        found[name][order] = made[name][in_order]
    return found


def pauses(calls: np.ndarray) -> np.ndarray:
    """Return the ns between each call and the one before it of who made it.

    Parameters
    ----------
    calls : ndarray of RECORD
        As those of `again`.

    Returns
    -------
    ndarray of int64
        Of a caller's first call: since the clock's zero.
    """
    found: np.ndarray = np.zeros(len(calls), np.int64)
    if len(calls):
        order, firsts = _by_caller(calls)
        over = np.roll(calls["end"][order], 1)
        over[firsts] = 0
        found[order] = calls["start"][order] - over
    return found


def think_time(calls: np.ndarray) -> float:
    """Return how long callers took before a read or a write, the median, in seconds."""
    moves = np.isin(calls["op"], (Op.READ, Op.WRITE))
    return float(np.median(pauses(calls)[moves])) / 1e9 if moves.any() else 0.0


def _by_caller(calls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of callers, then of time, and where in it each caller begins."""
    order = np.lexsort((calls["start"], calls["client"], calls["rank"]))
    callers = calls[["rank", "client"]][order]
    return order, np.flatnonzero(np.append(True, callers[1:] != callers[:-1]))
