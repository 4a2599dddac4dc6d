"""What a view says of a finished run: the words of its static twin."""

from __future__ import annotations

from piotutor import plots
from piotutor.plots.extents import access_finding
from piotutor.plots.pattern_map import pattern_map_data
from piotutor.plots.style import Words
from piotutor.trace import Trace
from piotutor.workload import Workload


def of_trace(trace: Trace, name: str, grid: int = 0) -> Words:
    """Return title (the finding), badge and alternative text of one view of a trace."""
    kind = plots.KINDS[name]
    options = {"grid": grid} if grid and name == "access_map" else {}
    data = kind.data(trace, **options)
    title = kind.finding(data)
    return Words(title, data.badge, f"{title}. {kind.alt(data)}")


def of_plan(workload: Workload, grid: int = 0) -> Words:
    """Return title, badge and alternative text of what is planned."""
    op = "write" if workload.write else "read"
    data = pattern_map_data(workload, op=op, grid=grid or None)
    title = access_finding(data)
    axes = "The vertical axis is the offset, the horizontal one the number of each rank's transfer"
    return Words(title, data.badge, f"{title}. {axes}. Planned; nothing has run.")
