"""Verdicts on a trace: known causes of slow I/O, each with evidence, threshold and advice.

`verdicts` gives all of them. What a trace can't tell is said, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from piotutor.diagnosis import ranks, requests, targets, together
from piotutor.diagnosis.seen import Seen
from piotutor.diagnosis.thresholds import Thresholds, table
from piotutor.diagnosis.verdict import Verdict, Verdicts
from piotutor.errors import UsageError
from piotutor.trace import Trace

__all__ = ["JUDGES", "Thresholds", "Verdict", "Verdicts", "table", "verdicts"]

JUDGES: dict[str, Callable[[Seen, Thresholds], Verdict]] = {
    "small": requests.small,
    "misaligned": requests.misaligned,
    "random": requests.random,
    "imbalanced": ranks.imbalanced,
    "metadata": ranks.metadata,
    "redundant": requests.redundant,
    "independent": together.independent,
    "split": together.split,
    "refused": together.refused,
    "targets": targets.targets,
    "straggler": targets.late,
}
"""What is looked for, by name, in the order in which it is told."""


def verdicts(run: Any, **thresholds: float) -> Verdicts:
    """Judge a run or a trace, ours or imported.

    Parameters
    ----------
    run : Run or Trace
        Anything with records.
    **thresholds
        Other numbers than those of `Thresholds`, by name.

    Returns
    -------
    Verdicts
        A list of all verdicts, found or not, that shows itself.

    Raises
    ------
    UsageError
        It is neither a run nor a trace, or there is no such threshold.

    Examples
    --------
    >>> pio.verdicts(run)["small"].found  # doctest: +SKIP
    True
    """
    trace = getattr(run, "trace", run)
    if not isinstance(trace, Trace):
        raise UsageError(f"{type(run).__name__} can't be judged: give a run or a trace")
    known = [line.name for line in table()]
    for name in thresholds:
        if name not in known:
            raise UsageError(f"{name!r} is no threshold: the thresholds are {', '.join(known)}")
    seen, limits = Seen(trace), Thresholds(**thresholds)  # type: ignore[arg-type]
    return Verdicts(judge(seen, limits) for judge in JUDGES.values())
