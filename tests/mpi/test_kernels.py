"""The contract suite for every kernel, and what each has of its own."""

from __future__ import annotations

import numpy as np
import pytest

from piotutor import pattern
from piotutor.kernels import KERNELS
from piotutor.testing.jobs import launcher, run_job
from piotutor.testing.kernels import RECORD, KernelSuite, check_phase
from piotutor.trace.record import Flag, Op, Phase
from piotutor.workload import APIS

needs_mpi = pytest.mark.skipif(bool(launcher().problem), reason=launcher().problem or "-")


def parallel_hdf5() -> bool:
    h5py = pytest.importorskip("h5py")
    return bool(h5py.get_config().mpi)


@needs_mpi
class TestNull(KernelSuite):
    api = "NULL"
    keeps_data = False


@needs_mpi
class TestPosix(KernelSuite):
    api = "POSIX"

    def test_direct_transfers_are_marked(self, tmp_path):
        work = self.both(2, direct_io=True, block_size=2 << 14, transfer_size=1 << 14)
        job = run_job(tmp_path / "run", work)
        if job.code:
            assert "offers no direct I/O" in job.errors[0]["message"]
            pytest.skip("no direct I/O here")
        assert job.result["verified_from"] == "direct"
        for op in (Op.WRITE, Op.READ):
            assert np.all(job.records(op)["flags"] & Flag.DIRECT)

    def test_direct_transfers_must_fit(self, tmp_path):
        job = run_job(tmp_path / "run", self.make(2, direct_io=True))
        assert job.code != 0
        assert job.errors[0]["usage"]
        assert "direct I/O" in job.errors[0]["message"]

    def test_random_offsets(self, tmp_path):
        for number, own in enumerate((False, True)):
            work = self.both(4, random_offset=1, block_size=8 * RECORD, file_per_process=own)
            job = run_job(tmp_path / str(number), work)
            assert job.code == 0, job.output
            assert job.result["verified_bytes"] == 2 * work.total_bytes
            for rank in range(4):
                check_phase(job, rank, Op.READ, Phase.READ, "read")

    def test_a_deadline_stops_writing_and_what_was_written_is_verified(self, tmp_path):
        work = self.both(2, stonewall=1, block_size=1 << 20, transfer_size=8, fsync_per_write=True)
        job = run_job(tmp_path / "run", work)
        assert job.code == 0, job.output
        written = job.records(Op.WRITE)
        assert 0 < len(written) < 2 * 3 * (1 << 17)
        assert len(job.records(Op.READ, Phase.VERIFY_WRITE)) == len(written)
        assert job.result["bad_bytes"] == 0
        assert {note["op"] for note in job.result["stonewall"]} == {"write", "read"}

    def test_after_a_deadline_all_ranks_can_reach_the_first(self, tmp_path):
        asked = {"stonewall": 1, "stonewall_wear_out": True, "fsync_per_write": True}
        asked |= {"transfer_size": 8, "block_size": 1 << 20, "segment_count": 6}
        job = run_job(tmp_path / "run", self.make(2, write=True, **asked))
        assert job.code == 0, job.output
        notes = job.result["stonewall"]
        first = max(note["at_deadline"] for note in notes)
        assert [note["calls"] for note in notes] == [first, first]
        assert len(job.records(Op.WRITE)) == 2 * first

    def test_one_rank_needs_no_mpi(self, tmp_path):
        import subprocess
        import sys

        job = run_job(tmp_path / "run", self.make(1, write=True))
        (tmp_path / "run" / "trace" / "rank-00000.piot").unlink()
        program = (
            "import sys; sys.modules['mpi4py'] = None; from piotutor.launch import worker;"
            f"del sys.modules['mpi4py']; sys.exit(worker.main([{str(job.run_dir / 'job.json')!r}]))"
        )
        done = subprocess.run([sys.executable, "-c", program], timeout=60)
        assert done.returncode == 0
        assert len(job.records(Op.WRITE)) == 6


