"""Where each rank will write or read, before anything has run."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from piotutor.pattern import all_transfers
from piotutor.plots.access_map import plot_access_map
from piotutor.plots.extents import AccessData, Extents, extents_data
from piotutor.plots.style import Style
from piotutor.workload import Workload


def pattern_map_data(
    workload: Workload, *, op: str = "write", grid: int | None = None, grid_name: str = "page"
) -> AccessData:
    """Compute the map of the transfers that a workload plans.

    Parameters
    ----------
    workload : Workload
    op : str
        ``write`` or ``read``.
    grid : int, optional
        Bytes of a page, stripe or lock unit.
    grid_name : str
        What a unit of the grid is called.
    """
    rank, planned = all_transfers(workload, op)
    never = np.zeros(len(rank))
    files = [f"file {n}" for n in range(workload.num_files)]
    ranks = f"{workload.num_tasks} rank" + "s" * (workload.num_tasks != 1)
    return extents_data(
        lambda: [Extents(never, never, planned.offset, planned.length, rank)][: len(rank)],
        op=op,
        against="rank",
        files=files,
        grid=grid,
        grid_name=grid_name,
        badge=f"planned, not run · {workload.api}, {ranks}",
    )


def plot_pattern_map(
    workload: Workload,
    *,
    ax: Axes | None = None,
    style: Style | None = None,
    **options: Any,
) -> Figure:
    """Draw where each rank will write or read.

    Parameters
    ----------
    workload : Workload
    ax : Axes, optional
        Draw only the map, without lens, title and badge, here.
    style : Style, optional
        Sizes of type and lines.
    **options
        Those of `pattern_map_data`.
    """
    return plot_access_map(pattern_map_data(workload, **options), ax=ax, style=style)
