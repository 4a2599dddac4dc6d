"""Where each byte of one file lies: as its servers tell it, or by arithmetic where they told how.

A map is read from a run's ``map.json``, whose extents a Ceph was asked for one by one, or made from
a layout that a file system's own tool reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from piotutor import layout as layouts
from piotutor.errors import PiotutorError, UsageError
from piotutor.layout import Component, Composite, Layout, Striped, Target
from piotutor.layout.shapes import Ints
from piotutor.units import parse_size

TARGET_WORDS = {
    "ceph": "OSD",
    "cephfs": "OSD",
    "lustre": "OST",
    "gpfs": "NSD",
    "raid": "disk",
    "emulated": "server",
}
"""What each system calls a target; others say target."""


def target_word(system: str | None) -> str:
    """Return what a file system calls a target: an OSD, an OST, a disk."""
    return TARGET_WORDS.get((system or "").lower(), "target")


class Stripes(NamedTuple):
    """The stripes of a file in their order: where each is in the file, and in its object."""

    offset: Ints
    length: Ints
    target: npt.NDArray[Any]
    object: Ints
    object_offset: Ints


@dataclass(frozen=True, eq=False)
class StripeMap:
    """Where the bytes of one file lie, extent by extent in the order of the file.

    Attributes
    ----------
    system : str
        The file system: ``ceph``, ``lustre``, ``beegfs``, ...
    source : str
        Who says so: ``ceph_get_file_extent_osds``, ``computed from lfs getstripe``.
    layout : Layout
        How stripes go over objects; on which target an object is says the map.
    offset, length : ndarray of int64
        The extents, in bytes: each is a stripe, or a part of one, on one target.
    target : ndarray of int64 or of str
        The target of each extent.
    file : int
        Index of the file among those of the run.
    name : str
        The file's name, as a path ends with it; empty where it isn't known.
    """

    system: str
    source: str
    layout: Layout
    offset: Ints
    length: Ints
    target: npt.NDArray[Any]
    file: int = 0
    name: str = ""

    @classmethod
    def computed(cls, layout: Layout, size: int, *, system: str, source: str = "") -> StripeMap:
        """Make the map of a file of `size` bytes by arithmetic.

        Parameters
        ----------
        layout : Layout
            With targets, or the objects' indices stand for them.
        size : int
            Bytes of the file.
        system : str
            The file system.
        source : str
            Who told the layout, such as ``lfs getstripe``.

        Raises
        ------
        UsageError
            The layout doesn't reach so far, or there would be too many pieces.
        """
        pieces = layouts.place(layout, 0, size)
        offset = np.cumsum(pieces.length) - pieces.length
        told = f"computed from {source}" if source else "computed"
        return cls(system, told, layout, offset, pieces.length, pieces.target)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return int(self.offset[-1] + self.length[-1]) if len(self.offset) else 0

    @property
    def targets(self) -> list[Target]:
        """The targets that hold any of it, ascending."""
        return [*np.unique(self.target).tolist()]

    @property
    def word(self) -> str:
        """What the system calls a target."""
        return target_word(self.system)

    def target_at(self, offset: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the target of single bytes.

        Raises
        ------
        UsageError
            A byte lies behind the end of the map.
        """
        wanted = np.atleast_1d(np.asarray(offset, np.int64))
        if wanted.size and (wanted.min() < 0 or wanted.max() >= self.size):
            raise UsageError(f"offset: the map has bytes from 0 to {self.size - 1}")
        return np.asarray(self.target[self.extent_at(wanted)])

    def extent_at(self, offset: Ints) -> Ints:
        """Return the index of the extent that holds each byte, all of which the map has."""
        if self._even:
            return offset // int(self.length[0])
        return np.searchsorted(self.offset, offset, side="right") - 1

    @cached_property
    def _even(self) -> bool:
        """Say whether all extents but the last are of one length: then none is searched for."""
        if not len(self.offset):
            return False
        return np.array_equal(np.arange(len(self.offset)) * int(self.length[0]), self.offset)

    @cached_property
    def cut(self) -> StripeMap:
        """The same map, its extents cut where the layout's units end: an extent for each stripe."""
        stripes = self.stripes
        return replace(self, offset=stripes.offset, length=stripes.length, target=stripes.target)

    @cached_property
    def stripes(self) -> Stripes:
        """The stripes: extents cut where the layout's units end, with their place in objects."""
        pieces = layouts.place(self.layout, self.offset, self.length)
        offset = self.layout.get(pieces.object, pieces.object_offset)
        target = self.target[pieces.source]
        return Stripes(offset, pieces.length, target, pieces.object, pieces.object_offset)

    def bytes_by_target(self) -> dict[Target, int]:
        """Return how many of the file's bytes lie on each target that has any."""
        return {one: int(self.length[self.target == one].sum()) for one in self.targets}

    def to_dict(self) -> dict[str, Any]:
        """Return it as an entry of ``map.json``.

        Raises
        ------
        UsageError
            The layout has copies or parity: ``map.json`` has no words for it.
        """
        columns = (self.offset.tolist(), self.length.tolist(), self.target.tolist())
        return {
            "file": self.file,
            "name": self.name,
            "layout": _words(self.layout),
            "size": self.size,
            "extents": [list(extent) for extent in zip(*columns, strict=True)],
        }


