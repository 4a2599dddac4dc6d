"""The program beside emulated ranks: what it writes down at the end, whatever ranks did."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from types import SimpleNamespace

import pytest

from piotutor.engine import Machine, shared
from piotutor.engine.shared import KnownFile, SharedWorld, Told, why_not
from piotutor.errors import PiotutorError, UsageError
from piotutor.storage import parse
from piotutor.storage.emulating import MOST_PIECES, Emulation, notes
from piotutor.trace import Op

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


def test_a_map_has_no_end_of_pieces():
    """Of a file with terabytes of holes no map is made, and that is told; others are in it."""
    files = [KnownFile("/x/huge", 1 << 45), KnownFile("/x/small", 100), KnownFile("/x/none", 0)]
    made = object.__new__(Emulation)
    made.names, made.machine, made.count = ["/x/huge"], Machine(targets=4), 2
    made.plan = {"stripe_size": 1 << 20, "stripe_count": 2}
    made.world = SimpleNamespace(files=lambda: files)
    placed = made._map()["files"]
    assert [(each["name"], each["file"]) for each in placed] == [("/x/small", 1), ("/x/none", 2)]
    told = Told("", 1, 0, 0.0, 0.0, 0.0, 0, 0, 0)
    assert notes(told) == []
    (note,) = notes(told, (), 1)
    assert f"{MOST_PIECES:,}" in note


def test_no_room_for_what_is_shared_is_a_line(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shared.os, "posix_fallocate", full)
    with pytest.raises(PiotutorError, match=r"can't hold the \d+ MiB .*: No space left .*TMPDIR"):
        SharedWorld(tmp_path / "world", Machine(), stripe_size=1 << 20, stripe_count=1)


def test_what_is_too_large_to_share_is_refused(tmp_path):
    """Before ranks are started, with what it would take."""
    for name in ("environment", "job"):
        (tmp_path / f"{name}.json").write_text("{}")
    storage = parse("emulated:small-lustre:targets=100000000")
    with pytest.raises(UsageError, match=r"takes [\d.]+ GiB of shared memory, at most 4"):
        storage.service(tmp_path, [str(tmp_path / "data")], tmp_path)


def test_a_request_without_end_ends_the_emulation(tmp_path):
    """It is said why; nobody waits for it."""
    slow = Machine(target_write_bandwidth=1e-300)
    world = SharedWorld(tmp_path / "world", slow, stripe_size=1 << 20, stripe_count=1)
    found = world._engine
    name = str(tmp_path / "data").encode()
    ids = ctypes.c_uint64(1), ctypes.c_uint64(2), ctypes.c_int64(0)
    file = found.engine_file(world._shared, *ids, name)
    call = Arrival(time.monotonic_ns(), 0, 4096, 0, file, Op.WRITE)
    found.engine_call(world._shared, ctypes.byref(call))
    assert world.told().trouble == "a request would have taken more than 36 years"


class Arrival(ctypes.Structure):
    """What the interposer tells of a call."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("start", "offset", "length")),
        *((name, ctypes.c_int32) for name in ("rank", "file", "op")),
    )


def test_a_file_that_nobody_follows_is_counted(tmp_path):
    """Opened with a descriptor beyond those that are followed: it is as fast as here."""
    world = SharedWorld(tmp_path / "world", Machine(), stripe_size=1 << 20, stripe_count=1)
    call = Arrival(time.monotonic_ns(), 0, 0, 0, -1, Op.OPEN)
    world._engine.engine_call(world._shared, ctypes.byref(call))
    assert (world.told().calls, world.told().missed) == (0, 1)
    assert "1 calls or files weren't emulated" in notes(world.told())[0]
