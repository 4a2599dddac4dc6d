"""What is said of targets in titles and text alternatives, computed from their numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from piotutor.metrics_targets import Straggler, TargetWork, Totals, imbalance, slowest
from piotutor.plots.style import Look, rank_looks
from piotutor.units import format_seconds, format_size

NOBODY = "no server told what its targets did, and no layout of the file is known"
EVEN = 1.05
"""Up to which imbalance shares are called even."""


def target_looks(count: int) -> list[Look]:
    """Return the look of each target, in the order of their numbers: as of ranks, up to eight."""
    return rank_looks(range(count))


def readable(size: float) -> str:
    """Write a number of bytes with three digits: ``3.81 MiB``."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size >= 1024**power:
            return f"{size / 1024**power:.3g} {unit}"
    return format_size(round(size))


def late_words(names: Sequence[str], late: Straggler, totals: Totals) -> str:
    """Say which target was done last: ``OSD 2 took 4 s, the others 1.4 s: the run waited``."""
    moved = totals.bytes
    others = np.delete(moved, late.row)
    others = others[others > 0]
    more = bool(moved[late.row] > EVEN * others.max(initial=1))
    share = f" for {readable(moved[late.row])}" if more else ""
    each = f" for {readable(float(others.max()))}" if more else ""
    near = "" if late.spread <= 0.1 * late.others else "up to "
    text = (
        f"{names[late.row]} took {format_seconds(late.seconds)}{share}, the others "
        f"{near}{format_seconds(late.others)}{each}"
    )
    return text + (": the run waited" if late.waited else "")


def slow_words(work: TargetWork) -> str:
    """Say at which target operations take much longer than at the others; empty if at none."""
    slow = slowest(work)
    if slow is None:
        return ""
    return (
        f"{work.names[slow.row]} is slow: an operation takes {format_seconds(slow.seconds)} there, "
        f"at the others {'' if len(work.names) == 2 else 'up to '}{format_seconds(slow.others)}"
    )


def share_words(names: Sequence[str], word: str, values: np.ndarray, what: str) -> str:
    """Say how evenly a quantity lies: ``even``, or whose share is how many times the even one."""
    uneven = imbalance(values)
    busy = int(np.count_nonzero(values))
    if busy == 0:
        return f"no {what}"
    if busy == 1 and len(values) > 1:
        return f"{names[int(values.argmax())]} has all {what}, the other {len(values) - 1} none"
    if uneven <= EVEN:
        return f"{len(values)} {word}s share the {what} evenly"
    return f"{names[int(values.argmax())]} has {uneven:.2g} times its even share of the {what}"


def table_words(work: TargetWork, totals: Totals, most: int = 16) -> str:
    """List the targets' operations and bytes."""
    rows = [
        f"{name}: {operations:,} operations, {size:,} bytes"
        for name, operations, size in zip(
            work.names[:most], totals.operations, totals.bytes, strict=False
        )
    ]
    more = len(work.names) - most
    return "; ".join(rows) + (f"; {more} more follow" if more > 0 else "")
