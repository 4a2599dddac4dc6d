"""A real Ceph: one that stands for several runs, its files, its dead clients; starts that fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

import piotutor as pio
from piotutor import rundir
from piotutor.errors import PiotutorError, UsageError
from piotutor.launch import processes
from piotutor.storage.ceph import Ceph, binaries, cluster
from piotutor.storage.ceph.config import Config
from piotutor.storage.ceph.files import Files, Layout
from piotutor.storage.ceph.reach import MDS, Reach

UNIT = 64 * 1024
OSDS = 4


def why_not():
    """Say why there is no Ceph here; empty where there is."""
    try:
        Ceph().need()
    except UsageError as error:
        return str(error)
    return ""


pytestmark = [
    pytest.mark.mpi,
    pytest.mark.usefixtures("mpi", "spotless"),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
]


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    """Return a Ceph that stands for all tests here; its state isn't theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIOTUTOR_STATE", str(tmp_path_factory.mktemp("standing")))
        up = Ceph(osds=OSDS, stripe_unit="64k").start()
        running = up.wait_sync()
    yield running
    up.stop_sync()


@pytest.fixture
def reach(standing):
    """Return the way to its daemons."""
    place = json.loads((standing.home / "storage.json").read_text())["place"]
    return Reach(Path(place), OSDS, binaries.find())


def run(storage, line, **options):
    return pio.run_sync(f"-a POSIX -w {line}", storage=storage, **options)


def written(run):
    return [target["write_bytes"] for target in run.result["targets"]]


def operations(run):
    return [target["write_operations"] for target in run.result["targets"]]


def test_layouts_change_from_run_to_run_on_the_same_servers(standing):
    line = "-n 1 -t 64k -b 1m -e"
    all_of_them = run(standing, line)
    assert written(all_of_them) == [4 * UNIT] * OSDS
    one = run(standing.replace(stripe_count=1), line)
    assert written(one) == [16 * UNIT, 0, 0, 0]
    assert one.stripe_map.bytes_by_target() == {0: 16 * UNIT}
    assert one.environment["layout"]["components"][0]["stripe_count"] == 1


def test_a_file_each_on_servers_in_turn(standing):
    found = run(standing.replace(stripe_count=1), "-F -n 4 -t 64k -b 128k")
    assert written(found) == [2 * UNIT] * OSDS
    lie = [found.stripe_maps[file].target.tolist() for file in range(4)]
    assert [set(targets) for targets in lie] == [{0}, {1}, {2}, {3}]


def test_what_servers_count_is_what_was_asked_for(standing):
    """Nothing else is counted, also when files are removed and made anew."""
    found = run(standing.replace(cache=False), "-n 2 -t 64k -b 512k -i 2 -r -R -C")
    assert operations(found) == [2 * 4] * OSDS
    assert [target["read_bytes"] for target in found.result["targets"]] == [8 * UNIT] * OSDS
    assert found.result["verified_bytes"] == 2 * 2**20
    assert found.environment["storage_notes"] == []


def test_repetitions_lie_on_the_same_servers(standing):
    found = run(standing.replace(stripe_count=2), "-n 1 -t 64k -b 256k -i 3")
    once = found.stripe_map.bytes_by_target()
    assert sorted(once.values()) == [2 * UNIT] * 2
    assert written(found) == [3 * once.get(osd, 0) for osd in range(OSDS)]


def test_the_metadata_server_counts_who_asks_for_what(standing):
    found = run(standing, "-n 2 -t 64k -b 256k")
    told = json.loads((found.dir / "mds.json").read_text())
    assert told["mds"]["ceph_cap_op_grant"] > 0
    assert told["mds_sessions"]["session_add"] >= 2
    stored = json.loads((found.dir / "osds.json").read_text())
    assert sum(stored[f"osd.{n}"]["osd"]["op_w_in_bytes"] for n in range(OSDS)) == 8 * UNIT


def test_a_run_leaves_nothing_on_it(standing, reach):
    before = names(reach)
    run(standing, "-F -n 2 -t 64k -b 64k")
    assert names(reach) == before


def names(reach):
    with reach.client() as client:
        return client.names("/")


def test_clients_that_died_are_ended(standing, reach, eventually):
    before = names(reach)
    with contextlib.suppress(PiotutorError):
        run(standing, "-n 2 -t 64k -b 256k", fault={"rank": 1, "how": "kill"}, timeout=60)
    eventually(lambda: not reach.ask(MDS, "session ls"))
    assert names(reach) == before
    again = run(standing, "-n 2 -t 64k -b 256k -r -R")
    assert again.result["verified_bytes"] == 8 * UNIT


def test_files_are_drawn_where_they_are_wanted(reach):
    with reach.client() as client:
        files = Files(client, "drawn", Layout(UNIT, 3, 4 * UNIT, "cephfs_data"), OSDS)
        try:
            files.make(["a", "b"], 2)
            assert files.notes == []
            client.write("/drawn/a", b"x" * 3 * UNIT)
            a = files.map()["files"][0]
            targets = [osd for _, _, osd in a["extents"]]
            assert len(set(targets)) == 3
            assert targets[0] == 0
            assert client.attribute("/drawn/b", "ceph.file.layout").startswith("stripe_unit=65536 ")
            assert client.names("/drawn/.next") == ["a.1", "b.1"]
        finally:
            files.remove()


