"""Records to the columns that a view paints; arithmetic on arrays, no widgets.

Times are milliseconds since `origin` (ns), ascending by end. Records are picked with `take` and
`compress`: indexing copies them field by field and takes ten times as long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from piotutor.live.scene import Scene
from piotutor.live.wire import Arrays
from piotutor.metrics import top_layer
from piotutor.trace import Flag, Layer, Op, Phase, Trace, pack_aux, phase_of, repetition_of

# plain numbers: numpy asks an enum member for much before it takes it for one
_APP, _READ, _WRITE, _PART = map(int, (Layer.APP, Op.READ, Op.WRITE, Flag.PART))

PER_OCTAVE = 4
LATENCY_BINS = 40 * PER_OCTAVE
"""Latencies from 1 ns to 2**40 ns, four bins to each doubling."""

TIMELINE_KINDS = ("open", "transfer", "sync", "close", "wait")
_KIND_OF = np.full(256, 255, np.uint8)
for _kind, _ops in enumerate(
    ((Op.OPEN,), (Op.READ, Op.WRITE), (Op.SYNC,), (Op.CLOSE,), (Op.BARRIER,))
):
    _KIND_OF[list(_ops)] = _kind

PHASE_NAMES = ("write", "read", "check write", "check read", "other")


def milliseconds(ns: np.ndarray, origin: int) -> np.ndarray:
    """Return times (ns) as float32 milliseconds since `origin`."""
    return ((ns - origin) / 1e6).astype("<f4")


def reach(records: np.ndarray) -> tuple[int, float]:
    """Return when the ranks began (ns), and how long (ms) it was to the end of their last call."""
    mine = records[records["rank"] >= 0]
    if not len(mine):
        return 0, 1.0
    begin = int(mine["start"].min())
    return begin, max((int(mine["end"].max()) - begin) / 1e6, 1e-3)


def as_application(trace: Trace) -> Trace:
    """Return a trace in which the top layer stands for an application that recorded nothing.

    The views that show the application's calls then show that layer's.
    """
    layer = top_layer(trace)
    if layer == Layer.APP:
        return trace
    records = trace.records.copy()
    mine = (records["layer"] == layer) & (records["op"] != Op.SAMPLE)
    records["layer"][mine] = _APP
    phases = {_WRITE: Phase.WRITE, _READ: Phase.READ}
    records["aux"][mine] = pack_aux(0, Phase.OTHER)
    for op, phase in phases.items():
        records["aux"][mine & (records["op"] == op)] = pack_aux(0, phase)
    return Trace(records, trace.files, trace.dropped, trace.provenance, trace.meta)


def calls(records: np.ndarray) -> np.ndarray:
    """Return the application's reads and writes: operations, not the extents of one."""
    found: np.ndarray = records.compress(_moving(records) & (records["flags"] & _PART == 0))
    return found


def extents(records: np.ndarray) -> np.ndarray:
    """Return what was touched: extents, and calls that have none, ordered by their end."""
    found: np.ndarray = records.compress(_moving(records) & (records["offset"] >= 0))
    part = (found["flags"] & _PART) != 0
    if part.any():
        found = found.compress(part | ~np.isin(found["start"], found["start"][part]))
    return in_order(found)


def _moving(records: np.ndarray) -> np.ndarray:
    moves: np.ndarray = (records["op"] == _READ) | (records["op"] == _WRITE)
    moves &= records["layer"] == _APP
    return moves


def in_order(records: np.ndarray) -> np.ndarray:
    """Return records ordered by their end."""
    found: np.ndarray = records.take(np.argsort(records["end"], kind="stable"))
    return found


def event_columns(found: np.ndarray, origin: int) -> Arrays:
    """Columns of the access map's rectangles, from `extents`."""
    return {
        "t0": milliseconds(found["start"], origin),
        "t1": milliseconds(found["end"], origin),
        "offset": found["offset"].astype("<f8"),
        "length": np.minimum(found["length"], 2**32 - 1).astype("<u4"),
        "rank": found["rank"].astype("<u2"),
        "file": np.maximum(found["file"], 0).astype("<u2"),
        "op": found["op"],
    }


