"""An HDF5 file's address map as numbers: what is drawn, what is aligned, and who touched what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import NamedTuple

import numpy as np

from piotutor.capture.h5map import AddressMap, Kind, Range
from piotutor.errors import UsageError
from piotutor.metrics import transfers
from piotutor.trace import Layer, Op, Trace
from piotutor.units import format_size, parse_size

COLOURED = 7
"""Datasets that have a colour of their own; where there are more, all have the first."""
NO_METADATA = (Kind.DATA, Kind.UNACCOUNTED, Kind.FREE, Kind.USERBLOCK)
_GAP = 0.03  # between pieces of metadata in the lens, as a share of all


class Piece(NamedTuple):
    """A range in the lens: where it is drawn, from `low` to `high`, and what it is."""

    low: float
    high: float
    range: Range


@dataclass(frozen=True)
class Touches:
    """Transfers of a trace, and what they moved.

    Attributes
    ----------
    offset, length : numpy.ndarray
        In the file, in the order in which they began.
    data, metadata : numpy.ndarray
        Bytes of datasets, and of everything else that is known, in each.
    op : str
        ``write`` or ``read``.
    layer : str
        Whose they are.
    """

    offset: np.ndarray
    length: np.ndarray
    data: np.ndarray
    metadata: np.ndarray
    op: str
    layer: str

    @property
    def only_data(self) -> int:
        """How many moved nothing but data (and unaccounted bytes)."""
        return int(np.count_nonzero((self.data > 0) & (self.metadata == 0)))

    @property
    def only_metadata(self) -> int:
        """How many moved metadata and no data."""
        return int(np.count_nonzero((self.data == 0) & (self.metadata > 0)))

    @property
    def both(self) -> int:
        """How many moved some of both."""
        return int(np.count_nonzero((self.data > 0) & (self.metadata > 0)))


@dataclass(frozen=True)
class AddressMapData:
    """What the picture of an address map shows.

    Attributes
    ----------
    map : AddressMap
    alignment, stripe : int, optional
        Bytes of the grids.
    lens : list of Piece
        The metadata side by side, what lies between left out.
    touches : Touches, optional
        A trace's transfers over the map.
    badge : str
        Where it comes from.
    """

    map: AddressMap
    alignment: int | None
    stripe: int | None
    lens: list[Piece]
    touches: Touches | None
    badge: str

    @cached_property
    def groups(self) -> list[str]:
        """Datasets that have a colour of their own; one name where they are too many."""
        found = self.map.datasets
        return found if len(found) <= COLOURED else [f"{len(found):,} datasets"]

    def group(self, one: Range) -> int:
        """Return the number of the group whose colour a range of data has."""
        return self.groups.index(one.owner) if len(self.groups) > 1 else 0

    @property
    def aligned(self) -> list[bool]:
        """Whether each dataset's data begin at a multiple of the alignment."""
        unit = self.alignment or 1
        return [self.map.address(name) % unit == 0 for name in self.map.datasets]


def address_map_data(
    map: AddressMap,
    *,
    alignment: int | str | None = None,
    stripe: int | str | None = None,
    trace: Trace | None = None,
    op: str = "write",
    layer: Layer = Layer.POSIX,
    note: str = "",
) -> AddressMapData:
    """Compute the picture of an address map.

    Parameters
    ----------
    map : AddressMap
    alignment, stripe : int or str, optional
        Bytes of the grids: ``"1m"``. With an alignment the finding says who keeps it.
    trace : Trace, optional
        Of a run that moved this file's bytes: its transfers are laid over the map.
    op : str
        Which of them, ``write`` or ``read``.
    layer : Layer
        Whose.
    note : str
        What the badge has to say besides, such as when the file was made.

    Raises
    ------
    UsageError
        A size is none, or the trace knows no file of this name.
    """
    unit = None if alignment is None else _positive("alignment", alignment)
    pieces = None if stripe is None else _positive("stripe", stripe)
    over = None if trace is None else touches(map, trace, op, layer)
    badge = f"measured · {map.name}, HDF5 {map.hdf5}" + f" · {note}" * bool(note)
    return AddressMapData(map, unit, pieces, _lens(map.ranges), over, badge)


def _positive(name: str, given: int | str) -> int:
    size = parse_size(given)
    if size <= 0:
        raise UsageError(f"{name}={given!r} must be positive")
    return size


def _lens(ranges: Sequence[Range]) -> list[Piece]:
    """Put the metadata side by side, with a gap where something else lies between."""
    metadata = [one for one in ranges if one.kind not in NO_METADATA]
    gap = _GAP * sum(one.length for one in metadata)
    pieces: list[Piece] = []
    place = 0.0
    for one in metadata:
        if pieces and pieces[-1].range.end != one.offset:
            place += gap
        pieces.append(Piece(place, place + one.length, one))
        place += one.length
    return pieces


