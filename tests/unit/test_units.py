from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piotutor.errors import UsageError
from piotutor.units import (
    compact_size,
    format_count,
    format_rate,
    format_seconds,
    format_size,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("47008", 47008),
        (" 64k ", 65536),
        ("64K", 65536),
        ("1m", 2**20),
        ("1MiB", 2**20),
        ("1 MiB", 2**20),
        ("1mib", 2**20),
        ("2g", 2**31),
        ("3t", 3 * 2**40),
        ("4p", 4 * 2**50),
        ("47,008 bytes", 47008),
        ("1,048,576", 2**20),
        ("1_000", 1000),
        ("1 byte", 1),
        ("8B", 8),
        ("0", 0),
        (4096, 4096),
        (np.int64(4096), 4096),
        (str(2**63 - 1), 2**63 - 1),
    ],
)
def test_sizes_are_read_as_ior_reads_them(text, size):
    assert parse_size(text) == size
    assert type(parse_size(text)) is int


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1MB", "ambiguous"),
        ("1 kb", "write KiB"),
        ("", "no size"),
        ("k", "no size"),
        ("m1", "no size"),
        ("1.5m", "no size"),
        ("1e6", "no size"),
        ("1x", "unknown unit"),
        ("1 m b", "no size"),
        ("10,00", "no size"),
        ("0x10", "unknown unit|no size"),
        ("1KiBs", "unknown unit"),
        ("\u0663", "no size"),
        ("1\u212a", "no size"),
        ("--5", "no size"),
        ("9" * 5000, "no size"),
        ("-1", "negative"),
        ("-64k", "negative"),
        (-8, "negative"),
        (2**63, "larger"),
        ("8192p", "larger"),
        ("9223372036854775808", "larger"),
        (1.5, "no size"),
        (1.0, "no size"),
        (True, "no size"),
        (None, "no size"),
        ([], "no size"),
    ],
)
def test_careless_sizes_are_refused_in_one_line(text, says):
    with pytest.raises(UsageError, match=says) as caught:
        parse_size(text)
    assert "\n" not in str(caught.value)


@given(st.integers(0, 2**63 - 1))
def test_sizes_are_written_exactly(size):
    assert parse_size(format_size(size)) == size
    assert parse_size(compact_size(size)) == size
    assert " " not in compact_size(size)


@given(st.text())
def test_any_text_is_a_size_or_a_usage_error(text):
    try:
        assert 0 <= parse_size(text) < 2**63
    except UsageError as error:
        assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (1024, "1 KiB"), (47008, "47,008 bytes"), (2**20, "1 MiB")],
)
def test_format_size(size, text):
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0, "0 bytes/s"),
        (999, "999 bytes/s"),
        (1024, "1 KiB/s"),
        (1.5 * 2**30, "1.5 GiB/s"),
        (123.4 * 2**20, "123 MiB/s"),
        (1023.9 * 2**20, "1 GiB/s"),
        (5e20, "444,089 PiB/s"),
        (float("nan"), "unknown"),
        (float("inf"), "unknown"),
    ],
)
def test_format_rate(rate, text):
    assert format_rate(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ns"),
        (12e-9, "12 ns"),
        (12.34e-6, "12.3 µs"),
        (0.9999e-3, "1 ms"),
        (4.5e-3, "4.5 ms"),
        (2.3, "2.3 s"),
        (99.96, "100 s"),
        (185, "3 min 5 s"),
        (float("nan"), "unknown"),
    ],
)
def test_format_seconds(seconds, text):
    assert format_seconds(seconds) == text


def test_format_count():
    assert format_count(10240) == "10,240"
