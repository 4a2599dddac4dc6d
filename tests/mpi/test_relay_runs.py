"""Ranks on a host that doesn't see the run directory: their traces come through a relay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from piotutor import runner
from piotutor.testing import namespaces

pytestmark = pytest.mark.mpi
LINE = "run -a POSIX -n 4 -t 4k -b 4k -s 8 -w -r -R --json --timeout 60".split()


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
    """Return a function that runs piotutor's command line where the hosts meet."""
    environment = {**os.environ, **namespaces.ENVIRONMENT}

    def act(names="h1+h2", relay=True):
        spec = f"hosts:names={names},remote={hosts.remote}"
        more = ["--directory", str(tmp_path / "shared"), "--launcher"]
        if mpi.family == "mpich":
            spec += f",address={hosts.address}"
        words = [*LINE, *more, spec + (f",relay={hosts.address}" if relay else "")]
        return subprocess.run(
            hosts.inside([sys.executable, "-m", "piotutor", *words]),
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

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
