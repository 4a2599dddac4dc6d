"""One clock for ranks on several hosts: what a host's clock said against that of rank 0's host.

Each host counts nanoseconds from a start of its own (``CLOCK_MONOTONIC``). Rank 0 asks a host for
its time and looks at its own before and after; the answer was given in between. Of many such
round trips the shortest says most (F. Cristian, "Probabilistic clock synchronization", 1989): the
offset is known to within half of it. Two readings, at the start and at the end of a run, also give
the drift. Nothing in the trace files is changed: readers correct what they load.

``clocks.json``, beside the trace files, holds the readings and the host (client) of each rank::

    {"format": 1, "ranks": [0, 0, 1, 1], "booted": ns, "clients": [
      {"host": "a", "readings": []},
      {"host": "b", "readings": [{"at": ns, "offset": ns, "uncertainty": ns}, ...]}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from piotutor.trace.record import TraceError

FILE = "clocks.json"
"""Its name, in the directory of the trace files."""
ASKED = "PIOTUTOR_CLOCKS"
"""A variable of ranks that may be on several hosts: the file is written in any case."""
_FORMAT = 1
_FIELDS = ("at", "offset", "uncertainty")
_SAME_CLOCK = 5_000_000  # ns; clocks whose starts differ by less are taken to be one

Times = NDArray[np.int64]


@dataclass(frozen=True)
class Reading:
    """What a host's clock said, compared once.

    Attributes
    ----------
    at
        The time of that clock, ns.
    offset
        That clock minus rank 0's, ns.
    uncertainty
        How far the offset may be off, ns: half of the round trip; -1 where nobody knows.
    """

    at: int
    offset: int
    uncertainty: int


def read_clock(rounds: Iterable[tuple[int, int, int]]) -> Reading:
    """Make one reading of several round trips: the shortest one counts.

    Parameters
    ----------
    rounds : iterable of tuple of int
        For each trip the time when we asked, the host's answer, and the time when we had it; ns.
    """
    asked, answer, returned = min(rounds, key=lambda trip: trip[2] - trip[0])
    middle = (asked + returned) // 2
    return Reading(answer, answer - middle, -(-(returned - asked) // 2))


@dataclass(frozen=True)
class Clock:
    """A host's clock: none, one or more readings of it, in their order.

    Without a reading it is rank 0's own, or it is taken for that because nobody has read it.
    """

    host: str
    readings: tuple[Reading, ...] = ()

    def offsets(self, times: Times) -> Times:
        """Return what has to be taken off times of this clock (ns) to get rank 0's.

        Between two readings the offset moves on a line; before and after them it stays.
        """
        if not self.readings:
            return np.zeros(len(times), np.int64)
        first = self.readings[0]
        at = [float(reading.at - first.at) for reading in self.readings]
        moved = [float(reading.offset - first.offset) for reading in self.readings]
        found = np.interp((times - first.at).astype(np.float64), at, moved)
        offsets: Times = first.offset + np.rint(found).astype(np.int64)
        return offsets

    @property
    def uncertainty(self) -> int:
        """How far a corrected time may be off, ns; 0 without a reading, -1 where nobody knows."""
        known = [reading.uncertainty for reading in self.readings]
        return -1 if -1 in known else max(known, default=0)

    def to_dict(self) -> dict[str, Any]:
        """Return what a picture's caption or a result says of it."""
        first, last = self.readings[:1], self.readings[-1:]
        return {
            "host": self.host,
            "offset_ns": first[0].offset if first else 0,
            "uncertainty_ns": self.uncertainty,
            "drift_ns": last[0].offset - first[0].offset if first else 0,
        }


