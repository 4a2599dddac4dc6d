"""What servers are doing at a moment: requests that are there, bytes so far, locks that are held.

A record of the layer ``SERVER`` says when a request arrived and when it is done. Servers that are
emulated tell it at its arrival, since they know: so the queue is known while it is one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from piotutor.metrics import TRANSFERS
from piotutor.metrics_locks import Holds, LockBook
from piotutor.trace import Flag, Layer, Trace

_NAMES = ("target", "start", "end", "length")
_REQUEST = np.dtype([(name, "<i8") for name in _NAMES])


class ServerState(NamedTuple):
    """Servers at one moment; a number of each for every target, in the order of `targets`.

    Attributes
    ----------
    at : int
        The moment, in ns of the trace's clock (``time.monotonic_ns()`` while a run goes on).
    targets : ndarray of int64
        Those that had requests, ascending.
    queue : ndarray of int64
        Requests that have arrived and aren't done: those that wait, and those that are served.
    operations, bytes : ndarray of int64
        What was done until then.
    locks : Holds
        What is held: by which client, of which object, from byte `low` to `high`.
    """

    at: int
    targets: np.ndarray
    queue: np.ndarray
    operations: np.ndarray
    bytes: np.ndarray
    locks: Holds


class ServerWork(NamedTuple):
    """Queues and what was done, as in `ServerState`; at several moments a row for each target."""

    targets: np.ndarray
    queue: np.ndarray
    operations: np.ndarray
    bytes: np.ndarray


class ServerBook:
    """Servers, from records as they come.

    Attributes
    ----------
    newest, last : int
        When the last request that is known arrived, and when the last one is done (ns); 0 where
        none is known.
    sizes : dict of int
        Bytes of each object that were touched.
    locks : LockBook
        Its locks.
    """

    def __init__(self) -> None:
        self.newest = self.last = 0
        self.sizes: dict[int, int] = {}
        self.locks = LockBook()
        self._pending = np.zeros(0, _REQUEST)
        self._done = np.zeros((0, 2), np.int64)
        self._targets: set[int] = set()

    def take(self, records: np.ndarray) -> int:
        """Add records, of which those of servers count; return how many these were."""
        mine = records[records["layer"] == int(Layer.SERVER)]
        locks = self.locks.take(mine)
        moved = mine[np.isin(mine["op"], TRANSFERS) & (mine["flags"] & int(Flag.PART) == 0)]
        if len(mine):
            self.newest = max(self.newest, int(mine["start"].max()))
            self.last = max(self.last, int(mine["end"].max()))
        if not len(moved):
            return locks
        self._measure(moved)
        fresh = np.zeros(len(moved), _REQUEST)
        for name in _NAMES:
            fresh[name] = moved[name]
        self._pending = np.concatenate([self._pending, fresh])
        self._targets.update(np.unique(fresh["target"]).tolist())
        return len(moved) + locks

    def _measure(self, moved: np.ndarray) -> None:
        """Note how far objects reach."""
        objects, which = np.unique(moved["aux"].astype(np.int64), return_inverse=True)
        ends = np.zeros(len(objects), np.int64)
        np.maximum.at(ends, which, moved["offset"] + moved["length"])
        for one, end in zip(objects.tolist(), ends.tolist(), strict=True):
            self.sizes[one] = max(end, self.sizes.get(one, 0))

    def at(self, moment: int) -> ServerState:
        """Return how it is at a moment, no earlier than one that was asked for before."""
        return ServerState(moment, *self.work(moment), self.locks.held(moment))

    def work(self, moment: int) -> ServerWork:
        """Return the same without locks, of which there may be many."""
        targets = np.array(sorted(self._targets), np.int64)
        room = int(targets.max(initial=-1)) + 1
        self._done = np.pad(self._done, ((0, room - len(self._done)), (0, 0)))
        over = self._pending["end"] <= moment
        gone, self._pending = self._pending[over], self._pending[~over]
        np.add.at(self._done[:, 0], gone["target"], 1)
        np.add.at(self._done[:, 1], gone["target"], gone["length"])
        here = self._pending["target"][self._pending["start"] <= moment]
        queue = np.bincount(here, minlength=room)
        return ServerWork(targets, queue[targets], self._done[targets, 0], self._done[targets, 1])


def server_series(trace: Trace, moments: np.ndarray) -> ServerWork:
    """Return queues and what was done at moments (ns, ascending) of a run that is over."""
    records = trace.records[trace.where(layer=Layer.SERVER, op=TRANSFERS, without=Flag.PART)]
    targets, row = np.unique(records["target"].astype(np.int64), return_inverse=True)
    queue, operations, moved = np.zeros((3, len(targets), len(moments)), np.int64)
    for at in range(len(targets)):
        mine = records[row == at]
        mine = mine[np.argsort(mine["end"], kind="stable")]
        over = np.searchsorted(mine["end"], moments, side="right")
        operations[at] = over
        moved[at] = np.concatenate([[0], np.cumsum(mine["length"])])[over]
        queue[at] = np.searchsorted(np.sort(mine["start"]), moments, side="right") - over
    return ServerWork(targets, queue, operations, moved)
