"""What each target (an OST, an OSD, a disk) did, and when: counts, bytes, the last byte.

The numbers come from the servers: from their counters, looked at again and again (``SAMPLE``
records of the layer ``SERVER``, with counts since the ranks' start), or from their transfers. Where
servers told nothing but the file's layout is known, the transfers that reached the file system are
dealt out by it; `TargetWork.how` then says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from piotutor import layout as layouts
from piotutor.metrics import TRANSFERS, PhaseResult, distinct, phases, sum_by, top_layer, transfers
from piotutor.stripemap import StripeMap, maps_of, target_word
from piotutor.trace import Flag, Layer, Op, Trace

COUNTERS, SEEN, DEALT = "counters", "transfers", "layout"
_LOW = np.uint64(0xFFFFFFFF)
_NEVER = 2**62


class Part(NamedTuple):
    """Some work of targets: rows in `TargetWork.targets`, ns, and how much in between.

    `took` is the time (ns) spent on these operations, -1 where it isn't known.
    """

    row: np.ndarray
    start: np.ndarray
    end: np.ndarray
    bytes: np.ndarray
    operations: np.ndarray
    took: np.ndarray


class Totals(NamedTuple):
    """What each target did in all: one number for each row.

    `first` and `last` (ns) are when its first bytes began and its last ones were there; where there
    were none, `first` is behind `last`. `took` (ns) is -1 where it isn't known.
    """

    operations: np.ndarray
    bytes: np.ndarray
    took: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @property
    def working(self) -> np.ndarray:
        """Which targets moved bytes."""
        return np.asarray(self.first <= self.last)


def _together(one: Totals, other: Totals) -> Totals:
    unknown = (one.took < 0) | (other.took < 0)
    return Totals(
        one.operations + other.operations,
        one.bytes + other.bytes,
        np.where(unknown, -1, one.took + other.took),
        np.minimum(one.first, other.first),
        np.maximum(one.last, other.last),
    )


@dataclass(frozen=True, eq=False)
class TargetWork:
    """What targets did over time.

    Attributes
    ----------
    targets : ndarray of int64
        Their numbers, ascending; idle ones too, if a server told of them.
    word : str
        What one is called: ``OSD``, ``OST``, ``target``.
    how : str
        ``counters`` or ``transfers`` of the servers, or ``layout``: the ranks' transfers dealt out.
    look : int
        How close two moments can be told apart, in ns: the longest time between two looks at the
        counters; 0 where single transfers are known.
    parts : callable
        Of an op (``write``, ``read``, None for both) makes an iterator of `Part`.
    known : dict
        Totals that were summed up already.
    """

    targets: np.ndarray
    word: str
    how: str
    look: int
    parts: Callable[[str | None], Iterator[Part]]
    known: dict[str | None, Totals] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The targets' names: ``OSD 2``."""
        return [f"{self.word} {number}" for number in self.targets]

    @property
    def whose(self) -> str:
        """Whose counts these are, in words."""
        return {
            COUNTERS: f"by the {self.word}s' own counters",
            SEEN: "as the servers saw it",
            DEALT: "as the ranks saw it, dealt out by the file's layout",
        }[self.how]

    def totals(self, op: str | None = None) -> Totals:
        """Sum up what each target did: all, or only what was written or read."""
        if op not in self.known:
            self.known[op] = self._totals(op)
        return self.known[op]

    def _totals(self, op: str | None) -> Totals:
        if op is None and self.how != COUNTERS:
            return _together(self.totals("write"), self.totals("read"))
        n = len(self.targets)
        operations, moved, took = (np.zeros(n, np.int64) for _ in range(3))
        first, last = np.full(n, _NEVER), np.full(n, -_NEVER)
        for part in self.parts(op):
            operations += sum_by(part.row, part.operations, n)
            moved += sum_by(part.row, part.bytes, n)
            took += sum_by(part.row, np.maximum(part.took, 0), n)
            if len(part.took) and part.took.min() < 0:
                took[:] = -_NEVER
            some = part if part.bytes.all() else Part(*(c[part.bytes > 0] for c in part))
            np.minimum.at(first, some.row, some.start)
            np.maximum.at(last, some.row, some.end)
        return Totals(operations, moved, np.maximum(took, -1), first, last)


def target_work(trace: Trace) -> TargetWork | None:
    """Find out what targets did; None where neither servers nor a layout tell.

    Parameters
    ----------
    trace : Trace
        ``meta["map"]`` is the document of its run's ``map.json``, if it has one.
    """
    maps = stripe_maps(trace)
    system = maps[0].system if maps else (trace.meta.get("environment") or {}).get("filesystem")
    word = "server" if trace.provenance == "emulated" else target_word(system)
    samples = np.flatnonzero(trace.where(layer=Layer.SERVER, op=Op.SAMPLE))
    if len(samples):
        return counted(trace.records[samples], word)
    mask = trace.where(layer=Layer.SERVER, op=TRANSFERS, without=Flag.PART)
    if mask.any():
        return _seen(trace, mask, word)
    return _dealt(trace, maps, word) if maps else None