def stripe_map(layout: Layout, size: str | int, *, system: str = "") -> StripeMap:
    """Return where the bytes of a file lie that is, or would be, laid out so.

    Parameters
    ----------
    layout : Layout
        From `piotutor.layout`.
    size : str or int
        Bytes of the file, as ``"16m"``.
    system : str
        Whose words are used: ``lustre`` (OST), ``ceph`` (OSD), ``gpfs`` (NSD), ``raid`` (disk).

    Raises
    ------
    UsageError
        The layout doesn't reach so far, or there would be too many pieces.

    Examples
    --------
    >>> from piotutor.layout import lustre
    >>> stripe_map(lustre("1m", 4, osts=8, start_ost=6), "16m", system="lustre").targets
    [0, 1, 6, 7]
    """
    return StripeMap.computed(layout, parse_size(size), system=system)


def maps_of(document: Mapping[str, Any] | None) -> list[StripeMap]:
    """Return the maps that a ``map.json`` holds, one of each file; none of none.

    Raises
    ------
    PiotutorError
        It isn't of this form.
    """
    if not document:
        return []
    try:
        return [_map(document, entry) for entry in document["files"]]
    except (KeyError, TypeError, ValueError) as problem:
        raise PiotutorError(f"map.json is damaged: {problem!r}") from None


def _map(document: Mapping[str, Any], entry: Mapping[str, Any]) -> StripeMap:
    extents = entry["extents"]
    offset, length = (np.array([one[n] for one in extents], np.int64) for n in (0, 1))
    return StripeMap(
        document["system"],
        document["source"],
        _layout(entry["layout"]),
        offset,
        length,
        np.array([one[2] for one in extents]),
        int(entry["file"]),
        PurePath(entry.get("name", "")).name,
    )


def _words(layout: Layout) -> dict[str, Any]:
    if isinstance(layout, Composite):
        parts = layout.components
        return {"components": [{"start": p.start, "end": p.end, **_words(p.layout)} for p in parts]}
    if not isinstance(layout, Striped):
        raise UsageError("layout: one with copies or parity can't be written into map.json")
    sizes = (layout.stripe_size, layout.stripe_count, layout.object_size)
    return dict(zip(("stripe_unit", "stripe_count", "object_size"), sizes, strict=True))


def _layout(words: Mapping[str, Any]) -> Layout:
    if "components" not in words:
        return _striped(words)
    parts = words["components"]
    return Composite(tuple(Component(p["start"], p["end"], _striped(p)) for p in parts))


def _striped(words: Mapping[str, Any]) -> Striped:
    return Striped(words["stripe_unit"], words["stripe_count"], words.get("object_size"))
