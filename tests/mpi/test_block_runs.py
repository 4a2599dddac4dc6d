"""Block requests of real runs: every byte written is found again, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from piotutor import rundir, runner
from piotutor.capture import UnavailableError, block, evict, preload, tracefs
from piotutor.errors import RunError
from piotutor.launch import processes
from piotutor.trace import Follower, Layer, Op
from piotutor.workload import Workload

TRACES, REASON = block.permitted()
pytestmark = [
    pytest.mark.mpi,
    pytest.mark.root,
    pytest.mark.skipif(not TRACES, reason=f"no block tracing: {REASON}"),
    pytest.mark.usefixtures("mpi", "on_a_disk", "spotless"),
]
SHUFFLED = Workload(
    num_tasks=1, block_size=2 << 20, transfer_size=4096, random_offset=1, fsync=True
)
SIZE, TRANSFERS = 2 << 20, 512
SMALL = Workload(num_tasks=2, block_size=65536, transfer_size=16384, fsync=True)
HANG = {"rank": 1, "how": "hang"}


@pytest.fixture
def on_a_disk(state):
    """Skip where the tests' files don't lie on a disk that can be traced."""
    try:
        block.order("x", state)
    except UnavailableError as why:
        pytest.skip(f"no disk to be traced: {why}")


def instances():
    with tracefs.opened() as root:
        return {path.name for path in (root / "instances").iterdir()}


def mounts():
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if " - tracefs " in line]


def test_every_byte_written_reaches_the_disk_in_few_sorted_requests():
    before = mounts()
    run = runner.run_sync(SHUFFLED)
    trace = run.trace
    writes = trace.records[trace.where(layer=Layer.BLOCK, op=Op.WRITE)]
    assert (set(writes["file"]), set(writes["rank"])) == ({0}, {-1})
    held = np.zeros(SIZE, bool)
    for record in writes:
        held[record["offset"] : record["offset"] + record["length"]] = True
    assert held.all()
    assert writes["result"].sum() >= SIZE
    assert (writes["aux"] % 512 == 0).all()
    app = trace.records[trace.where(layer=Layer.APP, op=Op.WRITE)]
    assert len(app) == TRANSFERS
    assert len(writes) <= TRANSFERS / 8
    assert np.diff(writes["offset"]).min(initial=0) >= 0  # in the order of the file
    assert writes["start"].min() >= app["start"].min() - 1000  # the kernel prints microseconds

    counted = run.result["layers"]["block"]
    assert counted["write"] == {"operations": len(writes), "bytes": int(writes["result"].sum())}
    assert "sync" not in counted
    assert run.result["capture"]["block"] == "tracefs"
    assert run.result["capture"]["block_left_out"].endswith("of other files")
    moved = run.result["capture"]["io"]
    assert moved.get("write_bytes", SIZE) >= SIZE
    assert moved["device_written"] >= SIZE
    assert block.instance_of(run.name) not in instances()
    assert mounts() == before


def test_records_appear_while_ranks_still_run(eventually):
    job = runner.start(SMALL, fault=HANG)
    assert eventually(lambda: block.instance_of(job.run_dir.name) in instances())

    follower = Follower(job.run_dir / "trace", ("block.piot",))

    def seen():
        records = follower.poll()
        kind = (records["layer"] == Layer.BLOCK) & (records["op"] == Op.WRITE)
        return kind.any() and set(records["file"][kind]) == {0}

    eventually(seen)
    assert job.state == "running"
    job.stop()
    assert job.wait_sync(60).status == "stopped"
    assert block.instance_of(job.run_dir.name) not in instances()


def test_what_is_read_from_the_disk(tmp_path):
    path = tmp_path / "data"
    runner.run_sync(SMALL.replace(test_file=str(path), keep=True))
    if not evict(path).verified:
        pytest.skip("the file can't be put out of memory here")
    run = runner.run_sync(SMALL.replace(test_file=str(path), write=False, read=True))
    reads = run.result["layers"]["block"]["read"]
    assert reads["bytes"] >= 2 * 65536
    assert "write" not in run.result["layers"]["block"]


def test_a_program_that_is_not_ours(tmp_path, monkeypatch):
    if preload.why_not():
        pytest.skip(preload.why_not())
    monkeypatch.chdir(tmp_path)
    text = "import os; f = open('own', 'wb'); f.write(bytes(1 << 20)); f.flush(); os.fsync(f)"
    run = runner.trace_command_sync([sys.executable, "-c", text], capture="preload")
    assert run.result["layers"]["block"]["write"]["bytes"] == 1 << 20
    assert run.result["capture"]["block"] == "tracefs"
    writes = run.trace.records[run.trace.where(layer=Layer.BLOCK, op=Op.WRITE)]
    assert {run.trace.files[file] for file in writes["file"]} == {str(tmp_path / "own")}


@pytest.mark.parametrize("who", ["guard", "sampler"])
def test_someone_is_killed(who, eventually, living):
    job = runner.start(SMALL, fault=HANG)
    name = block.instance_of(job.run_dir.name)
    eventually(lambda: (job.run_dir / "trace/block.piot").exists())
    eventually(lambda: list((job.run_dir / "trace").glob("rank-00001.piot")))
    assert name in instances()
    if who == "guard":
        os.kill(job._process.pid, signal.SIGKILL)
        with pytest.raises(RunError):
            job.wait_sync(60)
    else:
        for pid in living():
            if "capture.sampler" in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)
        job.stop()
        assert job.wait_sync(60).status == "stopped"
    assert not living()
    assert name not in instances()


SCRIPT = (
    "import sys\nfrom piotutor import runner, Workload\n"
    "runner.run_sync(Workload(num_tasks=2), fault={'rank': 1, 'how': 'hang'})"
)


def test_guard_and_parent_are_killed_and_the_next_start_tidies_up(eventually, living, state):
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=subprocess.DEVNULL)
    (path,) = eventually(lambda: list((state / "runs").glob("*/trace/block.piot")))
    run_dir = path.parents[1]
    name = block.instance_of(run_dir.name)
    (guard,) = (pid for pid in guards() if str(run_dir) in command(pid))
    parent.kill()
    os.kill(guard, signal.SIGKILL)
    parent.wait(60)
    eventually(lambda: not command(guard))  # until it is gone it holds the lock of its run
    assert name in instances()
    assert rundir.sweep(state) == [run_dir]
    assert not living()
    assert name not in instances()


def guards():
    everyone = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in everyone if "piotutor.launch.guard" in command(pid)]


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv (util-linux)")
def test_without_the_right_it_falls_back_and_says_why(state):
    code = "from piotutor import runner, Workload; runner.run_sync(Workload(num_tasks=2))"
    drop = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    subprocess.run([*drop, sys.executable, "-c", code], check=True, timeout=60)
    (run_dir,) = (state / "runs").iterdir()
    run = runner.open_run(run_dir)
    why = run.result["capture"]["block"]
    assert why.startswith("deltas: tracefs is ")
    assert "root" in why
    assert set(run.result["capture"]["io"]) >= {"device_written", "device_read"}
    assert "block" not in run.result["layers"]
    assert not processes.marked(run_dir)