# ---------------------------------------------------------- one that stands, from start to end


def test_it_stands_in_a_notebook_too_and_leaves_nothing(state):
    async def lesson():
        async with Ceph(osds=1).start() as running:
            found = await pio.run("-a POSIX -w -n 1 -t 64k -b 64k", storage=running)
            return running, found

    running, found = asyncio.run(lesson())
    assert written(found) == [UNIT]
    assert not running.home.exists()
    assert [path.name for path in (state / "runs").iterdir()] == [found.dir.name]
    with pytest.raises(UsageError, match="was stopped"):
        run(running, "-n 1 -t 64k -b 64k")


def test_it_ends_with_who_started_it(state, eventually, living):
    program = (
        "from piotutor.storage import Ceph\n"
        "print(Ceph(osds=1).start().wait_sync().home, flush=True)\n"
        "import time; time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as parent:
        home = Path(parent.stdout.readline().strip())
        assert len(processes.marked(home)) >= 5
        parent.kill()
    eventually(lambda: not processes.marked(home))
    eventually(lambda: not (Path(tempfile.gettempdir()) / f"piotutor-{home.name}").exists())


def test_a_server_of_it_dies(eventually, state):
    up = Ceph(osds=2).start()
    running = up.wait_sync()
    osd = next(pid for pid in processes.marked(running.home) if "osd" in command(pid)[0])
    os.kill(osd, signal.SIGKILL)
    eventually(lambda: (running.home / "storage-error.json").exists())
    told = json.loads((running.home / "storage-error.json").read_text())["problem"]
    assert "ended (SIGKILL)" in told
    eventually(lambda: not processes.marked(running.home))
    up.stop_sync()
    with pytest.raises(UsageError, match="was stopped"):
        running.need()


def command(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")


def test_its_program_is_killed(eventually, state, monkeypatch):
    monkeypatch.setenv("CEPH_ARGS", "--osd_objectstore=nonsense")  # meant for another Ceph
    up = Ceph(osds=1).start()
    running = up.wait_sync()
    found = [pid for pid in processes.marked(running.home) if "python" in command(pid)[0]]
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: up._job.state == "failed")
    assert not processes.marked(running.home)
    up.stop_sync()
    assert not (Path(tempfile.gettempdir()) / f"piotutor-{running.home.name}").exists()


def test_nothing_is_left_of_it_when_its_guard_is_killed_too(state, eventually):
    up = Ceph(osds=1).start()
    running = up.wait_sync()
    up._job._process.kill()
    up._job._process.wait()
    up.stop_sync()
    assert not processes.marked(running.home)
    assert not (Path(tempfile.gettempdir()) / f"piotutor-{running.home.name}").exists()


# ---------------------------------------------------------------------------- starts that fail


def test_a_port_that_somebody_else_took(tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = [taken.getsockname()[1], cluster.free_port("127.0.0.1")]
        monkeypatch.setattr(cluster, "free_port", lambda address: ports.pop(0))
        place = Path(tempfile.mkdtemp(dir="/tmp")) / "c"
        try:
            with cluster.started(Config(place, 1), binaries.find()) as found:
                assert found.dead() == ""
            assert not place.exists()
        finally:
            place.parent.rmdir()
    assert ports == []


@pytest.mark.parametrize("name", ["ceph-mon", "ceph-osd", "ceph-mds"])
def test_a_program_that_cannot_start(name, tmp_path, monkeypatch):
    broken = tmp_path / name
    broken.write_text("#!/bin/sh\necho 'cannot open shared object libx.so' >&2\nexit 127\n")
    broken.chmod(0o700)
    found = binaries.find()
    found = replace(found, programs={**found.programs, name: str(broken)})
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        place = Path(short) / "c"
        with (
            pytest.raises(PiotutorError, match=r"cannot open shared object libx\.so"),
            cluster.started(Config(place, 1), found),
        ):
            pass
        assert not place.exists()


def test_a_start_that_fails_says_why_and_leaves_nothing(state, monkeypatch, tmp_path):
    found = binaries.find()
    unpacked = tmp_path / "usr"
    (unpacked / "bin").mkdir(parents=True)
    (unpacked / "lib/x").mkdir(parents=True)
    for name in binaries.PROGRAMS:
        (unpacked / "bin" / name).symlink_to("/bin/false")
    for name in binaries.LIBRARIES:
        (unpacked / "lib/x" / name).touch()
    assert found
    monkeypatch.setenv("PIOTUTOR_CEPH", str(tmp_path))
    up = Ceph(osds=1).start()
    with pytest.raises(PiotutorError, match="monmaptool failed"):
        up.wait_sync()
    assert rundir.sweep(state) == []
