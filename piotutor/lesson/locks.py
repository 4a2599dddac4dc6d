"""What clients share of a file, and how often locks were called back, beside what is foretold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from piotutor import metrics
from piotutor.engine import Machine, model
from piotutor.engine.library import library
from piotutor.foretold import layout_of, machine_of
from piotutor.lesson import table
from piotutor.metrics_locks import Uses, lock_uses
from piotutor.metrics_targets import COUNTERS, target_work
from piotutor.trace import Op
from piotutor.units import format_seconds
from piotutor.workload import Workload

_HEAD = (
    "run", "clients", "writes", "borders between clients", "of these inside a page",
    "callbacks, foretold by the model", "callbacks, emulated", "the write took, emulated",
    "this machine kept up",
)  # fmt: skip
_FILES = ("run", "files", "writes", "writes that servers got", "permissions taken back")


def borders(uses: Uses) -> int:
    """Count where the bytes of one client end and another's begin, on the same object."""
    order = np.lexsort((uses.low, uses.object))
    client, of = uses.client[order], uses.object[order]
    return int(np.count_nonzero((client[1:] != client[:-1]) & (of[1:] == of[:-1])))


def shared_units(uses: Uses, unit: int) -> int:
    """Count the lock units of which two clients or more have bytes; nobody writes a byte twice.

    Parameters
    ----------
    uses : Uses
        What was written of objects.
    unit : int
        Bytes of a lock unit.
    """
    ends = np.concatenate([uses.low // unit, (uses.high - 1) // unit])
    rows = np.stack([np.tile(uses.object, 2), ends, np.tile(uses.client, 2)], axis=1)
    _, count = np.unique(np.unique(rows, axis=0)[:, :2], axis=0, return_counts=True)
    return int(np.count_nonzero(count > 1))


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """The writes of one run under locks; None is unknown, not nothing.

    Attributes
    ----------
    clients, writes
        How many there were.
    borders
        Neighbours on an object that belong to different clients.
    split
        Lock units that two clients have bytes of.
    foretold, callbacks
        Locks called back: by the engine in virtual time, and in the run.
    took
        Seconds of the write phase.
    kept_up
        Whether this machine was quick enough for what was emulated.
    """

    clients: int
    writes: int
    borders: int
    split: int
    foretold: int | None
    callbacks: int | None
    took: float | None
    kept_up: bool

    @property
    def row(self) -> tuple[str, ...]:
        """The numbers as they are shown in a table."""
        here = (self.clients, self.writes, self.borders, self.split)
        counted = map(table.told, (*here, self.foretold, self.callbacks))
        return (*counted, table.told(self.took, format_seconds), self._sure)

    @property
    def _sure(self) -> str:
        """Say whether this machine kept up; where nothing is shared, lateness changes no count."""
        if self.kept_up:
            return "yes"
        return "no: inconclusive here" if self.borders else "no: the time is inconclusive here"


def sharing(run: Any) -> Sharing:
    """Count what clients shared in an emulated run, or in a recorded one."""
    uses = lock_uses(run.trace, Op.WRITE)
    machine = run.environment.get("machine") or {}
    phases = [phase for phase in metrics.phases(run.trace) if phase.op == "write"]
    return Sharing(
        clients=len(np.unique(uses.client)),
        writes=len(np.unique(uses.source)),
        borders=borders(uses),
        split=shared_units(uses, machine.get("lock_page", 4096)),
        foretold=_foretold(run, machine),
        callbacks=callbacks(run),
        took=phases[0].seconds if phases else None,
        kept_up=not run.environment.get("storage_notes"),
    )


def callbacks(run: Any) -> int | None:
    """Return how often locks were called back in an emulated run; None in any other."""
    told = run.environment.get("emulation")
    return None if told is None else int(told["callbacks"])


def _foretold(run: Any, machine: dict[str, Any]) -> int | None:
    each = run.environment.get("ranks_per_client")
    if not machine or each is None:  # it was stopped before its servers were there
        return None
    clients = -(-run.workload.num_tasks // each)
    on, _ = machine_of({"machine": machine})
    return foretold(run.workload, on.replace(clients=clients), **layout_of(run.environment))


def foretold(
    workload: Workload, machine: Machine, *, stripe_size: int = 1 << 20, stripe_count: int = 1
) -> int | None:
    """Return how many callbacks the engine counts in virtual time; None where it isn't built.

    Parameters
    ----------
    workload : Workload
        Of which the writes count.
    machine : Machine
        With as many clients as are used.
    stripe_size, stripe_count : int
        How files are laid out, in bytes and objects.
    """
    if library() is None:
        return None
    trace = model(workload, machine, layers=(), stripe_size=stripe_size, stripe_count=stripe_count)
    return int(trace.meta["engine"]["callbacks"])


class LocksTable(table.Named):
    """What was shared in several runs, under their names; in a notebook it shows itself."""

    head = _HEAD


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """What became of the writes of one run on CephFS; None is unknown, not nothing.

    Attributes
    ----------
    files, writes
        Of the ranks.
    operations
        Writes that the storage servers counted.
    revoked
        Capabilities that the metadata server took back.
    """

    files: int
    writes: int
    operations: int | None
    revoked: int | None

    @property
    def row(self) -> tuple[str, ...]:
        """The numbers as they are shown in a table."""
        shown = (self.files, self.writes, self.operations, self.revoked)
        return tuple(map(table.told, shown))


def permissions(run: Any) -> Permissions:
    """Count what servers got of a run's writes, and what was taken back meanwhile."""
    wrote = run.trace.records[metrics.transfers(run.trace, Op.WRITE)]
    work = target_work(run.trace)
    counted = work is not None and work.how == COUNTERS
    told = (run.trace.meta.get("mds") or {}).values()
    counts = {name: count for section in told for name, count in section.items()}
    revoked = counts.get("ceph_cap_op_revoke")
    return Permissions(
        files=len(np.unique(wrote["file"])),
        writes=len(wrote),
        operations=int(work.totals("write").operations.sum()) if work and counted else None,
        revoked=None if revoked is None else int(revoked),
    )


class PermissionsTable(table.Named):
    """What became of the writes of several runs; in a notebook it shows itself."""

    head = _FILES
