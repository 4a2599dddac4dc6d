"""A sweep of queue depth: reads per second, time of one, and N = X R as an area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from piotutor.metrics_depth import Depth, bounds, depths
from piotutor.plots.style import (
    INK,
    SEVERAL,
    Recipe,
    Style,
    badge,
    empty,
    rank_looks,
    scaled,
    time_axis,
)
from piotutor.queueing import Closed
from piotutor.trace import Trace
from piotutor.units import format_seconds


@dataclass(frozen=True)
class QueueData:
    """What a picture of a sweep shows.

    Attributes
    ----------
    found : list of Depth
        What was measured at each depth, ascending.
    limits : Closed or None
        The two bounds; None where the sweep has no single reads to tell them.
    foretold : bool
        Whether the bounds were given, not taken from the sweep itself.
    badge : str
        How it came about, and on what.
    """

    found: list[Depth]
    limits: Closed | None
    foretold: bool
    badge: str

    @property
    def pair(self) -> tuple[Depth, Depth]:
        """The depth nearest to the knee, and the deepest: where waiting alone grows."""
        last = self.found[-1]
        knee = self.limits.knee if self.limits else 1.0
        before = self.found[:-1] or self.found
        return min(before, key=lambda one: abs(np.log(one.asked / knee))), last


def queue_data(trace: Trace, *, limits: Closed | None = None) -> QueueData:
    """Measure a sweep.

    Parameters
    ----------
    trace : Trace
        Of a workload with ``queue_depth``; each repetition is one depth.
    limits : Closed, optional
        The bounds as they are foretold. By default they are those that the sweep itself shows:
        D from one read at a time, Dmax from the best rate.
    """
    found = sorted(depths(trace), key=lambda one: one.asked)
    shown = limits or (bounds(found) if found else None)
    return QueueData(found, shown, limits is not None, badge(trace))


def queue_finding(data: QueueData) -> str:
    """Say what became more from the knee to the deepest: the reads, or only the waiting."""
    if not data.found:
        return "Nothing was read"
    near, deep = data.pair
    if near.asked == deep.asked:
        return f"{_in_flight(deep)}: {deep.rate:,.0f} reads/s, each takes {_time(deep)}"
    more, longer = deep.rate / near.rate, deep.seconds / near.seconds
    reads = "as many reads/s" if 0.95 <= more <= 1.05 else f"{more:.1f} times the reads/s"
    what = f"{reads}, and each takes {longer:.1f} times as long"
    return f"From {near.asked} to {_in_flight(deep)}: {what}"


def queue_alt(data: QueueData) -> str:
    """Describe the picture for a reader who can't see it."""
    if not data.found:
        return "An empty picture: the trace holds no reads."
    rows = "; ".join(
        f"{one.asked} asked for, {one.in_flight:.1f} in flight: {one.rate:,.0f} reads/s, "
        f"each takes {_time(one)}"
        for one in data.found
    )
    return f"{rows}. {_limits_alt(data)}The third panel: rate times time is an area, N."


def _limits_alt(data: QueueData) -> str:
    if data.limits is None:
        return ""
    whence = "foretold" if data.foretold else "from this sweep"
    return (
        f"Two bounds, {whence}: N over {format_seconds(data.limits.demand)}, and "
        f"{1 / data.limits.slowest:,.0f} reads/s; they meet at N = {data.limits.knee:.1f}. "
    )


def _in_flight(one: Depth) -> str:
    return f"{one.asked} in flight"


def _time(one: Depth) -> str:
    return format_seconds(one.seconds)


