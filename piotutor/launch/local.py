"""Ranks on this machine: which mpiexec, and its command line.

``Local.find`` asks the machine, once for each installation; ``Local.argv`` and ``Local.env`` are
pure.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from piotutor import programs
from piotutor.errors import UsageError
from piotutor.workload import Workload

if TYPE_CHECKING:
    from piotutor.launch.orders import Orders

# How an MPI names itself, in `mpiexec --version` and in MPI_Get_library_version, to its family:
# within a family any mpiexec starts any library's ranks.
_FAMILIES = {
    "hydra": "mpich",
    "mpich": "mpich",
    "intel(r) mpi": "mpich",
    "mvapich": "mpich",
    "open mpi": "openmpi",
    "openrte": "openmpi",
    "prrte": "openmpi",
}
_NAMES = {"mpich": "MPICH", "openmpi": "Open MPI", "": "an unknown MPI"}

# Root is refused and more ranks than cores are refused, unless one says so. The first two and the
# third are read by Open MPI 5, the fourth by Open MPI 4.
_OPENMPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
}
# MPICH's mpiexec describes the machine to its ranks in /tmp/hydra_hwloc_xmlfile_*, whatever TMPDIR
# says, and leaves the file there when it is killed. It makes none where a file is named already;
# none has an empty name, so that each rank looks at the machine itself.
_MPICH = {"HWLOC_XMLFILE": ""}
_ENVIRONMENT: dict[str, dict[str, str]] = {"openmpi": _OPENMPI, "mpich": _MPICH, "": {}}

_ASK_LIBRARY = """
import mpi4py
mpi4py.rc.initialize = False
from mpi4py import MPI
print(MPI.Get_library_version())
"""


@dataclass(frozen=True)
class Ranks:
    """What to start: so many copies of a program.

    Attributes
    ----------
    count
        How many.
    per_node
        How many of them on a node; None: as the launcher likes.
    module
        The Python module that each rank runs, with its arguments.
    prefix
        Words before the program, from the storage and the capture (a wrapper, say).
    program
        Instead of a module: any program, with its arguments.
    """

    count: int
    module: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    program: tuple[str, ...] = ()
    per_node: int | None = None


@dataclass(frozen=True)
class Local:
    """Starts ranks with this machine's ``mpiexec``.

    Attributes
    ----------
    mpiexec
        Its path; None where there is no MPI: then one rank runs by itself.
    family
        ``mpich``, ``openmpi`` or empty.
    library
        What MPI calls itself in a rank, such as ``MPICH 5.0.2``.
    problem
        Why ranks can't be started, where they can't.
    python
        What the ranks run.
    """

    name: ClassVar[str] = "local"

    mpiexec: str | None = None
    family: str = ""
    library: str = ""
    problem: str = ""
    python: str = sys.executable

    @classmethod
    def find(cls, cache: Path | None = None, environment: Mapping[str, str] = os.environ) -> Local:
        """Find the mpiexec that fits this Python's mpi4py.

        ``PIOTUTOR_MPIEXEC`` names one; else it is the first that fits, beside this Python and
        then along the PATH.

        Parameters
        ----------
        cache : path, optional
            A directory where the answer is kept, so that MPI is asked only once.
        environment : mapping
            Where ``PATH`` and ``PIOTUTOR_MPIEXEC`` are looked up.
        """
        candidates = _candidates(environment)
        key = _key([sys.executable, *candidates])
        kept = None if cache is None else cache / "mpi.json"
        found = _recall(kept, key) if kept else None
        if found is None:
            found = _choose(candidates)
            if kept and not found["problem"]:
                with suppress(OSError):
                    kept.write_text(json.dumps({"key": key, "found": found}))
        return cls(**found)

    def check(self, workload: Workload | None) -> None:
        """Refuse what can't be started here; None stands for ranks of a program that isn't ours.

        Raises
        ------
        UsageError
            No MPI, or two that don't fit, and the workload needs one.
        """
        alone = workload and workload.num_tasks == 1 and workload.api in ("NULL", "POSIX")
        if self.problem and not alone:
            raise UsageError(self.problem)

    def argv(self, ranks: Ranks) -> list[str]:
        """Return the command line that starts the ranks."""
        start = [self.mpiexec, "-n", str(ranks.count)] if self.mpiexec else []
        mpi4py = ["-m", "mpi4py"] if self.mpiexec else []
        module = [self.python, *mpi4py, "-m", *ranks.module]
        return [*start, *ranks.prefix, *(ranks.program or module)]

    def env(self) -> dict[str, str]:
        """Return the environment variables that this MPI needs."""
        return dict(_ENVIRONMENT[self.family])

    def adapt(self, orders: Orders, ranks: Ranks) -> Orders:
        """Return the guard's orders as they are: all ranks are processes of this machine."""
        return orders


