"""Residency tells what is in memory, or that it can't; never a number that isn't so."""

from __future__ import annotations

import importlib
import mmap
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from piotutor.capture import Mount, evict, mount_of, residency
from piotutor.capture.residency import why_unknown

module = importlib.import_module("piotutor.capture.residency")  # its function has the same name
SIZE = (1 << 20) + 3
OVERLAY = Mount("/", "overlay", "overlay")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's page cache")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def on_disk(file):
    """Skip where the file's directory is memory, or keeps a cache of its own."""
    mount = mount_of(file)
    if why_unknown(mount) or mount.in_memory:
        pytest.skip(f"nothing can be evicted from {mount.kind}")
    return file


@linux
def test_a_file_just_written_is_in_memory(on_disk):
    found = residency(on_disk)
    assert found.size == found.cached == SIZE
    assert not found.verified
    assert found.how in ("cachestat", "mincore")


@linux
def test_evicted_is_gone_and_clean(on_disk):
    found = evict(on_disk)
    assert (found.size, found.cached, found.verified) == (SIZE, 0, True)
    assert found.dirty in (0, None)
    assert residency(on_disk).cached == 0


@linux
def test_what_is_read_comes_back(on_disk):
    evict(on_disk)
    with on_disk.open("rb", buffering=0) as file:
        file.read(mmap.PAGESIZE)
    assert mmap.PAGESIZE <= residency(on_disk).cached <= SIZE


@linux
def test_both_ways_agree(on_disk):
    evict(on_disk)
    with on_disk.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        file.read(10 * mmap.PAGESIZE)
    other = residency(on_disk, mount=OVERLAY)
    assert other.cached == residency(on_disk).cached
    assert other.how == "mincore"


@linux
def test_on_overlayfs_dirty_is_unknown_not_absent(file):
    found = residency(file, mount=OVERLAY)
    assert found.dirty is None
    assert found.cached == SIZE


@linux
def test_a_page_in_use_stays_and_that_is_said(on_disk):
    with on_disk.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert len(mapped[:]) == SIZE
        found = evict(on_disk)
        if found.verified:
            pytest.skip("this kernel evicts mapped pages too")
        assert found.cached > 0
        assert "in use" in found.how


@linux
def test_memory_can_not_be_evicted():
    if mount_of("/dev/shm").kind != "tmpfs" or not os.access("/dev/shm", os.W_OK):
        pytest.skip("no tmpfs here")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.write(bytes(SIZE))
        file.flush()
        found = evict(file.name)
    assert found.cached == SIZE
    assert not found.verified
    assert "tmpfs is memory" in found.how


@pytest.mark.parametrize("kind", ["zfs", "gpfs"])
def test_a_file_system_with_its_own_cache_is_unknown(file, kind):
    found = residency(file, mount=Mount("/", kind, "pool"))
    assert (found.size, found.cached, found.dirty) == (SIZE, None, None)
    assert found.how.startswith("unavailable here: ")
    assert not found.verified


def test_another_system_is_unknown_and_named(file, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    found = residency(file)
    assert found.cached is None
    assert "darwin" in found.how
    assert why_unknown(Mount("/", "apfs", "disk1")) is not None


def test_without_fadvise_nothing_is_claimed(file, monkeypatch):
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    assert not evict(file).verified


@linux
def test_no_way_at_all_names_each(file, monkeypatch):
    def refuse(descriptor):
        raise module.UnavailableError("refused")

    monkeypatch.setattr(module, "_cachestat", refuse)
    monkeypatch.setattr(module, "_mincore", refuse)
    monkeypatch.setattr(module, "mount_of", lambda path: Mount("/", "ext4", "/dev/vda"))
    assert residency(file).how == "unavailable here: refused; refused"


@linux
def test_someone_elses_file_is_not_judged_by_mincore(file, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    monkeypatch.setattr(os, "access", lambda *args, **kwargs: False)
    assert "own the file" in residency(file, mount=OVERLAY).how


@linux
def test_an_empty_file_is_not_in_memory(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    assert residency(path).cached == 0
    assert residency(path, mount=OVERLAY).cached == 0


def test_only_regular_files(tmp_path):
    with pytest.raises(OSError, match="not a regular file"):
        residency(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        evict(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        residency(tmp_path / "none")


@linux
def test_no_descriptor_is_left(file):
    def count():
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = count()
    for _ in range(5):
        residency(file)
        residency(file, mount=OVERLAY)
        evict(file)
    assert count() == before


@linux
@pytest.mark.root
def test_a_real_overlayfs_is_seen_and_evicted(tmp_path):
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    layers = "lowerdir=lower,upperdir=upper,workdir=work"
    script = (
        f"mount -t overlay overlay -o {layers} merged 2>/dev/null || exit 77\n"
        'head -c 1000000 /dev/zero > merged/file && exec "$0" -c \'\n'
        "from piotutor.capture import evict, residency\n"
        'print(residency("merged/file"))\n'
        'print(evict("merged/file"))\n'
        "'"
    )
    command = ["unshare", "-m", "sh", "-c", script, sys.executable]
    try:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    except OSError as error:
        pytest.skip(f"unshare: {error}")
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip("an overlayfs can't be mounted here")
    assert done.returncode == 0, done.stderr
    before, after = done.stdout.splitlines()
    assert "cached=1000000, dirty=None, how='mincore'" in before
    assert "cached=0, dirty=None, how='mincore'" in after
