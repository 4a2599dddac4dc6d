"""System calls of ROMIO, foretold: the rules by hand and by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piotutor import twophase
from piotutor.errors import UsageError
from piotutor.twophase import Pieces
from piotutor.workload import Workload

KIB = 1024
COLUMNS = Workload.make(
    api="MPIIO",
    num_tasks=4,
    block_size="16k",
    transfer_size="16k",
    segment_count=64,
    use_file_view=True,
    use_strided_datatype=True,
    write=True,
)


def strided(number, piece, stride, first=0):
    start = first + np.arange(number) * stride
    return twophase.pieces(start, np.full(number, piece))


def test_pieces_that_touch_are_one():
    found = twophase.pieces(np.array([8, 0, 24, 4]), np.array([4, 4, 8, 4]))
    assert [found.start.tolist(), found.end.tolist()] == [[0, 24], [12, 32]]
    assert found.extent == 32
    assert twophase.pieces(np.array([], np.int64), np.array([], np.int64)).extent == 0


def test_independent_is_one_call_a_piece():
    assert twophase.independent(strided(64, 4, 16)) == 64
    assert twophase.independent(strided(64, 16, 16)) == 1


@given(
    number=st.integers(2, 40),
    piece=st.integers(1, 50),
    hole=st.integers(1, 50),
    strides=st.integers(1, 9),
)
def test_sieving_is_the_extent_over_the_buffer_where_windows_begin_with_pieces(
    number, piece, hole, strides
):
    asked, buffer = strided(number, piece, piece + hole), strides * (piece + hole)
    assert twophase.sieving(asked, buffer) == -(-asked.extent // buffer)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=20),
    st.integers(1, 20),
)
def test_windows_by_brute_force(steps, buffer):
    """Byte by byte: a byte that lies in no window begins one."""
    at, start, end = 0, [], []
    for hole, piece in steps:
        start.append(at + hole)
        at = start[-1] + piece
        end.append(at)
    windows, reached = 0, 0
    for byte in (b for low, high in zip(start, end, strict=True) for b in range(low, high)):
        if byte >= reached:
            windows, reached = windows + 1, byte + buffer
    assert twophase.sieving(Pieces(np.array(start), np.array(end)), buffer) == windows


def test_one_piece_is_written_without_a_sieve():
    assert twophase.sieving(strided(1, 10_000, 1), 100) == 1
    assert twophase.sieving(strided(0, 1, 1), 100) == 0


@given(st.integers(0, 1000), st.integers(1, 10_000), st.integers(1, 9), st.sampled_from([0, 64]))
def test_domains_cover_the_range_once(start, size, aggregators, unit):
    found = twophase.domains(start, start + size, aggregators, unit)
    edges = [edge for domain in found for edge in domain]
    assert len(found) == aggregators
    assert [edges[0], edges[-1]] == [start, start + size]
    assert edges == sorted(edges)
    assert edges[1:-1:2] == edges[2::2]


def test_domains_end_at_multiples_of_the_striping_unit():
    assert twophase.domains(0, 1 << 20, 3, 1 << 16) == [
        (0, 327680),
        (327680, 720896),
        (720896, 1 << 20),
    ]


@pytest.mark.parametrize(
    ("aggregators", "buffer", "expected"),
    [
        (1, 16 << 20, [1]),
        (4, 16 << 20, [1, 1, 1, 1]),
        (4, 256 * KIB, [4, 4, 4, 4]),
        (3, 1 << 20, [2, 2, 2]),
        (2, 512 * KIB, [4, 4]),
    ],
)
def test_each_aggregator_writes_its_domain_in_buffers(aggregators, buffer, expected):
    assert twophase.two_phase(0, 4 << 20, aggregators, buffer) == expected


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        ({}, 1),
        ({"cb_nodes": "4"}, 1),
        ({"cb_config_list": "*:4"}, 4),
        ({"cb_config_list": "*:*"}, 4),
        ({"cb_config_list": "*:8"}, 4),
        ({"cb_config_list": "*:4", "cb_nodes": "2"}, 2),
        ({"cb_config_list": "*:2", "cb_nodes": "4"}, 2),
    ],
)
def test_aggregators_of_one_node(hints, expected):
    assert twophase.aggregators(hints, 4) == expected


@pytest.mark.parametrize(
    "hints",
    [{"cb_config_list": "host:2"}, {"cb_config_list": "*:x"}, {"cb_nodes": "many"}],
)
def test_hints_of_another_form_are_refused(hints):
    with pytest.raises(UsageError, match="write"):
        twophase.aggregators(hints, 4)


@pytest.mark.parametrize(
    ("hints", "collective", "expected"),
    [
        ("romio_ds_write=disable", False, [64] * 4),
        ("romio_ds_write=enable", False, [8] * 4),
        ("", False, [8] * 4),
        ("", True, [1, 0, 0, 0]),
        ("cb_config_list=*:4,cb_buffer_size=262144", True, [4] * 4),
        ("romio_cb_write=disable", True, [8] * 4),
        ("romio_cb_write=disable,romio_ds_write=disable", True, [64] * 4),
    ],
)
def test_a_workload_is_foretold(hints, collective, expected):
    job = COLUMNS.replace(hints=hints, collective=collective)
    assert twophase.writes(job) == expected


def test_collective_calls_of_ranges_apart_go_on_their_own_unless_told_not_to():
    plain = {"use_file_view": False, "use_strided_datatype": False, "segment_count": 3}
    job = COLUMNS.replace(collective=True, **plain)
    assert twophase.writes(job) == [3] * 4
    assert twophase.writes(job.replace(hints="romio_cb_write=enable")) == [3, 0, 0, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"block_size": "32k", "collective": True},
        {"file_per_process": True},
        {"write": False, "read": True},
    ],
)
def test_what_the_rules_do_not_cover_is_refused(changes):
    with pytest.raises(UsageError):
        twophase.writes(COLUMNS.replace(**changes))
