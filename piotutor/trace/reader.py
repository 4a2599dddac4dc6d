"""`Trace`: the records of a run, merged from all ranks and sorted by time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from piotutor.trace import clocks
from piotutor.trace.record import (
    HEADER,
    KIND,
    MAGIC,
    PROVENANCES,
    RECORD,
    VERSION,
    Layer,
    Op,
    Phase,
    State,
    TraceError,
    phase_of,
    repetition_of,
    tail,
)
from piotutor.trace.source import Complain, Source, clip_parent, read_source, write_frames
from piotutor.trace.writer import header_line

_SAME_CLOCK = 5_000_000  # ns; nodes whose clocks differ by less are taken to share one
_PIECE = 8192  # records looked at at a time: 640 KiB, which stay in the cache
_WHOLE = np.dtype((np.void, RECORD.itemsize))  # else numpy copies field by field

Where = str | os.PathLike[str]


@dataclass(eq=False)
class Trace:
    """Everything that was recorded, of all layers and ranks.

    Attributes
    ----------
    records : numpy.ndarray
        Structured array (`RECORD`), read-only, sorted by ``start``; ``file`` indexes `files`,
        ``parent`` indexes the array itself.
    files : list of str
        File names.
    dropped : int
        Records that found no room; every picture shows it.
    provenance : str
        ``measured``, ``emulated`` or ``modelled``.
    meta : dict
        Notes: workload, environment, ``clocks`` where ranks ran on several hosts (see `clocks`),
        and ``damage`` where a salvaged trace had some.
    """

    records: np.ndarray
    files: list[str] = field(default_factory=list)
    dropped: int = 0
    provenance: str = "measured"
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.provenance not in PROVENANCES:
            raise TraceError(f"provenance {self.provenance!r}: use one of {', '.join(PROVENANCES)}")
        self.records = self.records.view()
        self.records.flags.writeable = False
        self._columns: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        ranks = np.unique(self.column("rank"))
        text = f"{len(self):,} records, {np.count_nonzero(ranks >= 0)} ranks"
        return f"<Trace: {text}, {len(self.files)} files, {self.dropped:,} dropped>"

    @classmethod
    def from_records(
        cls,
        records: np.ndarray,
        *,
        files: Sequence[str] = (),
        dropped: int = 0,
        provenance: str = "measured",
        meta: Mapping[str, Any] | None = None,
    ) -> Trace:
        """Make a trace of records in any order (``parent`` indexes `records`)."""
        own = _sort(records)
        if own is records:
            own = records.view(_WHOLE).copy().view(RECORD)
        return cls(own, list(files), dropped, provenance, dict(meta or {}))

    @classmethod
    def load(cls, where: Where | Iterable[Where], *, salvage: bool = False) -> Trace:
        """Read a trace file, a directory of them (``*.piot``), or several files.

        Parameters
        ----------
        where : path or iterable of paths
            What to read; the records of several files are merged.
        salvage : bool
            Keep every whole record of damaged files instead of refusing them. What was wrong
            then stands in ``meta["damage"]``, one line for each.

        Raises
        ------
        TraceError
            If there is nothing to read, or something is truncated, foreign or damaged. One
            line that names the file.
        """
        paths = _find(where)
        damage: list[str] = []
        complain = damage.append if salvage else _refuse
        parts: list[tuple[Source, np.ndarray]] = []
        for path in paths:
            try:
                parts.append(read_source(path, complain))
            except TraceError as error:
                complain(str(error))
        if not parts:
            raise TraceError(damage[0])
        return _merge(parts, damage, _read_clocks(paths[0].parent, complain))

    def column(self, name: str) -> np.ndarray:
        """One field of all records as a contiguous array, kept for the next time.

        ``kind`` is layer, op and flags as one integer: see `tail`.
        """
        return self.columns(name)[0]

    def columns(self, *names: str) -> tuple[np.ndarray, ...]:
        """Several fields as contiguous arrays, read in one pass over the records."""
        fields = {name: self._field(name) for name in names if name not in self._columns}
        arrays = {name: np.empty(len(self), field.dtype) for name, field in fields.items()}
        for start in range(0, len(self) if fields else 0, _PIECE):
            piece = slice(start, start + _PIECE)
            for name, array in arrays.items():
                array[piece] = fields[name][piece]
        self._columns.update(arrays)
        return tuple(self._columns[name] for name in names)

    def _field(self, name: str) -> np.ndarray:
        return self.records.view(KIND)[name] if name == "kind" else self.records[name]

    def blocks(self, mask: np.ndarray, *names: str) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield fields of the records of a mask, in pieces that stay in the processor's cache.

        Going through 10 million records so is several times faster than with whole columns.
        """
        fields = [self._columns.get(name, self._field(name)) for name in names]
        for start in range(0, len(self), _PIECE):
            piece = slice(start, start + _PIECE)
            keep = mask[piece]
            count = np.count_nonzero(keep)
            if count == len(keep):
                yield tuple([np.ascontiguousarray(field[piece]) for field in fields])
            elif count:
                found = keep.nonzero()[0]
                yield tuple([field[piece][found] for field in fields])

    def span(self, mask: np.ndarray) -> tuple[int, int] | None:
        """Return the first start and the last end of the records of a mask; None without any."""
        if not mask.any():
            return None
        ended = max(int(end.max()) for (end,) in self.blocks(mask, "end"))
        return int(self.records["start"][mask.argmax()]), ended

    def where(
        self,
        *,
        layer: int | None = None,
        op: int | Sequence[int] | None = None,
        rank: int | None = None,
        phase: int | None = None,
        repetition: int | None = None,
        without: int = 0,
    ) -> np.ndarray:
        """Return the mask of the records that `select` would keep, `without` these flags."""
        mask = self._of_kind(layer, op, without)
        if rank is not None:
            mask &= self.column("rank") == rank
        if phase is not None or repetition is not None:
            mask &= self.where(layer=Layer.APP) & ~self.where(op=Op.SAMPLE)
        if phase is not None:
            mask &= phase_of(self.column("aux")) == phase
        if repetition is not None:
            mask &= repetition_of(self.column("aux")) == repetition
        return mask

    def _of_kind(
        self, layer: int | None, op: int | Sequence[int] | None, without: int
    ) -> np.ndarray:
        """Compare layer, op and flags at once, as one integer."""
        care = tail(0 if layer is None else 255, 0 if op is None else 255, without)
        codes = [0] if op is None else np.atleast_1d(op).tolist()
        wanted = [tail(layer or 0, code) for code in codes]
        kind, mask = self.column("kind"), np.empty(len(self), bool)
        for start in range(0, len(self), _PIECE):
            piece = kind[start : start + _PIECE] & np.uint32(care)
            found = piece == wanted[0]
            for value in wanted[1:]:
                found |= piece == value
            mask[start : start + _PIECE] = found
        return mask

    def select(
        self,
        *,
        layer: Layer | int | None = None,
        op: Op | int | Sequence[int] | None = None,
        rank: int | None = None,
        phase: Phase | int | None = None,
        repetition: int | None = None,
    ) -> Trace:
        """Return the trace of the records that fit; phases are those of the application.

        A parent that isn't selected becomes -1. The dropped count stays: what was dropped may
        have been here.
        """
        mask = self.where(layer=layer, op=op, rank=rank, phase=phase, repetition=repetition)
        kept = self.records.compress(mask)
        place = np.append(np.where(mask, np.cumsum(mask) - 1, -1), -1)
        kept["parent"] = place[kept["parent"]]
        return Trace(kept, self.files, self.dropped, self.provenance, self.meta)

    def save(self, path: Where) -> None:
        """Write the whole trace as one compact file, which `load` reads again.

        A file of that name is replaced once the new one is complete.
        """
        target = Path(path)
        try:
            with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as stream:
                self.write(stream)
            Path(stream.name).replace(target)
        except OSError as error:
            raise TraceError(f"{target}: can't be written: {error.strerror}") from None

    def write(self, stream: IO[bytes]) -> None:
        """Write the whole trace compactly to an open binary file."""
        text = header_line("piotutor", self.provenance, self.files, self.meta)
        header = np.zeros((), HEADER)
        header["magic"], header["version"], header["record_bytes"] = MAGIC, VERSION, RECORD.itemsize
        header["header_bytes"], header["text_bytes"] = HEADER.itemsize + len(text), len(text)
        header["state"], header["rank"] = State.CLOSED | State.COMPACT, -1
        header["count"], header["dropped"] = len(self), self.dropped
        stream.write(header.tobytes() + text)
        write_frames(stream, self.records)


