"""The tank's numbers (`piotutor.plots.levels.tank_data`) as columns for the browser."""

from __future__ import annotations

from typing import Any

import numpy as np

from piotutor.live.frames import calls, in_order
from piotutor.live.wire import Arrays
from piotutor.plots.levels import Curve, TankData
from piotutor.trace import Layer, Op
from piotutor.units import format_rate

_CURVES = ("written", "read", "to_device", "from_device", "resident")


def condensed(records: np.ndarray) -> np.ndarray:
    """Return what the tank needs of a chunk: samples, the last sync, all calls of a kind as one."""
    app = records[records["layer"] == Layer.APP]
    moved = calls(app)
    parts = [records[records["op"] == Op.SAMPLE], _last(app[app["op"] == Op.SYNC])]
    for op in (Op.WRITE, Op.READ):
        mine = moved[moved["op"] == op]
        one = _last(mine)
        one["start"] = mine["start"].min(initial=2**62)
        one["length"] = one["result"] = mine["result"].sum()
        parts.append(one)
    return np.concatenate(parts)


def _last(records: np.ndarray) -> np.ndarray:
    return np.asarray(in_order(records)[-1:].copy())


def frame(data: TankData) -> tuple[dict[str, Any], Arrays]:
    """Return meta and columns: each curve as ``<name>_t`` (ms) and ``<name>`` (bytes)."""
    columns: Arrays = {}
    for name in _CURVES:
        columns |= _columns(name, getattr(data, name))
    columns |= _columns("dirty", data.dirty) | _columns("dirty_top", _on_device(data))
    drawn = [columns[n] for n in ("written", "read", "to_device", "from_device", "dirty_top")]
    most = max(float(values.max(initial=1.0)) for values in drawn)
    meta = {
        "span": data.end * 1e3,
        "most": most * 1.15,
        "size": 1.0 if data.size is None else max(float(data.size.value.max()), 1.0),
        "why": data.why,
        "marks": [
            {"time": m.time * 1e3, "words": f"{m.name}: {format_rate(m.rate)}"} for m in data.marks
        ],
    }
    return meta, columns


def _columns(name: str, curve: Curve | None) -> Arrays:
    time, value = (np.zeros(0), np.zeros(0)) if curve is None else curve
    return {f"{name}_t": (time * 1e3).astype("<f4"), name: np.asarray(value).astype("<f8")}


def _on_device(data: TankData) -> Curve | None:
    """Return the dirty bytes put on top of what reached the device."""
    if data.dirty is None or data.written is None:
        return None
    time, value = data.dirty
    floor = data.to_device
    base = 0.0 if floor is None else np.interp(time, floor.time, floor.value)
    return Curve(time, value + base)