def plot_queue(
    data: QueueData | Trace,
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw a sweep of queue depth: rate, time, and their product as areas.

    Parameters
    ----------
    data : QueueData or Trace
        Of a trace, `options` are those of `queue_data`.
    ax : Axes, optional
        Draw the rate alone, without title and badge, here.
    style : Style, optional
        Sizes of type and lines.
    """
    recipe = Recipe(
        queue_data, queue_finding, queue_alt, _draw_rate, lambda _data: 4.2, _draw_panels
    )
    return recipe.plot(data, ax, style, options)


def _draw_panels(data: QueueData, figure: Figure) -> None:
    if not data.found:
        return _draw_rate(data, figure.subplots())
    rate, time, areas = figure.subplots(1, 3, width_ratios=(5, 5, 4))
    _draw_rate(data, rate)
    _draw_time(data, time)
    _draw_areas(data, areas)
    return None


def _draw_rate(data: QueueData, ax: Axes) -> None:
    if not data.found:
        return empty(ax, "no reads in the trace")
    _curve(data, ax, [one.rate for one in data.found])
    top = 1.25 * max(one.rate for one in data.found)
    if data.limits is not None:
        n = np.geomspace(0.8, data.found[-1].asked * 1.3, 200)
        ax.plot(n, n / data.limits.demand, color=SEVERAL, ls="--", label="nothing waits: N / D")
        limit = 1 / data.limits.slowest
        ax.axhline(limit, color=SEVERAL, ls=":", label="the slowest part: 1 / Dmax")
        top = max(top, 1.25 * limit)
        _legend(ax)
    ax.set(ylim=(0, top), ylabel="reads/s (X)")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return None


def _draw_time(data: QueueData, ax: Axes) -> None:
    most = max(one.seconds for one in data.found)
    _curve(data, ax, [one.seconds for one in data.found])
    if data.limits is not None:
        n = np.geomspace(0.8, data.found[-1].asked * 1.3, 200)
        ax.axhline(data.limits.demand, color=SEVERAL, ls="--", label="nothing waits: D")
        ax.plot(n, n * data.limits.slowest, color=SEVERAL, ls=":", label="in turn: N Dmax")
        _legend(ax)
    unit, name = time_axis(most)
    ax.set(ylim=(0, most * 1.2), ylabel=f"{name} of one read (R)")
    scaled(ax.yaxis, unit)


def _curve(data: QueueData, ax: Axes, values: Sequence[float]) -> None:
    asked = [one.asked for one in data.found]
    (look,) = rank_looks([0])
    ax.plot(asked, values, marker="o", color=look.color, zorder=3)
    ax.set_xscale("log", base=2)
    ax.set_xticks(asked, [str(n) for n in asked])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlim=(min(asked) * 0.8, max(asked) * 1.3), xlabel="in flight (N)")


def _legend(ax: Axes) -> None:
    """Name the bounds above the panel, where no line runs."""
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), handlelength=1.8, borderaxespad=0.2)


def _draw_areas(data: QueueData, ax: Axes) -> None:
    """Draw rate times time as rectangles: at the knee, and deepest."""
    near, deep = data.pair
    looks = dict(zip((near.asked, deep.asked), rank_looks([0, 4]), strict=True))
    shown = sorted({one.asked: one for one in data.pair}.values(), key=lambda one: -one.seconds)
    for one in shown:
        color = looks[one.asked].color
        ax.add_patch(Rectangle((0, 0), one.rate, one.seconds, facecolor=color, edgecolor=INK))
    for one in shown:
        top = one.asked == deep.asked  # the deepest is named at its top, the other at its foot
        ax.annotate(
            f"N = X R = {one.rate * one.seconds:.3g}",
            (0, one.seconds if top else 0),
            (6, -5 if top else 5),
            textcoords="offset points",
            va="top" if top else "bottom",
            bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5},
        )
    most = max(one.seconds for one in shown)
    unit, name = time_axis(most)
    ax.set(xlim=(0, 1.15 * max(one.rate for one in shown)), ylim=(0, most * 1.15))
    ax.set(xlabel="reads/s (X)", ylabel=f"{name} of one read (R)")
    scaled(ax.yaxis, unit)
    ax.locator_params(axis="x", nbins=3)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
