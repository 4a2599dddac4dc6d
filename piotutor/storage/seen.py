"""How a run's first file really lay on its targets: its file system is asked before the file goes.

A directory's layout, and a hint, are wishes. A file that has been written is settled.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piotutor.errors import PiotutorError
from piotutor.storage.placing import layout_of
from piotutor.storage.probe import probe
from piotutor.storage.striping import Striping
from piotutor.stripemap import StripeMap

FILE = "striping.json"
"""In the run directory."""
_WHO = {
    "lustre": "lfs getstripe",
    "beegfs": "beegfs-ctl --getentryinfo",
    "gpfs": "mmlsattr",
    "ceph": "ceph.file.layout",
    "daos": "daos filesystem get-attr",
}
"""Who told, by file system."""


@dataclass(frozen=True)
class Seen:
    """What was told of one file.

    Attributes
    ----------
    striping
        How it lay.
    size
        Its bytes.
    name
        Its name.
    """

    striping: Striping
    size: int
    name: str

    @property
    def source(self) -> str:
        """Who told."""
        return _WHO.get(self.striping.system, self.striping.system)

    @property
    def hints(self) -> dict[str, int]:
        """The hints by which MPI-IO would ask for such a file; none for several components."""
        if len(self.striping.components) != 1:
            return {}
        part = self.striping.components[0]
        found = {"striping_unit": part.stripe_size, "striping_factor": part.stripe_count}
        found |= {"start_iodevice": part.targets[0]} if part.targets else {}
        return {name: value for name, value in found.items() if value >= 0}

    @property
    def map(self) -> dict[str, Any] | None:
        """Where its bytes lay, by arithmetic, as ``map.json`` has it; None on one target."""
        try:
            layout = layout_of(self.striping)
            found = StripeMap.computed(
                layout, self.size, system=self.striping.system, source=self.source
            )
            entry = found.to_dict() | {"name": self.name}
        except PiotutorError:  # left open, or in copies: no map is better than a wrong one
            return None
        if len(found.targets) < 2:
            return None
        return {"system": found.system, "source": found.source, "files": [entry]}


def note(run_dir: Path, path: str) -> None:
    """Ask how a file is striped and note it in the run directory, once; nothing if it isn't told.

    Parameters
    ----------
    run_dir : Path
        The run directory.
    path : str
        The run's first file.
    """
    if (run_dir / FILE).exists():
        return
    found = probe(path).striping
    if found is not None:
        with suppress(OSError):
            about = {"striping": found.to_dict(), "size": Path(path).stat().st_size, "name": path}
            (run_dir / FILE).write_text(json.dumps(about, indent=1))


def noted(run_dir: Path) -> Seen | None:
    """Return what was noted; None if nothing was, or it can't be read."""
    try:
        about = json.loads((run_dir / FILE).read_text())
        return Seen(Striping.of(about["striping"]), int(about["size"]), str(about["name"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
