"""Servers that are slowed in real traffic: options, and how they are told.

By a rate for each in a network of one's own, or by Ceph's own delay where there can be none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from piotutor.capture import UnavailableError
from piotutor.errors import PiotutorError, UsageError
from piotutor.storage import namespaces, options
from piotutor.storage.ceph.reach import Reach
from piotutor.storage.namespaces import Network, Way, address
from piotutor.units import compact_size, format_rate, format_seconds

LEAST = 256 << 10
"""Bytes/s: below, the servers miss each other's signs of life."""
MOST = 5.0
"""Seconds: a longer delay isn't a slow server but a dead one."""


@dataclass(frozen=True)
class Slow:
    """One server's own rate, in bytes/s; as text ``2@5m``."""

    osd: int
    rate: int

    @classmethod
    def of(cls, text: str) -> Slow:
        """Read it; UsageError if it can't be."""
        osd, at, rate = text.partition("@")
        if not at:
            raise UsageError("give an OSD and its bytes/s, as in 2@5m")
        return cls(options.at_least(0)(osd), options.size(rate))

    def __str__(self) -> str:
        return f"{self.osd}@{compact_size(self.rate)}"


@dataclass(frozen=True)
class Delay:
    """Seconds that a server (None: each) waits at each step of a request; as text ``0.02@1``."""

    seconds: float
    osd: int | None = None

    @classmethod
    def of(cls, text: str) -> Delay:
        """Read it; UsageError if it can't be."""
        seconds, at, osd = text.partition("@")
        number = options.seconds(seconds)
        if number > MOST:
            raise UsageError(f"give at most {MOST:g} seconds")
        return cls(number, options.at_least(0)(osd) if at else None)

    def __str__(self) -> str:
        return f"{self.seconds:g}" + ("" if self.osd is None else f"@{self.osd}")


def read_slow(value: Any) -> str:
    """Read one server's own rate, as an option."""
    return str(Slow.of(str(value)))


def read_delay(value: Any) -> str:
    """Read a delay, as an option."""
    return str(Delay.of(str(value)))


@dataclass(frozen=True)
class Slowing:
    """Which of a Ceph's servers are slowed, and how.

    Attributes
    ----------
    osds
        How many servers there are.
    rate
        Bytes/s of each; 0 where they aren't limited.
    slow, delay
        One slower server; a delay.

    Raises
    ------
    UsageError
        A server is named that isn't there, or a rate is too low.
    """

    osds: int
    rate: int = 0
    slow: Slow | None = None
    delay: Delay | None = None

    def __post_init__(self) -> None:
        for name, one in (("slow", self.slow), ("delay", self.delay)):
            if one and one.osd is not None and one.osd >= self.osds:
                raise UsageError(
                    f"{name}={one}: there is no OSD {one.osd}: choose one of 0 to {self.osds - 1}"
                )
        for rate in self.rates.values():
            if rate < LEAST:
                raise UsageError(
                    f"rate={rate}: Ceph lives with {format_rate(LEAST)} or more on each OSD"
                )

    @property
    def rates(self) -> dict[int, int]:
        """Bytes/s of each limited server, by its number."""
        each = dict.fromkeys(range(self.osds), self.rate) if self.rate else {}
        return each | ({self.slow.osd: self.slow.rate} if self.slow else {})

    @property
    def delays(self) -> dict[int, float]:
        """Seconds of each delayed server, by its number."""
        if self.delay is None:
            return {}
        one = self.delay.osd
        return dict.fromkeys(range(self.osds) if one is None else [one], self.delay.seconds)

    def way(self) -> Way | None:
        """Find how the network is made that the rates need; None where there are none.

        Raises
        ------
        UsageError
            It can't be made here.
        """
        if not self.rates:
            return None
        try:
            return namespaces.find()
        except UnavailableError as why:
            raise UsageError(
                f"rate and slow need a network of one's own, which can't be had here: {why}; "
                "delay=0.02@1 slows a server without one"
            ) from None


class Slowed:
    """The slowed servers of a Ceph of one's own, as seen from its service.

    Parameters
    ----------
    slowing : Slowing
        How they are to be.
    user : bool, optional
        The way in which this process got its own network; None where it needed none.
    """

    def __init__(self, slowing: Slowing, user: bool | None) -> None:
        self._slowing, self._user = slowing, user
        self.network: Network | None = None

    def begin(self) -> None:
        """Make this process's own network ready, if there is one."""
        if self._user is not None:
            with _told_plainly():
                self.network = Network(Way(self._user), self._slowing.rates)

    @property
    def addresses(self) -> dict[int, str]:
        """Address of each server that has one of its own."""
        return {osd: address(osd) for osd in range(self._slowing.osds)} if self.network else {}

    @property
    def enter(self) -> list[str]:
        """Words before a program's that is to reach them."""
        return self.network.enter if self.network else []

    @property
    def about(self) -> dict[str, Any]:
        """What a run's ``environment`` says of it: ``slowed`` in words, and the ``rates``."""
        rates = self.network.rates if self.network else {}
        text = told(rates, self._slowing.delays, self._slowing.osds)
        each = {"rates": {str(osd): rate for osd, rate in rates.items()}} if rates else {}
        return {"slowed": text, **each} if text else {}

    def limit(self, osd: int, rate: int) -> None:
        """Give a server another rate."""
        if self.network:
            with _told_plainly():
                self.network.limit(osd, rate)

    @contextmanager
    def delays(self, reach: Reach) -> Iterator[None]:
        """Have the servers that are to be delayed wait at each step of a request meanwhile."""
        for osd, seconds in self._slowing.delays.items():
            _wait_at_steps(reach, osd, seconds)
        yield
        for osd in self._slowing.delays:
            _wait_at_steps(reach, osd, 0)


def _wait_at_steps(reach: Reach, osd: int, seconds: float) -> None:
    for name, value in (("duration", f"{seconds:g}"), ("probability", str(int(seconds > 0)))):
        setting = f"osd_debug_inject_dispatch_delay_{name}"
        reach.ask(f"osd.{osd}", "config set", var=setting, val=[value])


def passed() -> dict[int, int]:
    """Return `namespaces.passed`; PiotutorError where it can't be told."""
    with _told_plainly():
        return namespaces.passed()


@contextmanager
def _told_plainly() -> Iterator[None]:
    try:
        yield
    except UnavailableError as why:
        raise PiotutorError(f"servers can't be slowed: {why}") from None


def told(rates: Mapping[int, int], delays: Mapping[int, float], osds: int) -> str:
    """Say in words which servers are slowed, and by what; empty where none is.

    Examples
    --------
    >>> told({0: 26214400, 1: 5242880, 2: 26214400}, {}, 3)
    'OSD 1 at 5 MiB/s, OSDs 0, 2 at 25 MiB/s (tc)'
    >>> told({}, {0: 0.02, 1: 0.02}, 2)
    'dispatch delay of 20 ms on each OSD'
    """
    limits = [
        f"{_servers(rates, rate, osds)} at {format_rate(rate)}"
        for rate in sorted({*rates.values()})
    ]
    waits = [
        f"dispatch delay of {format_seconds(wait)} on {_servers(delays, wait, osds)}"
        for wait in sorted({*delays.values()})
    ]
    return "; ".join([*([", ".join(limits) + " (tc)"] if limits else []), *waits])


def _servers(values: Mapping[int, float], value: float, osds: int) -> str:
    """Name the servers that have this value."""
    found = [osd for osd in sorted(values) if values[osd] == value]
    if len(found) == osds > 1:
        return "each OSD"
    return f"OSD{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}"
