"""A Ceph of one's own, without one: options, configuration, where its parts are, room, counting."""

from __future__ import annotations

import configparser
import json
import os
import socket
import struct
import threading
from types import SimpleNamespace

import pytest

from piotutor import storage
from piotutor.errors import UsageError
from piotutor.storage.ceph import Ceph, binaries, client, cluster, room, sockets
from piotutor.storage.ceph.binaries import LIBRARIES, PROGRAMS
from piotutor.storage.ceph.config import Config
from piotutor.storage.ceph.counting import Counting, Counts, differences
from piotutor.storage.ceph.files import Files, Layout
from piotutor.storage.ceph.monitor import CephError
from piotutor.storage.ceph.reach import Reach, _is_dead
from piotutor.storage.ceph.standing import Standing
from piotutor.trace import Trace
from piotutor.trace.record import Layer, Op

MIB = 1 << 20

# ---------------------------------------------------------------------------------- options


def test_what_is_not_given_follows_from_the_rest():
    usual = storage.parse("ceph:osds=3")
    assert usual.sizes == (64 * 1024, 3, 256 * MIB)
    assert usual.objectstore == "memstore"
    assert storage.parse("ceph:pool=ec").objectstore == "bluestore"
    assert storage.parse("ceph:stripe_unit=192k").sizes[2] % (192 * 1024) == 0
    part = usual.layout()["components"][0]
    assert (part["stripe_size"], part["stripe_count"]) == (64 * 1024, 3)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("osds=0", "osds=0: give a whole number, at least 1"),
        ("osds=17", "at most 16"),
        ("stripe_unit=3k", "multiple of 64 KiB"),
        ("object_size=100k", "object_size=100 KiB"),
        ("object_size=2g", "at most 1 GiB"),
        ("store=filestore", "choose memstore or bluestore"),
        ("pool=ec,osds=3", "needs 4 OSDs, there are 3"),
        ("pool=ec,store=memstore", "use store=bluestore"),
        ("ec=31", "such as 3\\+1"),
        ("chunk=1k", "multiple of 4 KiB"),
    ],
)
def test_options_that_cannot_be(spec, message):
    with pytest.raises(UsageError, match=message):
        storage.parse(f"ceph:{spec}")


def test_the_service_is_told_everything(tmp_path, here):
    asked = Ceph(osds=3, stripe_unit="128k", path=tmp_path / "data")
    words = asked.service(tmp_path, [str(tmp_path / "data/f")], tmp_path / "tmp")
    assert words[-1] == str(tmp_path / "storage.json")
    told = json.loads((tmp_path / "storage.json").read_text())
    assert Ceph(**told["storage"]) == Ceph(osds=3, stripe_unit="128k", path=str(tmp_path / "data"))
    assert told["files"] == [str(tmp_path / "data/f")]
    assert told["place"] == str(tmp_path / "tmp/ceph")


def test_a_path_too_long_for_sockets(tmp_path, here):
    with pytest.raises(UsageError, match="set TMPDIR to a shorter one"):
        Ceph().service(tmp_path, [], tmp_path / ("x" * 100))


def test_one_that_stands_changes_its_layout_only(tmp_path, here):
    stands = Standing(osds=4, home=tmp_path)
    assert stands.replace(stripe_count=2).sizes[1] == 2
    with pytest.raises(UsageError, match="osds is settled"):
        stands.replace(osds=5)
    with pytest.raises(UsageError, match="multiple of 64 KiB"):
        stands.replace(stripe_unit=100)
    with pytest.raises(UsageError, match="was stopped"):
        stands.need()
    words = stands.service(tmp_path, [], tmp_path / "tmp")
    assert words[-1] == str(tmp_path / "storage.json")
    assert json.loads((tmp_path / "storage.json").read_text())["home"] == str(tmp_path)


# ---------------------------------------------------------------------------- configuration


def read(text):
    found = configparser.ConfigParser(interpolation=None)
    found.read_string(text)
    return found


