"""What the tank is filled from: levels of bytes over time, and what they tell."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from piotutor.metrics import top_layer, transfers
from piotutor.plots import bins
from piotutor.plots.style import badge
from piotutor.trace import UNKNOWN, Layer, Op, Trace
from piotutor.units import format_seconds, format_size

_STEPS = 600
_SOON = 0.05  # seconds after a moment in which a sample still tells of it, if all is calm


class Curve(NamedTuple):
    """Bytes over time: seconds since the first call of the application, and bytes."""

    time: np.ndarray
    value: np.ndarray

    def at(self, when: float) -> float:
        """Return the value at a time, between samples by a straight line."""
        return float(np.interp(when, self.time, self.value))


class Mark(NamedTuple):
    """A moment of the last repetition: the last write, or the last fsync, returned.

    Attributes
    ----------
    name : str
        ``last write returns`` or ``fsync returns``.
    time : float
        When, in seconds.
    rate : float
        Bytes/s from the repetition's first call up to here.
    bytes : int
        Bytes that the repetition wrote.
    dirty, device : float or None
        Bytes only in memory, and bytes that the device had got, at this moment; None where no
        samples lie close enough to say.
    """

    name: str
    time: float
    rate: float
    bytes: int
    dirty: float | None
    device: float | None


@dataclass(frozen=True, eq=False)
class TankData:
    """What the tank shows. A curve that couldn't be measured is None; `why` says why.

    Attributes
    ----------
    written, read : Curve or None
        Bytes that the application's calls had moved; None where it made no such calls.
    to_device, from_device : Curve or None
        Bytes that the device had written and read since the first call, for everybody.
    dirty : Curve or None
        Bytes of the files that were only in memory.
    resident, size : Curve or None
        Bytes of the files that were in memory, and the files' whole size.
    marks : list of Mark
        When the last write and the last fsync returned, and what was known then.
    why : dict
        ``device`` and ``residency``: why a lane is empty, else what it was read from.
    end : float
        Last moment shown, in seconds.
    badge : str
        How it came about, and on what.
    """

    written: Curve | None
    read: Curve | None
    to_device: Curve | None
    from_device: Curve | None
    dirty: Curve | None
    resident: Curve | None
    size: Curve | None
    marks: list[Mark]
    why: dict[str, str]
    end: float
    badge: str


def tank_data(trace: Trace, *, steps: int = _STEPS) -> TankData:
    """Compute the tank: the application's calls and the samples beside them on one time axis.

    Parameters
    ----------
    trace : Trace
        With the records of a sampler; without them those lanes are None.
    steps : int
        Points of the application's curves. They are exact there: every call counts.
    """
    calls = trace.where(layer=top_layer(trace)) & ~trace.where(op=Op.SAMPLE)
    began, called = trace.span(calls) or (int(trace.records["start"][:1].sum()),) * 2
    device = _device(trace, began)
    files = _files(trace, began)
    looks = trace.where(op=Op.SAMPLE) & ~trace.where(layer=Layer.SERVER)
    sampled = max(began, (trace.span(looks) or (0, 0))[1])
    span = max(min(sampled, _clean(files[2], began, sampled)), called, began) - began + 1
    written = _moved(trace, Op.WRITE, began, span, steps)
    return TankData(
        written=written,
        read=_moved(trace, Op.READ, began, span, steps),
        to_device=device[0],
        from_device=device[1],
        dirty=files[2],
        resident=files[1],
        size=files[0],
        marks=_marks(trace, began, written, files[2], device[0]),
        why={name: str(trace.meta.get(name, _MISSING)) for name in ("device", "residency")},
        end=span / 1e9,
        badge=badge(trace),
    )


_MISSING = "unavailable here: nothing was sampled during this run"


def _moved(trace: Trace, op: int, began: int, span: int, steps: int) -> Curve | None:
    mask = transfers(trace, op)
    if not mask.any():
        return None

    def parts() -> Iterator[bins.Amounts]:
        for start, end, result in trace.blocks(mask, "start", "end", "result"):
            first, last = ((time - began) * (steps / span) for time in (start, end))
            group = np.zeros(len(result), np.int64)
            yield bins.Amounts(group, first, last, np.maximum(result, 0))

    each = bins.spread(parts(), (1, steps))
    return Curve(np.linspace(0, span / 1e9, steps + 1), np.append(0, np.cumsum(each)))


def _device(trace: Trace, began: int) -> tuple[Curve | None, Curve | None]:
    """Return what the device wrote and read, counted from the first call."""
    records = trace.records[trace.where(layer=Layer.DEVICE, op=Op.SAMPLE)]
    if not len(records):
        return None, None
    time = (records["start"] - began) / 1e9
    written, read = (Curve(time, records[name].astype(float)) for name in ("length", "result"))
    return _from_zero(written), _from_zero(read)


def _from_zero(curve: Curve) -> Curve:
    return Curve(curve.time, curve.value - curve.at(0))


def _files(trace: Trace, began: int) -> tuple[Curve | None, Curve | None, Curve | None]:
    """Return size, resident and dirty bytes of all files together; None where any is unknown."""
    records = trace.records[trace.where(layer=Layer.POSIX, op=Op.SAMPLE)]
    if not len(records):
        return None, None, None
    moments, place = np.unique(records["start"], return_inverse=True)
    time = (moments - began) / 1e9

    def total(values: np.ndarray, unknown: np.ndarray) -> Curve | None:
        if unknown.any():
            return None
        return Curve(time, np.bincount(place, values.astype(float)))

    resident, dirty = records["result"], records["aux"]
    known = np.zeros(len(records), bool)
    return (
        total(records["length"], known),
        total(resident, resident < 0),
        total(dirty, dirty == UNKNOWN),
    )


def _clean(dirty: Curve | None, began: int, sampled: int) -> int:
    """Return when the last dirty byte was seen, a little later; the last sample if unknown."""
    if dirty is None:
        return sampled
    waiting = dirty.time[dirty.value > 0]
    return began + int(1.05e9 * waiting.max(initial=0.0))


def _marks(
    trace: Trace, began: int, written: Curve | None, dirty: Curve | None, device: Curve | None
) -> list[Mark]:
    if written is None:
        return []
    writes = transfers(trace, Op.WRITE)
    last = max(began, (trace.span(writes) or (0, 0))[1])
    phase = _same_phase(trace, np.flatnonzero(writes & (trace.records["end"] == last))[0])
    first, ended = trace.span(phase) or (last, last)
    blocks = trace.blocks(writes & phase, "result")
    size = sum(int(np.maximum(result, 0).sum()) for (result,) in blocks)
    syncs = trace.records[phase & trace.where(op=Op.SYNC)]
    closed = _undisturbed(trace, max(last, ended))
    calm = min([closed, *syncs["start"].tolist()])
    begun = (first - began) / 1e9
    if device is not None:
        device = Curve(device.time, device.value - device.at(begun))

    def mark(name: str, moment: int, until: int, done: Curve | None) -> Mark:
        time, quiet = (moment - began) / 1e9, (until - began) / 1e9
        dirty_then, device_then = (_known(c, time, quiet, done) for c in (dirty, device))
        return Mark(name, time, size / max(time - begun, 1e-9), size, dirty_then, device_then)

    done = Curve(written.time, (written.value - written.at(begun)) / max(size, 1))
    marks = [mark("last write returns", last, calm, done)]
    if len(syncs) and syncs["end"].max() > last:
        marks.append(mark("fsync returns", int(syncs["end"].max()), closed, None))
    return marks


def _same_phase(trace: Trace, place: int) -> np.ndarray:
    """Return the mask of the calls in a record's phase; without an application, of all."""
    layer = int(trace.records["layer"][place])
    calls: np.ndarray = trace.where(layer=layer) & ~trace.where(op=Op.SAMPLE)
    if layer == Layer.APP:
        calls &= trace.records["aux"] == trace.records["aux"][place]
    return calls


