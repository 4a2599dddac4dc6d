"""Content: any reader can verify any range, and tell what it found instead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piotutor.content import PAGE, PERIOD, STAMP, Content, read_stamp

SIZE = 6 * PAGE


def whole(content, file=0, size=SIZE):
    out = np.empty(size, np.uint8)
    content.fill(out, file, 0)
    return out


@given(st.integers(0, SIZE), st.integers(0, SIZE), st.integers(0, 2**31 - 1), st.integers(0, 9999))
def test_a_range_is_a_slice_of_the_file(begin, end, seed, file):
    begin, end = sorted((begin, end))
    content = Content(seed)
    part = np.empty(end - begin, np.uint8)
    content.fill(part, file, begin)
    assert np.array_equal(part, whole(Content(seed), file)[begin:end])
    assert content.check(part, file, begin, 0) is None


@given(st.integers(0, 2**40), st.integers(1, 3 * PAGE))
def test_far_ranges_fit_together(offset, size):
    content = Content(3)
    both = np.empty(2 * size, np.uint8)
    content.fill(both, 1, offset)
    for half in (0, size):
        part = np.empty(size, np.uint8)
        content.fill(part, 1, offset + half)
        assert np.array_equal(part, both[half : half + size])


@given(st.sets(st.integers(0, SIZE - 1), min_size=1, max_size=20), st.integers(0, 2**30))
def test_every_changed_byte_is_found(places, offset):
    content = Content(1)
    data = np.empty(SIZE, np.uint8)
    content.fill(data, 2, offset)
    data[list(places)] ^= 0x55
    found = content.check(data, 2, offset, rank=7)
    assert found is not None
    assert (found.file, found.rank) == (2, 7)
    assert (found.offset, found.count) == (offset + min(places), len(places))


@pytest.mark.parametrize("size", [8, 64, 1000, PAGE, 3 * PAGE])
def test_other_seeds_files_and_places_never_pass(size):
    want, right = Content(5), np.empty(size, np.uint8)
    want.fill(right, 1, 3 * PAGE)
    for content, file, offset in (
        (Content(6), 1, 3 * PAGE),
        (Content(5), 2, 3 * PAGE),
        (Content(5), 1, 4 * PAGE),
        (Content(5), 1, 3 * PAGE + PERIOD),
        (Content(5), 1, 3 * PAGE + PERIOD * PAGE),
    ):
        data = np.empty(size, np.uint8)
        content.fill(data, file, offset)
        assert np.count_nonzero(data != right) > 0
        assert want.check(data, 1, 3 * PAGE, 0) is not None


def test_a_mismatch_says_what_was_found():
    content, size = Content(5), 2 * PAGE

    def found(data):
        return content.check(data, 1, 8 * PAGE, 0).found

    other = np.empty(size, np.uint8)
    assert "never written" in found(np.zeros(size, np.uint8))
    Content(4).fill(other, 1, 8 * PAGE)
    assert "another repetition" in found(other)
    content.fill(other, 3, 8 * PAGE)
    assert "file 3" in found(other)
    content.fill(other, 1, 32 * PAGE)
    assert "offset 131,072" in found(other)
    assert found(np.random.default_rng(1).integers(0, 256, size).astype(np.uint8)) == ""


def test_a_mismatch_reads_well():
    data = whole(Content(1))
    data[10:12] ^= 1
    text = str(Content(1).check(data, 0, 0, rank=2))
    assert "rank 2 read 2 bad bytes" in text and "offset 10" in text


def test_stamps_carry_seed_file_and_offset():
    data = whole(Content(77), 9)
    for page in range(0, SIZE, PAGE):
        stamp = read_stamp(data[page : page + STAMP])
        assert (stamp.seed, stamp.file, stamp.offset) == (77, 9, page)


def test_no_two_pages_look_alike_without_stamps():
    body = Content(1).body(0, 64 * PAGE).reshape(-1)[: 64 * PAGE].reshape(64, PAGE)
    assert len(np.unique(body, axis=0)) == 64
    assert np.gcd(PERIOD, PAGE) == 1
