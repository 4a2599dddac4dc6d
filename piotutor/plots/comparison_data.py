"""What a model foretells of runs, beside what was measured: the numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from piotutor import ior, metrics
from piotutor.engine import Machine
from piotutor.errors import UsageError
from piotutor.foretold import foretold
from piotutor.plots.style import badge
from piotutor.trace import Layer, Op, Trace
from piotutor.units import format_count, format_rate, format_seconds


@dataclass(frozen=True)
class What:
    """A number that a run and its model both have.

    Attributes
    ----------
    name : str
        What stands below the axis.
    of : callable
        From a trace to values, one for each repetition, by what was done.
    words : callable
        From a value to words.
    layers : tuple of Layer
        Whose records it needs.
    """

    name: str
    of: Callable[[Trace], dict[str, list[float]]]
    words: Callable[[float], str]
    layers: tuple[Layer, ...] = (Layer.APP,)


def _per_phase(
    field: Callable[[metrics.PhaseResult], float | None], trace: Trace
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for phase in metrics.phases(trace):
        value = field(phase)
        if value is not None:
            found.setdefault(phase.op, []).append(value)
    return found


def _callbacks(trace: Trace) -> dict[str, list[float]]:
    server = trace.where(layer=Layer.SERVER)
    if not server.any():
        return {}
    return {"locks": [float(np.count_nonzero(server & trace.where(op=Op.UNLOCK)))]}


def _median_call(phase: metrics.PhaseResult) -> float | None:
    return phase.latency.p50 if phase.latency else None


WHAT = {
    "bandwidth": What(
        "bandwidth, open to close", partial(_per_phase, lambda one: one.bandwidth), format_rate
    ),
    "seconds": What(
        "time, open to close", partial(_per_phase, lambda one: one.seconds), format_seconds
    ),
    "latency": What("time of one call, median", partial(_per_phase, _median_call), format_seconds),
    "callbacks": What(
        "locks called back",
        _callbacks,
        lambda count: format_count(round(count)),
        (Layer.APP, Layer.SERVER),
    ),
}
"""What can be compared."""


PROGRAM = "the model of a program is of its system calls, with the pauses that it made between them"


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes
    ----------
    word : str
        ``measured``, ``emulated``, ``modelled`` or ``you predicted``.
    value : float
        The median over the repetitions.
    each : tuple of float
        All repetitions.
    """

    word: str
    value: float
    each: tuple[float, ...] = ()


@dataclass(frozen=True)
class Group:
    """What is known of one number of one run: the run, its model, and the prediction if any.

    Attributes
    ----------
    run : str
        The run's name; empty where there is one run.
    op : str
        What is compared of it: ``write``, ``read`` or ``locks``.
    bars : tuple of Bar
        The prediction first, then the model, then the run.
    """

    run: str
    op: str
    bars: tuple[Bar, ...]

    @property
    def name(self) -> str:
        """The run, and what it did."""
        return f"{self.run}, {self.op}" if self.run else self.op

    @property
    def factor(self) -> float | None:
        """The model's number over the run's; None where one isn't known or nothing."""
        *_, foretold, found = self.bars
        return foretold.value / found.value if foretold.value and found.value else None


@dataclass(frozen=True)
class ComparisonData:
    """What the picture shows.

    Attributes
    ----------
    what : str
        One of `WHAT`.
    groups : list of Group
        For each run, what it wrote and read.
    badges : list of str
        How the numbers came about: the model's, then the runs' that differ, with what there is to
        be noted of an emulation.
    machine : str
        On what it was modelled; empty where each run was on its own machine.
    """

    what: str
    groups: list[Group]
    badges: list[str]
    machine: str = ""


