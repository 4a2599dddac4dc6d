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


def to_bins(values: np.ndarray, size: int, bins: int) -> np.ndarray:
    """Return the bin of each integer; ``[0, size)`` is cut into equal `bins`."""
    place: np.ndarray = np.clip(values * bins // max(1, size), 0, bins - 1)
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
    first = _bin_of(part.start, bins)
    key = part.group * bins + first
    amount = part.amount.astype(float)
    long = np.flatnonzero((part.end - 1 > first) & (first < bins - 1))
    if len(long):
        _spread_long(Amounts(*(column[long] for column in part)), total, slope)
        amount[long] = 0.0
    _add(total, key, amount)


def _spread_long(part: Amounts, total: np.ndarray, slope: np.ndarray) -> None:
    bins = total.shape[1]
    first, last = _bin_of(part.start, bins), _bin_of(np.ceil(part.end) - 1, bins)
    row = part.group * bins
    rate = part.amount / (part.end - part.start)
    _add(total, row + first, rate * (first + 1 - part.start))
    _add(total, row + last, rate * (part.end - last))
    _add(slope, row + first + 1, rate)
    _add(slope, row + last, -rate)


def _bin_of(place: np.ndarray, bins: int) -> np.ndarray:
    return np.minimum(place.astype(np.int64), bins - 1)


def _add(total: np.ndarray, key: np.ndarray, weight: np.ndarray) -> None:
    """Add weights of the same type as `total`: else this is several times slower."""
    np.add.at(total.reshape(-1), key, weight)


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
    cells = np.zeros((3, shape[0] + 1, shape[1] + 1), np.int64)
    corners = np.zeros_like(cells)
    for part in parts:
        _cover(part, cells, corners)
    cells += corners.cumsum(1).cumsum(2)
    touches, first, second = cells[:, :-1, :-1]
    mean = first // np.maximum(touches, 1)
    # By Cauchy and Schwarz the owners of a cell are all the same just where both hold.
    same = (mean * touches == first) & (mean * mean * touches == second)
    return Cover(touches, np.where(touches == 0, -1, np.where(same, mean, -2)))


def _cover(part: Boxes, cells: np.ndarray, corners: np.ndarray) -> None:
    """Add the number, the owners and their squares: to single cells, or to corners."""
    left, right, low, high, owner = part
    wide = cells.shape[2]
    weights = np.stack([np.ones_like(owner), owner, owner * owner])
    key = low * wide + left
    large = np.flatnonzero((left != right) | (low != high))
    if len(large):
        _cover_large(Boxes(*(column[large] for column in part)), weights[:, large], corners)
        weights[:, large] = 0
    for cell, weight in zip(cells, weights, strict=True):
        _add(cell, key, weight)


def _cover_large(part: Boxes, weights: np.ndarray, corners: np.ndarray) -> None:
    """Add where boxes begin, and take away where they end: `cover` sums it up."""
    wide = corners.shape[2]
    left, right = part.first_column, part.last_column + 1
    low, high = part.first_row * wide, (part.last_row + 1) * wide
    for corner, weight in zip(corners, weights, strict=True):
        for key, sign in ((low + left, 1), (low + right, -1), (high + left, -1), (high + right, 1)):
            _add(corner, key, sign * weight)
