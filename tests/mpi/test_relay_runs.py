"""Ranks on a host that doesn't see the run directory: their traces come through a relay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from piotutor import runner
from piotutor.testing import namespaces

pytestmark = pytest.mark.mpi
LINE = "run -a POSIX -n 4 -t 4k -b 4k -s 8 -w -r -R --json --timeout 60"


@pytest.fixture
def hosts(tmp_path, state, mpi):
    """Two hosts; the second one sees another state directory than the first and we do."""
    (tmp_path / "shared").mkdir()
    made = namespaces.Hosts(tmp_path, ["h1", "h2"], {"h2": 5000}, {"h2": state})
    try:
        with made:
            yield made
    except namespaces.UnavailableError as why:
        pytest.skip(str(why))


@pytest.fixture
def piotutor(hosts, mpi, tmp_path):
    """Return a function that runs piotutor's command line where the hosts meet.

    What is to happen meanwhile is a function; more options of the run are words.
    """
    environment = {**os.environ, **namespaces.ENVIRONMENT}

    def act(names="h1+h2", relay=True, more="", meanwhile=lambda: None):
        spec = f"hosts:names={names},remote={hosts.remote}"
        words = [*LINE.split(), *more.split(), "--directory", str(tmp_path / "shared")]
        if mpi.family == "mpich":
            spec += f",address={hosts.address}"
        words += ["--launcher", spec + (f",relay={hosts.address}" if relay else "")]
        with subprocess.Popen(
            hosts.inside([sys.executable, "-m", "piotutor", *words]),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            meanwhile()
            output, said = process.communicate(timeout=100)
        return subprocess.CompletedProcess(words, process.returncode, output, said)

    return act


def seen_on(hosts, host, path):
    """Return what a host sees in a directory."""
    words = [str(hosts.remote), host, f"ls -A {path}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("names", ["h1+h2", "h2+h1"])
def test_what_a_host_records_that_sees_no_run_is_all_there(hosts, piotutor, spotless, state, names):
    done = piotutor(names)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["verified_bytes"] == 4 * 8 * 4096
    assert result["layers"]["app"]["write"] == {"operations": 32, "bytes": 4 * 8 * 4096}
    assert result["layers"]["posix"]["write"] == {"operations": 32, "bytes": 4 * 8 * 4096}
    run = runner.open_run(result["run_dir"])
    assert {path.name for path in (run.dir / "trace").glob("rank-*")} == {
        f"rank-{rank:05d}.piot" for rank in range(4)
    }
    assert run.environment["clocks"]["1"]["host"] == names[-2:]
    assert not (run.dir / "relay.log").read_text()
    assert not seen_on(hosts, "h2", state)


def test_a_host_that_sees_no_run_is_named_where_there_is_no_relay(piotutor, spotless):
    done = piotutor(relay=False)
    assert done.returncode == 1
    assert "host h2 doesn't see " in done.stderr and "relay=ADDRESS" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_survives_its_relay(hosts, piotutor, spotless, state, living, eventually):
    def arrived():
        return list(state.glob("runs/*/trace/rank-00003.piot"))

    def kill_relay():
        eventually(arrived)
        lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in living()}
        (relay,) = (pid for pid, line in lines.items() if b"piotutor.launch.relay" in line)
        os.kill(relay, signal.SIGKILL)

    done = piotutor(more="-i 10 -e", meanwhile=kill_relay)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["status"] == "done" and result["verified_bytes"] == 10 * 4 * 8 * 4096
    lost, *missing = result["capture"]["notes"]
    assert lost.startswith("what hosts recorded that don't see the run may be missing")
    assert all(note.startswith("the trace") for note in missing)  # none if all had come by then
    assert not seen_on(hosts, "h2", state)
