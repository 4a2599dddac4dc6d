"""Disks, flash and arrays: held to their published figures, and to what parity needs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piotutor.engine.devices import DISKS, POLICIES, Array, Flash, amplification
from piotutor.engine.library import library
from piotutor.errors import UsageError
from piotutor.trace import Op

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")

DISK = DISKS["hp97560"]


# ------------------------------------------------------------------------------------- a disk


@pytest.mark.parametrize("cylinders", [1, 2, 100, 383, 384, 1000, 1961])
def test_seeks_are_those_of_the_hp_97560(cylinders):
    """3.24 + 0.400 sqrt(d) ms up to 383 cylinders, 8.00 + 0.008 d beyond, to the nanosecond."""
    near = 3.24 + 0.400 * math.sqrt(cylinders)
    expected = near if cylinders <= 383 else 8.00 + 0.008 * cylinders
    assert DISK.seek(cylinders) == pytest.approx(expected * 1e-3, abs=1e-9)
    assert DISK.seek(0) == 0


def test_a_sequential_read_pays_for_the_arm_once():
    """Sector after sector: no seek, and each waits for the overhead's turn only."""
    steps = DISK.serve(range(0, 64 * 4096, 4096), [4096] * 64)
    assert not steps["seek"].any()
    far = DISK.serve([0, DISK.bytes - 4096, 0], [4096] * 3)
    assert far["seek"].tolist() == [0, 23_688_000, 23_688_000]


