"""Programs that know of no Ceph, on files that lie on one: every byte is where it belongs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import captured
import pytest
from interposing import PROGRAMS, build, interposer

from piotutor.errors import PiotutorError
from piotutor.launch import shared_memory
from piotutor.launch.local import Ranks
from piotutor.storage.ceph import binaries
from piotutor.storage.ceph.cluster import started
from piotutor.storage.ceph.config import Config
from piotutor.storage.ceph.reach import MDS
from piotutor.trace import Layer, Op, Trace

pytestmark = pytest.mark.mpi
RANKS = 4
BYTES = RANKS * 4096 * 32
FUTILE = 5


class Site:
    """A Ceph, and a local directory whose files lie on it."""

    def __init__(self, directory: Path, cluster, prefix: Path) -> None:
        self.directory, self.prefix, self.reach = directory, prefix, cluster.reach
        shadow = directory / "shadow"
        shadow.mkdir()
        self.env = {
            "PIOTUTOR_ROUTE_PREFIX": str(prefix),
            "PIOTUTOR_ROUTE_CONF": str(cluster.reach.config),
            "PIOTUTOR_ROUTE_SHADOW": str(shadow),
            "PIOTUTOR_ROUTE_LIBRARY": cluster.binaries.libraries["libcephfs.so.2"],
            **cluster.binaries.env,
        }

    def run(self, command):
        """Run a command with all files below the prefix routed; return its status and output."""
        done = subprocess.run(
            ["env", f"LD_PRELOAD={interposer()}", *map(str, command)],
            cwd=self.prefix,
            env=os.environ | self.env,
            capture_output=True,
            text=True,
            timeout=captured.SECONDS,
        )
        return done.returncode, done.stdout, done.stderr

    def ranks(self, launcher, *cases, preload="", **env):
        """Run ``routed.py`` on all ranks."""
        words = ("env", f"LD_PRELOAD={preload or interposer()}")
        program = (launcher.python, str(captured.PROGRAMS / "routed.py"), str(self.prefix), *cases)
        done = subprocess.run(
            launcher.argv(Ranks(RANKS, prefix=words, program=program)),
            env={**os.environ, **launcher.env(), **self.env, **env},
            capture_output=True,
            text=True,
            timeout=captured.SECONDS,
        )
        return done.returncode, done.stdout, done.stderr

    def sessions(self):
        """Return the sessions of clients, after those are ended whose processes are dead."""
        self.reach.evict_dead()
        return self.reach.ask(MDS, "session ls")

    def written(self):
        """Return the bytes that each OSD has been given so far."""
        return self._counted("op_w_in_bytes")

    def read(self):
        """Return the bytes that each OSD has given so far."""
        return self._counted("op_r_out_bytes")

    def _counted(self, name):
        osds = range(self.reach.osds)
        return [self.reach.counters(f"osd.{n}", "osd")[name] for n in osds]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Start one Ceph for all tests here."""
    try:
        found = binaries.find()
    except PiotutorError as error:
        pytest.skip(str(error))
    interposer()
    directory = Path(tempfile.mkdtemp(prefix="ceph-routed-"))  # paths of sockets are short
    try:
        config = Config(directory / "ceph", 4, memory=1 << 28, plugins=found.plugins())
        with started(config, found) as cluster:
            yield Site(directory, cluster, tmp_path_factory.mktemp("prefix"))
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    return build("routed", tmp_path_factory.mktemp("program"))


def test_calls_do_what_they_do_on_local_files(site, calls):
    assert site.run([calls]) == (0, "", "")
    assert list(site.prefix.iterdir()) == []


@pytest.mark.parametrize("way", ["exit", "_exit", "quick", "exec"])
def test_what_is_written_outlives_every_way_to_end(site, calls, way):
    assert site.run([calls, "nothing", way]) == (3, "", "")
    assert site.run(["cat", "end"])[1] == "all of it"
    assert site.reach.ask(MDS, "session ls") == []  # nothing that anyone would wait for


