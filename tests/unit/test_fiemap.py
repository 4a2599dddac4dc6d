"""Where files lie on their disk, so that a request tells whose bytes it moves."""

from __future__ import annotations

import os
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piotutor.capture import UnavailableError, fiemap
from piotutor.capture.fiemap import Addresses, Extent, Piece


@st.composite
def disks(draw):
    """Draw files, their blocks strewn over a small disk: for each block (file, block in it)."""
    blocks = draw(st.integers(1, 40))
    owner = draw(st.lists(st.integers(-1, 2), min_size=blocks, max_size=blocks))
    order = draw(st.permutations(range(blocks)))
    at: dict[int, list[int]] = {}
    for place in order:
        at.setdefault(owner[place], []).append(place)
    at.pop(-1, None)
    return blocks, at


def runs(places):
    """Return a file's extents, given the place of each of its blocks, neighbours joined or not."""
    found = []
    for block_, place in enumerate(places):
        last = found[-1] if found else Extent(0, -2, 0)
        if last.address + last.length == place and place % 3:
            found[-1] = last._replace(length=last.length + 1)
        else:
            found.append(Extent(block_, place, 1))
    return found


@given(disks(), st.data())
def test_a_request_finds_exactly_the_bytes_of_the_files(disk, data):
    blocks, at = disk
    addresses = Addresses([(file, runs(places)) for file, places in at.items()])
    start = data.draw(st.integers(0, blocks - 1))
    length = data.draw(st.integers(1, blocks - start))
    pieces = addresses.find(start, length)
    expected = {
        place: (file, block_)
        for file, places in at.items()
        for block_, place in enumerate(places)
        if start <= place < start + length
    }
    found = [
        (piece.address + i, (piece.file, piece.offset + i))
        for piece in pieces
        for i in range(piece.length)
    ]
    assert dict(found) == expected
    assert len(found) == len(expected)
    for one, after in pairwise(pieces):  # what goes on is one piece
        goes_on = (after.address - one.address, after.offset - one.offset, after.file)
        assert goes_on != (one.length, one.length, one.file)


def test_blocks_that_two_files_share_count_once():
    addresses = Addresses([(0, [Extent(0, 100, 50)]), (1, [Extent(0, 120, 50)])])
    pieces = addresses.find(90, 200)
    assert pieces == [Piece(0, 0, 100, 50), Piece(1, 30, 150, 20)]
    assert not addresses.find(0, 100)
    assert not addresses.find(170, 10)


def test_a_partition_begins_somewhere_on_its_disk(tmp_path):
    disk = tmp_path / "devices/sda"
    (disk / "sda2").mkdir(parents=True)
    (disk / "mq").mkdir()
    (disk / "dev").write_text("8:0\n")
    for name, text in (("dev", "8:2\n"), ("partition", "2\n"), ("start", "2048\n")):
        (disk / "sda2" / name).write_text(text)
    (tmp_path / "dm").mkdir()
    (tmp_path / "dm/dev").write_text("253:1\n")
    for number, home in (("8:0", disk), ("8:2", disk / "sda2"), ("253:1", tmp_path / "dm")):
        (tmp_path / number).symlink_to(home)
    assert fiemap._disk(os.makedev(8, 0), tmp_path) == ("8:0", 0, True)
    assert fiemap._disk(os.makedev(8, 2), tmp_path) == ("8:0", 1 << 20, True)
    assert fiemap._disk(os.makedev(253, 1), tmp_path) == ("253:1", 0, False)
    with pytest.raises(UnavailableError, match="which disk"):
        fiemap._disk(os.makedev(0, 45), tmp_path)


def lies(path):
    """Return where a file lies, or skip."""
    try:
        fiemap.disk_of(path)
        return fiemap.extents(path)
    except (UnavailableError, OSError) as why:
        pytest.skip(f"addresses can't be seen here: {why}")


def test_a_file_lies_somewhere(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        for at in (0, 5 << 20):
            file.seek(at)
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    found = lies(path)
    assert sum(extent.length for extent in found) == 2 << 20
    held = [False] * 6
    for extent in found:
        for at in range(extent.offset, extent.offset + extent.length, 4096):
            held[at >> 20] = True
    assert held == [True, False, False, False, False, True]


def test_what_has_no_address_yet_is_left_out(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    assert sum(extent.length for extent in lies(path)) <= 4096


def test_a_file_that_went_away_is_known_for_a_moment(tmp_path, monkeypatch):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(os.urandom(8192))
        file.flush()
        os.fsync(file.fileno())
    first, *_ = lies(path)
    disk = fiemap.disk_of(path)
    where = fiemap.Whereabouts([str(path), str(tmp_path / "none")], tmp_path / "no notes")
    where.refresh()
    piece = (0, first.offset, disk.start + first.address, first.length)
    asked = (disk.number, disk.start + first.address, first.length)
    now = time.monotonic_ns()
    assert where.find(*asked, now) == [piece]
    path.unlink()
    where.refresh()
    assert where.find(*asked, now) == [piece]
    assert where.find(*asked, time.monotonic_ns()) == []  # it was gone by then
    where.refresh()
    assert where.find(*asked, now) == [piece]
    monkeypatch.setattr(fiemap, "MOMENT", 0)
    where.refresh()
    assert where.find(*asked, now) == []
    assert where.find("no disk", 0, 1, now) == []


def test_where_a_file_lay_is_noted_before_it_is_removed(tmp_path):
    path, notes = tmp_path / "file", tmp_path / fiemap.NOTES
    where = fiemap.Whereabouts(["other", str(path)], notes)
    fiemap.note(tmp_path, str(path))  # nobody asked
    assert not notes.exists()
    notes.mkdir()
    with path.open("wb") as file:
        file.write(os.urandom(8192))
        file.flush()
        os.fsync(file.fileno())
    first, *_ = lies(path)
    done = time.monotonic_ns()
    fiemap.note(tmp_path, str(path))
    path.unlink()
    disk = fiemap.disk_of(tmp_path)
    asked = (disk.number, disk.start + first.address, first.length)
    where.refresh()
    assert where.find(*asked, done) == [(1, first.offset, *asked[1:])]
    where.refresh()
    assert where.find(*asked, done) == [(1, first.offset, *asked[1:])]
    assert where.find(*asked, time.monotonic_ns()) == []  # it was gone by then
