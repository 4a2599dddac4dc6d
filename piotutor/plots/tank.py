"""The tank: bytes that the application moved, bytes waiting in memory, bytes at the device."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from piotutor.plots.levels import TankData, tank_alt, tank_data, tank_finding
from piotutor.plots.style import (
    INK,
    Recipe,
    Style,
    byte_axis,
    empty,
    scaled,
    time_axis,
    top_legend,
)
from piotutor.trace import Trace
from piotutor.units import format_rate

__all__ = ["TankData", "plot_tank", "tank_alt", "tank_data", "tank_finding"]

_DIRTY: dict[str, Any] = {"facecolor": "#E69F00", "edgecolor": "white", "hatch": "//", "lw": 0}
_DEVICE: dict[str, Any] = {"facecolor": "#0072B2", "edgecolor": "white", "lw": 0}
_CLEAN: dict[str, Any] = {"facecolor": "#56B4E9", "edgecolor": "white", "hatch": "..", "lw": 0}


def plot_tank(
    data: TankData | Trace,
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw the tank, with the files' residency and the bandwidth beneath.

    Parameters
    ----------
    data : TankData or Trace
        Of a trace, `options` are those of `tank_data`.
    ax : Axes, optional
        Draw only the tank, without title and badge, here.
    style : Style, optional
        Sizes of type and lines.
    """
    recipe = Recipe(tank_data, tank_finding, tank_alt, _draw_tank, lambda _data: 6.0, _draw_panels)
    return recipe.plot(data, ax, style, options)


def _draw_panels(data: TankData, figure: Figure) -> None:
    lanes = figure.subplots(3, 1, sharex=True, height_ratios=[3, 1.1, 1.1])
    _draw_tank(data, lanes[0])
    _draw_residency(data, lanes[1])
    _draw_bandwidth(data, lanes[2])
    figure.align_ylabels(lanes)


def _draw_tank(data: TankData, ax: Axes) -> None:
    curves = (data.written, data.read, data.to_device, data.from_device, data.dirty)
    known = [curve for curve in curves if curve is not None]
    if data.written is None and data.read is None:
        return empty(ax, "the application moved nothing")
    top = 1.35 * max(float(curve.value.max()) for curve in known)
    size, unit = byte_axis(top)
    ax.set(xlim=(0, data.end), ylim=(0, top or 1.0), ylabel=unit)
    scaled(ax.yaxis, size)
    entries = [*_fill_levels(data, ax), *_draw_lines(data, ax)]
    for mark in data.marks:
        _draw_mark(ax, mark.time, f"{mark.name}: {format_rate(mark.rate)}", data.end)
    if data.to_device is None:
        note = f"at the device: {data.why['device']}"
        ax.text(0.99, 0.04, note, transform=ax.transAxes, ha="right", fontsize="small")
    _time_axis(data, ax, label=False)
    top_legend(ax, entries, columns=3)


def _fill_levels(data: TankData, ax: Axes) -> list[Any]:
    """Fill what reached the device from below, and what waits in memory from the line down."""
    entries: list[Any] = []
    if data.written is not None and data.to_device is not None:
        ax.fill_between(data.to_device.time, data.to_device.value, **_DEVICE)
        entries.append(Patch(label="at the device", **_DEVICE))
    if data.written is not None and data.dirty is not None:
        time = data.dirty.time
        top = np.interp(time, data.written.time, data.written.value)
        ax.fill_between(time, np.maximum(top - data.dirty.value, 0), top, **_DIRTY)
        entries.append(Patch(label="only in memory (dirty)", **_DIRTY))
    return entries


def _draw_lines(data: TankData, ax: Axes) -> list[Any]:
    lines = (
        (data.written, INK, "-", "written by the application"),
        (data.read, INK, ":", "read by the application"),
        (
            data.from_device if data.read is not None else None,
            "#D55E00",
            "--",
            "read at the device",
        ),
    )
    entries = []
    for curve, color, dash, label in lines:
        if curve is not None:
            ax.plot(curve.time, curve.value, color=color, ls=dash)
            entries.append(Line2D([], [], color=color, ls=dash, label=label))
    return entries


def _draw_mark(ax: Axes, time: float, text: str, end: float) -> None:
    left = time < 0.6 * end
    ax.axvline(time, color=INK, ls=(0, (1, 2)), lw=1.5)
    ax.annotate(
        text,
        (time, ax.get_ylim()[1] * (0.99 if "write" in text else 0.88)),
        xytext=(5 if left else -5, 0),
        textcoords="offset points",
        ha="left" if left else "right",
        va="top",
        bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5},
    )


def _draw_residency(data: TankData, ax: Axes) -> None:
    ax.set_ylabel("file in\nmemory")
    if data.resident is None or data.size is None:
        return empty(ax, f"what of the file is in memory: {data.why['residency']}")
    time, resident = data.resident
    whole = max(float(data.size.value.max()), 1.0)
    dirty = np.zeros_like(resident) if data.dirty is None else data.dirty.value
    ax.fill_between(time, dirty / whole, resident / whole, **_CLEAN)
    ax.fill_between(time, dirty / whole, **_DIRTY)
    ax.set(ylim=(0, 1.05), yticks=[0, 1], yticklabels=["none", "all"])
    name = "in memory (dirty or clean: unknown here)" if data.dirty is None else "clean"
    handles = [Patch(label=name, **_CLEAN)]
    if data.dirty is not None:
        handles.insert(0, Patch(label="dirty", **_DIRTY))
    ax.legend(handles=handles, loc="upper right", ncols=2, frameon=True, framealpha=0.85)


def _draw_bandwidth(data: TankData, ax: Axes) -> None:
    """Draw how fast the application's calls moved bytes: the slope of its curves."""
    known = [(data.written, "-"), (data.read, ":")]
    rates = [
        (np.diff(curve.value) / np.diff(curve.time), curve.time, dash)
        for curve, dash in known
        if curve is not None
    ]
    top = max((float(rate.max()) for rate, _, _ in rates), default=0.0)
    for rate, time, dash in rates:
        ax.stairs(rate, time, color=INK, ls=dash)
    size, unit = byte_axis(top)
    ax.set(ylim=(0, 1.1 * top or 1.0), ylabel=f"{unit}/s")
    scaled(ax.yaxis, size)
    _time_axis(data, ax, label=True)


def _time_axis(data: TankData, ax: Axes, label: bool) -> None:
    scale, name = time_axis(data.end)
    ax.set_xlim(0, data.end)
    scaled(ax.xaxis, scale)
    if label:
        ax.set_xlabel(name)