def comparison_data(
    runs: Any,
    machine: Machine | str | None = None,
    *,
    what: str = "bandwidth",
    predicted: Any = None,
    stripe_size: int | None = None,
    stripe_count: int | None = None,
) -> ComparisonData:
    """Model each run's workload or a program's system calls, and put both numbers together.

    Parameters
    ----------
    runs : Run, or sequence or mapping of them
        What ran; a mapping gives them names. Anything with a ``trace``, a ``workload`` and an
        ``environment`` will do.
    machine : Machine or str, optional
        On what to model them; that of an emulated run, if not given.
    what : str
        ``bandwidth``, ``seconds``, ``latency`` or ``callbacks``.
    predicted : float, or what `Lesson.predict` returned; or a mapping of run names to these
        What was thought before, in bytes/s, seconds or a number; a lesson's when it is locked. Of a
        run that writes and reads it is for its writing.
    stripe_size, stripe_count : int, optional
        How files are laid out in the model: as the run's were where that is known, else in one
        stripe of 1 MiB.

    Raises
    ------
    UsageError
        There is nothing of that name, no machine, or nothing to be modelled.
    PiotutorError
        The engine isn't built.
    """
    if not isinstance(what, str) or what not in WHAT:
        raise UsageError(f"what={what!r}: choose {', '.join(WHAT)}")
    groups: list[Group] = []
    badges: list[str] = []
    named = names_of(runs)
    for name, run in named.items():
        trace = foretold(
            run.trace, run.workload, run.environment, machine, layers=WHAT[what].layers,
            stripe_size=stripe_size, stripe_count=stripe_count,
        )  # fmt: skip
        notes = [*run.environment.get("storage_notes", ()), *(() if run.workload else [PROGRAM])]
        badges += [badge(trace), badge_of(run), *(f"note: {note}" for note in notes)]
        guess = predicted.get(name) if isinstance(predicted, Mapping) else predicted
        groups += _groups(name if len(named) > 1 else "", run, trace, what, _number(guess))
    if not groups:
        raise UsageError(f"what={what!r}: neither runs nor models tell it")
    on = "" if machine is None else trace.meta["environment"]["filesystem"]
    return ComparisonData(what, groups, list(dict.fromkeys(badges)), on)


def _groups(name: str, run: Any, model: Trace, what: str, guess: float | None) -> list[Group]:
    trace = run.trace if run.workload else _system(run.trace)
    found, expected = WHAT[what].of(trace), WHAT[what].of(model)
    groups: list[Group] = []
    for op in (op for op in expected if op in found):
        bars = [_bar("modelled", expected[op]), _bar(run.trace.provenance, found[op])]
        if guess is not None and not groups:
            bars.insert(0, Bar("you predicted", guess))
        groups.append(Group(name, op, tuple(bars)))
    return groups


def _system(trace: Trace) -> Trace:
    """Return the part of a program's trace that its model has: system calls, and servers."""
    kept = trace.where(layer=Layer.POSIX) | trace.where(layer=Layer.SERVER)
    return Trace.from_records(trace.records[kept], files=trace.files, provenance=trace.provenance)


def _bar(word: str, each: list[float]) -> Bar:
    return Bar(word, float(np.median(each)), tuple(each))


def _number(guess: Any) -> float | None:
    """Return what was predicted; what a lesson hasn't locked yet doesn't count."""
    value = getattr(guess, "value", guess) if getattr(guess, "locked", True) else None
    try:
        number = None if value is None else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if number is not None and not 0 <= number < math.inf:
        raise UsageError(f"predicted={value!r:.40}: give a number, or one for each run by its name")
    return number


def badge_of(run: Any) -> str:
    """Return how a run's numbers came about, and on what."""
    trace: Trace = run.trace
    return badge(Trace(trace.records, trace.files, trace.dropped, trace.provenance,
                       {**trace.meta, "environment": run.environment}))  # fmt: skip


def names_of(runs: Any) -> dict[str, Any]:
    """Return runs by name: as given, or by what their IOR lines have of their own, or by number."""
    if isinstance(runs, Mapping):
        return {str(name): _as_run(run) for name, run in runs.items()}
    if not isinstance(runs, Sequence):
        return {"": _as_run(runs)}
    lines = [
        re.split(r"\s(?=-)", ior.command(run.workload)) if run.workload else []
        for run in map(_as_run, runs)
    ]
    common = set.intersection(*map(set, lines)) if lines else set()
    own = [" ".join(word for word in line if word not in common) for line in lines]
    if len(set(own)) < len(own):
        own = [f"run {number}" for number in range(1, len(own) + 1)]
    return dict(zip((name or "plain" for name in own), runs, strict=True))


def _as_run(run: Any) -> Any:
    """Return what has all of a run that is needed here."""
    if not all(hasattr(run, name) for name in ("trace", "workload", "environment")):
        raise UsageError(f"{type(run).__name__} is no run: give a run, or pio.open_run of its name")
    return run
