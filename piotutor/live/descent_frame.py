"""Records of all layers as the columns of the live descent; arithmetic on arrays, no widgets.

Times are milliseconds since `origin` (ns); rows are ascending by their ends. A row is a call, an
extent of a call, a file domain, or cells of a lane that were touched for the first time: what has
no place in the file has ``low`` -1, what is no call has no ``operations``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from piotutor.live.wire import Arrays
from piotutor.metrics import TRANSFERS
from piotutor.metrics_layers import reads_for_writes
from piotutor.plots.lanes import NAMES, Axis, file_domains, runs, touched
from piotutor.trace import Flag, Layer, Op, Trace
from piotutor.trace.nesting import enclosing

DOMAINS = 100
"""The lane of file domains; the others have the numbers of their layers."""
FOR_WRITE, COLLECTIVE = 1, 2
"""Bits of ``how``."""

_KINDS = {
    "lane": "u1", "op": "u1", "how": "u1", "phase": "<u2", "t0": "<f8", "t1": "<f8", "low": "<f8",
    "high": "<f8", "rank": "<i4", "call": "<i4", "operations": "<u4", "bytes": "<f8",
}  # fmt: skip
_PARTED = 65536  # starts of calls with extents that are remembered
_LATE = 2  # phases back in which something may still happen


def columns(count: int, **given: Any) -> Arrays:
    """Make `count` rows; what isn't given is -1 for places and calls, else 0."""
    rows = {name: np.zeros(count, kind) for name, kind in _KINDS.items()}
    for name in ("low", "high", "call"):
        rows[name][:] = -1
    for name, values in given.items():
        rows[name][:] = values
    return rows


def joined(parts: list[Arrays]) -> Arrays:
    """Put rows together, ordered by their ends."""
    parts = [columns(0), *parts]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in _KINDS}
    order = np.argsort(rows["t1"], kind="stable")
    return {name: values[order] for name, values in rows.items()}


def transfers(records: np.ndarray) -> np.ndarray:
    """Return the reads and writes, and their extents, of the layers that have a lane."""
    keep = (records["op"] == int(Op.READ)) | (records["op"] == int(Op.WRITE))
    keep &= (records["layer"] > 0) & (records["layer"] <= int(Layer.BLOCK))
    found: np.ndarray = records.compress(keep)
    return found


def rows_of(found: np.ndarray, origin: int, parted: np.ndarray) -> Arrays:
    """Return one row for each record, in their order.

    Parameters
    ----------
    found : numpy.ndarray
        Records from `transfers`.
    origin : int
        ns.
    parted : numpy.ndarray of bool
        Calls that have extents: these are drawn in their place.
    """
    part = (found["flags"] & int(Flag.PART)) != 0
    low = np.where(parted, -1, found["offset"])
    return columns(
        len(found),
        lane=found["layer"],
        op=found["op"],
        how=COLLECTIVE * ((found["flags"] & int(Flag.COLLECTIVE)) != 0),
        t0=(found["start"] - origin) / 1e6,
        t1=(found["end"] - origin) / 1e6,
        low=low,
        high=np.where(low < 0, -1, low + found["length"]),
        rank=found["rank"],
        operations=~part,
        bytes=np.where(part, 0, np.maximum(found["result"], 0)),
    )


class Parted:
    """Remembers which calls have extents, of records that come in chunks."""

    def __init__(self) -> None:
        self._starts = np.empty(0, np.int64)

    def mask(self, found: np.ndarray) -> np.ndarray:
        """Return the calls among new records whose extents have been seen: they start alike."""
        part = (found["flags"] & int(Flag.PART)) != 0
        key = found["start"] * 8 + found["layer"]
        self._starts = np.concatenate([self._starts, key[part]])[-_PARTED:]
        parted: np.ndarray = ~part & np.isin(key, self._starts)
        return parted


def whole(trace: Trace, of_file: np.ndarray, origin: int, phases: list[dict[str, Any]]) -> Arrays:
    """Return all rows of one file of a run: calls, extents and file domains, nested.

    Parameters
    ----------
    trace : Trace
    of_file : numpy.ndarray of bool
        The records of the file.
    origin : int
        ns.
    phases : list of dict
        From `piotutor.live.frames.phase_spans`.
    """
    moves = trace.where(op=TRANSFERS) & of_file & (trace.column("layer") <= int(Layer.BLOCK))
    which = np.flatnonzero(moves)
    which = which[np.argsort(trace.column("end")[which], kind="stable")]
    calls = moves & trace.where(without=Flag.PART)
    parted = np.zeros(len(trace) + 1, bool)
    parted[trace.column("parent")[moves & ~calls]] = True
    rows = rows_of(trace.records.take(which), origin, parted[which])
    rows["call"][:] = _requests(trace, which, calls[which])
    for layer in NAMES:
        reads = calls & trace.where(layer=layer, op=Op.READ)
        rows["how"][reads_for_writes(trace, reads)[which]] |= FOR_WRITE
    rows["phase"][:] = phase_of_rows(rows, phases)
    domain = _domains(trace, calls & trace.where(layer=Layer.POSIX), origin)
    domain["phase"][:] = phase_of_rows(domain, phases)
    return _inserted(rows, domain)


