"""The servers over which a lesson's files are striped: found here, or started for the lesson."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from piotutor import standing
from piotutor.capture.device import mount_of
from piotutor.errors import PiotutorError, UsageError
from piotutor.storage.ceph import UNIT, Ceph, parts
from piotutor.storage.ceph.standing import Standing
from piotutor.storage.local import Local
from piotutor.storage.lustre import Lustre
from piotutor.units import format_rate, parse_size


@dataclass(frozen=True, kw_only=True)
class Missing(Local):
    """A storage that can't be had here; a run on it is refused with the reason."""

    name: ClassVar[str] = "missing"

    why: str = ""

    def need(self) -> None:
        """Say why."""
        raise UsageError(self.why)


class Servers:
    """Storage servers for a lesson's runs; in a notebook they say what they are.

    Attributes
    ----------
    told
        What was found.
    missing
        What can't be shown here, and why; empty where all can.
    """

    def __init__(self, told: str, missing: str = "") -> None:
        self.told, self.missing = told, missing

    @property
    def storage(self) -> Any:
        """They as they were started, for runs."""
        return Missing(why=self.missing)

    def striped(self, count: int, unit: str = "64k") -> Any:
        """Return them as a storage whose new files lie on `count` servers, in stripes of `unit`."""
        return Missing(why=self.missing)

    def slowed(self, server: int, rate: str, count: int = 4) -> Any:
        """Return the same with one server at another rate, in bytes/s: ``"2m"``."""
        return Missing(why=self.missing)

    def stop_sync(self) -> None:
        """End what was started for the lesson."""

    def __repr__(self) -> str:
        return "\n".join(text for text in (self.told, self.missing) if text)

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(line)}</p>" for line in repr(self).splitlines())


class OnLustre(Servers):
    """The servers of the Lustre on which the lesson's files lie."""

    def striped(self, count: int, unit: str = "64k") -> Lustre:
        """Return it with a layout for new files, which ``lfs setstripe`` gives them."""
        return Lustre(stripe_size=parse_size(unit), stripe_count=count)


class OnCeph(Servers):
    """A Ceph that stands for the lesson, and ends with it, or with the kernel."""

    def __init__(
        self, up: standing.Upkeep, running: Standing, told: str, missing: str = ""
    ) -> None:
        super().__init__(told, missing)
        self._up, self._running = up, running
        self._late: int | None = None

    @property
    def storage(self) -> Standing:
        """It as it was started, for runs."""
        return self._running

    def striped(self, count: int, unit: str = "64k") -> Standing:
        """Return it with a layout for new files, all servers at their common rate."""
        if self._late is not None and self._running.rate is not None:
            self._running.slow_down(self._late, self._running.rate)
            self._late = None
        return self._running.replace(stripe_count=count, stripe_unit=unit)

    def slowed(self, server: int, rate: str, count: int = 4) -> Any:
        """Return it with one server slowed, where servers can be slowed."""
        if self._running.rate is None:
            return Missing(why=self.missing)
        storage = self.striped(count)
        self._running.slow_down(server, rate)
        self._late = server
        return storage

    def stop_sync(self) -> None:
        """End it, with all its files."""
        self._up.stop_sync()


async def find(osds: int, rate: str, place: Path) -> Servers:
    """Return the servers below a path, or start some.

    Parameters
    ----------
    osds
        How many are started, where the path lies on none.
    rate
        Bytes/s of each of those: ``"8m"``.
    place
        Where a lesson's files lie.
    """
    if mount_of(place).kind == "lustre":
        return OnLustre(
            "Your files lie on a Lustre: its servers take part.",
            "its servers serve others too, and can't be slowed: times are inconclusive here",
        )
    try:
        return await _started(Ceph(osds=osds, rate=parse_size(rate)))
    except UsageError as why:
        unslowed = f"Servers can't be slowed here, so times are inconclusive: {why}"
    except PiotutorError as why:
        return _none(why)
    try:
        return await _started(Ceph(osds=osds), unslowed)
    except PiotutorError as why:
        return _none(why)


async def ceph(osds: int, code: str = "") -> Servers:
    """Start servers of Ceph, each as fast as it can be.

    Parameters
    ----------
    osds
        How many.
    code
        Chunks of data and of parity, ``"3+1"``, where all they keep is to be erasure-coded.
    """
    try:
        return await _started(_coded(osds, code) if code else Ceph(osds=osds))
    except PiotutorError as why:
        return _none(why)


def _coded(osds: int, code: str) -> Ceph:
    """Return one whose stripes are whole ones of the code, and whole units of Ceph."""
    unit = UNIT * int(parts(code).partition("+")[0])
    return Ceph(osds=osds, pool="ec", ec=code, stripe_unit=unit, stripe_count=1)


async def _started(asked: Ceph, missing: str = "") -> OnCeph:
    up = standing.start(asked)
    running = await up.wait()
    speed = "as fast as it can be" if asked.rate is None else f"at {format_rate(asked.rate)}"
    told = (
        f"A real Ceph is up on this machine: {asked.osds} storage servers (OSD 0 to "
        f"{asked.osds - 1}), each {speed}."
    )
    if asked.pool == "ec":
        data, coding = asked.chunks
        told += f" Of each stripe they keep {data} chunks of data and {coding} of parity."
    return OnCeph(up, running, told, missing)


def _none(why: PiotutorError) -> Servers:
    return Servers(
        "There are no storage servers here: runs recorded elsewhere are shown.",
        f"no storage servers: {why}",
    )
