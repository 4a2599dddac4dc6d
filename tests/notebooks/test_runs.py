"""Every lesson, run whole with real ranks: exercises unanswered, then their solutions."""

from __future__ import annotations

import os
import re

import nbformat
import pytest
from make_notebooks import executed, sources
from nbclient import NotebookClient

from piotutor.capture import preload
from piotutor.engine import shared
from piotutor.engine.library import library
from piotutor.errors import UsageError
from piotutor.lesson import course
from piotutor.storage.ceph import Ceph

LESSONS = [page for page in sources() if page.name[0].isdigit()]
STRICT = """
import warnings
warnings.simplefilter("error")
warnings.filterwarnings("default", module="ipykernel")  # its own shutdown warns
"""
ALONE = r"(\w+) = lesson\.program\((?![^)]*ranks=)"  # one process: it runs without MPI
WITHOUT_WIDGETS = "import sys\nsys.modules.update(dict.fromkeys(('anywidget', 'ipywidgets')))"

pytestmark = [pytest.mark.mpi, pytest.mark.timeout(240)]


def shown(cell):
    """Return everything that a cell's outputs say, in all their forms."""
    told = []
    for output in cell.get("outputs", []):
        told.append(output.get("text", ""))
        told += [text for text in output.get("data", {}).values() if isinstance(text, str)]
    return "\n".join(told)


@pytest.fixture
def run_notebook(mpi, state, tmp_path, monkeypatch, spotless):
    """Return a function that runs a notebook in a kernel of its own, first `setup`."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(course.__file__).rsplit("/piotutor/")[0]])
    )

    def run(source, setup=STRICT):
        notebook = executed(source)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(setup))
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(tmp_path))
        return [cell for cell in notebook.cells if cell.cell_type == "code"][1:]

    return run


def lacking(source):
    """Say what this machine lacks for a lesson's runs: nothing, Ceph's own, or slowed servers."""
    words = source.read_text("utf-8")
    if "hardware." in words and library() is None:
        return "the engine isn't built"
    if "emulated:" in words and (problem := shared.why_not() or preload.why_not()):
        return problem
    if "lesson.servers(" not in words:
        return ""
    coded = (Ceph(osds=4, pool="ec"),)
    for ceph in coded if "code=" in words else (Ceph(), Ceph(rate=1 << 23)):
        try:
            ceph.need()
        except UsageError as problem:
            return str(problem)
    return ""


def tagged(cells, tag):
    return [shown(cell) for cell in cells if tag in cell.metadata.get("tags", [])]


@pytest.mark.parametrize("source", LESSONS, ids=lambda source: source.stem)
def test_the_lesson_runs_whole_and_cleans_up(source, run_notebook, state):
    if lacking(source):
        pytest.skip(lacking(source))
    cells = run_notebook(source)
    everything = "\n".join(map(shown, cells))
    assert "can't run here" not in everything
    assert all("not answered yet" in text for text in tagged(cells, "exercise"))
    for text in tagged(cells, "solution"):
        assert re.search(r": (right|inconclusive here)", text), text
    watched = [cell for cell in cells if "lesson.watch(" in cell.source]
    assert watched
    for cell in watched:
        assert "<img alt=" in shown(cell), cell.source
        assert re.search("measured|emulated", shown(cell)), cell.source
    assert not (state / "predictions.jsonl").exists()


@pytest.mark.parametrize("source", LESSONS, ids=lambda source: source.stem)
def test_where_nothing_can_run_recorded_runs_carry_the_lesson(source, run_notebook, monkeypatch):
    monkeypatch.setenv("PIOTUTOR_MPIEXEC", "/nowhere/mpiexec")
    monkeypatch.setenv("PIOTUTOR_CEPH", "/nowhere")
    cells = run_notebook(source)
    needs_no_mpi = set(re.findall(ALONE, source.read_text("utf-8")))
    for cell in cells:
        watched = re.findall(r"lesson\.watch\((\w+)", cell.source)
        if watched and watched[0] not in needs_no_mpi:
            assert "It can't run here" in shown(cell), cell.source
            assert "Not your machine" in shown(cell), cell.source
            assert "(recorded 20" in shown(cell), cell.source
    for text in tagged(cells, "solution"):
        assert re.search(r": (right|inconclusive here)", text), text


def test_the_start_page_shows_how_far_one_has_come(run_notebook):
    (cell,) = run_notebook(next(page for page in sources() if page.stem == "README"))
    assert "0 of 1" in shown(cell)


def test_a_lesson_reads_well_without_widgets(run_notebook):
    cells = run_notebook(LESSONS[0], f"{STRICT}\n{WITHOUT_WIDGETS}")
    everything = "\n".join(map(shown, cells))
    assert "application/vnd.jupyter.widget-view+json" not in {
        kind for cell in cells for output in cell.outputs for kind in output.get("data", {})
    }
    assert "lesson.predict(&quot;owner&quot;, &quot;a&quot;)" in everything
    assert everything.count("<img alt=") >= 3
