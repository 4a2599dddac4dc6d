"""Who held what: granted extents of an object as wide bars that flip between clients."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from piotutor.errors import UsageError
from piotutor.plots.locks_data import LocksData, ObjectLocks, locks_data
from piotutor.plots.locks_words import NOBODY, counts, locks_alt, locks_finding, run_words
from piotutor.plots.style import (
    INK,
    SEVERAL,
    Look,
    Style,
    Words,
    byte_axis,
    empty,
    finish,
    handle,
    hatched,
    rank_looks,
    scaled,
    time_axis,
)
from piotutor.trace import Op, Trace
from piotutor.workload import Workload

__all__ = ["locks_alt", "locks_data", "locks_finding", "plot_locks"]

_MANY = 3000  # locks; more are drawn as cells, of which each has its last one's colour
_CELLS = (600, 800)
_ROWS = 80  # more rows than these are drawn without gaps
_IN_A_ROW = 4  # entries of the legend
_GAP = 0.06  # of a row's height, above and below
_NAMED = 8  # clients in the legend, and side by side in a row


class HasTrace(Protocol):
    """A run."""

    @property
    def trace(self) -> Trace:
        """Its records."""


What = Trace | HasTrace | LocksData
"""What a picture of locks is made of."""


def plot_locks(
    runs: What | Sequence[What] | Mapping[str, What],
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw who held which bytes of an object, transfer by transfer or over time.

    Wide bars are what was granted, in the client's colour and hatch; where several clients read,
    each has its part of a row's height. What a transfer itself touched has a dark outline.

    Parameters
    ----------
    runs : Run, Trace or LocksData; a sequence of these, or a mapping of names to them
        Several are drawn side by side. Without names they are called by their patterns.
    ax : Axes, optional
        Draw the first object of one run without title and badge here.
    style : Style, optional
        Sizes of type and lines.
    **options
        Those of `locks_data`: ``op, objects, most, by, first``.

    Raises
    ------
    UsageError
        There is nothing to draw, or an option is none.
    """
    every = _every(runs, options)
    if ax is not None:
        _draw(every[0], every[0].shown[0] if every[0].shown else None, ax, _looks(every))
        return cast(Figure, ax.get_figure(root=True))
    style = style or Style()
    with style.applied():
        return _picture(every, style)


def _every(runs: Any, options: Mapping[str, Any]) -> list[LocksData]:
    if isinstance(runs, Mapping):
        named = [*runs.items()]
    else:
        listed = [*runs] if isinstance(runs, Sequence) else [runs]
        named = [("", one) for one in listed]
    if not named:
        raise UsageError("plot_locks: there is no run to draw")
    return [_one(one, name, len(named) > 1, options) for name, one in named]


def _one(what: Any, name: str, beside: bool, options: Mapping[str, Any]) -> LocksData:
    if isinstance(what, LocksData):
        return what
    trace = getattr(what, "trace", what)
    if not isinstance(trace, Trace):
        raise UsageError(f"{type(what).__name__} has no locks: give a run or a trace")
    return locks_data(trace, name=name or (pattern_name(trace) if beside else ""), **options)


def pattern_name(trace: Trace) -> str:
    """Name the pattern of a trace's workload: ``strided``, ``segmented``, ``a file each``."""
    told = trace.meta.get("workload")
    if not told:
        return str(trace.meta.get("run", "run"))
    work = Workload.from_dict(told)
    if work.file_per_process:
        return "a file each"
    if work.random_offset:
        return "random"
    return "strided" if work.segment_count > 1 else "segmented"


