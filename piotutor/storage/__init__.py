"""What a path lies on, and how a run's files get there and away without touching anyone else's.

A storage is named by a spec, ``NAME[:key=value,...]``, or made as a value, as in
``pio.storage.Lustre(stripe_size="1m", stripe_count=4)``. A new one is one file here, one line in
`STORAGES` and a short subclass of `piotutor.testing.storages.StorageSuite`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from piotutor import lookup
from piotutor.errors import UsageError
from piotutor.storage import options


class Storage(Protocol):
    """A place for data files. `piotutor.storage.local.Local` has all of it, to derive from."""

    @property
    def name(self) -> str:
        """By which it is known in `STORAGES`; ``str`` of a storage is its whole spec."""

    @property
    def path(self) -> Path:
        """The directory of the files."""

    def at(self, path: Path) -> Storage:
        """Return the same with another directory."""

    @property
    def kind(self) -> str:
        """The file system's name, such as ``ext4``; ``unknown`` where it isn't told."""

    @property
    def env(self) -> Mapping[str, str]:
        """Environment variables that ranks need to use it."""

    @property
    def argv_prefix(self) -> Sequence[str]:
        """Words before the ranks' program (a wrapper), usually none."""

    @property
    def elsewhere(self) -> bool:
        """Whether ranks on other hosts can use it."""

    @property
    def routed(self) -> bool:
        """Whether the interposer takes calls on paths below `path` to other servers.

        Then nothing of a file is ever seen in the local directory.
        """

    @property
    def interposed(self) -> bool:
        """Whether the interposer must be loaded into ranks, whatever is captured."""

    @property
    def readable(self) -> bool:
        """Whether a run may only read files that are there already."""

    @property
    def capacity(self) -> int | None:
        """Bytes that it can hold; None: what is free in the directory."""

    def need(self) -> None:
        """Raise `UsageError`, with what to do, where it can't be used on this machine."""

    def prepare(self, directory: Path) -> dict[str, Any]:
        """Lay out a run's new, empty directory, and see that it came to be.

        Returns
        -------
        dict
            What the run's ``environment`` is to say of it, such as its ``layout``.

        Raises
        ------
        PiotutorError
            It can't be laid out so.
        """

    def describe(self) -> dict[str, Any]:
        """Return what is to be known, in a run's ``environment``, of files that it only reads."""

    def service(self, run_dir: Path, files: Sequence[str], temporary: Path) -> list[str]:
        """Return the command of a program that must run beside the ranks; empty for none.

        Its orders are written into the run directory. How it is started, waited for, watched and
        ended: see `piotutor.launch.service`.

        Parameters
        ----------
        run_dir : Path
            The run directory.
        files : sequence of str
            The data files' paths, below `path`.
        temporary : Path
            A directory that will be there when the program is started, and goes with the run.
        """

    def layout(self) -> dict[str, Any] | None:
        """Return how files are laid out on targets; None where there is one target only."""

    def counters(self) -> dict[str, int]:
        """Return what the place has counted so far, empty where it can't be seen."""


Spec: TypeAlias = str | Storage
"""A storage, or the text that names one."""

STORAGES = {
    "local": "piotutor.storage.local:Local",
    "ceph": "piotutor.storage.ceph:Ceph",
    "lustre": "piotutor.storage.lustre:Lustre",
    "beegfs": "piotutor.storage.beegfs:BeeGFS",
    "emulated": "piotutor.storage.emulated:Emulated",
}
"""Name of the storage to where its class stands."""


def parse(spec: Spec) -> Storage:
    """Return the storage that a spec stands for.

    Parameters
    ----------
    spec : str or Storage
        ``NAME`` or ``NAME:key=value,...``, as in ``lustre:stripe_size=1m,stripe_count=4``; a
        storage is returned as it is.

    Raises
    ------
    UsageError
        There is no storage or option of that name, an option is given twice, or its value can't be.
    """
    if not isinstance(spec, str):
        return spec
    name, _, rest = spec.partition(":")
    cls = lookup.find(STORAGES, "storage", name)
    try:
        found: Storage = cls(**options.words_of(rest, cls))
    except UsageError as error:
        raise UsageError(f"storage {name}: {error}") from None
    return found


def at(path: str | os.PathLike[str], spec: Spec = "local") -> Storage:
    """Return the storage that a directory lies on.

    Parameters
    ----------
    path : path
        The directory.
    spec : str or Storage
        See `parse`.

    Raises
    ------
    UsageError
        There is no such storage.
    """
    return parse(spec).at(Path(path))


def __getattr__(name: str) -> Any:
    """Return a storage's class by its own name, as in ``pio.storage.Lustre``."""
    for key, place in STORAGES.items():
        if place.endswith(f":{name}"):
            return lookup.find(STORAGES, "storage", key)
    raise AttributeError(f"module 'piotutor.storage' has no attribute {name!r}")
