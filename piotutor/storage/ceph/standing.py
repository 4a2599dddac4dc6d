"""A Ceph that stands while it is used by run after run: a run's storage."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from piotutor.errors import PiotutorError, UsageError
from piotutor.storage import options
from piotutor.storage.ceph import Ceph, command
from piotutor.storage.ceph.slow import Slow, Slowing

CHANGE = "slow.json"
"""A new rate of a server, in the run directory of a Ceph that stands, until it is obeyed."""
PATIENCE = 5.0
PAUSE = 0.02
_LAYOUT = ("stripe_unit", "stripe_count", "object_size", "cache")


@dataclass(frozen=True, kw_only=True)
class Standing(Ceph):
    """A Ceph that stands, as a run's storage.

    Attributes
    ----------
    home
        The directory of its own run.
    enter
        Words before a program's that is to reach it.
    """

    home: Path = Path()
    enter: tuple[str, ...] = ()

    @property
    def elsewhere(self) -> bool:
        """Whether ranks on other hosts may use it: no, it takes their clients for dead ones."""
        return False

    def replace(self, **layout: Any) -> Standing:
        """Return the same servers with another layout for the next run's files.

        Raises
        ------
        UsageError
            Something else is to be changed, or the layout can't be.
        """
        wrong = [name for name in layout if name not in _LAYOUT]
        if wrong:
            raise UsageError(f"{wrong[0]} is settled while Ceph stands: stop it, and start another")
        return replace(self, **layout)

    def slow_down(self, osd: int, rate: int | str) -> None:
        """Give one of its servers another rate, at once: what is under way feels it too.

        Parameters
        ----------
        osd : int
            The server.
        rate : int or str
            Bytes/s, such as ``"5m"``; more than it had makes it faster.

        Raises
        ------
        UsageError
            There is no such server, or it stands in no network of its own.
        PiotutorError
            It gives no answer.
        """
        Slowing(self.osds, slow=Slow(osd, options.size(rate)))
        if not self.enter:
            raise UsageError("its servers can't be slowed: start it with rate=..., such as 100m")
        asked = self.home / CHANGE
        asked.with_suffix(".part").write_text(json.dumps([osd, options.size(rate)]))
        asked.with_suffix(".part").replace(asked)
        last = time.monotonic() + PATIENCE
        while asked.exists():
            if time.monotonic() > last:
                raise PiotutorError(f"this Ceph gave no answer in {PATIENCE:g} s")
            time.sleep(PAUSE)

    def need(self) -> None:
        """Raise `UsageError` if it doesn't stand any more."""
        if not (self.home / "storage-ready.json").exists():
            raise UsageError("this Ceph was stopped: start another")

    def service(self, run_dir: Path, files: Sequence[str], temporary: Path) -> list[str]:
        """Write the orders of the program that makes a run's files on it; return its command."""
        self._order(run_dir, files, home=str(self.home), place=str(temporary / "ceph"))
        return [*self.enter, *command(run_dir)]

    def _order(self, run_dir: Path, files: Sequence[str], **more: Any) -> None:
        plain = Ceph(**{name: getattr(self, name) for name in (*options.options(Ceph), "path")})
        Ceph._order(plain, run_dir, files, **more)
