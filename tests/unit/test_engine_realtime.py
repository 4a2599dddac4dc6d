"""Real processes in an emulated world: who interleaves calls back; nobody waits for the dead."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from interposing import build, interposer

from piotutor.engine import Machine
from piotutor.engine.library import library_path
from piotutor.engine.shared import SharedWorld, why_not
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
    """Both write all the time, so each soon waits while the other one is granted its part."""
    found = []
    for offsets, stride in (((0, SIZE), 2 * SIZE), ((0, 4 * WRITES * SIZE), SIZE)):
        one = site(machine=MACHINE.replace(target_overhead=2e-3, dirty_limit=SIZE), stripe_count=1)
        pair = [
            one.start(rank, one.place / "data", offsets[rank], stride, SIZE, 4 * WRITES)
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
    moved = records[(records["op"] == Op.WRITE) | (records["op"] == Op.READ)]
    assert set(records["layer"]) == {Layer.SERVER}
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
