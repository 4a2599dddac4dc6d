"""What checks and questions share: reading answers, and counting in traces."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np

from piotutor.trace import Flag, Layer, Op


def numbers(answer: object) -> list[int] | None:
    """Return an answer as a list of whole numbers; None when it is no such list."""
    if isinstance(answer, (str, bytes, dict)) or not isinstance(answer, Iterable):
        return None
    values = list(answer)
    if not all(isinstance(value, Integral) and not isinstance(value, bool) for value in values):
        return None
    return [int(value) for value in values]


def calls(run: Any, op: str) -> int:
    """Count the ranks' own calls of one kind in a run: ``calls(run, "write")``."""
    records = run.trace.records
    wanted = (records["layer"] == Layer.APP) & (records["op"] == Op[op.upper()])
    return int(np.count_nonzero(wanted & (records["flags"] & Flag.PART == 0)))
