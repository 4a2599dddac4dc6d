"""A file as a ribbon of stripes, where each stripe lies when it is folded, and who wrote it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from piotutor.errors import UsageError
from piotutor.layout import Striped
from piotutor.metrics import few
from piotutor.metrics_targets import file_of, stripe_maps
from piotutor.plots.access_map import chosen
from piotutor.plots.ribbon_fold import Fold, folded
from piotutor.plots.style import badge
from piotutor.stripemap import StripeMap, Stripes, target_word
from piotutor.trace import Trace

NOBODY, SEVERAL = -1, -2
"""Who wrote a stripe, if it isn't one rank."""


@dataclass(frozen=True, eq=False)
class RibbonData:
    """What a ribbon shows.

    Attributes
    ----------
    map : StripeMap or None
        Where the file's bytes lie; None where nobody told.
    stripes : Stripes
        All stripes of the file.
    fold : Fold
        Those of them that are drawn, and their places.
    by : str
        What colours mean: ``target`` or ``rank``.
    ranks : numpy.ndarray
        Ranks that wrote any of it.
    writer : numpy.ndarray
        Of each stripe: the rank that wrote it, `SEVERAL` or `NOBODY` (of whom is known).
    written : numpy.ndarray
        When each was first written, in ns of the trace's clock; -1 where it isn't known.
    badge : str
        How it came about, and on what.
    files : int
        How many files' maps the run has.
    """

    map: StripeMap | None
    stripes: Stripes
    fold: Fold
    by: str
    ranks: np.ndarray
    writer: np.ndarray
    written: np.ndarray
    badge: str
    files: int = 1

    @property
    def count(self) -> int:
        """How many stripes the file has."""
        return len(self.stripes.offset)

    @property
    def hidden(self) -> int:
        """How many of them aren't drawn."""
        return self.count - len(self.fold.number)

    @property
    def names(self) -> list[str]:
        """The targets' names: ``OSD 2``."""
        word = target_word(None) if self.map is None else self.map.word
        return [name if isinstance(name, str) else f"{word} {name}" for name in self.fold.targets]


def ribbon_data(
    what: StripeMap | Trace,
    *,
    by: str = "target",
    file: int = 0,
    layer: int | None = None,
    trace: Trace | None = None,
) -> RibbonData:
    """Compute the ribbon of a file.

    Parameters
    ----------
    what : StripeMap or Trace
        Where the file's bytes lie; or a run's trace, whose map it is in.
    by : str
        What colours mean: the ``target``, or the ``rank`` that wrote a stripe.
    file : int
        Which file's map, of a trace with several.
    layer : Layer, optional
        Whose writes: by default the top layer's, what the ranks asked for.
    trace : Trace, optional
        Who wrote the file of a given map.

    Raises
    ------
    UsageError
        `by` is neither of these, or there is no such file.
    """
    if by not in ("target", "rank"):
        raise UsageError(f"by={by!r}: give target or rank")
    if isinstance(what, StripeMap):
        found, seen, files = what, trace, 1
    else:
        maps, seen = stripe_maps(what), what
        if not maps:
            return _nothing(by, badge(what))
        if not 0 <= file < len(maps):
            raise UsageError(f"file={file}: the run has the maps of files 0 to {len(maps) - 1}")
        found, files = maps[file], len(maps)
    nothing_ran = ", ".join(filter(None, (found.system, found.source)))
    told = badge(seen) if seen is not None and len(seen) else f"no run · {nothing_ran}"
    return replace(_folded(found, seen, by, layer, told), files=files)


def _nothing(by: str, told: str) -> RibbonData:
    none = np.zeros(0, np.int64)
    stripes = Stripes(*[none] * 5)
    return RibbonData(None, stripes, folded(stripes, 1), by, none, none, none, told)


def _folded(
    found: StripeMap, trace: Trace | None, by: str, layer: int | None, told: str
) -> RibbonData:
    stripes = found.stripes
    fold = folded(stripes, _count(found))
    ranks, writer, written = _writers(found, trace, layer)
    return RibbonData(found, stripes, fold, by, ranks, writer, written, told)


def _count(found: StripeMap) -> int:
    """Return over how many objects stripes go in turn, as far as there is one number."""
    layout = found.layout
    return layout.stripe_count if isinstance(layout, Striped) else max(1, layout.objects or 1)


def _writers(
    found: StripeMap, trace: Trace | None, layer: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find which rank wrote each stripe, and when first."""
    offsets = found.stripes.offset
    low, high = np.full(len(offsets), 2**31), np.full(len(offsets), -1)
    first = np.full(len(offsets), 2**62)
    file = None if trace is None else file_of(trace, found)
    ranks: set[int] = set()
    if trace is not None and file is not None and len(offsets):
        _, mask = chosen(trace, "write", None, layer)
        mask &= trace.column("file") == file
        names = ("offset", "length", "rank", "end")
        for offset, length, rank, end in trace.blocks(mask, *names):
            ranks.update(few(rank).tolist())
            stripe, source = _touched(found.cut, offset, length)
            np.minimum.at(low, stripe, rank[source])
            np.maximum.at(high, stripe, rank[source])
            np.minimum.at(first, stripe, end[source])
    writer = np.where(high < 0, NOBODY, np.where(low == high, high, SEVERAL))
    return np.array(sorted(ranks), np.int64), writer, np.where(high < 0, -1, first)


def _touched(
    found: StripeMap, offset: np.ndarray, length: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return each stripe that each extent touches, and the extent's index."""
    last_byte = max(found.size - 1, 0)
    first = found.extent_at(np.minimum(offset, last_byte))
    last = found.extent_at(np.minimum(offset + np.maximum(length, 1) - 1, last_byte))
    if (first == last).all():
        return first, np.arange(len(first))
    count = last - first + 1
    source = np.repeat(np.arange(len(first)), count)
    stripe = first[source] + np.arange(len(source)) - np.repeat(np.cumsum(count) - count, count)
    return stripe, source
