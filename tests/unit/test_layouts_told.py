"""What file systems' tools print is read as documented; whatever is damaged is one clear error.

None of these tools is here: the samples are written after the documents that each module names.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from told import (
    BEEGFS_DIRECTORY,
    BEEGFS_FILE,
    CEPH,
    DAOS,
    DF,
    DIRECTORY,
    DOM_NUMBER,
    GPFS,
    GPFS_FIELDS,
    GPFS_TABLE,
    LUSTRE_SAMPLES,
    MIB,
    MIRRORED,
    OLD,
    OLD_DIRECTORY,
    PLAIN,
    PLAIN_YAML,
    PROGRESSIVE,
    PROGRESSIVE_DIRECTORY,
    PROGRESSIVE_YAML,
    READERS,
    only,
)

from piotutor import layout
from piotutor.errors import PiotutorError, UsageError
from piotutor.storage import beegfs, cephfs, daos, gpfs, lfs, lustre
from piotutor.storage.placing import layout_of
from piotutor.storage.striping import ALL, Component, LayoutError, Striping

# Lustre


def test_a_plain_file():
    assert only(lfs.parse_getstripe(PLAIN)) == Component(
        stripe_size=MIB, stripe_count=4, targets=(5, 0, 7, 2), start_ost=5
    )


def test_a_plain_file_as_yaml():
    assert only(lfs.parse_getstripe(PLAIN_YAML)) == Component(
        stripe_size=65536, stripe_count=2, targets=(3, 1), start_ost=3, pool="flash"
    )


def test_a_file_of_an_old_lustre_whose_name_looks_like_an_answer():
    assert only(lfs.parse_getstripe(OLD)) == Component(
        stripe_size=4 * MIB, stripe_count=1, targets=(86,), start_ost=86
    )


def test_a_progressive_file_overstriped_and_not_yet_whole():
    first, second, third = lfs.parse_getstripe(PROGRESSIVE).components
    assert (first.start, first.end, first.targets) == (0, 4 * MIB, (6,))
    assert (second.start, second.end, second.targets) == (4 * MIB, 64 * MIB, (1, 0, 1, 0))
    assert second.pattern == "overstriped"
    assert third == Component(stripe_size=4 * MIB, stripe_count=ALL, start=64 * MIB)


def test_data_on_the_metadata_server():
    first, second = lfs.parse_getstripe(PROGRESSIVE_YAML).components
    assert (first.pattern, first.end, first.targets) == ("mdt", MIB, ())
    assert (second.pattern, second.end, second.targets) == ("raid0", None, (0, 2))
    assert only(lfs.parse_getstripe(DOM_NUMBER)).pattern == "mdt"


def test_of_mirrors_the_one_that_is_not_stale():
    found = lfs.parse_getstripe(MIRRORED)
    assert found.copies == 2
    assert only(found).targets == (3, 4)
    assert only(found).pool == "archive"


def test_directories():
    assert only(lfs.parse_getstripe(DIRECTORY)) == Component(
        stripe_size=2 * MIB, stripe_count=ALL, pool="flash"
    )
    assert only(lfs.parse_getstripe(OLD_DIRECTORY)) == Component(MIB, 1)
    counts = [one.stripe_count for one in lfs.parse_getstripe(PROGRESSIVE_DIRECTORY).components]
    assert counts == [1, 4]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/scratch/x has no stripe info\n",
        "Anzahl der Streifen: 4\n",
        PLAIN.replace("\t     7\t          8836\t       0x2284\t             0\n", ""),
        PROGRESSIVE[: PROGRESSIVE.index("    lcme_id:             3")],
        PROGRESSIVE.replace("e_start: 4194304", "e_start: 8388608"),
        DIRECTORY.replace("2097152", "2MB"),
    ],
)
def test_what_lfs_cannot_mean_is_refused(text):
    with pytest.raises(LayoutError, match="lfs getstripe: "):
        lfs.parse_getstripe(text)


def test_targets_with_their_space_and_without_those_that_are_off():
    assert lfs.parse_df(DF) == [
        lfs.Target(0, "temp-OST0000_UUID", 838860800 * 1024, 838451200 * 1024),
        lfs.Target(10, "temp-OST000a_UUID", 838860800 * 1024, 0),
    ]
    with pytest.raises(LayoutError, match="no OST"):
        lfs.parse_df("filesystem_summary: 0 0 0 0% /scratch\n")


HOME = Path("/scratch/run")


def test_the_words_that_lay_a_file_out():
    wish = Component(stripe_size=4 * MIB, stripe_count=ALL, start_ost=3, pool="flash")
    assert lustre.setstripe(HOME, [wish]) == [
        *("lfs", "setstripe", "-S", "4194304", "-c", "-1", "-i", "3", "-p", "flash", "/scratch/run")
    ]
    assert lustre.setstripe(HOME, [Component()]) == ["lfs", "setstripe", "/scratch/run"]
    many = Component(stripe_count=8, pattern="overstriped")
    assert "-C 8" in " ".join(lustre.setstripe(HOME, [many]))


def test_the_words_of_a_progressive_layout():
    parts = [
        Component(end=MIB, pattern="mdt"),
        Component(stripe_count=1, start=MIB, end=64 * MIB),
        Component(stripe_count=4, start=64 * MIB),
    ]
    assert " ".join(lustre.setstripe(HOME, parts)) == (
        "lfs setstripe -E 1048576 -L mdt -E 67108864 -c 1 -E -1 -c 4 /scratch/run"
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Component(stripe_size=1000), "stripe_size=1,000 bytes"),
        (Component(stripe_size=-65536), "stripe_size=-65536"),
        (Component(stripe_size=1 << 32), "stripe_size=4 GiB"),
        (Component(stripe_count=-2), "stripe_count=-2"),
        (Component(stripe_count=2001), "stripe_count=2001"),
        (Component(pool="-x; rm"), "pool"),
        (Component(end=70000), "70000"),
        (Component(start=65536), "65536"),
    ],
)
def test_layouts_that_lustre_does_not_have(wrong, message):
    with pytest.raises(UsageError, match=message):
        lustre.setstripe(HOME, [wrong])


def test_a_path_is_never_an_option():
    with pytest.raises(UsageError, match="absolute"):
        lustre.setstripe(Path("-d"), [Component()])


@settings(max_examples=30)
@given(
    st.builds(
        Component,
        stripe_size=st.sampled_from([0, 65536, MIB]),
        stripe_count=st.sampled_from([0, 1, 4]),
        start_ost=st.sampled_from([-1, 0, 3]),
        pool=st.sampled_from(["", "flash"]),
    )
)
def test_a_layout_obeyed_has_no_differences(wish):
    assert lustre.differences([wish], Striping("lustre", (wish,))) == []


def test_differences_are_named():
    got = Striping("lustre", (Component(stripe_size=MIB, stripe_count=1),))
    assert lustre.differences([Component(stripe_size=MIB, stripe_count=4)], got) == [
        "stripe_count 1 instead of 4"
    ]
    assert "2 components asked for" in lustre.differences([Component(end=MIB), Component()], got)[0]


# Others


def test_beegfs():
    found = beegfs.parse_entry(BEEGFS_FILE)
    assert only(found) == Component(stripe_size=512 << 10, stripe_count=2, targets=(101, 201))
    assert found.copies == 1
    found = beegfs.parse_entry(BEEGFS_DIRECTORY)
    assert only(found) == Component(stripe_size=MIB, stripe_count=4, pool="1  (default)")
    assert found.copies == 2


def test_gpfs():
    found = gpfs.blocks(gpfs.parse_attributes(GPFS), gpfs.parse_block_size(GPFS_TABLE))
    assert only(found) == Component(stripe_size=4 * MIB, stripe_count=ALL, pool="fast")
    assert (found.copies, found.note) == (2, "fileset root")
    assert gpfs.parse_block_size(GPFS_FIELDS) == 16 * MIB


def test_cephfs():
    assert only(cephfs.parse_layout(CEPH)) == Component(
        stripe_size=65536, stripe_count=4, object_size=4 * MIB, pool="cephfs_data"
    )
    with pytest.raises(LayoutError, match="can't be"):
        cephfs.parse_layout(CEPH.replace("65536", "65537"))


def test_a_directory_of_cephfs_has_the_layout_of_one_above(monkeypatch, tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)

    def told(path, name):
        assert name == "ceph.dir.layout"
        if path == tmp_path:
            return CEPH.encode()
        raise OSError(errno.ENODATA, "No data available")

    monkeypatch.setattr(os, "getxattr", told, raising=False)
    assert cephfs.striping(inner) == cephfs.parse_layout(CEPH)


def test_not_on_cephfs(tmp_path):
    with pytest.raises(LayoutError, match=r"has no ceph\.dir\.layout|attributes"):
        cephfs.striping(tmp_path)


def test_daos():
    found = daos.parse_attributes(DAOS)
    assert only(found) == Component(stripe_size=MIB, stripe_count=ALL, pattern="EC_4P2GX")
    assert "4 cells of data and 2 of parity" in found.note
    assert daos.parse_class("S4") == daos.ObjectClass(4, 1, 1, 0)
    assert daos.parse_class("RP_2G1") == daos.ObjectClass(1, 2, 1, 0)
    with pytest.raises(LayoutError, match="no object class"):
        daos.parse_class("S4x")


# Damage


@pytest.mark.parametrize("sample", range(len(READERS)))
@settings(max_examples=40)
@given(data=st.data())
def test_damaged_answers_are_read_or_refused(sample, data):
    read, text = READERS[sample]
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, min(len(text), at + 40)))
    new = data.draw(st.text(max_size=10) | st.from_regex(r"\A-?[0-9]{1,30}\Z"))
    try:
        found = read(text[:at] + new + text[end:])
    except PiotutorError as error:
        assert "\n" not in str(error)
    else:
        assert str(found)


@pytest.mark.parametrize("read", sorted({read for read, _ in READERS}, key=str))
@settings(max_examples=30)
@given(text=st.text())
def test_no_answer_at_all_is_refused(read, text):
    with pytest.raises(LayoutError):
        read(text)


# From a tool's word to the arithmetic


def held(striping, offset, length, targets=0):
    """Return the targets of an extent's pieces, and where each lies in its object."""
    pieces = layout.place(layout_of(striping, targets), [offset], [length])
    return list(zip(pieces.target.tolist(), pieces.object_offset.tolist(), strict=True))


