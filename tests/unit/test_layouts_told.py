"""What file systems' tools print is read as documented; whatever is damaged is one clear error.

None of these tools is here. The samples are written after the documents that each module names;
a script stands in for a tool where a process must fail, hang or complain.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piotutor import layout, preparation, storage
from piotutor.capture import choice
from piotutor.capture.device import Mount
from piotutor.errors import PiotutorError, UsageError
from piotutor.launch import local as ranks
from piotutor.storage import beegfs, cephfs, daos, gpfs, lfs, local, lustre, probe, tool
from piotutor.storage.placing import layout_of
from piotutor.storage.striping import ALL, Component, LayoutError, Striping

MIB = 1 << 20

PLAIN = """/scratch/plain
lmm_stripe_count:  4
lmm_stripe_size:   1048576
lmm_pattern:       raid0
lmm_layout_gen:    0
lmm_stripe_offset: 5
\tobdidx\t\t objid\t\t objid\t\t group
\t     5\t          8834\t       0x2282\t             0
\t     0\t          8835\t       0x2283\t             0
\t     7\t          8836\t       0x2284\t             0
\t     2\t          8837\t       0x2285\t   0x240000400

"""
PLAIN_YAML = """lmm_stripe_count:  2
lmm_stripe_size:   65536
lmm_pattern:       raid0
lmm_layout_gen:    0
lmm_stripe_offset: 3
lmm_pool:          flash
lmm_objects:
      - l_ost_idx: 3
        l_fid:     0x100030000:0x2:0x0
      - l_ost_idx: 1
        l_fid:     0x100010000:0x2:0x0
"""
OLD = """/scratch/old stripe_count: 9
lmm_stripe_count:   1
lmm_stripe_size:    4194304
lmm_stripe_offset:  86
\tobdidx\t\t objid\t\tobjid\t\t group
\t    86\t       1091894\t     0x10a936\t             0

"""
PROGRESSIVE = """/scratch/grows
  lcm_layout_gen:    5
  lcm_mirror_count:  1
  lcm_entry_count:   3
    lcme_id:             1
    lcme_mirror_id:      0
    lcme_flags:          init
    lcme_extent.e_start: 0
    lcme_extent.e_end:   4194304
      lmm_stripe_count:  1
      lmm_stripe_size:   1048576
      lmm_pattern:       raid0
      lmm_layout_gen:    0
      lmm_stripe_offset: 6
      lmm_objects:
      - 0: { l_ost_idx: 6, l_fid: [0x100060000:0x2:0x0] }

    lcme_id:             2
    lcme_mirror_id:      0
    lcme_flags:          init
    lcme_extent.e_start: 4194304
    lcme_extent.e_end:   67108864
      lmm_stripe_count:  4
      lmm_stripe_size:   1048576
      lmm_pattern:       raid0,overstriped
      lmm_layout_gen:    0
      lmm_stripe_offset: 1
      lmm_objects:
      -   0: { l_ost_idx:   1, l_fid: [0x100010000:0x2:0x0] }
      -   1: { l_ost_idx:   0, l_fid: [0x100000000:0x2:0x0] }
      -   2: { l_ost_idx:   1, l_fid: [0x100010000:0x3:0x0] }
      -   3: { l_ost_idx:   0, l_fid: [0x100000000:0x3:0x0] }

    lcme_id:             3
    lcme_mirror_id:      0
    lcme_flags:          0
    lcme_extent.e_start: 67108864
    lcme_extent.e_end:   EOF
      lmm_stripe_count:  -1
      lmm_stripe_size:   4194304
      lmm_pattern:       raid0
      lmm_layout_gen:    0
      lmm_stripe_offset: -1
"""
PROGRESSIVE_YAML = """  lcm_layout_gen:    3
  lcm_mirror_count:  1
  lcm_entry_count:   2
  component0:
    lcme_id:             1
    lcme_mirror_id:      0
    lcme_flags:          init
    lcme_extent.e_start: 0
    lcme_extent.e_end:   1048576
    sub_layout:
      lmm_stripe_count:  0
      lmm_stripe_size:   1048576
      lmm_pattern:       mdt
      lmm_layout_gen:    0
      lmm_mdt_index:     0

  component1:
    lcme_id:             2
    lcme_mirror_id:      0
    lcme_flags:          init
    lcme_extent.e_start: 1048576
    lcme_extent.e_end:   EOF
    sub_layout:
      lmm_stripe_count:  2
      lmm_stripe_size:   1048576
      lmm_pattern:       raid0
      lmm_layout_gen:    0
      lmm_stripe_offset: 0
      lmm_objects:
      - 0: { l_ost_idx: 0, l_fid: [0x100000000:0x9:0x0] }
      - 1: { l_ost_idx: 2, l_fid: [0x100020000:0x9:0x0] }
