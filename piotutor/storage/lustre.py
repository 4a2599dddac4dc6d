"""Lustre: how files are striped over its targets (OSTs), and new ones laid out as asked.

Source: lfs-setstripe(1), and the manual's chapter "Managing File Layout (Striping) and Free Space".
A hint of MPI-IO does the same only where the MPI library has a driver for Lustre: others echo
``striping_factor`` and ignore it. So layouts are set with ``lfs setstripe`` and looked at with
``lfs getstripe``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from piotutor.errors import UsageError
from piotutor.storage import options
from piotutor.storage.lfs import Target, parse_df, parse_getstripe
from piotutor.storage.local import Local
from piotutor.storage.options import option
from piotutor.storage.striping import ALL, Component, LayoutError, Striping
from piotutor.storage.tool import ask
from piotutor.units import format_size, parse_size

MOST_STRIPES = 2000
SMALLEST_STRIPE = 1 << 16
LARGEST_STRIPE = (1 << 32) - SMALLEST_STRIPE

_POOL = re.compile(r"[A-Za-z0-9_]{1,15}")


def _stripes_wanted(value: Any) -> int:
    """Read a number of stripes, -1 for one on each OST."""
    return ALL if str(value) == str(ALL) else options.count(value)


def _progressive(value: Any) -> str:
    """Check the parts of a progressive layout, as in ``4m:1+64m:4+end:16``."""
    parts = [part.partition(":") for part in str(value).split("+")]
    for end, _, stripes in parts[:-1]:
        options.size(end)
        _stripes_wanted(stripes)
    if len(parts) < 2 or parts[-1][0] != "end":
        raise UsageError("give END:STRIPES for each part, the last end is the word end")
    _stripes_wanted(parts[-1][2])
    return str(value)


@dataclass(frozen=True, kw_only=True)
class Lustre(Local):
    """A directory on a Lustre, whose new files are laid out as asked.

    What isn't given is left to the file system; with no option at all the directory keeps what
    it has.
    """

    name: ClassVar[str] = "lustre"

    stripe_size: int = option(0, options.size, "bytes on an OST before the next one's turn")
    stripe_count: int = option(0, _stripes_wanted, "stripes of a file; -1 for one on each OST")
    start_ost: int = option(-1, options.at_least(0), "the OST of the first stripe")
    pool: str = option("", str, "the OSTs to choose from")
    overstripe: bool = option(False, options.flag, "an OST may get more than one stripe")
    progressive: str = option("", _progressive, "stripes by part of a file: 4m:1+64m:4+end:16")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.progressive and self.stripe_count:
            raise UsageError("progressive says how many stripes there are: leave out stripe_count")
        if self.overstripe and not (self.stripe_count or self.progressive):
            raise UsageError("overstripe needs a stripe_count")
        if self.components:
            setstripe(Path("/"), self.components)

    @property
    def components(self) -> tuple[Component, ...]:
        """The layout that `prepare` gives to a directory; none: it keeps what it has."""
        if str(self) == self.name:
            return ()
        common: dict[str, Any] = {
            "stripe_size": self.stripe_size,
            "start_ost": self.start_ost,
            "pool": self.pool,
            "pattern": "overstriped" if self.overstripe else "raid0",
        }
        if not self.progressive:
            return (Component(stripe_count=self.stripe_count, **common),)
        parts, start = [], 0
        for text in self.progressive.split("+"):
            word, _, stripes = text.partition(":")
            end = None if word == "end" else parse_size(word)
            parts.append(Component(stripe_count=int(stripes), start=start, end=end, **common))
            start = end or start
        return tuple(parts)

    def prepare(self, directory: Path) -> dict[str, Any]:
        """Give a directory of a run the layout, if one is asked for (see `lay_out`)."""
        return {"layout": lay_out(directory, self.components).to_dict()} if self.components else {}

    def layout(self) -> dict[str, Any] | None:
        """Return how the directory's new files are striped; `LayoutError` where it isn't told."""
        return striping(self.path).to_dict()

    def counters(self) -> dict[str, int]:
        """Return nothing: the servers' counters aren't seen from a client."""
        return {}


def striping(path: Path) -> Striping:
    """Ask how a file, or each new file of a directory, is striped.

    Raises
    ------
    LayoutError
        ``lfs`` is missing, fails, or says what can't be read.
    """
    only = ("-d",) if path.is_dir() else ()
    return parse_getstripe(ask(("lfs", "getstripe", *only, str(path))))


def targets(path: Path) -> list[Target]:
    """List the OSTs of the file system that a path is on; errors as of `striping`."""
    return parse_df(ask(("lfs", "df", str(path))))


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


def lay_out(path: Path, components: Sequence[Component]) -> Striping:
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
    ask(setstripe(path, components))
    got = striping(path)
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