@needs_mpi
class TestMpiio(KernelSuite):
    api = "MPIIO"
    variants = (
        {},
        {"collective": True},
        {"use_file_view": True},
        {"use_file_view": True, "collective": True},
        {"use_file_view": True, "use_strided_datatype": True},
        {"use_file_view": True, "use_strided_datatype": True, "collective": True},
    )

    def test_strided_calls_have_their_extents_as_parts(self, tmp_path):
        strided = {"use_file_view": True, "use_strided_datatype": True, "collective": True}
        work = self.make(2, write=True, **strided)
        job = run_job(tmp_path / "run", work)
        records = job.trace.records
        parts = records[(records["flags"] & Flag.PART) != 0]
        calls = job.records(Op.WRITE)
        assert len(calls) == 2 * 2
        assert np.all(calls["flags"] & Flag.COLLECTIVE)
        for rank in range(2):
            want = sorted(pattern.transfers(work, rank, "write").offset.tolist())
            assert sorted(parts["offset"][parts["rank"] == rank].tolist()) == want
        assert set(parts["length"].tolist()) == {RECORD}
        assert calls["length"].sum() == parts["length"].sum() == work.total_bytes

    def test_hints_are_asked_echoed_and_judged(self, tmp_path):
        hints = (("romio_cb_write", "enable"), ("striping_factor", "4"), ("panfs_layout_type", "1"))
        job = run_job(tmp_path / "run", self.make(2, write=True, collective=True, hints=hints))
        assert job.code == 0, job.output
        told = job.result["hints"]
        assert told["requested"] == dict(hints)
        if "romio_filesystem_type" not in told["echoed"]:
            pytest.skip("this MPI tells nothing about its hints")
        assert told["echoed"]["romio_cb_write"] == "enable"
        assert told["verified"]["romio_cb_write"]["obeyed"] is True
        if "LUSTRE" not in told["echoed"]["romio_filesystem_type"]:
            assert told["verified"]["striping_factor"]["obeyed"] is False


@needs_mpi
class TestHdf5(KernelSuite):
    api = "HDF5"
    variants = (
        {},
        {"collective": True},
        {"chunk_size": 1024, "collective": True},
        {"alignment": 65536, "meta_block_size": 65536, "collective_metadata": True},
    )

    @pytest.fixture(autouse=True)
    def _parallel(self):
        if not parallel_hdf5():
            pytest.skip("this h5py has no MPI: make test STACK=hdf5")

    def stored(self, job, file):
        import h5py

        with h5py.File(job.files[file], "r") as data:
            assert list(data) == [f"Dataset-0000.{i:04d}" for i in range(len(data))]
            return np.concatenate([data[name][:] for name in data]).view(np.uint8)

    def test_addresses_are_those_in_the_file(self, tmp_path):
        align = 1 << 16
        job = run_job(tmp_path / "run", self.make(2, write=True, keep=True, alignment=align))
        records = job.trace.records
        parts = records[(records["flags"] & Flag.PART) != 0]
        assert len(parts) == len(job.records(Op.WRITE)) == 12
        whole = np.fromfile(job.files[0], np.uint8)
        stored = self.stored(job, 0)
        calls = job.trace.records
        for part in parts:
            (call,) = calls[
                (calls["rank"] == part["rank"])
                & (calls["op"] == Op.WRITE)
                & (calls["start"] == part["start"])
                & ((calls["flags"] & Flag.PART) == 0)
            ]
            here, there, size = int(part["offset"]), int(call["offset"]), int(part["length"])
            assert np.array_equal(whole[here : here + size], stored[there : there + size])
        segment = 4 * RECORD
        starts = parts["offset"] - calls_offsets(job, parts) % segment
        assert set((starts % align).tolist()) == {0}

    def test_the_meta_block_size_reaches_the_file(self, tmp_path):
        sizes = []
        for number, size in enumerate((2048, 1 << 18)):
            work = self.make(2, write=True, keep=True, meta_block_size=size)
            job = run_job(tmp_path / str(number), work)
            assert job.code == 0, job.output
            sizes.append(job.files[0].stat().st_size)
        assert sizes[1] - sizes[0] > 1 << 16


def calls_offsets(job, parts):
    """Return the pattern's offset of the call that each part belongs to."""
    calls = job.records(Op.WRITE)
    known = {(int(c["rank"]), int(c["start"])): int(c["offset"]) for c in calls}
    return np.array([known[int(p["rank"]), int(p["start"])] for p in parts])


def test_every_kernel_has_its_suite():
    suites = {suite.api for suite in KernelSuite.__subclasses__()}
    assert suites >= set(KERNELS) == set(APIS)
