"""From what a file system says of a file to the arithmetic of where each byte lies."""

from __future__ import annotations

from piotutor import layout
from piotutor.errors import UsageError
from piotutor.layout import Layout
from piotutor.storage.striping import ALL, Component, LayoutError, Striping

MOST_TARGETS = 0xFFFF


def layout_of(striping: Striping, targets: int = 0) -> Layout:
    """Return the layout of a file; of a directory, the layout that its files would get.

    Parameters
    ----------
    striping : Striping
        What `piotutor.storage.probe.probe` found.
    targets : int
        How many targets the file system or pool has; needed where a file is on all of them.

    Returns
    -------
    Layout
        For `piotutor.layout.place`; its targets are those of the file, where they are settled.

    Raises
    ------
    LayoutError
        Something is left to the file system that nobody has decided yet, or a byte of the file
        isn't on any target (released to tape, or of a class that isn't known).
    """
    try:
        if striping.system == "daos":
            return _daos(striping.components[0], targets)
        if len(striping.components) == 1 and striping.components[0].end is None:
            return _striped(striping.components[0], targets)
        return layout.progressive(
            *((part.end, _striped(part, targets)) for part in striping.components)
        )
    except UsageError as why:
        raise LayoutError(f"{striping.system}: {why}") from None


def _striped(part: Component, targets: int) -> layout.Striped:
    """Return the layout of one component."""
    if part.pattern == "mdt":  # one object, with the metadata: on none of the targets
        return layout.Striped(part.stripe_size or (part.end or 0), 1)
    if part.pattern == "released":
        raise UsageError("the file's data is released (on tape, say): it is on no target")
    count = targets if part.stripe_count == ALL else part.stripe_count
    if count > MOST_TARGETS:
        raise UsageError(f"stripe_count={count}: no file has more than {MOST_TARGETS} stripes")
    if not part.stripe_size or count < 1:
        raise UsageError(
            f"stripe_size={part.stripe_size}, stripe_count={part.stripe_count}: give the number "
            "of targets, or look at a file: its own layout is settled"
        )
    size = part.object_size or None
    return layout.Striped(part.stripe_size, count, size, part.targets)


def _daos(part: Component, targets: int) -> Layout:
    """Return the layout of a class of DAOS, whose name is the pattern."""
    return layout.daos(part.pattern, chunk_size=part.stripe_size, targets=targets)
