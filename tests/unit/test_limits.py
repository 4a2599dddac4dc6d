"""What a run may take."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from piotutor.errors import UsageError
from piotutor.launch import limits
from piotutor.workload import Workload

MIB = 1 << 20


def test_the_limit_is_inclusive():
    work = Workload(num_tasks=4, block_size=64 * MIB, transfer_size=MIB)
    assert work.total_bytes == limits.DATA
    limits.check(work, limit=limits.DATA, ranks=16)
    bigger = work.replace(segment_count=2)
    with pytest.raises(UsageError, match="a repetition moves 512 MiB, the limit is 256 MiB"):
        limits.check(bigger, limit=limits.DATA, ranks=16)
    limits.check(bigger, limit=512 * MIB, ranks=16)


def test_repetitions_are_not_added_up():
    limits.check(Workload(block_size=64 * MIB, repetitions=10), limit=limits.DATA, ranks=16)


def test_ranks():
    limits.check(Workload(num_tasks=16), limit=limits.DATA, ranks=16)
    with pytest.raises(UsageError, match="num_tasks=17: at most 16 ranks"):
        limits.check(Workload(num_tasks=17), limit=limits.DATA, ranks=16)


def test_ranks_from_the_environment():
    assert limits.max_ranks({}) == 16
    assert limits.max_ranks({"PIOTUTOR_MAX_RANKS": "64"}) == 64
    for bad in ("0", "-1", "many", "1.5", "²"):
        with pytest.raises(UsageError, match=f"PIOTUTOR_MAX_RANKS={bad}"):
            limits.max_ranks({"PIOTUTOR_MAX_RANKS": bad})


def test_space_needed():
    assert limits.needed(Workload(num_tasks=2, repetitions=3, keep=True)) == 2 * MIB
    assert limits.needed(Workload(read=True)) == 0
    assert limits.needed(Workload(api="NULL", write=True)) == 0


def test_space_is_checked_with_a_reserve(tmp_path, monkeypatch):
    room = SimpleNamespace(f_bavail=100 * MIB // 4096, f_frsize=4096)
    monkeypatch.setattr(limits.os, "statvfs", lambda _path: room)
    limits.check_space(tmp_path, 84 * MIB)
    with pytest.raises(UsageError, match="100 MiB free, the files need 85 MiB"):
        limits.check_space(tmp_path, 85 * MIB)
    room.f_bavail = 0
    limits.check_space(tmp_path, 0)


def test_trace_space(tmp_path, monkeypatch):
    room = SimpleNamespace(f_bavail=1 << 40, f_frsize=4096)
    monkeypatch.setattr(limits.os, "statvfs", lambda _path: room)
    assert limits.trace_bytes(tmp_path, 4) == limits.TRACE // 4
    room.f_bavail = MIB // 4096
    assert limits.trace_bytes(tmp_path, 4) == MIB // 8
