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
    """The functions of one picture: numbers, drawing, description."""

    data: Callable[..., Any]
    plot: Callable[..., Figure]
    alt: Callable[[Any], str]


KINDS = {
    "access_map": Kind(access_map.access_map_data, access_map.plot_access_map, extents.access_alt),
    "throughput": Kind(
        throughput.throughput_data, throughput.plot_throughput, throughput.throughput_alt
    ),
    "latency": Kind(latency.latency_data, latency.plot_latency, latency.latency_alt),
    "timeline": Kind(timeline.timeline_data, timeline.plot_timeline, timeline.timeline_alt),
    "queue": Kind(queue.queue_data, queue.plot_queue, queue.queue_alt),
    "tank": Kind(tank.tank_data, tank.plot_tank, tank.tank_alt),
    "descent": Kind(descent.descent_data, descent.plot_descent, descent.descent_alt),
    "ribbon": Kind(ribbon_data.ribbon_data, ribbon.plot_ribbon, ribbon_words.ribbon_alt),
    "targets": Kind(targets.targets_data, targets.plot_targets, targets.targets_alt),
    "target_totals": Kind(
        target_bars.target_totals_data,
        target_bars.plot_target_totals,
        target_bars.target_totals_alt,
    ),
    "straggler": Kind(
        target_bars.straggler_data, target_bars.plot_straggler, target_bars.straggler_alt
    ),
    "stripe_map": Kind(
        stripe_access.stripe_map_data, stripe_access.plot_stripe_map, stripe_access.stripe_map_alt
    ),
    "locks": Kind(locks_data.locks_data, locks.plot_locks, locks_words.locks_alt),
    "verdicts": Kind(verdicts.verdicts_data, verdicts.plot_verdicts, verdicts.verdicts_alt),
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