"""
MIRRORED = """/scratch/twice
  lcm_layout_gen:    2
  lcm_mirror_count:  2
  lcm_entry_count:   2
    lcme_id:             65537
    lcme_mirror_id:      1
    lcme_flags:          init,stale
    lcme_extent.e_start: 0
    lcme_extent.e_end:   EOF
      lmm_stripe_count:  1
      lmm_stripe_size:   4194304
      lmm_pattern:       raid0
      lmm_layout_gen:    0
      lmm_stripe_offset: 1
      lmm_objects:
      - 0: { l_ost_idx: 1, l_fid: [0x100010000:0x2:0x0] }

    lcme_id:             131074
    lcme_mirror_id:      2
    lcme_flags:          init
    lcme_extent.e_start: 0
    lcme_extent.e_end:   EOF
      lmm_stripe_count:  2
      lmm_stripe_size:   4194304
      lmm_pattern:       raid0
      lmm_layout_gen:    0
      lmm_stripe_offset: 3
      lmm_pool:          archive
      lmm_objects:
      - 0: { l_ost_idx: 3, l_fid: [0x100030000:0x2:0x0] }
      - 1: { l_ost_idx: 4, l_fid: [0x100040000:0x2:0x0] }
"""
DIRECTORY = """/scratch/dir
stripe_count:  -1 stripe_size:   2097152 pattern:       raid0 stripe_offset: -1 pool: flash

"""
OLD_DIRECTORY = "/scratch\n(Default) stripe_count: 1 stripe_size: 1M stripe_offset: -1\n"
PROGRESSIVE_DIRECTORY = """/scratch/dir
  lcm_layout_gen:  0
  lcm_entry_count: 2
    lcme_id:             N/A
    lcme_flags:          0
    lcme_extent.e_start: 0
    lcme_extent.e_end:   268435456
      stripe_count:  1       stripe_size:   1048576       stripe_offset: -1
    lcme_id:             N/A
    lcme_flags:          0
    lcme_extent.e_start: 268435456
    lcme_extent.e_end:   EOF
      stripe_count:  4       stripe_size:   1048576       stripe_offset: -1
"""
DOM_NUMBER = "lmm_stripe_count: 0\nlmm_stripe_size: 65536\nlmm_pattern: 100\n"
DF = """UUID                   1K-blocks        Used   Available Use% Mounted on
temp-MDT0000_UUID        8388608      409600     7979008   5% /scratch[MDT:0]
temp-OST0000_UUID      838860800      409600   838451200   1% /scratch[OST:0]
temp-OST0001_UUID    : inactive device
temp-OST000a_UUID      838860800   838860800           0 100% /scratch[OST:10] f

filesystem_summary:   1677721600   839270400   838451200  51% /scratch
"""
BEEGFS_FILE = """Entry type: file
EntryID: 0-5D285750-1
Metadata node: meta1 [ID: 1]
Stripe pattern details:
+ Type: RAID0
+ Chunksize: 512K
+ Number of storage targets: desired: 4; actual: 2
+ Storage targets:
  + 101 @ store1 [ID: 1]
  + 201 @ store2 [ID: 2]
Chunk path: u0/0/r/root/0-5EC39809-1
Client Sessions
+ Reading: 0
+ Writing: 0
"""
BEEGFS_DIRECTORY = """Entry type: directory
EntryID: root
ParentID:
Stripe pattern details:
+ Type: Buddy Mirror
+ Chunksize: 1M
+ Number of storage targets: desired: 4
+ Storage Pool: 1  (default)
Inlined inode: no
"""
GPFS = """file name:            /gpfs/data/file
metadata replication: 1 max 2
data replication:     2 max 2
immutable:            no
appendOnly:           no
flags:
storage pool name:    fast
fileset name:         root
snapshot name:
creation time:        Mon Nov  2 10:00:00 2026
Misc attributes:      ARCHIVE
Encrypted:            no
"""
GPFS_TABLE = """flag                value                    description
------------------- ------------------------ -----------------------------------
 -B                 4194304                  Block size
