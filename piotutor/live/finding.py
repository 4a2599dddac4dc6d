"""What a view says of a finished run: the words of its static twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from piotutor import plots
from piotutor.plots.descent import descent_finding
from piotutor.plots.extents import access_finding
from piotutor.plots.latency import latency_finding
from piotutor.plots.levels import tank_finding
from piotutor.plots.locks_words import locks_finding
from piotutor.plots.pattern_map import pattern_map_data
from piotutor.plots.queue import queue_finding
from piotutor.plots.ribbon_words import ribbon_finding
from piotutor.plots.style import Words
from piotutor.plots.targets import targets_finding
from piotutor.plots.throughput import throughput_finding
from piotutor.plots.timeline import timeline_finding
from piotutor.plots.verdicts import verdicts_finding
from piotutor.trace import Trace
from piotutor.workload import Workload

_FINDINGS: dict[str, Callable[[Any], str]] = {
    "access_map": access_finding,
    "throughput": throughput_finding,
    "latency": latency_finding,
    "timeline": timeline_finding,
    "queue": queue_finding,
    "tank": tank_finding,
    "descent": descent_finding,
    "ribbon": ribbon_finding,
    "targets": targets_finding,
    "locks": locks_finding,
    "verdicts": verdicts_finding,
}


def of_trace(trace: Trace, name: str, grid: int = 0) -> Words:
    """Return title (the finding), badge and alternative text of one view of a trace."""
    kind = plots.KINDS[name]
    options = {"grid": grid} if grid and name == "access_map" else {}
    data = kind.data(trace, **options)
    title = _FINDINGS[name](data)
    return Words(title, data.badge, f"{title}. {kind.alt(data)}")


def of_plan(workload: Workload, grid: int = 0) -> Words:
    """Return title, badge and alternative text of what is planned."""
    op = "write" if workload.write else "read"
    data = pattern_map_data(workload, op=op, grid=grid or None)
    title = access_finding(data)
    axes = "The vertical axis is the offset, the horizontal one the number of each rank's transfer"
    return Words(title, data.badge, f"{title}. {axes}. Planned; nothing has run.")
