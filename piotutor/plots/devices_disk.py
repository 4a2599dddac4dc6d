"""What requests to a disk are made of: its arm over the cylinders, the platter below its head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Circle

from piotutor.engine.devices import DISKS, Disk
from piotutor.errors import UsageError
from piotutor.metrics import transfers
from piotutor.plots import style as looks
from piotutor.plots.style import GRID, INK, Look, Style, Words, picture, rank_looks
from piotutor.trace import Trace

PARTS = ("overhead", "seek", "rotation", "transfer")
"""What a request waits for, in this order."""
_MEANING = {
    "overhead": "controller",
    "seek": "arm moves",
    "rotation": "platter turns",
    "transfer": "bytes move",
}
_LOOKS = {
    "overhead": Look("#999999", "xx"),
    "seek": Look("#D55E00", "//"),
    "rotation": Look("#E69F00", ".."),
    "transfer": Look("#0072B2", ""),
}
_INNER = 0.35  # radius of the last cylinder, where that of the first is 1

Requests = Trace | tuple[Sequence[int], Sequence[int]]
"""A trace, whose transfers are taken in their order, or offsets and lengths in bytes."""


@dataclass(frozen=True, eq=False)
class DiskData:
    """What the picture shows.

    Attributes
    ----------
    disk : Disk
    steps : dict
        Name to the engine's steps of its requests (ns), in their order; all begin at cylinder 0.
    bytes : dict
        Name to how many bytes were asked for.
    badge : str
        ``modelled``, and by what.
    """

    disk: Disk
    steps: dict[str, np.ndarray]
    bytes: dict[str, int]
    badge: str

    def seconds(self, name: str) -> dict[str, float]:
        """Return what all requests of a name needed, by part."""
        return {part: float(self.steps[name][part].sum()) / 1e9 for part in PARTS}

    def total(self, name: str) -> float:
        """Return the seconds of all requests of a name, one after the other."""
        return sum(self.seconds(name).values())

    def arm(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return when the arm was where: seconds and cylinders, the corners of its way."""
        steps = self.steps[name]
        ends = np.cumsum(sum(steps[part] for part in PARTS))
        starts = np.concatenate([[0], ends[:-1]]) + steps["overhead"]
        times = np.stack([starts, starts + steps["seek"]], 1).ravel()
        before = np.concatenate([[0], steps["cylinder"][:-1]])
        places = np.stack([before, steps["cylinder"]], 1).ravel()
        return np.append(times, ends[-1:]) / 1e9, np.append(places, steps["cylinder"][-1:])


def disk_data(requests: Mapping[str, Requests], *, disk: str = "hp97560") -> DiskData:
    """Let a disk serve requests, those of each name by themselves.

    Parameters
    ----------
    requests : mapping
        Name to a trace (its reads and writes, at their offsets), or to offsets and lengths.
    disk : str
        One of `piotutor.engine.devices.DISKS`.

    Raises
    ------
    UsageError
        There is no such disk, or a request lies outside of it.
    """
    if disk not in DISKS:
        raise UsageError(f"disk={disk!r}: choose {', '.join(DISKS)}")
    asked = {name: _asked(one) for name, one in requests.items()}
    steps = {
        name: DISKS[disk].serve(one[0].tolist(), one[1].tolist()) for name, one in asked.items()
    }
    sizes = {name: int(lengths.sum()) for name, (_, lengths) in asked.items()}
    lacks = "no queue" if DISKS[disk].buffer else "no cache, no queue"
    return DiskData(DISKS[disk], steps, sizes, f"modelled · one disk, {disk}, {lacks}")


def _asked(requests: Requests) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(requests, Trace):
        offsets, lengths = requests
        return np.asarray(offsets, np.int64), np.asarray(lengths, np.int64)
    found = requests.records[transfers(requests)]
    found = found[np.argsort(found["start"], kind="stable")]
    return found["offset"], found["length"]


def disk_finding(data: DiskData) -> str:
    """Say how long the slowest pattern takes beside the quickest, and what share moves bytes."""
    totals = {name: data.total(name) for name in data.steps if data.total(name)}
    if not totals:
        return "The disk has nothing to do"
    slow, quick = max(totals, key=totals.__getitem__), min(totals, key=totals.__getitem__)
    shares = [100 * data.seconds(name)["transfer"] / totals[name] for name in (slow, quick)]
    told = f"{slow} takes {totals[slow] * 1e3:,.0f} ms"
    if slow == quick:
        return f"{told}; bytes move in {shares[0]:.2g}% of it"
    times = totals[slow] / totals[quick]
    return (
        f"{told}, {times:.2g} times as long as {quick}; bytes move in {shares[0]:.2g}% of that, "
        f"and in {shares[1]:.2g}% of {quick}"
    )


def _requests(steps: np.ndarray) -> str:
    return f"{len(steps):,} request{'s' * (len(steps) != 1)}"


