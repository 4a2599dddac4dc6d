"""`Lesson`: what a notebook holds on to from its first cell to its last."""

from __future__ import annotations

import importlib
from html import escape
from pathlib import Path
from typing import Any

from piotutor.errors import PiotutorError, UsageError
from piotutor.lesson import course, journal, recorded
from piotutor.lesson.ballot import Ballot
from piotutor.lesson.blind import Blind, shuffled
from piotutor.lesson.comparison import Comparison
from piotutor.lesson.eviction import Eviction
from piotutor.lesson.evidence import EvidenceTable, evidence
from piotutor.lesson.recorded import Recorded
from piotutor.lesson.roll_call import RollCall
from piotutor.lesson.scratch import Scratch
from piotutor.workload import Workload


class Lesson:
    """One learner's walk through one lesson.

    Parameters
    ----------
    name
        The lesson's number, ``"04"``.

    Attributes
    ----------
    runs
        What was run so far, by name.

    Raises
    ------
    UsageError
        There is no such lesson.

    Examples
    --------
    >>> lesson = pio.Lesson("04")  # doctest: +SKIP
    >>> lesson.predict("calls", 32)  # doctest: +SKIP
    >>> run = await lesson.watch(pio.Workload(), "segments")  # doctest: +SKIP
    >>> lesson.compare("calls")  # doctest: +SKIP
    """

    def __init__(self, name: str) -> None:
        self.content = course.load(name)
        self.runs: dict[str, Any] = {}
        self._ballots = {q.name: Ballot(name, q) for q in self.content.questions}
        self._scratch: Scratch | None = None

    @property
    def name(self) -> str:
        """The lesson's number."""
        return self.content.name

    @property
    def scratch(self) -> Path:
        """A directory for files that outlive one run; `clean` removes it, and so does the exit."""
        if self._scratch is None:
            self._scratch = Scratch()
        return self._scratch.path

    def clean(self) -> None:
        """Remove what the lesson left in its scratch directory."""
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None

    def predict(self, question: str, value: object = None) -> Ballot:
        """Ask a question, or answer it.

        Parameters
        ----------
        question
            Its name.
        value
            The prediction. Without it the question is shown, as a widget where there are widgets.
        """
        ballot = self._ballot(question)
        if value is not None:
            ballot.put(value)
        return ballot

    def lock(self) -> None:
        """Close all questions for good."""
        for ballot in self._ballots.values():
            ballot.lock()

    async def watch(self, workload: Workload, name: str, **options: Any) -> Any:
        """Lock what the run will answer, run it for real, and show it while it runs.

        Where it can't run here, the reason is said and the recorded run of that name is shown
        and returned instead; it says of itself that it is one.

        Parameters
        ----------
        workload
            What to run.
        name
            What the run is called in this lesson, and its recorded twin.
        **options
            For `piotutor.live.watch`: `views` and so on.

        Returns
        -------
        Run or Recorded
            Both have a `trace`, a `workload` and an `environment`.
        """
        from piotutor.live import watch

        for question in self.content.answered_by(name):
            self._ballots[question].lock()
        try:
            run: Any = await watch(workload, **options)
        except PiotutorError as reason:
            run = self._instead(name, reason, options.get("views", ("access_map",)))
        self.runs[name] = run
        return run

    async def blind(self) -> Blind:
        """Run the lesson's unlabelled workloads, in turn, and put them under letters.

        Where they can't run here, the recorded ones are taken, and the table says so.
        """
        from piotutor.runner import run as start

        try:
            runs = {}
            for label, workload in self.content.blind.items():
                path = self.scratch / f"{label}.dat"
                runs[label] = await start(workload.replace(keep=True, test_file=str(path)))
                path.unlink(missing_ok=True)
        except PiotutorError as reason:
            kept = {label: self.recorded(f"blind-{label}") for label in self.content.blind}
            stamp = next(iter(kept.values())).stamp
            return shuffled(kept, f"They can't run here ({reason}): {stamp}.")
        self.runs |= {f"blind-{label}": run for label, run in runs.items()}
        return shuffled(runs)

    def compare(self, question: str) -> Comparison:
        """Put prediction, model and measurement side by side.

        Raises
        ------
        UsageError
            The run that answers it hasn't been made.
        """
        ballot = self._ballot(question)
        run, measure = self._run(self.content.answers[question]), ballot.question.measure
        return Comparison(ballot.question, ballot.value, None if measure is None else measure(run))

    def map(self, workload: Workload) -> Any:
        """Draw which rank will write what, before any file is opened."""
        from piotutor.plots.pattern_map import plot_pattern_map

        return plot_pattern_map(workload)

    def evidence(self, *names: str) -> EvidenceTable:
        """Return a table of what runs of this lesson left behind; no speed is in it."""
        return EvidenceTable({name: evidence(self._run(name).trace) for name in names})

    def evict(self, path: str | Path) -> Eviction:
        """Put a file out of memory, look whether it is gone, and say so."""
        return Eviction(Path(path))

    def roll_call(self, run: Any) -> RollCall:
        """Let each rank of a run say who it is, and what it wrote."""
        return RollCall(run)

    def recorded(self, name: str) -> Recorded:
        """Return the recorded run of that name, from the machine that it was made on."""
        return recorded.load(self.name, name)

    def _instead(self, name: str, reason: PiotutorError, views: tuple[str, ...]) -> Recorded:
        from piotutor.live import replay

        try:
            run = self.recorded(name)
        except UsageError:
            raise reason from None
        show: Any = importlib.import_module("IPython.display")
        show.display(show.HTML(f"<p><strong>It can't run here:</strong> {escape(str(reason))}</p>"))
        show.display(run, replay(run.trace, views=views))
        return run

    def _run(self, name: str) -> Any:
        if name not in self.runs:
            raise UsageError(f"the run {name!r} isn't there yet: make it, with its cell above")
        return self.runs[name]

    def _ballot(self, question: str) -> Ballot:
        if question not in self._ballots:
            raise UsageError(
                f"lesson {self.name} has no question {question!r}: it has {list(self._ballots)}"
            )
        return self._ballots[question]

    def __repr__(self) -> str:
        return f"Lesson {self.name}: {self.content.title} {self._progress}"

    @property
    def _progress(self) -> str:
        checks = self.content.checks
        done = f"{len(journal.passed(self.name) & set(checks))} of {len(checks)}"
        return f"({self.content.minutes} minutes, checks passed: {done})"

    def _repr_html_(self) -> str:
        return (
            f"<p><strong>{self.name} · {escape(self.content.title)}</strong> {self._progress}</p>"
        )
