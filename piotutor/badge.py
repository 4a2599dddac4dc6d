"""The words that stand on every picture and table: how the numbers came about, and on what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from piotutor.units import format_seconds


def badge(
    provenance: str,
    environment: Mapping[str, Any],
    ranks: int,
    *,
    dropped: int = 0,
    damaged: bool = False,
) -> str:
    """Return them in one line: ``measured · ext4, host, MPICH, 4 ranks · captured: preload``.

    Parameters
    ----------
    provenance : str
        ``measured``, ``emulated`` or ``modelled``.
    environment : mapping
        Of the run: where, with what, captured how, what was ``slowed`` on purpose, and
        how far the ``clocks`` of several hosts may be apart.
    ranks : int
        How many there were.
    dropped : int
        Records that found no room.
    damaged : bool
        Whether parts of the trace couldn't be read.
    """
    where = [str(environment[key]) for key in ("filesystem", "host", "mpi") if environment.get(key)]
    parts = [provenance, ", ".join([*where, f"{ranks} rank{'s' * (ranks != 1)}"])]
    if environment.get("capture"):
        parts.append(f"captured: {environment['capture']}")
    if environment.get("slowed"):
        parts.append(f"slowed: {environment['slowed']}")
    if environment.get("clocks"):
        parts.append(_agreement(environment["clocks"]))
    if dropped:
        parts.append(f"{dropped:,} events dropped: the picture is incomplete")
    if damaged:
        parts.append("parts of the trace are damaged")
    return " · ".join(parts)


def _agreement(clocks: Mapping[str, Mapping[str, Any]]) -> str:
    """Say how well the clocks of several hosts are known to agree."""
    apart = [clock["uncertainty_ns"] for clock in clocks.values()]
    if None in apart:
        return f"{len(apart)} hosts, clocks not compared"
    return f"{len(apart)} hosts, one clock to within {format_seconds(max(apart) / 1e9)}"