def touches(map: AddressMap, trace: Trace, op: str, layer: Layer) -> Touches:
    """Tell of each transfer of a trace how much data and metadata it moved.

    Raises
    ------
    UsageError
        The trace knows no file of this name.
    """
    names = [PurePath(name).name for name in trace.files]
    if map.name not in names:
        raise UsageError(f"the trace has no file {map.name!r}: it has {', '.join(names) or 'none'}")
    mask = transfers(trace, Op[op.upper()], layer) & (trace.column("offset") >= 0)
    mask &= np.isin(trace.column("file"), [n for n, name in enumerate(names) if name == map.name])
    offset, length = trace.column("offset")[mask], np.maximum(trace.column("result")[mask], 0)
    data = _within(map, {Kind.DATA}, offset, offset + length)
    metadata = _within(map, set(Kind) - set(NO_METADATA), offset, offset + length)
    return Touches(offset, length, data, metadata, op, layer.name)


def _within(map: AddressMap, kinds: set[Kind], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Count the bytes of some kinds between two addresses, for many of them."""
    wanted = [one for one in map.ranges if one.kind in kinds]
    edges = np.array([(one.offset, one.end) for one in wanted], np.int64).reshape(-1, 2)
    before = np.concatenate([[0], np.cumsum(edges[:, 1] - edges[:, 0])])

    def until(place: np.ndarray) -> np.ndarray:
        passed = np.searchsorted(edges[:, 0], place, side="right")
        over = np.where(passed > 0, edges[passed - 1, 1] - place, 0) if len(edges) else 0
        return np.asarray(before[passed] - np.maximum(over, 0))

    within: np.ndarray = until(high) - until(low)
    return within


def address_map_finding(data: AddressMapData) -> str:
    """Say in one line what the map shows."""
    if data.touches is not None:
        return _of_touches(data.touches)
    if data.alignment and data.map.datasets:
        return _of_alignment(data)
    chunks = [one for one in data.map.of(Kind.DATA) if one.what == "chunk"]
    size = sum(piece.range.length for piece in data.lens)
    metadata = f"{format_size(size)} of metadata in {_count(data.map.islands, 'piece')}"
    if len(data.map.datasets) == 1 and not chunks:
        name = data.map.datasets[0]
        return f"The data of {name[1:]!r} begin at {data.map.address(name):,}, behind {metadata}"
    amount = format_size(data.map.bytes(Kind.DATA))
    where = _count(len(data.map.datasets), "dataset")
    where += f" ({_count(len(chunks), 'chunk')})" if chunks else ""
    return f"{amount} of data in {where}, and {metadata}"


def _of_alignment(data: AddressMapData) -> str:
    unit, names = format_size(data.alignment or 1), data.map.datasets
    off = [name for name, good in zip(names, data.aligned, strict=True) if not good]
    if len(names) == 1:
        how = "not aligned" if off else "aligned"
        begin = data.map.address(names[0])
        return f"The data of {names[0][1:]!r} begin at {begin:,}: {how} to {unit}"
    if not off:
        return f"The data of all {len(names)} datasets begin aligned to {unit}"
    first = f"{off[0][1:]!r} begin at {data.map.address(off[0]):,}"
    most = "none" if len(off) == len(names) else f"{len(names) - len(off)}"
    return f"The data of {first}: of {len(names)} datasets, {most} begin aligned to {unit}"


def _of_touches(found: Touches) -> str:
    parts = [
        f"{number:,} {'to' if found.op == 'write' else 'of'} {what}"
        for number, what in (
            (found.only_data, "data"),
            (found.only_metadata, "metadata"),
            (found.both, "both"),
        )
        if number
    ]
    return f"{_count(len(found.offset), found.op)}: {', '.join(parts) or 'none to what is known'}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def address_map_alt(data: AddressMapData) -> str:
    """Describe the picture for a reader who can't see it."""
    parts = [
        f"{kind.value} {format_size(data.map.bytes(kind))} in {len(data.map.of(kind)):,} ranges"
        for kind in Kind
        if data.map.of(kind)
    ]
    text = f"The {data.map.size:,} bytes of {data.map.name}, from its first to its last: "
    text += ", ".join(parts)
    begins = [f"{name[1:]} at {data.map.address(name):,}" for name in data.map.datasets[:COLOURED]]
    if begins:
        text += f". Data begin: {', '.join(begins)}"
    if data.touches is not None:
        text += f". Over it: {_of_touches(data.touches)}"
    return text
