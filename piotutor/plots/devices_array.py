"""An array of disks: stripes and their parity, and what a small write reads before it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from piotutor.engine.devices import Array
from piotutor.errors import UsageError
from piotutor.plots import style as looks
from piotutor.plots.style import GRID, INK, Look, Style, Words, picture
from piotutor.trace import Op
from piotutor.units import format_size

SMALL: Mapping[str, Array] = {
    "mirror": Array(level=1, width=2),
    "RAID 5, 3 disks": Array(level=5, width=3),
    "RAID 5, 8 disks": Array(level=5, width=8),
    "RAID 5, 8 disks,\nreconstruct": Array(level=5, width=8, policy="reconstruct-write"),
    "RAID 6, 8 disks": Array(level=6, width=8),
    "RAID 6, 8 disks,\nreconstruct": Array(level=6, width=8, policy="reconstruct-write"),
}
"""Arrays whose small writes are compared."""
STAGES = ("stripes", "read", "written")
"""What is shown: where data and parity lie; what is read first; what is written then."""
_DATA, _PARITY = Look("#56B4E9", ""), Look("#E69F00", "//")
_KINDS = {"read": Look("#999999", "\\\\"), "write": Look("#0072B2", "")}


@dataclass(frozen=True, eq=False)
class ArrayData:
    """What the picture shows.

    Attributes
    ----------
    array : Array
    parity : ndarray of bool
        Whether a disk's chunk of a stripe is parity (stripes x disks).
    used : ndarray of bool
        Whether the stripe lies on that disk at all.
    offset, length : int
        The write, in bytes.
    requests : ndarray of MEMBERS
        What the disks do for it, in order.
    costs : dict
        Name of an array to the device reads and writes of that write.
    badge : str
        ``modelled``, and by what.
    """

    array: Array
    parity: np.ndarray
    used: np.ndarray
    offset: int
    length: int
    requests: np.ndarray
    costs: dict[str, tuple[int, int]]
    badge: str

    def count(self, op: Op) -> int:
        """Return how many requests to disks the write needs."""
        return int(np.count_nonzero(self.requests["op"] == op))


def array_data(
    array: Array | None = None,
    *,
    offset: int = 0,
    length: int = 4096,
    stripes: int = 4,
    compared: Mapping[str, Array] = SMALL,
) -> ArrayData:
    """Ask the engine what an array's disks do for one write.

    Parameters
    ----------
    array : Array, optional
        Five disks in RAID 5, if not given.
    offset, length : int
        The write, in bytes, within the stripes that are shown.
    stripes : int
        How many are shown.
    compared : mapping
        Name to array, of which each does the same write.

    Raises
    ------
    UsageError
        The array is declustered: its stripes don't lie in rows.
    """
    array = array or Array(level=5, width=5)
    if array.disks != array.width:
        raise UsageError(
            f"width={array.width}, disks={array.disks}: stripes of a declustered array don't lie "
            "in rows; draw one with as many disks as its stripes are wide"
        )
    whole = array.width - {1: array.width - 1, 5: 1, 6: 2}.get(array.level, 0)
    size = whole * array.chunk
    parity, used = np.zeros((2, stripes, array.disks), bool)
    for stripe in range(stripes):
        full = array.requests(Op.WRITE, stripe * size, size)
        written = full[full["op"] == Op.WRITE]
        used[stripe, written["disk"]] = True
        parity[stripe, written["disk"]] = written["parity"] > 0
    found = array.requests(Op.WRITE, offset, length)
    costs = {name: _cost(one, offset, length) for name, one in compared.items()}
    told = f"modelled · RAID {array.level}, {array.disks} disks, chunks of"
    way = {"cheaper": "in the cheaper way"}.get(array.policy, array.policy)
    badge = f"{told} {format_size(array.chunk)}, {way}"
    return ArrayData(array, parity, used, offset, length, found, costs, badge)


def _cost(array: Array, offset: int, length: int) -> tuple[int, int]:
    ops = array.requests(Op.WRITE, offset, length)["op"]
    return int((ops == Op.READ).sum()), int((ops == Op.WRITE).sum())


def array_finding(data: ArrayData) -> str:
    """Say what a write costs."""
    reads, writes = data.count(Op.READ), data.count(Op.WRITE)
    size = format_size(data.length)
    first = f"{reads} read{'s' * (reads != 1)} first, then " if reads else "no reads, "
    return (
        f"One write of {size} is {reads + writes} operations on disks: {first}{writes} "
        f"write{'s' * (writes != 1)}"
    )


def array_alt(data: ArrayData) -> str:
    """Describe the picture for a reader who can't see it."""
    names = {int(Op.READ): "reads", int(Op.WRITE): "writes"}
    steps = ", ".join(
        f"disk {one['disk']} {names[int(one['op'])]} {'parity' if one['parity'] else 'data'}"
        for one in data.requests[:24]
    )
    costs = "; ".join(
        f"{name.replace(chr(10), ' ')}: {reads} reads, {writes} writes"
        for name, (reads, writes) in data.costs.items()
    )
    return (
        f"A grid of {len(data.parity)} stripes over {data.array.disks} disks, parity hatched. For "
        f"the write: {steps}. Bars of operations for one write of {format_size(data.length)}: "
        f"{costs}."
    )


