"""What HDF5 made of reads and writes: its calls, MPI-IO's and the system's, for each array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from piotutor.capture.h5map import AddressMap, Kind
from piotutor.lesson import table
from piotutor.trace import Flag, Layer, Op, Trace
from piotutor.trace.calls import CALLS, call_of
from piotutor.units import format_size

METADATA = "(metadata)"
CAUSES = {
    0x01: "independent calls were asked for",
    0x02: "memory and file hold different types of numbers",
    0x04: "the data are transformed",
    0x08: "MPI types are switched off",
    0x10: "the selection is neither simple nor scalar",
    0x20: "the dataset is neither contiguous nor chunked",
    0x40: "the chunks are filtered",
    0x80: "it couldn't find out",
    0x100: "selection I/O is off",
}
"""Why HDF5 left collective I/O: bits of ``H5Pget_mpio_no_collective_cause``."""
_HEADINGS = (
    "HDF5 calls",
    "asked to be collective",
    "MPI-IO calls, collective",
    "MPI-IO calls, independent",
    "system calls",
    "moved by them",
    "HDF5's reason",
)


@dataclass(frozen=True)
class Moves:
    """Reads, or writes, on their way down; calls of all ranks.

    Attributes
    ----------
    hdf5, asked : int
        Calls of HDF5, and those of them that asked for collective I/O.
    collective, independent : int
        Calls of MPI-IO.
    system, bytes : int
        System calls, and what these moved.
    causes : int
        Bits of `CAUSES`, of all calls.
    """

    hdf5: int = 0
    asked: int = 0
    collective: int = 0
    independent: int = 0
    system: int = 0
    bytes: int = 0
    causes: int = 0

    def __add__(self, other: Moves) -> Moves:
        sums = {name: count + vars(other)[name] for name, count in vars(self).items()}
        return Moves(**{**sums, "causes": self.causes | other.causes})

    @property
    def row(self) -> list[str]:
        """The numbers as they are shown in a table."""
        counts = (self.hdf5, self.asked, self.collective, self.independent, self.system)
        said = [text for bit, text in CAUSES.items() if self.causes & bit]
        return [*(f"{count:,}" for count in counts), format_size(self.bytes), "; ".join(said)]


def moves(trace: Trace, map: AddressMap, op: Op = Op.WRITE) -> dict[str, Moves]:
    """Count for each dataset, and for the metadata, what was done on every layer.

    A call belongs to whatever its first byte belongs to.

    Parameters
    ----------
    trace : Trace
        Of a run that used the file.
    map : AddressMap
        Of the file as it was afterwards.
    op : Op
        ``WRITE`` or ``READ``.
    """
    names = [*map.datasets, METADATA]
    of_file = [n for n, name in enumerate(trace.files) if PurePath(name).name == map.name]
    mine = trace.where(op=op, without=Flag.PART) & np.isin(trace.column("file"), of_file)
    found = trace.records[mine]
    owner = _owners(found, map, names)
    return {name: _sum(found[owner == number]) for number, name in enumerate(names)}


def _owners(found: np.ndarray, map: AddressMap, names: list[str]) -> np.ndarray:
    """Return the number of each record's dataset; of chunks HDF5 tells none: there must be one."""
    data = map.of(Kind.DATA)
    starts = np.array([one.offset for one in data], np.int64)
    ends = np.array([one.end for one in data], np.int64)
    which = np.array([names.index(one.owner) for one in data], np.int64)
    metadata = len(names) - 1
    owner = np.full(len(found), metadata)
    if len(data):
        at = np.searchsorted(starts, found["offset"], side="right") - 1
        inside = (at >= 0) & (found["offset"] < ends[at])
        owner[inside] = which[at[inside]]
    if metadata == 1:
        owner[(found["layer"] == Layer.HDF5) & (found["offset"] < 0)] = 0
    return owner


def _sum(found: np.ndarray) -> Moves:
    asked = (found["flags"] & Flag.COLLECTIVE) != 0
    layer = {one: found["layer"] == one for one in (Layer.HDF5, Layer.MPIIO, Layer.POSIX)}
    causes = found["aux"][layer[Layer.HDF5]] >> np.uint64(8) & np.uint64(0xFFFFFF)
    return Moves(
        int(layer[Layer.HDF5].sum()),
        int((layer[Layer.HDF5] & asked).sum()),
        int((layer[Layer.MPIIO] & asked).sum()),
        int((layer[Layer.MPIIO] & ~asked).sum()),
        int(layer[Layer.POSIX].sum()),
        int(np.maximum(found["result"][layer[Layer.POSIX]], 0).sum()),
        int(np.bitwise_or.reduce(causes, initial=0)),
    )


def of_data(found: dict[str, Moves]) -> Moves:
    """Sum over all datasets, the metadata left out."""
    return sum((one for name, one in found.items() if name != METADATA), Moves())


@dataclass(frozen=True, repr=False)
class MovesTable(table.Shown):
    """Moves under their names; in a notebook it shows itself.

    Attributes
    ----------
    what : str
        What the names are: ``run`` or ``dataset``.
    found : dict
        Name to `Moves`.
    """

    what: str
    found: dict[str, Moves]

    def _lines(self) -> Iterator[tuple[str, ...]]:
        """Yield headings and rows, without columns in which there is nothing."""
        rows = [(self.what, *_HEADINGS), *((n.lstrip("/"), *m.row) for n, m in self.found.items())]
        kept = [n for n in range(len(rows[0])) if any(row[n] not in ("0", "") for row in rows[1:])]
        for row in rows:
            yield tuple(row[n] for n in kept)


@dataclass(frozen=True)
class CallsTable:
    """How often each call of one layer was made, by all ranks; in a notebook it shows itself."""

    found: dict[str, int]

    @classmethod
    def of(cls, trace: Trace, layer: Layer) -> CallsTable:
        """Count the calls of a trace, the most frequent first."""
        flags = trace.records["flags"][trace.where(layer=layer, without=Flag.PART)]
        numbers, counts = np.unique(call_of(flags), return_counts=True)
        order = np.argsort(-counts, kind="stable")
        named = zip(numbers[order].tolist(), counts[order].tolist(), strict=True)
        return cls({CALLS.get(number, "unknown"): count for number, count in named})

    def __repr__(self) -> str:
        return "\n".join(f"{count:8,}  {name}" for name, count in self.found.items())

    def _repr_html_(self) -> str:
        rows = [(name, f"{count:,}") for name, count in self.found.items()]
        return table.html(("call", "how often"), rows)
