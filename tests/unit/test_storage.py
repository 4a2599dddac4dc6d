"""Data files: made apart, handed over in the end, and nothing of anyone else's touched."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest

from piotutor import storage
from piotutor.errors import UsageError
from piotutor.storage import datafiles
from piotutor.storage.datafiles import DataFiles

REGISTRIES = ["attribute", "registry"]


@pytest.fixture(params=REGISTRIES)
def registry(request, tmp_path, monkeypatch):
    """Return the directory of marks, once with attributes and once without."""
    if request.param == "registry":

        def unsupported(*_):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(os, "setxattr", unsupported, raising=False)
        monkeypatch.setattr(os, "getxattr", unsupported, raising=False)
    return tmp_path / "owned"


@pytest.fixture
def reserve(registry):
    """Return a function that reserves a file's name for a run."""
    runs = iter(range(100))

    def make(path, count=1, keep=True):
        run = f"run{next(runs)}"
        return datafiles.reserve(path, count, keep=keep, run=run, registry=registry)

    return make


def write(plan, data=b"new"):
    for file in plan.files:
        Path(file).write_bytes(data)


def names(directory):
    return sorted(path.name for path in directory.iterdir() if path.name != "owned")


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    return path


def test_kept(reserve, registry, place):
    plan = reserve(place / "f")
    assert (place / "f").read_bytes() == b""
    write(plan)
    plan.release(done=True)
    plan.release(done=True)
    assert names(place) == ["f"]
    assert (place / "f").read_bytes() == b"new"
    assert datafiles.owned(place / "f", registry) == "run0"


@pytest.mark.parametrize(("keep", "done"), [(False, True), (False, False), (True, False)])
def test_removed(reserve, place, keep, done):
    plan = reserve(place / "f", keep=keep)
    write(plan)
    plan.release(done=done)
    plan.release(done=done)
    assert names(place) == []


def test_a_file_for_each_process(reserve, place):
    plan = reserve(place / "f", count=3)
    assert [Path(file).name for file in plan.files] == [f"f.0000000{i}" for i in range(3)]
    write(plan)
    plan.release(done=True)
    assert names(place) == [f"f.0000000{i}" for i in range(3)]


def test_plan_survives_its_file(reserve, place):
    plan = reserve(place / "f", count=2)
    assert DataFiles.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    plan.release(done=False)


def test_our_own_file_is_replaced_only_in_the_end(reserve, place):
    first = reserve(place / "f")
    write(first, b"old")
    first.release(done=True)
    for keep, done in ((True, False), (False, True)):
        again = reserve(place / "f", keep=keep)
        write(again)
        again.release(done=done)
        assert (place / "f").read_bytes() == b"old"
    again = reserve(place / "f")
    write(again)
    again.release(done=True)
    assert (place / "f").read_bytes() == b"new"
    assert names(place) == ["f"]


def test_what_the_user_made_is_never_written(reserve, place):
    (place / "f").write_text("thesis")
    with pytest.raises(UsageError, match="exists and was not made by piotutor"):
        reserve(place / "f")
    assert (place / "f").read_text() == "thesis"
    assert names(place) == ["f"]


def test_one_taken_name_of_many(reserve, place):
    (place / "f.00000002").write_text("thesis")
    with pytest.raises(UsageError, match=r"f\.00000002 exists"):
        reserve(place / "f", count=4)
    assert names(place) == ["f.00000002"]


def test_what_the_user_changed_is_the_users(reserve, registry, place):
    plan = reserve(place / "f")
    write(plan)
    plan.release(done=True)
    (place / "f").write_text("thesis")
    assert datafiles.owned(place / "f", registry) is None
    with pytest.raises(UsageError, match="not made by piotutor"):
        reserve(place / "f")


def test_what_the_user_put_in_our_place_stays(reserve, place):
    """Between reservation and end someone replaced the empty file."""
    for done in (True, False):
        plan = reserve(place / "f")
        write(plan)
        (place / "mine").write_text("thesis")
        (place / "mine").replace(place / "f")
        plan.release(done=done)
        assert (place / "f").read_text() == "thesis"
        assert names(place) == ["f"]
        (place / "f").unlink()


@pytest.mark.parametrize("links", [True, False])
def test_reservations_of_a_run_that_died(reserve, place, monkeypatch, links):
    """Without links an empty file stays: better than to remove someone's."""

    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    (place / "g").write_text("thesis")
    plan = reserve(place / "f", count=2)
    datafiles.abandon(Path(plan.private))
    assert names(place) == (["g"] if links else ["f.00000000", "f.00000001", "g"])


