"""Who held what of an object while transfers came: the numbers behind the picture of locks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from piotutor.errors import UsageError
from piotutor.metrics import distinct
from piotutor.metrics_locks import (
    NEVER,
    Holds,
    Uses,
    asking,
    lock_holds,
    lock_uses,
    locked_at,
    protocol,
)
from piotutor.plots.style import badge
from piotutor.trace import Op, Trace

BY = ("transfer", "time")
_KINDS = {
    "extents": ("locks on extents, as Lustre's",),
    "file": ("locks on whole files, as CephFS's",),
    "tokens": ("byte-range tokens, as GPFS's",),
}
FIRST = 48
"""Transfers of an object that are drawn, a row each."""


@dataclass(frozen=True, eq=False)
class ObjectLocks:
    """One object's locks.

    Attributes
    ----------
    object, target : int
        Its number, and the target that it is on.
    size : int
        Bytes up to which transfers touched it.
    transfers : int
        Parts of transfers on it, all of them.
    grants, callbacks : int
        Of its locks.
    holds : Holds
        The locks themselves, `high` at most `size`.
    uses : Uses
        The transfers that are shown: the first ones to have their lock.
    moments : ndarray of int64
        When each of `uses` had its lock (ns), ascending.
    top, bottom : ndarray of float
        From where to where each hold is drawn: rows of `uses`, or seconds; equal where not at all.
    """

    object: int
    target: int
    size: int
    transfers: int
    grants: int
    callbacks: int
    holds: Holds
    uses: Uses
    moments: np.ndarray
    top: np.ndarray
    bottom: np.ndarray


@dataclass(frozen=True, eq=False)
class LocksData:
    """What a picture of locks shows of one run.

    Attributes
    ----------
    name : str
        What the run is called, beside others; may be empty.
    by : str
        ``transfer`` or ``time``: what runs downwards.
    word : str
        What transfers are called: ``writes``, ``reads`` or ``transfers``.
    transfers, grants, callbacks : int
        Of all objects: calls that asked for bytes, locks that were granted, and called back.
    objects : int
        How many objects had locks.
    clients : list of int
        Those that held any.
    protocol : str
        The machine's: ``extents``, ``file``, ``tokens``, ``none``; empty if it isn't known.
    shown : list of ObjectLocks
        The objects that were chosen.
    counted : dict
        What a real metadata server counted of capabilities: ``granted``, ``revoked``.
    seconds : float
        How long the picture reaches, from the first lock's request.
    badge : str
        How it came about, and on what.
    """

    name: str
    by: str
    word: str
    transfers: int
    grants: int
    callbacks: int
    objects: int
    clients: list[int]
    protocol: str
    shown: list[ObjectLocks]
    counted: dict[str, int]
    seconds: float
    badge: str


def locks_data(
    trace: Trace,
    *,
    name: str = "",
    op: str | None = None,
    objects: int | list[int] | None = None,
    most: int = 1,
    by: str = "transfer",
    first: int = FIRST,
) -> LocksData:
    """Compute who held what.

    Parameters
    ----------
    trace : Trace
        Of a model or an emulated run: their servers tell of locks.
    name : str
        What the run is called.
    op : str, optional
        ``write`` or ``read``: only these transfers, and what happened to locks from the first one's
        start to the last one's end. None: all, the whole run.
    objects : int or list of int, optional
        Which objects, by their numbers; by default those with most callbacks.
    most : int
        How many, where none are named.
    by : str
        ``transfer``: a row for each of the first ones, in the order in which they had their locks;
        ``time``: all, over time; also where nobody knows what transfers touched of objects.
    first : int
        How many rows.

    Raises
    ------
    UsageError
        `op` or `by` is none of these, or no such object has locks.
    """
    if by not in BY or op not in (None, "write", "read"):
        raise UsageError(f"by={by!r}, op={op!r}: give transfer or time; write, read or None")
    only = Op[op.upper()] if op else None
    moved, uses = asking(trace, only), lock_uses(trace, only)
    holds = _during(lock_holds(trace), uses if op else None)
    frame = _Frame.of(holds, uses, by, first)
    return LocksData(
        name=name,
        by=frame.by,
        word=_word(trace, moved),
        transfers=int(np.count_nonzero(moved)),
        grants=_grants(holds),
        callbacks=_callbacks(holds),
        objects=len(np.unique(holds.object)),
        clients=np.unique(holds.client).tolist(),
        protocol=protocol(trace),
        shown=[_object(holds, uses, one, frame) for one in _chosen(holds, objects, most)],
        counted=_counted(trace.meta.get("mds")),
        seconds=(frame.last - frame.began) / 1e9,
        badge=" · ".join([badge(trace), *_KINDS.get(protocol(trace), ())]),
    )


class _Frame(NamedTuple):
    """What runs downwards, how many rows at most, and from when to when (ns)."""

    by: str
    rows: int
    began: int
    last: int

    @classmethod
    def of(cls, holds: Holds, uses: Uses, by: str, rows: int) -> _Frame:
        """Return it: time, where nobody knows what transfers touched of objects."""
        began = int(holds.asked.min()) if len(holds.asked) else 0
        if len(uses.end):
            return cls(by, rows, began, int(uses.end.max()))
        return cls("time", rows, began, int(holds.granted.max(initial=began)) + 1)


def _word(trace: Trace, moved: np.ndarray) -> str:
    """Say what transfers are called: ``writes`` or ``reads``, where there are only these."""
    kinds = distinct(trace.column("op"), moved).tolist()
    return f"{Op(kinds[0]).name.lower()}s" if len(kinds) == 1 else "transfers"


def _during(holds: Holds, uses: Uses | None) -> Holds:
    """Keep the locks that were held while these transfers ran; callbacks from later don't count."""
    if uses is None or not len(uses.start):
        return holds
    first, last = int(uses.start.min()), int(uses.end.max())
    kept = holds.select((holds.granted <= last) & (holds.released > first))
    later = kept.called > last
    calls = np.where(later, NEVER, kept.called)
    return kept._replace(called=calls, released=np.where(later, NEVER, kept.released))


