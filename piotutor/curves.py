"""Bandwidth of a workload on a machine that isn't here, while one thing after another is turned.

Every number is that of `piotutor.engine.model` for the workload and the machine as they are turned,
and `piotutor.metrics.phases` of its trace: what ``piotutor model`` would say.
"""

from __future__ import annotations

import dataclasses
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from piotutor import metrics
from piotutor.engine import Machine, model
from piotutor.engine.demand import layout_on, requests_of
from piotutor.engine.machines import kind_of, take_machine
from piotutor.errors import UsageError
from piotutor.ior import workload_of
from piotutor.trace import Layer
from piotutor.units import format_size
from piotutor.workload import Workload

KNOBS = ("clients", "targets", "stripe_count", "transfer_size")
"""What can be turned."""
MOST_TRANSFERS = 1 << 15
"""Transfers of a curve over clients at most: they set the smallest transfer that is offered."""
MOST_OF_ALL = 10_000_000
"""Requests of a curve from which on it is refused."""
_LEAST, _LARGEST = 4096, 16 << 20
_USUAL = Workload(num_tasks=4, transfer_size=1 << 20, block_size=1 << 22, write=True, fsync=True)
_COUNTS = 64
"""Clients and targets up to which one may turn, whatever the machine has."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where the knobs stand.

    Attributes
    ----------
    clients
        Nodes that take part.
    targets
        What the machine has of them.
    stripe_count
        Targets of each file; with fewer targets than that, all of them.
    transfer_size
        Bytes of each call.
    file_per_process
        Whether each rank has a file of its own.
    """

    clients: int
    targets: int
    stripe_count: int
    transfer_size: int
    file_per_process: bool = False

    def replace(self, **changes: Any) -> Setting:
        """Return a setting with some knobs turned; no more stripes than targets.

        Raises
        ------
        UsageError
            There is no such knob, or it isn't turned to a number.
        """
        for name, value in changes.items():
            if not hasattr(self, name) or not isinstance(value, int | np.integer):
                raise UsageError(
                    f"{name}={value!r:.40}: give a whole number to one of {', '.join(KNOBS)}, "
                    "or true or false to file_per_process"
                )
        turned = dataclasses.replace(self, **changes)
        if turned.stripe_count <= turned.targets:
            return turned
        return dataclasses.replace(turned, stripe_count=turned.targets)


@dataclass(frozen=True, eq=False)
class Curve:
    """Bandwidth over one knob, everything else as it stands.

    Attributes
    ----------
    over : str
        The knob, one of `KNOBS`.
    at : Setting
        Where all knobs stand.
    x : ndarray of int64
        Values of the knob, ascending; that of `at` is among them.
    rates : dict
        ``write`` and ``read``, where they happen: bytes/s at each value, open to close; NaN where
        they aren't known yet.
    limit : ndarray
        What the parts in use carry at most: bytes/s at each value; infinity where none has a limit.
    limited_by : list of str
        Which parts these are, at each value.
    """

    over: str
    at: Setting
    x: np.ndarray
    rates: dict[str, np.ndarray]
    limit: np.ndarray
    limited_by: list[str]

    @property
    def missing(self) -> int:
        """How many points aren't known yet."""
        return int(np.isnan(next(iter(self.rates.values()))).sum())


