"""Other programs, and what the kernel lets an ordinary user look at."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from piotutor.doctor.capability import Capability, ask
from piotutor.programs import first_line


class Tool(NamedTuple):
    """A program or Python package that some lessons use.

    Attributes
    ----------
    name
        Of the capability.
    programs
        All of these must be on the PATH.
    version
        Arguments with which the first tells its version; empty where it shouldn't be asked.
    fix
        How to get it, and what for.
    """

    name: str
    programs: tuple[str, ...]
    version: tuple[str, ...]
    fix: str


_TOOLS = (
    Tool("Slurm", ("sbatch", "srun"), ("--version",), "only on a cluster that runs it"),
    Tool("Lustre", ("lfs",), ("--version",), "only where a Lustre is mounted"),
    Tool("BeeGFS", ("beegfs-ctl",), (), "only where a BeeGFS is mounted"),
    Tool("DAOS", ("daos",), ("version",), "only where a DAOS is"),
    Tool(
        "Darshan",
        ("darshan-parser",),
        (),
        "build Darshan's utilities, or load the site's module, to read its logs",
    ),
)
_WIDGETS = ("jupyterlab", "ipywidgets", "anywidget", "matplotlib")


def compiler(_path: Path) -> Capability:
    """Look for a C compiler."""
    name = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    if name is None:
        fix = "install gcc (or conda's c-compiler): what is written in C is left out without it"
        return Capability("C compiler", False, "none on the PATH", fix)
    fine, answer = ask([name, "--version"])
    return Capability("C compiler", fine, first_line(answer))


def programs(_path: Path) -> Sequence[Capability]:
    """Look for the programs that some lessons use."""
    return [_find(tool) for tool in _TOOLS]


def _find(tool: Tool) -> Capability:
    missing = [name for name in tool.programs if shutil.which(name) is None]
    if missing:
        return Capability(tool.name, False, f"no {', '.join(missing)} on the PATH", tool.fix)
    if not tool.version:
        return Capability(tool.name, True, str(shutil.which(tool.programs[0])))
    fine, answer = ask([tool.programs[0], *tool.version])
    return Capability(tool.name, fine, first_line(answer), "" if fine else tool.fix)


def widgets(_path: Path) -> Capability:
    """Look for what the live views need."""
    missing = [name for name in _WIDGETS if importlib.util.find_spec(name) is None]
    if missing:
        fix = f"pip install {' '.join(missing)}: pictures are still drawn, but not live"
        return Capability("live views", False, f"no {', '.join(missing)}", fix)
    found = (f"{name} {importlib.metadata.version(name)}" for name in _WIDGETS)
    return Capability("live views", True, ", ".join(found))


CHECKS = (widgets, compiler, programs)
