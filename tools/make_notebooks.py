"""Write the committed notebooks from their sources in ``notebooks/src``.

``python tools/make_notebooks.py`` writes ``notebooks/*.ipynb``, without outputs, and says what it
wrote; ``--check`` only compares, and fails where they differ. A cell with the tag ``solution`` is
folded text in the learner's notebook; `executed` leaves it a cell, for the tests.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jupytext
import nbformat

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
SOURCES = NOTEBOOKS / "src"
_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
_FOLDED = "<details><summary>Solution</summary>\n\n```python\n{}\n```\n\n</details>"


def sources() -> list[Path]:
    """Return all sources: ``.py`` in jupytext's percent format, ``.md`` for pages of prose."""
    return sorted([*SOURCES.glob("*.py"), *SOURCES.glob("*.md")])


def target(source: Path) -> Path:
    """Return the notebook that a source becomes."""
    return NOTEBOOKS / f"{source.stem}.ipynb"


def executed(source: Path) -> Any:
    """Return the notebook with its solutions as cells, ready to be run."""
    found = jupytext.read(source)
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": _KERNEL})
    for number, cell in enumerate(found.cells):
        make = (
            nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        )
        tags = cell.metadata.get("tags", [])
        metadata = {"tags": tags} if tags else {}
        notebook.cells.append(make(cell.source, id=f"cell-{number:03}", metadata=metadata))
    return notebook


def learner(source: Path) -> Any:
    """Return the notebook as learners get it: each solution is folded text."""
    notebook = executed(source)
    notebook.cells = [_folded(cell) for cell in notebook.cells]
    return notebook


def text(notebook: Any) -> str:
    """Return a notebook as it is stored."""
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook, indent=1)) + "\n"


def _folded(cell: Any) -> Any:
    if "solution" not in cell.metadata.get("tags", []):
        return cell
    return nbformat.v4.new_markdown_cell(
        _FOLDED.format(cell.source), id=cell.id, metadata=cell.metadata
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or compare all notebooks; return 1 where the comparison fails."""
    parser = argparse.ArgumentParser(description="Write notebooks/*.ipynb from notebooks/src.")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args(arguments).check
    stale = [
        source
        for source in sources()
        if not target(source).exists()
        or target(source).read_text(encoding="utf-8") != text(learner(source))
    ]
    for source in stale:
        print(f"{target(source).name}: {'not as its source' if check else 'written'}")
        if not check:
            target(source).write_text(text(learner(source)), encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