def test_the_configuration_names_everything_below_its_directory(tmp_path):
    conf = read(Config(tmp_path, 4, 6790, monitor="127.0.3.1").text())
    assert conf["global"]["mon_host"] == "v1:127.0.3.1:6790"
    assert conf["global"]["public_addr"] == "127.0.3.1"
    for section in conf.values():
        paths = [value for value in section.values() if value.startswith("/")]
        assert all(path.startswith(str(tmp_path)) for path in paths)
    assert conf["global"]["admin_socket"] == f"{tmp_path}/$name.asok"


def test_osds_may_have_addresses_and_other_plugins(tmp_path):
    config = Config(tmp_path, 2, 6790, addresses={1: "127.0.1.2"}, plugins={"plugin_dir": "/x"})
    conf = read(config.text())
    assert dict(conf["osd.1"]) == {"public_addr": "127.0.1.2", "cluster_addr": "127.0.1.2"}
    assert "osd.0" not in conf
    assert conf["global"]["plugin_dir"] == "/x"
    assert config.metadata == 2


def test_an_osd_has_room_for_all_files(tmp_path):
    conf = read(Config(tmp_path, 2, memory=MIB, store="bluestore").text())
    assert conf["osd"]["osd_objectstore"] == "bluestore"
    assert int(conf["osd"]["memstore_device_bytes"]) > MIB
    assert int(conf["osd"]["bluestore_block_size"]) > MIB


# ------------------------------------------------------------------------------- its parts


@pytest.fixture
def here(monkeypatch):
    """Pretend that Ceph is installed."""
    everything = binaries.Binaries(dict.fromkeys(PROGRAMS, "/x"), dict.fromkeys(LIBRARIES, "y"))
    monkeypatch.setattr(binaries, "find", lambda: everything)


@pytest.fixture
def unpacked(tmp_path):
    """Make what an unpacked Ceph looks like."""
    libraries = tmp_path / "usr/lib/machine"
    for folder in ("usr/bin", "usr/lib/machine/ceph/erasure-code", "usr/lib/machine/rados-classes"):
        (tmp_path / folder).mkdir(parents=True)
    for name in PROGRAMS:
        (tmp_path / "usr/bin" / name).touch(mode=0o700)
    for name in (*LIBRARIES, "ceph/libceph-common.so.2", "rados-classes/libcls_cephfs.so.1"):
        (libraries / name).touch()
    return tmp_path


