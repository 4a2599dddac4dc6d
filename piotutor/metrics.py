"""From a trace to numbers: bytes, seconds and bytes per second everywhere.

Extents of a strided call (``PART`` records) never count: their call does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from piotutor.trace import Flag, Layer, Op, Phase, Trace, phase_of, repetition_of

TRANSFERS = (Op.READ, Op.WRITE)
_PIECE = 2**16  # values looked at at a time, so that they stay in the processor's cache
_PHASE_OPS: dict[int, Op] = {Phase.WRITE: Op.WRITE, Phase.READ: Op.READ}


@dataclass(frozen=True)
class Latency:
    """How long calls took, in seconds: quantiles, maximum and mean."""

    p50: float
    p95: float
    p99: float
    max: float
    mean: float


@dataclass(frozen=True)
class PhaseResult:
    """One phase of a benchmark.

    Attributes
    ----------
    op : str
        ``write`` or ``read``.
    repetition : int
        Counted from 0.
    bytes : int
        Bytes that the calls reported as moved, over all ranks.
    operations : int
        Transfers, over all ranks.
    seconds : float
        From the first open to the last close over all ranks, as IOR counts; without opens or
        closes, from the first transfer or to the last one.
    bandwidth : float
        ``bytes / seconds``; 0 where nothing took time.
    latency : Latency or None
        Of single transfers; None where there are none, or strace inflated them.
    start, end : int
        When it began and ended, in ns of the trace's clock.
    """

    op: str
    repetition: int
    bytes: int
    operations: int
    seconds: float
    bandwidth: float
    latency: Latency | None
    start: int
    end: int

    def to_dict(self) -> dict[str, Any]:
        """Return the phase in the form of ``run --json``, without its place in the trace."""
        return {k: v for k, v in asdict(self).items() if k not in ("start", "end")}


@dataclass(frozen=True)
class Imbalance:
    """How unevenly ranks worked: the largest share over the mean (1 is even), and whose it is.

    Attributes
    ----------
    bytes, seconds : float
        Ratio for the bytes moved, and for the time spent in transfers.
    slowest : int
        Rank that spent most time in transfers.
    """

    bytes: float
    seconds: float
    slowest: int


def top_layer(trace: Trace) -> Layer:
    """Return the highest layer that moved bytes: the application, where it was recorded.

    Of a program that isn't ours, and of an imported trace, it is what stands for the application.
    """
    moved = (layer for layer in Layer if transfers(trace, layer=layer).any())
    return next(moved, Layer.APP)


def transfers(trace: Trace, op: int | None = None, layer: int | None = None) -> np.ndarray:
    """Return the mask of the transfers of one layer; reads and writes, or only `op`.

    The layer is the application's, or the top one there is, if none is given: everywhere here.
    """
    layer = top_layer(trace) if layer is None else layer
    return trace.where(layer=layer, op=TRANSFERS if op is None else op, without=Flag.PART)


def phases(trace: Trace) -> list[PhaseResult]:
    """Return the write and read phases, in the order they ran.

    Of a trace without records of the application it is one of each kind at most, in the top
    layer: from the first open to the last close of what was written, or read.
    """
    layer = top_layer(trace)
    each = _each_phase(trace) if layer == Layer.APP else _top_phases(trace, layer)
    return [_phase(trace, mask, op, repetition) for op, repetition, mask in each]


def _top_phases(trace: Trace, layer: Layer) -> Iterator[tuple[Op, int, np.ndarray]]:
    """Yield the phases that a layer's calls make up, the first first."""
    masks = {op: transfers(trace, op, layer) for op in TRANSFERS}
    for op in sorted((op for op in masks if masks[op].any()), key=lambda op: masks[op].argmax()):
        yield op, 0, masks[op] | _around(trace, masks[op], layer)


def _around(trace: Trace, moved: np.ndarray, layer: Layer) -> np.ndarray:
    """Return the mask of the opens before transfers and the closes after them.

    Of a file that a rank opens several times, those next to its transfers of this kind.
    """
    whose = trace.column("rank").astype(np.int64) << 32 | trace.column("file").astype(np.uint32)
    start, end = trace.columns("start", "end")
    names, place = np.unique(whose[moved], return_inverse=True)
    first, last = np.full(len(names), 2**62), np.full(len(names), -(2**62))
    np.minimum.at(first, place, start[moved])
    np.maximum.at(last, place, end[moved])
    mask = np.zeros(len(trace), bool)
    for op, nearest in ((Op.OPEN, np.maximum), (Op.CLOSE, np.minimum)):
        at = np.flatnonzero(trace.where(layer=layer, op=op) & np.isin(whose, names))
        group = np.searchsorted(names, whose[at])
        fits = start[at] <= first[group] if op == Op.OPEN else end[at] >= last[group]
        at, group = at[fits], group[fits]
        best = np.full(len(names), -1 if op == Op.OPEN else len(trace))
        nearest.at(best, group, at)
        mask[best[(best >= 0) & (best < len(trace))]] = True
    return mask


