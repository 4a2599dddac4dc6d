"""The runner, with one rank and no MPI: how a run is asked for, followed, ended and opened."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from piotutor import jobs, rundir, runner
from piotutor.errors import PiotutorError, RunError, UsageError
from piotutor.launch.local import Local
from piotutor.trace import Layer, Op
from piotutor.workload import Workload

pytestmark = pytest.mark.usefixtures("spotless")

ALONE = Local(python=sys.executable)
SMALL = Workload(num_tasks=1, block_size=65536, transfer_size=16384)
OPTIONS = {"launcher": ALONE, "sample": False}
HANG = {"rank": 0, "how": "hang"}


def test_run_sync():
    run = runner.run_sync(SMALL, **OPTIONS)
    assert run.status == "done"
    assert run.workload == SMALL
    assert [phase["op"] for phase in run.result["phases"]] == ["write", "read"]
    assert {phase["bytes"] for phase in run.result["phases"]} == {65536}
    assert {phase["operations"] for phase in run.result["phases"]} == {4}
    assert run.errors == []


def test_the_outside_form():
    run = runner.run_sync(SMALL.replace(verify_read=True), **OPTIONS)
    result = json.loads(json.dumps(run.result))
    assert result["provenance"] == "measured"
    assert result["environment"]["ranks"] == 1
    assert result["environment"]["filesystem"]
    assert result["environment"]["slowed"] is None
    assert result["verified_bytes"] == 65536
    assert result["verified_from"] in ("direct", "after-evict", "cache")
    assert set(result["hints"]) == {"requested", "echoed", "verified"}
    assert (result["targets"], result["dropped"], result["mismatches"]) == ([], 0, [])
    assert result["run_dir"] == str(run.dir)
    assert result["layers"]["app"]["write"] == {"operations": 4, "bytes": 65536}
    for phase in result["phases"]:
        assert set(phase) >= {"op", "repetition", "bytes", "operations", "seconds", "bandwidth"}
        assert set(phase["latency"]) >= {"p50", "p95", "p99", "max", "mean"}


def test_the_trace_knows_its_run():
    run = runner.run_sync(SMALL, **OPTIONS)
    assert len(run.trace.select(layer=Layer.APP, op=Op.WRITE)) == 4
    assert run.trace.meta["workload"] == SMALL.to_dict()
    assert run.trace.meta["environment"]["ranks"] == 1
    assert run.trace.meta["run"] == run.name


def test_run_in_a_notebook():
    """Other work goes on meanwhile."""

    async def notebook():
        beats = 0

        async def heart():
            nonlocal beats
            while True:
                await asyncio.sleep(0)
                beats += 1

        beating = asyncio.create_task(heart())
        run = await runner.run(SMALL, **OPTIONS)
        beating.cancel()
        return run, beats

    run, beats = asyncio.run(notebook())
    assert run.status == "done"
    assert beats > 100


def test_an_ior_command_line():
    run = runner.run_sync("ior -a POSIX -n 1 -b 64k -t 16k -w", **OPTIONS)
    assert run.workload == SMALL.replace(write=True, read=False)
    with pytest.raises(UsageError):
        runner.run_sync("ior -a POSIX -n 1 --dryRun", **OPTIONS)


def test_open_run():
    run = runner.run_sync(SMALL, **OPTIONS)
    again = runner.open_run(run.dir)
    assert again.result == run.result
    assert again.workload == run.workload
    assert len(again.trace) == len(run.trace)
    assert again.seconds == run.seconds > 0


def test_what_a_run_looks_like():
    run = runner.run_sync(SMALL, **OPTIONS)
    text, table = repr(run), run._repr_html_()
    assert run.name in text
    assert "measured" in text
    assert "64 KiB" in text
    assert "measured" in table
    assert table.count("<tr>") == 2


def test_follow_while_it_runs(eventually):
    job = runner.start(SMALL, **OPTIONS)
    records = 0
    seen = []
    while (state := job.state) in ("waiting", "running") and job._process.poll() is None:
        seen.append(state)
        records += len(job.deep_follower.poll())
        time.sleep(0.005)
    run = job.wait_sync()
    records += len(job.deep_follower.poll(everything=True))
    assert records == len(run.trace)
    assert job.state == "done"
    assert seen == sorted(seen, key=("waiting", "running").index)


class Printer(Local):
    """Starts a program that prints, and goes on."""

    def argv(self, ranks):
        return [sys.executable, "-c", "print('one\\ntwo'); import time; time.sleep(600)"]


def test_output_is_seen_while_it_runs(eventually):
    job = runner.start(SMALL, launcher=Printer(), sample=False)
    assert eventually(lambda: job.output)[:1] == ["one"]
    assert job.state == "running"
    job.stop()
    assert job.wait_sync(30).output.splitlines() == ["one", "two"]


def test_stop(eventually):
    job = runner.start(SMALL, fault=HANG, **OPTIONS)
    eventually(lambda: job.state == "running" and list((job.run_dir / "trace").glob("rank*")))
    job.stop()
    run = job.wait_sync(30)
    assert job.state == run.status == "stopped"
    assert "stopped" in repr(run)
    job.stop()


def test_the_end_is_seen_without_waiting(eventually):
    job = runner.start(SMALL, **OPTIONS)
    assert eventually(lambda: job.state not in ("waiting", "running") and job.state) == "done"
    assert job.wait_sync().status == "done"


def test_stop_before_it_began():
    job = runner.start(SMALL, fault=HANG, **OPTIONS)
    job.stop()
    run = job.wait_sync(30)
    assert run.status == "stopped"
    assert not run.trace.where(op=Op.WRITE).any()


def test_timeout():
    with pytest.raises(RunError, match="no end after") as caught:
        runner.run_sync(SMALL, fault=HANG, timeout=1.5, **OPTIONS)
    assert runner.open_run(caught.value.run_dir).status == "timeout"


def test_waiting_may_be_given_up_and_taken_up_again():
    job = runner.start(SMALL, fault=HANG, **OPTIONS)
    with pytest.raises(TimeoutError):
        job.wait_sync(0.05)
    job.stop()
    assert job.wait_sync(30).status == "stopped"


def test_cancelled():
    """What interrupting a cell does: nothing is left when the await returns."""

    async def notebook():
        task = asyncio.create_task(runner.run(SMALL, fault=HANG, **OPTIONS))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(notebook())


def test_a_job_that_nobody_holds_any_more(state, eventually, living):
    job = runner.start(SMALL, fault=HANG, **OPTIONS)
    eventually(living)
    process = job._process
    process.stdin.close()
    assert process.wait(30) == 3


def test_the_guard_is_killed(eventually, living):
    job = runner.start(SMALL, fault=HANG, **OPTIONS)
    eventually(living)
    job._process.kill()
    with pytest.raises(RunError, match="guard of this run was killed"):
        job.wait_sync(30)


def test_the_guard_hangs(monkeypatch, eventually, living):
    monkeypatch.setattr(jobs, "UNRESPONSIVE", 0.3)
    job = runner.start(SMALL, fault=HANG, **OPTIONS)
    eventually(living)
    os.kill(job._process.pid, signal.SIGSTOP)
    job.stop()
    assert job.wait_sync(30).status == "stopped"


def test_one_error_readable_once():
    with pytest.raises(RunError) as caught:
        runner.run_sync(SMALL, fault={"rank": 0, "how": "raise"}, **OPTIONS)
    assert str(caught.value).startswith("rank 0: ")
    assert "\n" not in str(caught.value)
    run = runner.open_run(caught.value.run_dir)
    assert run.status == "failed"
    (error,) = run.errors
    assert "Traceback" in error["traceback"]
    assert str(caught.value) in repr(run)


@pytest.mark.parametrize(("how", "text"), [("kill", "code -9"), ("exit", "code 3")])
def test_ranks_that_say_nothing(how, text):
    with pytest.raises(RunError, match=text):
        runner.run_sync(SMALL, fault={"rank": 0, "how": how}, **OPTIONS)


def reading(path, written):
    """Return the workload that verifies what a run has kept."""
    return Workload(
        num_tasks=1,
        block_size=65536,
        transfer_size=16384,
        test_file=str(path),
        verify_read=True,
        signature=written.result["signature"],
    )


def test_kept_read_and_written_again(tmp_path):
    path = tmp_path / "f"
    work = SMALL.replace(test_file=str(path), keep=True)
    for repetitions in (1, 3):
        written = runner.run_sync(work.replace(repetitions=repetitions), **OPTIONS)
        assert path.stat().st_size == 65536
        run = runner.run_sync(reading(path, written), **OPTIONS)
        assert (run.status, run.result["verified_bytes"]) == ("done", 65536)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["f", "state"]


def test_not_kept(tmp_path):
    runner.run_sync(SMALL.replace(test_file=str(tmp_path / "f")), **OPTIONS)
    assert not (tmp_path / "f").exists()


def test_bytes_that_are_not_what_was_written(tmp_path):
    path = tmp_path / "f"
    written = runner.run_sync(SMALL.replace(test_file=str(path), keep=True), **OPTIONS)
    with path.open("r+b") as file:
        file.seek(20000)
        good = file.read(7)
        file.seek(20000)
        file.write(bytes(byte ^ 255 for byte in good))
    with pytest.raises(RunError, match=r"read 7 bad bytes, the first at offset 20,000"):
        runner.run_sync(reading(path, written), **OPTIONS)
    assert path.stat().st_size == 65536


def test_kept_in_scratch(state):
    run = runner.run_sync(SMALL.replace(keep=True), **OPTIONS)
    (file,) = json.loads((run.dir / "job.json").read_text())["files"]
    assert Path(file).stat().st_size == 65536
    assert rundir.prune(state, keep=0) == [run.dir]
    assert not Path(file).exists()


@pytest.mark.parametrize("how", ["directory", "environment"])
def test_data_elsewhere(tmp_path, monkeypatch, how):
    (tmp_path / "fast").mkdir()
    more = {"directory": tmp_path / "fast"} if how == "directory" else {}
    if not more:
        monkeypatch.setenv("PIOTUTOR_SCRATCH", str(tmp_path / "fast"))
    run = runner.run_sync(SMALL, **OPTIONS, **more)
    assert run.environment["path"].startswith(str(tmp_path / "fast"))
    assert not list((tmp_path / "fast").iterdir())


def test_ctrl_c_in_a_script(state, eventually, living):
    text = (
        "from piotutor import runner, Workload\nfrom piotutor.launch.local import Local\n"
        "runner.run_sync(Workload(num_tasks=1), launcher=Local(), sample=False,"
        " fault={'rank': 0, 'how': 'hang'})"
    )
    with subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.PIPE) as script:
        eventually(living)
        script.send_signal(signal.SIGINT)
        _, error = script.communicate(timeout=30)
    assert script.returncode == -signal.SIGINT
    assert b"KeyboardInterrupt" in error
    assert not living()


def test_one_run_after_the_other(monkeypatch, eventually):
    """Two runs of one user where there is a place for one rank."""
    monkeypatch.setenv("PIOTUTOR_MAX_RANKS", "1")
    first = runner.start(SMALL, fault=HANG, **OPTIONS)
    eventually(lambda: first.state == "running")
    second = runner.start(SMALL, **OPTIONS)
    assert "need your own places" in eventually(lambda: second.why)
    assert second.state == "waiting"
    first.stop()
    assert second.wait_sync(60).status == "done"
    first.wait_sync(30)


def test_a_queue_of_the_host(monkeypatch, tmp_path):
    (tmp_path / "hub").mkdir()
    monkeypatch.setenv("PIOTUTOR_QUEUE_DIR", str(tmp_path / "hub"))
    monkeypatch.setenv("PIOTUTOR_QUEUE_RANKS", "1")
    assert runner.run_sync(SMALL, **OPTIONS).status == "done"
    assert sorted(path.name for path in (tmp_path / "hub").iterdir()) == ["place-000", "turn"]
    with pytest.raises(UsageError, match="can never run at once here"):
        runner.start(SMALL.replace(num_tasks=2), **OPTIONS)


def test_opening_what_is_no_run(tmp_path):
    with pytest.raises(PiotutorError, match=r"job\.json is missing"):
        runner.open_run(tmp_path)
    run = runner.run_sync(SMALL, **OPTIONS)
    for name, text in (("job.json", "{}"), ("result.json", "{"), ("job.json", '{"workload": 3}')):
        whole = (run.dir / name).read_text()
        (run.dir / name).write_text(text)
        with pytest.raises(PiotutorError, match=r"is damaged|can't be read") as caught:
            runner.open_run(run.dir)
        assert "\n" not in str(caught.value)
        (run.dir / name).write_text(whole)
    runner.open_run(run.dir)


def test_a_damaged_trace_is_an_error_of_one_line():
    run = runner.run_sync(SMALL, **OPTIONS)
    path = run.dir / "trace" / "rank-00000.piot"
    path.write_bytes(b"not a trace")
    with pytest.raises(PiotutorError) as caught:
        _ = runner.open_run(run.dir).trace
    assert "\n" not in str(caught.value)
