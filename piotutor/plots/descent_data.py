"""The descent as numbers: which file, which phase, and the lanes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from piotutor.errors import UsageError
from piotutor.metrics import TRANSFERS, distinct
from piotutor.metrics_layers import (
    Amplification,
    Step,
    amplification,
    descent,
    reads_for_writes,
)
from piotutor.plots.access_map import chosen
from piotutor.plots.lanes import NAMES, Axis, Drawn, Lane, domains, drawn, lane
from piotutor.plots.style import badge
from piotutor.trace import Flag, Layer, Op, Trace

_DRIVER = re.compile(r"^[a-z]+:(?=/)")  # ROMIO's: ufs:/path


@dataclass(frozen=True, eq=False)
class DescentData:
    """What the descent shows.

    Attributes
    ----------
    axis : Axis
        Offset in the file, or time; all lanes share it.
    lanes : list of Lane
        From the top down; the file domains stand between MPI-IO and the system calls.
    steps : list of Step
        What each layer did of it: `piotutor.metrics_layers.descent`.
    lengths : numpy.ndarray
        The different lengths of the uppermost layer's calls: at most two of them.
    absent : dict
        Why a layer that could be here isn't, by its name.
    file : str
        Name of the file.
    files : int
        How many files were touched.
    badge : str
        How it came about, and on what.
    """

    axis: Axis
    lanes: list[Lane]
    steps: list[Step]
    lengths: np.ndarray
    absent: dict[str, str]
    file: str
    files: int
    badge: str

    @property
    def layers(self) -> list[Layer]:
        """The layers that did something, from the top down."""
        return [found.layer for found in self.lanes if not found.domains]

    def between(self) -> list[tuple[Layer, Layer, Amplification]]:
        """Compare each layer with the one below it."""
        pairs = [(*pair, amplification(self.steps, *pair)) for pair in pairwise(self.layers)]
        return [(upper, lower, found) for upper, lower, found in pairs if found is not None]


def descent_data(
    trace: Trace,
    *,
    file: str | None = None,
    op: str | None = None,
    repetition: int | None = None,
    window: tuple[float, float] | None = None,
    by: str = "offset",
) -> DescentData:
    """Compute the descent of one file's bytes through all layers.

    Parameters
    ----------
    trace : Trace
    file : str, optional
        Name of the file, or the end of it; by default the one most bytes were moved of.
    op, repetition
        Which phase of a benchmark: by default its first writes, else its first reads. Of a program
        without phases all is shown, or all ``write`` or ``read``.
    window : tuple of float, optional
        Instead: the calls that ran at any moment between these two, in seconds since the first
        transfer.
    by : str
        ``offset`` or ``time``.

    Raises
    ------
    UsageError
        No such file, or no such axis.
    """
    if by not in ("offset", "time"):
        raise UsageError(f"by={by!r} is no axis of the descent: use 'offset' or 'time'")
    trace.columns("kind", "aux", "offset", "length", "result", "rank", "end")  # in one pass
    moves = trace.where(op=TRANSFERS, without=Flag.PART)
    name, files, of_file = choose_file(trace, moves, file)
    moves &= of_file
    moves &= _choose_time(trace, moves, op, repetition, window)
    calls = {layer: moves & trace.where(layer=layer) for layer in NAMES}
    calls = {layer: mask for layer, mask in calls.items() if mask.any()}
    shown = {layer: drawn(trace, mask, by) for layer, mask in calls.items()}
    axis = _axis(trace, [what.mask for what in shown.values()], by)
    top = next(iter(calls.values()), moves)
    return DescentData(
        axis,
        list(_lanes(trace, calls, shown, axis)),
        descent(trace, moves),
        distinct(trace.column("length"), top)[:2],
        absent(trace, calls),
        name,
        files,
        badge(trace),
    )


def choose_file(trace: Trace, moves: np.ndarray, wanted: str | None) -> tuple[str, int, np.ndarray]:
    """Return the name of the file to show, how many there are, and the mask of its records."""
    if len(trace.files) < 2:
        return (trace.files or ["?"])[0], len(trace.files), np.ones(len(trace), bool)
    plain = [_DRIVER.sub("", name) for name in trace.files]
    size = np.zeros(len(plain) + 1, np.int64)
    for place, result in trace.blocks(moves, "file", "result"):
        np.add.at(size, place + 1, np.maximum(result, 0))
    moved = dict.fromkeys(plain, 0)
    for name, amount in zip(plain, size[1:], strict=True):
        moved[name] += int(amount)
    if wanted is not None:
        found = next((name for name in moved if f"/{name}".endswith(f"/{wanted}")), None)
        if found is None:
            raise UsageError(f"no file {wanted!r} in the trace: it has {', '.join(moved)}")
    else:
        found = max(moved, key=lambda name: moved[name])
    belongs = np.array([False, *(name == found for name in plain)])
    return found, sum(amount > 0 for amount in moved.values()), belongs[trace.column("file") + 1]


def _choose_time(
    trace: Trace,
    moves: np.ndarray,
    op: str | None,
    repetition: int | None,
    window: tuple[float, float] | None,
) -> np.ndarray:
    """Return the mask of what ran in a window, or in one phase of a benchmark."""
    if window is not None:
        origin = int(trace.records["start"][moves.argmax()]) if moves.any() else 0
        return _during(trace, *(origin + int(edge * 1e9) for edge in window))
    if not trace.where(layer=Layer.APP, op=TRANSFERS).any():
        return _of_op(trace, op)
    op, transfers = chosen(trace, op, repetition)
    phase, aux = np.zeros(len(trace), bool), trace.column("aux")
    for key in distinct(aux, transfers):
        phase |= aux == key
    phase &= trace.where(layer=Layer.APP)
    span = trace.span(phase & ~trace.where(op=Op.SAMPLE))
    if span is not None and not (moves <= phase).all():
        phase |= ~trace.where(layer=Layer.APP) & _during(trace, *span)
        phase &= ~trace.where(layer=Layer.BLOCK)
        phase |= _written_back(trace, op, span)
    return phase


def _of_op(trace: Trace, op: str | None) -> np.ndarray:
    """Return the mask of all that is of one kind; reads made for writes are part of writing."""
    if op is None:
        return np.ones(len(trace), bool)
    mask = trace.where(op=Op[op.upper()])
    for layer in NAMES:
        back = reads_for_writes(trace, trace.where(layer=layer, op=Op.READ, without=Flag.PART))
        mask[back] = op == "write"
    return mask


def _during(trace: Trace, begin: int, end: int) -> np.ndarray:
    during: np.ndarray = (trace.column("start") <= end) & (trace.column("end") >= begin)
    return during


def _written_back(trace: Trace, op: str, span: tuple[int, int]) -> np.ndarray:
    """Return the mask of the block requests of a phase: also late ones, until the next like it."""
    code = Op[op.upper()]
    requests: np.ndarray = trace.where(layer=Layer.BLOCK, op=code)
    if requests.any():
        start = trace.column("start")
        later = trace.where(layer=Layer.APP, op=code) & (start > span[1])
        until = start[later.argmax()] if later.any() else np.iinfo(np.int64).max
        requests &= (start >= span[0]) & (start < until)
    return requests


def _axis(trace: Trace, masks: list[np.ndarray], by: str) -> Axis:
    """Find the axis that holds all lanes; offsets begin at 0 unless that wastes half of it."""
    if by == "time":
        spans = [span for mask in masks if (span := trace.span(mask))]
        origin = min((begin for begin, _ in spans), default=0)
        return Axis(by, 0, max((end for _, end in spans), default=1) - origin, origin)
    low, high = 2**62, 0
    shown = np.logical_or.reduce([np.zeros(len(trace), bool), *masks])
    for offset, length in trace.blocks(shown, "offset", "length"):
        low, high = min(low, int(offset.min())), max(high, int((offset + length).max()))
    return Axis(by, low if 2 * low > high else 0, max(high, 1))


def _lanes(
    trace: Trace, calls: dict[Layer, np.ndarray], shown: dict[Layer, Drawn], axis: Axis
) -> Iterator[Lane]:
    for layer, mask in calls.items():
        if layer == Layer.POSIX and Layer.MPIIO in calls and axis.by == "offset":
            found = domains(trace, mask, axis)
            if found is not None:
                yield found
        yield lane(trace, layer, mask, shown[layer], axis)


_NO_REQUEST = "none until the end: the bytes stayed in memory"
_EXPECTED = {"HDF5": (Layer.HDF5, Layer.MPIIO), "MPIIO": (Layer.MPIIO,)}


def absent(trace: Trace, calls: dict[Layer, np.ndarray]) -> dict[str, str]:
    """Say why layers have no lane that could have one, by their names."""
    api = (trace.meta.get("workload") or {}).get("api", "")
    capture = trace.meta.get("capture") or {}
    why = str(capture.get("why") or "only the application was recorded")
    expected = (Layer.APP, *_EXPECTED.get(api, ()), Layer.POSIX, Layer.BLOCK)
    block = str(capture.get("block") or "not asked for").removeprefix("deltas: ")
    reasons = {
        Layer.APP: "a program of its own",
        Layer.BLOCK: _NO_REQUEST if block == "tracefs" else block,
    }
    return {NAMES[layer]: reasons.get(layer, why) for layer in expected if layer not in calls}
