"""What a file system says of how it stripes a file, or the new files of a directory.

This is a tool's word, before any arithmetic: a directory's striping may leave open on which
targets a file will lie, and on how many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from piotutor.errors import PiotutorError
from piotutor.units import INT64_MAX, format_size

ALL = -1
"""A stripe count: as many as there are targets."""


class LayoutError(PiotutorError):
    """A file system's own tool is missing, refuses, or answers what can't be read."""


@dataclass(frozen=True)
class Component:
    """Stripes of one size, for all of a file or for a part of it.

    Attributes
    ----------
    stripe_size
        Bytes on a target before the next one's turn; 0: the file system's default.
    stripe_count
        How many stripes side by side; `ALL`, or 0 for the file system's default.
    start, end
        Bytes of the file that it is for; None: to the end.
    targets
        Where the stripes lie, in their order; empty where that isn't settled, as in a directory.
    start_ost
        The target that the first stripe is to get; -1: any.
    pool
        The group of targets to which it keeps, if one is named.
    pattern
        ``raid0``, ``overstriped`` (a target may get more than one stripe), ``mdt`` (with the
        metadata), ``released`` (on tape, say) or another word of the file system's.
    object_size
        Bytes after which a stripe goes on in a new object; 0 where objects grow with the file.
    """

    stripe_size: int = 0
    stripe_count: int = 0
    start: int = 0
    end: int | None = None
    targets: tuple[int, ...] = ()
    start_ost: int = -1
    pool: str = ""
    pattern: str = "raid0"
    object_size: int = 0

    def __str__(self) -> str:
        count = {ALL: "stripes on all targets", 1: "1 stripe", 0: "the usual number of stripes"}
        stripes = count.get(self.stripe_count, f"{self.stripe_count} stripes")
        size = format_size(self.stripe_size) if self.stripe_size else "the usual size"
        words = [f"{stripes} of {size}" if self.pattern != "mdt" else "with the metadata"]
        words += [self.pattern] if self.pattern not in ("raid0", "mdt") else []
        words += [f"objects of {format_size(self.object_size)}"] if self.object_size else []
        words += [f"pool {self.pool}"] if self.pool else []
        words += [f"on {_listed(self.targets)}"] if self.targets else []
        return ", ".join(words)


@dataclass(frozen=True)
class Striping:
    """How one file, or each new file of a directory, is striped.

    Attributes
    ----------
    system
        The file system: ``lustre``, ``beegfs``, ``gpfs``, ``ceph``, ``daos``.
    components
        In the order of the file; only Lustre has more than one.
    copies
        How often each byte is stored (mirrors, replicas).
    note
        What else there is to know, in a few words.
    """

    system: str
    components: tuple[Component, ...]
    copies: int = 1
    note: str = ""

    def __str__(self) -> str:
        if len(self.components) == 1:
            words = str(self.components[0])
        else:
            words = "; ".join(f"{_part(part)}: {part}" for part in self.components)
        copied = f"; each byte {self.copies} times" if self.copies > 1 else ""
        return f"{words}{copied}{f' ({self.note})' if self.note else ''}"

    def to_dict(self) -> dict[str, Any]:
        """Return it for a JSON file."""
        return asdict(self)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Striping:
        """Read it back; TypeError or KeyError if it is damaged."""
        parts = (
            Component(**{**part, "targets": tuple(part["targets"])})
            for part in stored["components"]
        )
        return cls(**{**stored, "components": tuple(parts)})


def stripe_size(layout: Mapping[str, Any] | None) -> int | None:
    """Return the size in which a layout, as a dict, changes targets everywhere; None if not told.

    Of parts with different stripes it is the largest size that divides all of theirs.
    """
    sizes = [part["stripe_size"] for part in (layout or {}).get("components", ())]
    return math.gcd(*sizes) if sizes and all(sizes) else None


def whole(value: str, what: str, tool: str) -> int:
    """Read a whole number that a tool printed, plain or as ``0x...``.

    Raises
    ------
    LayoutError
        It is none, or larger than a file can be.
    """
    try:
        number = int(value, 16 if value.lower().startswith("0x") else 10)
    except ValueError:
        number = INT64_MAX + 1
    if not value.isascii() or abs(number) > INT64_MAX:
        raise LayoutError(f"{tool}: {what} is {value[:40]!r}, which is no whole number")
    return number


def _part(component: Component) -> str:
    end = "end" if component.end is None else format_size(component.end)
    return f"{format_size(component.start)} to {end}"


def _listed(targets: tuple[int, ...], most: int = 12) -> str:
    shown = ", ".join(map(str, targets[:most]))
    rest = len(targets) - most
    return f"{'target' if len(targets) == 1 else 'targets'} {shown}" + (
        f" and {rest} more" if rest > 0 else ""
    )