def _refuse(problem: str) -> None:
    raise TraceError(problem)


def _find(where: Where | Iterable[Where]) -> list[Path]:
    if not isinstance(where, str | os.PathLike):
        paths = [Path(path) for path in where]
        if not paths:
            raise TraceError("no trace was named")
        return paths
    path = Path(where)
    if not path.is_dir():
        return [path]
    paths = sorted(path.glob("*.piot"))
    if not paths:
        raise TraceError(f"{path}: holds no traces (*.piot)")
    return paths


def _sort(records: np.ndarray) -> np.ndarray:
    """Sort by start, stably, and let ``parent`` point at the same records as before."""
    start = np.ascontiguousarray(records["start"])
    if (start[1:] >= start[:-1]).all():
        return records
    order = np.argsort(start, kind="stable")
    place = np.empty(len(order) + 1, np.int64)
    place[order] = np.arange(len(order))
    place[-1] = -1
    records = records.take(order)  # twenty times as fast as an index
    records["parent"] = place[clip_parent(records["parent"], len(order))]
    return records


def _read_clocks(directory: Path, complain: Complain) -> clocks.Clocks | None:
    try:
        return clocks.load(directory)
    except TraceError as error:
        complain(str(error))
        return None


def _merge(
    parts: list[tuple[Source, np.ndarray]], damage: list[str], hosts: clocks.Clocks | None
) -> Trace:
    words = {source.provenance for source, _ in parts}
    if words == {"measured", "emulated"}:
        words = {"emulated"}  # what real ranks met with emulated servers
    if len(words) > 1:
        raise TraceError(f"{parts[0][0].path}: traces that are {' and '.join(sorted(words))} mix")
    names: dict[str, int] = {}
    meta: dict[str, Any] = {"damage": damage} if damage else {}
    sources = [source for source, _ in parts]
    hosts = hosts or _by_day(sources)
    shifts = _clock_shifts(sources)
    base = 0
    for (source, records), shift in zip(parts, shifts, strict=True):
        records["file"] = merge_names(names, source.files, records["file"])
        records["parent"] = np.where(records["parent"] >= 0, records["parent"] + base, -1)
        if hosts is not None:
            hosts.correct(records, int(source.header["rank"]), source.booted)
        elif shift:
            records["start"] += shift
            records["end"] += shift
        base += len(records)
        meta = {**source.notes, **meta}
        meta.pop("host", None)
    records = _sort(parts[0][1] if len(parts) == 1 else np.concatenate([r for _, r in parts]))
    dropped = sum(int(source.header["dropped"]) for source, _ in parts)
    if hosts is not None and len(hosts.clients) > 1:
        meta["clocks"] = hosts.to_dict()
    return Trace(records, list(names), dropped, words.pop(), meta)


