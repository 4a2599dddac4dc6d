"""Exact sums over bins: how the data of pictures shrink without leaving anything out.

Nothing is sampled. Every transfer counts in each bin that it touches, in proportion where a
quantity is spread over time, whole where it is a matter of having been there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Amounts(NamedTuple):
    """Amounts to spread over time.

    Attributes
    ----------
    group : numpy.ndarray of int
        Row of each amount.
    start, end : numpy.ndarray of float
        When, in bins: from 0 to their number.
    amount : numpy.ndarray
        How much.
    """

    group: np.ndarray
    start: np.ndarray
    end: np.ndarray
    amount: np.ndarray


class Boxes(NamedTuple):
    """Rectangles of cells, first and last inclusive, and an owner below 10,000 for each."""

    first_column: np.ndarray
    last_column: np.ndarray
    first_row: np.ndarray
    last_row: np.ndarray
    owner: np.ndarray


def to_bins(values: np.ndarray, low: int, high: int, bins: int) -> np.ndarray:
    """Return the bin of each integer; ``[low, high)`` is cut into equal `bins`."""
    place: np.ndarray = np.clip((values - low) * bins // max(1, high - low), 0, bins - 1)
    return place


def spread(parts: Iterable[Amounts], shape: tuple[int, int]) -> np.ndarray:
    """Spread amounts evenly from start to end and sum them by group and bin.

    Parameters
    ----------
    parts : iterable of Amounts
        What to spread, in pieces.
    shape : tuple
        Groups and bins.

    Returns
    -------
    numpy.ndarray
        Shape `shape`; its sum is that of all amounts.
    """
    total, slope = np.zeros(shape), np.zeros(shape)
    for part in parts:
        _spread(part, total, slope)
    total += np.cumsum(slope, axis=1)
    return total


def _spread(part: Amounts, total: np.ndarray, slope: np.ndarray) -> None:
    """Add one piece: to `total` what falls on single bins, to `slope` the rates between."""
    bins = total.shape[1]
    group, start, end, amount = part
    first = np.minimum(start.astype(np.int32), bins - 1)
    last = np.clip(np.ceil(end).astype(np.int32) - 1, first, bins - 1)
    row = group * np.int64(bins)
    inside = first == last
    _add(total, row[inside] + first[inside], amount[inside])
    long = ~inside
    start, end, first, last, row = start[long], end[long], first[long], last[long], row[long]
    rate = amount[long] / (end - start)
    _add(total, row + first, rate * (first + 1 - start))
    _add(total, row + last, rate * (end - last))
    _add(slope, row + first + 1, rate)
    _add(slope, row + last, -rate)


def _add(total: np.ndarray, key: np.ndarray, weight: np.ndarray) -> None:
    if len(key):
        total += np.bincount(key, weight, total.size).reshape(total.shape)


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


def cover(parts: Iterable[Boxes], shape: tuple[int, int]) -> Cover:
    """Find which cells rectangles touch, and whose they are.

    Parameters
    ----------
    parts : iterable of Boxes
        The rectangles, in pieces.
    shape : tuple
        Rows and columns of the grid.
    """
    cells = np.zeros((3, shape[0] + 1, shape[1] + 1))
    corners = np.zeros_like(cells)
    for part in parts:
        _cover(part, cells, corners)
    cells += corners.cumsum(1).cumsum(2)
    touches, first, second = np.rint(cells[:, :-1, :-1]).astype(np.int64)
    mean = first // np.maximum(touches, 1)
    # By Cauchy and Schwarz the owners of a cell are all the same just where both hold.
    same = (mean * touches == first) & (mean * mean * touches == second)
    return Cover(touches, np.where(touches == 0, -1, np.where(same, mean, -2)))


def _cover(part: Boxes, cells: np.ndarray, corners: np.ndarray) -> None:
    """Add the number, the owners and their squares: to single cells, or to corners."""
    wide = cells.shape[2]
    weights = (np.ones(len(part.owner)), part.owner, part.owner.astype(np.int64) ** 2)
    low, high = part.first_row * wide, (part.last_row + 1) * wide
    left, right = part.first_column, part.last_column + 1
    single = (low + wide == high) & (left + 1 == right)
    rest = ~single
    signs = ((low + left, 1), (low + right, -1), (high + left, -1), (high + right, 1))
    keys = [(key[rest], sign) for key, sign in signs]
    for cell, corner, weight in zip(cells, corners, weights, strict=True):
        _add(cell, (low + left)[single], weight[single])
        for key, sign in keys:
            _add(corner, key, sign * weight[rest])
