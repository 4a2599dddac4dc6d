"""What is said of locks in titles and text alternatives, computed from their numbers."""

from __future__ import annotations

from collections.abc import Sequence

from piotutor.metrics_locks import NEVER
from piotutor.plots.locks_data import LocksData, ObjectLocks
from piotutor.plots.target_words import readable
from piotutor.trace import Op

NOBODY = (
    "no server told of locks: they are known of models, of emulated runs, "
    "and of a Ceph that we started"
)


def counts(number: int, word: str) -> str:
    """Write ``1 callback``, ``11 callbacks``."""
    return f"{number:,} {word}{'s' * (number != 1)}"


def run_words(data: LocksData) -> str:
    """Say in a line what became of one run's locks: ``11 callbacks in 12 writes``."""
    if data.counted:
        taken = data.counted["revoked"]
        what = "capability" if taken == 1 else "capabilities"
        return f"{taken:,} {what} revoked in {data.transfers:,} {data.word}"
    if not data.objects:
        return "no locks"
    return f"{counts(data.callbacks, 'callback')} in {data.transfers:,} {data.word}"


def callbacks_of(data: LocksData) -> int:
    """Return how often locks of a run were called back, or capabilities revoked."""
    return data.counted["revoked"] if data.counted else data.callbacks


def locks_finding(every: Sequence[LocksData] | LocksData) -> str:
    """Say what the picture shows, of one run or of several side by side."""
    if isinstance(every, LocksData):
        return _alone(every)
    if len(every) == 1:
        return _alone(every[0])
    if not any(data.objects or data.counted for data in every):
        return "Nobody told of locks"
    told = ", ".join(f"{callbacks_of(data):,} ({data.name})" for data in every)
    return f"Locks called back: {told}"


def _alone(data: LocksData) -> str:
    told = run_words(data)
    if data.counted:
        return f"{told}: each is for a whole file"
    if not data.objects:
        return (
            "No locks: the machine has none" if data.protocol == "none" else "Nobody told of locks"
        )
    if not data.callbacks:
        whose = "one client" if len(data.clients) == 1 else f"{len(data.clients)} clients"
        return f"No callback in {data.transfers:,} {data.word}: {whose}, nothing in the way"
    return f"{told}: {len(data.clients)} clients take locks from each other"


def locks_alt(every: Sequence[LocksData] | LocksData) -> str:
    """Describe the picture for a reader who can't see it."""
    listed = [every] if isinstance(every, LocksData) else every
    return " ".join(_describe(data) for data in listed)


def _describe(data: LocksData) -> str:
    name = f"{data.name}: " if data.name else ""
    if data.counted:
        told = ", ".join(f"{number:,} {what}" for what, number in data.counted.items())
        return (
            f"{name}capabilities of whole files, as the metadata server counted: {told}, "
            f"in {data.transfers:,} {data.word}."
        )
    if not data.objects:
        return f"{name}an empty picture: {NOBODY}."
    shown = " ".join(_object_words(one, data) for one in data.shown)
    return (
        f"{name}{run_words(data)}, {counts(data.grants, 'grant')}, "
        f"of {counts(data.objects, 'object')} and {counts(len(data.clients), 'client')}. {shown}"
    )


def _object_words(one: ObjectLocks, data: LocksData) -> str:
    what = "file" if data.protocol == "file" else "object"
    rows = "for each transfer a row" if data.by == "transfer" else "time runs downwards"
    drawn = sorted(
        (at for at in range(len(one.top)) if one.bottom[at] > one.top[at]), key=one.top.__getitem__
    )
    told = "; ".join(_hold_words(one, at, data.by) for at in drawn[:12])
    more = f"; {len(drawn) - 12} more follow" if len(drawn) > 12 else ""
    return (
        f"Of {what} {one.object} (target {one.target}, {readable(one.size)}, "
        f"{counts(one.callbacks, 'callback')}) bars say who holds what, {rows}: {told}{more}."
    )


def _hold_words(one: ObjectLocks, at: int, by: str) -> str:
    holds = one.holds
    kind = "shared" if holds.op[at] == Op.READ else "alone"
    reach = f"bytes {holds.low[at]:,} to {holds.high[at]:,}"
    top, bottom = one.top[at], one.bottom[at]
    when = (
        f"rows {top:.0f} to {bottom - 1:.0f}"
        if by == "transfer"
        else f"{top:.3g} to {bottom:.3g} s"
    )
    kept = ", kept" if holds.released[at] == NEVER else ""
    return f"client {holds.client[at]} {reach}, {kind}, {when}{kept}"
