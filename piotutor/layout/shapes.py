"""What a layout is, and the two without copies and parity: striped and composite.

A layout maps single bytes: `put` from the file to the objects, `get` back. Bytes that lie together
in a file and in an object are a unit; `placing` cuts extents at the ends of units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from piotutor.errors import UsageError
from piotutor.units import INT64_MAX

Target: TypeAlias = int | str
Ints: TypeAlias = npt.NDArray[np.int64]
Sizes: TypeAlias = int | Ints


class Layout(ABC):
    """What every layout can tell."""

    @property
    @abstractmethod
    def targets(self) -> tuple[Target, ...]:
        """The target of each object: numbers, or names. Empty if it isn't known."""

    @property
    @abstractmethod
    def objects(self) -> int | None:
        """How many objects a file has at most; None if they are as many as it needs."""

    @property
    @abstractmethod
    def reach(self) -> tuple[int, int]:
        """How many objects, and bytes of each, are of a file: beyond, offsets pass 2^63."""

    @property
    def end(self) -> int | None:
        """Where the layout ends: bytes from there on can't be placed. None if it doesn't."""
        return None

    @property
    def edges(self) -> tuple[int, ...]:
        """Offsets at which an extent is cut besides the ends of units."""
        return ()

    @abstractmethod
    def unit_at(self, offset: Ints) -> Sizes:
        """Return the size of the unit at each offset: one number if it is the same for all."""

    @abstractmethod
    def unit_in(self, object: Ints) -> Sizes:
        """Return the size of the units in each object: one number if it is the same for all."""

    @abstractmethod
    def put(self, offset: Ints) -> tuple[Ints, Ints]:
        """Return the index of the object and the offset in it of each byte of the file."""

    @abstractmethod
    def get(self, object: Ints, object_offset: Ints) -> Ints:
        """Return which byte of the file each byte of an object is; -1 if it is none."""

    def span(self, object: Ints) -> tuple[Sizes, Sizes]:
        """Return from where to where in the file each object's bytes can come."""
        return 0, INT64_MAX


@dataclass(frozen=True)
class Striped(Layout):
    """Units in turn over a number of objects: Lustre, BeeGFS, GPFS, CephFS, RAID 0.

    Parameters
    ----------
    stripe_size : int
        Bytes that lie together.
    stripe_count : int
        Over how many objects a stripe goes.
    object_size : int, optional
        CephFS: when the objects have become so large, the file goes on in a new set of them.
    targets : tuple of int or of str
        The target of each object; with `object_size`, of as many objects as are known.
    """

    stripe_size: int
    stripe_count: int = 1
    object_size: int | None = None
    targets: tuple[Target, ...] = ()

    def __post_init__(self) -> None:
        need_positive(stripe_size=self.stripe_size, stripe_count=self.stripe_count)
        need_targets(self.targets, self.objects)
        if self.object_size is not None:
            need_multiple("object_size", self.object_size, "stripe_size", self.stripe_size)

    @property
    def objects(self) -> int | None:
        """As many as a stripe has, if they grow without end."""
        return self.stripe_count if self.object_size is None else None

    @property
    def reach(self) -> tuple[int, int]:
        """How many objects, and bytes of each, are of a file (see `Layout`)."""
        if self.object_size is None:
            return self.stripe_count, INT64_MAX // self.stripe_count - self.stripe_size
        sets = INT64_MAX // (self.object_size * self.stripe_count)
        return sets * self.stripe_count, self.object_size

    def unit_at(self, offset: Ints) -> int:
        """Return the stripe size."""
        return self.stripe_size

    def unit_in(self, object: Ints) -> int:
        """Return the stripe size."""
        return self.stripe_size

    def put(self, offset: Ints) -> tuple[Ints, Ints]:
        """Return object and offset in it (see `Layout`).

        With stripe size s and count c, byte o lies in object floor(o / s) mod c, at offset
        floor(o / (s c)) s + o mod s: Lustre manual, "Managing File Layout (Striping)"; Lustre's
        client, lov_offset.c. With an object size, as Ceph documents it ("File striping"; Linux,
        net/ceph/striper.c).
        """
        object, object_offset = _put(offset, self.stripe_size, self.stripe_count)
        if self.object_size is not None:
            full = object_offset // self.object_size
            object += full * self.stripe_count
            object_offset -= full * self.object_size
        return object, object_offset

    def get(self, object: Ints, object_offset: Ints) -> Ints:
        """Return the byte of the file (see `Layout`)."""
        if self.object_size is not None:
            full = object // self.stripe_count
            object = object - full * self.stripe_count
            object_offset = object_offset + full * self.object_size
        return _get(object, object_offset, self.stripe_size, self.stripe_count)


@dataclass(frozen=True)
class Component:
    """A part of a composite layout: the file's bytes from `start` to before `end` (None: all)."""

    start: int
    end: int | None
    layout: Striped


