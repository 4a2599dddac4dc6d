"""Runs under a real Slurm with two nodes, started for these tests on this machine."""

from __future__ import annotations

import os
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from piotutor import Workload, rundir, runner, storage
from piotutor.errors import RunError, UsageError
from piotutor.testing.slurm import Slurm

pytestmark = [pytest.mark.mpi, pytest.mark.usefixtures("spotless")]

SMALL = {"block_size": 65536, "transfer_size": 16384, "write": True, "verify_read": True}
COLLECTIVE = Workload(num_tasks=4, api="MPIIO", collective=True, segment_count=2, **SMALL)
STUBBORN = f"""import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up, for {os.getpid()}", flush=True)
time.sleep(600)
"""
SINGLE = {"sample": False, "capture": "none"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    problem = Slurm.why_not()
    if problem:
        pytest.skip(problem)
    with Slurm.start(tmp_path_factory.mktemp("slurm")) as slurm:
        yield slurm


@pytest.fixture
def slurm(cluster, monkeypatch, mpi):
    """Stand outside of any allocation of this Slurm."""
    monkeypatch.setenv("SLURM_CONF", cluster.env["SLURM_CONF"])
    yield cluster
    busy = [job for job, state in cluster.jobs().items() if state in ("RUNNING", "PENDING")]
    if busy:
        cluster.cancel_all()
    assert not busy


@pytest.fixture
def allocation(slurm, monkeypatch, eventually):
    """Stand inside of an allocation of both nodes."""
    job = slurm.run(
        *("sbatch", "--parsable", "-N2", "-n4", "--output=/dev/null", "--wrap", "sleep 600")
    )
    eventually(lambda: slurm.jobs()[job] == "RUNNING")
    monkeypatch.setenv("SLURM_JOB_ID", job)
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "2(x2)")
    yield job
    slurm.run("scancel", job)
    eventually(lambda: slurm.jobs()[job] == "CANCELLED")


def counts(run):
    """Return what must not depend on who started the ranks."""
    layers = {name: run.result["layers"][name] for name in ("app", "mpiio")}
    phases = [(one["op"], one["operations"], one["bytes"]) for one in run.result["phases"]]
    return layers, phases, run.result["verified_bytes"]


@pytest.fixture(scope="module")
def here():
    """Keep what the same job does without Slurm."""
    return {}


def local(here):
    if not here:
        here["counts"] = counts(runner.run_sync(COLLECTIVE, launcher="local"))
    return here["counts"]


def test_a_submitted_job_does_what_a_local_one_does(slurm, here):
    run = runner.run_sync(COLLECTIVE, launcher="slurm:nodes=2", timeout=100)
    assert counts(run) == local(here)
    assert set(run.trace.column("client")[run.trace.where(layer=1)]) == {0, 1}
    assert slurm.jobs()[job_of(run.dir)] == "COMPLETED"
    assert run.result["environment"]["launcher"] == "slurm"


def test_what_memory_held_before_is_no_matter(slurm, monkeypatch):
    """MPICH hands unused memory over; Slurm's pmi2 chokes on it where it isn't zero."""
    monkeypatch.setenv("MALLOC_PERTURB_", "85")
    work = Workload(num_tasks=2, tasks_per_node=1, api="MPIIO", **SMALL)
    run = runner.run_sync(work, launcher="slurm", timeout=60, **SINGLE)
    assert run.result["verified_bytes"] == work.total_bytes


def test_in_an_allocation_srun_is_the_default(allocation, slurm, here):
    run = runner.run_sync(COLLECTIVE)
    assert counts(run) == local(here)
    assert run.environment["launcher"] == "slurm"
    assert slurm.jobs()[allocation] == "RUNNING"


def test_more_ranks_than_the_allocation_has_cpus(allocation):
    work = Workload(num_tasks=6, tasks_per_node=3, api="POSIX", **SMALL)
    run = runner.run_sync(work, **SINGLE)
    assert run.result["verified_bytes"] == work.total_bytes


def job_of(run_dir):
    return (run_dir / "batch-job").read_text()


def running(job, eventually):
    eventually(lambda: job.state == "running" and job.output)
    return job


def stubborn(**options):
    """Start ranks that ignore TERM, and that no mark betrays: only Slurm can end them."""
    program = ["env", "-u", "PIOTUTOR_RUN", sys.executable, "-u", "-c", STUBBORN]
    return runner.start_command(program, ranks=4, **SINGLE, **options)


