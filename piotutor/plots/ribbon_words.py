"""What is said of a ribbon: its finding, its description, and each stripe in one line."""

from __future__ import annotations

import numpy as np

from piotutor.layout import Composite, Striped
from piotutor.plots.ribbon_data import NOBODY, SEVERAL, RibbonData
from piotutor.units import format_count, format_size


def ribbon_finding(data: RibbonData) -> str:
    """Say how the file folds, or who wrote its stripes."""
    if data.map is None:
        return "Where the file's bytes lie isn't known"
    named = f"{data.map.name}, one of {data.files} files: " if data.files > 1 else ""
    return named + _finding(data) if data.count else "The file is empty: it has no stripes"


def _finding(data: RibbonData) -> str:
    assert data.map is not None
    if data.by == "rank" and (data.writer != NOBODY).any():
        return _writing(data)
    targets = len(data.map.targets)
    what = f"{format_size(data.map.size)} in {_sizes(data)}"
    if len(np.unique(data.stripes.object)) == 1:
        return f"{what}, all in one object on one {data.map.word}"
    place = f"{targets} {data.map.word}{'s' * (targets != 1)}"
    shared = "" if targets >= turn(data) else f": some {data.map.word}s hold several objects"
    return f"{what}, in turn over {_objects(data)} on {place}{shared}"


def turn(data: RibbonData) -> int:
    """Return over how many objects stripes go in turn at once."""
    assert data.map is not None
    objects = len(np.unique(data.stripes.object))
    layout = data.map.layout
    return min(objects, layout.stripe_count) if isinstance(layout, Striped) else objects


def _objects(data: RibbonData) -> str:
    """Say how many objects there are, in sets where they are of a limited size."""
    assert data.map is not None
    objects = f"{format_count(turn(data))} objects"
    layout = data.map.layout
    if not isinstance(layout, Striped) or layout.object_size is None:
        return objects
    sets = int(data.stripes.object.max()) // layout.stripe_count + 1
    size = format_size(layout.object_size)
    return f"{sets} sets of {objects} ({size} each)" if sets > 1 else objects


def _sizes(data: RibbonData) -> str:
    assert data.map is not None
    count = f"{format_count(data.count)} stripe{'s' * (data.count != 1)}"
    layout = data.map.layout
    if isinstance(layout, Composite):
        return f"{count} of {len(layout.components)} layouts, one after the other"
    return f"{count} of {format_size(int(layout.unit_at(np.zeros(1, np.int64))))}"


def _writing(data: RibbonData) -> str:
    several = int(np.count_nonzero(data.writer == SEVERAL))
    many = f"{format_count(data.count)} stripe{'s' * (data.count != 1)}"
    if several:
        return f"{format_count(several)} of {many} were written by several ranks"
    known = int(np.count_nonzero(data.writer != NOBODY))
    none = f"; of {format_count(data.count - known)} nobody" if known < data.count else ""
    return f"Each of {many} was written by one rank only{none}"


def ribbon_alt(data: RibbonData) -> str:
    """Describe the picture for a reader who can't see it."""
    if data.map is None or not data.count:
        return "An empty picture: no map of the file."
    folded = []
    for box in data.fold.boxes:
        mine = data.fold.number[data.stripes.object[data.fold.number] == box.object]
        said = ", ".join(map(str, mine.tolist()))
        folded.append(f"{data.names[box.column]}, object {box.object}: stripes {said}")
    hidden = f" {format_count(data.hidden)} stripes aren't drawn." if data.hidden else ""
    return (
        f"Above the file as a ribbon of stripes, below the {data.map.word}s with their objects, "
        f"{data.map.source}. {'; '.join(folded)}.{hidden} "
        f"For example: {stripe_words(data, example(data))}."
    )


def example(data: RibbonData) -> int:
    """Return the stripe that is pointed out: one in the second turn, where there is one."""
    wanted = turn(data) + turn(data) // 2
    return wanted if wanted < data.count and wanted in data.fold.number else 0


def stripe_words(data: RibbonData, number: int) -> str:
    """Say where a stripe is, in one line."""
    assert data.map is not None
    offset, length, target, object_, inside = (column[number] for column in data.stripes)
    name = str(target) if isinstance(target, str) else f"{data.map.word} {target}"
    text = (
        f"stripe {number} = bytes {_range(int(offset), int(offset + length))} → object "
        f"{object_}, offset {format_size(int(inside)) if inside else 0}, {name}"
    )
    who = int(data.writer[number])
    if who == NOBODY:
        return text
    return text + (", written by several ranks" if who == SEVERAL else f", by rank {who}")


def _range(low: int, high: int) -> str:
    """Write a range of bytes in one unit: ``384-448 KiB``."""
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        size = 1024**power
        if low % size == 0 and high % size == 0:
            return f"{low // size:,}-{high // size:,} {unit}"
    return f"{low:,}-{high:,}"
