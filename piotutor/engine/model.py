"""A workload in virtual time: the records that a run on such a machine would have left."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from piotutor import pattern
from piotutor.engine.machine import Machine
from piotutor.engine.world import OPERATION, World
from piotutor.errors import UsageError
from piotutor.trace import Layer, Op, Phase, Trace
from piotutor.trace.record import pack_aux
from piotutor.workload import Workload

MOST_RECORDS = 20_000_000
"""Records of a model at most; those beyond are counted as dropped."""


def model(
    workload: Workload,
    machine: Machine,
    *,
    stripe_size: int = 1 << 20,
    stripe_count: int = 1,
    layers: Sequence[Layer] = (Layer.APP, Layer.SERVER),
) -> Trace:
    """Run a workload on a machine that isn't there, in virtual time.

    Every transfer is a call of its rank, as it is asked for: what MPI-IO or HDF5 would make of it
    isn't modelled.

    Parameters
    ----------
    workload : Workload
        What is to be done; its size has no bound but memory.
    machine : Machine
        On what. Ranks are spread over its clients in blocks, as `workload.tasks_per_node` says,
        or evenly.
    stripe_size, stripe_count : int
        How each file is laid out; files begin on the targets in turn.
    layers : sequence of Layer
        Whose records are kept: the application's, the servers'.

    Returns
    -------
    Trace
        ``modelled``; its clock begins at 0. ``meta["engine"]`` counts events, and locks granted
        and called back.

    Raises
    ------
    UsageError
        The workload doesn't fit the machine.
    PiotutorError
        There is no engine.
    """
    if not 1 <= stripe_count <= machine.targets:
        raise UsageError(f"stripe_count={stripe_count}: the machine has {machine.targets} targets")
    todo, counts = operations(workload)
    room = MOST_RECORDS if Layer.SERVER in layers else min(len(todo), MOST_RECORDS)
    files = [
        (stripe_size, targets_of(file, stripe_count, machine.targets))
        for file in range(workload.num_files)
    ]
    world = World(machine, files, clients_of(workload, machine), layers, room)
    world.run(todo, counts)
    return Trace.from_records(
        world.records,
        files=[f"file {number}" for number in range(len(files))],
        dropped=world.dropped,
        provenance="modelled",
        meta=_meta(workload, machine, stripe_size, stripe_count) | {"engine": _counts(world)},
    )


def operations(workload: Workload) -> tuple[np.ndarray, np.ndarray]:
    """Return what each rank does, as the benchmark of `piotutor.kernels` does it.

    Returns
    -------
    ndarray of OPERATION
        Those of rank 0, then those of rank 1, ...
    ndarray of int64
        How many each rank has.
    """
    each = [_of_rank(workload, rank) for rank in range(workload.num_tasks)]
    return np.concatenate(each), np.array([len(one) for one in each], np.int64)


def _of_rank(workload: Workload, rank: int) -> np.ndarray:
    parts = []
    for repetition in range(workload.repetitions):
        for name, op, phase in _phases(workload):
            extents = pattern.transfers(workload, rank, name, repetition)
            parts.append(_phase(workload, extents, op, pack_aux(repetition, phase)))
    return np.concatenate(parts)


def _phases(workload: Workload) -> list[tuple[str, Op, Phase]]:
    reads = workload.read or workload.verify_read
    written = [("write", Op.WRITE, Phase.WRITE)] if workload.write else []
    return written + ([("read", Op.READ, Phase.READ)] if reads else [])


def _phase(workload: Workload, extents: pattern.Extents, op: Op, phase: int) -> np.ndarray:
    """Return one phase of one rank: all begin together, and are over together."""
    file = int(extents.file[0]) if len(extents.file) else 0
    before = [Op.BARRIER, Op.CREATE if op == Op.WRITE else Op.OPEN]
    sync = [Op.SYNC] if op == Op.WRITE and workload.fsync else []
    after = [*sync, Op.CLOSE, Op.BARRIER]
    todo = np.zeros(len(before) + len(extents.offset) + len(after), OPERATION)
    moves = todo[len(before) : len(todo) - len(after)]
    moves["offset"], moves["length"], moves["op"] = extents.offset, extents.length, op
    todo["file"], todo["phase"] = file, phase
    todo["op"][: len(before)] = before
    todo["op"][len(todo) - len(after) :] = after
    return todo


def targets_of(file: int, stripe_count: int, targets: int) -> list[int]:
    """Return the target of each object of a file: they are given out in turn."""
    return [(file * stripe_count + index) % targets for index in range(stripe_count)]


def clients_of(workload: Workload, machine: Machine) -> list[int]:
    """Return the client of each rank."""
    ranks = workload.num_tasks
    per_client = ranks_per_client(ranks, machine, workload.tasks_per_node)
    return [rank // per_client for rank in range(ranks)]


def ranks_per_client(ranks: int, machine: Machine, per_node: int | None = None) -> int:
    """Return how many ranks are on each client: as many as on a node, or spread evenly.

    Raises
    ------
    UsageError
        They don't fit on the machine's clients.
    """
    each = per_node or max(1, -(-ranks // machine.clients))
    if -(-ranks // each) > machine.clients:
        raise UsageError(f"{ranks} ranks, {each} a node: the machine has {machine.clients} clients")
    return each


def _counts(world: World) -> dict[str, int]:
    return {"events": world.events, "grants": world.grants, "callbacks": world.callbacks}


def _meta(
    workload: Workload, machine: Machine, stripe_size: int, stripe_count: int
) -> dict[str, Any]:
    about = dataclasses.asdict(machine)
    about |= {"stripe_size": stripe_size, "stripe_count": stripe_count}
    return {"workload": workload.to_dict(), "machine": about}
