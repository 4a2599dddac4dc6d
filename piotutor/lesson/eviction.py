"""Put a file out of memory, and say in words what came of it."""

from __future__ import annotations

from pathlib import Path

from piotutor.capture import Residency, evict, residency
from piotutor.units import format_size


class Eviction:
    """What was in memory of a file, and what is left there; in a notebook it shows itself.

    Parameters
    ----------
    path
        The file; one that isn't there is said to be missing (the run was a recorded one).
    """

    def __init__(self, path: Path) -> None:
        self.before: Residency | None = None
        self.after: Residency | None = None
        if path.exists():
            self.before, self.after = residency(path), evict(path)

    def __repr__(self) -> str:
        if self.before is None or self.after is None:
            return "There is no such file on this machine, so there is nothing to put out."
        if self.before.cached is None or self.after.cached is None:
            return f"What is in memory can't be known here ({self.after.how})."
        was, left = format_size(self.before.cached), format_size(self.after.cached)
        return f"In memory were {was} of {format_size(self.after.size)}; {left} are left."
