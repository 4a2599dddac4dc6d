"""What the descent says in words: its finding, the heads of its lanes, its text alternative."""

from __future__ import annotations

import math

import numpy as np

from piotutor.metrics_layers import Amplification, Step, amplification
from piotutor.plots.descent_data import DescentData
from piotutor.plots.lanes import NAMES, Kind, Lane
from piotutor.trace import Layer
from piotutor.units import format_count, format_size


def lane_words(data: DescentData, shown: Lane) -> str:
    """Head a lane: what it is, how many calls, how many bytes."""
    if shown.domains:
        return "file domains: what each aggregator moves in a collective call"
    mine = [step for step in data.steps if step.layer == shown.layer]
    counts = " + ".join(_count(step, shown) for step in mine)
    words = f"{NAMES[shown.layer]}: {counts}, {format_size(sum(step.bytes for step in mine))}"
    in_dataset = shown.layer == Layer.APP and Layer.HDF5 in data.layers and not shown.split
    if in_dataset and data.axis.by == "offset":
        words += " (offset in the dataset)"
    if shown.unplaced:
        words += f" ({format_count(shown.unplaced)} at an unknown offset)"
    return words


def _count(step: Step, shown: Lane) -> str:
    kind = shown.kinds.get(step.op, Kind())
    name = kind.name if shown.layer == Layer.POSIX and kind.name else step.op.name.lower()
    how = "collective " * bool(kind.collective) + name
    return _plural(step.operations, how) + " to fill holes" * step.for_write


def ratio_words(found: Amplification) -> str:
    """Say what became of calls and bytes: ``×0.031 operations, ×1.00 bytes``."""
    return f"{_times(found.operations)} operations, {_times(found.bytes)} bytes"


def _times(ratio: float) -> str:
    if ratio < 1:
        return f"×{ratio:.2g}"
    digits = 2 if ratio < 10 else 1 if ratio < 100 else 0
    return f"×{math.floor(ratio * 10**digits + 0.5) / 10**digits:,.{digits}f}"  # a half goes up


def descent_finding(data: DescentData) -> str:
    """Say what the application's transfers became."""
    if not data.steps:
        return "Nothing was transferred"
    layers = data.layers
    asked = f"In one of {data.files} files, " * (data.files > 1) + _asked(data)
    if len(layers) == 1:
        return f"{asked}; nothing below was captured"
    bottom = Layer.POSIX if Layer.POSIX in layers[1:] else layers[-1]
    found = amplification(data.steps, layers[0], bottom)
    assert found is not None
    below = found.lower.operations
    name = _plural(below, _DOWN[bottom])
    more = f" with {_times(found.bytes)[1:]} times the bytes" * (found.bytes >= _MORE)
    if found.read_back.operations:
        return f"{asked} became {name}{more}: holes are read and written back"
    if below == found.upper.operations:
        return f"{asked} became as many {_DOWN[bottom]}s"
    return f"{asked} became {name}{_where(data, bottom)}{more}"


_MORE = 1.1  # times the bytes that are worth a word
_DOWN = {
    Layer.HDF5: "HDF5 call",
    Layer.MPIIO: "MPI-IO call",
    Layer.POSIX: "system call",
    Layer.BLOCK: "block request",
}


def _asked(data: DescentData) -> str:
    """Name the transfers of the uppermost layer."""
    steps = [step for step in data.steps if step.layer == data.layers[0]]
    size = f" of {format_size(int(data.lengths[0]))}" if len(data.lengths) == 1 else ""
    return " and ".join(_plural(step.operations, step.op.name.lower()) + size for step in steps)


def _plural(count: int, name: str) -> str:
    return f"{format_count(count)} {name}" + "s" * (count != 1)


def _where(data: DescentData, layer: Layer) -> str:
    (shown,) = (one for one in data.lanes if one.layer == layer and not one.domains)
    ranks = shown.ranks[shown.ranks >= 0]
    above = len(data.lanes[0].ranks)
    if len(ranks) == 1 and above > 1:
        return f" on rank {ranks[0]}"
    return f" on {len(ranks)} ranks" if 1 < len(ranks) < above else ""


def descent_alt(data: DescentData) -> str:
    """Describe the lanes for a reader who can't see them."""
    if not data.lanes:
        return "An empty picture: there are no transfers of this kind."
    axis = "the offset in the file" if data.axis.by == "offset" else "time"
    lanes = "; ".join(lane_words(data, shown) for shown in data.lanes)
    text = f"One lane for each layer, from the top down; the horizontal axis is {axis}. {lanes}."
    for upper, lower, found in data.between():
        text += f" From {NAMES[upper]} to {NAMES[lower]}: {_became(found)}."
    for shown in data.lanes:
        if shown.domains:
            text += f" Aggregators: rank{'s' * (len(shown.ranks) > 1)} {_list(shown.ranks)}."
    for name, why in data.absent.items():
        text += f" Not captured here: {name} ({why})."
    return text


def _became(found: Amplification) -> str:
    before, after = (
        f"{_plural(n, 'call')}, {format_size(size)}" for n, size in (found.upper, found.lower)
    )
    return f"{before} → {after}: {ratio_words(found)}"


def _list(ranks: np.ndarray) -> str:
    shown = ", ".join(str(rank) for rank in ranks[:8])
    return shown if len(ranks) <= 8 else f"{shown} and {len(ranks) - 8} more"
