"""The pattern against real runs of IOR, and against what must hold of any pattern.

``ior_golden.json`` holds what IOR did (git head of 2026-04, MPICH 5.0.2): the offsets and sizes
of each rank's system calls, in order, from strace; ``ior_strace.py`` wrote it. With ``IOR=PATH`` in
the environment, the same commands and many random ones are run again.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import sys
from pathlib import Path

import ior_strace
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from workload_strategies import workloads

from piotutor import ior, pattern
from piotutor.errors import UsageError
from piotutor.pattern import NOBODY, SEVERAL, all_transfers, file_sizes, transfers, writers
from piotutor.rand import block_draws, glibc_rand
from piotutor.workload import Workload

GOLDEN = json.loads((Path(__file__).parent / "ior_golden.json").read_text())


ANYWHERE = workloads(
    api="POSIX", random_offset=2, reorder_tasks=False, verify_read=False, verify_write=False
)


def rows(extents):
    return np.column_stack(extents).tolist()


def predicted(ranks, options, writer=()):
    """Say what IOR will do, as `ior_strace.run` reports it."""
    workload, unsupported = ior.parse(f"mpiexec -n {ranks} ior {options}")
    assert not unsupported
    written = [ior.parse(f"mpiexec -n {ranks} ior {line}")[0].bytes_per_file for line in writer]
    size = written[0] if written else None
    return [list(_phases(workload, rank, size)) for rank in range(ranks)]


def _phases(workload, rank, size):
    for repetition in range(workload.repetitions):
        for op in workload.phases:
            extents = rows(transfers(workload, rank, op, repetition, file_size=size))
            if extents:
                yield {"op": "write" if op == "write" else "read", "extents": extents}


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['ranks']} {case['options']}")
def test_equal_to_what_ior_did(case):
    assert predicted(case["ranks"], case["options"], case["writer"]) == case["seen"]


@pytest.fixture(scope="module")
def real():
    """Return (mpiexec, ior), or skip and say why."""
    beside = Path(sys.executable).parent / "mpiexec"
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    program = os.environ.get("IOR")
    if not program:
        pytest.skip("no IOR given: set IOR to the path of the program")
    if not mpiexec or not shutil.which("strace"):
        pytest.skip("comparing with IOR needs mpiexec and strace")
    return mpiexec, program


@pytest.mark.mpi
@pytest.mark.slow
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['ranks']} {case['options']}")
def test_ior_still_does_it(case, real, tmp_path):
    for options in case["writer"]:
        ior_strace.run(*real, case["ranks"], f"-w -k {options}", tmp_path)
    assert ior_strace.run(*real, case["ranks"], case["options"], tmp_path) == case["seen"]


def _random_workload(seed):
    rng = random.Random(seed)
    api, own = rng.choice(["POSIX", "POSIX", "MPIIO"]), rng.random() < 0.5
    transfer = 8 * rng.randint(1, 20)
    shuffle = rng.random() < 0.5
    view = api == "MPIIO" and not shuffle and rng.random() < 0.5
    return Workload(
        api=api,
        num_tasks=rng.randint(1, 5),
        tasks_per_node=rng.randint(1, 3),
        transfer_size=transfer,
        block_size=transfer * rng.randint(2, 40),
        segment_count=rng.randint(1, 6),
        file_per_process=own,
        reorder_tasks=own or not shuffle,
        task_offset=rng.randint(0, 6),
        random_offset=int(shuffle),
        random_offset_seed=rng.randrange(2**31 - 8),
        use_file_view=view,
        repetitions=rng.randint(1, 2),
        write=True,
        verify_write=rng.random() < 0.5,
        read=True,
        fsync_per_write=rng.random() < 0.5,
        barriers=rng.random() < 0.5,
    )


@pytest.mark.mpi
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_ior_does_what_is_predicted(seed, real, tmp_path):
    workload = _random_workload(seed)
    options = ior.command(workload).split(" ior ")[1]
    seen = ior_strace.run(*real, workload.num_tasks, options, tmp_path)
    assert seen == predicted(workload.num_tasks, options)


@given(workloads())
def test_every_byte_is_written_exactly_once(workload):
    assume(workload.random_offset < 2)
    assert_covers(workload, all_transfers(workload, "write")[1])


@given(workloads(), st.sampled_from(["read", "check_write"]))
def test_every_byte_is_read_exactly_once(workload, op):
    assume(workload.random_offset < 2)
    assert_covers(workload, all_transfers(workload, op)[1])


def assert_covers(workload, extents):
    sizes = file_sizes(workload)
    assert extents.length.sum() == workload.total_bytes == sizes.sum()
    for file, size in enumerate(sizes):
        mine = extents.file == file
        order = np.argsort(extents.offset[mine])
        begin, length = extents.offset[mine][order], extents.length[mine][order]
        assert begin[0] == 0 and begin[-1] + length[-1] == size
        assert (begin[1:] == begin[:-1] + length[:-1]).all()


@given(workloads(), st.sampled_from(pattern.OPS))
def test_all_ranks_are_the_ranks_one_by_one(workload, op):
    rank, extents = all_transfers(workload, op)
    assert (np.diff(rank) >= 0).all()
    for one in range(workload.num_tasks):
        mine = [column[rank == one].tolist() for column in extents]
        assert mine == [column.tolist() for column in transfers(workload, one, op)]
    assert (extents.file.dtype, extents.offset.dtype, extents.length.dtype) == ("i4", "i8", "i8")
    assert rank.dtype == "i4"


@given(ANYWHERE)
def test_random_blocks_are_whole_and_inside(workload):
    _, extents = all_transfers(workload, "write")
    blocks = extents.offset.reshape(-1, workload.block_size // workload.transfer_size)
    assert (blocks[:, 0] % workload.block_size == 0).all()
    assert (np.diff(blocks, axis=1) == workload.transfer_size).all()
    for file, size in enumerate(file_sizes(workload)):
        assert (extents.offset + extents.length)[extents.file == file].max() == size


@given(workloads() | ANYWHERE)
def test_the_writer_of_each_transfer_is_known(workload):
    rank, extents = all_transfers(workload, "write")
    for one, (file, offset, length) in zip(rank, zip(*extents, strict=True), strict=True):
        owners = writers(workload, int(file), int(offset), int(length))
        assert owners.rank.tolist() in ([one], [SEVERAL])
        assert (owners.offset[0], owners.length[0]) == (offset, length)


@given(workloads() | ANYWHERE, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 4))
def test_owners_tile_the_range(workload, offset, length, file):
    file %= workload.num_files
    owners = writers(workload, file, offset, length)
    assert owners.length.sum() == length
    assert (owners.length > 0).all()
    assert (np.diff(owners.rank) != 0).all()
    if length:
        assert owners.offset[0] == offset
        assert (owners.offset[1:] == owners.offset[:-1] + owners.length[:-1]).all()
    assert owners.rank.tolist() == _slowly(workload, file, offset, length)


def _slowly(workload, file, offset, length):
    """Find the owners by painting the file in units of eight bytes."""
    paint = np.full(file_sizes(workload)[file] // 8, NOBODY)
    rank, extents = all_transfers(workload, "write")
    for one, f, at, size in zip(rank, *extents, strict=True):
        part = paint[at // 8 : (at + size) // 8]
        if f == file:
            part[:] = np.where((part == NOBODY) | (part == one), one, SEVERAL)
    touched = paint[offset // 8 : -(-(offset + length) // 8)] if length else []
    beyond = offset + length > len(paint) * 8 and length > 0
    ranks = [*touched, *([NOBODY] if beyond else [])]
    return [int(r) for n, r in enumerate(ranks) if n == 0 or r != ranks[n - 1]]


def test_a_strided_datatype_takes_a_transfer_of_every_segment_at_once():
    plain = Workload(api="MPIIO", block_size=512, transfer_size=64, segment_count=3)
    strided = plain.replace(use_file_view=True, use_strided_datatype=True)
    by_call = transfers(strided, 1).offset.reshape(8, 3)
    assert (by_call.T.reshape(-1) == transfers(plain, 1).offset).all()


def test_on_one_node_reordering_changes_nothing():
    workload = Workload(reorder_tasks=True)
    assert rows(transfers(workload, 1, "read")) == rows(transfers(workload, 1, "write"))
    other = workload.replace(tasks_per_node=1)
    assert rows(transfers(other, 1, "read")) == rows(transfers(other, 2, "write"))
    assert rows(transfers(other, 1, "check_write")) == rows(transfers(other, 3, "write"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((4,), "ranks 0 to 3"),
        ((-1,), "ranks 0 to 3"),
        ((0, "erase"), "choose from write, check_write, read"),
        ((0, "write", 1), "repetition 1"),
    ],
)
def test_what_the_workload_has_not(arguments, says):
    with pytest.raises(UsageError, match=says):
        transfers(Workload(), *arguments)


def test_a_random_read_of_a_file_smaller_than_a_block():
    workload = Workload(random_offset=2, read=True)
    with pytest.raises(UsageError, match="make -b smaller"):
        transfers(workload, 0, "read", file_size=1000)


@pytest.mark.parametrize("where", [(4, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 0, -1)])
def test_owners_of_what_is_not_there(where):
    with pytest.raises(UsageError, match="files 0 to 3"):
        writers(Workload(file_per_process=True), *where)


HUGE = Workload(block_size=2**40, transfer_size=8)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: transfers(HUGE, 0),
        lambda: next(pattern.csv_rows(HUGE)),
        lambda: pattern.write_csv(Workload(num_tasks=2**30), None),
        lambda: all_transfers(HUGE.replace(transfer_size=2**14)),
        lambda: transfers(
            HUGE.replace(num_tasks=2**28, block_size=2**34, transfer_size=2**30, random_offset=1), 0
        ),
        lambda: writers(HUGE.replace(block_size=8, segment_count=2**50), 0, 0, 2**40),
        lambda: writers(HUGE.replace(block_size=8, segment_count=2**50, random_offset=2), 0, 0, 8),
        lambda: writers(HUGE.replace(random_offset=1), 0, 0, 8),
    ],
)
def test_more_than_memory_holds_is_refused(ask):
    with pytest.raises(UsageError, match="are more than are worked out at once"):
        ask()


@given(workloads())
def test_csv_holds_every_transfer(workload):
    out = io.StringIO()
    pattern.write_csv(workload, out)
    lines = out.getvalue().splitlines()
    assert lines[0] == "rank,file,op,offset,length"
    assert lines[1:] == [",".join(map(str, row)) for row in pattern.csv_rows(workload)]
    wanted = []
    for rank in range(workload.num_tasks):
        for op in workload.phases:
            word = "write" if op == "write" else "read"
            wanted += [
                (rank, file, word, at, size)
                for file, at, size in rows(transfers(workload, rank, op))
            ]
    assert list(pattern.csv_rows(workload)) == wanted


def test_many_swaps_in_batches_are_the_swaps_one_by_one():
    count = 2**16 + 77
    workload = Workload(
        num_tasks=1, block_size=8 * count, transfer_size=8, random_offset=1, file_per_process=True
    )
    items = list(range(0, 8 * count, 8))
    for here, draw in enumerate(glibc_rand(1, count).tolist()):
        there = draw % count
        items[here], items[there] = items[there], items[here]
    assert transfers(workload, 0).offset.tolist() == items


# From a C program: srandom(seed), then rand(); the first three values and the 100,003rd.
GLIBC = [
    (0, [1804289383, 846930886, 1681692777], 474566016),
    (1, [1804289383, 846930886, 1681692777], 474566016),
    (12345, [383100999, 858300821, 357768173], 1699107014),
    (2147483647, [1065668062, 2142264300, 1066566375], 196874572),
]


@pytest.mark.parametrize(("seed", "first", "last"), GLIBC)
def test_glibc_rand_is_that_of_the_c_library(seed, first, last):
    values = glibc_rand(seed, 100003)
    assert values[:3].tolist() == glibc_rand(seed, 3).tolist() == first
    assert values[-1] == last


def slow_rand(seed, count):
    """Return glibc's values one by one, by the published recurrence."""
    words = [seed or 1]
    for _ in range(30):
        words.append(16807 * words[-1] % (2**31 - 1))
    words += words[:3]
    for n in range(34, 344 + count):
        words.append((words[n - 31] + words[n - 3]) % 2**32)
    return [word >> 1 for word in words[344:]]


@given(st.integers(0, 2**31 - 2), st.integers(0, 3000))
def test_glibc_rand_in_columns_is_glibc_rand_in_order(seed, count):
    assert glibc_rand(seed, count).tolist() == slow_rand(seed, count)


@given(st.integers(0, 2**31 - 1), st.integers(0, 9), st.integers(1, 200))
def test_block_draws_in_columns_are_those_in_order(seed, rank, count):
    low, high, expected = seed * (rank + 1), 0, []
    for _ in range(count):
        low = low * 0x866458CD56F5E605 % 2**64
        high = (high * 0x0FC94E3BF4E9AB32 + (low >> 32)) % 2**64
        expected.append(high)
    assert block_draws(seed, rank, count).tolist() == expected
