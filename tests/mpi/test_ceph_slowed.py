"""Runs on a real Ceph whose servers are slowed: what is said, counted and left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import piotutor as pio
from piotutor.capture import UnavailableError
from piotutor.errors import UsageError
from piotutor.storage import namespaces
from piotutor.storage.ceph import binaries

pytestmark = [pytest.mark.mpi, pytest.mark.slow]
MIB = 1 << 20


@pytest.fixture(scope="module")
def here():
    """Skip where there is no Ceph."""
    try:
        binaries.find()
    except UsageError as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def way(here):
    """Skip where networks of one's own can't be had."""
    try:
        return namespaces.find()
    except UnavailableError as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def slowed(way, tmp_path_factory):
    """Return a Ceph that stands, each OSD at 32 MiB/s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIOTUTOR_STATE", str(tmp_path_factory.mktemp("standing")))
        up = pio.storage.Ceph(osds=3, rate="32m").start()
    with up as running:
        yield running


def run(storage, **more):
    given = {"num_tasks": 2, "transfer_size": MIB, "block_size": 3 * MIB, "fsync": True} | more
    return pio.run_sync(pio.Workload(write=True, **given), storage=storage)


def passed(run):
    told = json.loads((Path(run.result["run_dir"]) / "network.json").read_text())["passed"]
    return [told[str(osd)] for osd in range(len(told))]


def written(run):
    return [target["write_bytes"] for target in run.result["targets"]]


@pytest.mark.parametrize("count", [1, 3])
def test_what_each_server_counts_has_passed_its_class(slowed, mpi, spotless, count):
    found = run(slowed.replace(stripe_count=count))
    assert found.result["environment"]["slowed"] == "each OSD at 32 MiB/s (tc)"
    assert sorted(written(found)) == [0] * (3 - count) + [6 * MIB // count] * count
    for bytes_written, bytes_passed in zip(written(found), passed(found), strict=True):
        assert bytes_written <= bytes_passed < 1.1 * bytes_written + 256 * 1024


def test_a_server_is_never_faster_than_its_rate(slowed, mpi, spotless):
    """All is on one server, and its class holds no more than a burst back."""
    found = run(slowed.replace(stripe_count=1))
    (phase,) = found.result["phases"]
    assert phase["bandwidth"] < 36 * MIB


def test_ranks_meet_in_there_and_every_byte_is_verified(slowed, mpi, spotless):
    collective = {
        "api": "MPIIO",
        "collective": True,
        "read": True,
        "verify_read": True,
        "segment_count": 2,
    }
    found = run(slowed, num_tasks=3, transfer_size=65536, block_size=65536 * 4, **collective)
    assert found.result["verified_bytes"] == 3 * 2 * 4 * 65536
    assert written(found) == [2 * 4 * 65536] * 3


def test_a_server_is_slowed_while_it_stands(slowed, mpi, spotless):
    slowed.slow_down(1, "4m")
    try:
        found = run(slowed)
        said = "OSD 1 at 4 MiB/s, OSDs 0, 2 at 32 MiB/s (tc)"
        assert found.result["environment"]["slowed"] == said
        assert found.result["phases"][0]["bandwidth"] < 3 * 5 * MIB, "all wait for the slowest"
    finally:
        slowed.slow_down(1, "32m")
    assert run(slowed).result["environment"]["slowed"] == "each OSD at 32 MiB/s (tc)"


def test_what_cannot_be_slowed_is_refused(slowed):
    with pytest.raises(UsageError, match="no OSD 3: choose one of 0 to 2"):
        slowed.slow_down(3, "4m")
    with pytest.raises(UsageError, match="256 KiB/s or more"):
        slowed.slow_down(1, "4k")


def test_a_delayed_server_makes_requests_wait(here, mpi, spotless):
    """Four synchronous requests at least, one after the other, each of 50 ms or more."""
    storage = "ceph:osds=2,stripe_count=1,delay=0.05"
    found = run(storage, num_tasks=1, fsync_per_write=True, block_size=4 * MIB)
    assert found.result["environment"]["slowed"] == "dispatch delay of 50 ms on each OSD"
    assert found.result["phases"][0]["seconds"] >= 0.2
    assert sum(written(found)) == 4 * MIB


def test_without_networks_of_ones_own_nothing_is_begun(here, mpi, monkeypatch, spotless, state):
    def refused():
        raise UnavailableError("unshare failed: Operation not permitted")

    monkeypatch.setattr(namespaces, "find", refused)
    with pytest.raises(UsageError, match=r"delay=0\.02@1 slows a server without one"):
        run("ceph:rate=25m")
    assert not list((state / "runs").glob("*"))
