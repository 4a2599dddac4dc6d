"""Real ranks that keep several reads in flight, on a file that is there already."""

from __future__ import annotations

import numpy as np
import pytest

from piotutor import runner
from piotutor.engine.shared import why_not
from piotutor.metrics_depth import depths
from piotutor.trace import Layer, Op, repetition_of
from piotutor.workload import Workload

pytestmark = [pytest.mark.mpi, pytest.mark.usefixtures("mpi", "spotless")]
COUNT = 96


@pytest.fixture
def deep(tmp_path):
    file = tmp_path / "there.dat"
    file.write_bytes(np.random.default_rng(2).bytes(1 << 20))
    return Workload.make(
        num_tasks=2, block_size="4k", transfer_size="4k", segment_count=COUNT, random_offset=2,
        read=True, queue_depth=(1, 8), repetitions=2, test_file=str(file),
    )  # fmt: skip


def reads(run, layer):
    records = run.trace.records
    return records[(records["layer"] == layer) & (records["op"] == Op.READ)]


def test_a_sweep_reads_the_same_at_every_depth(deep):
    run = runner.run_sync(deep)
    app = reads(run, Layer.APP)
    shallow, eight = (app[repetition_of(app["aux"]) == number] for number in (0, 1))
    for rank in range(2):
        mine, others = (
            sorted(one["offset"][one["rank"] == rank].tolist()) for one in (shallow, eight)
        )
        assert len(mine) == COUNT
        assert mine == others
    assert set(shallow["thread"].tolist()) == {-1}
    assert set(eight["thread"].tolist()) <= set(range(8))
    assert depths(run.trace)[0].asked == 2
    if run.environment["capture"] == "preload":
        below = reads(run, Layer.POSIX)
        assert sorted(below["offset"].tolist()) == sorted(app["offset"].tolist())


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
def test_a_file_that_is_there_can_be_read_from_a_device_that_isnt(deep):
    run = runner.run_sync(deep, storage="emulated:fixed-latency")
    assert run.trace.provenance == "emulated"
    assert run.environment["machine"]["target_channels"] == 8
    assert run.result["layers"]["server"]["read"]["operations"] == 4 * COUNT
    one, eight = depths(run.trace)
    assert eight.rate > 1.5 * one.rate  # eight at once, of 2 and 16 in flight
    assert eight.seconds > 1.3 * one.seconds
