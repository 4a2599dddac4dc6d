"""Pictures of traces, each with a finding as its title and a text alternative.

`KINDS` names the pictures; `figure` draws one of them, `alt_text` describes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from piotutor.errors import UsageError
from piotutor.plots import (
    access_map,
    address_map,
    comparison,
    descent,
    devices_array,
    devices_disk,
    devices_flash,
    extents,
    latency,
    locks,
    locks_data,
    locks_words,
    pattern_map,
    prediction,
    published,
    queue,
    ribbon,
    ribbon_data,
    ribbon_words,
    stripe_access,
    style,
    tank,
    target_bars,
    targets,
    throughput,
    timeline,
    verdicts,
    whatif,
)
from piotutor.plots.style import Style
from piotutor.trace import Trace

__all__ = [
    "KINDS",
    "Style",
    "access_map",
    "address_map",
    "alt_text",
    "comparison",
    "descent",
    "devices_array",
    "devices_disk",
    "devices_flash",
    "figure",
    "latency",
    "locks",
    "pattern_map",
    "prediction",
    "published",
    "queue",
    "ribbon",
    "stripe_access",
    "style",
    "tank",
    "target_bars",
    "targets",
    "throughput",
    "timeline",
    "verdicts",
    "whatif",
]


class Kind(NamedTuple):
    """The functions of one picture: numbers, title, description, drawing."""

    data: Callable[..., Any]
    finding: Callable[[Any], str]
    alt: Callable[[Any], str]
    plot: Callable[..., Figure]


KINDS = {
    "access_map": Kind(
        access_map.access_map_data,
        extents.access_finding,
        extents.access_alt,
        access_map.plot_access_map,
    ),
    "throughput": Kind(
        throughput.throughput_data,
        throughput.throughput_finding,
        throughput.throughput_alt,
        throughput.plot_throughput,
    ),
    "latency": Kind(
        latency.latency_data, latency.latency_finding, latency.latency_alt, latency.plot_latency
    ),
    "timeline": Kind(
        timeline.timeline_data,
        timeline.timeline_finding,
        timeline.timeline_alt,
        timeline.plot_timeline,
    ),
    "queue": Kind(queue.queue_data, queue.queue_finding, queue.queue_alt, queue.plot_queue),
    "tank": Kind(tank.tank_data, tank.tank_finding, tank.tank_alt, tank.plot_tank),
    "descent": Kind(
        descent.descent_data, descent.descent_finding, descent.descent_alt, descent.plot_descent
    ),
    "ribbon": Kind(
        ribbon_data.ribbon_data,
        ribbon_words.ribbon_finding,
        ribbon_words.ribbon_alt,
        ribbon.plot_ribbon,
    ),
    "targets": Kind(
        targets.targets_data, targets.targets_finding, targets.targets_alt, targets.plot_targets
    ),
    "target_totals": Kind(
        target_bars.target_totals_data,
        target_bars.target_totals_finding,
        target_bars.target_totals_alt,
        target_bars.plot_target_totals,
    ),
    "straggler": Kind(
        target_bars.straggler_data,
        target_bars.straggler_finding,
        target_bars.straggler_alt,
        target_bars.plot_straggler,
    ),
    "stripe_map": Kind(
        stripe_access.stripe_map_data,
        stripe_access.stripe_map_finding,
        stripe_access.stripe_map_alt,
        stripe_access.plot_stripe_map,
    ),
    "locks": Kind(
        locks_data.locks_data, locks_words.locks_finding, locks_words.locks_alt, locks.plot_locks
    ),
    "verdicts": Kind(
        verdicts.verdicts_data,
        verdicts.verdicts_finding,
        verdicts.verdicts_alt,
        verdicts.plot_verdicts,
    ),
}


def figure(trace: Trace, kind: str, *, style: Style | None = None, **options: Any) -> Figure:
    """Draw one picture of a trace.

    Parameters
    ----------
    trace : Trace
    kind : str
        One of `KINDS`: ``access_map``, ``throughput``, ``latency``, ``timeline``, ``tank``,
        ``queue``, ``descent``, ``ribbon``, ``targets``, ``target_totals``, ``straggler``,
        ``stripe_map``, ``locks`` or ``verdicts``.
    style : Style, optional
        Sizes of type and lines.
    **options
        Those of the picture's data function.

    Raises
    ------
    UsageError
        There is no such picture.
    """
    return _kind(kind).plot(trace, style=style, **options)


def alt_text(trace: Trace, kind: str, **options: Any) -> str:
    """Describe one picture of a trace for a reader who can't see it."""
    found = _kind(kind)
    return found.alt(found.data(trace, **options))


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise UsageError(f"{name!r} is no picture: use one of {', '.join(KINDS)}")
    return KINDS[name]
