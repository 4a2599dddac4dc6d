"""`Lesson`: what a notebook holds on to from its first cell to its last."""

from __future__ import annotations

import importlib
from html import escape
from pathlib import Path
from typing import Any

from piotutor.capture.h5map import AddressMap, h5map
from piotutor.errors import PiotutorError, UsageError
from piotutor.lesson import course, journal, recorded
from piotutor.lesson.ballot import Ballot
from piotutor.lesson.blind import Blind, shuffled
from piotutor.lesson.comparison import Comparison
from piotutor.lesson.counts import CountsTable, HintsTable, counts
from piotutor.lesson.eviction import Eviction
from piotutor.lesson.evidence import EvidenceTable, evidence
from piotutor.lesson.hardware import Hardware
from piotutor.lesson.locks import LocksTable, PermissionsTable, permissions, sharing
from piotutor.lesson.moves import CallsTable, MovesTable, moves, of_data
from piotutor.lesson.program import Program
from piotutor.lesson.recorded import Recorded
from piotutor.lesson.roll_call import RollCall
from piotutor.lesson.scratch import Scratch
from piotutor.lesson.servers import Servers, ceph, find
from piotutor.lesson.shares import SharesTable, shares
from piotutor.lesson.sweep import Sweeps
from piotutor.trace import Layer, Op
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
    maps
        Address maps of the HDF5 files that runs left behind, by the runs' names.

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
        self.maps: dict[str, AddressMap] = {}
        self._played: set[str] = set()
        self._ballots = {q.name: Ballot(name, q) for q in self.content.questions}
        self._scratch: Scratch | None = None
        self._servers: Servers | None = None

    @property
    def name(self) -> str:
        """The lesson's number."""
        return self.content.name

    @property
    def hardware(self) -> Hardware:
        """Disks, flash and arrays by themselves, to be played step by step."""
        return Hardware(self._run, self._play)

    @property
    def scratch(self) -> Path:
        """A directory for files that outlive one run; `clean` removes it, and so does the exit."""
        if self._scratch is None:
            self._scratch = Scratch()
        return self._scratch.path

    def clean(self) -> None:
        """End the servers that the lesson started, and remove what it left in its scratch."""
        if self._servers is not None:
            self._servers.stop_sync()
            self._servers = None
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

    def lock(self, run: str = "") -> None:
        """Close all questions for good, or those that a run answers."""
        for question in self.content.answered_by(run) if run else self._ballots:
            self._ballots[question].lock()

    async def watch(self, workload: Workload | Program, name: str, **options: Any) -> Any:
        """Lock what the run will answer, run it for real, and show it while it runs.

        Where it can't run here, the reason is said and the recorded run of that name is shown
        and returned instead; it says of itself that it is one.

        Parameters
        ----------
        workload
            What to run: a workload, or one of `program`, which is shown when it is over.
        name
            What the run is called in this lesson, and its recorded twin.
        **options
            For `piotutor.live.watch`: `views` and so on.

        Returns
        -------
        Run or Recorded
            Both have a `trace`, a `workload` and an `environment`.
        """
        self.lock(name)
        try:
            run: Any = await _watched(workload, **options)
            if path := _hdf5_file(workload):
                self.maps[name] = h5map(path)
        except PiotutorError as reason:
            run = self._instead(name, reason, options.get("views", ("access_map",)))
            if run.h5map is not None:
                self.maps[name] = run.h5map
        self.runs[name] = run
        return run

    async def servers(self, osds: int, rate: str = "", code: str = "") -> Servers:
        """Return storage servers for the lesson's runs, started here where there are none.

        They end with `clean`, and with the kernel at the latest.

        Parameters
        ----------
        osds
            How many are started.
        rate
            Bytes/s of each, where it can be limited: ``"8m"``; without it a Ceph is started.
        code
            Chunks of data and of parity, ``"3+1"``, where what they keep is to be erasure-coded.
        """
        if self._servers is not None:
            self._servers.stop_sync()
        self._servers = await (find(osds, rate, self.scratch) if rate else ceph(osds, code))
        return self._servers

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
        ballot, answer = self._ballot(question), self.content.answers[question]
        run = None if answer in self._played else self._run(answer)
        measure = ballot.question.measure
        found = None if measure is None else measure(run)
        return Comparison(ballot.question, ballot.value, found, run)

    def map(self, workload: Workload) -> Any:
        """Draw which rank will write what, before any file is opened."""
        from piotutor.plots.pattern_map import plot_pattern_map

        return plot_pattern_map(workload)

    def published(self) -> Any:
        """Draw figures from elsewhere that the lesson is about."""
        from piotutor.plots.published import Published, plot_published

        return plot_published(Published(**self.content.published))

    def evidence(self, *names: str) -> EvidenceTable:
        """Return a table of what runs of this lesson left behind; no speed is in it."""
        return EvidenceTable({name: evidence(self._run(name).trace) for name in names})

    def counts(self, *names: str) -> CountsTable:
        """Return a table of what became of the writes of runs of this lesson, layer by layer."""
        runs = {name: self._run(name) for name in names}
        return CountsTable({name: counts(run.trace, run.workload) for name, run in runs.items()})

    def shares(self, *names: str) -> SharesTable:
        """Return a table of what each server wrote in runs, and what striping's rule foretells."""
        return SharesTable({name: shares(self._run(name)) for name in names})

    def sweep(self, *names: str) -> Sweeps:
        """Return what runs measured at each queue depth: in flight, per second, time of each."""
        return Sweeps({name: self._run(name).trace for name in names})

    def locks(self, *names: str) -> LocksTable:
        """Return a table of what clients shared in emulated runs, and of locks called back."""
        return LocksTable({name: sharing(self._run(name)) for name in names})

    def permissions(self, *names: str) -> PermissionsTable:
        """Return a table of what CephFS's servers got of runs' writes, and what they took back."""
        return PermissionsTable({name: permissions(self._run(name)) for name in names})

    def hints(self, name: str) -> HintsTable:
        """Say what was asked of MPI-IO in a run, what it answered, and whether it is so."""
        return HintsTable(self._run(name).hints)

    async def attempt(self, workload: Workload, **changes: Any) -> Any:
        """Run a workload with a learner's changes, as evidence for a check.

        Returns
        -------
        Run or None
            None while a change is still open (``...``), and where it can't run.
        """
        from piotutor.runner import run

        if any(value is ... for value in changes.values()):
            return None
        try:
            return await run(workload.replace(**changes))
        except PiotutorError:
            return None

    def program(
        self, name: str, *words: object, ranks: int | None = None, file: str = ""
    ) -> Program:
        """Return a short program of this course, to be run by `watch`; it shows its source.

        Parameters
        ----------
        name
            Its name.
        *words
            Its arguments, behind the file, which lies in `scratch`.
        ranks
            How many ranks MPI starts; without it, it is one process without MPI.
        file
            What its file is called; ``NAME.h5`` if it isn't given.
        """
        place = self.scratch / (file or f"{name}.h5")
        return Program(name, place, tuple(map(str, words)), ranks)

    def h5map(self, name: str, *, op: str | None = None, **options: Any) -> Any:
        """Draw what each byte is of the HDF5 file that a run left behind.

        Parameters
        ----------
        name
            The run.
        op
            ``write`` or ``read``: lay these calls of the run over the map.
        **options
            For `piotutor.h5map`.
        """
        from piotutor.plots.address_map import h5map as drawn

        run = self._run(name)
        if op is not None:
            options |= {"trace": run.trace, "op": op}
        return drawn(self._map(name), note=getattr(run, "stamp", ""), **options)

    def moves(self, *names: str, op: str = "write", by: str = "run") -> MovesTable:
        """Return a table of what HDF5, MPI-IO and the system were called for in runs.

        Parameters
        ----------
        *names
            The runs, whose files were HDF5's.
        op
            ``write`` or ``read``.
        by
            ``run``: one line for each, the metadata left out; ``dataset``: a line for each of one
            run's datasets, and one for the metadata.
        """
        found = {n: moves(self._run(n).trace, self._map(n), Op[op.upper()]) for n in names}
        if by == "dataset" and len(names) == 1:
            return MovesTable(by, found[names[0]])
        return MovesTable("run", {name: of_data(each) for name, each in found.items()})

    def calls(self, name: str, layer: str = "HDF5") -> CallsTable:
        """Return a table of how often each call of one layer was made in a run."""
        return CallsTable.of(self._run(name).trace, Layer[layer.upper()])

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

    def _play(self, device: str) -> None:
        self.lock(device)
        self._played.add(device)

    def _run(self, name: str) -> Any:
        if name not in self.runs:
            raise UsageError(f"the run {name!r} isn't there yet: make it, with its cell above")
        return self.runs[name]

    def _map(self, name: str) -> AddressMap:
        self._run(name)
        if name not in self.maps:
            raise UsageError(f"the run {name!r} left no HDF5 file behind")
        return self.maps[name]

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


async def _watched(workload: Workload | Program, **options: Any) -> Any:
    """Run a workload with its live view, or a program with its replay behind it."""
    from piotutor.live import replay, watch

    if isinstance(workload, Workload):
        return await watch(workload, **options)
    run = await workload.run()
    show: Any = importlib.import_module("IPython.display")
    show.display(replay(run, **options))
    return run


def _hdf5_file(workload: Workload | Program) -> str | Path | None:
    """Return the HDF5 file that stays behind, if one does."""
    if isinstance(workload, Program):
        return workload.file if workload.file.suffix == ".h5" else None
    return workload.test_file if workload.api == "HDF5" and workload.keep else None
