"""Small recorded runs that ship with a lesson, for machines that can't make them.

A recorded run is one trace file, ``data/LESSON-NAME.piot``. Its notes say with which workload,
on what kind of host and on which day it was made, and never name that host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from html import escape
from pathlib import Path, PurePath
from typing import Any

from piotutor.capture.h5map import AddressMap
from piotutor.errors import UsageError
from piotutor.trace import Trace
from piotutor.workload import Workload

DATA = Path(__file__).parent / "data"
_KEPT = (
    "mpi",
    "mpi_io_driver",
    "mpi4py",
    "emulation",
    "filesystem",
    "layout",
    "machine",
    "ranks",
    "ranks_per_client",
    "rates",
    "slowed",
    "storage",
    "storage_notes",
    "stripe_size",
    "system",
)


@dataclass(frozen=True)
class Recorded:
    """A run that somebody else's machine made, with what a run of one's own has.

    Attributes
    ----------
    trace
        Every record of it; all plots accept it.
    workload
        What was asked for; None where a program of the course ran.
    environment
        MPI, MPI-IO driver and so on, as far as it was kept.
    host
        The kind of machine, never its name.
    day
        The date of the run, ``YYYY-MM-DD``.
    hints
        What was asked of MPI-IO, what it answered, and how that was judged.
    h5map
        What each byte was of the HDF5 file that it left behind, if there was one.
    """

    trace: Trace
    workload: Workload | None
    environment: dict[str, Any]
    host: str
    day: str
    hints: dict[str, Any] = field(default_factory=dict)
    h5map: AddressMap | None = None

    @property
    def stamp(self) -> str:
        """Say where and when it was made, for a caption."""
        return f"recorded on {self.day}, on a {self.host}"

    def __repr__(self) -> str:
        return f"<run {self.stamp}: {len(self.trace.records)} records>"

    def _repr_html_(self) -> str:
        return f"<p><strong>Not your machine:</strong> this run was {escape(self.stamp)}.</p>"


def names(lesson: str) -> list[str]:
    """Return the names of a lesson's recorded runs."""
    return sorted(path.stem.split("-", 1)[1] for path in DATA.glob(f"{lesson}-*.piot"))


def load(lesson: str, name: str) -> Recorded:
    """Open a recorded run.

    Raises
    ------
    UsageError
        The lesson has no run of that name.
    """
    path = DATA / f"{lesson}-{name}.piot"
    if not path.exists():
        raise UsageError(
            f"lesson {lesson} has no recorded run {name!r}: it has {names(lesson) or 'none'}"
        )
    trace = Trace.load(path)
    meta = trace.meta
    workload = Workload.from_dict(meta["workload"]) if meta["workload"] else None
    found = AddressMap.from_dict(meta["h5map"]) if meta.get("h5map") else None
    hints = meta.get("hints", {})
    stamp = meta["recorded"]
    return Recorded(trace, workload, meta["environment"], **stamp, hints=hints, h5map=found)


def save(
    run: Any,
    lesson: str,
    name: str,
    *,
    host: str,
    h5map: AddressMap | None = None,
    directory: Path = DATA,
) -> Path:
    """Keep a finished run as a recorded one.

    Parameters
    ----------
    run
        A run with a trace, a workload or none, an environment and hints.
    lesson, name
        Where it belongs: ``04`` and ``segments``.
    host
        The kind of machine, such as "2-core Linux virtual machine, ext4".
    h5map
        Of the HDF5 file that it left behind.
    directory
        Where the file is written.

    Returns
    -------
    Path
        The file, with no path and no host name of this machine in it.
    """
    day = date.today().isoformat()
    environment = {key: run.environment[key] for key in _KEPT if key in run.environment}
    meta = {
        "workload": run.workload and run.workload.replace(test_file=None).to_dict(),
        "environment": environment | {"host": f"{host} (recorded {day})"},
        "recorded": {"host": host, "day": day},
        "hints": run.hints,
        "h5map": h5map and h5map.to_dict(),
        "map": run.trace.meta.get("map"),
        "mds": run.trace.meta.get("mds"),
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{lesson}-{name}.piot"
    _anonymous(run.trace, meta).save(path)
    path.chmod(0o644)
    return path


def _anonymous(trace: Trace, meta: Mapping[str, Any]) -> Trace:
    known = (meta["h5map"] or {}).get("name")
    names = [PurePath(file).name for file in trace.files]
    shown = [name if name == known else f"data{n}" for n, name in enumerate(names)]
    kept = {**meta, "map": _renamed(meta["map"], dict(zip(names, shown, strict=True)))}
    return Trace(trace.records, shown, trace.dropped, trace.provenance, kept)


def _renamed(document: Mapping[str, Any] | None, names: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the map of where files lie on servers, with the files' new names."""
    if document is None:
        return None
    files = [{**file, "name": names.get(file.get("name", ""), "")} for file in document["files"]]
    return {**document, "files": files}
