"""A module imports only from rows above its own, and importing piotutor loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import piotutor

ROOT = Path(piotutor.__file__).parent
# From the bottom up. A row may import itself and the rows before it.
ROWS = (
    ("badge", "errors", "lookup", "memory", "programs", "queueing", "units"),
    ("hints", "option", "rules", "workload"),
    ("ior", "rand", "pattern", "layout", "stripemap", "content", "twophase"),
    ("trace",),
    ("metrics",),
    ("metrics_depth", "metrics_layers", "metrics_locks", "metrics_servers", "metrics_targets"),
    ("diagnosis",),
    ("engine",),
    ("kernels",),
    ("capture",),
    ("storage",),
    ("launch",),
    (
        "rundir",
        "results",
        "collection",
        "preparation",
        "commands",
        "jobs",
        "runner",
        "serving",
        "standing",
        "imported",
        "modelled",
        "curves",
        "foretold",
        "outcome",
    ),
    ("plots",),
    ("live",),
    ("lesson",),
    ("report", "doctor", "cli", "__main__"),
)
# Tools for whoever writes a kernel, storage or launcher, and the table of public names.
OUTSIDE = ("testing", "__init__")
HEAVY = ("mpi4py", "h5py", "matplotlib", "ipywidgets", "anywidget", "darshan", "pyarrow")
# Where each heavy library may be imported.
ALLOWED = {
    "mpi4py": (
        "kernels/mpiio",
        "kernels/hdf5",
        "launch/worker",
        "capture/h5map",
        "lesson/programs/",
    ),
    "h5py": ("kernels/hdf5", "launch/worker", "capture/h5map", "lesson/programs/"),
    "matplotlib": ("plots/",),
    "ipywidgets": ("live/",),
    "anywidget": ("live/",),
    "darshan": ("trace/importers/darshan_log",),
    "pyarrow": ("trace/exporters/table",),
}
MODULES = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.py"))


def running(node):
    """Walk through the code that is ever run: not what stands there for a type checker."""
    yield node
    for child in ast.iter_child_nodes(node):
        for_types = isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING"
        if not for_types:
            yield from running(child)


def imported(module):
    """Return the names of all modules that a module imports, also within its functions."""
    names = set()
    for node in running(ast.parse((ROOT / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "piotutor":
            names.update(f"piotutor.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names.add(node.module)
    return names


def row_of(name):
    top = name.split("/")[0]
    return next((number for number, row in enumerate(ROWS) if top in row), None)


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_from_rows_above(module):
    if module.split("/")[0] in OUTSIDE:
        return
    own = row_of(module)
    assert own is not None, f"{module} has no row: add it to ROWS"
    for name in imported(module):
        parts = name.split(".")
        if parts[0] == "piotutor" and len(parts) > 1:
            row = row_of(parts[1])
            assert row is not None, f"{name} has no row: add it to ROWS"
            assert row <= own, f"{module} imports {name}, which is above it"


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_stay_in_their_place(module):
    if module.split("/")[0] == "testing":
        return
    for name in imported(module):
        allowed = ALLOWED.get(name.split(".")[0])
        assert allowed is None or module.startswith(allowed), f"{module} imports {name}"


def loaded_by(statement):
    """Return the modules that a clean interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return {name.split(".")[0] for name in answer.stdout.split()}


@pytest.mark.parametrize("statement", ["import piotutor", "from piotutor import Workload, run"])
def test_importing_loads_nothing_heavy(statement):
    assert not loaded_by(statement) & set(HEAVY)


def test_the_guard_is_light():
    """It starts before every run: without numpy."""
    assert "numpy" not in loaded_by("import piotutor.launch.guard")
