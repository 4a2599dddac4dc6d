"""BeeGFS: how files are striped over its storage targets.

Formats: doc.beegfs.io, "Striping" and "Deep Inspection": ``beegfs-ctl --getentryinfo`` of
versions 6 and 7, and ``beegfs entry info --retro --verbose`` of version 8, which prints the same;
``beegfs-ctl --setpattern`` and ``beegfs entry set``.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from piotutor.errors import UsageError
from piotutor.storage import options
from piotutor.storage.local import Local
from piotutor.storage.options import option
from piotutor.storage.striping import Component, LayoutError, Striping, whole
from piotutor.storage.tool import ask
from piotutor.units import compact_size, format_size, parse_size

SMALLEST_CHUNK = 1 << 16

_TOOL = "beegfs entry info"
_PAIR = re.compile(r"\+[ \t]*(Type|Chunksize|Storage Pool|Number of [a-z ]+):[ \t]*(.*)")
_COUNT = re.compile(r"(?:desired:\s*)?(-?\d+)(?:\s*;\s*actual:\s*(\d+))?")
_TARGET = re.compile(r"\s*\+\s*(\d+)(?:\s+@\s.*|\s*)")
_LISTS = ("+ Storage targets:", "+ Storage mirror buddy groups:", "+ Mirror buddy groups:")


@dataclass(frozen=True, kw_only=True)
class BeeGFS(Local):
    """A directory on a BeeGFS, whose new files are striped as asked.

    What isn't given is left to the file system. Its administrators decide who may set a pattern.
    """

    name: ClassVar[str] = "beegfs"

    chunk_size: int = option(0, options.size, "bytes on a target before the next one's turn")
    num_targets: int = option(0, options.count, "targets of a file")

    def __post_init__(self) -> None:
        super().__post_init__()
        size = self.chunk_size
        if size and (size < SMALLEST_CHUNK or size & (size - 1)):
            raise UsageError(
                f"chunk_size={format_size(size)}: BeeGFS takes powers of two from 64 KiB on"
            )

    def prepare(self, directory: Path) -> dict[str, Any]:
        """Give a run's directory the pattern, if one is asked for, and see that it came to be.

        Raises
        ------
        LayoutError
            A tool fails, or the pattern isn't what was asked for.
        """
        if str(self) == self.name:
            return {}
        ask(self.pattern(directory))
        got = striping(directory)
        (part,) = got.components
        asked = {"chunk_size": self.chunk_size, "num_targets": self.num_targets}
        there = {"chunk_size": part.stripe_size, "num_targets": part.stripe_count}
        wrong = [name for name, value in asked.items() if value and there[name] != value]
        if wrong:
            found = "; ".join(f"{name} {there[name]} instead of {asked[name]}" for name in wrong)
            raise LayoutError(f"the pattern was not obeyed at {directory}: {found}")
        return {"layout": got.to_dict()}

    def pattern(self, directory: Path) -> list[str]:
        """Return the command that sets the pattern, of this or of an older version's tool."""
        if _is_new():
            words = ["beegfs", "entry", "set"]
            size, count = "--chunk-size=", "--num-targets="
        else:
            words = ["beegfs-ctl", "--setpattern"]
            size, count = "--chunksize=", "--numtargets="
        given = [f"{size}{compact_size(self.chunk_size)}"] if self.chunk_size else []
        given += [f"{count}{self.num_targets}"] if self.num_targets else []
        return [*words, *given, str(directory)]

    def layout(self) -> dict[str, Any] | None:
        """Return how the directory's new files are striped; `LayoutError` where it isn't told."""
        return striping(self.path).to_dict()

    def counters(self) -> dict[str, int]:
        """Return nothing: the servers' counters aren't seen from a client."""
        return {}


def _is_new() -> bool:
    """Say whether only the tool of version 8 is here."""
    return shutil.which("beegfs-ctl") is None and shutil.which("beegfs") is not None


def striping(path: Path) -> Striping:
    """Ask how a file, or each new file of a directory, is striped.

    Raises
    ------
    LayoutError
        BeeGFS's tool is missing, fails, or says what can't be read.
    """
    words = ("beegfs", "entry", "info", "--retro", "--verbose")
    return parse_entry(
        ask((*(words if _is_new() else ("beegfs-ctl", "--getentryinfo")), str(path)))
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
