"""Emulated servers under real ranks: data on a local disk, calls as slow as they would be."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from piotutor.capture import preload
from piotutor.engine import shared
from piotutor.engine.machine import Machine
from piotutor.engine.machines import kind_of, read_machine
from piotutor.engine.model import ranks_per_client
from piotutor.errors import UsageError
from piotutor.storage import options
from piotutor.storage.local import Local
from piotutor.storage.striping import Component, Striping
from piotutor.workload import Workload

ORDERS = "storage.json"
"""The service's orders, in the run directory."""
MOST_CLIENTS = 64
"""Clients where nobody knows how many ranks there will be."""


def read_name(value: Any) -> str:
    """Read what names a machine; a file's path becomes absolute."""
    text = str(value)
    read_machine(text)
    name, colon, changes = text.partition(":")
    return f"{Path(name).expanduser().absolute()}{colon}{changes}" if ".json" in name else text


@dataclass(frozen=True, kw_only=True)
class Emulated(Local):
    """A directory here, whose files are as slow as on a machine that isn't.

    Attributes
    ----------
    machine
        Which, as `piotutor.engine.machines.read_machine` takes it.
    stripe_size, stripe_count
        Layout of the files, on targets in turn in the order in which they are first opened.
    ranks_per_client
        How many ranks share a client (a node). None: as the workload has them on nodes, or spread
        evenly over all clients.
    """

    name: ClassVar[str] = "emulated"
    first_word: ClassVar[str] = "machine"

    machine: str = options.option("small-lustre", read_name, "what is emulated: a name, or a file")
    stripe_size: int = options.option(1 << 20, options.size, "bytes before the next object's turn")
    stripe_count: int = options.option(1, options.count, "objects side by side")
    ranks_per_client: int | None = options.option(
        None, options.count, "ranks on each client; spread evenly by default"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stripe_count > self.emulates.targets:
            raise UsageError(
                f"stripe_count={self.stripe_count}: the machine has {self.emulates.targets} targets"
            )

    @property
    def emulates(self) -> Machine:
        """The parameters of the machine."""
        return read_machine(self.machine)

    @property
    def kind(self) -> str:
        """The machine's name."""
        return kind_of(self.machine)

    @property
    def elsewhere(self) -> bool:
        """Whether ranks on other hosts can use it: no, they share memory."""
        return False

    @property
    def interposed(self) -> bool:
        """Whether the interposer must be loaded: yes, it is what delays."""
        return True

    @property
    def readable(self) -> bool:
        """Whether a run may only read files that are there: yes, they are slow as any other."""
        return True

    def need(self) -> None:
        """Raise `UsageError` where there is no engine, or no interposer."""
        if problem := shared.why_not() or preload.why_not():
            raise UsageError(f"storage emulated can't be had: {problem}")

    def prepare(self, directory: Path) -> dict[str, Any]:
        """Return what is to be known of a run's directory: there is nothing to lay out."""
        return self.describe()

    def describe(self) -> dict[str, Any]:
        """Return which machine is emulated, and how files are striped on it."""
        return {
            "layout": self.layout(),
            "stripe_size": self.stripe_size,
            "machine": {"name": self.machine, **asdict(self.emulates)},
        }

    def layout(self) -> dict[str, Any]:
        """Return how files are striped over the targets."""
        part = Component(stripe_size=self.stripe_size, stripe_count=self.stripe_count)
        found: dict[str, Any] = json.loads(json.dumps(Striping("emulated", (part,)).to_dict()))
        return found

    def service(self, run_dir: Path, files: Sequence[str], temporary: Path) -> list[str]:
        """Write the orders of the program that makes the servers, and return its command.

        Raises
        ------
        UsageError
            The ranks don't fit on the machine's clients, or it is too large to be emulated.
        """
        ranks, per_node = _ranks(run_dir)
        machine = self.emulates
        each = self.ranks_per_client or ranks_per_client(ranks, machine, per_node)
        machine = machine.replace(clients=_clients(machine, ranks, each))
        shared.need_small(machine, self.stripe_count)
        orders = {
            "run_dir": str(run_dir),
            "world": str(temporary / "world"),
            "prefix": str(_slowed(self.path, files)),
            "files": list(files),
            "machine": asdict(machine),
            "plan": {
                "stripe_size": self.stripe_size,
                "stripe_count": self.stripe_count,
                "ranks_per_client": each,
            },
        }
        (run_dir / ORDERS).write_text(json.dumps(orders, indent=1))
        return [sys.executable, "-m", "piotutor.storage.emulating", str(run_dir / ORDERS)]

    def counters(self) -> dict[str, int]:
        """Return nothing: a run's records hold what each server did."""
        return {}


def _slowed(directory: Path, files: Sequence[str]) -> Path:
    """Return what is slow: a run's own directory, but of a user's only the file that is there."""
    alone = [Path(file) for file in files]
    return alone[0] if len(alone) == 1 and alone[0].exists() else directory


def _ranks(run_dir: Path) -> tuple[int, int | None]:
    """Return how many ranks a run has, 0 where nobody knows, and how many on each node."""
    try:
        environment = json.loads((run_dir / "environment.json").read_text())
        told = json.loads((run_dir / "job.json").read_text()).get("workload")
    except FileNotFoundError:
        return 0, None
    workload = Workload.from_dict(told) if told else None
    return int(environment.get("ranks", 0)), workload.tasks_per_node if workload else None


def _clients(machine: Machine, ranks: int, each: int) -> int:
    """Return how many clients are used: what isn't takes memory."""
    if not ranks:
        return min(machine.clients, MOST_CLIENTS)
    used = -(-ranks // each)
    if used > machine.clients:
        raise UsageError(
            f"{ranks} ranks, {each} on a client: the machine has {machine.clients} clients"
        )
    return used