def _grants(holds: Holds) -> int:
    return int(np.count_nonzero(~holds.rest))


def _callbacks(holds: Holds) -> int:
    return int(np.count_nonzero(holds.called < NEVER))


def _chosen(holds: Holds, objects: int | list[int] | None, most: int) -> list[int]:
    """Return the objects that are asked for, or those with most callbacks, ascending."""
    numbers, row = np.unique(holds.object, return_inverse=True)
    if objects is not None:
        asked = [objects] if isinstance(objects, int) else list(objects)
        for one in asked:
            if one not in numbers:
                raise UsageError(f"objects={one}: no locks of it; there are {numbers.tolist()}")
        return asked
    counts = np.bincount(row, holds.called < NEVER, len(numbers))
    order = np.argsort(-counts, kind="stable")[:most]
    return sorted(int(numbers[one]) for one in order)


def _object(every: Holds, moves: Uses, number: int, frame: _Frame) -> ObjectLocks:
    holds, uses = every.select(every.object == number), moves.select(moves.object == number)
    ends = holds.high[holds.high < NEVER]
    size = int(uses.high.max()) if len(uses.high) else int(ends.max(initial=1))
    some = uses.select(uses.start <= np.sort(uses.end)[: frame.rows].max(initial=frame.began))
    moments = locked_at(some, holds.select(holds.asked <= int(some.end.max(initial=frame.began))))
    order = np.argsort(moments, kind="stable")[: frame.rows]
    some, moments = some.select(order), moments[order]
    times = holds.granted, holds.released
    if frame.by == "transfer":
        top, bottom = (np.searchsorted(moments, at, "left") for at in times)
    else:
        top, bottom = ((np.minimum(at, frame.last) - frame.began) / 1e9 for at in times)
    return ObjectLocks(
        object=number,
        target=int(holds.target[0]),
        size=size,
        transfers=len(uses.start),
        grants=_grants(holds),
        callbacks=_callbacks(holds),
        holds=holds._replace(high=np.minimum(holds.high, size)),
        uses=some,
        moments=moments,
        top=top.astype(float),
        bottom=np.maximum(bottom, top).astype(float),
    )


def _counted(told: Mapping[str, Any] | None) -> dict[str, int]:
    """Return what CephFS's metadata server counted of capabilities."""
    names = {"granted": "ceph_cap_op_grant", "revoked": "ceph_cap_op_revoke"}
    counts = {key: value for section in (told or {}).values() for key, value in section.items()}
    return {name: int(counts.get(key, 0)) for name, key in names.items()} if told else {}
