"""What a model would take: too much of it is refused in a line, before anything is begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from piotutor import cli
from piotutor.engine import Machine, demand, model
from piotutor.engine.library import library
from piotutor.engine.machines import read_machine
from piotutor.errors import PiotutorError, UsageError
from piotutor.modelled import model_run
from piotutor.workload import Workload

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")

TIB = 1 << 40


@pytest.mark.parametrize(
    ("line", "machine", "layout"),
    [
        ("-N 2 -t 1k -b 32g", "", {}),
        ("-N 10000000 -t 1m -b 1m -F", ":clients=10000000", {}),
        ("-N 1000000 -t 8 -b 8", ":clients=1000000,targets=2000", {"stripe_count": 2000}),
        ("-N 2000 -F", ":targets=1000000", {"stripe_count": 100_000}),
        ("-N 2", ":targets=100000000", {}),
        ("-N 2", ":targets=100,device=ssd,ssd_blocks=100000,ssd_rewritten=1", {"stripe_count": 99}),
        ("-N 2 -i 8000 -t 1k -b 8m", "", {}),
    ],
)
def test_what_needs_more_memory_than_there_is_says_how_much(line, machine, layout, monkeypatch):
    """Transfers, ranks, files, stripes, targets, devices: each for itself."""
    monkeypatch.setattr(demand, "memory_free", lambda: 2 << 30)
    with pytest.raises(UsageError, match=r"takes about [\d,.]+ GiB of memory, 2.0 GiB are free"):
        model_run(f"ior {line}", f"small-lustre{machine}", **layout)


def test_what_would_take_hours_is_refused():
    """A billion requests, of whatever size, and repetitions that have no number."""
    with pytest.raises(UsageError, match="268,435,456,000,000 requests"):
        model_run("ior -w -t 1g -b 1g -s 125000 -N 2", "unlimited:rpc_size=1,clients=2")
    with pytest.raises(UsageError, match="8,191 at most"):
        model_run("ior -i 8192 -N 2", "small-lustre")


@pytest.mark.parametrize("name", ["stripe_size", "stripe_count", "directories"])
def test_a_layout_is_of_whole_positive_numbers(name):
    """Anything else is one line, as are more stripes than targets."""
    for value in (0, -1, 1.5, "4", None, True, 1 << 63, float("nan")):
        with pytest.raises(UsageError, match=f"{name}=.*whole number, at least 1"):
            model_run("ior -N 2", "small-lustre", **{name: value})
    with pytest.raises(UsageError, match="has 8 targets"):
        model_run("ior -N 2", "small-lustre", stripe_count=9)


@pytest.mark.parametrize("machine", [None, 5, ["small-lustre"], {"targets": 3}])
def test_a_machine_is_named_or_made(machine):
    with pytest.raises(UsageError, match=r"machine=.*a \.json file or a pio\.Machine"):
        model_run("ior -N 2", machine)


def test_an_end_that_is_too_far_away_is_said():
    """Sums of nanoseconds don't wrap around: speeds near nothing, times near eleven days."""
    work = Workload(num_tasks=2, transfer_size=1 << 20, block_size=1 << 26, write=True)
    slow = {"target_write_bandwidth": 1e-300}, {"target_overhead": 1e6, "slow_factor": 1e6}
    for parameters in (*slow, {"client_bandwidth": 5e-324}, {"lock_protocol": "tokens"} | slow[1]):
        with pytest.raises(PiotutorError, match="more than 36 years"):
            model(work, Machine(clients=2, **parameters))


def test_the_estimate_is_no_smaller_than_what_is_taken():
    """Arrays of operations and of records alone; the engine's own tables come to that."""
    work = Workload(num_tasks=64, transfer_size=4096, block_size=1 << 20, write=True, read=True)
    on = read_machine("large-lustre")
    layout = demand.layout_on(on, stripe_size=1 << 20, stripe_count=4, directories=1)
    records = model(work, on, stripe_count=4).records
    assert demand.memory_of(work, on, layout, servers=True) > records.nbytes + 24 * len(records)


def test_too_large_tables_are_said_not_made():
    """What no address space holds; sizes don't wrap around to small ones."""
    on = Machine(clients=(1 << 28) - 1, targets=(1 << 28) - 1)
    with pytest.raises((UsageError, PiotutorError), match="GiB"):
        model_run("ior -N 2", on)


ENDLESS = ["model", "-n", "4", "-b", "1t", "-t", "1m", "--machine", "small-lustre:rpc_size=64k"]


def test_ctrl_c_ends_it_while_c_runs(tmp_path):
    """One line, no traceback, nothing left behind."""
    env = os.environ | {"PIOTUTOR_STATE": str(tmp_path / "state")}
    command = [sys.executable, "-m", "piotutor", *ENDLESS]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as job:
        assert "that takes a while" in job.stderr.readline()
        while len(list(Path(f"/proc/{job.pid}/task").iterdir())) < 2:
            assert job.poll() is None
        job.send_signal(signal.SIGINT)
        assert job.communicate(timeout=60)[1] == "piotutor: stopped\n"
        assert job.returncode == 130
    assert not list((tmp_path / "state").glob("runs/*"))


@pytest.mark.parametrize(
    ("words", "told"),
    [(("Unable to allocate 9 GiB",), "Unable to allocate 9 GiB"), ((), "ask for less")],
)
def test_too_little_memory_is_a_line(monkeypatch, capsys, words, told):
    def refuse(*_, **__):
        raise MemoryError(*words)

    monkeypatch.setattr("piotutor.modelled.model", refuse)
    assert cli.main(["model", "-n", "2", "--machine", "unlimited"]) == 1
    assert capsys.readouterr().err == f"piotutor: there is too little memory: {told}\n"
