"""Who held a lock on which bytes of an object, from when to when, and for which transfers.

The numbers come from the servers' records: ``LOCK`` from a request to its grant, ``UNLOCK`` from a
callback until what was called back is given up; ``aux`` is the object, ``result`` for what it is
held (`Op`: ``READ`` by several clients at once, ``WRITE`` by one).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from piotutor import layout as layouts
from piotutor.layout import Layout, Striped
from piotutor.metrics import TRANSFERS, top_layer
from piotutor.metrics_targets import file_of, stripe_maps
from piotutor.trace import Flag, Layer, Op, Trace

NEVER = 2**63 - 1
"""When a lock was given up that was held to the end; where one ends that has no end."""


class Holds(NamedTuple):
    """Locks that were granted, one number of each for every lock, in the order of their grants.

    Attributes
    ----------
    object, target, client : ndarray of int64
        Of what, on which target, and who had it.
    op : ndarray of int64
        ``Op.READ`` or ``Op.WRITE``: for what it was held.
    low, high : ndarray of int64
        The bytes of the object; `high` is `NEVER` where it has no end.
    asked, granted : ndarray of int64
        When the server was asked, and when it granted (ns).
    called, released : ndarray of int64
        When it was called back, and was back; `NEVER` for one that was kept.
    rest : ndarray of bool
        What a client kept of a lock, of which it gave up the end only: no grant of its own.
    """

    object: np.ndarray
    target: np.ndarray
    client: np.ndarray
    op: np.ndarray
    low: np.ndarray
    high: np.ndarray
    asked: np.ndarray
    granted: np.ndarray
    called: np.ndarray
    released: np.ndarray
    rest: np.ndarray

    def select(self, mask: np.ndarray) -> Holds:
        """Return some of them."""
        return Holds(*(column[mask] for column in self))


class LockBook:
    """Locks, from records as they come.

    Attributes
    ----------
    grants : int
        How many were granted.
    callbacks : dict of int
        How many of each object's were called back.
    targets : dict of int
        The target of each object.
    clients : set of int
        Who had any.
    """

    def __init__(self) -> None:
        self.grants = 0
        self.callbacks: dict[int, int] = {}
        self.targets: dict[int, int] = {}
        self.clients: set[int] = set()
        self._rows: list[list[int]] = []
        self._held: dict[tuple[int, ...], list[int]] = defaultdict(list)
        self._open: dict[int, None] = {}
        self._alive: list[int] = []

    def take(self, records: np.ndarray) -> int:
        """Add records, of which those of locks count; return how many these were."""
        wanted = (records["op"] == int(Op.LOCK)) | (records["op"] == int(Op.UNLOCK))
        mine = records[wanted & (records["layer"] == int(Layer.SERVER))]
        mine = mine[np.lexsort((mine["op"], mine["end"]))]
        names = ("op", "aux", "target", "client", "result", "offset", "length", "start", "end")
        for op, *rest in zip(*(mine[name].tolist() for name in names), strict=True):
            (self._grant if op == Op.LOCK else self._release)(*rest)
        return len(mine)

    def _grant(
        self, of: int, target: int, client: int, op: int, low: int, length: int, *at: int
    ) -> None:
        self.grants += 1
        self.targets[of] = target
        self.callbacks.setdefault(of, 0)
        self.clients.add(client)
        self._hold([of, target, client, op, low, low + length, *at, NEVER, NEVER, False])

    def _hold(self, row: list[int]) -> None:
        of, _, client, op, _, high, *_ = row
        self._held[of, client, op, high].append(len(self._rows))
        self._open[len(self._rows)] = None
        self._alive.append(len(self._rows))
        self._rows.append(row)

    def _release(
        self, of: int, target: int, client: int, op: int, low: int, length: int, *at: int
    ) -> None:
        held = self._held.get((of, client, op, low + length))
        if not held:
            return  # its grant was dropped
        self.callbacks[of] += 1
        del self._open[held[0]]
        row = self._rows[held.pop(0)]
        if not held:
            del self._held[of, client, op, low + length]
        kept = row[4]
        row[4], row[8], row[9] = low, *at
        if kept < low:
            self._hold([*row[:4], kept, low, *row[6:8], NEVER, NEVER, True])

    @property
    def holds(self) -> Holds:
        """All locks so far."""
        return _table(self._rows)

    def recent(self, most: int) -> Holds:
        """Return so many of the last ones, and as many of older ones that are still held."""
        first = max(0, len(self._rows) - most)
        older = [at for at in [*self._open][-2 * most :] if at < first][-most:]
        return _table([*(self._rows[at] for at in older), *self._rows[first:]])

    def held(self, moment: int) -> Holds:
        """Return those held at a moment, no earlier than one that was asked for before."""
        self._alive = [at for at in self._alive if self._rows[at][9] > moment]
        return _table([self._rows[at] for at in self._alive if self._rows[at][7] <= moment])


def _table(rows: list[list[int]]) -> Holds:
    table = np.array(rows, np.int64).reshape(-1, len(Holds._fields))
    holds = Holds(*table[np.argsort(table[:, 7], kind="stable")].T)
    return holds._replace(rest=holds.rest.astype(bool))


def lock_holds(trace: Trace) -> Holds:
    """Return every lock that servers granted; none where nobody told of locks."""
    book = LockBook()
    book.take(trace.records[trace.where(layer=Layer.SERVER, op=(Op.LOCK, Op.UNLOCK))])
    return book.holds


class Uses(NamedTuple):
    """Parts of transfers, each on one object: what needed a lock, in the order of their starts.

    `source` is the record's index in the trace, `low` and `high` are bytes of the object.
    """

    source: np.ndarray
    object: np.ndarray
    client: np.ndarray
    op: np.ndarray
    low: np.ndarray
    high: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def select(self, mask: np.ndarray) -> Uses:
        """Return some of them."""
        return Uses(*(column[mask] for column in self))


def asking(trace: Trace, op: Op | None = None) -> np.ndarray:
    """Return the mask of the transfers that ask for locks: system calls, where these are known."""
    seen = trace.where(layer=Layer.POSIX, op=TRANSFERS).any()
    layer = Layer.POSIX if seen else top_layer(trace)
    moved = trace.where(layer=layer, op=TRANSFERS if op is None else op, without=Flag.PART)
    return moved & (trace.column("offset") >= 0) & (trace.column("result") > 0)


def lock_uses(trace: Trace, op: Op | None = None) -> Uses:
    """Return what transfers touched on objects; neighbouring pieces of an object are one.

    Parameters
    ----------
    trace : Trace
        Of a model, or of an emulated run: only there objects are known by number.
    op : Op, optional
        Only ``Op.WRITE``, or only ``Op.READ``.
    """
    moved = asking(trace, op)
    parts = [_pieces(trace, moved, each) for each in _files(trace)]
    every = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    source, of, low, high = every or [np.zeros(0, np.int64)] * 4
    records = trace.records[source]
    order = np.lexsort((low, records["start"]))
    start, end = records["start"], records["end"]
    uses = Uses(
        source, of, _clients(trace, records), records["op"].astype(int), low, high, start, end
    )
    return uses.select(order)


class _File(NamedTuple):
    """A file by its number in the trace, its first object, and how it is laid out.

    `since` and `until` (ns): a name may stand for several files, one after the other.
    """

    file: int
    first: int
    layout: Layout
    since: int = -NEVER
    until: int = NEVER


def _files(trace: Trace) -> Iterator[_File]:
    """Yield each file."""
    whole = Striped(1 << 20, 1) if protocol(trace) == "file" else None
    told = (trace.meta.get("map") or {}).get("files", [])
    named: dict[int, list[_File]] = defaultdict(list)
    for entry, one in zip(told, stripe_maps(trace), strict=True):
        file = file_of(trace, one)
        if file is not None and "first_object" in entry:
            named[file].append(_File(file, entry["first_object"], whole or one.layout))
    for same in named.values():
        yield from same if len(same) == 1 else _in_turn(trace, same)
    plan = trace.meta.get("machine") or {}
    if trace.provenance == "modelled" and "stripe_size" in plan:
        layout = whole or Striped(plan["stripe_size"], plan["stripe_count"])
        for file in range(len(trace.files)):
            yield _File(file, file * plan["stripe_count"], layout)


def _in_turn(trace: Trace, same: list[_File]) -> Iterator[_File]:
    """Say from when to when each of several files of one name was there: until the next began."""
    servers = trace.where(layer=Layer.SERVER)
    of, start = (trace.column(name)[servers] for name in ("aux", "start"))
    began = []
    for one in same:
        mine = (of >= one.first) & (of < one.first + (one.layout.objects or 1))
        began.append(int(start[mine].min(initial=NEVER)))
    edges = [-NEVER, *sorted(began)[1:], NEVER]
    for turn, at in enumerate(np.argsort(began, kind="stable")):
        yield same[at]._replace(since=edges[turn], until=edges[turn + 1])


def protocol(trace: Trace) -> str:
    """Return the protocol of locks that a machine had: one of `Machine`; empty if nobody told.

    With ``file``, the locks of a file's first object stand for the whole file.
    """
    told = trace.meta.get("machine") or (trace.meta.get("environment") or {}).get("machine") or {}
    return str(told.get("lock_protocol", ""))


def _pieces(trace: Trace, moved: np.ndarray, of_file: _File) -> list[Any]:
    """Return the parts of one file's transfers: their record, object, first byte and end."""
    end = trace.column("end")
    there = (end >= of_file.since) & (end < of_file.until)
    source = np.flatnonzero(moved & there & (trace.column("file") == of_file.file))
    records = trace.records[source]
    found = layouts.place(of_file.layout, records["offset"], records["result"])
    order = np.lexsort((found.object_offset, found.object, found.source))
    whose, of, low, length = (
        column[order] for column in (found.source, found.object, found.object_offset, found.length)
    )
    same = (np.diff(whose) == 0) & (np.diff(of) == 0) & (low[1:] == (low + length)[:-1])
    begins = np.flatnonzero(np.concatenate([[True], ~same])[: len(whose)])
    high = np.maximum.reduceat(low + length, begins) if len(begins) else low
    return [source[whose[begins]], of_file.first + of[begins], low[begins], high]


