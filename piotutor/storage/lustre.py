"""Lustre: how files are striped over its targets (OSTs), and new ones laid out as asked.

Formats: the Lustre Software Release 2.x Operations Manual, chapters "Managing File Layout
(Striping) and Free Space" and "Data on MDT"; lfs-getstripe(1), lfs-setstripe(1), lfs-df(1); and
for spaces and words what `lustre/utils/liblustreapi.c` prints, 1.8 to 2.16: a table of objects
(``obdidx objid objid group``), lists of them (2.10 on), and YAML (``-y``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from piotutor.errors import UsageError
from piotutor.storage.striping import ALL, Component, LayoutError, Striping, whole
from piotutor.storage.tool import ask
from piotutor.units import format_size, parse_size

MOST_STRIPES = 2000
SMALLEST_STRIPE = 1 << 16
LARGEST_STRIPE = (1 << 32) - SMALLEST_STRIPE

_TOOL = "lfs getstripe"
_PAIR = re.compile(r"(?:(?<=\s)|(?<=\))|^)(?:lmm_|lcme_|lcm_)?([a-z][\w.]*):[ \t]*([^\s{}]*)")
_ROW = re.compile(r"\s*(\d+)\s+\S+\s+\S+\s+\S+\s*\*?\s*")
_TARGET = re.compile(
    r"(?P<name>\S+-OST(?P<index>[0-9a-f]{4,})\S*)\s+"
    r"(?P<size>\d+)\s+(?P<used>\d+)\s+(?P<free>\d+)\s+\d+%.*"
)
_BITS = {0x1: "raid0", 0x100: "mdt", 0x200: "overstriped", 0x80000000: "released"}
_POOL = re.compile(r"[A-Za-z0-9_]{1,15}")
_END = re.compile(r"eof|-1", re.IGNORECASE)
_SETTINGS = ("stripe_count", "stripe_size", "pattern", "stripe_offset", "pool", "mdt_index")


class Target(NamedTuple):
    """An OST as ``lfs df`` lists it: its number, name, size and free space in bytes."""

    number: int
    name: str
    size: int
    free: int


def striping(path: Path, timeout: float = 10.0) -> Striping:
    """Ask how a file, or each new file of a directory, is striped.

    Raises
    ------
    LayoutError
        ``lfs`` is missing, fails, or says what can't be read.
    """
    only = ("-d",) if path.is_dir() else ()
    return parse_getstripe(ask(("lfs", "getstripe", *only, str(path)), timeout))


def targets(path: Path, timeout: float = 10.0) -> list[Target]:
    """List the OSTs of the file system that a path is on; errors as of `striping`."""
    return parse_df(ask(("lfs", "df", str(path)), timeout))


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


def setstripe(path: Path, components: Sequence[Component]) -> list[str]:
    """Return the ``lfs setstripe`` for a new file, or for a directory's new files.

    Parameters
    ----------
    path : Path
        Absolute.
    components : sequence of Component
        What is wanted; more than one makes a progressive layout, each from the end of the one
        before it. What is 0 (sizes, counts), -1 (``start_ost``) or empty is left to the file
        system.

    Raises
    ------
    UsageError
        Lustre has no such layout.
    """
    if not path.is_absolute() or not components:
        raise UsageError(f"{path}: a layout needs an absolute path and a component")
    at: int | None = 0
    words = ["lfs", "setstripe"]
    for component in components:
        if component.start != at:
            raise UsageError(f"a component begins at {component.start}, not where the last ends")
        at = component.end
        words += _extent(component, alone=len(components) == 1) + _stripes(component)
    return [*words, str(path)]


def lay_out(path: Path, components: Sequence[Component], timeout: float = 10.0) -> Striping:
    """Give a new file, or a directory's new files, a layout, and see that it came to be.

    Returns
    -------
    Striping
        What ``lfs getstripe`` says afterwards.

    Raises
    ------
    UsageError
        Lustre has no such layout.
    LayoutError
        A tool fails, or the layout isn't what was asked for.
    """
    ask(setstripe(path, components), timeout)
    got = striping(path, timeout)
    wrong = differences(components, got)
    if wrong:
        raise LayoutError(f"lfs setstripe was not obeyed at {path}: {'; '.join(wrong)}")
    return got


def differences(wanted: Iterable[Component], got: Striping) -> list[str]:
    """Say in which points a layout isn't what was asked for; what was left open can't differ."""
    asked = list(wanted)
    if len(asked) != len(got.components):
        return [f"{len(asked)} components asked for, {len(got.components)} there"]
    found = []
    for want, have in zip(asked, got.components, strict=True):
        pairs = {
            "end": (want.end, have.end, True),
            "stripe_size": (want.stripe_size, have.stripe_size, want.stripe_size > 0),
            "stripe_count": (want.stripe_count, have.stripe_count, want.stripe_count > 0),
            "start_ost": (want.start_ost, have.start_ost, want.start_ost >= 0),
            "pool": (want.pool, have.pool, bool(want.pool)),
            "pattern": (want.pattern, have.pattern, want.pattern == "mdt"),
        }
        found += [
            f"{name} {is_there} instead of {wish}"
            for name, (wish, is_there, matters) in pairs.items()
            if matters and wish != is_there
        ]
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


def _extent(component: Component, *, alone: bool) -> list[str]:
    end = component.end
    if end is None:
        return [] if alone else ["-E", "-1"]
    if end <= component.start or end % SMALLEST_STRIPE:
        raise UsageError(f"a component can't end at {end}: a later multiple of 64 KiB, or None")
    return ["-E", str(end)]


def _stripes(component: Component) -> list[str]:
    """Return the options of one component."""
    if component.pattern == "mdt":
        return ["-L", "mdt"]
    size, count = component.stripe_size, component.stripe_count
    words: list[str] = []
    if size:
        if size % SMALLEST_STRIPE or not SMALLEST_STRIPE <= size <= LARGEST_STRIPE:
            asked = format_size(size) if size > 0 else str(size)
            raise UsageError(
                f"stripe_size={asked}: Lustre takes multiples of 64 KiB, up to 4 GiB - 64 KiB"
            )
        words += ["-S", str(size)]
    if count:
        if count != ALL and not 0 < count <= MOST_STRIPES:
            raise UsageError(f"stripe_count={count}: from 1 to {MOST_STRIPES}, or -1 for all OSTs")
        words += ["-C" if component.pattern == "overstriped" else "-c", str(count)]
    if component.start_ost >= 0:
        words += ["-i", str(component.start_ost)]
    if component.pool:
        if not _POOL.fullmatch(component.pool):
            raise UsageError(f"pool {component.pool!r}: up to 15 letters, digits and underscores")
        words += ["-p", component.pool]
    return words