"""
GPFS_FIELDS = """mmlsfs::HEADER:version:reserved:reserved:deviceName:fieldName:data:remarks:
mmlsfs::0:1:::data:blockSize:16777216::
"""
CEPH = "stripe_unit=65536 stripe_count=4 object_size=4194304 pool=cephfs_data"
DAOS = "Object Class = EC_4P2GX\nObject Chunk Size = 1048576\n"

LUSTRE_SAMPLES = (
    *(PLAIN, PLAIN_YAML, OLD, PROGRESSIVE, PROGRESSIVE_YAML, MIRRORED),
    *(DIRECTORY, OLD_DIRECTORY, PROGRESSIVE_DIRECTORY, DOM_NUMBER),
)
READERS = (
    *((lfs.parse_getstripe, sample) for sample in LUSTRE_SAMPLES),
    (lfs.parse_df, DF),
    *((beegfs.parse_entry, sample) for sample in (BEEGFS_FILE, BEEGFS_DIRECTORY)),
    (gpfs.parse_attributes, GPFS),
    *((gpfs.parse_block_size, sample) for sample in (GPFS_TABLE, GPFS_FIELDS)),
    (cephfs.parse_layout, CEPH),
    (daos.parse_attributes, DAOS),
)


def only(found):
    """Return the one component of a striping."""
    (component,) = found.components
    return component


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


# Tools that fail: scripts stand in for them


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Return a function that makes a program, found before all others."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")

    def make(name, body):
        path = directory / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return make


@pytest.fixture
def on(monkeypatch):
    """Return a function that pretends that everything is on one file system."""

    def pretend(kind, source="somewhere"):
        monkeypatch.setattr(probe, "mount_of", lambda _: Mount("/", kind, source))

    return pretend


def test_a_tool_that_is_missing():
    with pytest.raises(LayoutError, match="no-such-tool is not on the PATH"):
        tool.ask(["no-such-tool"])


def test_a_tool_that_complains(stand_in):
    stand_in("lfs", "echo Titel >&2; echo 'lfs: x: Permission denied' >&2; exit 13")
    with pytest.raises(LayoutError, match=r"^lfs: lfs: x: Permission denied$"):
        tool.ask(["lfs"])
    stand_in("lfs", "exit 25")
    with pytest.raises(LayoutError, match="ended with 25"):
        tool.ask(["lfs"])


def test_a_tool_that_hangs_ends_with_all_it_started(stand_in, tmp_path):
    os.mkfifo(tmp_path / "held")
    held = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    stand_in("lfs", f"exec 3>{tmp_path / 'held'}; sleep 1000 & wait")
    with pytest.raises(LayoutError, match=r"no answer in 0\.5 s"):
        tool.ask(["lfs"], timeout=0.5)
    os.set_blocking(held, True)
    assert os.read(held, 1) == b""  # nobody holds the other end any more
    os.close(held)


def test_a_tool_is_asked_in_english_and_without_a_shell(stand_in):
    stand_in("lfs", 'echo "$LC_ALL|$1"')
    assert tool.ask(["lfs", "$(id); x"]) == "C|$(id); x\n"


def test_a_tool_that_prints_no_text(stand_in):
    stand_in("lfs", r"printf '\377\376 stripe_count: \200'")
    with pytest.raises(LayoutError):
        lustre.striping(Path("/"))


LFS = """case "$1" in
setstripe) echo "$@" > "$0.asked"; test ! -e "$0.deaf" && cp "$0.next" "$0.now"; exit 0 ;;
getstripe) cat "$0.now" ;;
esac"""


def test_a_layout_is_set_and_seen(stand_in, tmp_path):
    stand_in("lfs", LFS)
    state = tmp_path / "bin"
    (state / "lfs.now").write_text(OLD_DIRECTORY)
    (state / "lfs.next").write_text(DIRECTORY)
    wish = Component(stripe_size=2 * MIB, stripe_count=ALL, pool="flash")
    assert only(lustre.lay_out(tmp_path, [wish])) == wish
    assert (state / "lfs.asked").read_text() == (
        f"setstripe -S 2097152 -c -1 -p flash {tmp_path}\n"
    )


def test_a_storage_on_lustre_lays_out_what_a_run_makes(stand_in, tmp_path):
    stand_in("lfs", LFS)
    state = tmp_path / "bin"
    (state / "lfs.now").write_text(OLD_DIRECTORY)
    (state / "lfs.next").write_text(DIRECTORY)
    assert lustre.Lustre(path=tmp_path).prepare(tmp_path) == {}
    assert not (state / "lfs.asked").exists()
    got = storage.at(tmp_path, "lustre:stripe_count=-1").prepare(tmp_path)
    assert got["layout"]["components"][0]["stripe_count"] == ALL
    assert (state / "lfs.asked").read_text() == f"setstripe -c -1 {tmp_path}\n"


def test_a_layout_that_is_not_obeyed(stand_in, tmp_path):
    stand_in("lfs", LFS)
    state = tmp_path / "bin"
    (state / "lfs.now").write_text(OLD_DIRECTORY)
    (state / "lfs.deaf").touch()
    with pytest.raises(LayoutError, match=r"not obeyed.*stripe_count 1 instead of 4"):
        lustre.lay_out(tmp_path, [Component(stripe_count=4)])


# The probe


def test_what_is_not_striped_is_named(on, tmp_path):
    for kind, said in {
        "tmpfs": "memory",
        "nfs4": "one server",
        "overlay": "layers",
        "ext4": "not striped",
        "9p": "isn't known",
    }.items():
        on(kind)
        found = probe.probe(tmp_path)
        assert found.striping is None
        assert found.problem == ""
        assert said in found.detail
        assert found.to_dict() is None


def test_extents_of_a_file_where_they_are_told(on, tmp_path, monkeypatch):
    on("xfs")
    (tmp_path / "file").touch()
    monkeypatch.setattr(probe.fiemap, "extents", lambda _: [1, 2])
    assert probe.probe(tmp_path / "file").detail == "xfs: not striped, 2 extents on its device"


def test_striping_is_found_and_written_down(on, stand_in, tmp_path):
    on("lustre")
    stand_in("lfs", f"cat <<'END'\n{DIRECTORY}\nEND")
    found = probe.probe(tmp_path / "not there yet")
    assert found.detail == "stripes on all targets of 2 MiB, pool flash"
    assert found.to_dict()["components"][0]["stripe_size"] == 2 * MIB


@pytest.mark.parametrize(
    ("kind", "name"),
    [("beegfs", "beegfs-ctl"), ("gpfs", "mmlsattr"), ("fuse.daos", "daos")],
)
def test_every_system_says_what_is_missing(on, monkeypatch, tmp_path, kind, name):
    on(kind)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = probe.probe(tmp_path)
    assert found.striping is None
    assert found.problem.startswith(f"{name} is not on the PATH")


def test_every_system_is_asked_by_its_own_tool(on, stand_in, tmp_path, monkeypatch):
    on("beegfs")
    stand_in("beegfs-ctl", f"cat <<'END'\n{BEEGFS_DIRECTORY}\nEND")
    assert probe.probe(tmp_path).striping == beegfs.parse_entry(BEEGFS_DIRECTORY)
    on("fuse.daos")
    stand_in("daos", f"cat <<'END'\n{DAOS}\nEND")
    assert probe.probe(tmp_path).striping == daos.parse_attributes(DAOS)
    on("gpfs")
    monkeypatch.setattr(gpfs, "mount_of", lambda _: Mount("/", "gpfs", "data"))
    stand_in("mmlsattr", f"cat <<'END'\n{GPFS}\nEND")
    stand_in("mmlsfs", f"test \"$1\" = data || exit 1; cat <<'END'\n{GPFS_FIELDS}\nEND")
    assert only(probe.probe(tmp_path).striping).stripe_size == 16 * MIB


def test_a_name_that_no_tool_can_print(on, tmp_path):
    on("lustre")
    strange = tmp_path / "a\nstripe_count: 1"
    strange.touch()
    assert "can't print" in probe.probe(strange).problem


def test_a_run_notes_the_layout_where_there_is_one(on, stand_in, tmp_path):
    home, captured = local.Local(tmp_path), choice.Capture("none", "")
    on("ext4")
    assert "layout" not in preparation.environment(home, ranks.Local(), captured)
    on("lustre")
    stand_in("lfs", f"cat <<'END'\n{DIRECTORY}\nEND")
    noted = preparation.environment(home, ranks.Local(), captured)["layout"]
    assert json.loads(json.dumps(noted))["components"][0]["stripe_count"] == ALL


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
