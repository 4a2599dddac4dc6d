"""Ranks on two hosts share a file on a real Ceph, through two aggregators."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from piotutor import runner
from piotutor.errors import UsageError
from piotutor.storage import parse
from piotutor.testing import namespaces
from piotutor.trace import Layer, Op

pytestmark = pytest.mark.mpi
UNIT = 65536
LINE = f"run -a MPIIO -c -n 4 -t {UNIT} -b {UNIT} -s 8 -w -r -R --hints romio_cb_write=enable"


@pytest.fixture
def hosts(tmp_path, mpi):
    """Two hosts, and a Ceph to start between them."""
    if mpi.family != "mpich":
        pytest.skip("aggregators are those of ROMIO")
    try:
        parse("ceph").need()
        with namespaces.Hosts(tmp_path, ["h1", "h2"], {"h2": 5000}) as made:
            yield made
    except (UsageError, namespaces.UnavailableError) as why:
        pytest.skip(str(why))


def test_two_aggregators_on_two_hosts_write_to_four_servers(hosts, spotless):
    where = f"remote={hosts.remote},address={hosts.address}"
    storage = f"ceph:osds=4,stripe_unit=64k,stripe_count=4,address={hosts.address}"
    words = [
        *LINE.split(),
        "--json",
        "--storage",
        storage,
        "--launcher",
        f"hosts:names=h1+h2,{where}",
    ]
    done = subprocess.run(
        hosts.inside([sys.executable, "-m", "piotutor", *words]),
        env={**os.environ, **namespaces.ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["verified_bytes"] == 4 * 8 * UNIT
    assert [target["write_bytes"] for target in result["targets"]] == [8 * UNIT] * 4
    run = runner.open_run(result["run_dir"])
    writes = run.trace.select(layer=Layer.POSIX, op=Op.WRITE).records
    assert {(int(one["rank"]), int(one["client"])) for one in writes} == {(0, 0), (2, 1)}
    assert writes["length"].sum() == 4 * 8 * UNIT
    assert run.environment["clocks"]["1"]["host"] == "h2"


def test_servers_on_the_loopback_are_not_for_other_hosts(hosts, mpi, state):
    spec = f"hosts:names=h1+h2,remote={hosts.remote}"
    with pytest.raises(UsageError, match="storage ceph is for ranks on this machine"):
        runner.start(f"-n 2 -t {UNIT} -b {UNIT}", storage="ceph", launcher=spec)
    assert not list((state / "runs").glob("*"))