def _picture(every: Sequence[LocksData], style: Style) -> Figure:
    rows = max(1, *(len(data.shown) for data in every))
    looks = _looks(every)
    legend = _legend(every, looks)
    low = 0.45 * (-(-len(legend) // _IN_A_ROW))  # inches
    figure = style.figure(min(9.0, 1.0 + 3.2 * rows + low))
    grid = figure.add_gridspec(rows + 1, len(every), height_ratios=[*[3.2] * rows, low + 0.01])
    for column, data in enumerate(every):
        for row in range(max(1, len(data.shown))):
            ax = figure.add_subplot(grid[row, column])
            _draw(data, data.shown[row] if data.shown else None, ax, looks)
            if row == 0 and len(every) > 1:
                width = figure.get_figwidth() * 72 / (style.font * 0.6) / len(every)
                ax.set_title(textwrap.fill(f"{data.name}: {run_words(data)}", int(width)))
    below = figure.add_subplot(grid[rows, :])
    below.set_axis_off()
    if legend:
        below.legend(handles=legend, loc="center left", ncols=_IN_A_ROW, borderaxespad=0)
    badges = list(dict.fromkeys(data.badge for data in every))
    return finish(figure, Words(locks_finding(every), "\n".join(badges), locks_alt(every)), style)


def _looks(every: Sequence[LocksData]) -> dict[int, Look]:
    """Return the look of each client, the same in all panels; one alone needs no hatch."""
    clients = sorted({client for data in every for client in data.clients})
    looks = rank_looks(clients)
    plain = [Look(look.color, "") for look in looks]
    return dict(zip(clients, looks if len(looks) > 1 else plain, strict=True))


def _legend(every: Sequence[LocksData], looks: Mapping[int, Look]) -> list[Patch]:
    clients = [*looks] if len(looks) <= _NAMED else [min(looks), max(looks)]
    handles = [handle(looks[client], f"granted to client {client}") for client in clients]
    if any(len(one.uses.low) for data in every if data.by == "transfer" for one in data.shown):
        handles.append(Patch(facecolor="none", edgecolor=INK, lw=1.4, label="the transfer itself"))
    return handles


def _draw(data: LocksData, one: ObjectLocks | None, ax: Axes, looks: Mapping[int, Look]) -> None:
    if one is None:
        return _draw_counted(data, ax) if data.counted else empty(ax, NOBODY)
    rows = len(one.moments) if data.by == "transfer" else 0
    span = max(rows or data.seconds, 1e-9)
    ax.set(xlim=(0, one.size), ylim=(0, span))
    _draw_holds(one, ax, rows, looks)
    if rows:
        _draw_transfers(one, ax)
        few = f"the first {rows}" if rows < one.transfers else "each"
        ax.set_ylabel(f"time ({few} of {one.transfers:,} {data.word})")
        ax.set_yticks([])
    else:
        scale, name = time_axis(span)
        ax.set_ylabel(name)
        scaled(ax.yaxis, scale)
    ax.invert_yaxis()
    scale, unit = byte_axis(one.size)
    what = "the file" if data.protocol == "file" else _object_name(data, one)
    ax.set_xlabel(f"offset in {what}, {unit}")
    scaled(ax.xaxis, scale)
    ax.spines["left"].set_visible(not rows)


def _object_name(data: LocksData, one: ObjectLocks) -> str:
    if data.objects == 1:
        return "the object"
    calls = "" if len(data.shown) < 2 else f", {counts(one.callbacks, 'callback')}"
    return f"object {one.object} of {data.objects:,} (target {one.target}{calls})"


def _draw_holds(one: ObjectLocks, ax: Axes, rows: int, looks: Mapping[int, Look]) -> None:
    """Draw what was granted; of shared locks each client's has its part of a row, or is pale."""
    if not rows and len(one.holds.low) > _MANY:
        return _draw_cells(one, ax, looks)
    lanes = len(looks) if rows and len(looks) <= _NAMED else 1
    gap = _GAP if 0 < rows <= _ROWS else 0.0
    for lane, (client, look) in enumerate(looks.items()):
        mine = (one.bottom > one.top) & (one.holds.client == client)
        face = hatched(look)
        for op, part, parts in ((Op.WRITE, 0, 1), (Op.READ, lane % lanes, lanes)):
            bars = _bars(one, np.flatnonzero(mine & (one.holds.op == op)), gap)
            height = (bars.bottom - bars.top) / parts
            boxes = _boxes(
                bars.low, bars.top + part * height, bars.high, bars.top + (part + 1) * height
            )
            alpha = 0.4 if op == Op.READ and parts == 1 else None
            ax.add_collection(PolyCollection(boxes, alpha=alpha, **face))


def _draw_cells(one: ObjectLocks, ax: Axes, looks: Mapping[int, Look]) -> None:
    """Draw very many locks as cells in their clients' colours."""
    height, width = _CELLS
    _, span = ax.get_ylim()
    top, bottom = (np.floor(edge / span * height).astype(int) for edge in (one.top, one.bottom))
    left, right = (
        np.floor(edge / one.size * width).astype(int) for edge in (one.holds.low, one.holds.high)
    )
    colors = {client: to_rgb(look.color) for client, look in looks.items()}
    cells = np.ones((height, width, 3))
    for at, client in enumerate(one.holds.client.tolist()):
        cells[top[at] : bottom[at] + 1, left[at] : right[at] + 1] = colors[client]
    ax.imshow(
        cells, extent=(0, one.size, 0, span), origin="lower", aspect="auto", interpolation="nearest"
    )


class _Bars(NamedTuple):
    low: np.ndarray
    top: np.ndarray
    high: np.ndarray
    bottom: np.ndarray


def _bars(one: ObjectLocks, which: np.ndarray, gap: float) -> _Bars:
    """Return a bar for each lock; with a gap between rows, one for each row of it."""
    edges = (one.holds.low, one.top, one.holds.high, one.bottom)
    bars = _Bars(*(column[which].astype(float) for column in edges))
    if not gap:
        return bars
    rows = (bars.bottom - bars.top).astype(int)
    before = np.cumsum(rows) - rows
    row = np.repeat(bars.top - before, rows) + np.arange(rows.sum())
    return _Bars(np.repeat(bars.low, rows), row + gap, np.repeat(bars.high, rows), row + 1 - gap)


def _boxes(low: Any, top: Any, high: Any, bottom: Any) -> list[np.ndarray]:
    corners = np.stack([low, top, low, bottom, high, bottom, high, top], axis=1)
    return list(corners.reshape(-1, 4, 2))


def _draw_transfers(one: ObjectLocks, ax: Axes) -> None:
    """Outline in each row what the transfer itself touched."""
    row = np.arange(len(one.moments))
    boxes = _boxes(one.uses.low, row + _GAP, one.uses.high, row + 1 - _GAP)
    if len(row) <= _ROWS:
        ax.add_collection(PolyCollection(boxes, facecolor="none", edgecolor=INK, lw=1.4))


def _draw_counted(data: LocksData, ax: Axes) -> None:
    """Draw what a real metadata server counted: capabilities are whole files'."""
    names = [f"{data.word} of the ranks", *(f"capabilities {what}" for what in data.counted)]
    values = [data.transfers, *data.counted.values()]
    bars = ax.barh(names, values, 0.6, color=[SEVERAL, "#0072B2", "#E69F00"])
    ax.bar_label(bars, [f" {value:,}" for value in values])
    ax.invert_yaxis()
    ax.set_xlabel("how many, as the metadata server counted")
    ax.margins(x=0.15)