@dataclass(frozen=True)
class Composite(Layout):
    """Lustre's progressive layout: each part of the file striped in its own way.

    Each component has objects of its own, numbered on from those before. In them a byte lies where
    it would if the whole file were striped like the component: so Lustre's client counts
    (lov_offset.c takes the offset in the file), and an object may begin with a hole.

    Parameters
    ----------
    components : tuple of Component
        From the file's beginning on, each where the one before ends.
    """

    components: tuple[Component, ...]

    def __post_init__(self) -> None:
        if not self.components or self.components[0].start != 0:
            raise UsageError("components: give at least one, and let the first start at 0")
        for one, after in pairwise(self.components):
            if one.end is None or after.start != one.end:
                raise UsageError(
                    f"component from {after.start}: let it start where the one before ends"
                )
        for one in self.components:
            if one.end is not None and one.end <= one.start:
                raise UsageError(f"component from {one.start}: {one.end} is no end of it")
            if one.layout.object_size is not None:
                raise UsageError("object_size: no component of a composite layout has one")
        need_targets(self.targets, self.objects)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Those of all components; of one whose objects aren't made yet, -1 (or no name)."""
        known = [target for one in self.components for target in one.layout.targets]
        if not known:
            return ()
        nowhere: Target = "" if isinstance(known[0], str) else -1
        return tuple(
            target
            for one in self.components
            for target in (one.layout.targets or (nowhere,) * one.layout.stripe_count)
        )

    @property
    def objects(self) -> int:
        """Those of all components."""
        return sum(one.layout.stripe_count for one in self.components)

    @property
    def reach(self) -> tuple[int, int]:
        """How many objects, and bytes of each, are of a file (see `Layout`)."""
        return self.objects, min(one.layout.reach[1] for one in self.components)

    @property
    def end(self) -> int | None:
        """Where the last component ends."""
        return self.components[-1].end

    @property
    def edges(self) -> tuple[int, ...]:
        """Where a component follows on another."""
        return tuple(one.start for one in self.components[1:])

    @cached_property
    def _first(self) -> Ints:
        """The index of each component's first object, and their number."""
        return np.cumsum([0, *(one.layout.stripe_count for one in self.components)])

    @cached_property
    def _units(self) -> Ints:
        return np.array([one.layout.stripe_size for one in self.components], np.int64)

    @cached_property
    def _stripe_counts(self) -> Ints:
        return np.array([one.layout.stripe_count for one in self.components], np.int64)

    def _at(self, offset: Ints) -> Ints:
        at = np.zeros(len(offset), np.int64)
        for edge in self.edges:  # they are few: this is faster than a search
            at += offset >= edge
        return at

    def _of(self, object: Ints) -> Ints:
        return np.searchsorted(self._first, object, "right") - 1

    def unit_at(self, offset: Ints) -> Sizes:
        """Return the stripe size of each byte's component."""
        return _pick(self._units, self._at(offset))

    def unit_in(self, object: Ints) -> Sizes:
        """Return the stripe size of each object's component."""
        return _pick(self._units, self._of(object))

    def put(self, offset: Ints) -> tuple[Ints, Ints]:
        """Return object and offset in it (see `Layout`)."""
        at = self._at(offset)
        unit, count = _pick(self._units, at), _pick(self._stripe_counts, at)
        object, object_offset = _put(offset, unit, count)
        return object + _pick(self._first, at), object_offset

    def get(self, object: Ints, object_offset: Ints) -> Ints:
        """Return the byte of the file (see `Layout`)."""
        of = self._of(object)
        unit, count = _pick(self._units, of), _pick(self._stripe_counts, of)
        return _get(object - _pick(self._first, of), object_offset, unit, count)

    def span(self, object: Ints) -> tuple[Ints, Ints]:
        """Return the bounds of each object's component."""
        bounds = [0, *self.edges, INT64_MAX if self.end is None else self.end]
        of = self._of(object)
        return np.array(bounds, np.int64)[of], np.array(bounds, np.int64)[of + 1]


def _put(offset: Ints, unit: Sizes, count: Sizes) -> tuple[Ints, Ints]:
    number: Ints = offset // unit
    row: Ints = number // count
    inside: Ints = offset - number * unit
    return number - row * count, row * unit + inside


def _get(object: Ints, object_offset: Ints, unit: Sizes, count: Sizes) -> Ints:
    row = object_offset // unit
    return object_offset + (row * (count - 1) + object) * unit


def _pick(values: Ints, at: Ints) -> Sizes:
    """Return each one's value: one number, which is faster, if it is the same for all."""
    if len(at) and (at == at[0]).all():
        return int(values[at[0]])
    return values[at]


def need_positive(**values: int) -> None:
    """Refuse what isn't a whole number from 1 on."""
    for name, value in values.items():
        if not 1 <= value <= INT64_MAX:
            raise UsageError(f"{name} {value}: give a whole number from 1 on")


def need_multiple(name: str, value: int, of: str, size: int) -> None:
    """Refuse what isn't a whole number of times another size."""
    if value < size or value % size:
        raise UsageError(f"{name} {value}: give a multiple of {of}, {size}")


def need_targets(targets: tuple[Target, ...], objects: int | None) -> None:
    """Refuse a list of targets that mixes numbers and names, or hasn't one for each object."""
    if len({isinstance(target, str) for target in targets}) > 1:
        raise UsageError("targets: give numbers or names, not both")
    if targets and objects is not None and len(targets) != objects:
        raise UsageError(f"targets: give one for each of {objects} objects, not {len(targets)}")
