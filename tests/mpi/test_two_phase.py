"""The rules of `piotutor.twophase` against the system calls of real runs, by MPICH."""

from __future__ import annotations

import random

import numpy as np
import pytest

from piotutor import metrics, runner, twophase
from piotutor.capture import preload
from piotutor.trace import Layer, Op
from piotutor.workload import Workload

pytestmark = [pytest.mark.mpi, pytest.mark.timeout(120)]


@pytest.fixture
def romio(mpi):
    """Skip where another MPI-IO is at work, or nobody sees its system calls."""
    if mpi.family != "mpich":
        pytest.skip("the rules are ROMIO's")
    if preload.library() is None:
        pytest.skip(preload.why_not())


def draw(seed):
    """Return a workload with a pattern and hints drawn by lot."""
    lot = random.Random(seed)
    size = lot.choice([8, 1000, 4096, 47008, 65536])
    buffers = [1000, 4096, 65536, 100_000, 1 << 20]
    hints = {"romio_ds_write": lot.choice(["enable", "disable", "automatic"])}
    hints["ind_wr_buffer_size"] = lot.choice(buffers)
    collective, view = lot.random() < 0.7, lot.random() < 0.8
    if collective:
        hints["romio_cb_write"] = lot.choice(["enable", "enable", "automatic", "disable"])
        hints["cb_config_list"] = f"*:{lot.randint(1, 5)}"
        hints["cb_buffer_size"] = lot.choice(buffers)
        hints |= {"cb_nodes": lot.randint(1, 4)} if lot.random() < 0.5 else {}
        hints |= {"striping_unit": lot.choice([4096, 65536])} if lot.random() < 0.3 else {}
    return Workload.make(
        api="MPIIO",
        num_tasks=lot.randint(1, 4),
        block_size=size,
        transfer_size=size,
        segment_count=lot.randint(1, 60),
        write=True,
        collective=collective,
        use_file_view=view,
        use_strided_datatype=view,
        hints=",".join(f"{name}={value}" for name, value in hints.items()),
    )


def writes_by_rank(run):
    trace = run.trace
    assert trace.dropped == 0
    rank = trace.column("rank")[metrics.transfers(trace, Op.WRITE, Layer.POSIX)]
    return np.bincount(rank, minlength=run.workload.num_tasks).tolist()


@pytest.mark.parametrize("seed", range(12))
def test_real_runs_make_as_many_system_calls_as_foretold(romio, seed):
    workload = draw(seed)
    run = runner.run_sync(workload)
    assert writes_by_rank(run) == twophase.writes(workload), workload


def test_the_sieve_reads_each_window_under_a_lock(romio):
    workload = Workload.make(
        api="MPIIO",
        num_tasks=2,
        block_size="16k",
        transfer_size="16k",
        segment_count=32,
        use_file_view=True,
        use_strided_datatype=True,
        write=True,
        hints="romio_ds_write=enable,ind_wr_buffer_size=131072",
    )
    run = runner.run_sync(workload)
    records = run.trace.records
    for rank, windows in enumerate(twophase.writes(workload)):
        mine = records[(records["rank"] == rank) & (records["layer"] == Layer.POSIX)]
        starts = {op: set(mine["offset"][mine["op"] == op].tolist()) for op in (Op.READ, Op.WRITE)}
        assert len(starts[Op.WRITE]) == windows
        assert starts[Op.WRITE] <= starts[Op.READ]
        lock, unlock = (mine[mine["op"] == op] for op in (Op.LOCK, Op.UNLOCK))
        writes = mine[mine["op"] == Op.WRITE]
        assert len(lock) == len(unlock) == 1
        assert int(lock["end"][0]) <= int(writes["start"].min())
        assert int(writes["end"].max()) <= int(unlock["start"][0])
