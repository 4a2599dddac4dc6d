"""The contract that every kernel passes, at 1, 2 and 4 ranks.

A kernel's suite is a subclass in `tests/mpi`::

    class TestMine(KernelSuite):
        api = "MINE"
        variants = ({}, {"collective": True})

What a kernel stores in a format of its own, the subclass reads back in `stored`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from piotutor import pattern
from piotutor.content import Content
from piotutor.testing.jobs import Finished, run_job, run_jobs
from piotutor.trace.record import Op, Phase
from piotutor.workload import Workload

RECORD = 47008
"""The record size of the first lessons: it fits no page."""
SEED = 11


@pytest.mark.mpi
class KernelSuite:
    """What every kernel must do; subclass it and set `api`."""

    api: ClassVar[str]
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    """Options of the interface under which everything must hold as well."""
    keeps_data: ClassVar[bool] = True

    def stored(self, job: Finished, file: int) -> np.ndarray:
        """Return the bytes of one kept data file, in the pattern's offsets."""
        return np.fromfile(job.files[file], np.uint8)

    def make(self, ranks: int, **options: Any) -> Workload:
        """Return a small workload: 3 segments of two records for each rank."""
        small = {"transfer_size": RECORD, "block_size": 2 * RECORD, "segment_count": 3}
        return Workload(**{"api": self.api, "num_tasks": ranks, **small, **options})

    def both(self, ranks: int, **options: Any) -> Workload:
        """Return one that writes, reads, and (where data is kept) verifies both."""
        checks = {"verify_write": True, "verify_read": True} if self.keeps_data else {}
        return self.make(ranks, write=True, read=True, **checks, **options)

    @pytest.mark.parametrize("ranks", [1, 2, 4])
    @pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
    def test_moves_exactly_the_pattern(self, tmp_path: Path, ranks: int, own: bool) -> None:
        """Every transfer of the pattern is made once, in order, and the bytes are right."""
        always = {"file_per_process": own, "keep": True}
        works = [self.both(ranks, **always, **options) for options in self.variants]
        for job in run_jobs(tmp_path / "runs", works, seed=SEED):
            assert job.code == 0, job.output
            check_records(job)
            if self.keeps_data:
                self.check_data(job)

    def check_data(self, job: Finished) -> None:
        """Compare what was verified and what is stored with what must be."""
        assert job.result["verified_bytes"] == 2 * job.workload.total_bytes
        assert job.result["mismatches"] == [] and job.result["bad_bytes"] == 0
        assert job.result["verified_from"] in ("direct", "after-evict", "cache")
        for file, size in enumerate(pattern.file_sizes(job.workload)):
            found = self.stored(job, file)
            assert len(found) == size
            assert Content(SEED).check(found, file, 0, 0) is None

    @pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
    def test_reads_what_another_rank_wrote(self, tmp_path: Path, own: bool) -> None:
        """With -C each rank verifies another's data."""
        shifted = {"reorder_tasks": True, "tasks_per_node": 1, "file_per_process": own}
        job = run_job(tmp_path / "run", self.both(4, **shifted))
        assert job.code == 0, job.output
        written = job.records(Op.WRITE, rank=1)
        read = job.records(Op.READ, Phase.READ, rank=0)
        assert written["offset"].tolist() == read["offset"].tolist()
        assert written["file"].tolist() == read["file"].tolist()

    def test_counts_every_sync_open_close_and_barrier(self, tmp_path: Path) -> None:
        """-e syncs once, -Y after every write, -g waits twice in each phase."""
        asked = {"fsync": True, "fsync_per_write": True, "barriers": True, "repetitions": 2}
        job = run_job(tmp_path / "run", self.make(2, write=True, read=True, **asked))
        assert job.code == 0, job.output
        for rank in range(2):
            assert len(job.records(Op.SYNC, rank=rank)) == 2 * (6 + 1)
            assert len(job.records(Op.BARRIER, rank=rank)) == 2 * 2 * 2
            for op in (Op.OPEN, Op.CLOSE):
                assert len(job.records(op, rank=rank)) == 2 * 2
        assert len(job.records(Op.REMOVE)) == 2
        assert not any(path.exists() for path in job.files)

    def test_leaves_a_file_that_exists(self, tmp_path: Path) -> None:
        """A file that isn't ours is refused, and stays as it was."""
        self._needs_data()
        there = tmp_path / "precious"
        there.write_bytes(b"precious")
        job = run_job(tmp_path / "run", self.make(2), data=there)
        assert job.code != 0
        assert there.read_bytes() == b"precious"
        assert any(error["usage"] and str(there) in error["message"] for error in job.errors)
        assert not list((tmp_path / "run").glob("made-*"))

    def test_says_that_a_file_is_missing(self, tmp_path: Path) -> None:
        """Reading what isn't there is a mistake of the user's, in one line."""
        self._needs_data()
        job = run_job(tmp_path / "run", self.make(2, read=True))
        assert job.code != 0
        assert job.errors[0]["usage"]
        assert "\n" not in job.errors[0]["message"]
        assert str(job.files[0]) in job.errors[0]["message"]

    def test_finds_data_of_another_run(self, tmp_path: Path) -> None:
        """Data of another seed (as of an earlier repetition) is told from the right one."""
        self._needs_data()
        kept = run_job(tmp_path / "kept", self.make(2, write=True, keep=True), seed=SEED)
        signature = kept.result["signature"]
        assert signature == SEED
        for given in (signature, signature + 1):
            again = self.make(2, verify_read=True, signature=given)
            job = run_job(tmp_path / str(given), again, data=kept.files[0])
            assert job.code == 0, job.output
            bad = job.result["bad_bytes"]
            assert (bad == 0) == (given == signature)
            assert bad + job.result["verified_bytes"] == again.total_bytes
        first = job.result["mismatches"][0]
        assert (first["file"], first["rank"], first["offset"]) == (0, 0, 0)
        assert "another repetition" in first["found"]
        assert kept.files[0].exists()

    def test_a_failing_rank_ends_all(self, tmp_path: Path) -> None:
        """One rank's exception ends the job, and is written down."""
        job = run_job(tmp_path / "run", self.make(4), fail={"rank": 2, "how": "raise"})
        assert job.code != 0
        assert [error["rank"] for error in job.errors] == [2]
        assert "Traceback" in job.errors[0]["traceback"]

    def test_counts_what_the_trace_has_no_room_for(self, tmp_path: Path) -> None:
        """A full trace loses records, counted, and no data."""
        work = self.both(2, segment_count=200, block_size=64, transfer_size=8)
        job = run_job(tmp_path / "run", work, trace_max_bytes=1 << 16)
        assert job.code == 0, job.output
        trace = job.trace
        phases = len(work.phases)
        calls = 2 * phases * (200 * 8 + 2) + 1
        parts = np.count_nonzero(trace.records["flags"] & 2)
        assert trace.dropped > 0
        assert len(trace.records) - parts + trace.dropped >= calls
        if self.keeps_data:
            assert job.result["verified_bytes"] == 2 * work.total_bytes

    def _needs_data(self) -> None:
        if not self.keeps_data:
            pytest.skip(f"{self.api} keeps no data")


