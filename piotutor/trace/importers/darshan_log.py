"""Read one log of Darshan in a process of its own, and write it as a trace.

``python -m piotutor.trace.importers.darshan_log LOG TRACE``: the last line of standard error says
what was wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from piotutor.trace.importers.columns import number, records
from piotutor.trace.reader import Trace
from piotutor.trace.record import Flag, Layer, Op

try:
    from darshan.backend import cffi_backend as backend
except Exception as error:  # whatever it is, it isn't the log's fault
    sys.exit(f"pydarshan doesn't work here: {error}")

_TRACED = {"DXT_POSIX": Layer.POSIX, "DXT_MPIIO": Layer.MPIIO}
_COUNTED = {"H5F": Layer.HDF5, "H5D": Layer.HDF5, "MPI-IO": Layer.MPIIO, "POSIX": Layer.POSIX}
_SEGMENT = np.dtype([("offset", "<i8"), ("length", "<i8"), ("start", "<f8"), ("end", "<f8")])
_HOW = ("INDEP", "COLL", "SPLIT", "NB")
_COUNTERS: dict[str, tuple[Op, str]] = {
    **{"POSIX_OPENS": (Op.OPEN, ""), "POSIX_SEEKS": (Op.SEEK, ""), "POSIX_STATS": (Op.STAT, "")},
    **{"POSIX_FSYNCS": (Op.SYNC, ""), "POSIX_FDSYNCS": (Op.SYNC, "")},
    **{f"{module}_READS": (Op.READ, "") for module in ("POSIX", "H5D")},
    **{f"{module}_WRITES": (Op.WRITE, "") for module in ("POSIX", "H5D")},
    **{f"MPIIO_{how}_OPENS": (Op.OPEN, how) for how in _HOW[:2]},
    **{f"MPIIO_{how}_READS": (Op.READ, how) for how in _HOW},
    **{f"MPIIO_{how}_WRITES": (Op.WRITE, how) for how in _HOW},
    **{"MPIIO_SYNCS": (Op.SYNC, ""), "MPIIO_VIEWS": (Op.SET_VIEW, "")},
    **{"H5F_OPENS": (Op.OPEN, ""), "H5F_FLUSHES": (Op.SYNC, ""), "H5D_OPENS": (Op.OPEN, "")},
}
"""Counter to what it counts, and for MPI-IO in which way that was done."""
_MOVED = {Op.READ: "BYTES_READ", Op.WRITE: "BYTES_WRITTEN"}
_TIMES = {Op.READ: "F_READ", Op.WRITE: "F_WRITE"}
_MISSING = (
    "opens, closes, syncs and seeks: Darshan counts them, but doesn't say when they were",
    "lengths that were asked for: of POSIX calls it is told what they moved",
    "stdio, and interfaces above HDF5",
)
_COUNTERS_ONLY = (
    "single transfers: this log has counters only, so there is nothing to draw"
    " (trace with DXT_ENABLE_IO_TRACE=1)"
)


class Counted(NamedTuple):
    """What a module counted of one file, by one rank or, where that is -1, by all of them."""

    layer: Layer
    file: int
    rank: int
    values: dict[str, float]


class Log:
    """An open log.

    Raises
    ------
    SystemExit
        With one line that says why it can't be read.
    """

    def __init__(self, path: str) -> None:
        self._log = backend.log_open(path)
        if self._log["handle"] == backend.ffi.NULL:
            sys.exit("is damaged, or of a version that this pydarshan doesn't read")
        self.modules: dict[str, Any] = backend.log_get_modules(self._log)
        self.job: dict[str, Any] = backend.log_get_job(self._log)
        self.command = str(backend.log_get_exe(self._log))
        self.names: dict[int, str] = backend.log_get_name_records(self._log)
        self.damage: list[str] = []

    def counted(self) -> Iterator[Counted]:
        """Yield what was counted of each file."""
        for module in (name for name in _COUNTED if name in self.modules):
            names = [*backend.counter_names(module), *backend.fcounter_names(module)]
            while record := backend.log_get_record(self._log, module):
                values = [*record["counters"].tolist(), *record["fcounters"].tolist()]
                counters = dict(zip(names, values, strict=True))
                yield Counted(_COUNTED[module], record["id"], record["rank"], counters)

    def traced(self) -> Iterator[np.ndarray]:
        """Yield the traced transfers of one file by one rank; ``aux`` is the file's hash."""
        for module in (name for name in _TRACED if name in self.modules):
            while True:
                buffer = backend.ffi.new("void **")
                index = self.modules[module]["idx"]
                status = backend.libdutil.darshan_log_get_record(self._log["handle"], index, buffer)
                if status < 1:
                    break
                yield self._transfers(_TRACED[module], buffer[0])
                backend.libdutil.darshan_free(buffer[0])
            if status < 0:
                self.damage.append(
                    f"the traced transfers of {module} can't be read: damaged, or of a version"
                    " that this pydarshan doesn't know"
                )

    def _transfers(self, layer: Layer, found: Any) -> np.ndarray:
        """Make records of what the C library handed over: a head, then writes, then reads."""
        head = backend.ffi.cast("struct dxt_file_record *", found)
        size = backend.ffi.sizeof("struct dxt_file_record")
        n = head.write_count + head.read_count
        raw = backend.ffi.buffer(found + size, n * _SEGMENT.itemsize)
        segments = np.frombuffer(raw, _SEGMENT, n)
        began = self.job["start_time_sec"] * 10**9 + self.job["start_time_nsec"]
        made = records(
            n,
            start=began + np.rint(segments["start"] * 1e9).astype(np.int64),
            end=began + np.rint(segments["end"] * 1e9).astype(np.int64),
            offset=segments["offset"],
            length=segments["length"],
            result=segments["length"],
            rank=head.base_rec.rank,
            layer=layer,
            aux=head.base_rec.id,
        )
        made["op"][: head.write_count], made["op"][head.write_count :] = Op.WRITE, Op.READ
        return made