def timeline_columns(records: np.ndarray, origin: int) -> Arrays:
    """Columns of the rank timeline: every call of every rank with its kind."""
    wanted = (records["layer"] == _APP) & (_KIND_OF[records["op"]] < len(TIMELINE_KINDS))
    found = in_order(records.compress(wanted & (records["flags"] & _PART == 0)))
    return {
        "t0": milliseconds(found["start"], origin),
        "t1": milliseconds(found["end"], origin),
        "rank": found["rank"].astype("<u2"),
        "kind": _KIND_OF[found["op"]],
    }


@dataclass(frozen=True)
class HeatGrid:
    """Cells of the heat map: groups of ranks x stripes of all files on end."""

    rows: int
    stripes: int
    stripe: int
    ranks: int

    @classmethod
    def of_scene(cls, scene: Scene, most: int = 1024) -> HeatGrid:
        """Use stripes of the smallest power of two, at least a page, of which `most` suffice."""
        stripe = 4096
        while stripe * most < scene.size:
            stripe *= 2
        stripes = -(-scene.size // stripe)
        return cls(min(scene.ranks, 256), stripes, stripe, scene.ranks)

    def cells(self, found: np.ndarray, bases: np.ndarray) -> np.ndarray:
        """Return the cell of every stripe that every extent touches."""
        start = found["offset"] + bases[np.maximum(found["file"], 0)]
        first = start // self.stripe
        touched = np.maximum(start + found["length"] - 1, start) // self.stripe - first + 1
        row = np.minimum(found["rank"].astype(np.int64) * self.rows // self.ranks, self.rows - 1)
        if touched.max(initial=1) == 1:
            column = first
        else:
            row, first = np.repeat(row, touched), np.repeat(first, touched)
            column = (
                first + np.arange(len(first)) - np.repeat(np.cumsum(touched) - touched, touched)
            )
        cell: np.ndarray = row * self.stripes
        cell += np.minimum(np.maximum(column, 0), self.stripes - 1)
        return cell

    def columns(self, found: np.ndarray, bases: np.ndarray, when: float) -> Arrays:
        """Return the cells touched and how often, all at one moment (ms)."""
        cell, hits = np.unique(self.cells(found, bases), return_counts=True)
        times = np.full(len(cell), when, "<f4")
        return {"heat_t": times, "cell": cell.astype("<u4"), "hits": hits.astype("<u4")}


def slices(found: np.ndarray, most: int = 240) -> np.ndarray:
    """Return moments (ns) that cut a run for its replay: at most `most`, the last one its end."""
    if not len(found):
        return np.zeros(0, np.int64)
    ends = np.unique(found["end"])
    if len(ends) <= most:
        return ends
    return np.linspace(ends[0], ends[-1], most).astype(np.int64)


def bytes_by(times: np.ndarray, t0: np.ndarray, t1: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return the bytes moved by each of `times`, each transfer going on evenly from t0 to t1."""
    rate = length / np.maximum(t1 - t0, 1e-6)
    moved: np.ndarray = np.maximum(_ramps(times, t0, rate) - _ramps(times, t1, rate), 0.0)
    return moved


def _ramps(times: np.ndarray, begin: np.ndarray, rate: np.ndarray) -> np.ndarray:
    order = np.argsort(begin, kind="stable")
    begin, rate = begin[order], rate[order]
    total = np.concatenate([[0.0], np.cumsum(rate)])
    moment = np.concatenate([[0.0], np.cumsum(rate * begin)])
    place = np.searchsorted(begin, times, side="right")
    moved: np.ndarray = times * total[place] - moment[place]
    return moved


@dataclass
class RateBins:
    """Bytes in equal bins of time, by rank; the bins double when the run outgrows them."""

    rows: int
    bins: int = 128
    width: float = 0.25
    filled: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.filled = np.zeros((self.rows, self.bins))

    def add(self, found: np.ndarray, origin: int) -> None:
        """Add what these calls moved."""
        t0, t1 = (found["start"] - origin) / 1e6, (found["end"] - origin) / 1e6
        while t1.max(initial=0.0) > self.width * self.bins:
            self._double()
        edges = np.arange(self.bins + 1) * self.width
        row = found["rank"] if self.rows > 1 else np.zeros(len(found), np.int32)
        for r in np.unique(row):
            mine = row == r
            moved = bytes_by(edges, t0[mine], t1[mine], found["length"][mine].astype(float))
            self.filled[min(int(r), self.rows - 1)] += np.diff(moved)

    def _double(self) -> None:
        halved = self.filled.reshape(self.rows, -1, 2).sum(axis=2)
        self.filled = np.concatenate([halved, np.zeros_like(halved)], axis=1)
        self.width *= 2

    def rates(self) -> np.ndarray:
        """Return bytes/s, rows x bins, flat."""
        return (self.filled / (self.width / 1e3)).astype("<f4").ravel()


def phase_spans(records: np.ndarray, origin: int) -> list[dict[str, Any]]:
    """Return the phases with begin and end (ms, open to close), bytes and bandwidth (bytes/s)."""
    app = records[(records["layer"] == Layer.APP) & (records["op"] != Op.BARRIER)]
    spans = []
    for aux in np.unique(app["aux"]):
        mine = app[app["aux"] == aux]
        moved = int(calls(mine)["length"].sum())
        if moved:
            spans.append(_span(aux, mine, moved, origin))
    return sorted(spans, key=lambda span: float(span["start"]))


def _span(aux: np.uint64, mine: np.ndarray, moved: int, origin: int) -> dict[str, Any]:
    first, last = int(mine["start"].min()), int(mine["end"].max())
    number = int(repetition_of(np.asarray(aux)))
    name = PHASE_NAMES[min(int(phase_of(np.asarray(aux))), 4)]
    return {
        "name": f"{name} {number + 1}" if number else name,
        "start": (first - origin) / 1e6,
        "end": (last - origin) / 1e6,
        "bytes": moved,
        "bandwidth": moved / max(last - first, 1) * 1e9,
    }


def latency_bins(found: np.ndarray) -> np.ndarray:
    """Return the bin of each call's duration; bin b begins at ``2 ** (b / PER_OCTAVE)`` ns."""
    took = np.maximum(found["end"] - found["start"], 1)
    bins: np.ndarray = (np.log2(took) * PER_OCTAVE).astype(np.int64)
    return np.asarray(np.minimum(bins, LATENCY_BINS - 1))


def histogram(found: np.ndarray, ops: tuple[str, ...]) -> np.ndarray:
    """Count the calls in each bin, one row for each of `ops`."""
    bins = latency_bins(found)
    rows = [bins[found["op"] == (Op.WRITE if op == "write" else Op.READ)] for op in ops]
    counted = [np.bincount(row, minlength=LATENCY_BINS) for row in rows]
    return np.array(counted).reshape(len(ops), LATENCY_BINS)


def quantiles_of(
    counts: np.ndarray, shares: tuple[float, ...] = (0.5, 0.95, 0.99, 1.0)
) -> np.ndarray:
    """Return quantiles (ns) from histograms [..., bins]: the middle of the bin that holds each."""
    total = counts.cumsum(axis=-1)
    wanted = np.ceil(np.asarray(shares) * total[..., -1:])
    place = (total[..., None, :] < wanted[..., :, None]).sum(axis=-1)
    middle = 2.0 ** ((place + 0.5) / PER_OCTAVE)
    return np.where(total[..., -1:] > 0, middle, 0.0)


def quantiles(found: np.ndarray, ops: tuple[str, ...]) -> np.ndarray:
    """Return the exact 50, 95, 99 and 100% quantiles (ns) of each of `ops`."""
    rows = []
    for op in ops:
        mine = found[found["op"] == (Op.WRITE if op == "write" else Op.READ)]
        took = mine["end"] - mine["start"]
        rows.append(np.quantile(took, (0.5, 0.95, 0.99, 1.0)) if len(took) else np.zeros(4))
    return np.array(rows).reshape(len(ops), 4)
