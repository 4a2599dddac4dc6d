"""Following traces while they are written: each whole record comes once, whatever the order."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from piotutor.trace import Follower, Layer, Op, Trace, TraceError, TraceWriter, tail


def append(trace, start):
    trace.append(layer=Layer.APP, op=Op.WRITE, start=start, end=start, file=0)


def store(block, i, start):
    block.words[10 * i] = block.words[10 * i + 1] = start
    block.words[10 * i + 8] = tail(Layer.APP, Op.WRITE)


def starts(records):
    return records["start"].tolist()


def test_a_directory_that_is_not_there_yet(tmp_path):
    follower = Follower(tmp_path / "later")
    assert len(follower.poll()) == 0
    (tmp_path / "later").mkdir()
    with TraceWriter(tmp_path / "later" / "a.piot", rank=0, files=["x"]) as trace:
        append(trace, 5)
        assert starts(follower.poll()) == [5]
        assert not follower.finished
    assert starts(follower.poll()) == []
    assert follower.finished


def test_ranks_that_come_later_and_grow_merge_by_time(tmp_path):
    follower = Follower(tmp_path)
    with TraceWriter(tmp_path / "0.piot", rank=0, files=["a"]) as first:
        append(first, 2)
        assert starts(follower.poll()) == [2]
        with TraceWriter(tmp_path / "1.piot", rank=1, files=["b"]) as second:
            for start in (9, 4):
                append(second, start)
            append(first, 6)
            records = follower.poll()
            assert (starts(records), records["rank"].tolist()) == ([4, 6, 9], [1, 0, 1])
            assert [follower.files[i] for i in records["file"]] == ["b", "a", "b"]
            second.drop(3)
            second.add_file("c")
    assert len(follower.poll()) == 0
    assert (follower.dropped, follower.finished) == (3, True)


def test_a_file_that_is_only_begun_is_waited_for(tmp_path):
    follower = Follower(tmp_path)
    path = tmp_path / "a.piot"
    path.write_bytes(b"")
    assert len(follower.poll()) == 0
    path.write_bytes(bytes(16384))
    assert len(follower.poll()) == 0
    path.unlink()
    with TraceWriter(path, rank=0) as trace:
        append(trace, 1)
    assert starts(follower.poll()) == [1]


def test_a_foreign_file_is_named(tmp_path):
    (tmp_path / "a.piot").write_bytes(b"not a trace" * 100)
    with pytest.raises(TraceError, match=r"a\.piot: is not a piotutor trace"):
        Follower(tmp_path).poll()


def test_a_block_left_half_filled_hides_nothing_behind_it(tmp_path):
    follower = Follower(tmp_path)
    with TraceWriter(tmp_path / "a.piot", rank=0) as trace:
        left, used = trace.claim(5000), trace.claim(100_000)
        store(left, 0, 0)
        assert starts(follower.poll()) == [0]
        found = []
        for i in range(400):
            store(used, i, i + 1)
            found += starts(follower.poll())
        assert found == list(range(1, 401))
    assert len(follower.poll()) == 0


def test_the_last_poll_of_a_killed_job_finds_everything(tmp_path):
    (tmp_path / "run").mkdir()
    follower = Follower(tmp_path / "run")
    with TraceWriter(tmp_path / "a.piot", rank=0) as trace:
        block = trace.claim(50_000)
        shutil.copy(tmp_path / "a.piot", tmp_path / "run")
        assert len(follower.poll()) == 0
        store(block, 49_999, 7)
        shutil.copy(tmp_path / "a.piot", tmp_path / "run")
    assert len(follower.poll()) == 0
    assert starts(follower.poll(everything=True)) == [7]
    assert not follower.finished


def test_nothing_is_read_again_once_a_file_is_finished(tmp_path, monkeypatch):
    with TraceWriter(tmp_path / "a.piot", rank=0) as trace:
        append(trace, 1)
    follower = Follower(tmp_path)
    assert starts(follower.poll()) == [1]
    monkeypatch.setattr(os, "open", None)
    assert len(follower.poll()) == 0


def test_only_the_files_that_are_wanted_are_followed(tmp_path):
    follower = Follower(tmp_path, ("rank-*.piot", "sampler.piot"))
    for n, name in enumerate(("rank-00000", "below-00000-17", "sampler", "block")):
        with TraceWriter(tmp_path / f"{name}.piot", rank=n) as trace:
            append(trace, n)
    assert starts(follower.poll(everything=True)) == [0, 2]
    assert starts(Follower(tmp_path).poll()) == [0, 1, 2, 3]


def test_some_files_in_turn_leave_none_out(tmp_path):
    follower = Follower(tmp_path)
    traces = [TraceWriter(tmp_path / f"{n}.piot", rank=n) for n in range(7)]
    for n, trace in enumerate(traces):
        append(trace, n)
    found = [starts(follower.poll(most=3)) for _ in range(3)]
    assert max(map(len, found)) <= 3
    assert sorted(start for some in found for start in some) == list(range(7))
    for trace in traces:
        trace.close()


def test_a_record_that_can_not_be_one_yet_is_waited_for(tmp_path):
    follower = Follower(tmp_path)
    with (
        TraceWriter(tmp_path / "0.piot", rank=0, files=["a"]) as first,
        TraceWriter(tmp_path / "1.piot", rank=1, files=["b"]) as second,
    ):
        append(first, 1)
        block = second.claim(5)
        for i in range(4):
            store(block, i, 10 + i)
        block.records["file"] = [0, 0, 77, 0, 0]
        block.records["end"][2] = 0  # its last word was seen before this one
        append(first, 20)
        assert starts(follower.poll()) == [1, 10, 11, 13, 20]
        assert follower.files == ["a", "b"]
        assert starts(follower.poll()) == []
        block.records["end"][2], block.records["file"][2] = 12, 0
        store(block, 4, 14)
        records = follower.poll()
        assert starts(records) == [12, 14]
        assert [follower.files[i] for i in records["file"]] == ["b", "b"]
    assert starts(follower.poll(everything=True)) == []


def test_ranks_of_one_file_share_its_name_and_others_keep_theirs(tmp_path):
    follower = Follower(tmp_path)
    names = [["shared"], ["shared"], ["own 2", "shared"], ["shared"]]
    traces = [
        TraceWriter(tmp_path / f"{n}.piot", rank=n, files=files) for n, files in enumerate(names)
    ]
    for n, trace in enumerate(traces):
        append(trace, n)
        trace.append(layer=Layer.APP, op=Op.WRITE, start=10 + n, end=10 + n, file=-1)
    records = follower.poll()
    named = [follower.files[i] if i >= 0 else None for i in records["file"]]
    assert named == ["shared", "shared", "own 2", "shared"] + [None] * 4
    for trace in traces:
        trace.close()


def test_a_directory_is_listed_only_when_it_may_hold_more(tmp_path, monkeypatch):
    follower = Follower(tmp_path)
    with TraceWriter(tmp_path / "0.piot", rank=0) as first:
        append(first, 0)
        assert starts(follower.poll()) == [0]
        now = tmp_path.stat().st_mtime_ns
        with TraceWriter(tmp_path / "1.piot", rank=1) as second:
            os.utime(tmp_path, ns=(now, now))  # as within one tick of the file system's clock
            append(second, 1)
            assert starts(follower.poll()) == [1]
        os.utime(tmp_path, (1, 1))
        follower.poll()
        with monkeypatch.context() as patched:
            patched.setattr(os, "scandir", None)
            append(first, 2)
            assert starts(follower.poll()) == [2]
        with TraceWriter(tmp_path / "2.piot", rank=2) as third:
            os.utime(tmp_path, (1, 1))  # as on a server whose clock is behind
            append(third, 3)
            assert starts(follower.poll()) == []
            assert starts(follower.poll(everything=True)) == [3]


class Following(RuleBasedStateMachine):
    """Claims filled in any order by several writers, polled at any moment."""

    directory = None

    def __init__(self):
        super().__init__()
        self.number = 0
        self.writers = []
        self.blocks = []
        self.expected = []
        self.found = []
        self.count = 0
        self.place = self.directory / str(id(self))
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        self.follower = Follower(self.place)

    def next(self):
        self.number += 1
        self.expected.append(self.number)
        return self.number

    @rule()
    def begin(self):
        if len(self.writers) < 3:
            path = self.place / f"{len(self.writers)}.piot"
            self.writers.append(TraceWriter(path, rank=len(self.writers)))

    @rule(which=st.integers(0, 2))
    def append(self, which):
        if which < len(self.writers):
            append(self.writers[which], self.next())

    @rule(which=st.integers(0, 2), n=st.integers(0, 200))
    def claim(self, which, n):
        if which < len(self.writers):
            block = self.writers[which].claim(n)
            self.blocks.append((block, list(range(n))))

    @rule(which=st.integers(0, 5), position=st.integers(0, 199), n=st.integers(1, 80))
    def fill(self, which, position, n):
        if which < len(self.blocks):
            block, left = self.blocks[which]
            for _ in range(min(n, len(left))):
                store(block, left.pop(position % len(left)), self.next())

    @rule()
    def poll(self):
        self.found += starts(self.follower.poll())

    @invariant()
    def nothing_comes_twice_or_before_it_is_whole(self):
        assert len(set(self.found)) == len(self.found)
        assert set(self.found) <= set(self.expected)

    def teardown(self):
        for trace in self.writers:
            trace.close()
        self.poll()
        assert sorted(self.found) == self.expected
        if self.writers:
            assert sorted(starts(Trace.load(self.place).records)) == self.expected
        shutil.rmtree(self.place)


def test_any_order_of_writing_and_polling(tmp_path):
    from hypothesis.stateful import run_state_machine_as_test

    machine = type("Machine", (Following,), {"directory": tmp_path})
    run_state_machine_as_test(machine, settings=settings(max_examples=40, deadline=None))


def test_polled_records_are_those_that_load_reads(tmp_path):
    rng = np.random.default_rng(5)
    follower, polled = Follower(tmp_path), []
    traces = [TraceWriter(tmp_path / f"{n}.piot", rank=n, files=["f", f"g{n}"]) for n in range(3)]
    for turn in range(60):
        append(traces[rng.integers(3)], turn)
        if rng.random() < 0.3:
            polled.append(follower.poll())
    for trace in traces:
        trace.close()
    polled = np.concatenate([*polled, follower.poll()])
    loaded = Trace.load(tmp_path)
    for name in ("start", "rank"):
        assert polled[name].tolist() == loaded.records[name].tolist()
    assert [follower.files[i] for i in polled["file"]] == ["f"] * 60