def test_unpacked_ones_are_named(unpacked, monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/before")
    found = binaries.find({"PIOTUTOR_CEPH": str(unpacked)})
    libraries = unpacked / "usr/lib/machine"
    assert found.libraries["librados.so.2"] == str(libraries / "librados.so.2")
    assert found.env == {"LD_LIBRARY_PATH": f"{libraries}:{libraries}/ceph:/before"}
    assert found.plugins() == {
        "erasure_code_dir": f"{libraries}/ceph/erasure-code",
        "osd_class_dir": f"{libraries}/rados-classes",
        "plugin_dir": f"{libraries}/ceph",
    }


def test_the_systems_need_nothing_special(tmp_path, monkeypatch):
    for name in PROGRAMS:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.setattr(binaries, "_loadable", lambda name: True)
    found = binaries.find({})
    assert found.programs["ceph-osd"] == str(tmp_path / "ceph-osd")
    assert (found.env, found.plugins(), found.where) == ({}, {}, str(tmp_path))
    monkeypatch.setattr(binaries, "_loadable", lambda name: name != "libcephfs.so.2")
    with pytest.raises(UsageError, match=r"libcephfs.so.2 is missing.*sh setup.sh ceph"):
        binaries.find({})


def test_where_something_is_missing_it_is_said(unpacked, tmp_path, monkeypatch):
    (unpacked / "usr/bin/ceph-mds").unlink()
    with pytest.raises(UsageError, match="ceph-mds is missing"):
        binaries.find({"PIOTUTOR_CEPH": str(unpacked)})
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(UsageError, match="ceph-mon is missing"):
        binaries.find({})


# ------------------------------------------------------------------------------------ room


def machine(root, available, limit=None, used=0, cache=0):
    (root / "proc").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {available // 1024} kB\n")
    if limit is not None:
        group = root / "sys/fs/cgroup"
        group.mkdir(parents=True)
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text(f"{used}\n")
        (group / "memory.stat").write_text(f"anon 1\ninactive_file {cache}\n")
    return room.memory_free(root)


def test_memory_is_what_machine_and_container_leave(tmp_path):
    assert machine(tmp_path / "a", 8 * MIB) == 8 * MIB
    assert machine(tmp_path / "b", 8 * MIB, "max") == 8 * MIB
    assert machine(tmp_path / "c", 8 * MIB, 5 * MIB, 2 * MIB) == 3 * MIB
    assert machine(tmp_path / "d", 8 * MIB, 5 * MIB, 4 * MIB, cache=2 * MIB) == 3 * MIB
    assert machine(tmp_path / "e", 8 * MIB, 5 * MIB, 6 * MIB) == 0


def test_a_ceph_that_has_no_room_is_refused(monkeypatch, here):
    monkeypatch.setattr(room, "memory_free", lambda: 200 * MIB)
    with pytest.raises(UsageError, match=r"4 OSDs takes .* MiB of memory, 200 MiB are free"):
        Ceph(osds=4).need()
    Ceph(osds=1).need()
    assert Ceph(osds=4).capacity == 0
    monkeypatch.setattr(room, "memory_free", lambda: 1000 * MIB)
    assert Ceph(osds=4, memory="16m").capacity == 16 * MIB
    assert 0 < Ceph(osds=4).capacity < 1000 * MIB


# --------------------------------------------------------------------------- admin sockets


def daemon(path, *answers):
    """Answer as a daemon does: a length, and so many bytes; then hang up."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    asked = []

    def serve():
        with listening:
            for answer in answers:
                line, _ = listening.accept()
                with line:
                    asked.append(json.loads(line.recv(4096).rstrip(b"\0")))
                    line.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return asked


def framed(answer):
    return struct.pack(">I", len(answer)) + answer


def test_a_daemon_is_asked_through_its_socket(tmp_path):
    asked = daemon(tmp_path / "osd.0.asok", framed(b'{"osd": {"op_w": 3}}'), framed(b""))
    reach = Reach(tmp_path, 1, None)
    assert reach.counters("osd.0", "osd") == {"op_w": 3}
    assert reach.ask("osd.0", "flush") is None
    assert asked[0] == {"prefix": "perf dump", "format": "json", "logger": "osd"}


@pytest.mark.parametrize("answer", [b"", b"\0\0", struct.pack(">I", 9) + b"{}", framed(b"no")])
def test_a_daemon_that_answers_nonsense(tmp_path, answer):
    daemon(tmp_path / "mds.a.asok", answer)
    with pytest.raises(CephError, match=r"mds.a gave no answer to status"):
        sockets.ask(tmp_path / "mds.a.asok", "status")


def test_a_daemon_that_is_not_there(tmp_path):
    with pytest.raises(CephError, match=r"osd.7 gave no answer"):
        Reach(tmp_path, 8, None).counters("osd.7")


def test_sessions_of_the_dead():
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    told = [{"client_metadata": {"pid": str(pid)}} for pid in (dead, os.getpid())]
    assert [_is_dead(session) for session in (*told, {}, {"client_metadata": {}})] == [
        True,
        False,
        False,
        False,
    ]


# -------------------------------------------------------------------------------- counting


class Counters:
    """OSDs whose counters are moved by hand."""

    def __init__(self, osds):
        self.osds = osds
        self.now = [self.of() for _ in range(osds)]

    def of(self, **more):
        names = ("op_w", "op_w_in_bytes", "op_r", "op_r_out_bytes")
        osd = dict.fromkeys(names, 0) | {"op_latency": {"sum": 0.0}}
        stored = ("big", "small", "big_bytes", "small_bytes")
        store = dict.fromkeys((f"bluestore_write_{name}" for name in stored), 0)
        return {"osd": osd | more, "bluestore": store}

    def counters(self, name, section):
        return self.now[int(name.removeprefix("osd."))][section]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("piotutor.storage.ceph.counting.QUIET", 0.001)


def test_records_hold_what_was_added_since_the_beginning(tmp_path, quick):
    osds = Counters(2)
    osds.now[1] = osds.of(op_w=5, op_w_in_bytes=50)
    counting = Counting(osds, tmp_path / "servers.piot")
    osds.now[1] = osds.of(
        op_w=7, op_w_in_bytes=70, op_r=3, op_r_out_bytes=30, op_latency={"sum": 0.25}
    )
    counting.finish()
    trace = Trace.load(tmp_path / "servers.piot")
    names = ("layer", "op", "target", "length", "result", "aux", "offset")
    records = list(zip(*(column.tolist() for column in trace.columns(*names)), strict=True))
    sample = (Layer.SERVER, Op.SAMPLE)
    assert records[:2] == [(*sample, 0, 0, 0, 0, 0), (*sample, 1, 0, 0, 0, 0)]
    assert records[-2:] == [
        (*sample, 0, 0, 0, 0, 0),
        (*sample, 1, 20, 30, 2 | 3 << 32, 250_000_000),
    ]


def test_coded_data_is_counted_where_it_is_stored():
    counters = Counters(1).of(op_w=1, op_w_in_bytes=48, op_r=2, op_r_out_bytes=9)
    counters["bluestore"] |= {"bluestore_write_big": 2, "bluestore_write_big_bytes": 16}
    counters["bluestore"] |= {"bluestore_write_small": 1, "bluestore_write_small_bytes": 4}
    assert Counts.of(counters["osd"]) == Counts(1, 48, 2, 9, 0)
    assert Counts.of(counters["osd"], counters["bluestore"]) == Counts(3, 20, 2, 9, 0)


def test_of_coded_data_time_is_unknown_since_one_osd_only_counts_it(tmp_path, quick):
    osds = Counters(1)
    osds.now[0]["bluestore"] |= {
        f"bluestore_write_{size}": 1 for size in ("big", "small", "big_bytes", "small_bytes")
    }
    Counting(osds, tmp_path / "servers.piot", coded=True).finish()
    assert set(Trace.load(tmp_path / "servers.piot").column("offset").tolist()) == {-1}


def test_an_osd_that_dies_leaves_whole_records(tmp_path, eventually, monkeypatch):
    monkeypatch.setattr("piotutor.storage.ceph.counting.PERIOD", 0.001)
    osds = Counters(1)
    counting = Counting(osds, tmp_path / "servers.piot")

    def dead(name, section):
        raise CephError("it died")

    osds.counters = dead
    eventually(lambda: not counting._thread.is_alive())
    assert len(Trace.load(tmp_path / "servers.piot")) >= 1


def test_what_rose():
    before = {"mds": {"request": 1, "reply": 1, "load": 0.5}, "objecter": {"op": 1}}
    after = {"mds": {"request": 4, "reply": 1, "load": 0.7, "new": 2}, "objecter": {"op": 9}}
    assert differences(before, after) == {"mds": {"request": 3, "new": 2}}


# --------------------------------------------------------------------------- a run's files


class Drawn:
    """A file system that draws the servers of each new file from a list."""

    def __init__(self, *draws):
        self.draws, self.osds, self.names_of = list(draws), {}, {}
        self.made = []

    def make_directory(self, path):
        self.names_of[path] = []

    def set_attribute(self, path, name, value):
        self.layout = value

    def make_file(self, path):
        self.osds[path] = self.draws.pop(0) if self.draws else [0, 0]
        self.made.append(path)

    def rename(self, path, name):
        self.osds[name] = self.osds.pop(path)

    def link(self, path, name):
        self.osds[name] = self.osds[path]
        self.names_of[name.rpartition("/")[0]].append(name.rpartition("/")[2])

    def names(self, path):
        return self.names_of[path]

    def size(self, path):
        if path not in self.osds:
            raise CephError(path)
        return 12

    def extents(self, path, size):
        return [(6 * i, 6, [osd, 9]) for i, osd in enumerate(self.osds[path])]


def made(system, names, count=2, osds=4, repetitions=1):
    files = Files(system, "run", Layout(6, count, 12, "data"), osds)
    files.make(names, repetitions)
    return files


def test_a_file_is_drawn_until_its_servers_differ_and_begin_in_turn():
    system = Drawn([1, 0], [0, 0], [0, 3], [0, 1], [2, 1])
    files = made(system, ["a", "b"])
    assert system.layout == "stripe_unit=6 stripe_count=2 object_size=12 pool=data"
    assert system.osds["/run/a"] == [0, 3]
    assert system.osds["/run/b"] == [2, 1]
    assert files.notes == []
    found = files.map()["files"]
    assert [each["name"] for each in found] == ["a", "b"]
    assert found[0]["extents"] == [(0, 6, 0), (6, 6, 3)]
    assert found[0]["layout"]["stripe_count"] == 2


def test_a_draw_without_luck_is_noted(monkeypatch):
    monkeypatch.setattr("piotutor.storage.ceph.files.TRIES", 5)
    files = made(Drawn(), ["a"])
    assert files.notes == ["a: some of its objects share a server"]
    assert len(files.client.made) == 5
    assert "/run/a" in files.client.osds
    later = made(Drawn([0, 1], *[[0, 2]] * 5), ["a"], repetitions=2)
    assert later.notes == []
    assert later.client.osds["/run/.next/a.1"] == [0, 2]


def test_files_of_later_repetitions_lie_ready():
    files = made(Drawn([0, 1], [0, 2], [0, 1], [2, 3], [0, 1]), ["a"], repetitions=3)
    assert files.client.names("/run/.next") == ["a.1", "a.2"]
    assert {tuple(files.client.osds[f"/run/.next/a.{k}"]) for k in (1, 2)} == {(0, 1)}
    assert [each["name"] for each in files.map()["files"]] == ["a"]


def test_files_of_other_programs_are_in_the_map():
    files = made(Drawn([0, 1]), [])
    files.client.make_file("/run/mine")
    files.client.names_of["/run"] += ["mine", "gone"]
    assert [each["name"] for each in files.map()["files"]] == ["mine"]


# --------------------------------------------------------------------------------- daemons


def test_a_port_that_is_taken_is_not_free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert cluster.free_port("127.0.0.1") != taken.getsockname()[1]


def fake(config, name, code):
    """Return a Ceph whose one daemon has ended."""
    found = cluster.Cluster(config, SimpleNamespace(libraries={}, programs={}, env={}))
    found.daemons[name] = SimpleNamespace(poll=lambda: code)
    return found


def test_the_dead_are_told_with_their_last_words(tmp_path):
    config = Config(tmp_path, 2)
    (tmp_path / "osd.1.log").write_text(
        "2026-11-22T22:10:52.491+0000 7f13daffd6c0  0 purged_snaps scrub ok\n\n"
    )
    assert fake(config, "osd.1", None).dead() == ""
    assert (
        fake(config, "osd.1", -9).dead()
        == "osd.1 ended (SIGKILL); it last said: purged_snaps scrub ok"
    )
    (tmp_path / "osd.1.out").write_text("error while loading shared libraries: libx.so\n")
    assert (
        fake(config, "osd.1", 127)
        .dead()
        .endswith("(exit code 127); it last said: error while loading shared libraries: libx.so")
    )
    assert fake(config, "osd.0", 1).dead() == "osd.0 ended (exit code 1)"


def test_a_library_that_is_none(tmp_path):
    with pytest.raises(CephError, match="nowhere"):
        client.Client(str(tmp_path / "nowhere.so"), tmp_path)
