"""Above which numbers a verdict is given, each with its source: the only place where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

DRISHTI = "hpc-io/drishti-io, drishti/includes/config.py (read at 0e8b398)"
OURS = "piotutor's own: nothing published was found"


def _threshold(value: float, meaning: str, source: str) -> Any:
    return field(default=value, metadata={"meaning": meaning, "source": source})


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What counts as much; `table` says what each means, and where it comes from."""

    small_bytes: int = _threshold(2**20, "a request of fewer bytes is small", DRISHTI)
    small_share: float = _threshold(0.1, "share of small requests", DRISHTI)
    small_count: int = _threshold(1000, "number of small requests", DRISHTI)
    misaligned_share: float = _threshold(0.1, "share of requests that begin inside a unit", DRISHTI)
    random_share: float = _threshold(
        0.2, "share of requests that go back behind the end of the one before", DRISHTI
    )
    random_count: int = _threshold(1000, "number of such requests", DRISHTI)
    straggler_share: float = _threshold(
        0.15,
        "share of a shared file's bytes by which its slowest and its fastest rank differ",
        DRISHTI,
    )
    target_share: float = _threshold(
        0.15,
        "share of all bytes by which the targets with most and with least differ",
        DRISHTI,
    )
    late_share: float = _threshold(
        0.1, "share of the time by which a target is done later than all others", OURS
    )
    metadata_s_per_rank: float = _threshold(
        30, "seconds that a rank spends in opens, closes, stats and the like", DRISHTI
    )
    redundant_share: float = _threshold(
        0.1, "share of the bytes read that had been read before", OURS
    )
    independent_share: float = _threshold(0.5, "share of MPI-IO requests not collective", DRISHTI)
    independent_count: int = _threshold(
        1000, "number of small independent MPI-IO requests to shared files", DRISHTI
    )
    interleaved_share: float = _threshold(
        0.1, "share of neighbours in a file that belong to different ranks", OURS
    )
    refused_count: int = _threshold(0, "number of collective HDF5 transfers not granted", OURS)


class Line(NamedTuple):
    """One line of the table of thresholds."""

    name: str
    value: float
    meaning: str
    source: str


def table(thresholds: Thresholds | None = None) -> Iterator[Line]:
    """Yield each threshold with its value, meaning and source."""
    chosen = thresholds or Thresholds()
    for one in fields(chosen):
        yield Line(one.name, getattr(chosen, one.name), **one.metadata)


def source(*names: str) -> str:
    """Say where some thresholds come from."""
    found = {line.name: line.source for line in table()}
    return "; ".join(dict.fromkeys(found[name] for name in names))
