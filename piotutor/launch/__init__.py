"""How ranks start and stop: the launcher, the guard, the queue, and the ranks' program.

A new launcher is one file here, one line in `LAUNCHERS` and a short subclass of
`piotutor.testing.launchers.LauncherSuite`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from piotutor import lookup

if TYPE_CHECKING:
    from piotutor.launch.local import Ranks
    from piotutor.workload import Workload

LAUNCHERS = {"local": "piotutor.launch.local:Local"}
"""Name of the launcher to where its class stands."""


class Launcher(Protocol):
    """Makes the command line that starts ranks; starts nothing itself."""

    @property
    def library(self) -> str:
        """What MPI calls itself in a rank, such as ``MPICH 5.0.2``; empty where there is none."""

    @classmethod
    def find(cls, cache: Path | None = None) -> Launcher:
        """Look at this machine; the answer may be kept in the directory `cache`."""

    def check(self, workload: Workload | None) -> None:
        """Raise `UsageError` for what can't be started here (None: a program that isn't ours)."""

    def argv(self, ranks: Ranks) -> list[str]:
        """Return the command line that starts the ranks; pure."""

    def env(self) -> dict[str, str]:
        """Return the environment variables that the ranks need beside ours; pure."""


def find(name: str = "local", cache: Path | None = None) -> Launcher:
    """Return the launcher of that name, as this machine has it.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    found: Launcher = lookup.find(LAUNCHERS, "launcher", name).find(cache)
    return found
