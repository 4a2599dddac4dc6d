"""The numbers of a run in the outside form, whatever it was made of: ranks, a file, a model."""

from __future__ import annotations

from typing import Any

from piotutor import diagnosis, metrics
from piotutor.trace import Trace

NO_HINTS: dict[str, Any] = {"requested": {}, "echoed": {}, "verified": {}}
"""What is said of hints where MPI-IO was asked for nothing."""


def outcome(
    trace: Trace, environment: dict[str, Any], capture: dict[str, Any], **found: Any
) -> dict[str, Any]:
    """Return a run's result: what its trace says, and what else was found.

    Parameters
    ----------
    trace : Trace
        All that was recorded.
    environment, capture : dict
        Where it ran, and how the layers below were seen.
    **found
        What isn't in the trace, or counts more than what is. Without it a run is taken to have
        ended well and to have verified nothing.
    """
    return {
        "provenance": trace.provenance,
        "status": "done",
        "environment": environment,
        "phases": [phase.to_dict() for phase in metrics.phases(trace)],
        "layers": metrics.layers(trace),
        "targets": metrics.targets(trace),
        "verdicts": [verdict.to_dict() for verdict in diagnosis.verdicts(trace)],
        "dropped": trace.dropped,
        "capture": capture,
        "verified_bytes": 0,
        "verified_from": None,
        "hints": NO_HINTS,
        "mismatches": [],
        "signature": None,
        "exit_code": None,
        "seconds": 0.0,
        **found,
    }