@dataclass(frozen=True)
class Clocks:
    """The clocks of all hosts of a run.

    Attributes
    ----------
    ranks
        The host (an index of `clients`) of each rank; -1 where it isn't known.
    clients
        The clock of each host; the first is that of rank 0.
    booted
        When rank 0's clock was at 0, by its clock of the day: ns since 1970.
    """

    ranks: tuple[int, ...]
    clients: tuple[Clock, ...]
    booted: int = 0

    @classmethod
    def of_hosts(cls, hosts: Sequence[str], booted: int = 0) -> Clocks:
        """Return unread clocks for ranks on these hosts, given by name; the first is rank 0's."""
        names = list(dict.fromkeys(hosts))
        return cls(tuple(map(names.index, hosts)), tuple(map(Clock, names)), booted)

    @classmethod
    def by_day(cls, ranks: Mapping[int, tuple[str, int]]) -> Clocks:
        """Return clocks that nobody has compared: those of the day have to agree.

        Parameters
        ----------
        ranks : mapping
            For each rank that is known the host's name, and when its clock was at 0 (`booted`).
        """
        booted = dict(reversed(list(ranks.values())))
        names = list(dict.fromkeys(host for _, (host, _) in sorted(ranks.items())))
        first = booted[names[0]]
        clients = (Clock(name, (Reading(0, first - booted[name], -1),)) for name in names[1:])
        place = {rank: names.index(host) for rank, (host, _) in ranks.items()}
        known = tuple(place.get(rank, -1) for rank in range(max(ranks) + 1))
        return cls(known, (Clock(names[0]), *clients), first)

    def leads(self, rank: int) -> bool:
        """Say whether a rank is the first one on its host."""
        return self.ranks.index(self.ranks[rank]) == rank

    def read(self, readings: Mapping[int, Reading]) -> Clocks:
        """Return these clocks with one more reading of some clients."""
        clients = (
            Clock(clock.host, (*clock.readings, readings[number])) if number in readings else clock
            for number, clock in enumerate(self.clients)
        )
        return Clocks(self.ranks, tuple(clients), self.booted)

    def correct(self, records: np.ndarray, rank: int, booted: int) -> None:
        """Put the records of one trace file on rank 0's clock, and give them their host; in place.

        Parameters
        ----------
        records : numpy.ndarray
            Records (`RECORD`) of one rank, or of a process beside the ranks.
        rank : int
            Which one; for others than the ranks, nobody compared clocks: those of the day count.
        booted : int
            When the file's clock was at 0, by its clock of the day: ns since 1970.
        """
        if 0 <= rank < len(self.ranks) and self.ranks[rank] >= 0:
            records["client"] = self.ranks[rank]
            clock = self.clients[self.ranks[rank]]
        else:
            apart = self.booted - booted
            clock = Clock("", (Reading(0, apart, 0),) if abs(apart) > _SAME_CLOCK else ())
        for name in ("start", "end") if clock.readings else ():
            times = np.ascontiguousarray(records[name])
            records[name] = times - clock.offsets(times)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return host, offset, drift and uncertainty of each client, by its number as text.

        The uncertainty of a clock that nobody has read is None.
        """
        told = {str(number): clock.to_dict() for number, clock in enumerate(self.clients)}
        for number, clock in enumerate(self.clients):
            if number and (not clock.readings or clock.uncertainty < 0):
                told[str(number)]["uncertainty_ns"] = None
        return told

    def write(self, directory: Path) -> None:
        """Store them beside the trace files; a file of that name is replaced."""
        clients = [asdict(clock) for clock in self.clients]
        part = directory / (FILE + ".part")
        told = {"format": _FORMAT, "ranks": self.ranks, "booted": self.booted, "clients": clients}
        part.write_text(json.dumps(told))
        part.replace(directory / FILE)


def load(directory: Path) -> Clocks | None:
    """Read the clocks that lie beside trace files; None where all ranks share one.

    Raises
    ------
    TraceError
        The file is damaged, or of another format.
    """
    path = directory / FILE
    try:
        told = json.loads(path.read_text())
        if told["format"] != _FORMAT:
            raise ValueError("its format is another one")
        clients = tuple(_clock(clock) for clock in told["clients"])
        ranks = tuple(map(int, told["ranks"]))
        if not all(0 <= client < len(clients) for client in ranks):
            raise ValueError("a rank is on no host")
        booted = int(told["booted"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise TraceError(f"{path}: the hosts' clocks can't be read: {error}") from None
    return Clocks(ranks, clients, booted)


def _clock(told: Mapping[str, Any]) -> Clock:
    readings = (Reading(**{name: int(one[name]) for name in _FIELDS}) for one in told["readings"])
    return Clock(str(told["host"]), tuple(readings))
