"""What the engine says of runs that were: of the same work, on the same machine or another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from piotutor import metrics
from piotutor.engine import Machine, model
from piotutor.engine.again import program
from piotutor.engine.machines import kind_of, take_machine
from piotutor.errors import PiotutorError, UsageError
from piotutor.trace import Layer, Op, Trace
from piotutor.units import format_seconds
from piotutor.workload import Workload

FAR = 0.1
"""The share by which a phase may differ from its model before that is told."""


def machine_of(environment: dict[str, Any], machine: Any = None) -> tuple[Machine, str]:
    """Return the machine to model a run on, and what it is called.

    Parameters
    ----------
    environment : dict
        The run's.
    machine : Machine, str or Path, optional
        If not given, the one that was emulated, whose ranks think as long as the run's did.

    Raises
    ------
    UsageError
        It isn't given, and nothing was emulated; or there is none of that name.
    """
    if machine is not None:
        on, name = take_machine(machine)
        return on, kind_of(name) or "a machine of its own"
    told = dict(environment.get("machine") or {})
    if not told:
        raise UsageError(
            "on what machine is it to be modelled? Give one: piotutor model --machine list"
        )
    name = told.pop("name", "")
    thinks = (environment.get("emulation") or {}).get("think_time")
    told |= {"think_time": thinks} if thinks else {}
    try:
        return Machine(**told), kind_of(name) or "a machine of its own"
    except TypeError:
        raise UsageError(
            "the run's machine has parameters that are unknown here: name a machine"
        ) from None


def layout_of(
    environment: dict[str, Any], stripe_size: int | None = None, stripe_count: int | None = None
) -> dict[str, int]:
    """Return how a run's files were laid out, or as they are to be instead.

    Parameters
    ----------
    environment : dict
        The run's. Where it doesn't say, files have one stripe of 1 MiB.
    stripe_size, stripe_count : int, optional
        As they are to be.
    """
    known = (environment.get("layout") or {}).get("components") or [{}]
    size = known[0].get("stripe_size") or 1 << 20
    count = max(known[0].get("stripe_count", 1), 1)
    return {
        "stripe_size": size if stripe_size is None else stripe_size,
        "stripe_count": count if stripe_count is None else stripe_count,
    }


def foretold(
    trace: Trace,
    work: Workload | None,
    environment: dict[str, Any],
    machine: Any = None,
    *,
    layers: Sequence[Layer] = (Layer.APP,),
    stripe_size: int | None = None,
    stripe_count: int | None = None,
) -> Trace:
    """Return what the model says of a run: of its workload, or of a program's system calls.

    Parameters
    ----------
    trace : Trace
        The run's; it counts where there is no workload.
    work : Workload or None
        The run's; None where a program ran.
    environment : dict
        The run's.
    machine : Machine, str or Path, optional
        On what; that of an emulated run, if not given.
    layers : sequence of Layer
        Whose records there are to be, besides the calls.
    stripe_size, stripe_count : int, optional
        As of `layout_of`.

    Raises
    ------
    UsageError
        There is no machine, or nothing to be modelled.
    PiotutorError
        There is no engine.
    """
    on, called = machine_of(environment, machine)
    layout = layout_of(environment, stripe_size, stripe_count)
    if work is None:
        below = [layer for layer in layers if layer > Layer.POSIX]
        made = program(trace, on, **layout, layers=below)
    else:
        made = model(_placed(work, environment), on, **layout, layers=layers)
    made.meta["environment"] = {"filesystem": called}
    return made


def _placed(work: Workload, environment: dict[str, Any]) -> Workload:
    """Return a run's workload with as many ranks on each node as there were on each client."""
    each = environment.get("ranks_per_client")
    return work.replace(tasks_per_node=each) if each and not work.tasks_per_node else work


def differences(trace: Trace, work: Workload, environment: dict[str, Any]) -> list[str]:
    """Say where an emulated run took another time than the model of its workload, a line each.

    Parameters
    ----------
    trace : Trace
        The run's.
    work : Workload
        The run's. Where MPI-IO or HDF5 made other calls of it, there is nothing to compare.
    environment : dict
        The run's.

    Returns
    -------
    list of str
        Empty where each phase is within `FAR` of its model.
    """
    if not _as_asked(trace):
        return []
    try:
        expected = metrics.phases(foretold(trace, work, environment))
    except PiotutorError as error:
        return [f"what the model of the same work says isn't known: {error}"]
    return [
        f"{found.op}: {format_seconds(found.seconds)}; {format_seconds(other.seconds)} in the "
        "model, whose ranks are in step: real ones aren't, and meet at the servers in another order"
        for found, other in zip(metrics.phases(trace), expected, strict=False)
        if abs(found.seconds - other.seconds) > FAR * other.seconds
    ]


def _as_asked(trace: Trace) -> bool:
    """Whether the ranks' transfers were what reached the system."""
    moves = (Op.READ, Op.WRITE)
    asked, made = (trace.where(layer=layer, op=moves) for layer in (Layer.APP, Layer.POSIX))
    return bool(asked.sum() == made.sum() > 0)