@pytest.fixture(scope="module")
def everything(site, mpi_cache):
    """Run all cases, recorded; return what was lost, the trace, and bytes of each OSD."""
    launcher = captured.stack("this", mpi_cache)
    before, trace = site.written(), site.directory / "trace"
    trace.mkdir()
    code, out, errors = site.ranks(launcher, PIOTUTOR_CAPTURE_DIR=str(trace))
    assert code == 0, errors
    grown = [after - was for after, was in zip(site.written(), before, strict=True)]
    return json.loads(out), Trace.load(trace), grown


def test_no_interface_loses_a_byte(everything):
    lost, _, grown = everything
    assert len(lost) == 6
    assert set(lost.values()) == {0}
    assert min(grown) > 0
    assert sum(grown) >= 6 * BYTES


def test_routed_calls_of_all_layers_are_recorded(everything):
    _, trace, _ = everything
    assert trace.dropped == 0
    assert {Path(name).suffix for name in trace.files} == {"", ".h5"}
    one = trace.files.index(next(name for name in trace.files if name.endswith("one aggregator")))
    for layer in (Layer.POSIX, Layer.MPIIO):
        mask = trace.where(layer=layer, op=Op.WRITE) & (trace.column("file") == one)
        mask &= (trace.column("flags") & 2) == 0
        assert trace.column("result")[mask].sum() == BYTES
    assert trace.where(layer=Layer.HDF5, op=Op.WRITE).any()
    locked = trace.where(layer=Layer.POSIX, op=Op.LOCK)
    assert (trace.column("result")[locked] == 0).all()
    assert locked.any()


def test_without_locks_data_sieving_loses_bytes(site, mpi_cache, tmp_path):
    """Which is why locks on routed files are held on a local one. (It is a race: often enough.)"""
    launcher = captured.stack("this", mpi_cache)
    unlocked = tmp_path / "unlocked.so"
    source = PROGRAMS / "unlocked.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", unlocked, source, "-ldl"], check=True)
    for _ in range(FUTILE):
        done = site.ranks(launcher, "sieved", preload=f"{unlocked}:{interposer()}")
        assert done[0] == 0
        if json.loads(done[1])["sieved"]:
            return
    pytest.skip(f"no byte was lost in {FUTILE} tries")


def test_no_place_for_locks_is_said_by_romio(site, mpi_cache, eventually):
    launcher, since = captured.stack("this", mpi_cache), time.time()
    code, _, errors = site.ranks(launcher, "sieved", PIOTUTOR_ROUTE_SHADOW="/nowhere")
    assert code != 0
    assert "No locks available" in errors
    eventually(lambda: not site.sessions())  # the ranks were killed
    shared_memory.remove(since)
    assert site.run(["rm", "sieved"])[0] == 0


@pytest.mark.parametrize(("forgets", "asked"), [(False, 0), (True, 1 << 20)])
def test_what_is_let_go_is_read_from_the_servers(site, forgets, asked):
    script = f"""if True:
        import os
        from piotutor.capture.residency import let_go
        layout = b"stripe_unit=65536 stripe_count=4 object_size=1048576 pool=cephfs_data"
        file = os.open("mine", os.O_CREAT | os.O_EXCL | os.O_RDWR)
        os.setxattr(file, "ceph.file.layout", layout)
        data = os.urandom(1 << 20)
        os.pwrite(file, data, 0)
        if {forgets}:
            assert let_go("mine").verified
        assert os.pread(file, 1 << 20, 0) == data
        os.unlink("mine")
    """
    before = sum(site.read())
    assert site.run([sys.executable, "-c", script]) == (0, "", "")
    assert sum(site.read()) - before == asked


def test_a_killed_writer_leaves_what_it_synced(site):
    script = """if True:
        import os
        file = os.open("k", os.O_CREAT | os.O_RDWR)
        os.write(file, b"kept")
        os.fsync(file)
        os.kill(os.getpid(), 9)
    """
    assert site.run([sys.executable, "-c", script])[0] == -signal.SIGKILL
    assert site.reach.evict_dead() == 1
    assert site.run(["cat", "k"])[1] == "kept"
