"""The lessons in a real browser: every cell runs, the views paint, nothing leaves this machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.mpi, pytest.mark.slow, pytest.mark.timeout(400)]

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
DONE = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.widgets;
  const asked = ({ model }) => model.type === 'code' && model.sharedModel.source.trim();
  return cells.filter(asked).every(cell => cell.model.executionCount);
}"""


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("[0-9]*.ipynb")))
def test_a_lesson_runs(lab, jobs, eventually, name):
    shutil.copy(NOTEBOOKS / name, lab.directory)
    lab.open(name)
    lab.run_all()
    lab.page.wait_for_function(DONE, timeout=240_000)
    outputs = [output for cell in lab.save()["cells"] for output in cell.get("outputs", [])]
    errors = [output for output in outputs if output["output_type"] == "error"]
    assert errors == []
    assert json.dumps(outputs).count("<figure><img alt=") >= 1
    canvas = lab.page.locator(".pio-canvas").first
    canvas.scroll_into_view_if_needed()
    lab.page.wait_for_function("() => document.querySelector('.pio-canvas').dataset.paints > 0")
    assert canvas.get_attribute("aria-label")
    eventually(lambda: not jobs())
