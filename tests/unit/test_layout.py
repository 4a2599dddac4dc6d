"""Layouts: every byte of every small file by brute force, published formulas, and examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from layout_strategies import extents, layouts, oracle

from piotutor import layout
from piotutor.errors import UsageError

MIB = 2**20


def spots(pieces):
    """Return (object, offset in it) of each byte of pieces, in their order."""
    columns = zip(pieces.object.tolist(), pieces.object_offset.tolist(), pieces.length, strict=True)
    return [(object, at + byte) for object, at, length in columns for byte in range(length)]


@given(layouts(), extents())
def test_each_byte_lies_where_the_published_formula_says(one, many):
    offset, length = many
    asked = [byte for at, size in zip(offset, length, strict=True) for byte in range(at, at + size)]
    assert spots(layout.place(one, offset, length)) == [oracle(one, byte) for byte in asked]


@given(layouts(), extents())
def test_pieces_cover_each_extent_once_and_lead_back(one, many):
    offset, length = many
    pieces = layout.place(one, offset, length)
    assert (pieces.length > 0).all() and (np.diff(pieces.source) >= 0).all()
    back = layout.locate(one, *pieces[1:4])
    assert back.source.tolist() == list(range(len(pieces.object)))  # a piece is in one unit
    assert back.length.tolist() == pieces.length.tolist()
    for extent, (at, size) in enumerate(zip(offset, length, strict=True)):
        mine = pieces.source == extent
        ends = at + np.cumsum([0, *back.length[mine]])
        assert back.offset[mine].tolist() == ends[:-1].tolist() and ends[-1] == at + size


@given(layouts())
def test_no_two_bytes_and_no_copy_or_parity_lie_at_one_place(one):
    size = 400
    found = spots(layout.place(one, 0, size)) + spots(layout.redundancy(one, 0, size))
    assert len(set(found)) == len(found) >= size


@given(layouts(), st.integers(0, 20), st.integers(1, 30))
def test_ranges_of_objects_hold_the_bytes_that_were_put_there(one, at, length):
    size = min(length, one.reach[1] - at)
    assume(size > 0)
    last = one.end or 400
    whole = {oracle(one, byte): byte for byte in range(last)}
    for object in range(min(one.objects or 3, 3)):
        first = object - object % one.members if getattr(one, "copies", 0) else object
        held = [whole.get((first, byte), last) for byte in range(at, at + size)]
        back = layout.locate(one, object, at, size)
        found = [
            byte
            for start, many in zip(back.offset.tolist(), back.length.tolist(), strict=True)
            for byte in range(start, start + many)
        ]
        assert [byte for byte in found if byte < last] == [byte for byte in held if byte < last]


@given(layouts(), extents())
def test_what_is_counted_is_what_is_placed(one, many):
    offset, length = many
    pieces = layout.place(one, offset, length)
    found = layout.bytes_by_target(one, offset, length)
    expected = dict.fromkeys(found, 0)
    for target, size in zip(pieces.target.tolist(), pieces.length.tolist(), strict=True):
        expected[target] += size
    assert found == expected
    assert set(found) >= set(one.targets)
    of_each = np.bincount(pieces.source, minlength=len(offset))
    assert layout.crossings(one, offset, length).tolist() == np.maximum(of_each - 1, 0).tolist()


@given(layouts(), st.lists(st.integers(0, 399), min_size=1))
def test_unaligned_is_where_no_piece_of_the_whole_file_begins(one, offsets):
    pieces = layout.place(one, 0, 400)
    begins = set((np.cumsum(pieces.length) - pieces.length).tolist())
    assert layout.unaligned(one, offsets).tolist() == [at not in begins for at in offsets]


def test_blocks_of_work_leave_no_seam():
    one = layout.cephfs(7, 3, 21)
    draw = np.random.default_rng(1)
    offset, length = draw.integers(0, 10**6, 30_000), draw.integers(0, 60, 30_000)
    pieces = layout.place(one, offset, length)
    assert (np.bincount(pieces.source, pieces.length, len(offset)) == length).all()
    back = layout.locate(one, *pieces[1:4])
    first = np.unique(pieces.source, return_index=True)[1]
    assert (back.offset[first] == offset[length > 0]).all()
    assert (
        layout.crossings(one, offset, length)[length > 0] + 1
        == np.unique(pieces.source, return_counts=True)[1]
    ).all()
    alone = layout.place(one, offset[20_000], length[20_000])
    assert pieces.object[pieces.source == 20_000].tolist() == alone.object.tolist()


def test_long_extents_between_short_ones():
    one = layout.striped(10, 3)
    length = np.full(9000, 5)
    length[8500] = 10**6
    pieces = layout.place(one, 0, length)
    assert np.bincount(pieces.source).tolist() == [1] * 8500 + [10**5] + [1] * 499


def test_lustre_s_objects_lie_on_osts_in_turn():
    plain = layout.lustre("1MiB", 4, osts=8, start_ost=6)
    pieces = layout.place(plain, 0, 5 * MIB)
    assert pieces.target.tolist() == [6, 7, 0, 1, 6]
    assert pieces.object.tolist() == [0, 1, 2, 3, 0]
    assert pieces.object_offset.tolist() == [0, 0, 0, 0, MIB]
    listed = layout.lustre("1MiB", 3, osts=(5, 2, 9))
    assert listed.targets == (5, 2, 9)
    pool = layout.lustre("64k", -1, osts=("flash-0", "flash-1"), start_ost="flash-1")
    assert layout.bytes_by_target(pool, 0, 3 * 65536) == {
        "flash-1": 131072,
        "flash-0": 65536,
    }


def test_overstriping_puts_several_objects_on_an_ost():
    over = layout.lustre("1MiB", 5, osts=2)
    assert over.objects == 5 and over.targets == (0, 1, 0, 1, 0)
    assert layout.bytes_by_target(over, 0, 5 * MIB) == {0: 3 * MIB, 1: 2 * MIB}


def test_a_component_counts_its_stripes_from_the_file_s_beginning():
    wider = layout.progressive(
        ("4MiB", layout.lustre("1MiB", 1, osts=(3,))),
        ("8MiB", layout.lustre("2MiB", 3, osts=(0, 1, 2))),
    )
    pieces = layout.place(wider, [3 * MIB, 4 * MIB], [2 * MIB, MIB])
    assert pieces.object.tolist() == [0, 3, 3]  # floor(4 MiB / 2 MiB) mod 3 = 2, after one object
    assert pieces.target.tolist() == [3, 2, 2]
    assert pieces.object_offset.tolist() == [3 * MIB, 0, 0]
    assert layout.locate(wider, 0, 0, 9 * MIB).offset.tolist() == [n * MIB for n in range(4)]
    with pytest.raises(UsageError, match=r"8388609 .* ends at 8388608 .*ENODATA"):
        layout.place(wider, 8 * MIB - 1, 2)
    with pytest.raises(UsageError, match="ENODATA"):
        layout.bytes_by_target(wider, [0, 9 * MIB], 1)


def test_a_component_without_objects_yet_has_no_targets():
    part = layout.progressive((8, layout.lustre(4, 1, osts=(3,))), (-1, layout.striped(4, 2)))
    assert part.targets == (3, -1, -1)
    named = layout.progressive((8, layout.lustre(4, 1, osts=("a",))), (-1, layout.striped(4, 2)))
    assert named.targets == ("a", "", "")
    assert layout.progressive((-1, layout.striped(4, 2))).targets == ()


def test_ceph_s_own_example():
    """The table of net/ceph/striper.c: stripe_count 3, stripes_per_object 4."""
    pieces = layout.place(layout.cephfs(8, 3, 32), 0, 8 * 22)
    of = [pieces.object.tolist()[block] for block in range(22)]
    blocks = {object: [block for block in range(22) if of[block] == object] for object in range(5)}
    assert blocks == {
        0: [0, 3, 6, 9],
        1: [1, 4, 7, 10],
        2: [2, 5, 8, 11],
        3: [12, 15, 18, 21],
        4: [13, 16, 19],
    }


def test_ceph_s_osds_are_known_as_far_as_they_are_told():
    one = layout.cephfs("64k", 2, "64k", targets=(3, 0, 3))
    assert layout.place(one, 0, 3 * 65536).target.tolist() == [3, 0, 3]
    with pytest.raises(UsageError, match="object 3: targets are given of 3"):
        layout.place(one, 3 * 65536, 1)


def test_gpfs_and_beegfs_go_round_all_targets():
    blocks = layout.place(layout.gpfs("256k", 3, start=2), 0, 4 * 262144)
    assert blocks.target.tolist() == [2, 0, 1, 2]
    chunks = layout.place(layout.beegfs("512k", (101, 202)), 0, 3 * 524288)
    assert chunks.target.tolist() == [101, 202, 101]


def disks(level, number, rows):
    """Return the data chunks, P and Q of each disk of a RAID, row by row, as text."""
    one = layout.raid(level, number, chunk_size=8)
    size = 8 * one.data * rows
    table = [["."] * number for _ in range(rows)]
    data, rest = layout.place(one, 0, size), layout.redundancy(one, 0, size)
    for name, object, at in zip(range(999), data.object, data.object_offset, strict=False):
        table[at // 8][object] = str(name)
    for name, object, at in zip(
        "PQ" * 99 if level == 6 else "P" * 99, rest.object, rest.object_offset, strict=False
    ):
        table[at // 8][object] = name
    return [" ".join(row) for row in table]


def test_parity_moves_as_md_s_left_symmetric():
    assert disks(5, 4, 5) == ["0 1 2 P", "4 5 P 3", "8 P 6 7", "P 9 10 11", "12 13 14 P"]
    assert disks(6, 5, 5) == [
        "Q 0 1 2 P",
        "3 4 5 P Q",
        "7 8 P Q 6",
        "11 P Q 9 10",
        "P Q 12 13 14",
    ]
    assert disks(4, 3, 3) == ["0 1 P", "2 3 P", "4 5 P"]


def test_raid_1_cuts_nothing_and_holds_all_on_each_disk():
    one = layout.raid(1, ("sda", "sdb", "sdc"))
    assert [column.tolist() for column in layout.place(one, 5, 10**12)] == [
        ["sda"],
        [0],
        [5],
        [10**12],
        [0],
    ]
    copies = layout.redundancy(one, 5, 10**12)
    assert copies.target.tolist() == ["sdb", "sdc"] and copies.object_offset.tolist() == [5, 5]
    assert layout.locate(one, 2, 5, 10).offset.tolist() == [5]


def test_parity_is_told_once_for_each_row_that_an_extent_touches():
    one = layout.raid(5, 4, chunk_size=8)
    assert layout.redundancy(one, [0, 3, 23], [24, 2, 2]).source.tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize(("data", "full"), [(8, 1), (4, 2), (16, 0)])
def test_daos_fills_stripes_only_where_cells_divide_the_chunk(data, full):
    one = layout.daos(f"EC_{data}P2G1", chunk_size="1MiB", cell_size="128k")
    assert one.full_rows == full
    assert layout.place(one, 0, MIB).length.tolist() == [131072] * 8


def test_daos_classes():
    assert layout.daos("S4").objects == 4
    replicas = layout.daos("RP_2G2", targets=(7, 6, 5, 4))
    assert layout.place(replicas, 0, 2 * MIB).target.tolist() == [7, 5]
    assert layout.redundancy(replicas, 0, 2 * MIB).target.tolist() == [6, 4]
    assert layout.daos("EC_4P2GX", cell_size="64k", targets=13).groups == 2
    assert layout.daos("SX", targets=3).objects == 3
    with pytest.raises(UsageError, match="EC_4P2GX needs at least 6, not 0"):
        layout.daos("EC_4P2GX", cell_size="64k")


def test_large_offsets_stay_exact():
    for one in (layout.lustre("1MiB", 7), layout.cephfs(), layout.raid(6, 9), layout.daos("S3")):
        offset = [2**62 - 3, 2**61 + 12345, 2**53 + 1]
        pieces = layout.place(one, offset, 3)
        back = layout.locate(one, *pieces[1:4])
        assert [back.offset[pieces.source == n][0] for n in range(3)] == offset


def test_no_extents_no_pieces():
    for one in (layout.striped(8, 2), layout.raid(5, 3)):
        assert [len(column) for column in layout.place(one, [], [])] == [0] * 5
        assert [len(column) for column in layout.locate(one, [], [], [])] == [0] * 3
        assert len(layout.place(one, [3, 8, 0], 0).object) == 0
        assert len(layout.redundancy(one, 3, 0).object) == 0
        assert layout.crossings(one, [3, 8], 0).tolist() == [0, 0]
    assert layout.bytes_by_target(layout.striped(8, 2), [], []) == {0: 0, 1: 0}


STRIPED = layout.striped(8, 2)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: layout.place(STRIPED, -1, 3), "offset: give numbers from 0"),
        (lambda: layout.place(STRIPED, 1, [10**6] * 9000 + [-3]), "length: give numbers from 0"),
        (lambda: layout.locate(STRIPED, -1, 0, 1), "object: give numbers from 0"),
        (lambda: layout.locate(STRIPED, 0, 0, 2**60), "over 100,000,000 pieces"),
        (lambda: layout.place(STRIPED, 2**63 - 1, 3), "offset, length: give extents below"),
        (lambda: layout.place(STRIPED, 1.5, 3), "offset: give whole numbers"),
        (lambda: layout.place(STRIPED, [[1]], 3), "offset: give whole numbers"),
        (lambda: layout.place(STRIPED, [1, 2], [1, 2, 3]), "2 of offset, 3 of length"),
        (lambda: layout.bytes_by_target(STRIPED, 0, 2**60), "over 100,000,000 pieces"),
        (lambda: layout.place(STRIPED, 0, [500_000_000] * 2), "over 100,000,000 pieces"),
        (lambda: layout.locate(STRIPED, 2, 0, 1), "object: give an index from 0 to 1"),
        (lambda: layout.locate(STRIPED, 1, 2**62, 1), "object_offset, length: give ranges within"),
        (lambda: layout.locate(layout.cephfs(8, 2, 16), 0, 8, 9), "ranges within 0 to 16"),
        (lambda: layout.striped(0), "stripe_size 0"),
        (lambda: layout.striped(8, 0), "stripe_count 0"),
        (lambda: layout.striped(8, -1), "stripe_count 0"),
        (lambda: layout.striped(8, 2, targets=3, start=3), "start 3: there are targets 0 to 2"),
        (lambda: layout.striped(8, 2, targets=(1, "a")), "numbers or names, not both"),
        (lambda: layout.Striped(8, 2, targets=(1,)), "one for each of 2 objects, not 1"),
        (lambda: layout.lustre("1m", 2, osts=4, start_ost=9), "start_ost 9"),
        (lambda: layout.cephfs(8, 2, 12), "object_size 12: give a multiple of stripe_size, 8"),
        (lambda: layout.progressive(), "at least one"),
        (lambda: layout.progressive((-1, STRIPED), (8, STRIPED)), "one before ends"),
        (lambda: layout.progressive((8, STRIPED), (4, STRIPED)), "from 8: 4 is no end"),
        (lambda: layout.progressive((-1, layout.cephfs(8, 2, 16))), "object_size"),
        (lambda: layout.daos("EC_4P2"), "object_class 'EC_4P2'"),
        (lambda: layout.daos("EC_4P2G1"), "cell_size: EC_4P2G1 needs one"),
        (lambda: layout.daos("EC_2P1G1", cell_size="3k"), "chunk 1048576: give a multiple"),
        (lambda: layout.daos("RP_2G2", targets=3), "one for each of 4 objects, not 3"),
        (lambda: layout.raid(10, 4), "level 10: choose"),
        (lambda: layout.raid(6, 3), "RAID 6 needs at least 4, not 3"),
        (lambda: layout.Coded(4, 8, data=2, copies=1), "copies are of a single cell"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(wrong, said):
    with pytest.raises(UsageError, match=said) as error:
        wrong()
    assert "\n" not in str(error.value)