class Turnable:
    """A workload on a machine, with knobs.

    Parameters
    ----------
    workload : Workload, str, list of str or None
        What each rank does, or IOR's command line for it; its ranks on each client
        (`tasks_per_node`, else one) stay as many. By default each writes, and syncs, as much as
        needs two requests of full size of a client and eight of each target, so that neither
        beginning nor end counts for much.
    machine : Machine or str
        On what, as `piotutor.engine.machines.read_machine` takes it.
    stripe_size, stripe_count : int
        How files are laid out to begin with.

    Attributes
    ----------
    name : str
        What the machine is called.
    values : dict
        Which values each of `KNOBS` may have, ascending.
    start : Setting
        Where the knobs stand to begin with.

    Raises
    ------
    UsageError
        There is no such machine, or the workload makes no sense.
    """

    def __init__(
        self,
        workload: Workload | str | list[str] | None,
        machine: Machine | str,
        *,
        stripe_size: int = 1 << 20,
        stripe_count: int = 1,
    ) -> None:
        self.machine, name = take_machine(machine)
        self.name = kind_of(name) or "a machine of its own"
        self.usual = workload is None
        self.workload = _USUAL if workload is None else workload_of(workload)
        layout = layout_on(self.machine, stripe_size=stripe_size, stripe_count=stripe_count)
        self.stripe_size = layout.stripe_size
        self.each = self.workload.tasks_per_node or 1
        self.start = Setting(
            clients=-(-self.workload.num_tasks // self.each),
            targets=self.machine.targets,
            stripe_count=layout.stripe_count,
            transfer_size=self.workload.transfer_size,
            file_per_process=self.workload.file_per_process,
        )
        self.values = self._values()
        self._known: dict[Setting, dict[str, float]] = {}

    def _values(self) -> dict[str, list[int]]:
        most = max(self.machine.clients, self.start.clients, _COUNTS)
        each = 2 * self._request if self.usual else self.workload.bytes_per_rank
        least = max(_LEAST, 2 * most * self.each * each // MOST_TRANSFERS)
        sizes = [1 << n for n in range((least - 1).bit_length(), _LARGEST.bit_length())]
        counts = steps(max(self.machine.targets, _COUNTS), self.machine.targets)
        return {
            "clients": steps(most, self.start.clients),
            "targets": counts,
            "stripe_count": counts,
            "transfer_size": sorted({*filter(self._makes_sense, sizes), self.start.transfer_size}),
        }

    def _makes_sense(self, size: int) -> bool:
        """Say whether the workload can have transfers of that size."""
        try:
            self.work(self.start.replace(transfer_size=size))
        except UsageError:
            return False
        return True

    @property
    def _request(self) -> int:
        return max(self.machine.rpc_size, 1 << 20)

    def fitted(self, setting: Setting) -> Setting:
        """Return the setting nearest to what can be: no more stripes than targets."""
        known = self.values
        near = {
            knob: min(known[knob], key=lambda value: abs(value - wanted))
            for knob in KNOBS
            if (wanted := getattr(setting, knob)) not in known[knob]
        }
        return setting.replace(**near)

    def work(self, setting: Setting) -> Workload:
        """Return the workload as it is turned: the bytes of each rank stay what they are.

        Of blocks of one transfer there are as many as are needed; other blocks are rounded up.
        """
        given, size = self.workload, setting.transfer_size
        block, segments = given.block_size, given.segment_count
        if self.usual:
            block = self._enough(setting)
        elif block == given.transfer_size:
            block, segments = size, max(1, given.bytes_per_rank // size)
        return given.replace(
            num_tasks=setting.clients * self.each,
            transfer_size=size,
            block_size=-(-block // size) * size,
            segment_count=segments,
            file_per_process=setting.file_per_process,
        )

    def _enough(self, setting: Setting) -> int:
        """Return the bytes of a rank that are enough for a rate that lasts."""
        files = setting.clients if setting.file_per_process else 1
        used = min(setting.targets, files * setting.stripe_count)
        return self._request * max(2, -(-8 * used // setting.clients))

    def bandwidth(self, setting: Setting) -> dict[str, float]:
        """Return bytes/s of writing and reading, the first repetition's, open to close."""
        machine = self.machine.replace(clients=setting.clients, targets=setting.targets)
        layout = {"stripe_size": self.stripe_size, "stripe_count": setting.stripe_count}
        work = self.work(setting).replace(repetitions=1)
        trace = model(work, machine, **layout, layers=(Layer.APP,))
        return {phase.op: phase.bandwidth for phase in metrics.phases(trace)}

    def _compute(self, settings: list[Setting], patience: float) -> None:
        """Get to know the bandwidth of each, until patience ends; of the first new one always."""
        new = [one for one in settings if one not in self._known]
        self._need_time(new)
        end = time.monotonic() + patience

        def compute(one: Setting) -> None:
            if one is new[0] or time.monotonic() < end:
                self._known[one] = self.bandwidth(one)

        for one in new[:1]:  # alone: beside another it would take longer
            compute(one)
        with ThreadPoolExecutor(2) as pool:  # the engine runs without Python's lock
            list(pool.map(compute, new[1:]))

    def _need_time(self, settings: list[Setting]) -> None:
        """Refuse what would take too long."""
        works = [self.work(one).replace(repetitions=1) for one in settings]
        requests = sum(requests_of(work, self.machine) for work in works)
        if requests > MOST_OF_ALL:
            raise UsageError(
                f"{requests:,} requests are more than a curve is made of ({MOST_OF_ALL:,}): "
                f"make -b smaller than {format_size(works[0].bytes_per_rank)}, or -t larger "
                "(and rpc_size)"
            )

    def curve(
        self, setting: Setting, over: str = "clients", *, patience: float = math.inf
    ) -> Curve:
        """Return the curve over one knob, the others as they stand.

        Parameters
        ----------
        setting : Setting
            Where the knobs stand.
        over : str
            One of `KNOBS`.
        patience : float
            Seconds after which no other point is begun: those that are still missing come when
            asked for again, at least one each time. The first are where the knob stands, twice
            that, and both ends.

        Raises
        ------
        UsageError
            There is no such knob, or it would take too long.
        """
        if over not in KNOBS:
            raise UsageError(f"over={over!r}: choose {', '.join(KNOBS)}")
        setting = self.fitted(setting)
        x = self._points(setting, over)
        settings = [setting.replace(**{over: value}) for value in x]
        settings = [
            one.replace(stripe_count=min(one.stripe_count, one.targets)) for one in settings
        ]
        first = x.index(getattr(setting, over))
        self._compute([settings[place] for place in _in_turn(x, first)], patience)
        unknown = dict.fromkeys(self._known[settings[first]], math.nan)
        found = [self._known.get(one, unknown) for one in settings]
        rates = {op: np.array([each[op] for each in found]) for op in unknown}
        limits = [min((rate, name) for name, rate in self.limits(one).items()) for one in settings]
        least, names = np.array([rate for rate, _ in limits]), [name for _, name in limits]
        return Curve(over, setting, np.array(x, np.int64), rates, least, names)

    def _points(self, setting: Setting, over: str) -> list[int]:
        """Return powers of two, where the knob stands, and the most there is."""
        known = self.values[over]
        most = setting.targets if over == "stripe_count" else known[-1]
        powers = {value for value in known if value & (value - 1) == 0 and value <= most}
        return sorted({*powers, getattr(setting, over), most})

    def limits(self, setting: Setting) -> dict[str, float]:
        """Return what the parts in use carry at most, in bytes/s; infinity for no limit."""
        machine, files = self.machine, setting.clients * self.each
        used = setting.stripe_count * (files if setting.file_per_process else 1)
        used = min(used, setting.targets)
        servers = -(-used // machine.targets_per_server)
        speeds = {"write": machine.target_write_bandwidth, "read": machine.target_read_bandwidth}
        if (
            machine.device != "channels"
        ):  # what a disk or flash carries depends on where it is asked
            speeds = {}
        asked = [speed or math.inf for op, speed in speeds.items() if getattr(self.workload, op)]
        return {
            "the clients' interfaces": setting.clients * (machine.client_bandwidth or math.inf),
            "the servers' interfaces": servers * (machine.server_bandwidth or math.inf),
            "the targets": used * machine.target_channels * max(asked, default=math.inf),
        }


def _in_turn(x: list[int], first: int) -> list[int]:
    """Return the places of points, those first that tell most."""
    ends = (0, len(x) - 1)
    double = next((place for place, value in enumerate(x) if value >= 2 * x[first]), first - 1)
    return sorted(
        range(len(x)),
        key=lambda place: (
            place != first, place != double, place not in ends, abs(place - first)
        ),
    )  # fmt: skip


def steps(most: int, *more: int) -> list[int]:
    """Return 1, 2, 3, 4, 6, 8, 12, 16, ... up to `most`, which is the last, with some more."""
    powers = [1 << n for n in range(most.bit_length())]
    between = [3 << n for n in range(most.bit_length())]
    return sorted(value for value in {*powers, *between, most, *more} if value <= most)