def test_two_runs_want_one_name(reserve, place):
    first = reserve(place / "f")
    with pytest.raises(UsageError, match="exists"):
        reserve(place / "f")
    write(first)
    first.release(done=True)
    assert names(place) == ["f"]


def test_not_a_file(reserve, place):
    (place / "directory").mkdir()
    (place / "link").symlink_to("nowhere")
    (place / "good").write_text("thesis")
    (place / "link2").symlink_to("good")
    os.mkfifo(place / "pipe")
    before = names(place)
    for name, what in (
        ("directory", "a directory"),
        ("link", "a link"),
        ("link2", "a link"),
        ("pipe", "a device or a pipe"),
    ):
        with pytest.raises(UsageError, match=f"{name} is {what}"):
            reserve(place / name)
    with pytest.raises(UsageError, match="/dev/null is a device"):
        reserve(Path("/dev/null"))
    assert names(place) == before


def test_below_a_file(reserve, place):
    (place / "f").write_text("thesis")
    with pytest.raises(UsageError, match="Not a directory"):
        reserve(place / "f" / "g")


def test_a_name_that_is_too_long(reserve, place):
    with pytest.raises(UsageError, match="too long"):
        reserve(place / ("f" * 300))
    assert names(place) == []


def test_others_file(reserve, place, monkeypatch):
    plan = reserve(place / "f")
    write(plan)
    plan.release(done=True)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(UsageError, match="belongs to another user"):
        reserve(place / "f")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written(reserve, place):
    place.chmod(0o500)
    with pytest.raises(UsageError, match="Permission denied"):
        reserve(place / "f")
    place.chmod(0o700)


def test_no_space_for_the_name(reserve, place, monkeypatch):
    real = os.open

    def full(path, flags, *arguments, **more):
        if flags & os.O_EXCL:
            raise OSError(28, "No space left on device")
        return real(path, flags, *arguments, **more)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(UsageError, match="f can't be made: No space left"):
        reserve(place / "f")
    assert names(place) == []


def test_reading_what_is_there(place):
    (place / "f").write_bytes(bytes(100))
    (place / "link").symlink_to("f")
    for name in ("f", "link"):
        source = datafiles.existing(place / name, [100])
        assert (source.files, source.private) == ((str(place / name),), None)
        source.release(done=False)
        source.release(done=True)
    assert names(place) == ["f", "link"]


def test_reading_what_can_not_be_read(place):
    (place / "short").write_bytes(bytes(99))
    (place / "dangling").symlink_to("nowhere")
    for name, problem in (
        ("missing", "missing can't be read: No such file.*write it first"),
        ("dangling", "can't be read: No such file"),
        ("short", "holds 99 bytes, the reads need 100"),
        (".", "is a directory"),
        ("short/f", "can't be read: Not a directory"),
    ):
        with pytest.raises(UsageError, match=problem):
            datafiles.existing(place / name, [100])


def test_scratch(tmp_path):
    for keep, done, left in ((False, True, False), (True, False, False), (True, True, True)):
        plan = datafiles.in_scratch(tmp_path / "run", 2, keep=keep)
        assert Path(plan.private).stat().st_mode & 0o777 == 0o700
        write(plan)
        plan.release(done=done)
        assert (tmp_path / "run").exists() == left
    with pytest.raises(UsageError, match="File exists"):
        datafiles.in_scratch(tmp_path / "run", 1, keep=False)
    with pytest.raises(UsageError, match="No such file"):
        datafiles.in_scratch(tmp_path / "no" / "run", 1, keep=False)


@pytest.mark.parametrize("note", ["", "{", "[]", "3", "null", '"x"'])
def test_a_damaged_mark_is_no_mark(registry, place, note):
    (place / "f").write_text("thesis")
    datafiles.mark(place / "f", registry, "run")
    for entry in registry.glob("*"):
        entry.write_text(note)
    with contextlib.suppress(OSError, AttributeError):
        os.setxattr(place / "f", datafiles.ATTRIBUTE, note.encode())
    assert datafiles.owned(place / "f", registry) is None


def test_what_a_path_is_made_of(tmp_path):
    home = storage.at(tmp_path)
    assert home.path == tmp_path
    assert home.kind
    assert (dict(home.env), list(home.argv_prefix), home.layout()) == ({}, [], None)
    assert set(home.counters()) <= {"written", "read"}
