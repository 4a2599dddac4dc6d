"""Real processes in an emulated world: who interleaves calls back; nobody waits for the dead."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from interposing import build, interposer

from piotutor.engine import Machine, shared
from piotutor.engine.library import engine, library_path
from piotutor.engine.shared import Passed, SharedWorld, why_not
from piotutor.storage.emulating import notes
from piotutor.trace import Layer, Op

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

MACHINE = Machine(
    clients=2,
    targets=2,
    latency=1e-4,
    target_write_bandwidth=1e9,
    target_read_bandwidth=1e9,
    target_overhead=1e-4,
    lock_time=1e-5,
    lock_protocol="extents",
)
SIZE, WRITES = 4096, 16


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build("turns", tmp_path_factory.mktemp("built"))


class Site:
    """An emulated machine, and processes on it."""

    def __init__(self, directory, program, machine=MACHINE, **plan):
        self.directory, self.program, self.started = directory, program, []
        directory.mkdir(exist_ok=True)
        self.place = directory / "place"
        self.place.mkdir()
        self.path = directory / "world"
        self.world = SharedWorld(self.path, machine, **{"stripe_size": 1 << 20} | plan)

    def start(self, rank, *words, **streams):
        env = {
            "LD_PRELOAD": interposer(),
            "PMI_RANK": str(rank),
            "PIOTUTOR_EMULATE_PREFIX": str(self.place),
            "PIOTUTOR_EMULATE_WORLD": str(self.path),
            "PIOTUTOR_EMULATE_LIBRARY": library_path(),
        }
        command = [self.program, *map(str, words)]
        self.started.append(subprocess.Popen(command, env=os.environ | env, **streams))
        return self.started[-1]

    def close(self):
        for process in self.started:
            process.kill()
            process.wait()
            for stream in filter(None, (process.stdin, process.stdout)):
                stream.close()


@pytest.fixture
def site(tmp_path, program):
    """Return a function that makes a site; its processes are ended after the test."""
    made = []

    def make(**options):
        made.append(Site(tmp_path / f"site{len(made)}", program, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def in_turn(site, offsets, stride, files=("data", "data")):
    """Let two processes write in turn, one write each."""
    pipes = subprocess.PIPE
    pair = [
        site.start(
            rank, site.place / files[rank], offsets[rank], stride, SIZE, WRITES, "turns",
            stdin=pipes, stdout=pipes, bufsize=0,
        )
        for rank in range(2)
    ]  # fmt: skip
    for _ in range(WRITES):
        for process in pair:
            process.stdin.write(b".")
            assert process.stdout.read(1) == b"."
    for process in pair:
        process.stdin.close()
        assert process.wait(60) == 0
    return site.world.told()


def test_two_who_interleave_call_back_at_every_turn(site):
    told = in_turn(site(stripe_count=1), (0, SIZE), 2 * SIZE)
    assert told.trouble == "" and told.missed == 0
    assert told.callbacks >= WRITES
    assert told.calls == 2 * (2 * WRITES + 2)  # and both open and close


def test_segments_settle_where_strides_go_on_changing_hands(site):
    """A lock is back later than its client's next request is made, so both wait all the time."""
    machine = MACHINE.replace(target_overhead=4e-3, dirty_limit=0, lock_return_time=2e-3)
    found = []
    for offsets, stride in (((0, SIZE), 2 * SIZE), ((0, 2 * WRITES * SIZE), SIZE)):
        one = site(machine=machine, stripe_count=1)
        pair = [
            one.start(rank, one.place / "data", offsets[rank], stride, SIZE, 2 * WRITES)
            for rank in range(2)
        ]
        assert [process.wait(60) for process in pair] == [0, 0]
        found.append(one.world.told().callbacks)
    assert 3 * found[1] < found[0]


def test_a_file_each_needs_no_callbacks(site):
    assert in_turn(site(stripe_count=1), (0, 0), SIZE, ("a", "b")).callbacks == 0


def test_an_object_each_needs_no_callbacks(site):
    one = site(stripe_count=2, stripe_size=SIZE)
    assert in_turn(one, (0, SIZE), 2 * SIZE).callbacks == 0