def read(path: str) -> Trace:
    """Read a log: traced transfers as records, the rest as numbers in ``meta``."""
    log = Log(path)
    counted = list(log.counted())
    made = np.concatenate([records(0), *log.traced()])
    if not len(made) and not any(found.values for found in counted):
        sys.exit("knows of no I/O by POSIX, MPI-IO or HDF5: there is nothing to show")
    file, hashes = number(made["aux"].tolist())
    made["file"], made["aux"] = file, 0
    made["end"] = np.maximum(made["start"], made["end"])
    flag_collective(made, hashes, counted)
    dropped, notes = untraced(log, made, counted)
    meta = {**numbers(counted), "source": _source(log, notes)}
    meta |= {"seconds": log.job["run_time"], "ranks": log.job["nprocs"]}
    meta |= {"damage": [f"{path}: {text}" for text in log.damage]} if log.damage else {}
    names = [log.names.get(key, f"file {key:x}") for key in hashes]
    return Trace.from_records(made, files=names, dropped=dropped, meta=meta)


def flag_collective(made: np.ndarray, hashes: list[int], counted: list[Counted]) -> None:
    """Flag MPI-IO transfers as collective where the counters leave no doubt.

    The trace of Darshan doesn't say it. Where a file was only read, or written, collectively, all
    its transfers of that kind were.
    """
    for found in counted:
        if found.layer != Layer.MPIIO or found.file not in hashes:
            continue
        mine = (made["layer"] == Layer.MPIIO) & (made["file"] == hashes.index(found.file))
        mine &= (made["rank"] == found.rank) | (found.rank < 0)
        for op in (Op.READ, Op.WRITE):
            ways = {how: found.values[f"MPIIO_{how}_{op.name}S"] for how in _HOW}
            if ways["COLL"] and not any(ways[how] for how in _HOW if how != "COLL"):
                made["flags"][mine & (made["op"] == op)] |= np.uint16(Flag.COLLECTIVE)