def _undisturbed(trace: Trace, closed: int) -> int:
    """Return until when nobody cleans or removes the pages of files closed at `closed`.

    Between a write phase and the next one, files are synced and evicted; that isn't recorded.
    """
    first = bisect_left(trace.records["start"], closed)
    calls = trace.where(layer=top_layer(trace)) & ~trace.where(op=Op.SAMPLE)
    calls[:first] = False
    if (calls & trace.where(op=(Op.OPEN, Op.READ))).any():
        return closed
    return int(trace.records["start"][calls.argmax()]) if calls.any() else closed + 10**12


def _known(curve: Curve | None, when: float, until: float, done: Curve | None) -> float | None:
    """Return a curve's value at a moment, if samples tell.

    They do when they lie close on both sides; or soon after, if nothing disturbs the pages
    `until` then; or shortly before, when most was `done` (a share) and the rest went likewise.
    """
    if curve is None:
        return None
    close = max(0.002, 0.05 * when)
    after = int(np.searchsorted(curve.time, when))
    later = curve.time[after] - when if after < len(curve.time) else math.inf
    sooner = when - curve.time[after - 1] if after else math.inf
    if later <= close and sooner <= close:
        return curve.at(when)
    if later <= _SOON and when + later <= until:
        return float(curve.value[after])
    share = 0.0 if done is None or not after else done.at(curve.time[after - 1])
    return float(curve.value[after - 1]) / share if sooner <= _SOON and share >= 0.5 else None