def test_one_client_needs_no_callbacks(site):
    one = site(stripe_count=1, ranks_per_client=2)
    assert in_turn(one, (0, SIZE), 2 * SIZE).callbacks == 0


def test_what_servers_did_is_recorded(site):
    one = site(stripe_count=2, stripe_size=SIZE)
    process = one.start(1, one.place / "data", 0, SIZE, SIZE, 4)
    assert process.wait(60) == 0
    records = one.world.collect(rest=True)
    assert set(records["layer"]) == {Layer.APP, Layer.SERVER}
    moves = records[(records["op"] == Op.WRITE) | (records["op"] == Op.READ)]
    for layer in (Layer.APP, Layer.SERVER):  # what ranks did, and servers for them
        moved = moves[moves["layer"] == layer]
        assert moved["op"].tolist() == [Op.WRITE] * 4 + [Op.READ] * 4
    assert moved["target"].tolist() == [0, 1, 0, 1] * 2
    assert set(moved["rank"]) == {1} == set(moved["client"])
    assert (moved["end"] > moved["start"]).all()
    assert one.world.files() == [(str(one.place / "data"), 4 * SIZE)]
    assert len(one.world.collect(rest=True)) == 0


def test_a_slower_machine_is_slower(site):
    spent = []
    for factor in (1, 50):
        machine = MACHINE.replace(target_overhead=MACHINE.target_overhead * factor)
        one = site(machine=machine, stripe_count=1)
        assert one.start(0, one.place / "data", 0, SIZE, SIZE, 4).wait(60) == 0
        told = one.world.told()
        assert told.spent >= told.emulated
        spent.append(told.emulated)
    assert 10 * spent[0] < spent[1]


def test_files_elsewhere_and_other_calls_are_left_alone(site, tmp_path):
    one = site(stripe_count=1)
    (tmp_path / "place2").mkdir()
    for where in (tmp_path / "data", one.place.with_name("place2")):
        where.mkdir(exist_ok=True)
        assert one.start(0, where / "data", 0, SIZE, SIZE, 4).wait(60) == 0
    assert one.world.told().calls == 0


def test_the_locks_of_the_dead_are_given_up(site):
    """One dies between two calls, holding the whole object; the other one goes on."""
    one, pipe = site(stripe_count=1), subprocess.PIPE
    words = (one.place / "data", 0, SIZE, SIZE, WRITES, "turns")
    dying = one.start(0, *words, stdin=pipe, stdout=pipe, bufsize=0)
    dying.stdin.write(b".")
    assert dying.stdout.read(1) == b"."
    dying.kill()
    dying.wait()
    assert one.start(1, one.place / "data", 0, SIZE, SIZE, WRITES).wait(60) == 0
    told = one.world.told()
    assert (told.trouble, told.missed) == ("", 0)
    assert told.callbacks == 1


def test_who_waits_beside_the_dead_goes_on(site, eventually):
    """Both wait for a slow server; the one that looks at the world for both is killed."""
    slow = MACHINE.replace(target_overhead=0.5, lock_protocol="none")
    one = site(machine=slow, stripe_count=1)
    pair = [one.start(rank, one.place / "data", rank * SIZE, SIZE, SIZE, 1) for rank in range(2)]
    eventually(lambda: one.world.told().calls >= 4)  # both have opened, and write
    pair[0].kill()
    assert pair[0].wait() < 0
    assert pair[1].wait(60) == 0
    assert one.world.told().trouble == ""


DIE = """
import ctypes, mmap, os, sys
memory = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 4096)
at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
assert ctypes.CDLL(None).pthread_mutex_lock(ctypes.c_void_p(at)) == 0
os._exit(9)
"""


def test_who_dies_with_the_lock_ends_the_emulation_only(site):
    one = site(stripe_count=1)
    assert subprocess.run([sys.executable, "-c", DIE, one.path]).returncode == 9
    assert one.start(0, one.place / "data", 0, SIZE, SIZE, WRITES).wait(60) == 0
    told = one.world.told()
    assert "died" in told.trouble
    assert told.calls == 0
    assert (one.place / "data").stat().st_size == WRITES * SIZE
    assert len(one.world.collect(rest=True)) == 0