def _by_day(sources: list[Source]) -> clocks.Clocks | None:
    """Return the clocks of several hosts that nobody compared, by those of the day; else None.

    Programs that aren't ours say on which host each of their processes ran.
    """
    hosts: dict[int, tuple[str, int]] = {}
    for source in sources:
        if "host" in source.notes and source.header["rank"] >= 0:
            hosts.setdefault(int(source.header["rank"]), (source.notes["host"], source.booted))
    if len({host for host, _ in hosts.values()}) < 2:
        return None
    return clocks.Clocks.by_day(hosts)


def merge_names(names: dict[str, int], files: Sequence[str], column: np.ndarray) -> np.ndarray:
    """Give one file's names their numbers in the merged table `names`, which grows.

    Parameters
    ----------
    names : dict
        Merged table, from name to index.
    files : sequence of str
        Names that `column` counts in. Indices beyond them get names of their own.
    column : numpy.ndarray
        ``file`` fields; -1 stays.

    Returns
    -------
    numpy.ndarray
        ``file`` fields that index the merged table.
    """
    beyond = column.max(initial=-1) >= len(files)
    used = np.unique(column[column >= len(files)]).tolist() if beyond else []
    local = {**dict(enumerate(files)), **{index: f"file {index}" for index in used}}
    merged = {index: names.setdefault(name, len(names)) for index, name in local.items()}
    result: np.ndarray = np.maximum(column, -1)
    if any(index != place for index, place in merged.items()):
        keys = np.array([*merged], np.int64)
        places = np.array([*merged.values(), -1], np.int32)
        result = places[np.where(column >= 0, np.searchsorted(keys, column), -1)]
    return result


def _clock_shifts(sources: list[Source]) -> list[int]:
    """Nanoseconds to add to each file's times, so that all nodes read the first one's clock."""
    offsets: dict[int, int] = {}
    for source in sources:
        offsets.setdefault(int(source.header["client"]), source.booted)
    first = offsets[int(sources[0].header["client"])]
    shifts = [offsets[int(source.header["client"])] - first for source in sources]
    return [shift if abs(shift) > _SAME_CLOCK else 0 for shift in shifts]
