"""What is declared in several places agrees: pyproject.toml, environment.yml, binder/, CI."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
import yaml

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no reader for pyproject.toml")

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
CONDA_NAMES = {"matplotlib-base": "matplotlib"}
CONDA_ONLY = {"mpich", "c-compiler", "make", "pip"}
COPIED = ("pyproject.toml", "README.md", "LICENSE", "environment.yml", "setup.sh")


def split(requirement: str) -> tuple[str, str]:
    """Return name and version bounds; a conda build string is left out."""
    name, bounds = re.fullmatch(r"([\w.-]+) ?([<>=!0-9.,]*?)(?:=mpi_\w+\*)?", requirement).groups()
    return CONDA_NAMES.get(name, name), bounds


@pytest.fixture
def clean_copy(tmp_path):
    """Return a copy of the sources without what builds and environments left in the tree."""
    copy = tmp_path / "copy"
    ignore = shutil.ignore_patterns("__pycache__", "*.so")
    for folder in ("piotutor", "binder", "tools"):
        shutil.copytree(ROOT / folder, copy / folder, symlinks=True, ignore=ignore)
    for name in COPIED:
        shutil.copy(ROOT / name, copy / name)
    return copy


def test_conda_and_pip_want_the_same_packages_in_the_same_versions():
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"]
    wanted = dict(
        split(r)
        for r in [
            *project["dependencies"],
            *extras["mpi"],
            *extras["hdf5"],
            *extras["lab"],
            *PYPROJECT["build-system"]["requires"],
        ]
    )
    wanted["python"] = project["requires-python"]
    declared = dict(split(r) for r in CONDA["dependencies"])
    assert {n: b for n, b in declared.items() if n not in CONDA_ONLY} == wanted
    assert declared.keys() >= CONDA_ONLY


def test_conda_takes_hdf5_of_the_same_mpi():
    assert "h5py>=3.9=mpi_mpich*" in CONDA["dependencies"]
    assert CONDA["channels"] == ["conda-forge", "nodefaults"]


def test_every_dependency_has_a_lower_bound():
    project = PYPROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    every = [requirement for group in groups for requirement in group]
    unbound = [r for r in every if not r.startswith("piotutor[") and ">=" not in r]
    assert unbound == []


def test_version_and_entry_point_are_those_of_pyproject():
    assert version("piotutor") == PYPROJECT["project"]["version"]
    (script,) = entry_points(group="console_scripts", name="piotutor")
    assert callable(script.load())


def test_the_changelog_knows_what_is_to_come():
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()


def test_every_import_is_a_declared_package():
    project = PYPROJECT["project"]
    declared = {split(r)[0].lower() for r in CONDA["dependencies"]}
    extras = project["optional-dependencies"]
    declared |= {split(r)[0] for extra in ("lab", "darshan", "parquet") for r in extras[extra]}
    come_along = {"IPython": "ipykernel", "PIL": "matplotlib", "traitlets": "ipywidgets"}
    own = {"piotutor", *sys.stdlib_module_names}
    found = set()
    for path in (ROOT / "piotutor").rglob("*.py"):
        if "testing" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").split(".")[0])
    assert {come_along.get(name, name) for name in found - own} <= declared


def test_a_wheel_holds_all_that_is_in_the_package(clean_copy):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", "out", "."]
    subprocess.run(command, cwd=clean_copy, check=True)
    (wheel,) = (clean_copy / "out").glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    package = (p for p in (clean_copy / "piotutor").rglob("*") if p.is_file())
    assert {str(p.relative_to(clean_copy)) for p in package} <= held


def test_without_a_compiler_the_package_is_built_without_what_is_in_c(clean_copy):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", "out", "."]
    env = os.environ | {"CC": "/nowhere/cc"}
    subprocess.run(command, cwd=clean_copy, check=True, env=env)
    (wheel,) = (clean_copy / "out").glob("*.whl")
    assert [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")] == []


def test_binder_has_the_same_environment_and_adds_the_package():
    link = ROOT / "binder/environment.yml"
    assert link.is_symlink()
    assert link.resolve() == ROOT / "environment.yml"
    build = (ROOT / "binder/postBuild").read_text().splitlines()
    assert {"set -e", "pip install --no-deps ."} <= set(build)
    start = (ROOT / "binder/start").read_text().splitlines()
    assert start[-1] == 'exec "$@"'


@pytest.mark.parametrize("script", ["binder/postBuild", "binder/start", ".ci/run"])
def test_scripts_can_be_run(script):
    assert (ROOT / script).stat().st_mode & 0o111
    assert (ROOT / script).read_text().startswith("#!")
    subprocess.run(["bash", "-n", ROOT / script], check=True)


def test_binder_start_hands_over_to_the_server(tmp_path):
    env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    command = [ROOT / "binder/start", "sh", "-c", 'echo "$1 $PIOTUTOR_STATE"', "sh", "a  b"]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"a  b {tmp_path}/piotutor-")


def test_the_binder_image_can_be_described(clean_copy):
    program = Path(sys.prefix, "bin/jupyter-repo2docker")
    if not program.exists():
        pytest.skip("jupyter-repo2docker isn't installed")
    command = [program, "--no-build", "--debug", "--user-id", "1000", "--user-name", "learner"]
    done = subprocess.run([*command, clean_copy], capture_output=True, text=True, check=True)
    said = done.stdout + done.stderr
    assert "binder/environment.yml" in said
    assert "RUN ./binder/postBuild" in said
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in said


def test_ci_and_the_workflow_run_what_people_run():
    assert "make test" in (ROOT / ".ci/run").read_text()
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    stacks = {one["stack"] for one in workflow["jobs"]["stack"]["strategy"]["matrix"]["include"]}
    assert stacks == {"hdf5", "openmpi", "pip"}
    assert "not yet run" in workflow["jobs"]["conda"]["name"]
    for job in workflow["jobs"].values():
        assert job["steps"][-1] == {"run": "make test"}


def test_hooks_use_the_tools_of_the_environment():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