def test_more_files_than_there_is_room_for_are_counted(site):
    one = site(machine=MACHINE.replace(targets=1 << 15), stripe_count=1 << 14)
    for name in ("a", "b"):
        assert one.start(0, one.place / name, 0, SIZE, SIZE, 1).wait(60) == 0
    assert [file.name for file in one.world.files()] == [str(one.place / "a")]
    assert one.world.told().missed == 1


@pytest.fixture(scope="module")
def everyday(tmp_path_factory):
    return build("everyday", tmp_path_factory.mktemp("built"))


NAMES = MACHINE.replace(open_time=1e-3, create_time=2e-3, stat_time=4e-3, remove_time=8e-3)


def daily(site, everyday, what, machine=MACHINE, given=b""):
    """Run `everyday`; return the site, what writes and reads reached the servers, and times."""
    one = site(machine=machine, stripe_count=1)
    one.program = everyday
    if given:
        (one.place / "a").write_bytes(given)
    code = one.start(0, what, one.place / "a", one.place / "b").wait(60)
    if code == 77:
        pytest.skip("no inode is used again in this file system")
    assert code == 0
    records, told = one.world.collect(rest=True), one.world.told()
    assert (told.trouble, told.missed) == ("", 0)
    served = records[records["layer"] == Layer.SERVER]
    moved = [served[served["op"] == op] for op in (Op.WRITE, Op.READ)]
    return one, *([(int(o), int(n)) for o, n in zip(part["offset"], part["length"], strict=True)]
                  for part in moved), told  # fmt: skip


