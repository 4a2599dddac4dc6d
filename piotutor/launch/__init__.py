"""How ranks start and stop: the launcher, the guard, the queue, and the ranks' program.

A new launcher is one file here, one line in `LAUNCHERS` and a short subclass of
`piotutor.testing.launchers.LauncherSuite`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from piotutor import lookup
from piotutor.errors import UsageError
from piotutor.storage import options

if TYPE_CHECKING:
    from piotutor.launch.local import Ranks
    from piotutor.launch.orders import Orders
    from piotutor.workload import Workload

LAUNCHERS = {
    "local": "piotutor.launch.local:Local",
    "hosts": "piotutor.launch.hosts:Hosts",
    "slurm": "piotutor.launch.slurm:Slurm",
    "pbs": "piotutor.launch.pbs:PBS",
    "flux": "piotutor.launch.flux:Flux",
    "lsf": "piotutor.launch.lsf:LSF",
}
"""Name of the launcher to where its class stands."""
DEFAULT = "PIOTUTOR_LAUNCHER"
"""The variable that names the launcher where none is given."""


class Launcher(Protocol):
    """Makes the command line that starts ranks; starts nothing itself."""

    name: ClassVar[str]

    @property
    def library(self) -> str:
        """What MPI calls itself in a rank, such as ``MPICH 5.0.2``; empty where there is none."""

    @classmethod
    def find(cls, cache: Path | None = None) -> Launcher:
        """Look at this machine; the answer may be kept in the directory `cache`.

        One with options (fields made with `piotutor.storage.options.option`) takes them by name.
        """

    def check(self, workload: Workload | None) -> None:
        """Raise `UsageError` for what can't be started here (None: a program that isn't ours)."""

    def argv(self, ranks: Ranks) -> list[str]:
        """Return the command line that starts the ranks; pure."""

    def env(self) -> dict[str, str]:
        """Return the environment variables that the ranks need beside ours; pure."""

    def adapt(self, orders: Orders, ranks: Ranks) -> Orders:
        """Return the guard's orders with what else it has to know, such as how to cancel.

        May leave files in the run directory, for the programs that it orders.
        """


Spec: TypeAlias = "str | Launcher"
"""A launcher, or the text that names one."""


def parse(spec: Spec, cache: Path | None = None) -> Launcher:
    """Return the launcher that a spec stands for, as this machine has it.

    Parameters
    ----------
    spec : str or Launcher
        ``NAME`` or ``NAME:key=value,...``, as in ``slurm:partition=debug,nodes=2``; a launcher is
        returned as it is.
    cache : path, optional
        A directory where what was found out about this machine may be kept.

    Raises
    ------
    UsageError
        There is no launcher or option of that name, or a value can't be.
    """
    if not isinstance(spec, str):
        return spec
    name, _, rest = spec.partition(":")
    cls = kind(name)
    try:
        found: Launcher = cls.find(cache, **options.words_of(rest, cls))
    except UsageError as error:
        raise UsageError(f"launcher {name}: {error}") from None
    return found


def default(cache: Path | None = None, environment: Mapping[str, str] = os.environ) -> Launcher:
    """Return the launcher for those who name none.

    It is what ``PIOTUTOR_LAUNCHER`` says; inside of a Slurm allocation srun, where it can start
    this Python's ranks: unlike mpiexec's, they can be ended on other nodes whatever happened; else
    this machine's mpiexec.
    """
    named = environment.get(DEFAULT)
    if named:
        return parse(named, cache)
    if environment.get("SLURM_JOB_ID"):
        slurm = parse("slurm", cache)
        try:
            slurm.check(None)
        except UsageError:
            return parse("local", cache)
        return slurm
    return parse("local", cache)


def kind(name: str) -> Any:
    """Return the class of the launcher of that name.

    Raises
    ------
    UsageError
        There is none.
    """
    return lookup.find(LAUNCHERS, "launcher", name)
