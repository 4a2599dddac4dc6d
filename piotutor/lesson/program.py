"""A short real program that a lesson runs and records, instead of a workload."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from piotutor.errors import RunError, UsageError

SOURCES = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Program:
    """A program of `piotutor.lesson.programs` with its words; shows its source in a notebook.

    Attributes
    ----------
    name
        Its file, without ``.py``.
    file
        The file that it makes, its first argument; only this one is recorded.
    words
        Further arguments.
    ranks
        How many copies MPI starts; None: it is started once, without MPI.
    """

    name: str
    file: Path
    words: tuple[str, ...] = ()
    ranks: int | None = None

    def __post_init__(self) -> None:
        if not self.source.exists():
            known = sorted(path.stem for path in SOURCES.glob("[a-z]*.py"))
            raise UsageError(f"{self.name!r} is no program: use one of {', '.join(known)}")

    @property
    def source(self) -> Path:
        """The file that holds it."""
        return SOURCES / f"{self.name}.py"

    @property
    def argv(self) -> list[str]:
        """What is started."""
        return [sys.executable, str(self.source), str(self.file), *self.words]

    @property
    def line(self) -> str:
        """How one would start it by hand."""
        start = f"mpiexec -n {self.ranks} " if self.ranks else ""
        return " ".join([f"{start}python {self.name}.py {self.file.name}", *self.words])

    async def run(self, **options: Any) -> Any:
        """Run it, recording what becomes of its file.

        Raises
        ------
        RunError
            It failed, or what it did couldn't be recorded.
        """
        from piotutor.runner import trace_command

        run = await trace_command(
            self.argv, ranks=self.ranks, prefixes=[self.file], timeout=120, **options
        )
        if run.result["exit_code"] != 0:
            raise RunError(f"{self.name}.py failed: {_complaint(run.output)}", run.dir)
        captured = run.result["capture"]
        if captured["how"] == "none" or (self.ranks and captured["how"] != "preload"):
            raise RunError(f"its calls can't be recorded: {captured['why']}", run.dir)
        return run

    def __repr__(self) -> str:
        return f"$ {self.line}\n\n{self.source.read_text()}"

    def _repr_html_(self) -> str:
        return (
            f"<details><summary><code>$ {escape(self.line)}</code> (the program)</summary>"
            f"<pre>{escape(self.source.read_text())}</pre></details>"
        )


def _complaint(output: str) -> str:
    """Return the line of a program's output that names an error, or its last words."""
    lines = [line.strip() for line in output.splitlines() if re.search(r"\w", line)]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (errors[:1] or lines[-1:] or ["it said nothing"])[0]