def left():
    """Return the processes that run it."""
    lines = {path: read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [path for path, line in lines.items() if STUBBORN.encode() in line.split(b"\0")]


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.fixture
def nobody_left(eventually):
    yield
    eventually(lambda: not left())


def test_stop_cancels_the_job(slurm, eventually, nobody_left):
    job = running(stubborn(launcher="slurm"), eventually)
    assert len(left()) >= 4
    job.stop()
    assert job.wait_sync(60).status == "stopped"
    assert slurm.jobs()[job_of(job.run_dir)] != "RUNNING"


def test_stop_in_an_allocation_ends_the_step_alone(slurm, allocation, eventually, nobody_left):
    job = running(stubborn(), eventually)
    job.stop()
    assert job.wait_sync(60).status == "stopped"
    assert slurm.jobs()[allocation] == "RUNNING"
    assert "piotutor" not in slurm.run("squeue", "--steps", "--noheader", "--format=%i %j")


def test_time_out(slurm, nobody_left):
    with pytest.raises(RunError, match=r"no end after \d+ s"):
        stubborn(launcher="slurm", timeout=4).wait_sync(90)


@pytest.mark.parametrize("where", ["submitted", "allocation"])
def test_a_killed_guard_is_swept_up_after(request, state, slurm, eventually, nobody_left, where):
    if where == "allocation":
        request.getfixturevalue("allocation")
    job = running(stubborn(launcher="slurm"), eventually)
    os.killpg(job._process.pid, signal.SIGKILL)
    job._process.wait()
    job._process.stdin.close()
    eventually(lambda: rundir.sweep(state) == [job.run_dir])
    assert not left()


def test_a_dead_rank_ends_the_others(slurm):
    fault = {"rank": 1, "how": "kill"}
    work = Workload(num_tasks=4, api="MPIIO", **SMALL)
    with pytest.raises(RunError, match="a rank was killed"):
        runner.run_sync(work, launcher="slurm", fault=fault, timeout=100, **SINGLE)


def test_a_wrong_plugin_says_what_to_do(slurm):
    with pytest.raises(UsageError, match=r"MPI sees 1 of 2 ranks: .*slurm:mpi=pmi2"):
        work = Workload(num_tasks=2, api="MPIIO", **SMALL)
        runner.run_sync(work, launcher="slurm:mpi=none", **SINGLE)


def test_a_job_that_waits_says_what_for(slurm, eventually):
    blocker = slurm.run(
        "sbatch", "--parsable", "-N2", "-n8", "--output=/dev/null", "--wrap", "sleep 600"
    )
    eventually(lambda: slurm.jobs()[blocker] == "RUNNING")
    job = runner.start(COLLECTIVE, launcher="slurm", timeout=30, **SINGLE)
    eventually(lambda: re.fullmatch(r"Slurm job \d+: (Resources|Priority)", job.why))
    assert job.state == "waiting"
    job.stop()
    assert job.wait_sync(60).status == "stopped"
    assert slurm.jobs()[job_of(job.run_dir)] == "CANCELLED"
    slurm.run("scancel", blocker)


def test_what_slurm_refuses_is_told(slurm):
    with pytest.raises(RunError, match=r"^Slurm didn't take the job: .*Invalid partition name"):
        runner.run_sync(COLLECTIVE, launcher="slurm:partition=nowhere", **SINGLE)


def test_a_job_that_slurm_ends_is_told(slurm, eventually):
    job = runner.start_command(["sleep", "600"], ranks=2, launcher="slurm", **SINGLE)
    eventually(lambda: job.state == "running" and slurm.run("squeue", "--steps", "--noheader"))
    number = job_of(job.run_dir)
    slurm.run("scancel", number)
    run = job.wait_sync(60)
    assert run.status == "failed"
    assert f"Slurm ended job {number}: CANCELLED" in run.output


def test_trace_of_any_program(slurm, tmp_path):
    """Its output is ours, and hostile names arrive as they are."""
    place = tmp_path / "a 'place' $(touch oops) \"%j\""
    place.mkdir()
    code = "import os, sys; open(sys.argv[1] + os.environ['SLURM_PROCID'], 'w').write('x' * 100)"
    argv = [sys.executable, "-c", code, f"{place}/x;\n"]
    run = runner.trace_command_sync(argv, ranks=2, launcher="slurm", prefixes=[place])
    assert sorted(path.name for path in place.iterdir()) == ["x;\n0", "x;\n1"]
    assert run.result["layers"]["posix"]["write"] == {"operations": 2, "bytes": 200}


@pytest.fixture
def ceph():
    """Skip where no Ceph can be started."""
    try:
        storage.parse("ceph").need()
    except UsageError as why:
        pytest.skip(str(why))


def test_servers_on_the_loopback_are_not_for_other_nodes(slurm, ceph):
    with pytest.raises(UsageError, match="storage ceph is for ranks on this machine"):
        runner.run_sync(COLLECTIVE, launcher="slurm", storage="ceph", **SINGLE)


@pytest.mark.parametrize("where", ["submitted", "allocation"])
def test_ranks_under_slurm_share_a_file_on_servers(request, slurm, ceph, where):
    """The nodes' address is that of this machine: both are on it."""
    if where == "allocation":
        request.getfixturevalue("allocation")
    servers = "ceph:osds=4,stripe_unit=64k,stripe_count=4,address=127.0.0.1"
    work = replace(COLLECTIVE, block_size=1 << 18, transfer_size=1 << 16)
    run = runner.run_sync(work, launcher="slurm", storage=servers, timeout=100)
    assert run.result["verified_bytes"] == work.total_bytes
    assert [one["write_bytes"] for one in run.result["targets"]] == [work.total_bytes // 4] * 4