def check_records(job: Finished) -> None:
    """Compare what each rank's records say with the pattern, and the order of their times."""
    work = job.workload
    assert job.trace.dropped == 0
    for rank in range(work.num_tasks):
        check_phase(job, rank, Op.WRITE, Phase.WRITE, "write")
        check_phase(job, rank, Op.READ, Phase.READ, "read")
        if work.verify_write:
            check_phase(job, rank, Op.READ, Phase.VERIFY_WRITE, "check_write")


def check_phase(job: Finished, rank: int, op: Op, phase: Phase, name: str) -> None:
    """Compare one phase of one rank with the pattern."""
    found = job.records(op, phase, rank)
    want = pattern.transfers(job.workload, rank, name)
    joined = job.workload.segment_count if job.workload.use_strided_datatype else 1
    size = job.workload.transfer_size * joined
    assert found["offset"].tolist() == want.offset[::joined].tolist()
    assert found["file"].tolist() == want.file[::joined].tolist()
    assert set(found["length"].tolist()) == set(found["result"].tolist()) == {size}
    opened = job.records(Op.OPEN, phase, rank)
    closed = job.records(Op.CLOSE, phase, rank)
    assert len(opened) == len(closed) == 1
    assert opened["end"][0] <= found["start"][0]
    assert np.all(found["start"] <= found["end"])
    assert np.all(found["end"][:-1] <= found["start"][1:])
    assert found["end"][-1] <= closed["start"][0]