def stripe_maps(trace: Trace) -> list[StripeMap]:
    """Return the maps of a trace's files, those of its run."""
    return maps_of(trace.meta.get("map"))


def counted(samples: np.ndarray, word: str = "target") -> TargetWork:
    """Return the work between looks at the servers' counters.

    Parameters
    ----------
    samples : numpy.ndarray
        ``SAMPLE`` records of the layer ``SERVER``. Parts are in the order of targets and ends.
    word : str
        What a target is called.
    """
    samples = samples[np.lexsort((samples["end"], samples["target"]))]
    targets, row = np.unique(samples["target"].astype(np.int64), return_inverse=True)
    new = np.diff(row, prepend=-1) != 0
    start = np.where(new, samples["start"], np.roll(samples["end"], 1))
    known = (samples["offset"] >= 0).all()
    took = _increase(samples["offset"], new) if known else np.full(len(row), -1)
    aux = samples["aux"]
    counts = {
        "write": (samples["length"], (aux & _LOW).astype(np.int64)),
        "read": (samples["result"], (aux >> np.uint64(32)).astype(np.int64)),
    }

    def parts(op: str | None) -> Iterator[Part]:
        wanted = [counts[op]] if op else [*counts.values()]
        sizes, operations = (
            np.sum([_increase(column, new) for column in columns], axis=0)
            for columns in zip(*wanted, strict=True)
        )
        yield Part(row, start, samples["end"], sizes, operations, took)

    longest = int((samples["end"] - start).max(initial=0))
    return TargetWork(targets, word, COUNTERS, longest, parts)


