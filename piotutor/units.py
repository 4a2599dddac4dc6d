"""Sizes, rates, times and counts: from what people write to numbers, and back.

Sizes are binary, as in IOR: ``1k`` is 1,024 bytes. ``1MB`` is refused, since it means 10^6 bytes
to some and 2^20 to others.
"""

from __future__ import annotations

import math
import operator
import re
from typing import SupportsIndex

from piotutor.errors import UsageError

INT64_MAX = 2**63 - 1

_PREFIXES = "kmgtp"
_SIZE = re.compile(
    r"(?P<sign>[+-]?)(?P<number>\d{1,3}(?:,\d{3})+|\d[\d_]*)\s*(?P<suffix>[a-z]*)",
    re.IGNORECASE | re.ASCII,
)
_PLAIN = {"", "b", "byte", "bytes"}


def parse_size(text: str | SupportsIndex) -> int:
    """Read a number of bytes.

    Parameters
    ----------
    text : str or int
        ``47008``, ``"47,008 bytes"``, ``"64k"``, ``"1m"``, ``"1 MiB"``: the suffixes k, m, g, t
        and p, in either case and with or without ``iB``, are powers of 1,024.

    Returns
    -------
    int
        Bytes, from 0 to 2^63 - 1.

    Raises
    ------
    UsageError
        Where it is no whole, non-negative number of bytes, too large, or ambiguous (``1MB``).

    Examples
    --------
    >>> parse_size("256k"), parse_size("1 MiB"), parse_size(47008)
    (262144, 1048576, 47008)
    """
    value = _parse_text(text) if isinstance(text, str) else _parse_number(text)
    if value < 0:
        raise UsageError(f"{value} is negative: give a number of bytes such as 64k or 1m")
    if value > INT64_MAX:
        raise UsageError(f"{text} is larger than any file (2^63 - 1): give less")
    return value


def _parse_number(value: SupportsIndex) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise UsageError(f"{value!r:.60} is no size: give whole bytes, or text such as 64k or 1m")
    return operator.index(value)


def _parse_text(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None or len(match["number"]) > 40:
        raise UsageError(f"{text!r:.60} is no size: give whole bytes, or text such as 64k or 1m")
    number = int(match["number"].replace(",", "").replace("_", ""))
    factor = _factor(text.strip(), match["suffix"].lower())
    return number * (-factor if match["sign"] == "-" else factor)


def _factor(text: str, suffix: str) -> int:
    if suffix in _PLAIN:
        return 1
    prefix, rest = suffix[0], suffix[1:]
    if prefix in _PREFIXES and rest in ("", "ib"):
        return int(1024 ** (_PREFIXES.index(prefix) + 1))
    if prefix in _PREFIXES and rest == "b":
        unit = f"{prefix.upper()}iB"
        raise UsageError(
            f"{text!r} is ambiguous (powers of 1,000 or of 1,024?): write {unit}, or plain bytes"
        )
    raise UsageError(f"{text!r} has an unknown unit {suffix!r}: use k, m, g, t or p, as in 64k")


def format_size(size: int) -> str:
    """Write a number of bytes exactly, in the largest unit that divides it.

    `parse_size` reads it back.

    Examples
    --------
    >>> format_size(1048576), format_size(47008), format_size(1572864)
    ('1 MiB', '47,008 bytes', '1,536 KiB')
    """
    value, unit = size, -1
    while value and value % 1024 == 0 and unit < len(_PREFIXES) - 1:
        value, unit = value // 1024, unit + 1
    if unit < 0:
        return "1 byte" if size == 1 else f"{size:,} bytes"
    return f"{value:,} {_PREFIXES[unit].upper()}iB"


def compact_size(size: int) -> str:
    """Write a number of bytes as IOR's command line takes it.

    Examples
    --------
    >>> compact_size(1048576), compact_size(47008)
    ('1m', '47008')
    """
    number, unit = format_size(size).replace(",", "").split()
    return number + unit[0].lower() if unit.endswith("iB") else number


def format_rate(rate: float) -> str:
    """Write bytes/s with three digits: ``1.46 GiB/s``; ``unknown`` where it is not finite."""
    if not math.isfinite(rate):
        return "unknown"
    value, unit = float(rate), -1
    while abs(value) >= 999.5 and unit < len(_PREFIXES) - 1:
        value, unit = value / 1024, unit + 1
    return f"{_digits(value)} {'bytes' if unit < 0 else _PREFIXES[unit].upper() + 'iB'}/s"


def format_seconds(seconds: float) -> str:
    """Write a duration with three digits: ``12.3 µs``, ``4.5 ms``, ``2.3 s``, ``3 min 5 s``."""
    if not math.isfinite(seconds):
        return "unknown"
    if abs(seconds) >= 119.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes:,} min {rest} s"
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if abs(seconds) * factor >= 0.9995:
            return f"{_digits(seconds * factor)} {unit}"
    return f"{_digits(seconds * 1e9)} ns"


def format_count(count: int) -> str:
    """Write a count with its thousands apart: ``10,240``."""
    return f"{count:,}"


def _digits(value: float) -> str:
    """Three significant digits, no exponent, no trailing zeros after the point."""
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    text = f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".")