def tank_finding(data: TankData) -> str:
    """Say what the device had done when the application was told that it was done."""
    if data.marks:
        return _finding_of_writes(data.marks[0])
    if data.read is not None:
        return _finding_of_reads(data, data.read.value[-1])
    return "The application moved nothing"


def _finding_of_writes(mark: Mark) -> str:
    """Prefer what the files' own pages say: the device also counts what others write."""
    if mark.dirty is not None and mark.bytes:
        share = min(1.0, mark.dirty / mark.bytes)
        return f"When the last write returned, {share:.0%} of the bytes were only in memory"
    if mark.device is not None and mark.bytes:
        share = min(1.0, max(0.0, mark.device) / mark.bytes)
        return f"When the last write returned, {share:.0%} of the bytes were at the device"
    return f"The last write returned after {format_seconds(mark.time)}; what it reached is unknown"


def _finding_of_reads(data: TankData, total: float) -> str:
    if data.from_device is None:
        return f"{format_size(int(total))} were read; from where is unknown here"
    share = min(1.0, max(0.0, data.from_device.value[-1]) / max(total, 1.0))
    told = f"Of the bytes read, the device delivered {share:.0%}"
    return f"{told}; the rest came from memory" if f"{share:.0%}" != "100%" else told


def tank_alt(data: TankData) -> str:
    """Describe the picture for a reader who can't see it."""
    told = [f"Time runs to the right, {format_seconds(data.end)} in all"]
    if data.written is not None:
        told.append(f"the application wrote {format_size(round(data.written.value[-1]))}")
    for mark in data.marks:
        told.append(f"the {mark.name} after {format_seconds(mark.time)}{_then(mark)}")
    if data.read is not None:
        told.append(f"the application read {format_size(round(data.read.value[-1]))}")
        if data.from_device is not None:
            told.append(f"the device read {format_size(round(data.from_device.value[-1]))}")
    for lane, curve in (("device", data.to_device), ("residency", data.resident)):
        if curve is None:
            told.append(f"{lane}: {data.why[lane]}")
    return "; ".join(told) + "."


def _then(mark: Mark) -> str:
    known = {"only in memory": mark.dirty, "at the device": mark.device}
    parts = [f"{format_size(round(n))} {name}" for name, n in known.items() if n is not None]
    return f", with {', '.join(parts)}" if parts else ", what it had reached is unknown"
