"""What each storage server got of a run's writes, beside what striping's rule foretells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from piotutor import layout
from piotutor.lesson import table
from piotutor.metrics_targets import COUNTERS, rank_phases, stripe_maps, target_work
from piotutor.stripemap import StripeMap
from piotutor.units import format_seconds, format_size


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The writes of one run, by server; None is unknown, not nothing.

    Attributes
    ----------
    names
        What the servers are called: ``OSD 2``.
    written
        Bytes that each wrote.
    counted
        Whether the servers counted them themselves.
    foretold
        Bytes on each by the rule, from the layout and from which server holds which object.
    needs
        Seconds that the slowest server needs at least: bytes over rate; None where none is limited.
    took
        Seconds of the ranks' write phase.
    """

    names: list[str]
    written: list[int]
    counted: bool
    foretold: list[int]
    needs: float | None
    took: float | None

    @property
    def most(self) -> int:
        """Bytes that the busiest server wrote."""
        return max(self.written)

    @property
    def agreed(self) -> str:
        """What the rule says, beside what was counted."""
        if self.foretold == self.written:
            return "the same"
        return ", ".join(map(_size, self.foretold))

    @property
    def times(self) -> tuple[str, str]:
        """What the slowest server needs, and what the write took; known on slowed servers only."""
        if self.needs is None or self.took is None:
            return "inconclusive here", "inconclusive here"
        return format_seconds(self.needs), format_seconds(self.took)


def shares(run: Any) -> Shares | None:
    """Count what servers wrote in a run; None where no servers are known.

    Parameters
    ----------
    run
        A run or a recorded one: `trace` and `environment`.
    """
    work = target_work(run.trace)
    if work is None:
        return None
    targets = [int(number) for number in work.targets]
    written = [int(size) for size in work.totals("write").bytes]
    by_rule = foretold(stripe_maps(run.trace))
    phases = [phase.seconds for phase in rank_phases(run.trace) if phase.op == "write"]
    return Shares(
        names=work.names,
        written=written,
        counted=work.how == COUNTERS,
        foretold=[by_rule.get(target, 0) for target in targets],
        needs=_needs(dict(zip(targets, written, strict=True)), run.environment.get("rates", {})),
        took=phases[0] if phases else None,
    )


def foretold(maps: list[StripeMap]) -> dict[int, int]:
    """Return the bytes on each server by arithmetic; a map only says where each object's first is.

    Parameters
    ----------
    maps
        Of all files, whole.
    """
    total: dict[int, int] = {}
    for one in maps:
        pieces = layout.place(one.layout, 0, one.size)
        _, first, inverse = np.unique(pieces.object, return_index=True, return_inverse=True)
        begin = one.layout.get(pieces.object[first], pieces.object_offset[first])
        sizes = np.bincount(inverse, pieces.length).astype(int)
        for target, size in zip(one.target_at(begin).tolist(), sizes.tolist(), strict=True):
            total[target] = total.get(target, 0) + size
    return total


def _needs(written: dict[int, int], rates: dict[str, int]) -> float | None:
    limited = [size / rates[str(one)] for one, size in written.items() if str(one) in rates]
    return max(limited) if limited else None


def _size(size: int) -> str:
    return format_size(size) if size else "0"


@dataclass(frozen=True, repr=False)
class SharesTable(table.Shown):
    """Shares of several runs under their names; in a notebook it shows itself."""

    found: dict[str, Shares | None]

    def _lines(self) -> Iterator[tuple[str, ...]]:
        known = [one for one in self.found.values() if one is not None]
        names = list(dict.fromkeys(name for one in known for name in one.names))
        yield ("run", *names, "the rule says", "slowest server needs", "the write took")
        for run, one in self.found.items():
            if one is None:
                yield (run, *[table.UNKNOWN] * (len(names) + 3))
                continue
            sizes = dict(zip(one.names, one.written, strict=True))
            yield (run, *(_size(sizes.get(name, 0)) for name in names), one.agreed, *one.times)
