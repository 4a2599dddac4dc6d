"""What a parameter of a machine may be: beyond that the engine couldn't count, or would never end.

With times of at most eleven days and sizes of at most 2^60 bytes no sum of the engine overflows
before it says that its end is too far away.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

from piotutor.errors import UsageError
from piotutor.units import format_size


class Bound(NamedTuple):
    """From where to where, both included, and what it is a number of."""

    least: int | float
    most: int | float
    unit: str = ""

    def __str__(self) -> str:
        """Say it, as the end of ``give ...``."""
        if self.unit == "bytes":
            least, most = (format_size(int(each)) for each in (self.least, self.most))
        else:
            least, most = f"{self.least:,}", f"{self.most:,}"
        of = f" of {self.unit}" if self.unit and self.unit != "bytes" else ""
        return f"number{of}, at least {least}, at most {most}"


_SECONDS, _SHORT = Bound(0, 1_000_000, "seconds"), Bound(0, 1000, "seconds")
_SPEED = Bound(0, 10**18, "bytes/s")
_BYTES, _MANY_BYTES = Bound(1, 1 << 40, "bytes"), Bound(0, 1 << 60, "bytes")
_COUNT, _SOME = Bound(1, (1 << 28) - 1), Bound(1, 1 << 16)

BOUNDS = {
    **dict.fromkeys(("clients", "targets", "targets_per_server"), _COUNT),
    **dict.fromkeys(("rpc_size", "lock_page", "array_chunk"), _BYTES),
    **dict.fromkeys(("dirty_limit", "cache_size", "read_ahead", "device_memory"), _MANY_BYTES),
    **dict.fromkeys(("metadata_threads", "target_channels", "ssd_block_pages"), _SOME),
    "rpcs_in_flight": Bound(1, (1 << 31) - 1),
    "directory_share": Bound(0, 1),
    "lock_conflicts": Bound(0, (1 << 31) - 1),
    "lock_cap": _MANY_BYTES,
    "slow_target": Bound(0, (1 << 28) - 1),
    "slow_factor": Bound(0, 1_000_000),
    "background_load": Bound(0, 1),
    "seed": Bound(1, 1 << 62),
    "ssd_channels": Bound(1, 1 << 12),
    "ssd_page": Bound(1, 1 << 30, "bytes"),
    "ssd_blocks": Bound(1, 1 << 31),
    "ssd_spare": Bound(0, 1000),
    **dict.fromkeys(("ssd_read_time", "ssd_write_time", "ssd_erase_time"), _SHORT),
    "ssd_rewritten": Bound(0, 100),
    "array_level": Bound(0, 6),
    "array_width": Bound(0, 256),
    "array_disks": Bound(0, 256),
    "array_failed": Bound(-1, 255),
}
"""Those that are neither seconds nor bytes/s."""


def bound_of(name: str) -> Bound:
    """Return from where to where a parameter goes."""
    return BOUNDS.get(name, _SPEED if name.endswith("bandwidth") else _SECONDS)


def settled(name: str, value: Any, kind: type) -> int | float:
    """Return a parameter's value as a plain number, whole where it must be.

    Raises
    ------
    UsageError
        It is no number, or none that makes sense.
    """
    bound, number = bound_of(name), _plain(value, kind)
    if number is None or not bound.least <= number <= bound.most:
        whole = "whole " if kind is int else ""
        raise UsageError(f"{name}={shown(value)}: give a {whole}{bound}")
    return number


def shown(value: Any) -> str:
    """Write a value that someone gave, whatever it is, in a few words."""
    try:
        text = str(value) if isinstance(value, int | float) else repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a number without end"
    return text if len(text) <= 40 else f"{text[:37]}..."


def _plain(value: Any, kind: type) -> int | float | None:
    if isinstance(value, bool | str | bytes):
        return None
    try:
        if kind is float:
            return float(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return operator.index(value)
    except (TypeError, ValueError, OverflowError):
        return None
