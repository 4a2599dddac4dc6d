"""What the engine says of runs that were, and when a difference is told."""

from __future__ import annotations

import numpy as np
import pytest

import piotutor as pio
from piotutor.engine.library import library
from piotutor.errors import UsageError
from piotutor.foretold import differences, layout_of, machine_of
from piotutor.trace import Layer, Op, Trace

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a run that stands for an emulated one."""
    monkeypatch.setenv("PIOTUTOR_STATE", str(tmp_path))
    return pio.model("ior -N 2 -t 64k -b 64k -s 16 -w -r", "small-lustre", stripe_count=2)


def with_system_calls(trace, share=1):
    """Return a trace in which so many of the ranks' transfers went on to the system."""
    calls = trace.records[trace.where(layer=Layer.APP, op=(Op.READ, Op.WRITE))]
    calls["layer"] = Layer.POSIX
    both = np.concatenate([trace.records, calls[: int(share * len(calls))]])
    return Trace.from_records(both, files=trace.files, provenance="emulated")


def test_phases_that_differ_from_their_model_are_told(run):
    trace, environment = with_system_calls(run.trace), dict(run.environment)
    assert differences(trace, run.workload, environment) == []
    told = environment["machine"]
    environment["machine"] = told | {"target_overhead": 1.05 * told["target_overhead"]}
    assert differences(trace, run.workload, environment) == []
    environment["machine"] = told | {"target_overhead": 40 * told["target_overhead"]}
    write, read = differences(trace, run.workload, environment)
    assert write.startswith("write: ")
    assert read.startswith("read: ")
    assert "in the model" in write


def test_other_calls_than_the_ranks_are_not_compared(run):
    machine = run.environment["machine"] | {"target_overhead": 1.0}
    environment = run.environment | {"machine": machine}
    assert differences(run.trace, run.workload, environment) == []
    assert differences(with_system_calls(run.trace, 0.5), run.workload, environment) == []


def test_the_model_of_an_emulated_run_thinks_as_its_ranks_did(run):
    environment = run.environment | {"emulation": {"think_time": 2e-4}}
    machine, name = machine_of(environment)
    assert (machine.think_time, name) == (2e-4, "small-lustre")
    assert machine_of(environment, "small-lustre")[0].think_time == 0
    assert machine_of(run.environment)[0].think_time == 0
    with pytest.raises(UsageError, match="on what machine"):
        machine_of({})


def test_layouts_are_those_of_the_run_unless_told(run):
    assert layout_of(run.environment) == {"stripe_size": 1 << 20, "stripe_count": 2}
    assert layout_of(run.environment, 65536, 4) == {"stripe_size": 65536, "stripe_count": 4}
    assert layout_of({}) == {"stripe_size": 1 << 20, "stripe_count": 1}
