"""A job on a terminal while it runs: a bar, or a map of ranks and offsets."""

from __future__ import annotations

import shutil
from typing import Protocol, TextIO

import numpy as np

from piotutor.runner import Job
from piotutor.trace import Flag, Layer, Op, Phase, phase_of
from piotutor.units import format_size
from piotutor.workload import Workload

_SHADES = " .:+#"
"""How much of a piece of the file is done: nothing, some, a third, two thirds, all."""
_NAMES = {Phase.WRITE: "write", Phase.READ: "read", Phase.VERIFY_WRITE: "check"}


class Show(Protocol):
    """Something that is painted again and again."""

    def paint(self, job: Job) -> None:
        """Paint the state of a job."""

    def close(self) -> None:
        """Leave the terminal as it should be left."""


class Nothing:
    """Paints nothing."""

    def paint(self, job: Job) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Bar:
    """A bar of one line that is gone in the end."""

    def __init__(self, workload: Workload, out: TextIO) -> None:
        self._total = expected_bytes(workload)
        self._out = out
        self._done = 0

    def paint(self, job: Job) -> None:
        """Paint how much is done."""
        records = transfers(job.follower.poll())
        self._done += int(np.maximum(records["result"], 0).sum())
        part = min(self._done / self._total, 1.0)
        name = _NAMES.get(_phase(records), "") if len(records) else _waiting(job)
        width = max(10, min(40, shutil.get_terminal_size().columns - 40))
        bar = "#" * round(part * width)
        self._out.write(f"\r\x1b[K[{bar:<{width}}] {part:4.0%} {name}")
        self._out.flush()

    def close(self) -> None:
        """Remove the bar."""
        self._out.write("\r\x1b[K")
        self._out.flush()


class Map:
    """A line for each rank, on which the file fills from left to right.

    Parameters
    ----------
    workload : Workload
        What runs.
    out : file
        A terminal.
    """

    def __init__(self, workload: Workload, out: TextIO) -> None:
        columns, lines = shutil.get_terminal_size()
        self._workload, self._out = workload, out
        self._width = max(8, min(columns - 12, 100))
        self._rows = max(1, min(workload.num_tasks, lines - 5))
        self._phase: Phase | None = None
        self._done = np.zeros((workload.num_tasks, self._width))
        self._painted = 0

    def paint(self, job: Job) -> None:
        """Paint what each rank has moved in the phase that runs."""
        records = transfers(job.follower.poll())
        if len(records):
            phase = _phase(records)
            if phase != self._phase:
                self._done[:] = 0
            self._phase = phase
            self._add(records[phase_of(records["aux"]) == phase])
        title = _waiting(job) if self._phase is None else _NAMES[self._phase]
        self._write([f"{title}: offset (0 to {self._end}) x rank", *self._lines()])

    def close(self) -> None:
        """Leave the last picture where it is."""

    @property
    def _end(self) -> str:
        return format_size(self._workload.bytes_per_file)

    def _add(self, records: np.ndarray) -> None:
        bin_bytes = self._workload.bytes_per_file / self._width
        for rank in np.unique(records["rank"]).tolist():
            mine = records[records["rank"] == rank]
            edges = np.arange(self._width + 1) * bin_bytes
            self._done[rank] += bytes_between(edges, mine["offset"], mine["result"])

    def _lines(self) -> list[str]:
        full = self._workload.bytes_per_file / self._width
        level = np.ceil(np.clip(self._done / full, 0, 1) * (len(_SHADES) - 1)).astype(int)
        lines = [
            f"rank {rank:>3} |{''.join(_SHADES[step] for step in level[rank].tolist())}|"
            for rank in range(self._rows)
        ]
        hidden = len(level) - self._rows
        return lines + ([f"... and {hidden} more ranks"] if hidden else [])

    def _write(self, lines: list[str]) -> None:
        up = f"\x1b[{self._painted}A" if self._painted else ""
        self._out.write(up + "".join(f"\x1b[K{line}\n" for line in lines))
        self._out.flush()
        self._painted = len(lines)


def transfers(records: np.ndarray) -> np.ndarray:
    """Return the application's whole reads and writes among records."""
    known = (records["layer"] == Layer.APP) & np.isin(records["op"], (Op.READ, Op.WRITE))
    found: np.ndarray = records[known & (records["flags"] & Flag.PART == 0)]
    return found


def expected_bytes(workload: Workload) -> int:
    """Return how many bytes all phases of a run move together."""
    return workload.total_bytes * len(workload.phases) * workload.repetitions


def bytes_between(edges: np.ndarray, offsets: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return how many bytes of some extents lie between neighbouring edges.

    Parameters
    ----------
    edges
        Ascending offsets.
    offsets, lengths
        The extents; in bytes.
    """
    begin = np.sort(offsets).astype(np.float64)
    end = np.sort(offsets + np.maximum(lengths, 0)).astype(np.float64)
    begun, ended = np.searchsorted(begin, edges), np.searchsorted(end, edges)
    # Below an edge x lie the sums of x - begin over what has begun, less x - end over what ended.
    begins = np.concatenate(([0.0], np.cumsum(begin)))[begun]
    ends = np.concatenate(([0.0], np.cumsum(end)))[ended]
    return np.diff(edges * (begun - ended) - begins + ends)


def _phase(records: np.ndarray) -> Phase:
    return Phase(int(phase_of(records["aux"][-1:])[0]))


def _waiting(job: Job) -> str:
    return f"waiting {job.why}".strip() if job.state == "waiting" else job.why or "starting"
