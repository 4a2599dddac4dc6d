"""What a path lies on, and how a run's files get there and away without touching anyone else's.

A storage yields ``path, env, argv_prefix, layout(), counters()``: the launcher needs no more.
A new one is one file here, one line in `STORAGES` and a short subclass of
`piotutor.testing.storages.StorageSuite`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from piotutor import lookup


class Storage(Protocol):
    """A place for data files."""

    @property
    def path(self) -> Path:
        """The directory."""

    @property
    def kind(self) -> str:
        """The file system's name, such as ``ext4``; ``unknown`` where it isn't told."""

    @property
    def env(self) -> Mapping[str, str]:
        """Environment variables that ranks need to use it."""

    @property
    def argv_prefix(self) -> Sequence[str]:
        """Words before the ranks' program (a wrapper), usually none."""

    def layout(self) -> dict[str, Any] | None:
        """Return how files are laid out on targets; None where there is one target only."""

    def counters(self) -> dict[str, int]:
        """Return what the place has counted so far, empty where it can't be seen."""


STORAGES = {
    "local": "piotutor.storage.local:Local",
    "lustre": "piotutor.storage.lustre:Lustre",
}
"""Name of the storage to where its class stands."""


def at(path: str | os.PathLike[str], name: str = "local") -> Storage:
    """Return the storage that a directory lies on.

    Parameters
    ----------
    path : path
        The directory.
    name : str
        One of `STORAGES`.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    found: Storage = lookup.find(STORAGES, "storage", name)(Path(path))
    return found
