"""Exact sums over bins: how the data of pictures shrink without leaving anything out.

Nothing is sampled. Every transfer counts in each bin that it touches, in proportion where a
quantity is spread over time, whole where it is a matter of having been there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def to_bins(values: np.ndarray, low: int, high: int, bins: int) -> np.ndarray:
    """Return the bin of each integer; ``[low, high)`` is cut into equal `bins`."""
    place: np.ndarray = np.clip((values - low) * bins // max(1, high - low), 0, bins - 1)
    return place


def spread(
    group: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    amount: np.ndarray,
    shape: tuple[int, int],
) -> np.ndarray:
    """Spread amounts evenly from start to end and sum them by group and bin.

    Parameters
    ----------
    group : numpy.ndarray of int
        Row of each amount, below ``shape[0]``.
    start, end : numpy.ndarray of float
        In bins, from 0 to ``shape[1]``.
    amount : numpy.ndarray
        What to spread.
    shape : tuple
        Groups and bins.

    Returns
    -------
    numpy.ndarray
        Shape `shape`; its sum is that of `amount`.
    """
    bins = shape[1]
    first = np.minimum(start.astype(np.int32), bins - 1)
    last = np.clip(np.ceil(end).astype(np.int32) - 1, first, bins - 1)
    row = group * np.int64(bins)
    inside = first == last
    some = slice(None) if inside.all() else inside
    total = _sum(row[some] + first[some], amount[some], shape)
    if inside.all():
        return total
    long = ~inside
    start, end, first, last, row = start[long], end[long], first[long], last[long], row[long]
    rate = amount[long] / (end - start)
    total += _sum(row + first, rate * (first + 1 - start), shape)
    total += _sum(row + last, rate * (end - last), shape)
    slope = _sum(row + first + 1, rate, shape) - _sum(row + last, rate, shape)
    total += np.cumsum(slope, axis=1)
    return total


def _sum(key: np.ndarray, weight: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    total = np.bincount(key, weight, shape[0] * shape[1])
    return total.astype(np.float64, copy=False).reshape(shape)  # of nothing it makes integers


class Cover(NamedTuple):
    """Who touched each cell of a grid.

    Attributes
    ----------
    touches : numpy.ndarray
        Touches of each cell.
    owner : numpy.ndarray
        Owner of all of them, -1 where there were none, -2 where there were several owners.
    """

    touches: np.ndarray
    owner: np.ndarray


def cover(
    x: tuple[np.ndarray, np.ndarray],
    y: tuple[np.ndarray, np.ndarray],
    owner: np.ndarray,
    shape: tuple[int, int],
) -> Cover:
    """Find which cells rectangles touch, and whose they are.

    Parameters
    ----------
    x, y : tuple of numpy.ndarray
        First and last column, first and last row of each rectangle, inclusive.
    owner : numpy.ndarray of int
        From 0, below 10,000.
    shape : tuple
        Rows and columns of the grid.
    """
    count, first, second = (
        _rectangles(x, y, weight, shape) for weight in (None, owner, owner * owner)
    )
    each = np.maximum(count, 1)
    mean = first // each
    # By Cauchy and Schwarz the owners of a cell are all the same just where both hold.
    same = (mean * count == first) & (mean * mean * count == second)
    return Cover(count, np.where(count == 0, -1, np.where(same, mean, -2)))


def _rectangles(
    x: tuple[np.ndarray, np.ndarray],
    y: tuple[np.ndarray, np.ndarray],
    weight: np.ndarray | None,
    shape: tuple[int, int],
) -> np.ndarray:
    """Sum weights (1 by default) over the cells of rectangles, by their corners."""
    wide = shape[1] + 1
    single = (x[0] == x[1]) & (y[0] == y[1])
    total = np.bincount((y[0] * wide + x[0])[single], _some(weight, single), (shape[0] + 1) * wide)
    if not single.all():
        rest = ~single
        left, right, low, high = x[0][rest], x[1][rest] + 1, y[0][rest] * wide, y[1][rest] * wide
        corners = np.zeros(len(total))
        for key, sign in (
            (low + left, 1),
            (low + right, -1),
            (high + wide + left, -1),
            (high + wide + right, 1),
        ):
            corners += sign * np.bincount(key, _some(weight, rest), len(total))
        total = total + corners.reshape(-1, wide).cumsum(0).cumsum(1).ravel()
    return np.rint(total.reshape(-1, wide)[:-1, :-1]).astype(np.int64)


def _some(weight: np.ndarray | None, mask: np.ndarray) -> np.ndarray | None:
    return None if weight is None else weight[mask]