def _clients(trace: Trace, records: np.ndarray) -> np.ndarray:
    """Return the client of each: of a real rank, the one that it stands for."""
    place = trace.meta.get("environment") or {}
    if trace.provenance != "emulated" or "ranks_per_client" not in place:
        return records["client"].astype(np.int64)
    each, clients = int(place["ranks_per_client"]), int(place.get("clients", NEVER))
    return np.asarray(records["rank"].astype(np.int64) // each % clients)


def locked_at(uses: Uses, holds: Holds) -> np.ndarray:
    """Return when each part of a transfer had its lock (ns); its start where none was needed.

    It is the grant of what was asked for meanwhile; or else its client had one that was of use.
    Both are of one object. The time is proportional to uses times holds.
    """
    found: np.ndarray = uses.start.copy()
    for at in range(len(found)):
        good = (holds.client == uses.client[at]) & (holds.released > uses.start[at])
        good &= (holds.low <= uses.low[at]) & (holds.high >= uses.high[at])
        good &= (holds.op == Op.WRITE) | (uses.op[at] == Op.READ)
        good &= holds.asked <= uses.end[at]
        own = good & (holds.asked >= uses.start[at])
        first = holds.granted[own if own.any() else good][:1]
        found[at] = max([found[at], *first])
    return found
