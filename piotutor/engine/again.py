"""Calls of real ranks once more, in virtual time: each as long after the one before as it was.

An emulated run keeps how the engine had its calls: when each began, and when it was over. Made
again they take as long, to the nanosecond, for both clocks have one engine. So what is left between
a run and the model of its workload is what its ranks did between calls.

Calls of a program, recorded anywhere, can be made on a machine that isn't there. What it did
between them takes as long as it did where it ran, waiting for other ranks included.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from piotutor.engine.demand import MOST_RECORDS, layout_on
from piotutor.engine.machine import Machine
from piotutor.engine.model import ranks_per_client, targets_of
from piotutor.engine.world import OPERATION, PAUSE, World
from piotutor.errors import UsageError
from piotutor.trace import Flag, Layer, Op, Trace

_MADE = (Op.OPEN, Op.READ, Op.WRITE, Op.SYNC, Op.CLOSE, Op.REMOVE, Op.TRUNCATE, Op.STAT)
"""What a program's calls may be, to be made again."""


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
    layout = stripe_size, stripe_count
    world = _made(calls[order], firsts, machine, layout, directories, [Layer.APP])
    in_order = np.lexsort((world.records["start"], world.records["rank"]))
    for name in ("start", "end"):
        found[name][order] = world.records[name][in_order]
    return found


def program(
    trace: Trace,
    machine: Machine,
    *,
    stripe_size: int = 1 << 20,
    stripe_count: int = 1,
    layers: Sequence[Layer] = (),
) -> Trace:
    """Make a program's system calls on a machine that isn't there.

    Parameters
    ----------
    trace : Trace
        Of a run whose system calls were recorded.
    machine : Machine
        On what. Ranks are spread evenly over its clients.
    stripe_size, stripe_count : int
        How each file is laid out.
    layers : sequence of Layer
        Whose records there are to be below the calls.

    Returns
    -------
    Trace
        ``modelled``: the calls, of the layer ``POSIX``, and what was asked for.

    Raises
    ------
    UsageError
        No system call was recorded, or the ranks don't fit on the machine.
    PiotutorError
        There is no engine.
    """
    layout = layout_on(machine, stripe_size=stripe_size, stripe_count=stripe_count, directories=1)
    calls = _calls_of(trace)
    callers, caller = np.unique(calls[["rank", "thread"]], return_inverse=True)
    calls["client"] = calls["rank"] // ranks_per_client(int(calls["rank"].max()) + 1, machine)
    calls["rank"] = caller
    order, firsts = _by_caller(calls)
    world = _made(calls[order], firsts, machine, layout[:2], (), [Layer.APP, *layers])
    made = world.records.copy()
    whose = made["rank"]
    made["thread"] = np.where(made["layer"] == Layer.APP, callers["thread"][whose], made["thread"])
    made["rank"] = np.where(whose >= 0, callers["rank"][whose], whose)
    made["layer"][made["layer"] == Layer.APP] = Layer.POSIX
    return Trace.from_records(made, files=trace.files, provenance="modelled")


def _calls_of(trace: Trace) -> np.ndarray:
    """Return the system calls that did something on a file, with the bytes that they moved."""
    asked = trace.where(layer=Layer.POSIX, op=_MADE, without=Flag.PART | Flag.FAILED)
    found: np.ndarray = trace.records[asked]
    moves = np.isin(found["op"], (Op.READ, Op.WRITE))
    found["length"] = np.where(moves, found["result"], 0)
    known = ~moves | (found["offset"] >= 0) & (found["result"] > 0)
    found = found[known & (found["file"] >= 0)]
    if not len(found):
        raise UsageError("no system call on a file was recorded: nothing can be modelled")
    return found


def _made(
    calls: np.ndarray,
    firsts: np.ndarray,
    machine: Machine,
    layout: tuple[int, int],
    directories: Sequence[int],
    layers: Sequence[Layer],
) -> World:
    """Return the world in which callers, whose calls follow each other, have made them."""
    todo = np.zeros(2 * len(calls), OPERATION)
    todo["op"][0::2] = PAUSE
    todo["offset"][0::2] = np.maximum(_waits(calls, firsts), 0)
    for name in ("offset", "length", "file", "op"):
        todo[name][1::2] = calls[name]
    size, count = layout
    files = [
        (size, targets_of(file, count, machine.targets))
        for file in range(int(calls["file"].max()) + 1)
    ]
    clients = calls["client"][firsts].tolist()
    room = len(calls) if list(layers) == [Layer.APP] else MOST_RECORDS
    machine = machine.replace(think_time=0.0)
    world = World(machine, files, clients, layers, room, directories[: len(files)])
    world.run(todo, 2 * np.diff(firsts, append=len(calls)))
    return world


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
        found[order] = _waits(calls[order], firsts)
    return found


def _waits(calls: np.ndarray, firsts: np.ndarray) -> np.ndarray:
    """Return the pauses before calls that stand in the order of their callers."""
    over = np.roll(calls["end"], 1)
    over[firsts] = 0
    waits: np.ndarray = calls["start"] - over
    return waits


def think_time(calls: np.ndarray) -> float:
    """Return how long callers took before a read or a write, the median, in seconds."""
    moves = np.isin(calls["op"], (Op.READ, Op.WRITE))
    return float(np.median(pauses(calls)[moves])) / 1e9 if moves.any() else 0.0


def _by_caller(calls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of callers, then of time, and where in it each caller begins."""
    order = np.lexsort((calls["start"], calls["client"], calls["rank"]))
    callers = calls[["rank", "client"]][order]
    return order, np.flatnonzero(np.append(True, callers[1:] != callers[:-1]))
