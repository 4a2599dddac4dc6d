"""What of a run its model needs: the machine, the workload and how its files were laid out."""

from __future__ import annotations

from typing import Any

from piotutor import metrics
from piotutor.engine import Machine, model
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


def plan_of(
    work: Workload,
    environment: dict[str, Any],
    stripe_size: int | None = None,
    stripe_count: int | None = None,
) -> tuple[Workload, dict[str, int]]:
    """Return what is to be modelled of a run: its workload, and how its files were laid out.

    Parameters
    ----------
    work : Workload
        The run's.
    environment : dict
        The run's.
    stripe_size, stripe_count : int, optional
        As they are to be; if not given, as they were.
    """
    known = (environment.get("layout") or {}).get("components") or [{}]
    size = stripe_size or known[0].get("stripe_size") or 1 << 20
    count = stripe_count or max(known[0].get("stripe_count", 1), 1)
    each = environment.get("ranks_per_client")
    if each and not work.tasks_per_node:
        work = work.replace(tasks_per_node=each)
    return work, {"stripe_size": size, "stripe_count": count}


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
    machine, _ = machine_of(environment)
    work, layout = plan_of(work, environment)
    try:
        foretold = metrics.phases(model(work, machine, **layout, layers=[Layer.APP]))
    except PiotutorError as error:
        return [f"what the model of the same work says isn't known: {error}"]
    return [
        f"{found.op}: {format_seconds(found.seconds)}; {format_seconds(expected.seconds)} in the "
        "model, whose ranks are in step: real ones aren't, and meet at the servers in another order"
        for found, expected in zip(metrics.phases(trace), foretold, strict=False)
        if abs(found.seconds - expected.seconds) > FAR * expected.seconds
    ]


def _as_asked(trace: Trace) -> bool:
    """Whether the ranks' transfers were what reached the system."""
    moves = (Op.READ, Op.WRITE)
    asked, made = (trace.where(layer=layer, op=moves) for layer in (Layer.APP, Layer.POSIX))
    return bool(asked.sum() == made.sum() > 0)