def _increase(counts: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return by how much counts grew from look to look; a counter begun anew counts from 0."""
    before = np.where(new, 0, np.roll(counts, 1))
    return np.asarray(np.where(counts < before, counts, counts - before))


def _ops(op: str | None) -> list[Op]:
    return [Op[op.upper()]] if op else [*TRANSFERS]


def _seen(trace: Trace, mask: np.ndarray, word: str) -> TargetWork:
    """Return the servers' transfers."""
    targets = distinct(trace.column("target"), mask).astype(np.int64)

    def parts(op: str | None) -> Iterator[Part]:
        some = mask & trace.where(op=_ops(op))
        for target, start, end, result in trace.blocks(some, "target", "start", "end", "result"):
            row = np.searchsorted(targets, target)
            moved = np.maximum(result, 0)
            yield Part(row, start, end, moved, np.ones(len(row), np.int64), end - start)

    return TargetWork(targets, word, SEEN, 0, parts)


def _dealt(trace: Trace, maps: list[StripeMap], word: str) -> TargetWork | None:
    """Return the transfers that reached the file system, cut at stripes, on their targets."""
    below = (Layer.POSIX, Layer.MPIIO, Layer.HDF5, Layer.APP)
    layer = next((one for one in below if transfers(trace, layer=one).any()), None)
    numbered = [one for one in maps if one.target.dtype.kind == "i"]
    known = {n: one for one in numbered if (n := file_of(trace, one)) is not None}
    if layer is None or not known:
        return None
    targets = np.unique(np.concatenate([one.target for one in numbered])).astype(np.int64)
    rows = {file: np.searchsorted(targets, one.target) for file, one in known.items()}

    def parts(op: str | None) -> Iterator[Part]:
        mask = trace.where(layer=layer, op=_ops(op), without=Flag.PART)
        mask &= trace.column("offset") >= 0
        for columns in trace.blocks(mask, "file", "start", "end", "offset", "result"):
            for file, one in known.items():
                some = columns[0] == file
                mine = columns[1:] if some.all() else [column[some] for column in columns[1:]]
                yield _deal(mine, one, rows[file])

    return TargetWork(targets, word, DEALT, 0, parts)


def _deal(columns: Sequence[np.ndarray], one: StripeMap, rows: np.ndarray) -> Part:
    start, end, offset, result = columns
    length = np.clip(one.size - offset, 0, np.maximum(result, 0))
    pieces = layouts.place(one.layout, offset, length)
    uncut = np.array_equal(pieces.source, np.arange(len(offset)))
    at = offset if uncut else one.layout.get(pieces.object, pieces.object_offset)
    row = rows[one.extent_at(at)]
    start, end = start[pieces.source], end[pieces.source]
    return Part(row, start, end, pieces.length, np.ones(len(row), np.int64), np.full(len(row), -1))


def file_of(trace: Trace, one: StripeMap) -> int | None:
    """Return the number of a map's file in a trace: by name, or the only file there is."""
    names = [path.rsplit("/", 1)[-1] for path in trace.files]
    if one.name in names:
        return names.index(one.name)
    return 0 if len(names) == 1 and not one.name else None


def rank_phases(trace: Trace) -> list[PhaseResult]:
    """Return the ranks' write and read phases; none where only servers were seen."""
    return phases(trace) if top_layer(trace) < Layer.BLOCK else []


def write_amplification(trace: Trace, work: TargetWork | None = None) -> float | None:
    """Return the bytes that targets wrote, by their own counts, over those that ranks wrote.

    1 where each byte is kept once and nothing is written twice; with parity of three data chunks
    to one, 4/3 at best. None where the servers told nothing, or nothing was written. `work` is
    what targets did, where it is known already.
    """
    work = work or target_work(trace)
    asked = sum(int(part.sum()) for (part,) in trace.blocks(transfers(trace, Op.WRITE), "result"))
    if work is None or work.how == DEALT or not asked:
        return None
    return float(work.totals("write").bytes.sum() / asked)


def imbalance(values: np.ndarray) -> float:
    """Return the largest share over the mean: 1 is even; 1 of nothing."""
    mean = float(values.mean()) if len(values) else 0.0
    return float(values.max()) / mean if mean else 1.0


class Straggler(NamedTuple):
    """One target that was done long after all others.

    Attributes
    ----------
    row : int
        Which, in `TargetWork.targets`.
    seconds : float
        From the first byte on any target to its last one.
    others : float
        The same of the others, the latest of them.
    spread : float
        How much earlier than that the earliest of the others was done.
    waited : bool
        Whether the ranks' phase ended only after its last byte, as far as can be told.
    """

    row: int
    seconds: float
    others: float
    spread: float
    waited: bool


LATE = 0.1
"""Share of the time by which a straggler is done later than all others."""
SLOWER, EXCESS = 2.0, 0.25
"""How many times longer operations take at a slow target; what that costs, of the time."""
_FEW = 10  # operations whose mean says something


def straggler(
    work: TargetWork, op: str, ranks: Iterable[PhaseResult], late_share: float = LATE
) -> Straggler | None:
    """Find the target that kept a run waiting; None where no single one stands out.

    It must be later than all others by a share of the time, and by more than two looks at the
    counters can lie apart.

    Parameters
    ----------
    work : TargetWork
        What targets did.
    op : str
        ``write`` or ``read``.
    ranks : iterable of PhaseResult
        The ranks' phases: did they end after it?
    late_share : float
        That share.
    """
    totals = work.totals(op)
    rows = np.flatnonzero(totals.working)
    if len(rows) < 2:
        return None
    began = int(totals.first[rows].min())
    done = totals.last[rows] - began
    order = np.argsort(done, kind="stable")
    late, next_ = int(done[order[-1]]), int(done[order[-2]])
    if late - next_ <= max(work.look, late_share * late):
        return None
    row = int(rows[order[-1]])
    spread = (next_ - int(done[order[0]])) / 1e9
    close = int(totals.last[row]) - work.look
    waited = any(phase.op == op and phase.start < close <= phase.end for phase in ranks)
    return Straggler(row, late / 1e9, next_ / 1e9, spread, waited)


class Slow(NamedTuple):
    """One target at which operations take much longer than at all others, in the mean.

    `seconds` is that of its operations, `others` the longest of the other targets'.
    """

    row: int
    seconds: float
    others: float


def slowest(work: TargetWork) -> Slow | None:
    """Find the target at which operations take much longer; None where none stands out.

    They must take `SLOWER` times as long as at any other, and the difference must add up to a
    share, `EXCESS`, of the time in which targets worked, and to more than two looks at the counters
    can lie apart: in a shorter run it may be a single hiccup. So a slow target shows even where
    ranks wait for each transfer, and all targets are done at the same time.
    """
    totals = work.totals()
    rows = np.flatnonzero((totals.operations >= _FEW) & (totals.took >= 0) & totals.working)
    if len(rows) < 2:
        return None
    mean = totals.took[rows] / totals.operations[rows] / 1e9
    order = np.argsort(mean)
    row, seconds, others = int(rows[order[-1]]), float(mean[order[-1]]), float(mean[order[-2]])
    span = (int(totals.last[rows].max()) - int(totals.first[rows].min())) / 1e9
    excess = (seconds - others) * int(totals.operations[row])
    slow = seconds >= SLOWER * others and excess > max(EXCESS * span, work.look / 1e9)
    return Slow(row, seconds, others) if slow else None


def main_op(work: TargetWork) -> str:
    """Return the kind of transfers in which a straggler is looked for: writes, if there are any."""
    return "write" if work.totals("write").working.any() else "read"
