"""Which call lay inside which: by the recorded parent, else by rank and time.

Records of one process know their parent, the call of a layer above in the same file. What the
application asked for stands in another file: there a call with no parent lies in the
application's call of the same rank that began last before it and ended after it.

In collective I/O an aggregator's system calls lie inside *its own* call: the bytes of one rank's
request may be moved inside another rank's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from piotutor.trace.reader import Trace
from piotutor.trace.record import Flag, Op

_DEPTH = 16  # calls inside calls inside calls; a damaged trace may hold a circle of parents


def enclosing(trace: Trace, layer: int, of: np.ndarray | None = None) -> np.ndarray:
    """Find the call of one layer inside which each record lay.

    Parameters
    ----------
    trace : Trace
    layer : Layer
        Whose calls to look for.
    of : numpy.ndarray of int, optional
        Indices of the records that are asked about; by default all.

    Returns
    -------
    numpy.ndarray of int64
        For each record asked about the index of the innermost such call, -1 where there is none.
        A call isn't inside itself; an extent (``PART``) is inside its call. What a slow tracer
        recorded (``INFLATED``) is placed by the middle of its time, the rest by all of it.
    """
    of = np.arange(len(trace)) if of is None else np.asarray(of, np.int64)
    calls = trace.where(layer=layer, without=Flag.PART) & ~trace.where(op=Op.SAMPLE)
    found, top = _climb(trace.column("parent"), calls, of)
    open_ = np.flatnonzero(found < 0)
    open_ = open_[trace.column("kind")[top[open_]] & 255 > layer]
    if len(open_) and calls.any():
        tops, place = np.unique(top[open_], return_inverse=True)
        found[open_] = _by_time(trace, np.flatnonzero(calls), tops)[place]
    return found


def _climb(parent: np.ndarray, calls: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Go up from parent to parent; return the first that is wanted or -1, and how far it went."""
    found, top = np.full(len(of), -1, np.int64), of.copy()
    place, at = np.arange(len(of)), parent[of]
    for _ in range(_DEPTH):
        if (at < 0).any():
            place, at = place[at >= 0], at[at >= 0]
        if not len(place):
            break
        hit = calls[at]
        top[place], found[place] = at, np.where(hit, at, -1)
        place, at = place[~hit], parent[at[~hit]]
    return found, top


class _Spans(NamedTuple):
    """Calls by owner (a rank of a client), ascending, and by start: who, when, and which."""

    owner: np.ndarray
    start: np.ndarray
    end: np.ndarray
    record: np.ndarray


def _by_time(trace: Trace, calls: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return for each record asked about the innermost of these calls around it, or -1."""
    outer, inner = _spans(trace, calls), _spans(trace, asked)
    middle = (inner.start + inner.end) // 2
    blurred = (trace.column("flags")[inner.record] & Flag.INFLATED) != 0
    begin, end = np.where(blurred, middle, inner.start), np.where(blurred, middle, inner.end)
    last, first = np.full(len(asked), -1), np.zeros(len(asked), np.int64)
    owners, base = np.unique(outer.owner, return_index=True)
    for owner, low, high in zip(owners, base, [*base[1:], len(calls)], strict=True):
        mine = slice(*np.searchsorted(inner.owner, (owner, owner + 1)))
        before = np.searchsorted(outer.start[low:high], begin[mine], side="right")
        last[mine], first[mine] = low + before - 1, low
    place = last_at_least(outer.end, np.where(last < first, -1, last), end)
    place[place < first] = -1
    found = np.append(outer.record, -1)[place]
    result = np.empty(len(asked), np.int64)
    result[np.searchsorted(asked, inner.record)] = found
    return result


def _spans(trace: Trace, which: np.ndarray) -> _Spans:
    rank, client, start, end = trace.columns("rank", "client", "start", "end")
    owner = client[which].astype(np.int64) * 2**31 + rank[which]
    order = np.argsort(owner, kind="stable")
    which = which[order]
    return _Spans(owner[order], start[which], end[which], which)


def last_at_least(values: np.ndarray, upto: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Find for each query the last place, not after `upto`, whose value is `least` or more.

    Climbs a tree of maxima to the left until one is large enough, and down again to its last
    such leaf: as many steps as the tree is high, for all queries at once.

    Parameters
    ----------
    values : numpy.ndarray
        Where to look.
    upto, least : numpy.ndarray
        The queries; an `upto` of -1 finds nothing.

    Returns
    -------
    numpy.ndarray of int64
        Places in `values`, -1 where there is none.
    """
    node, height = upto.astype(np.int64), np.zeros(len(upto), np.int64)
    tree = _maxima(values)
    left = np.flatnonzero(node >= 0)
    for level in tree:
        left = left[level[node[left]] < least[left]]
        if not len(left):
            break
        node[left], height[left] = (node[left] + 1) // 2 - 1, height[left] + 1
        left = left[node[left] >= 0]
    for top in range(int(height.max(initial=0)), 0, -1):
        down = np.flatnonzero((height == top) & (node >= 0))
        right = 2 * node[down] + 1
        below = tree[top - 1]
        fits = (right < len(below)) & (below[np.minimum(right, len(below) - 1)] >= least[down])
        node[down], height[down] = right - ~fits, top - 1
    return node


def _maxima(values: np.ndarray) -> list[np.ndarray]:
    """Return the values, the maxima of their pairs, of the pairs of these, up to one."""
    tree = [values]
    while len(tree[-1]) > 1:
        below = tree[-1]
        pairs = len(below) // 2
        above = below[: 2 * pairs].reshape(-1, 2).max(axis=1)
        tree.append(np.append(above, below[-1]) if len(below) % 2 else above)
    return tree