def family_of(text: str) -> str:
    """Return the family of the MPI that speaks: ``mpich``, ``openmpi`` or empty."""
    low = text.lower()
    return next((family for name, family in _FAMILIES.items() if name in low), "")


def _candidates(environment: Mapping[str, str]) -> list[str]:
    named = environment.get("PIOTUTOR_MPIEXEC")
    if named:
        return [named]
    beside = str(Path(sys.executable).parent)
    places = [beside, *environment.get("PATH", os.defpath).split(os.pathsep)]
    found = (shutil.which("mpiexec", path=place) for place in places if place)
    return list(dict.fromkeys(path for path in found if path))


def _choose(candidates: list[str]) -> dict[str, Any]:
    """Ask mpi4py, then each mpiexec, until one fits."""
    library = _ask([sys.executable, "-c", _ASK_LIBRARY])
    wanted = family_of(library)
    answers = {path: family_of(_ask([path, "--version"])) for path in candidates}
    fitting = [path for path, family in answers.items() if family == wanted]
    problem = "" if library and fitting else _explain(library, answers)
    mpiexec = None if problem else fitting[0]
    return {"mpiexec": mpiexec, "family": wanted, "library": _shorten(library), "problem": problem}


def _shorten(library: str) -> str:
    """Return name and version: "MPICH 5.0.2" of MPICH's table, "Open MPI v5.0.9" of its line."""
    line = programs.first_line(library).partition(",")[0]
    return " ".join(line.replace("Version:", " ").split())


def _explain(library: str, answers: dict[str, str]) -> str:
    """Say in one line why no ranks can be started."""
    if not library:
        return (
            f"mpi4py or its MPI library can't be loaded by {sys.executable}: "
            "install both (pip install mpich mpi4py); one POSIX rank (-n 1) runs without"
        )
    if not answers:
        return (
            f"no mpiexec beside {sys.executable} or on the PATH: install one (pip install "
            "mpich), or name it in PIOTUTOR_MPIEXEC; one POSIX rank (-n 1) runs without"
        )
    path, family = next(iter(answers.items()))
    return (
        f"{path} is {_NAMES[family]}, but mpi4py uses {_NAMES[family_of(library)]}: "
        "put the mpiexec that fits first on the PATH, or name it in PIOTUTOR_MPIEXEC"
    )


def _ask(argv: list[str]) -> str:
    """Return what a program says, empty when it can't or doesn't end."""
    try:
        done = programs.ask(argv, 30, _OPENMPI)
    except (OSError, subprocess.SubprocessError):
        return ""
    return "" if done.returncode else done.stdout


def _key(paths: list[str]) -> list[str]:
    """Name an installation: the programs, and when they and mpi4py's directory changed."""
    site = [str(place / "mpi4py") for place in map(Path, sys.path) if (place / "mpi4py").is_dir()]
    return [f"{path} {_changed(path)}" for path in [*paths, *site]]


def _changed(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


def _recall(kept: Path, key: list[str]) -> dict[str, Any] | None:
    try:
        answer = json.loads(kept.read_text())
        return dict(answer["found"]) if answer["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
