"""Ranks on two hosts of this machine (in namespaces), whose clocks are hours apart."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from piotutor import Workload, runner
from piotutor.errors import PiotutorError, UsageError
from piotutor.launch import farewell, processes
from piotutor.launch.hosts import Hosts
from piotutor.launch.reaching import reach
from piotutor.testing import namespaces
from piotutor.trace import Layer, Op, Trace, clocks

pytestmark = pytest.mark.mpi
AHEAD = 5000
COLLECTIVE = Workload(
    api="MPIIO",
    num_tasks=4,
    tasks_per_node=2,
    collective=True,
    transfer_size=16384,
    block_size=16384,
    segment_count=8,
    write=True,
    read=True,
    verify_read=True,
    hints={"cb_nodes": "2", "romio_cb_write": "enable"},
)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Two hosts, h1 and h2; the second one's clock is ahead."""
    try:
        with namespaces.Hosts(
            tmp_path_factory.mktemp("hosts"), ["h1", "h2"], {"h2": AHEAD}
        ) as made:
            yield made
    except namespaces.UnavailableError as why:
        pytest.skip(str(why))


@pytest.fixture
def launcher(hosts, mpi, monkeypatch):
    """Start ranks there, over the hosts' own network."""
    for name, value in namespaces.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    local = dataclasses.replace(mpi, mpiexec=hosts.mpiexec(mpi.mpiexec))
    return Hosts(names="h1+h2", remote=str(hosts.remote), address=hosts.address, local=local)


def test_two_aggregators_on_two_hosts(launcher, spotless):
    if launcher.local.family != "mpich":
        pytest.skip("aggregators are counted with ROMIO's hints")
    run = runner.run_sync(COLLECTIVE, launcher=launcher)
    assert run.result["verified_bytes"] == COLLECTIVE.total_bytes
    records = run.trace.records
    ranks = {int(record["rank"]): int(record["client"]) for record in records}
    assert {rank: ranks[rank] for rank in range(4)} == {0: 0, 1: 0, 2: 1, 3: 1}
    below = run.trace.select(layer=Layer.POSIX, op=Op.WRITE).records
    assert sorted(np.unique(below["client"])) == [0, 1]
    assert len(np.unique(below["rank"])) == 2
    assert below["length"].sum() == COLLECTIVE.total_bytes


def test_the_clocks_of_the_hosts_are_brought_to_one(launcher, spotless):
    run = runner.run_sync(COLLECTIVE, launcher=launcher)
    told = run.environment["clocks"]
    assert [told[client]["host"] for client in ("0", "1")] == ["h1", "h2"]
    assert told["1"]["uncertainty_ns"] > 0
    known = clocks.load(run.dir / "trace")
    assert len(known.clients[1].readings) == 2
    for reading in known.clients[1].readings:  # both clocks are this machine's, one moved exactly
        assert abs(reading.offset - AHEAD * 10**9) <= reading.uncertainty
    for layer in (Layer.APP, Layer.POSIX):
        first, last = run.trace.span(run.trace.where(layer=layer))
        assert last - first < AHEAD * 10**9 / 100
    raw = Trace.load(run.dir / "trace" / "rank-00003.piot")  # beside the clocks: corrected, too
    assert abs(int(raw.records["start"][0]) - int(run.trace.records["start"][0])) < AHEAD * 10**7


def test_pictures_and_reports_say_how_well_the_clocks_agree(launcher, spotless):
    from piotutor import report
    from piotutor.plots import style

    run = runner.run_sync(COLLECTIVE, launcher=launcher)
    assert "2 hosts, one clock to within" in style.badge(run.trace)
    page = report.html(run).decode()
    assert "<td>h2</td>" in page and "2 hosts, one clock" in page


@pytest.mark.parametrize("how", ["kill", "raise"])
def test_a_rank_that_fails_ends_the_others_on_all_hosts(launcher, spotless, how):
    fault = {"rank": 3, "how": how}
    with pytest.raises(PiotutorError):
        runner.run_sync(COLLECTIVE, launcher=launcher, fault=fault, timeout=60)


def test_ranks_that_hang_are_ended_on_all_hosts(launcher, spotless, eventually):
    job = runner.start(COLLECTIVE, launcher=launcher, fault={"rank": 3, "how": "hang"})
    eventually(lambda: len(list((job.run_dir / "trace").glob("rank-*.piot"))) == 4)
    job.stop()
    assert job.wait_sync().status == "stopped"


def test_farewell_ends_a_run_on_a_host_that_only_it_reaches(launcher, hosts, tmp_path, eventually):
    code = "import time; print('up', flush=True); time.sleep(600)"
    argv = reach(
        str(hosts.remote),
        "h2",
        ["env", f"{processes.MARK}={tmp_path}", sys.executable, "-c", code],
        5,
    )
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        told = farewell.end_on(["h2"], str(hosts.remote), 10, str(tmp_path), time.time())
        assert told == [] and process.wait(10)
    (line,) = farewell.end_on(["silent"], str(hosts.remote), 0.5, str(tmp_path), time.time())
    assert line == "host silent: processes may be left (no answer within 0.5 s)"


@pytest.mark.parametrize(
    "names, python, why",
    [
        ("h1+nowhere", None, "host nowhere can't be used: ssh: Could not resolve hostname"),
        ("h1+silent", None, "host silent can't be used: no answer within 3 s"),
        ("h1+h2", "/no/such/python", "host h1 has no /no/such/python"),
    ],
)
def test_a_host_that_cannot_be_used_is_named_at_once(launcher, state, names, python, why):
    local = dataclasses.replace(launcher.local, **({"python": python} if python else {}))
    start = dataclasses.replace(launcher, names=names, local=local, wait=3.0)
    with pytest.raises(UsageError, match=re.escape(why)):
        runner.start(COLLECTIVE, launcher=start)
    assert not list((state / "runs").glob("*"))


def test_a_program_on_two_hosts_goes_by_the_clocks_of_the_day(launcher, spotless, tmp_path):
    code = "import sys, socket; open(sys.argv[1] + socket.gethostname(), 'wb').write(b'x' * 5000)"
    argv = [sys.executable, "-c", code, str(tmp_path / "data-")]
    run = runner.trace_command_sync(argv, ranks=2, launcher=launcher, prefixes=[tmp_path / "data-"])
    writes = run.trace.select(layer=Layer.POSIX, op=Op.WRITE).records
    assert writes["client"][np.argsort(writes["rank"])].tolist() == [0, 1]
    assert abs(int(writes["start"][0]) - int(writes["start"][1])) < 60 * 10**9
    assert run.environment["clocks"]["1"] | {"offset_ns": 0} == {
        "host": "h2",
        "offset_ns": 0,
        "drift_ns": 0,
        "uncertainty_ns": None,
    }
