"""BeeGFS: how files are striped over its storage targets.

Formats: doc.beegfs.io, "Striping" and "Deep Inspection": ``beegfs-ctl --getentryinfo`` of
versions 6 and 7, and ``beegfs entry info --retro --verbose`` of version 8, which prints the same.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from piotutor.errors import UsageError
from piotutor.storage.striping import Component, LayoutError, Striping, whole
from piotutor.storage.tool import SECONDS, ask
from piotutor.units import parse_size

_TOOL = "beegfs entry info"
_PAIR = re.compile(r"\+[ \t]*(Type|Chunksize|Storage Pool|Number of [a-z ]+):[ \t]*(.*)")
_COUNT = re.compile(r"(?:desired:\s*)?(-?\d+)(?:\s*;\s*actual:\s*(\d+))?")
_TARGET = re.compile(r"\s*\+\s*(\d+)(?:\s+@\s.*|\s*)")
_LISTS = ("+ Storage targets:", "+ Storage mirror buddy groups:", "+ Mirror buddy groups:")


def striping(path: Path, timeout: float = SECONDS) -> Striping:
    """Ask how a file, or each new file of a directory, is striped.

    Raises
    ------
    LayoutError
        BeeGFS's tool is missing, fails, or says what can't be read.
    """
    new = shutil.which("beegfs-ctl") is None and shutil.which("beegfs") is not None
    words = ("beegfs", "entry", "info", "--retro", "--verbose")
    return parse_entry(
        ask((*(words if new else ("beegfs-ctl", "--getentryinfo")), str(path)), timeout)
    )


def parse_entry(text: str) -> Striping:
    """Read what ``beegfs-ctl --getentryinfo`` prints of one file or directory.

    With buddy mirroring ``targets`` are the groups' numbers.

    Raises
    ------
    LayoutError
        It is damaged, cut, or in another language.
    """
    said, listed = _read(text)
    kind = said.get("Type", "")
    if "Chunksize" not in said or not kind or "count" not in said:
        raise LayoutError(f"{_TOOL}: no stripe pattern in its answer: {text.strip()[:80]!r}")
    counts = _COUNT.fullmatch(said["count"])
    if counts is None:
        raise LayoutError(f"{_TOOL}: the number of targets is {said['count'][:40]!r}")
    count = whole(counts[2] or counts[1], "the number of targets", _TOOL)
    if count < 1 or (counts[2] and listed and count != len(listed)):
        raise LayoutError(f"{_TOOL}: {count} targets are announced, {len(listed)} are listed")
    part = Component(
        stripe_size=_chunk(said["Chunksize"]),
        stripe_count=count,
        targets=tuple(listed),
        pool=said.get("Storage Pool", ""),
    )
    mirrored = "mirror" in kind.lower()
    note = "targets are buddy groups" if mirrored else ""
    return Striping("beegfs", (part,), copies=2 if mirrored else 1, note=note)


def _read(text: str) -> tuple[dict[str, str], list[int]]:
    """Return the pairs of the stripe pattern, and the targets."""
    said: dict[str, str] = {}
    listed: list[int] = []
    listing = False
    for line in text.splitlines():
        pair = _PAIR.match(line)
        target = _TARGET.fullmatch(line) if listing else None
        if pair:
            name = "count" if pair[1].startswith("Number of") else pair[1]
            said.setdefault(name, pair[2].strip())
        if target:
            listed.append(whole(target[1], "a target", _TOOL))
        else:
            listing = line.strip() in _LISTS
    return said, listed


def _chunk(word: str) -> int:
    try:
        size = parse_size(word)
    except UsageError:
        size = 0
    if not size:
        raise LayoutError(f"{_TOOL}: Chunksize is {word[:40]!r}, which is no size")
    return size