def _each_phase(trace: Trace) -> Iterator[tuple[Op, int, np.ndarray]]:
    app = trace.where(layer=Layer.APP) & ~trace.where(op=Op.SAMPLE)
    aux = trace.column("aux")
    keys = distinct(aux, app)
    for key in keys:
        op = _PHASE_OPS.get(int(phase_of(key)))
        if op is not None:
            yield op, int(repetition_of(key)), app & (aux == key) if len(keys) > 1 else app


def distinct(values: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Return the different integers (under a mask), ascending; fast where they are few."""
    found = [values[:0]]
    for start in range(0, len(values), _PIECE):
        piece = values[start : start + _PIECE]
        keep = True if mask is None else mask[start : start + _PIECE]
        piece = piece if np.all(keep) else piece[keep]
        if len(piece):
            found.append(few(piece))
    return np.unique(np.concatenate(found))


def few(values: np.ndarray) -> np.ndarray:
    """Return the different integers of a piece, ascending; fast where they lie close together."""
    low, high = values.min(), values.max()
    if low == high:
        return values[:1]
    if int(high) - int(low) > len(values):
        return np.unique(values)
    there = np.flatnonzero(np.bincount((values - low).astype(np.int64)))
    return np.asarray(there.astype(values.dtype) + low)


def _phase(trace: Trace, mask: np.ndarray, op: Op, repetition: int) -> PhaseResult:
    moved = mask & trace.where(op=op, without=Flag.PART)
    inflated = moved & ~trace.where(without=Flag.INFLATED)
    took = _took(trace, moved)
    size = sum(int(np.maximum(result, 0).sum()) for (result,) in trace.blocks(moved, "result"))
    opened, closed = (trace.span(mask & trace.where(op=end)) for end in (Op.OPEN, Op.CLOSE))
    whole = None if opened and closed else trace.span(mask & trace.where(op=op))
    began = (opened or whole or (0, 0))[0]
    ended = max(began, (closed or whole or (0, 0))[1])
    seconds = (ended - began) / 1e9
    return PhaseResult(
        op=op.name.lower(),
        repetition=repetition,
        bytes=size,
        operations=len(took),
        seconds=seconds,
        bandwidth=size / seconds if seconds > 0 else 0.0,
        latency=None if inflated.any() else quantiles(took),
        start=began,
        end=ended,
    )


def quantiles(took: np.ndarray) -> Latency | None:
    """Summarise durations in ns, whose order is lost; None for an empty array.

    Each quantile is a duration that occurred: the smallest that at least that share of all
    calls didn't exceed.
    """
    n = len(took)
    if n == 0:
        return None
    places = [-(-n * percent // 100) - 1 for percent in (50, 95, 99)]
    took.partition(places)
    p50, p95, p99 = (took[places] / 1e9).tolist()
    return Latency(p50, p95, p99, int(took.max()) / 1e9, float(took.mean()) / 1e9)


def durations(trace: Trace, op: int | None = None, layer: int | None = None) -> np.ndarray:
    """Return how long each transfer took, in ns, without those that a tracer inflated."""
    layer = top_layer(trace) if layer is None else layer
    wanted = TRANSFERS if op is None else op
    return _took(trace, trace.where(layer=layer, op=wanted, without=Flag.PART | Flag.INFLATED))


def _took(trace: Trace, mask: np.ndarray) -> np.ndarray:
    took, done = np.empty(np.count_nonzero(mask), np.int64), 0
    for start, end in trace.blocks(mask, "start", "end"):
        np.subtract(end, start, out=took[done : done + len(start)])
        done += len(start)
    return took


def latency(trace: Trace, op: int | None = None, layer: int | None = None) -> Latency | None:
    """Summarise how long the transfers of one layer took; None where there are none."""
    return quantiles(durations(trace, op, layer))


def layers(trace: Trace) -> dict[str, dict[str, dict[str, int]]]:
    """Count operations and bytes moved: ``layers[layer][op] = {"operations", "bytes"}``.

    Samples aren't operations, nor are flushes of a disk's cache, which may be anyone's. Bytes are
    those of reads and writes.
    """
    mask = trace.where(without=Flag.PART) & ~trace.where(op=Op.SAMPLE)
    mask &= ~trace.where(layer=Layer.BLOCK, op=Op.SYNC)
    counts, moved = np.zeros((2, 1 << 16), np.int64)
    for layer, op, result in trace.blocks(mask, "layer", "op", "result"):
        key = layer.astype(np.int64) * 256 + op
        np.add.at(counts, key, 1)
        np.add.at(moved, key, np.maximum(result, 0))
    found: dict[str, dict[str, dict[str, int]]] = {}
    for code in np.flatnonzero(counts).tolist():
        name, kind = Layer(code // 256).name.lower(), Op(code % 256)
        size = int(moved[code]) if kind in TRANSFERS else 0
        numbers = {"operations": int(counts[code]), "bytes": size}
        found.setdefault(name, {})[kind.name.lower()] = numbers
    return found


def targets(trace: Trace) -> list[dict[str, int]]:
    """Count what each target did: a list of ``{"target", "operations", "bytes"}``.

    Where the servers' own counters were read (``SAMPLE`` records of the layer ``SERVER``, which
    count up from the ranks' start), it is the last reading of each, by direction too. Else targets
    are taken from the lowest layer that names any, so that nothing counts twice.
    """
    counted = _counted(trace)
    if counted:
        return counted
    mask = (trace.column("target") >= 0) & np.isin(trace.column("op"), TRANSFERS)
    mask &= (trace.column("flags") & Flag.PART) == 0
    if not mask.any():
        return []
    mask &= trace.column("layer") == trace.column("layer")[mask].max()
    names, place = np.unique(trace.column("target")[mask], return_inverse=True)
    operations = np.bincount(place)
    size = sum_by(place, np.maximum(trace.column("result")[mask], 0), len(names))
    return [
        {"target": int(name), "operations": int(n), "bytes": int(b)}
        for name, n, b in zip(names, operations, size, strict=True)
    ]


def _counted(trace: Trace) -> list[dict[str, int]]:
    """Return the last reading of each target's counters."""
    samples = trace.records[trace.where(layer=Layer.SERVER, op=Op.SAMPLE)]
    samples = samples[np.argsort(samples["end"], kind="stable")]
    last = {int(sample["target"]): sample for sample in samples}
    return [_reading(target, last[target]) for target in sorted(last)]


def _reading(target: int, sample: np.void) -> dict[str, int]:
    operations, written, read = int(sample["aux"]), int(sample["length"]), int(sample["result"])
    writes, reads = operations & 0xFFFFFFFF, (operations >> 32) & 0xFFFFFFFF
    return {
        "target": target,
        "operations": writes + reads,
        "bytes": written + read,
        "write_operations": writes,
        "write_bytes": written,
        "read_operations": reads,
        "read_bytes": read,
    }


def sum_by(place: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Sum integers by group, exactly (`numpy.bincount` would round above 2**53)."""
    total = np.zeros(n, np.int64)
    np.add.at(total, place, values)
    return total


def imbalance(trace: Trace, op: int | None = None) -> Imbalance | None:
    """Tell how unevenly the top layer's transfers fell on ranks; None without any."""
    mask = transfers(trace, op)
    rank = trace.column("rank")[mask]
    if not len(rank):
        return None
    ranks, place = np.unique(rank, return_inverse=True)
    size = sum_by(place, np.maximum(trace.column("result")[mask], 0), len(ranks))
    took = sum_by(place, (trace.column("end") - trace.column("start"))[mask], len(ranks))
    return Imbalance(_over_mean(size), _over_mean(took), int(ranks[took.argmax()]))


def _over_mean(values: np.ndarray) -> float:
    mean = float(values.mean())
    return float(values.max()) / mean if mean else 1.0


def unaligned_share(
    trace: Trace, unit: int, op: int | None = None, layer: int | None = None
) -> float:
    """Share of transfers that begin or end inside a unit (a page, a stripe, a lock unit).

    Parameters
    ----------
    trace : Trace
    unit : int
        Bytes of a unit.
    op : Op, optional
        Only reads or only writes.
    layer : Layer, optional
        Whose transfers: the application's, or those of the top layer there is.

    Returns
    -------
    float
        From 0 to 1; 0 where there are no transfers with an offset.
    """
    mask = transfers(trace, op, layer) & (trace.column("offset") >= 0)
    offset, length = trace.column("offset")[mask], trace.column("length")[mask]
    if not len(offset):
        return 0.0
    return apart(offset, offset + length, unit) / len(offset)


def apart(low: np.ndarray, high: np.ndarray, unit: int) -> int:
    """Count the extents that begin (`low`) or end (`high`) inside a unit."""
    if unit & (unit - 1) == 0:
        return int(np.count_nonzero((low | high) & (unit - 1)))
    return int(np.count_nonzero((low % unit) | (high % unit)))


def dropped(trace: Trace) -> int:
    """Return how many records found no room in the trace."""
    return trace.dropped
