"""What Lustre's ``lfs`` prints of layouts and targets, read.

Formats: the Lustre Software Release 2.x Operations Manual, chapters "Managing File Layout
(Striping) and Free Space" and "Data on MDT"; lfs-getstripe(1), lfs-df(1); and for spaces and words
what `lustre/utils/liblustreapi.c` prints, 1.8 to 2.16: a table of objects (``obdidx objid objid
group``), lists of them (2.10 on), and YAML (``-y``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from piotutor.errors import UsageError
from piotutor.storage.striping import ALL, Component, LayoutError, Striping, whole
from piotutor.units import parse_size

_TOOL = "lfs getstripe"
_PAIR = re.compile(r"(?:(?<=\s)|(?<=\))|^)(?:lmm_|lcme_|lcm_)?([a-z][\w.]*):[ \t]*([^\s{}]*)")
_ROW = re.compile(r"\s*(\d+)\s+\S+\s+\S+\s+\S+\s*\*?\s*")
_TARGET = re.compile(
    r"(?P<name>\S+-OST(?P<index>[0-9a-f]{4,})\S*)\s+"
    r"(?P<size>\d+)\s+(?P<used>\d+)\s+(?P<free>\d+)\s+\d+%.*"
)
_BITS = {0x1: "raid0", 0x100: "mdt", 0x200: "overstriped", 0x80000000: "released"}
_END = re.compile(r"eof|-1", re.IGNORECASE)
_SETTINGS = ("stripe_count", "stripe_size", "pattern", "stripe_offset", "pool", "mdt_index")


class Target(NamedTuple):
    """An OST as ``lfs df`` lists it: its number, name, size and free space in bytes."""

    number: int
    name: str
    size: int
    free: int


def parse_getstripe(text: str) -> Striping:
    """Read what ``lfs getstripe`` prints of one file or directory, as text or as YAML.

    Of mirrors the first that isn't stale is returned.

    Raises
    ------
    LayoutError
        It is damaged, cut, in another language, or tells of no stripes.
    """
    head, parts = _split(text)
    if not parts:
        raise LayoutError(f"{_TOOL}: no stripes in its answer: {_shown(text)}")
    expected = head.get("entry_count")
    if expected is not None and whole(expected, "lcm_entry_count", _TOOL) != len(parts):
        raise LayoutError(f"{_TOOL}: {expected} components are announced, {len(parts)} are there")
    copies = whole(head.get("mirror_count", "1"), "lcm_mirror_count", _TOOL)
    components = [_component(part) for part in _first_mirror(parts)]
    _check_extents(components)
    return Striping("lustre", tuple(components), max(copies, 1))


def parse_df(text: str) -> list[Target]:
    """Read the OSTs in what ``lfs df`` prints (sizes in KiB); inactive ones are left out.

    Raises
    ------
    LayoutError
        There is none.
    """
    found = [
        Target(int(row["index"], 16), row["name"], 1024 * int(row["size"]), 1024 * int(row["free"]))
        for row in map(_TARGET.fullmatch, map(str.strip, text.splitlines()))
        if row and len(row["size"]) < 18 and len(row["free"]) < 18 and len(row["index"]) < 9
    ]
    if not found:
        raise LayoutError(f"lfs df: no OST in its answer: {_shown(text)}")
    return found


def _split(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return what is said of the whole file, and the pairs of each component.

    The OSTs of a component stand, with blanks between them, under ``objects``.
    """
    head: dict[str, str] = {}
    parts: list[dict[str, str]] = []
    composite = rows = False
    for key, value in _pairs(text):
        if key in ("layout_gen", "mirror_count", "entry_count") and not parts:
            head[key] = value
        elif key == "id":
            composite = True
            parts.append({})
        elif key == "obdidx":
            rows = True
        elif key in ("row", "l_ost_idx"):
            if parts and (rows or key != "row"):
                parts[-1]["objects"] = f"{parts[-1].get('objects', '')} {value}".strip()
            elif rows:
                parts.append({"objects": value})
        elif key in _SETTINGS or key.startswith("extent.") or key in ("flags", "mirror_id"):
            if not parts or (not composite and key == "stripe_count" and key in parts[-1]):
                parts.append({})
            parts[-1][key] = value
    return head, parts


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Return names and values in their order; rows of a table of objects as ``row``."""
    for line in text.splitlines():
        if line.startswith("/"):
            continue  # the path, which may say anything
        row = _ROW.fullmatch(line)
        if row:
            yield "row", row[1]
        elif line.split()[:1] == ["obdidx"]:
            yield "obdidx", ""
        else:
            yield from ((name, value.rstrip(",")) for name, value in _PAIR.findall(line))


def _first_mirror(parts: list[dict[str, str]]) -> list[dict[str, str]]:
    fresh = [part for part in parts if "stale" not in part.get("flags", "").split(",")] or parts
    first = fresh[0].get("mirror_id", "0")
    return [part for part in fresh if part.get("mirror_id", "0") == first]


def _component(part: dict[str, str]) -> Component:
    """Make sense of one component's pairs."""
    pattern = _pattern(part.get("pattern", "raid0"))
    objects = tuple(whole(one, "an OST", _TOOL) for one in part.get("objects", "").split())
    count = whole(part.get("stripe_count", str(len(objects))), "stripe_count", _TOOL)
    count = ALL if count in (0xFFFF, 0xFFFFFFFF) else count
    size = _size(part.get("stripe_size", "0"))
    start = whole(part.get("extent.e_start", "0"), "lcme_extent.e_start", _TOOL)
    end = part.get("extent.e_end", "EOF")
    first = whole(part.get("stripe_offset", "-1"), "stripe_offset", _TOOL)
    if count > 0xFFFF or min(objects, default=0) < 0 or (objects and len(objects) != count):
        raise LayoutError(f"{_TOOL}: {count} stripes are announced, {len(objects)} are listed")
    return Component(
        stripe_size=size,
        stripe_count=count,
        start=start,
        end=None if _END.fullmatch(end) else whole(end, "lcme_extent.e_end", _TOOL),
        targets=objects,
        start_ost=first if 0 <= first < 0xFFFF else -1,
        pool=part.get("pool", ""),
        pattern=pattern,
    )


def _pattern(word: str) -> str:
    """Name a pattern: newer tools use words, older ones a hexadecimal number."""
    if not re.fullmatch(r"[0-9a-f]{1,8}", word):
        names = set(word.split(","))
    else:
        names = {name for bit, name in _BITS.items() if int(word, 16) & bit}
    for name in ("released", "mdt", "overstriped"):
        if name in names:
            return name
    return ",".join(sorted(names)) or "raid0"


def _shown(text: str) -> str:
    return repr(" ".join(text.split())[:80])


def _size(word: str) -> int:
    try:
        return parse_size(word)
    except UsageError:
        raise LayoutError(f"{_TOOL}: stripe_size is {word[:40]!r}, which is no size") from None


def _check_extents(components: list[Component]) -> None:
    """Refuse components that aren't in order; a file may end with its last."""
    at: int | None = 0
    for component in components:
        if component.start != at or (component.end is not None and component.end < component.start):
            raise LayoutError(f"{_TOOL}: a component begins at {component.start}, out of order")
        at = component.end