def plot_array(
    data: ArrayData, *, stage: str = "written", ax: Axes | None = None, style: Style | None = None
) -> Figure:
    """Draw stripes and parity, one write's way over the disks, and what it costs in other arrays.

    Parameters
    ----------
    data : ArrayData
    stage : str
        One of `STAGES`, each with what comes before it.
    ax : Axes, optional
        Draw only the stripes, without title and badge, here.
    style : Style, optional
        Sizes of type and lines.
    """
    words = Words(array_finding(data), data.badge, array_alt(data))
    panels = partial(_draw_panels, data, stage)
    return picture(partial(_draw_stripes, data, stage), words, ax, style, 4.6, panels)


def _draw_panels(data: ArrayData, stage: str, figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    _draw_stripes(data, stage, left)
    _draw_costs(data, right)


def _draw_stripes(data: ArrayData, stage: str, ax: Axes) -> None:
    for stripe, disk in np.argwhere(data.used):
        look = _PARITY if data.parity[stripe, disk] else _DATA
        ax.add_patch(Rectangle((disk - 0.45, stripe - 0.4), 0.9, 0.8, **looks.hatched(look)))
    shown = {"stripes": (), "read": (Op.READ,), "written": (Op.READ, Op.WRITE)}[stage]
    for op in shown:
        _draw_requests(data, ax, op)
    ax.set(xlabel="disk", ylabel="stripe", xlim=(-0.6, data.array.disks - 0.4))
    ax.set_ylim(len(data.parity) - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(8, integer=True))
    looks.top_legend(ax, [looks.handle(_DATA, "data"), looks.handle(_PARITY, "parity")])


def _draw_requests(data: ArrayData, ax: Axes, op: Op) -> None:
    found = data.requests[data.requests["op"] == op]
    words, rise = ("1. read", -0.2) if op == Op.READ else ("2. write", 0.2)
    frame = {"facecolor": "white", "edgecolor": INK if op == Op.WRITE else GRID, "pad": 1.5}
    for one in found:
        stripe = int(one["offset"]) // data.array.chunk
        if stripe < len(data.parity):
            ax.text(one["disk"], stripe + rise, words, ha="center", va="center", bbox=frame,
                    fontsize="small")  # fmt: skip


def _draw_costs(data: ArrayData, ax: Axes) -> None:
    for row, (reads, writes) in enumerate(data.costs.values()):
        ax.barh(row, reads, 0.65, **looks.hatched(_KINDS["read"]))
        ax.barh(row, writes, 0.65, reads, **looks.hatched(_KINDS["write"]))
        ax.annotate(f"{reads + writes}", (reads + writes, row), (4, 0), va="center",
                    textcoords="offset points")  # fmt: skip
    ax.set_yticks(range(len(data.costs)), [*data.costs])
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.set_xlabel(f"operations on disks for one write of {format_size(data.length)}")
    ax.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    names = {"read": "reads first", "write": "writes then"}
    looks.top_legend(ax, [looks.handle(_KINDS[kind], names[kind]) for kind in _KINDS])
