"""What a model would take, so that what can't be is refused before anything is begun."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

from piotutor.engine.bounds import shown
from piotutor.engine.machine import Machine
from piotutor.errors import UsageError
from piotutor.memory import memory_free
from piotutor.units import compact_size
from piotutor.workload import Workload

MOST_REQUESTS = 10**9
"""Requests of a model at most: minutes of a processor."""
MOST_RECORDS = 20_000_000
"""Records of a model at most; those beyond are counted as dropped."""
_MOST_REPETITIONS = (1 << 16) // 8 - 1  # of which a number has room in an operation
_MOST_FLYING = 1 << 24
_LITTLE = 256 << 20  # bytes that nobody asks for
# Bytes, as measured: numpy's arrays and their copies, C's tables, and lists of Python's.
_OPERATION, _RECORD, _RANK, _OBJECT, _PAIR, _FLYING, _PAGE = 60, 260, 400, 120, 40, 160, 4096


class Layout(NamedTuple):
    """How files are laid out.

    Attributes
    ----------
    stripe_size, stripe_count
        Of each file.
    directories
        In which files are made, in turn.
    """

    stripe_size: int
    stripe_count: int
    directories: int = 1


def layout_on(machine: Machine, **given: Any) -> Layout:
    """Check how files are to be laid out on a machine.

    Raises
    ------
    UsageError
        It is no layout, or the machine has fewer targets.
    """
    layout = Layout(**{name: _positive(name, value) for name, value in given.items()})
    if layout.stripe_count > machine.targets:
        raise UsageError(
            f"stripe_count={layout.stripe_count}: the machine has {machine.targets} targets"
        )
    return layout


def _positive(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if isinstance(value, bool) or not 1 <= number < 1 << 62:
        raise UsageError(f"{name}={shown(value)}: give a whole number, at least 1")
    return number


def requests_of(workload: Workload, machine: Machine) -> int:
    """Return how many requests the targets are sent at least, with locks for none of them."""
    phases = workload.repetitions * sum(name != "check_write" for name in workload.phases)
    size = min(workload.transfer_size, machine.rpc_size)
    return phases * -(-workload.total_bytes // size)


def need_possible(workload: Workload, machine: Machine, layout: Layout, *, servers: bool) -> None:
    """Refuse what would take more memory than there is, or no end.

    Parameters
    ----------
    workload, machine, layout
        What is to be modelled.
    servers : bool
        Whether the records of servers and devices are kept.

    Raises
    ------
    UsageError
        The line says what it would take.
    """
    if workload.repetitions > _MOST_REPETITIONS:
        raise UsageError(
            f"repetitions (-i) is {workload.repetitions}: a model has {_MOST_REPETITIONS:,} at most"
        )
    requests = requests_of(workload, machine)
    if requests > MOST_REQUESTS:
        raise UsageError(
            f"that is {requests:,} requests, more than a model is made of ({MOST_REQUESTS:,}): "
            f"make -b, -s, -n or -i smaller, or -t and rpc_size ({compact_size(machine.rpc_size)}) "
            "larger"
        )
    need = memory_of(workload, machine, layout, servers=servers)
    if need > _LITTLE and need > (free := memory_free()):
        raise UsageError(
            f"that takes about {need / 2**30:,.1f} GiB of memory, {free / 2**30:,.1f} GiB are "
            "free: model fewer transfers (-b, -s, -i), ranks or stripes, or a smaller machine"
        )


def memory_of(workload: Workload, machine: Machine, layout: Layout, *, servers: bool) -> int:
    """Return the bytes of memory that a model takes, at most, roughly."""
    requests = requests_of(workload, machine)
    ranks = workload.num_tasks * max(workload.queue_depth)
    phases = 2 * workload.repetitions
    operations = phases * (5 * ranks + workload.total_bytes // workload.transfer_size)
    records = min(MOST_RECORDS, operations + (4 * requests if servers else 0))
    cut = -(-workload.transfer_size // machine.rpc_size)
    flying = min(_MOST_FLYING, ranks * cut + requests // 8)
    return (
        _OPERATION * operations
        + _RECORD * records
        + _RANK * ranks
        + _FLYING * flying
        + _tables(workload, machine, layout)
        + _devices(workload, machine, layout)
    )


def _tables(workload: Workload, machine: Machine, layout: Layout) -> int:
    """Return what objects take, and what each client knows of each that it uses, page by page."""
    objects = workload.num_files * layout.stripe_count
    clients = min(machine.clients, workload.num_tasks)
    used = workload.num_tasks * layout.stripe_count
    views = min(clients * objects * _PAIR, clients * _PAGE + used * _PAIR)
    lanes = min(clients * machine.targets * _PAIR, clients * _PAGE + used * _PAGE)
    return objects * _OBJECT + views + lanes + machine.clients * _PAIR


def _devices(workload: Workload, machine: Machine, layout: Layout) -> int:
    targets = min(machine.targets, workload.num_files * layout.stripe_count)
    if machine.device == "ssd":
        pages = machine.ssd_block_pages * machine.ssd_blocks
        return (targets + 1) * machine.ssd_channels * (8 * pages + 16 * machine.ssd_blocks)
    parts = {"disk": 1, "array": machine.array.disks if machine.device == "array" else 0}
    return machine.targets * (200 + 64 * parts.get(machine.device, machine.target_channels))