def _requests(trace: Trace, which: np.ndarray, calls: np.ndarray) -> np.ndarray:
    """Return for each row the row of the top layer's call around it, or itself; else -1."""
    layer = trace.column("layer")[which]
    top = int(layer.min(initial=Layer.BLOCK))
    place = np.full(len(trace) + 1, -1)
    place[which] = np.arange(len(which))
    around = enclosing(trace, top, which)
    own = calls & (layer == top)
    found: np.ndarray = np.where(own, np.arange(len(which)), place[around])
    return found


def _domains(trace: Trace, posix: np.ndarray, origin: int) -> Arrays:
    """Return a row for each file domain, which is there once its first system call is over."""
    found = file_domains(trace, posix)
    return columns(
        len(found.call),
        lane=DOMAINS,
        op=trace.column("op")[found.call],
        rank=trace.column("rank")[found.call],
        t0=(trace.column("start")[found.first] - origin) / 1e6,
        t1=(trace.column("end")[found.first] - origin) / 1e6,
        low=found.low,
        high=found.high,
    )


def _inserted(rows: Arrays, more: Arrays) -> Arrays:
    """Put more rows among `rows`, ordered by their ends; ``call`` still names the same rows."""
    order = np.argsort(np.concatenate([rows["t1"], more["t1"]]), kind="stable")
    place = np.empty(len(order) + 1, np.int64)
    place[order], place[-1] = np.arange(len(order)), -1
    both = {name: np.concatenate([rows[name], more[name]])[order] for name in _KINDS}
    both["call"] = place[both["call"]].astype("<i4")
    return both


def phase_of_rows(rows: Arrays, phases: list[dict[str, Any]]) -> np.ndarray:
    """Return the number of the phase in which each row began.

    Block requests are late: theirs is the last phase that did the same.
    """
    starts = np.array([phase["start"] for phase in phases])
    found = np.searchsorted(starts, rows["t0"], side="right") - 1
    block = rows["lane"] == Layer.BLOCK
    for op, word in ((Op.WRITE, "write"), (Op.READ, "read")):
        alike = np.array([n for n, phase in enumerate(phases) if word in phase["name"]], np.int64)
        mine = block & (rows["op"] == op)
        if len(alike) and mine.any():
            turn = np.searchsorted(starts[alike], rows["t0"][mine], side="right") - 1
            found[mine] = alike[np.maximum(turn, 0)]
    clipped: np.ndarray = np.clip(found, 0, 65535)
    return clipped


@dataclass
class Cells:
    """Too many rows to draw one by one: which cells they touch for the first time.

    Attributes
    ----------
    ranks : int
        Number of ranks.
    axis : Axis
        The offsets.
    """

    ranks: int
    axis: Axis
    seen: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)

    def condensed(self, rows: Arrays, slices: int = 1) -> Arrays:
        """Replace rows by the cells that are new in each slice of time, and by sums."""
        ends = rows["t1"]
        if not len(ends):
            return rows
        moments = np.linspace(float(ends[0]), float(ends[-1]), slices + 1)[1:-1]
        cuts = [0, *np.searchsorted(ends, moments, side="right"), len(ends)]
        parts = [
            part
            for begin, end in pairwise(cuts)
            if begin < end
            for part in self._slice({name: v[begin:end] for name, v in rows.items()})
        ]
        return joined(parts)

    def _slice(self, rows: Arrays) -> Iterator[Arrays]:
        key = rows["phase"].astype(int) * 256 + rows["lane"]
        over = int(rows["phase"].max()) - _LATE
        self.seen = {known: cells for known, cells in self.seen.items() if known[0] >= over}
        for group in np.unique(key).tolist():
            mine = {name: values[key == group] for name, values in rows.items()}
            yield self._cells(mine, group // 256, group % 256)
            yield _sums(mine)

    def _cells(self, rows: Arrays, phase: int, lane: int) -> Arrays:
        placed = rows["low"] >= 0
        ranks = np.array([-1]) if lane == Layer.BLOCK else np.arange(max(1, self.ranks))
        low, high = (rows[name][placed].astype(np.int64) for name in ("low", "high"))
        rank = np.clip(rows["rank"][placed], ranks[0], ranks[-1])
        cells = touched([(low, high, rank, rows["op"][placed])], ranks, self.axis)
        old = self.seen.get((phase, lane), np.zeros_like(cells))
        self.seen[phase, lane] = old | cells
        begin, end, rank, op = runs(cells & ~old, ranks, self.axis)
        at = float(rows["t1"].max())
        given = {"low": begin, "high": end, "rank": rank, "op": op, "lane": lane, "phase": phase}
        return columns(len(begin), t0=at, t1=at, **given)


def _sums(rows: Arrays) -> Arrays:
    """Return a row for each kind of call, with all their operations and bytes."""
    kind = rows["op"].astype(int) * 2 + (rows["how"] & FOR_WRITE)
    kinds = np.unique(kind[rows["operations"] > 0])
    counts = np.array([rows["operations"][kind == one].sum() for one in kinds])
    sizes = np.array([rows["bytes"][kind == one].sum() for one in kinds])
    at = float(rows["t1"].max())
    given = {"lane": rows["lane"][0], "phase": rows["phase"][0], "op": kinds // 2, "how": kinds % 2}
    return columns(len(kinds), t0=at, t1=at, rank=-2, operations=counts, bytes=sizes, **given)