def test_streams_wait_for_what_libc_moves(site, everyday):
    """Large pieces as they are, small ones by the buffer, and what is left when it is closed."""
    _, written, read, _ = daily(site, everyday, "streams")
    piece, rest = 65536, [size for _, size in written[3:-2]]
    assert written[:3] == [(i * piece, piece) for i in range(3)]
    assert sum(rest) == piece // 2 and len(rest) < 100  # not word by word
    assert written[-2:] == [(0, 1), (3 * piece + piece // 2, piece // 2)]
    assert sum(size for _, size in read) == 4 * piece


def test_a_file_that_is_there_is_read_ahead_to_its_end(site, everyday):
    """Read in pieces of 4 KiB: after the second, whole requests, and nothing twice."""
    piece = 1 << 16
    machine = MACHINE.replace(rpc_size=piece, cache_size=16 * piece, read_ahead=4 * piece)
    _, _, read, _ = daily(site, everyday, "reads", machine, bytes(9 * piece + 5000))
    whole = [(i * piece, piece) for i in range(1, 9)]
    assert read == [(0, 4096), (4096, 4096), (8192, piece - 8192), *whole, (9 * piece, 5000)]


def test_copies_read_the_one_and_write_the_other(site, everyday):
    one, written, read, told = daily(site, everyday, "copies")
    assert read == [(65536, 65536), (0, 131072)]
    assert written[4:] == [(0, 65536), (65536, 131072)]
    assert [file.size for file in one.world.files()] == [4 * 65536, 3 * 65536]
    assert told.calls == 2 + 4 + 4 + 2


def test_names_are_asked_of_the_metadata_server(site, everyday):
    """Two creates, three looks, two cuts, one renamed and removed; fstat costs nothing."""
    _, written, _, told = daily(site, everyday, "names", NAMES)
    meta = 3 * 2e-3 + 3 * 4e-3 + 2 * 1e-3 + 8e-3 + (3 + 3 + 2 + 1) * 2 * MACHINE.latency
    _, _, _, free = daily(site, everyday, "names")
    assert len(written) == 4
    assert told.calls == 3 + 3 + 2 + 1 + 4 + 2
    assert told.emulated - free.emulated == pytest.approx(meta - 18 * MACHINE.latency, abs=1e-6)


def test_a_file_made_anew_is_another_file(site, everyday):
    """Its inode is that of the removed one, whose locks it doesn't find."""
    one, _, _, told = daily(site, everyday, "anew")
    files = one.world.files()
    assert len(files) >= 2 and {file.name for file in files} == {str(one.place / "a")}
    assert told.grants == len(files)


def test_a_renamed_file_keeps_its_locks_and_its_victim_is_forgotten(site, everyday):
    """Three files are made at a turn, of which the last has the inode of the first in the end."""
    one, _, _, told = daily(site, everyday, "renames")
    files, turns = one.world.files(), (told.calls - 10) // 21
    assert told.calls == 10 + 21 * turns + 19
    assert len(files) == told.grants == 1 + 3 * (turns + 1)
    assert [Path(file.name).name for file in files] == ["b"] + ["b", "b", "a"] * (turns + 1)


def test_files_that_change_names_are_both_still_there(site, everyday):
    one, _, _, told = daily(site, everyday, "exchanges")
    assert len(one.world.files()) == told.grants == 2
    assert told.calls == 2 * (1 + 4) + 1 + 1 + 1 + 2


def test_mappings_are_told(site, everyday):
    one, written, read, _ = daily(site, everyday, "maps")
    assert one.world.passed() == [Passed(str(one.place / "a"), 2, 0)]
    assert (len(written), read) == (4, [])
    assert notes(one.world.told(), one.world.passed())[0].startswith("the program mapped a: ")


def test_asynchronous_calls_end_when_the_servers_are_done(site, everyday):
    """One after the other, as libc serves them; those whose end a signal tells are libc's."""
    slow = MACHINE.replace(target_overhead=0.05, target_channels=8)
    one, written, read, _ = daily(site, everyday, "async", slow)
    first = len(written) - 6
    places = [*range(first), 1, 1, 0, 1, 2, 3]
    assert 1 <= first < 8  # the others were cancelled
    assert written == [(place * 65536, 65536) for place in places]
    assert read == [(0, 65536)] * 2
    assert one.world.passed() == [Passed(str(one.place / "a"), 0, 3)]
    assert notes(one.world.told(), one.world.passed())[0].endswith("tell of their end: 3")
    assert (one.place / "b").stat().st_size == 4 * 65536


class Arrival(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int64) for name in ("start", "offset", "length")) + tuple(
        (name, ctypes.c_int32) for name in ("rank", "file", "op")
    )


def made_at_once(site, *paths):
    """Let two threads make a file each at one moment; return how long that took in all."""
    machine = MACHINE.replace(create_time=0.3, metadata_threads=2, directory_share=1.0)
    world = site(machine=machine, stripe_count=1).world
    made, number = engine(), ctypes.c_uint64
    threads, now = [], time.monotonic_ns()
    for rank, path in enumerate(paths):
        where = number(1), number(rank + 1), ctypes.c_int64(0), path.encode()
        file = made.engine_file(world._shared, *where)
        arrival = Arrival(now, 0, 0, rank, file, Op.CREATE)
        call = partial(made.engine_call, world._shared, ctypes.byref(arrival))
        threads.append(threading.Thread(target=call))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return world.told().emulated


def test_makers_of_one_directory_wait_for_each_other(site):
    """Two who begin together take one and two times as long there, and one each in their own."""
    assert made_at_once(site, "/place/a", "/place/b") > 2.5 * 0.3
    assert made_at_once(site, "/place/one/a", "/place/other/a") < 2.5 * 0.3


def test_too_much_at_once_ends_the_emulation_only(site, monkeypatch):
    """One write of a thousand requests, and room for a hundred: it says so, and all is written."""
    monkeypatch.setattr(shared, "_ROOM", 100)
    one = site(machine=MACHINE.replace(rpc_size=SIZE), stripe_count=1)
    assert one.start(0, one.place / "data", 0, SIZE, 1000 * SIZE, 1).wait(60) == 0
    assert "more requests" in one.world.told().trouble
    assert (one.place / "data").stat().st_size == 1000 * SIZE
    assert one.start(1, one.place / "data", 0, SIZE, SIZE, 4).wait(60) == 0


def test_more_ranks_than_clients(site):
    """More ranks than clients, all at once, on one file: each verifies what it wrote."""
    one = site(stripe_count=2, stripe_size=SIZE)
    ranks = [
        one.start(rank, one.place / "data", rank * SIZE, 8 * SIZE, SIZE, 8) for rank in range(8)
    ]
    assert [process.wait(60) for process in ranks] == [0] * 8
    told = one.world.told()
    assert (told.trouble, told.missed) == ("", 0)
    assert told.calls == 8 * (2 * 8 + 2)
