"""What targets did, in equal bins of time: while records come, and of a whole run."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from piotutor.live.wire import Arrays
from piotutor.metrics_targets import Part, TargetWork, counted
from piotutor.plots import bins
from piotutor.trace import RECORD, Layer, Op

KINDS = ("bytes", "operations")


@dataclass
class StripBins:
    """Bytes and operations of each target in bins, which double when the run outgrows them.

    Attributes
    ----------
    count : int
        Number of bins.
    width : float
        Milliseconds of one.
    targets : list of int
        Targets that are known so far, ascending.
    reached : float
        Until when (ms) something is known.
    filled : ndarray
        Shape (2, targets, bins): bytes and operations.
    """

    count: int = 128
    width: float = 10.0
    targets: list[int] = field(default_factory=list)
    reached: float = 0.0
    filled: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.filled = np.zeros((2, len(self.targets), self.count))
        self._last = np.empty(0, RECORD)

    def take(self, records: np.ndarray, origin: int) -> tuple[int, int] | None:
        """Add records of servers; return the first bin that changed and the one behind the last.

        All bins count as changed where rows or widths are new; None where nothing came.
        """
        mine = records.compress(records["layer"] == int(Layer.SERVER))
        if not len(mine):
            return None
        rows, width = len(self.targets), self.width
        self.reached = max(self.reached, (int(mine["end"].max()) - origin) / 1e6)
        samples = mine.compress(mine["op"] == int(Op.SAMPLE))
        moves = mine.compress((mine["op"] == int(Op.WRITE)) | (mine["op"] == int(Op.READ)))
        edges = [self.add(part, names, origin) for part, names in self._parts(samples, moves)]
        if (rows, width) != (len(self.targets), self.width):
            return 0, self.count
        changed = [edge for edge in edges if edge[1]] or [(0, 0)]
        return min(low for low, _ in changed), max(high for _, high in changed)

    def _parts(self, samples: np.ndarray, moves: np.ndarray) -> list[tuple[Part, np.ndarray]]:
        """Return the work of new records, with the targets that rows count in."""
        found = []
        if len(samples):
            work = counted(np.concatenate([self._last, samples]))
            (part,) = work.parts(None)
            seen = np.isin(work.targets, self._last["target"])
            fresh = np.diff(part.row, prepend=-1) == 0
            fresh |= ~seen[part.row]
            found.append((Part(*(column[fresh] for column in part)), work.targets))
            ends = np.concatenate([self._last, samples])
            ends = ends[np.lexsort((ends["end"], ends["target"]))]
            self._last = ends[np.append(np.diff(ends["target"]) != 0, True)]
        if len(moves):
            names, row = np.unique(moves["target"].astype(np.int64), return_inverse=True)
            one = np.ones(len(row), np.int64)
            size = np.maximum(moves["result"], 0)
            found.append((Part(row, moves["start"], moves["end"], size, one, one), names))
        return found

    def add(self, part: Part, names: np.ndarray, origin: int) -> tuple[int, int]:
        """Spread some work over the bins; return the first and the end of those it touches."""
        self._know(names.tolist())
        some = part.operations > 0
        part = Part(*(column[some] for column in part))
        start, end = (np.maximum((at - origin) / 1e6, 0.0) for at in (part.start, part.end))
        while end.max(initial=0.0) > self.width * self.count:
            self._double()
        row = np.searchsorted(np.array(self.targets), names)[part.row]
        first, last = start / self.width, end / self.width
        for kind, amount in enumerate((part.bytes, part.operations)):
            amounts = bins.Amounts(row, first, last, amount)
            self.filled[kind] += bins.spread([amounts], self.filled[kind].shape)
        if not some.any():
            return 0, 0
        return int(first.min()), min(int(last.max()) + 1, self.count)

    def _know(self, names: list[int]) -> None:
        every = sorted({*self.targets, *names})
        if every != self.targets:
            grown = np.zeros((2, len(every), self.count))
            grown[:, np.searchsorted(every, self.targets)] = self.filled if self.targets else 0
            self.targets, self.filled = every, grown

    def _double(self) -> None:
        halved = self.filled.reshape(2, len(self.targets), -1, 2).sum(axis=3)
        self.filled = np.concatenate([halved, np.zeros_like(halved)], axis=2)
        self.width *= 2

    def columns(self, first: int = 0, end: int | None = None) -> Arrays:
        """Return what each target did in some of the bins, target by target."""
        some = self.filled[:, :, first:end]
        return {kind: some[i].astype("<f4").ravel() for i, kind in enumerate(KINDS)}


def whole(work: TargetWork, origin: int, span: float) -> StripBins:
    """Return the bins of a run that is over; `span` (ms) is what they reach over at least."""
    totals = work.totals()
    last = (int(totals.last.max(initial=0)) - origin) / 1e6 if totals.working.any() else 0.0
    width = max(span, last) * (1 + 1e-9) / 200
    strips = StripBins(200, max(width, 1e-6), work.targets.tolist(), max(span, last))
    for part in work.parts(None):
        strips.add(part, work.targets, origin)
    return strips