def test_bytes_of_a_plain_file_lie_on_the_targets_that_it_lists():
    assert held(lfs.parse_getstripe(PLAIN), 0, 5 * MIB) == [
        *((5, 0), (0, 0), (7, 0), (2, 0), (5, MIB))
    ]


def test_bytes_of_a_progressive_file_lie_on_each_component_s_own_targets():
    grows = lfs.parse_getstripe(PROGRESSIVE_YAML)
    assert [target for target, _ in held(grows, 0, 3 * MIB)] == [-1, 2, 0]


def test_bytes_of_others_lie_in_their_chunks():
    assert [one for one, _ in held(beegfs.parse_entry(BEEGFS_FILE), 0, MIB)] == [101, 201]
    assert held(cephfs.parse_layout(CEPH), 0, 3 << 16) == [(0, 0), (1, 0), (2, 0)]
    blocks = gpfs.blocks(gpfs.parse_attributes(GPFS), 4 * MIB)
    assert len(held(blocks, 0, 16 * MIB, targets=3)) == 4
    replicated = daos.parse_attributes(DAOS.replace("EC_4P2GX", "RP_2G2"))
    assert len(held(replicated, 0, 4 * MIB)) == 4


@pytest.mark.parametrize(
    "open_yet",
    [
        lfs.parse_getstripe(DIRECTORY),
        lfs.parse_getstripe("stripe_count: 0 stripe_size: 0 stripe_offset: -1"),
        lfs.parse_getstripe("lmm_stripe_count: 1\nlmm_stripe_size: 65536\nlmm_pattern: 80000001"),
        daos.parse_attributes(DAOS),
        beegfs.parse_entry(BEEGFS_DIRECTORY.replace("desired: 4", "desired: 9999999999")),
    ],
)
def test_what_is_not_settled_is_not_made_up(open_yet):
    with pytest.raises(LayoutError):
        layout_of(open_yet)


@given(data=st.data())
@settings(max_examples=60)
def test_what_damaged_answers_seem_to_say_is_placed_or_refused(data):
    text = data.draw(st.sampled_from(LUSTRE_SAMPLES))
    at = data.draw(st.integers(0, len(text)))
    new = data.draw(st.from_regex(r"\A-?[0-9]{1,20}\Z"))
    try:
        found = layout_of(lfs.parse_getstripe(text[:at] + new + text[at + 1 :]), targets=8)
        layout.place(found, [0], [65536])
    except PiotutorError as error:
        assert "\n" not in str(error)