def test_rotation_is_at_most_a_turn_and_half_of_one_on_average():
    """A random sector comes by after half a turn on average, never more than one."""
    random = np.random.default_rng(5)
    offsets = random.integers(0, DISK.bytes // 4096, 4000) * 4096
    steps = DISK.serve(offsets, [4096] * len(offsets))
    turn = DISK.rotation * 1e9
    assert steps["rotation"].min() >= 0
    assert steps["rotation"].max() < turn
    assert steps["rotation"].mean() == pytest.approx(turn / 2, rel=0.05)
    assert (steps["transfer"] >= 8 / 72 * turn - 1).all()


def test_what_is_not_on_the_disk_is_refused():
    """Beyond the end, before the beginning, nothing."""
    for offset, length in ((DISK.bytes, 1), (-1, 1), (0, 0)):
        with pytest.raises(UsageError, match="outside"):
            DISK.serve([offset], [length])


# -------------------------------------------------------------------------------------- flash


@pytest.mark.parametrize(
    ("spare", "published"),
    [(0.1, 5.68), (0.15, 4.02), (0.2, 3.19), (0.28, 2.48), (0.3, 2.36), (0.5, 1.72)],
)
def test_amplification_is_the_published_one(spare, published):
    """Xiang and Kurkoski, arXiv:1110.4245: within 3%, with 256 pages a block."""
    assert amplification(spare, blocks=1000) == pytest.approx(published, rel=0.03)


def test_little_spare_room_explodes_and_smaller_blocks_do_better():
    """At 0.07: near the published 7.82 with large blocks, clearly less with 64 pages a block."""
    large = amplification(0.07, blocks=800, turns=12)
    small = amplification(0.07, blocks=800, pages_per_block=64, turns=12)
    assert large == pytest.approx(7.82, rel=0.03)
    assert small < 0.95 * large


def test_sequential_writes_move_nothing():
    """Written round and round in order, a block dies whole before it is erased."""
    flash = Flash(0.1, blocks=200)
    for _ in range(4):
        assert flash.write(range(flash.user_pages)).sum() == 0
    assert flash.moved == 0
    assert flash.erased > 0


def test_pages_are_counted_as_they_move():
    """What each write moved adds up to what was moved."""
    flash = Flash(0.3, pages_per_block=16, blocks=64)
    pages = np.random.default_rng(3).integers(0, flash.user_pages, 20_000)
    assert flash.write(pages).sum() == flash.moved
    assert flash.written == 20_000


def test_flash_without_room_is_refused():
    """The collection needs blocks to work in."""
    with pytest.raises(UsageError, match="spare blocks"):
        Flash(0.001, blocks=100)
    with pytest.raises(UsageError, match="page"):
        Flash(0.3, blocks=100).write([10**6])


# ----------------------------------------------------------------------------- an array of disks


@pytest.mark.parametrize(
    ("level", "width", "policy", "expected"),
    [
        (1, 2, "cheaper", 2),
        (5, 8, "read-modify-write", 4),
        (6, 8, "read-modify-write", 6),
        (5, 8, "reconstruct-write", 8),
        (5, 5, "reconstruct-write", 5),
        (5, 3, "cheaper", 3),
        (5, 8, "cheaper", 4),
    ],
)
def test_a_small_write_costs_what_is_published(level, width, policy, expected):
    """Two on a mirror, four and six with old parity, N with all the others' data."""
    array = Array(level=level, width=width, policy=policy)
    for offset in range(0, 8 * array.chunk * width, array.chunk // 2):
        assert len(array.requests(Op.WRITE, offset, 4096)) == expected


@pytest.mark.parametrize("level", [5, 6])
def test_a_full_stripe_is_written_without_reading(level):
    """All data is there to make parity of: one write a disk."""
    array = Array(level=level, width=6)
    data = (6 - (level - 4)) * array.chunk
    requests = array.requests(Op.WRITE, 3 * data, data)
    assert (requests["op"] == Op.WRITE).all()
    assert sorted(requests["disk"].tolist()) == list(range(6))
    shifted = array.requests(Op.WRITE, 3 * data + 4096, data)
    assert len(shifted) == {5: 7 + 4, 6: 7 + 6}[level]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [(1, 4), (1.5, 6), (2, 6), (3, 8), (4, 9), (5, 9), (6, 9), (7, 9), (8, 9)],
)
def test_writes_of_whole_and_half_chunks_cost_what_disksim_says(chunks, expected):
    """RAID 5 on nine disks; what lies side by side on a disk is one request."""
    array = Array(level=5, width=9)
    requests = array.requests(Op.WRITE, 0, int(chunks * array.chunk))
    assert len(requests) == expected
    assert requests["length"].max() == array.chunk


def test_parity_turns():
    """Each disk holds the parity of as many stripes as any other."""
    array = Array(level=5, width=5)
    requests = array.requests(Op.WRITE, 0, 4 * array.chunk * 10)
    parity = requests["disk"][requests["parity"] == 1]
    assert np.bincount(parity).tolist() == [2] * 5


def test_a_failed_disk_is_read_from_the_others():
    """A chunk that is gone costs a read of every other disk of the stripe; it is never asked."""
    array = Array(level=5, width=5, failed=2)
    reads = array.requests(Op.READ, 0, 4 * array.chunk * 5)
    assert 2 not in reads["disk"]
    whole = Array(level=5, width=5).requests(Op.READ, 0, 4 * array.chunk * 5)
    assert len(reads) == len(whole) + np.count_nonzero(whole["disk"] == 2) * 3
    with pytest.raises(UsageError, match="gone"):
        Array(level=0, width=2, failed=1).requests(Op.READ, 0, 1 << 20)


def test_a_declustered_array_spreads_the_work_of_rebuilding():
    """With more disks than a stripe is wide, what a lost chunk needs lies on all the others."""
    array = Array(level=5, width=4, disks=12, failed=0)
    reads = array.requests(Op.READ, 0, 3 * array.chunk * 600)
    load = np.bincount(reads["disk"], minlength=12)
    assert load[0] == 0
    assert load[1:].min() > 0.6 * load[1:].max()


@settings(max_examples=100, deadline=None)
@given(
    level=st.sampled_from([5, 6]),
    width=st.integers(4, 7),
    more=st.sampled_from([0, 3]),
    policy=st.sampled_from(POLICIES),
    failed=st.integers(-1, 6),
    offset=st.integers(0, 4000),
    length=st.integers(1, 3000),
)
def test_parity_can_be_made_of_what_was_read(level, width, more, policy, failed, offset, length):
    """Each byte of new parity follows from old data and parity, or from all the other data."""
    array = Array(level=level, width=width, disks=width + more, chunk=64, policy=policy,
                  failed=min(failed, width + more - 1))  # fmt: skip
    requests = array.requests(Op.WRITE, offset, length)
    assert array.failed not in requests["disk"]
    data = width - (level - 4)
    for stripe in np.unique(requests["offset"] // 64):
        mine = requests[requests["offset"] // 64 == stripe]
        read, written = (_bytes(mine[mine["op"] == op], array) for op in (Op.READ, Op.WRITE))
        assert np.count_nonzero(np.diff(mine["op"])) <= 1, "reads come before writes"
        parity = list(set(mine["disk"][mine["parity"] == 1].tolist()))
        for row in np.flatnonzero(written[parity].any(axis=0)):
            places = stripe * data * 64 + np.arange(data) * 64 + row
            covered = np.count_nonzero((offset <= places) & (places < offset + length))
            others = np.delete(read[:, row] & ~written[:, row], parity)
            touched = np.delete(written[:, row], parity)
            old = read[parity, row].all() and np.delete(read[:, row], parity)[touched].all()
            assert covered + np.count_nonzero(others) == data or (
                old and np.count_nonzero(touched) == covered
            )


def _bytes(requests, array):
    """Return which byte of its chunk each disk moves."""
    found = np.zeros((array.disks, array.chunk), bool)
    for request in requests:
        begin = request["offset"] % array.chunk
        found[request["disk"], begin : begin + request["length"]] = True
    return found
