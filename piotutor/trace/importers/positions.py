"""Where plain reads and writes fell in their file, from the seeks and opens before them."""

from __future__ import annotations

import numpy as np

from piotutor.trace.record import Op


def positions(
    group: np.ndarray, op: np.ndarray, moved: np.ndarray, place: np.ndarray
) -> np.ndarray:
    """Follow the position of each open file.

    Parameters
    ----------
    group : numpy.ndarray of int
        Which file of which process an operation belongs to. Within a group the operations are in
        the order in which they happened.
    op : numpy.ndarray
        What each did (`Op`).
    moved : numpy.ndarray of int64
        By how many bytes it moved the position: the result of plain reads and writes, else 0.
    place : numpy.ndarray of int64
        Where an open or a seek put the position; -1 where nobody knows. Not read for others.

    Returns
    -------
    numpy.ndarray of int64
        The position before each operation; -1 where it isn't known, as where the same process has
        the file open twice.
    """
    order = np.argsort(group, kind="stable")
    group, op, moved, place = group[order], op[order], moved[order], place[order]
    first = np.ones(len(group), bool)
    first[1:] = group[1:] != group[:-1]
    opened = within(first, (op == Op.OPEN).astype(np.int64) - (op == Op.CLOSE))
    sets = first | (op == Op.OPEN) | (op == Op.SEEK)
    known = (op == Op.OPEN) | (op == Op.SEEK)
    put = np.where(known & (opened <= 1), place, -1)
    total = np.cumsum(moved)
    last = np.maximum.accumulate(np.where(sets, np.arange(len(group)), 0))
    before = np.append(0, last[:-1]) if len(last) else last
    at = np.where(put[before] >= 0, put[before] + total - moved - total[before], -1)
    at[first | (opened > 1)] = -1
    found = np.empty(len(group), np.int64)
    found[order] = at
    return found


def within(first: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum values cumulatively, anew from each place that is `first`."""
    total = np.cumsum(values)
    base = np.where(first, total - values, 0)[
        np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))
    ]
    return np.asarray(total - base)
