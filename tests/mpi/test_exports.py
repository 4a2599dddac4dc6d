"""A real run of ranks, all its layers, as other programs see it."""

from __future__ import annotations

import io
import json

import pytest

import piotutor as pio
from piotutor.imported import import_trace
from piotutor.trace import exporters

pytestmark = pytest.mark.mpi


def test_a_run_of_all_layers_for_perfetto_and_back(mpi, tmp_path, spotless):
    run = pio.run_sync("mpiexec -n 2 ior -a MPIIO -c -w -r -t 16k -b 64k")
    if run.result["capture"]["how"] != "preload":
        pytest.skip(run.result["capture"]["why"])
    stream = io.BytesIO()
    exporters.write(run.trace, stream, ".json")
    slices = [e for e in json.loads(stream.getvalue())["traceEvents"] if e["ph"] == "X"]
    for layer in ("app", "mpiio", "posix"):
        told = run.result["layers"][layer]["write"]
        mine = [e["args"] for e in slices if (e["cat"], e["args"]["op"]) == (layer, "write")]
        assert len(mine) == told["operations"]
        assert sum(args["result"] for args in mine) == told["bytes"]
    assert_within(slices, "mpiio", "app")
    assert_within(slices, "posix", "mpiio")
    path = tmp_path / "run.piot"
    run.trace.save(path)
    again = import_trace(path)
    assert again.result["layers"] == run.result["layers"]
    assert again.result["phases"] == run.result["phases"]
    assert again.environment["mpi"] == run.environment["mpi"]


def assert_within(slices, inner, outer):
    """Check that each transfer of a layer lies inside one of the layer above, on its track."""
    around = [e for e in slices if e["cat"] == outer]
    for event in slices:
        if event["cat"] == inner and event["args"]["op"] in ("read", "write"):
            assert any(
                (e["pid"], e["tid"]) == (event["pid"], event["tid"])
                and e["ts"] <= event["ts"]
                and event["ts"] + event["dur"] <= e["ts"] + e["dur"] + 1e-6
                for e in around
            )