def untraced(log: Log, made: np.ndarray, counted: list[Counted]) -> tuple[int, list[str]]:
    """Compare what was traced with what was counted.

    Returns
    -------
    tuple of int and list of str
        Transfers that found no room in the log, and what else is to be said.
    """
    full = [name for name in _COUNTED if log.modules.get(name, {}).get("partial_flag")]
    notes = [f"some files: {name} found no room to count all of them" for name in full]
    if not _TRACED.keys() & log.modules.keys():
        return 0, [_COUNTERS_ONLY, *notes]
    dropped = 0
    for module, layer in _TRACED.items():
        if module not in log.modules:
            notes.append(f"single transfers of {layer.name}: not in this log")
            continue
        done = sum(
            int(found.values.get(name, 0))
            for found in counted
            if found.layer == layer
            for name, (op, _) in _COUNTERS.items()
            if op in _MOVED
        )
        lost = done - int(np.count_nonzero(made["layer"] == layer))
        if lost > 0 and log.modules[module]["partial_flag"]:
            dropped += lost
        elif lost > 0:
            notes.append(
                f"{lost:,} transfers of {layer.name} that Darshan counted, but didn't trace"
            )
    return dropped, notes


def numbers(counted: list[Counted]) -> dict[str, Any]:
    """Sum what was counted: ``layers`` and ``phases`` in the form of ``run --json``."""
    layers: dict[str, dict[str, dict[str, int]]] = {}
    for found in counted:
        ops = layers.setdefault(found.layer.name.lower(), {})
        for name, (op, _) in _COUNTERS.items():
            if found.values.get(name, 0) > 0:
                kind = ops.setdefault(op.name.lower(), {"operations": 0, "bytes": 0})
                kind["operations"] += int(found.values[name])
        for op, name in _MOVED.items():
            moved = _value(found, name)
            if moved > 0 and op.name.lower() in ops:
                ops[op.name.lower()]["bytes"] += int(moved)
    return {"layers": layers, "phases": _phases(counted)}


def _phases(counted: list[Counted]) -> list[dict[str, Any]]:
    """Sum each direction up, of the top layer that moved data: MPI-IO, else POSIX."""
    top = [Layer.MPIIO, Layer.POSIX]
    layer = next((at for at in top if any(found.layer == at for found in counted)), None)
    phases = []
    for op in (Op.WRITE, Op.READ):
        mine = [found for found in counted if found.layer == layer and _count(found, op)]
        if mine:
            began = min(_value(found, f"{_TIMES[op]}_START_TIMESTAMP") for found in mine)
            ended = max(_value(found, f"{_TIMES[op]}_END_TIMESTAMP") for found in mine)
            size = int(sum(_value(found, _MOVED[op]) for found in mine))
            operations = int(sum(_count(found, op) for found in mine))
            phases.append((began, _phase(op, size, operations, ended - began)))
    return [phase for _, phase in sorted(phases, key=lambda found: found[0])]


def _phase(op: Op, size: int, operations: int, seconds: float) -> dict[str, Any]:
    return {
        "op": op.name.lower(),
        "repetition": 0,
        "bytes": size,
        "operations": operations,
        "seconds": seconds,
        "bandwidth": size / seconds if seconds > 0 else 0.0,
        "latency": None,
    }


def _count(found: Counted, op: Op) -> float:
    return sum(found.values.get(name, 0) for name, (what, _) in _COUNTERS.items() if what == op)


def _value(found: Counted, name: str) -> float:
    """Return a counter whose name begins with that of its module."""
    return next((value for key, value in found.values.items() if key.partition("_")[2] == name), 0)


def _source(log: Log, notes: list[str]) -> dict[str, Any]:
    return {
        "tool": "Darshan",
        "version": log.job["metadata"].get("lib_ver", "unknown"),
        "command": log.command,
        "clock": "seconds since the job began, of each rank",
        "missing": [*notes, *_MISSING],
    }


def main(path: str, made: str) -> None:
    """Read a log and write a trace."""
    read(path).save(made)


if __name__ == "__main__":
    main(*sys.argv[1:])
