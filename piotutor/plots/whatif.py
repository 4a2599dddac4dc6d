"""What if: bandwidth of a workload on a machine that isn't here, over one thing that is turned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from piotutor import ior
from piotutor.curves import Curve, Setting, Turnable
from piotutor.plots.style import (
    INK,
    SEVERAL,
    Style,
    Words,
    byte_axis,
    picture,
    rank_looks,
    scaled,
)
from piotutor.units import format_rate, format_size

AXES = {
    "clients": "clients",
    "targets": "targets of the machine",
    "stripe_count": "targets of each file (stripe count)",
    "transfer_size": "bytes of each transfer",
}
"""What stands below the horizontal axis, by knob."""
_SAME = 1.05
"""Factor up to which two rates are called as good as equal."""
_LIMITED = 0.85
"""Share of a limit from which on it is named."""


@dataclass(frozen=True)
class WhatIfData:
    """What the picture shows.

    Attributes
    ----------
    curve : Curve
        The numbers.
    line : str
        What is modelled at the point where the knobs stand, as an IOR command line.
    badge : str
        How the numbers came about, and of what machine.
    """

    curve: Curve
    line: str
    badge: str

    @property
    def place(self) -> int:
        """Index of the point at which the knobs stand."""
        return int(np.searchsorted(self.curve.x, getattr(self.curve.at, self.curve.over)))

    @property
    def rates(self) -> dict[str, float]:
        """Bytes/s of writing and reading there."""
        return {op: float(rate[self.place]) for op, rate in self.curve.rates.items()}


def whatif_data(
    of: Turnable,
    setting: Setting | None = None,
    *,
    over: str = "clients",
    patience: float = math.inf,
) -> WhatIfData:
    """Compute a curve.

    Parameters
    ----------
    of : Turnable
        A workload on a machine.
    setting : Setting, optional
        Where the knobs stand; as they begin, if not given.
    over : str
        One of `piotutor.curves.KNOBS`.
    patience : float
        Seconds, as `piotutor.curves.Turnable.curve` takes them.

    Raises
    ------
    UsageError
        There is no such knob, or it would take too long.
    PiotutorError
        The engine isn't built.
    """
    curve = of.curve(setting or of.start, over, patience=patience)
    line = ior.command(of.work(curve.at))
    return WhatIfData(curve, line, f"modelled · {of.name}: {_in_words(curve.at, of)}")


def _in_words(at: Setting, of: Turnable) -> str:
    files = "a file each" if at.file_per_process else "one shared file"
    stripes = f"{_many(at.stripe_count, 'stripe')} of {format_size(of.stripe_size)}"
    size = format_size(at.transfer_size)
    return (
        f"{_many(at.clients, 'client')}, {_many(at.targets, 'target')}, {files}, {stripes}, "
        f"transfers of {size}"
    )


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"


def whatif_finding(data: WhatIfData) -> str:
    """Say how fast it is where the knobs stand, and what turning one of them further would do."""
    curve, rates = data.curve, data.rates
    if not any(rates.values()):
        return "Nothing takes time on this machine"
    clients = curve.at.clients
    told = " and ".join(
        f"{op}{'s' * (clients == 1)} {format_rate(rate)}" for op, rate in rates.items()
    )
    return f"{_many(clients, 'client')} {told}; {_further(data)}"


def _further(data: WhatIfData) -> str:
    """Compare with the next point, or the one before, in the first direction."""
    curve, here = data.curve, data.place
    rate = next(iter(curve.rates.values()))
    ahead = np.flatnonzero(curve.x >= 2 * curve.x[here])
    other = int(ahead[0]) if len(ahead) else max(here - 1, 0)
    if other == here:
        return "there is nothing to turn"
    if np.isnan(rate[other]):
        return "the rest of the curve is to come"
    factor = rate[other] / rate[here]
    if factor >= _SAME:
        change = f"{factor:.2g} times as fast"
    elif factor * _SAME <= 1:
        change = f"{1 / factor:.2g} times slower"
    else:
        change = f"no {'more' if other > here else 'less'}{_because(curve, here)}"
    return f"with {_value(curve.over, int(curve.x[other]))} {change}"


def _because(curve: Curve, here: int) -> str:
    """Name the limit, where the rate is near it."""
    rate = max(float(each[here]) for each in curve.rates.values())
    near = rate >= _LIMITED * curve.limit[here]
    return f": {curve.limited_by[here]} in use are the limit" if near else ""


def _value(over: str, value: int) -> str:
    if over == "transfer_size":
        return f"transfers of {format_size(value)}"
    return _many(value, {"stripe_count": "stripe"}.get(over, over.rstrip("s")))


def whatif_alt(data: WhatIfData) -> str:
    """Describe the picture for a reader who can't see it."""
    curve = data.curve
    parts = []
    for op, rate in curve.rates.items():
        values = (
            f"{_value(curve.over, int(x))}: {format_rate(each)}"
            for x, each in zip(curve.x, rate, strict=True)
            if np.isfinite(each)
        )
        parts.append(f"{op}: {', '.join(values)}")
    limit = float(curve.limit[data.place])
    most = f"{format_rate(limit)}: {curve.limited_by[data.place]}" if limit < np.inf else "no limit"
    return (
        f"The horizontal axis is {AXES[curve.over]}, logarithmic; the vertical one bytes per second"
        f", from open to close. {'; '.join(parts)}. What the parts in use carry at most, "
        f"where the knobs stand: {most}. It is the model of: {data.line}"
    )


