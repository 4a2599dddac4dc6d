"""A workload in virtual time: the records that a run on such a machine would have left."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from piotutor import pattern
from piotutor.engine import threads
from piotutor.engine.demand import MOST_RECORDS, Layout, layout_on, need_possible
from piotutor.engine.machine import Machine
from piotutor.engine.world import OPERATION, World
from piotutor.errors import UsageError
from piotutor.trace import Layer, Op, Phase, Trace
from piotutor.trace.record import pack_aux
from piotutor.workload import Workload

_Moves = Callable[[str, int], pattern.Extents]
"""From a phase's name and a repetition to transfers."""


def model(
    workload: Workload,
    machine: Machine,
    *,
    stripe_size: int = 1 << 20,
    stripe_count: int = 1,
    directories: int = 1,
    layers: Sequence[Layer] = (Layer.APP, Layer.SERVER, Layer.DEVICE),
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
    directories : int
        In how many directories files are made, in turn; as many as there are files: each in its
        own, as with IOR's ``-u``.
    layers : sequence of Layer
        Whose records are kept: the application's, the servers', those of devices with addresses.

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
    layout = layout_on(
        machine, stripe_size=stripe_size, stripe_count=stripe_count, directories=directories
    )
    need_possible(workload, machine, layout, servers=Layer.SERVER in layers)
    homes = clients_of(workload, machine)
    todo, counts, several = threads.split(workload, *operations(workload))
    room = MOST_RECORDS if Layer.SERVER in layers else min(len(todo), MOST_RECORDS)
    files = [
        (layout.stripe_size, targets_of(file, layout.stripe_count, machine.targets))
        for file in range(workload.num_files)
    ]
    clients = [client for client in homes for _ in range(several)]
    directory = [number % layout.directories for number in range(len(files))]
    world = World(machine, files, clients, layers, room, directory)
    world.run(todo, counts)
    return Trace.from_records(
        threads.join(world.records, several),
        files=[f"file {number}" for number in range(len(files))],
        dropped=world.dropped,
        provenance="modelled",
        meta=_meta(workload, machine, layout) | {"engine": _counts(world)},
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
    ranks = workload.num_tasks
    if workload.random_offset:  # then ranks of a shared file differ in how many they have
        each = [
            _of_ranks(workload, 1, partial(pattern.transfers, workload, rank))[0]
            for rank in range(ranks)
        ]
        return np.concatenate(each), np.array([len(one) for one in each], np.int64)
    todo = _of_ranks(workload, ranks, lambda op, _: pattern.all_transfers(workload, op)[1])
    return todo.reshape(-1), np.full(ranks, todo.shape[1], np.int64)


def _of_ranks(workload: Workload, ranks: int, moves: _Moves) -> np.ndarray:
    """Return what ranks do, which all have the same number of operations; shape (ranks, each)."""
    parts = [
        _phase(workload, ranks, moves(name, repetition), op, pack_aux(repetition, phase))
        for repetition in range(workload.repetitions)
        for name, op, phase in _phases(workload)
    ]
    return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def _phases(workload: Workload) -> list[tuple[str, Op, Phase]]:
    reads = workload.read or workload.verify_read
    written = [("write", Op.WRITE, Phase.WRITE)] if workload.write else []
    return written + ([("read", Op.READ, Phase.READ)] if reads else [])


def _phase(
    workload: Workload, ranks: int, extents: pattern.Extents, op: Op, phase: int
) -> np.ndarray:
    """Return one phase of ranks: all begin together, and are over together."""
    before = [Op.BARRIER, Op.CREATE if op == Op.WRITE else Op.OPEN]
    sync = [Op.SYNC] if op == Op.WRITE and workload.fsync else []
    after = [*sync, Op.CLOSE, Op.BARRIER]
    file, offset, length = (column.reshape(ranks, -1) for column in extents)
    first, last = len(before), len(before) + offset.shape[1]
    todo = np.zeros((ranks, last + len(after)), OPERATION)
    moves = todo[:, first:last]
    moves["offset"], moves["length"], moves["op"] = offset, length, op
    todo["file"], todo["phase"] = file[:, :1] if file.size else 0, phase
    todo["op"][:, :first] = before
    todo["op"][:, last:] = after
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


def _meta(workload: Workload, machine: Machine, layout: Layout) -> dict[str, Any]:
    about = dataclasses.asdict(machine)
    about |= {"stripe_size": layout.stripe_size, "stripe_count": layout.stripe_count}
    return {"workload": workload.to_dict(), "machine": about}
