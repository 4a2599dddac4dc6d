"""HDF5 without MPI: one rank still has its file, more are told how to get parallel HDF5."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from piotutor.content import Content  # noqa: E402
from piotutor.errors import UsageError  # noqa: E402
from piotutor.kernels import hdf5  # noqa: E402
from piotutor.kernels.base import SerialComm  # noqa: E402
from piotutor.kernels.benchmark import run_rank  # noqa: E402
from piotutor.kernels.job import Job  # noqa: E402
from piotutor.trace.reader import Trace  # noqa: E402
from piotutor.trace.record import Flag, Op  # noqa: E402
from piotutor.trace.writer import TraceWriter  # noqa: E402
from piotutor.workload import Workload  # noqa: E402

SIZE = 3200


@pytest.fixture(autouse=True)
def _serial(monkeypatch):
    monkeypatch.setattr(hdf5, "PARALLEL", False)


def small(**options):
    few = {"block_size": 2 * SIZE, "transfer_size": SIZE, "segment_count": 3}
    both = {"write": True, "verify_write": True, "verify_read": True}
    return Workload(**{"api": "HDF5", "num_tasks": 1, **few, **both, **options})


def run(tmp_path, work, **fields):
    job = Job(workload=work, files=(str(tmp_path / "data.h5"),), run_dir=tmp_path, **fields)
    with TraceWriter(tmp_path / "t.piot", rank=0) as writer:
        return run_rank(job, SerialComm(), writer, lambda path: SimpleNamespace(cached=0))


@pytest.mark.parametrize("options", [{}, {"chunk_size": 100}, {"alignment": 4096}])
def test_one_rank_writes_and_verifies(tmp_path, options):
    work = small(keep=True, fsync=True, **options)
    outcome = run(tmp_path, work, seed=9)
    assert (outcome.verified_bytes, outcome.bad_bytes) == (2 * work.total_bytes, 0)
    assert outcome.hints["echoed"] == {}
    with h5py.File(tmp_path / "data.h5") as file:
        stored = np.concatenate([file[name][:] for name in file]).view(np.uint8)
        assert (file["Dataset-0000.0000"].chunks is not None) == bool(work.chunk_size)
    assert Content(9).check(stored, 0, 0, 0) is None


def test_parts_hold_addresses_of_contiguous_data_only(tmp_path):
    run(tmp_path, small(keep=True))
    records = Trace.load(tmp_path / "t.piot").records
    part = (records["flags"] & Flag.PART) != 0
    writes = records["op"] == Op.WRITE
    whole = (tmp_path / "data.h5").read_bytes()
    assert np.count_nonzero(part & writes) == np.count_nonzero(~part & writes) == 6
    want = np.empty(SIZE, np.uint8)
    for record, extent in zip(records[~part & writes], records[part & writes], strict=True):
        Content(0).fill(want, 0, int(record["offset"]))
        at = int(extent["offset"])
        assert whole[at : at + SIZE] == want.tobytes()


def test_chunks_have_no_parts(tmp_path):
    run(tmp_path, small(chunk_size=100))
    records = Trace.load(tmp_path / "t.piot").records
    assert not np.any(records["flags"] & Flag.PART)


def test_more_ranks_are_told_what_to_do():
    with pytest.raises(UsageError, match="use -F or one rank, or get parallel HDF5"):
        hdf5.Hdf5Kernel(small(num_tasks=2), SimpleNamespace(rank=0, size=2))
    with pytest.raises(UsageError, match="leave out -c"):
        hdf5.Hdf5Kernel(small(collective=True), SerialComm())
    assert hdf5.Hdf5Kernel.alone().size == 1


def test_a_file_of_another_kind_is_one_line(tmp_path):
    (tmp_path / "data.h5").write_bytes(b"no HDF5" * 1000)
    with pytest.raises(UsageError, match="can't be opened") as caught:
        run(tmp_path, small(write=False, verify_write=False, verify_read=False, read=True))
    assert "\n" not in str(caught.value)


def test_a_file_that_exists_stays(tmp_path):
    (tmp_path / "data.h5").write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists"):
        run(tmp_path, small())
    assert (tmp_path / "data.h5").read_bytes() == b"precious"
