"""The Trace Event Format, which ui.perfetto.dev and chrome://tracing open (JSON, or gzip of it).

A rank is a process, each of its threads a track. On a track calls lie inside one another as they
did when they ran: the application's, below it HDF5's, MPI-IO's and the system calls. Calls that
overlapped without lying inside one another get tracks of their own. Extents of a strided call
(``PART``) are instants, samples are counters, and so are the bytes that each rank has moved.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import IO

import numpy as np

from piotutor.trace.exporters.rows import call_names, flag_names, pieces, plain_name, words
from piotutor.trace.reader import Trace
from piotutor.trace.record import Flag, Layer, Op

_POINTS = 1000  # of a counter, at most
_SAMPLED = {
    Layer.POSIX: ("file size", "in memory"),
    Layer.BLOCK: ("dirty in the machine", ""),
    Layer.DEVICE: ("device written", "device read"),
}
"""Layer of a sample to what its ``length`` and its ``result`` count."""


def write(trace: Trace, stream: IO[bytes]) -> None:
    """Write a trace as JSON.

    Parameters
    ----------
    trace : Trace
    stream : binary file
        Where to. Memory is needed for some thousands of events only, and 30 bytes a record.
    """
    lanes = _Lanes(trace)
    began = int(trace.records["start"][0]) if len(trace) else 0
    parts = (lanes.names(trace.provenance), _calls(trace, lanes, began), _counters(trace, began))
    stream.write(b'{"traceEvents":[\n')
    separator = b""
    for part in parts:
        for text in part:
            stream.write(separator + text.encode())
            separator = b",\n"
    other = {"provenance": trace.provenance, "dropped": trace.dropped, "began": began}
    told = json.dumps(other | {"notes": trace.meta}, default=str)
    stream.write(f'\n],\n"displayTimeUnit":"ns",\n"otherData":{told}}}\n'.encode())


def write_packed(trace: Trace, stream: IO[bytes]) -> None:
    """Write a trace as compressed JSON."""
    with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as packed:
        write(trace, packed)  # type: ignore[arg-type]  # it has all that is needed


class _Lanes:
    """Which track each record goes to, and what the tracks are called."""

    def __init__(self, trace: Trace) -> None:
        rank, thread, flags = trace.columns("rank", "thread", "flags")
        self.process = rank.astype(np.int64) + 2  # 0 is the idle process for Perfetto, 1 no rank
        owner = (rank.astype(np.int64) << 32) + np.maximum(thread, 0)
        calls = ~trace.where(op=Op.SAMPLE)
        depth = _depths(trace, owner, calls & ((flags & Flag.PART) == 0))
        keys = (owner << 12) + np.minimum(depth, 4095)
        self._known = np.unique(keys[calls])
        self._first = int(self.process.max(initial=1)) + 1
        self.track = self._first + np.searchsorted(self._known, keys)
        self._processes = np.unique(self.process)

    def names(self, provenance: str) -> Iterator[str]:
        """Yield the events that name processes and tracks."""
        for process in self._processes.tolist():
            name = (
                f"rank {process - 2} ({provenance})" if process > 1 else f"machine ({provenance})"
            )
            yield _about(process, 0, "process_name", name)
        for track, key in enumerate(self._known.tolist(), self._first):
            process, thread, lane = (key >> 44) + 2, (key >> 12) & 0xFFFFFFFF, key & 4095
            name = f"thread {thread}" + (f", overlapping {lane}" if lane else "")
            yield _about(process, track, "thread_name", name)


def _about(process: int, track: int, what: str, name: str) -> str:
    return f'{{"ph":"M","pid":{process},"tid":{track},"name":"{what}","args":{{"name":"{name}"}}}}'


def _depths(trace: Trace, owner: np.ndarray, slices: np.ndarray) -> np.ndarray:
    """Choose tracks of each thread: 0, and higher ones for what overlaps without lying inside."""
    start, end, layer = trace.columns("start", "end", "layer")
    found = np.zeros(len(trace), np.int64)
    which = np.flatnonzero(slices)
    which = which[np.lexsort((layer[which], -end[which], start[which], owner[which]))]
    edges = np.flatnonzero(np.diff(owner[which], prepend=0, append=0))
    for low, high in pairwise(np.unique([0, *edges, len(which)]).tolist()):
        mine = which[low:high]
        if (start[mine[1:]] < end[mine[:-1]]).any():
            lanes: list[list[tuple[int, int]]] = []
            rows = zip(start[mine].tolist(), end[mine].tolist(), layer[mine].tolist(), strict=True)
            found[mine] = [_lane(lanes, *row) for row in rows]
    return found


def _lane(lanes: list[list[tuple[int, int]]], begin: int, until: int, level: int) -> int:
    """Put a call on the first track where it lies inside a call of a layer above, or of none."""
    for number, stack in enumerate(lanes):
        while stack and stack[-1][0] <= begin:
            stack.pop()
        if not stack or (until <= stack[-1][0] and level > stack[-1][1]):
            stack.append((until, level))
            return number
    lanes.append([(until, level)])
    return len(lanes) - 1


def _calls(trace: Trace, lanes: _Lanes, began: int) -> Iterator[str]:
    """Yield the events of calls, some thousands at a time."""
    layers, ops, calls, flags = words(Layer), words(Op), call_names(), flag_names()
    extent = int(Flag.PART)
    files = [json.dumps(plain_name(name)) for name in trace.files]
    for where, piece in pieces(trace):
        keep = piece["op"] != Op.SAMPLE
        if not keep.any():
            continue
        fields = ("start", "end", "offset", "length", "result", "file", "layer", "op", "flags")
        columns = [piece[name][keep].tolist() for name in fields]
        tracks = lanes.process[where][keep].tolist(), lanes.track[where][keep].tolist()
        lines = []
        for start, end, offset, length, result, file, layer, op, flag, pid, tid in zip(
            *columns, *tracks, strict=True
        ):
            since, took = start - began, end - start
            part = flag & extent
            how = '"ph":"i","s":"t"' if part else f'"ph":"X","dur":{took // 1000}.{took % 1000:03d}'
            lines.append(
                f'{{{how},"name":"{calls[flag >> 8] or ops[op]}","cat":"{layers[layer]}",'
                f'"pid":{pid},"tid":{tid},"ts":{since // 1000}.{since % 1000:03d},'
                f'"args":{{"op":"{ops[op]}","offset":{offset},"length":{length},'
                f'"result":{result},"flags":"{flags[flag & 255]}"'
                + (f',"file":{files[file]}}}}}' if 0 <= file < len(files) else "}}")
            )
        yield ",\n".join(lines)


def _counters(trace: Trace, began: int) -> Iterator[str]:
    """Yield samples, and the bytes that each rank has read and written on each layer."""
    yield from _samples(trace, began)
    rank, layer = trace.columns("rank", "layer")
    for op in (Op.WRITE, Op.READ):
        moved = trace.where(op=op, without=Flag.PART)
        owners = rank[moved].astype(np.int64) * 256 + layer[moved]
        for owner in np.unique(owners).tolist():
            mine = np.flatnonzero(moved)[owners == owner]
            total = np.cumsum(np.maximum(trace.records["result"][mine], 0))
            step = -(-len(mine) // _POINTS)
            points = [*range(0, len(mine) - 1, step), len(mine) - 1]
            name = f"{Layer(owner % 256).name.lower()} {op.name.lower()}"
            end = trace.records["end"][mine]
            order = np.maximum.accumulate(end)
            for at in points:
                yield _counter(owner // 256 + 2, name, int(order[at]) - began, int(total[at]))


def _samples(trace: Trace, began: int) -> Iterator[str]:
    sampled = trace.records[trace.where(op=Op.SAMPLE)]
    for record in sampled:
        layer, file = int(record["layer"]), int(record["file"])
        known = _SAMPLED.get(Layer(layer), ("length", "result"))
        told = (
            json.dumps(plain_name(trace.files[file]))[1:-1] if 0 <= file < len(trace.files) else ""
        )
        for name, value in zip(known, (record["length"], record["result"]), strict=True):
            if name and value >= 0:
                label = f"{name}: {told}" if told else name
                yield _counter(1, label, int(record["start"]) - began, int(value))


def _counter(process: int, name: str, since: int, value: int) -> str:
    return (
        f'{{"ph":"C","pid":{process},"tid":0,"name":"{name}",'
        f'"ts":{since // 1000}.{since % 1000:03d},"args":{{"bytes":{value}}}}}'
    )