def plot_whatif(data: WhatIfData, *, ax: Axes | None = None, style: Style | None = None) -> Figure:
    """Draw the curve, the point where the knobs stand, and what limits it.

    Parameters
    ----------
    data : WhatIfData
    ax : Axes, optional
        Draw without title here.
    style : Style, optional
        Sizes of type and lines.
    """
    words = Words(whatif_finding(data), data.badge, whatif_alt(data))
    return picture(partial(_draw, data), words, ax, style)


def _draw(data: WhatIfData, ax: Axes) -> None:
    curve, top = data.curve, top_of(data.curve)
    looks = zip(rank_looks(range(2)), "os", ("-", "--"), curve.rates.items(), strict=False)
    for look, mark, dash, (op, rate) in looks:
        ax.plot(curve.x, rate, dash, marker=mark, ms=5, color=look.color, label=op, zorder=3)
        here = (int(curve.x[data.place]), float(rate[data.place]))
        ax.plot(*here, mark, ms=12, mec=INK, mew=1.5, color=look.color, zorder=4)
        side = {0: "left", len(curve.x) - 1: "right"}.get(data.place, "center")
        ax.annotate(
            format_rate(here[1]), here, (0, 12), textcoords="offset points", ha=side,
            weight="bold", zorder=5, bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1},
        )  # fmt: skip
    _limit(ax, curve, top)
    _scale(ax, curve, top)


def top_of(curve: Curve) -> float:
    """Return where the vertical axis ends: above the highest rate, and the limit if it is near."""
    most = max((float(np.nanmax(rate)) for rate in curve.rates.values()), default=0.0)
    near = float(curve.limit.max())
    return 1.12 * (near if most < near <= 1.6 * most else most) or 1.0


def _limit(ax: Axes, curve: Curve, top: float) -> None:
    """Draw what limits, named at the last point of it that is seen."""
    seen = np.flatnonzero(curve.limit <= top)
    if not len(seen):
        return
    ax.plot(curve.x, curve.limit, ":", color=SEVERAL)
    last = int(seen[-1])
    end = last == len(curve.x) - 1
    if not last:
        return
    ax.annotate(
        f"at most: {curve.limited_by[last]} in use", (int(curve.x[last]), float(curve.limit[last])),
        (0 if end else -8, 5 if end else 0), textcoords="offset points", color=SEVERAL,
        ha="right", va="bottom",
    )  # fmt: skip


def _scale(ax: Axes, curve: Curve, top: float) -> None:
    sized = curve.over == "transfer_size"
    ax.set_xscale("log", base=2)
    shown = curve.x[:: 1 + (len(curve.x) > 9)]
    ax.set_xticks(shown, [format_size(int(x)) if sized else f"{int(x):,}" for x in shown])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(AXES[curve.over])
    ax.set_ylim(0, top)
    size, unit = byte_axis(top)
    scaled(ax.yaxis, size)
    ax.set_ylabel(f"{unit}/s, open to close")
    if len(curve.rates) > 1:
        ax.legend(loc="best")
    ax.grid(alpha=0.25)
