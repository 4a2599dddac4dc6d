"""MPI-IO hints: what was asked for, what the library says, and what can be known of the truth.

A library may repeat a hint that the driver of the file system ignores: ROMIO answers
``striping_factor=4`` for a file on ext4. So an echo proves nothing for hints that only some
drivers know; the driver's name decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DRIVERS = {
    "striping_factor": ("LUSTRE", "PVFS", "PANFS"),
    "striping_unit": ("LUSTRE", "PVFS", "PANFS"),
    "start_iodevice": ("LUSTRE", "PVFS", "PANFS"),
    "romio_lustre_": ("LUSTRE",),
    "panfs_": ("PANFS",),
    "direct_read": ("XFS",),
    "direct_write": ("XFS",),
}
"""Hints (or the beginnings of their names) to the ROMIO drivers that act on them."""


def judge_hints(requested: Mapping[str, str], echoed: Mapping[str, str]) -> dict[str, Any]:
    """Say of each requested hint whether it is obeyed.

    Parameters
    ----------
    requested : mapping
        What was given when the file was opened.
    echoed : mapping
        What the open file says (``MPI_File_get_info``).

    Returns
    -------
    dict
        ``requested``, ``echoed``, and ``verified``: for each requested hint ``obeyed`` (True,
        False, or None where it can't be known) and ``why``.
    """
    verified = {name: _judge(name, value, echoed) for name, value in requested.items()}
    return {"requested": dict(requested), "echoed": dict(echoed), "verified": verified}


def compare(hints: Mapping[str, Any], facts: Mapping[str, int], source: str) -> dict[str, Any]:
    """Judge hints for a layout again, by the layout that the file really had.

    Parameters
    ----------
    hints : mapping
        As `judge_hints` returned them.
    facts : mapping
        Names of hints to what the file had.
    source : str
        Who says so, such as ``lfs getstripe``.
    """
    again = {
        name: _verdict(str(facts[name]) == value.strip(), f"the file had {facts[name]} ({source})")
        for name, value in hints["requested"].items()
        if name in facts
    }
    return {**hints, "verified": {**hints["verified"], **again}}


def _judge(name: str, value: str, echoed: Mapping[str, str]) -> dict[str, bool | str | None]:
    driver = echoed.get("romio_filesystem_type", "")
    if not driver:
        return _verdict(None, "this MPI library doesn't say what it does with hints")
    if name not in echoed:
        return _verdict(False, "not known to this MPI library")
    if echoed[name].strip() != value.strip():
        return _verdict(False, f"the library uses {echoed[name]}")
    for start, able in _DRIVERS.items():
        if name.startswith(start) and not driver.upper().startswith(able):
            return _verdict(False, f"echoed, but the driver ({driver}) {_instead(name)}")
    if name.startswith("stri"):
        return _verdict(None, "the file's layout tells: look with the file system's own tool")
    return _verdict(True, "the library's own value for this file")


def _instead(name: str) -> str:
    """Return what a driver without layouts makes of a hint; see `piotutor.twophase.domains`."""
    if name == "striping_unit":
        return "lays out nothing by it: it only ends collective file domains at its multiples"
    return "does nothing with it"


def _verdict(obeyed: bool | None, why: str) -> dict[str, bool | str | None]:
    return {"obeyed": obeyed, "why": why}
