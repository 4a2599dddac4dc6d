"""Command lines for ranks on named hosts, and which names are names. No rank is started."""

from __future__ import annotations

import sys
import time
from itertools import pairwise

import pytest

from piotutor import Workload, launch
from piotutor.errors import UsageError
from piotutor.launch.hosts import Hosts
from piotutor.launch.local import Local, Ranks
from piotutor.launch.orders import Orders
from piotutor.launch.reaching import reach, run_on

MODULE = ("piotutor.launch.worker", "/runs/job.json")
RANK = ["/v/python", "-m", "mpi4py", "-m", *MODULE]


def local(family):
    return Local(mpiexec="/mpi/mpiexec", family=family, python="/v/python")


def test_mpich_starts_ranks_host_after_host():
    hosts = Hosts(names="a+b.c", remote="/opt/remote", address="10.0.0.9", local=local("mpich"))
    assert hosts.argv(Ranks(4, MODULE)) == [
        *("/mpi/mpiexec", "-launcher", "ssh", "-launcher-exec", "/opt/remote"),
        *("-localhost", "10.0.0.9", "-hosts", "a,b.c", "-ppn", "2", "-n", "4"),
        *RANK,
    ]


def test_openmpi_starts_ranks_host_after_host():
    hosts = Hosts(names="a+b", remote="/opt/remote", local=local("openmpi"))
    assert hosts.argv(Ranks(3, MODULE, ("wrap",))) == [
        *("/mpi/mpiexec", "--host", "a:2,b:2", "--map-by", "ppr:2:node:oversubscribe", "-n", "3"),
        "wrap",
        *RANK,
    ]
    assert hosts.env()["PRTE_MCA_plm_ssh_agent"] == "/opt/remote"
    assert hosts.env()["OMPI_MCA_plm_rsh_agent"] == "/opt/remote"


@pytest.mark.parametrize("family, word", [("mpich", "1"), ("openmpi", "ppr:1:node:oversubscribe")])
def test_ranks_on_a_host_as_asked_for(family, word):
    assert word in Hosts(names="a+b", local=local(family)).argv(Ranks(2, MODULE, per_node=1))


def orders(hosts):
    ranks = Ranks(2, MODULE)
    env = {"ONE": "1", "PYTHONPATH": "/src", **hosts.env()}
    made = Orders("/runs/r", hosts.argv(ranks), env, data={}, temporary="/tmp/r", since=5.0)
    return hosts.adapt(made, ranks)


def test_mpich_passes_the_environment_on_by_itself():
    assert "-x" not in orders(Hosts(names="a+b", local=local("mpich"))).argv


def test_openmpi_is_told_what_to_pass_on():
    argv = orders(Hosts(names="a+b", local=local("openmpi"))).argv
    passed = {word for flag, word in pairwise(argv) if flag == "-x"}
    assert passed >= {"ONE", "PYTHONPATH", "PIOTUTOR_RUN", "PIOTUTOR_*", "UCX_*"}
    assert argv.index("--host") > argv.index("-x") > argv.index("/mpi/mpiexec")


def test_the_guard_is_told_how_to_end_ranks_elsewhere():
    told = orders(Hosts(names="a+b", local=local("mpich")))
    assert told.cancel == [
        *("/v/python", "-m", "piotutor.launch.farewell", "--remote", "ssh", "--wait", "5"),
        *("/runs/r", "5.0", "a", "b"),
    ]
    assert not told.temporary and not told.sampler


def test_ssh_asks_no_questions_and_gets_quoted_words():
    assert reach("/usr/bin/ssh", "a", ["test", "-x", "a b; c"], 7.2) == [
        *("/usr/bin/ssh", "-x", "-oBatchMode=yes", "-oConnectTimeout=8", "a"),
        "test -x 'a b; c'",
    ]
    assert reach("/opt/remote", "a", ["true"], 7) == ["/opt/remote", "a", "true"]


BAD = ["-oProxyCommand=x", "a b", "a;b", "$(a)", "a/b", "", "a+", "a+a", "-a", "a-", ".a", "a\n"]


@pytest.mark.parametrize("names", BAD)
def test_what_is_no_name_is_refused(names, tmp_path):
    with pytest.raises(UsageError, match="names="):
        Hosts(names=[names] if names in ("", "a\n") else names)
    with pytest.raises(UsageError, match="address="):
        Hosts(address=f"{names},")


@pytest.mark.parametrize("program", ["-oProxyCommand=x", "ssh -v", "a;b", " "])
def test_what_is_no_program_is_refused(program):
    with pytest.raises(UsageError, match="remote="):
        Hosts(remote=program)


def test_hosts_are_read_from_a_file(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("# ours\na slots=4\n\nb:2  # the new one\nc.d\n")
    found = launch.parse(f"hosts:file={path},wait=2")
    assert found.all == ("a", "b", "c.d") and found.wait == 2
    path.write_text("a\n-oProxyCommand=x\n")
    with pytest.raises(UsageError, match="no name of a host"):
        launch.parse(f"hosts:file={path}")
    with pytest.raises(UsageError, match="can't be read"):
        launch.parse(f"hosts:file={tmp_path}")


@pytest.mark.parametrize("given", [{}, {"names": "a+b", "file": ["a"]}])
def test_hosts_are_named_in_one_way(given):
    with pytest.raises(UsageError, match="one of the two"):
        Hosts(local=local("mpich"), **given).check(None)


def test_too_few_hosts_are_refused():
    with pytest.raises(UsageError, match="5 ranks, 2 on a host, need more than the 2 hosts"):
        Hosts(names="a+b", local=local("mpich")).check(Workload(num_tasks=5, tasks_per_node=2))


def test_commands_on_hosts_run_at_once_and_end_in_time():
    began = time.monotonic()
    answers = run_on(
        {
            "good": [sys.executable, "-c", "print('one\\n\\ntwo')"],
            "bad": ["sh", "-c", "echo no >&2; exit 3"],
            "hung": ["sleep", "600"],
            "stuck": ["sleep", "600"],
            "none": ["/no/such/program"],
        },
        1.0,
    )
    assert time.monotonic() - began < 30
    assert answers["bad"].code == 3 and answers["bad"].why == "no"
    assert answers["hung"].why == answers["stuck"].why == "no answer within 1 s"
    assert answers["none"].code is None and "/no/such/program" in answers["none"].why
    assert answers["good"].code == 0 and answers["good"].why == "two"
