"""What a path lies on: mounts are read as the system writes them, counters only grow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from piotutor.capture import device
from piotutor.capture.device import Mount, UnavailableError, find_device, mount_of

LINUX = sys.platform.startswith("linux")
MOUNTINFO = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
25 24 0:23 / /dev/shm rw,relatime shared:3 - tmpfs tmpfs rw
40 27 0:44 / /scratch rw - lustre 10.0.0.1@tcp:/home\\040fs rw
41 27 0:45 / /with\\040space\\011tab rw - xfs /dev/sdb1 rw
42 40 0:46 / /scratch rw shared:1 master:2 - beegfs beegfs_nodev rw
43 27 0:47 / /over rw - overlay overlay rw,lowerdir=/a
44 27 0:48 / /pool rw - btrfs /dev/null rw
45 27 0:49 / /gone rw - btrfs /dev/nothing-of-that-name rw
46 27 0:50 / /net rw - nfs4 server:/export rw
"""
MACOS = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk4s1 on /Volumes/My (old) disk (hfs, local)
"""


@pytest.fixture
def mounts(monkeypatch):
    """Pretend that these are the mounts, and that every path exists as it stands."""
    monkeypatch.setattr(device, "_mounts", lambda: device.parse_mountinfo(MOUNTINFO))
    monkeypatch.setattr(device, "nearest", Path)


@pytest.mark.parametrize(
    ("path", "kind", "point"),
    [
        ("/", "ext4", "/"),
        ("/home/user/file", "ext4", "/"),
        ("/dev/shm/a", "tmpfs", "/dev/shm"),
        ("/dev/shmother", "ext4", "/"),
        ("/scratch/a/b", "beegfs", "/scratch"),  # mounted over the first
        ("/with space\ttab/x", "xfs", "/with space\ttab"),
    ],
)
def test_the_deepest_and_last_mount_counts(mounts, path, kind, point):
    assert mount_of(path) == Mount(point, kind, mount_of(path).source)


@pytest.mark.skipif(not LINUX, reason="device counters are Linux's")
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/shm/a", "tmpfs is memory"),
        ("/scratch/a", "beegfs is not on this machine"),
        ("/net/a", "nfs4 is not on this machine"),
    ],
)
def test_a_path_with_no_device_says_why(mounts, path, reason):
    with pytest.raises(UnavailableError, match=reason):
        find_device(path)


@pytest.mark.skipif(not LINUX, reason="device counters are Linux's")
@pytest.mark.parametrize("point", ["/over", "/pool", "/gone"])
def test_an_anonymous_device_is_sought_at_its_source(mounts, monkeypatch, tmp_path, point):
    mount = next(m for m in device.parse_mountinfo(MOUNTINFO) if m.point == point)
    monkeypatch.setattr(device, "mount_of", lambda path: mount)
    monkeypatch.setattr(os, "major", lambda number: 0)
    with pytest.raises(UnavailableError, match=mount.kind):
        find_device(tmp_path)


def test_macos_mounts_are_read():
    assert device.parse_mount(MACOS) == [
        Mount("/", "apfs", "/dev/disk3s1s1"),
        Mount("/dev", "devfs", "devfs"),
        Mount("/Volumes/My (old) disk", "hfs", "/dev/disk4s1"),
    ]


def test_lines_that_are_no_mounts_are_left_out():
    assert device.parse_mountinfo("nonsense\n\n27 1 254:0 / / rw\n") == []
    assert device.parse_mount("nonsense\n") == []


def test_no_mounts_at_all_is_unknown(monkeypatch):
    monkeypatch.setattr(device, "_mounts", list)
    assert mount_of("/anything").kind == "unknown"


def test_another_system_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError, match="darwin"):
        find_device(tmp_path)


def test_where_there_is_no_mountinfo_mount_is_asked(monkeypatch):
    def unreadable(self, *args, **kwargs):
        raise FileNotFoundError(2, "No such file or directory")

    done = subprocess.CompletedProcess(["mount"], 0, stdout=MACOS, stderr="")
    monkeypatch.setattr(Path, "read_text", unreadable)
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: done)
    assert device._mounts() == device.parse_mount(MACOS)


def test_nearest_existing_directory(tmp_path):
    assert device.nearest(tmp_path / "a" / "b" / "c") == tmp_path.resolve()


def test_a_path_that_does_not_exist_lies_where_it_would_lie(tmp_path):
    assert mount_of(tmp_path / "not" / "yet") == mount_of(tmp_path)


def test_counters_count_what_is_written(tmp_path):
    try:
        disk = find_device(tmp_path)
    except UnavailableError as reason:
        pytest.skip(str(reason))
    before = disk.counters()
    with (tmp_path / "data").open("wb") as file:
        file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())
    after = disk.counters()
    assert after.written - before.written >= 1 << 20
    assert after.read >= before.read
