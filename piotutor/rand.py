"""The two random generators that IOR draws from, as arrays.

`glibc_rand` is the C library's ``rand()`` (its additive feedback generator, TYPE_3): an equal
pattern needs the equal numbers. `block_draws` is IOR's own 64-bit generator behind ``-z -z``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_LAG, _SHORT_LAG, _WARM_UP = 31, 3, 310
_MODULUS = 2**31 - 1
_LOW = 0x866458CD56F5E605
_HIGH = 0x0FC94E3BF4E9AB32


def glibc_rand(seed: int, count: int) -> npt.NDArray[np.int32]:
    """Return the first `count` values of ``rand()`` after ``srand(seed)``, as glibc makes them.

    The state follows s[n] = s[n-3] + s[n-31] (mod 2^32). It is linear, so the sequence is cut
    into columns whose first states are found by powers of the step's matrix, and all columns
    are stepped together.

    Parameters
    ----------
    seed : int
        Taken as a 32-bit number; 0 means 1, as in glibc.
    count : int
        How many values.

    Returns
    -------
    ndarray of int32, shape (count,)
    """
    steps = max(_LAG, int(np.sqrt((count + _WARM_UP) / 4)))
    columns = -(-(count + _WARM_UP) // steps)
    states = _column_states(_first_state(seed), steps, columns)
    table = np.empty((_LAG + steps, columns), np.uint32)
    table[:_LAG] = states
    for row in range(_LAG, _LAG + steps, _SHORT_LAG):
        end = min(row + _SHORT_LAG, _LAG + steps)
        size = end - row
        older, newer = table[row - _LAG :][:size], table[row - _SHORT_LAG :][:size]
        np.add(older, newer, out=table[row:end])
    table >>= 1
    values = table[_LAG:].T.reshape(-1).view(np.int32)
    return np.asarray(values[_WARM_UP : _WARM_UP + count])


def _first_state(seed: int) -> npt.NDArray[np.uint32]:
    """Return the 31 words that ``srand`` sets, in the order of the recurrence."""
    word = (seed & 0xFFFFFFFF) or 1
    if word >= 2**31:
        word -= 2**32
    words = [word]
    for _ in range(_LAG - 1):
        # C divides towards zero: a negative seed keeps its sign until it is wrapped.
        quotient = abs(word) // 127773 * (1 if word >= 0 else -1)
        word = 16807 * (word - quotient * 127773) - 2836 * quotient
        word += _MODULUS if word < 0 else 0
        words.append(word)
    return np.array(words[_SHORT_LAG:] + words[:_SHORT_LAG], np.int64).astype(np.uint32)


def _column_states(
    first: npt.NDArray[np.uint32], steps: int, columns: int
) -> npt.NDArray[np.uint32]:
    """Return the states 0, `steps`, 2 x `steps`, ... later, one in each column."""
    jump = _power(_step_matrix(), steps)
    states = first[:, None]
    while states.shape[1] < columns:
        states = np.hstack([states, jump @ states])
        jump = jump @ jump
    return states[:, :columns]


def _step_matrix() -> npt.NDArray[np.uint32]:
    """Return the matrix that takes 31 words of the sequence to those one step later."""
    matrix = np.eye(_LAG, k=1, dtype=np.uint32)
    matrix[-1, 0] = matrix[-1, _LAG - _SHORT_LAG] = 1
    return matrix


def _power(matrix: npt.NDArray[np.uint32], exponent: int) -> npt.NDArray[np.uint32]:
    result = np.eye(_LAG, dtype=np.uint32)
    while exponent:
        if exponent & 1:
            result = result @ matrix
        matrix = matrix @ matrix
        exponent >>= 1
    return result


def block_draws(seed: int, rank: int, count: int) -> Any:
    """Return the first `count` 64-bit values that IOR draws for ``-z -z`` on one rank.

    It is a multiplicative generator whose low word feeds the high word:
    low' = low A, high' = high B + (low' >> 32), all mod 2^64, starting at seed x (rank + 1).

    Parameters
    ----------
    seed : int
        IOR's seed, a signed 32-bit number.
    rank : int
        The rank whose data is meant.
    count : int
        How many values.

    Returns
    -------
    ndarray of uint64, shape (count,)
    """
    start = (seed * (rank + 1)) % 2**64
    low = _powers(_LOW, count) * np.uint64(start)
    return _recur(low >> np.uint64(32))


def _powers(base: int, count: int) -> Any:
    """Return base^1 ... base^count mod 2^64."""
    result = np.array([base], np.uint64)
    while result.size < count:
        result = np.concatenate([result, result * result[-1]])
    return result[:count]


def _recur(added: Any) -> Any:
    """Return high[k] = high[k-1] x B + added[k], from 0.

    B is 2 x an odd number, so mod 2^64 a term is forgotten after 64 steps: six doublings sum them.
    """
    result = added
    for doubling in range(6):
        lag = 2**doubling
        later = result.copy()
        later[lag:] += result[:-lag] * np.uint64(pow(_HIGH, lag, 2**64))
        result = later
    return result