def disk_alt(data: DiskData) -> str:
    """Describe the picture for a reader who can't see it."""
    told = []
    for name, steps in data.steps.items():
        parts = ", ".join(
            f"{_MEANING[part]} {seconds * 1e3:,.1f} ms"
            for part, seconds in data.seconds(name).items()
        )
        told.append(f"{name}, {_requests(steps)} for {data.bytes[name]:,} bytes: {parts}")
    return (
        "Bars of what all requests of a pattern wait for, one platter with the way of the head "
        f"for one request, and below the arm's cylinder over time. {'; '.join(told)}."
    )


def plot_disk(
    data: DiskData,
    *,
    request: tuple[str, int] | None = None,
    ax: Axes | None = None,
    style: Style | None = None,
) -> Figure:
    """Draw what requests are made of, one of them on its platter, and the arm over time.

    Parameters
    ----------
    data : DiskData
    request : tuple of str and int, optional
        Pattern and number of the request on the platter; without it the first pattern's last.
    ax : Axes, optional
        Draw only the bars, without title and badge, here.
    style : Style, optional
        Sizes of type and lines.
    """
    words = Words(disk_finding(data), data.badge, disk_alt(data))
    panels = partial(_draw_panels, data, request)
    return picture(partial(_draw_bars, data), words, ax, style, 6.4, panels)


def _draw_panels(data: DiskData, request: tuple[str, int] | None, figure: Figure) -> None:
    panels = figure.subplot_mosaic(
        [["bars", "platter"], ["arm", "arm"]], width_ratios=[1.6, 1], height_ratios=[1.3, 1]
    )
    name, number = request or (next(iter(data.steps)), -1)
    number %= len(data.steps[name])
    _draw_bars(data, panels["bars"])
    _draw_platter(data, panels["platter"], name, number)
    _draw_arm(data, panels["arm"], name, number)


def _draw_bars(data: DiskData, ax: Axes) -> None:
    for row, name in enumerate(data.steps):
        left = 0.0
        for part, seconds in data.seconds(name).items():
            ax.barh(row, seconds * 1e3, 0.65, left, **looks.hatched(_LOOKS[part]))
            left += seconds * 1e3
    count = [f"{name}\n{_requests(steps)}" for name, steps in data.steps.items()]
    ax.set_yticks(range(len(count)), count)
    ax.invert_yaxis()
    ax.set_xlabel("milliseconds, all requests one after the other")
    looks.top_legend(ax, [looks.handle(_LOOKS[part], _MEANING[part]) for part in PARTS], 2)


def _radius(disk: Disk, cylinder: int) -> float:
    return 1 - (1 - _INNER) * cylinder / max(1, disk.cylinders - 1)


def _draw_platter(data: DiskData, ax: Axes, name: str, number: int) -> None:
    disk, step = data.disk, data.steps[name][number]
    before = int(data.steps[name]["cylinder"][number - 1]) if number else 0
    here, there = _radius(disk, before), _radius(disk, int(step["cylinder"]))
    for radius, color in ((1.0, "#F2F2F2"), (_INNER, "white")):
        ax.add_patch(Circle((0, 0), radius, facecolor=color, edgecolor=GRID, lw=1))
    ax.plot([1.25, here], [0, 0], color=GRID)
    ax.plot([here, there], [0, 0], color=_LOOKS["seek"].color, lw=5, solid_capstyle="butt")
    ax.plot([there], [0], "o", color=INK)
    turn = disk.rotation * 1e9
    waits = 360 * float(step["rotation"]) / turn
    reads = min(359.0, 360 * float(step["transfer"]) / turn)
    for first, length, part in ((0.0, waits, "rotation"), (waits, reads, "transfer")):
        if length:
            color = _LOOKS[part].color
            ax.add_patch(
                Arc((0, 0), 2 * there, 2 * there, theta1=first, theta2=first + length,
                    color=color, lw=5)
            )  # fmt: skip
    ax.set(xlim=(-1.1, 1.3), ylim=(-1.1, 1.1), aspect="equal", xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    total = sum(int(step[part]) for part in PARTS) / 1e6
    ax.set_xlabel(
        f"{name}, request {number}: cylinder {before} → {step['cylinder']}\n"
        f"{total:.1f} ms = {' + '.join(f'{step[part] / 1e6:.1f}' for part in PARTS)}"
    )


def _draw_arm(data: DiskData, ax: Axes, name: str, number: int) -> None:
    for (other, _), look, dashes in zip(
        data.steps.items(), rank_looks(range(len(data.steps))), ("-", "--", ":", "-.") * 9,
        strict=False,
    ):  # fmt: skip
        times, places = data.arm(other)
        ax.plot(times * 1e3, places, dashes, color=look.color, label=other)
        if other == name:
            at = 2 * number + 1
            ax.plot(times[at] * 1e3, places[at], "o", color=INK, zorder=5)
    ax.set(xlabel="milliseconds", ylabel="cylinder", xlim=(0, None))
    ax.set_ylim(-0.04 * data.disk.cylinders, 1.04 * data.disk.cylinders)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    looks.top_legend(ax, ax.get_legend_handles_labels()[0], 4)
