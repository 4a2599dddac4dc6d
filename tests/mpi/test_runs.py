"""Runs with real ranks, from the first check to the result."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from piotutor import runner
from piotutor.errors import RunError
from piotutor.trace import Layer, Op
from piotutor.workload import Workload

pytestmark = [pytest.mark.mpi, pytest.mark.usefixtures("mpi", "spotless")]

SMALL = {"block_size": 65536, "transfer_size": 16384}
HANG = {"rank": 1, "how": "hang"}


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("api", ["NULL", "POSIX", "MPIIO"])
def test_every_interface(api, ranks):
    run = runner.run_sync(Workload(api=api, num_tasks=ranks, **SMALL))
    assert run.status == "done"
    for phase in run.result["phases"]:
        assert (phase["operations"], phase["bytes"]) == (4 * ranks, 65536 * ranks)
    app = run.trace.select(layer=Layer.APP)
    assert sorted(set(app.column("rank").tolist())) == list(range(ranks))


def test_the_example_of_the_issue():
    run = runner.run_sync("ior -a MPIIO -c -n 4 -t 47008 -b 47008 -s 20 -w -r -R")
    assert run.result["verified_bytes"] == 4 * 20 * 47008
    assert run.result["mismatches"] == []
    assert [phase["operations"] for phase in run.result["phases"]] == [80, 80]


def test_one_file_each(tmp_path):
    work = Workload(
        file_per_process=True, keep=True, test_file=str(tmp_path / "f"), num_tasks=2, **SMALL
    )
    runner.run_sync(work)
    assert sorted(path.name for path in tmp_path.glob("f*")) == ["f.00000000", "f.00000001"]
    assert not list(tmp_path.glob(".piotutor*"))


def test_the_sampler_looks_on():
    run = runner.run_sync(Workload(num_tasks=2, **SMALL))
    assert (run.dir / "trace" / "sampler.piot").exists()
    assert len(run.trace.select(op=Op.SAMPLE))


def test_follow_live(eventually):
    """Records are seen while ranks still run: one has done its part, the other hangs."""
    job = runner.start(Workload(num_tasks=2, **SMALL), fault=HANG, sample=False)
    seen = []

    def poll():
        seen.extend(job.follower.poll().tolist())
        return seen

    eventually(poll)
    assert job.state == "running"
    job.stop()
    assert job.wait_sync(30).status == "stopped"


def test_one_ranks_exception_ends_the_job():
    with pytest.raises(RunError, match="rank 2: ") as caught:
        runner.run_sync(Workload(num_tasks=4, **SMALL), fault={"rank": 2, "how": "raise"})
    errors = runner.open_run(caught.value.run_dir).errors
    assert [error["rank"] for error in errors] == [2]
    assert str(caught.value) in runner.open_run(caught.value.run_dir).output
    assert "Traceback" in errors[0]["traceback"]


def test_other_cells_answer_meanwhile():
    async def notebook():
        job = runner.start(Workload(num_tasks=2, **SMALL), fault=HANG, sample=False)
        waiting = asyncio.create_task(job.wait())
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not waiting.done()
        job.stop()
        return await waiting

    assert asyncio.run(notebook()).status == "stopped"


def test_two_runs_at_once(monkeypatch):
    """Eight ranks wanted, four places: one run waits for the other, both end."""
    monkeypatch.setenv("PIOTUTOR_MAX_RANKS", "4")
    jobs = [runner.start(Workload(**SMALL), sample=False) for _ in range(2)]
    assert [job.wait_sync(120).status for job in jobs] == ["done", "done"]


def test_more_ranks_than_cores():
    ranks = min(16, 2 * (os.cpu_count() or 1) + 2)
    run = runner.run_sync(Workload(num_tasks=ranks, **SMALL), sample=False)
    assert run.result["phases"][0]["operations"] == 4 * ranks


SCRIPT = (
    "import sys\nfrom piotutor import runner, Workload\n"
    "runner.run_sync(Workload(num_tasks=2), fault={'rank': 1, 'how': 'hang'})"
)


@pytest.mark.parametrize("how", ["KILL", "HUP", "TERM", "INT", "QUIT"])
def test_the_parent_dies(how, eventually, living, state):
    """Kernel, notebook server or terminal: whatever ends it, nothing is left."""
    parent = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stderr=subprocess.DEVNULL, start_new_session=True
    )
    eventually(lambda: list((state / "runs").glob("*/trace/rank-00001.piot")))
    assert len(living()) >= 3
    os.killpg(parent.pid, getattr(signal, f"SIG{how}"))
    parent.wait(60)
    eventually(lambda: not living())
    eventually(lambda: list((state / "runs").glob("*/guard-result.json")))


def test_a_terminal_is_closed(eventually, living, state):
    """The run is started from a shell on a terminal, and the terminal goes away."""
    pid, terminal = os.forkpty()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", SCRIPT])
    eventually(lambda: list((state / "runs").glob("*/trace/rank-00001.piot")))
    os.close(terminal)
    eventually(lambda: not living())
    os.waitpid(pid, 0)


CELL = """
import piotutor as pio
run = await pio.run(pio.Workload(num_tasks=2), fault={"rank": 1, "how": "hang"})
"""


@pytest.fixture
def notebook(state):
    """Return a running Jupyter kernel: its manager and a client."""
    manager = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    kernel, client = manager.start_new_kernel(kernel_name="python3")
    yield kernel, client
    client.stop_channels()
    if kernel.is_alive():
        kernel.shutdown_kernel(now=True)
    kernel.cleanup_resources()


def test_a_cell_is_interrupted(notebook, eventually, living, state):
    kernel, client = notebook
    client.execute(CELL)
    eventually(lambda: list((state / "runs").glob("*/trace/rank-00001.piot")))
    kernel.interrupt_kernel()
    eventually(lambda: not living())
    reply = client.execute("print(1)", reply=True, timeout=60)
    assert reply["content"]["status"] in ("ok", "aborted")


def test_the_kernel_is_killed(notebook, eventually, living, state):
    kernel, client = notebook
    client.execute(CELL)
    eventually(lambda: list((state / "runs").glob("*/trace/rank-00001.piot")))
    kernel.signal_kernel(signal.SIGKILL)
    eventually(lambda: not living())
    eventually(lambda: list((state / "runs").glob("*/guard-result.json")))


@pytest.mark.parametrize("who", ["mpiexec", "rank", "all"])
def test_someone_is_killed(who, eventually, living, state):
    job = runner.start(Workload(num_tasks=2, **SMALL), fault=HANG)
    eventually(lambda: list((job.run_dir / "trace").glob("rank-00001.piot")))
    everyone = living()
    mpiexec = [pid for pid in everyone if parent_of(pid) == job._process.pid]
    mpiexec = [pid for pid in mpiexec if "sampler" not in command(pid)]
    ranks = [pid for pid in everyone if command(pid).endswith("job.json\0")]
    ranks = [pid for pid in ranks if pid not in mpiexec and "sampler" not in command(pid)]
    for pid in {"mpiexec": mpiexec, "rank": ranks[-1:], "all": everyone}[who]:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(RunError) as caught:
        job.wait_sync(60)
    assert "\n" not in str(caught.value)
    assert not living()


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_a_killed_guard_is_cleaned_up_after_at_the_next_start(eventually, living, state):
    """Parent and guard are both killed; ranks, data and shared memory are still there."""
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=subprocess.DEVNULL)
    eventually(lambda: list((state / "runs").glob("*/trace/rank-00001.piot")))
    (guard,) = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"piotutor.launch.guard\0{state}" in command(path.parent.name)
    ]
    parent.kill()
    os.kill(guard, signal.SIGKILL)
    parent.wait(60)
    eventually(lambda: not command(guard))  # until it is gone it holds the lock of its run
    assert living()
    assert runner.run_sync(Workload(num_tasks=1, **SMALL), sample=False).status == "done"
    assert not living()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv (util-linux)")
def test_as_an_ordinary_user(mpi):
    """As a user who owns a home directory and nothing else (but may read this Python)."""
    if mpi.family != "mpich":
        pytest.skip("Open MPI looks at the modes of this Python's path, not at what may be read")
    user = pwd.getpwnam("nobody")
    home = Path("/tmp") / f"piotutor-user-{os.getpid()}"
    home.mkdir(mode=0o700)
    os.chown(home, user.pw_uid, user.pw_gid)
    text = (
        "import os; from piotutor import runner, Workload\n"
        "work = Workload(api='MPIIO', num_tasks=4, write=True, verify_read=True)\n"
        "print(os.geteuid(), runner.run_sync(work).result['verified_bytes'])"
    )
    become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        answer = subprocess.run(
            [*become, *read, sys.executable, "-c", text],
            cwd=home,
            env=env,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert answer.stdout == f"{user.pw_uid} 4194304\n", answer.stderr
        assert stat.S_IMODE((home / ".local/state/piotutor").stat().st_mode) == 0o700
        assert not list((home / ".local/state/piotutor/scratch").iterdir())
    finally:
        shutil.rmtree(home)
