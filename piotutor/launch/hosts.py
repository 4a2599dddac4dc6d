"""Ranks on several hosts, named one by one: this Python's mpiexec reaches them through ssh.

The hosts must share the paths of this Python, and of the run directory (or a relay: see
`piotutor.launch.relay`). ``Hosts.argv``, ``Hosts.env`` and ``Hosts.reach`` are pure.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from piotutor.errors import UsageError
from piotutor.launch import processes
from piotutor.launch.local import Local, Ranks
from piotutor.launch.orders import Orders
from piotutor.launch.reaching import reach, run_on
from piotutor.storage.options import option, seconds, settle
from piotutor.trace import clocks
from piotutor.workload import Workload

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?").fullmatch
FAREWELL = 5.0
"""Seconds, at most, for the ranks on all hosts to be ended."""
_PASSED = ("PIOTUTOR_*", "UCX_*")
"""Variables that Open MPI is told to pass on, beside those of the orders."""


def read_names(value: Any) -> tuple[str, ...]:
    """Read names of hosts: joined by ``+``, or a list."""
    given = tuple(value.split("+")) if isinstance(value, str) else tuple(map(str, value))
    for name in given:
        if not _NAME(name):
            raise UsageError(f"{name!r} is no name of a host (letters, digits, dots, dashes)")
    if not given or len(set(given)) < len(given):
        raise UsageError("name each host once, as in names=a+b")
    return given


def read_file(value: Any) -> tuple[str, ...]:
    """Read names of hosts from a file: the first word of each line, comments left out."""
    if not isinstance(value, str | os.PathLike):
        return read_names(value)
    try:
        lines = Path(value).expanduser().read_text().splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"the file of hosts can't be read: {error}") from None
    words = [line.partition("#")[0].split() for line in lines]
    return read_names([found[0].partition(":")[0] for found in words if found])


def read_program(value: Any) -> str:
    """Read the path or the name of a program."""
    text = str(value)
    if not re.fullmatch(r"[\w./+][\w./+-]*", text):
        raise UsageError("give the path of a program, without spaces")
    return text


def read_address(value: Any) -> str:
    """Read an address: a host's name or its IPv4 address."""
    return read_names([value])[0]


def read_listening(value: Any) -> str:
    """Read where to listen: an address, and a port if there is to be a certain one."""
    host, colon, port = str(value).partition(":")
    if colon and not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise UsageError("give an address, or ADDRESS:PORT")
    return read_address(host) + colon + port


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """Starts ranks on hosts that are named; its options are fields, the rest is found here.

    Attributes
    ----------
    name
        Its name in `piotutor.launch.LAUNCHERS`.
    names, file, remote, address, relay, wait
        See their descriptions.
    local
        The MPI of this Python.
    """

    name: ClassVar[str] = "hosts"

    names: tuple[str, ...] = option((), read_names, "the hosts, as in a+b; the first has rank 0")
    file: tuple[str, ...] = option((), read_file, "a file that lists the hosts, one a line")
    remote: str = option("ssh", read_program, "what runs a command on a host: remote HOST COMMAND")
    address: str = option("", read_address, "this machine's name or address, as the hosts reach it")
    relay: str = option(
        "", read_listening, "address to listen on, for hosts that don't see our runs"
    )
    wait: float = option(8.0, seconds, "seconds in which a host must answer")
    local: Local = field(default_factory=Local)

    def __post_init__(self) -> None:
        settle(self)

    @classmethod
    def find(
        cls, cache: Path | None = None, environment: Mapping[str, str] = os.environ, **given: Any
    ) -> Hosts:
        """Find this Python's MPI; the hosts are given."""
        return cls(local=Local.find(cache, environment), **given)

    @property
    def library(self) -> str:
        """What MPI calls itself in a rank."""
        return self.local.library

    @property
    def all(self) -> tuple[str, ...]:
        """All hosts."""
        return self.names or self.file

    def check(self, workload: Workload | None) -> None:
        """Refuse what can't be started, and hosts that don't answer.

        Raises
        ------
        UsageError
            No MPI, no hosts or too few of them, or one that can't be used.
        """
        if self.local.problem:
            raise UsageError(self.local.problem)
        if bool(self.names) == bool(self.file):
            raise UsageError("name the hosts: names=a+b, or file=PATH (one of the two)")
        per_node = workload.tasks_per_node if workload else None
        if workload and per_node and per_node * len(self.all) < workload.num_tasks:
            raise UsageError(
                f"{workload.num_tasks} ranks, {per_node} on a host, need more than the "
                f"{len(self.all)} hosts that are named"
            )
        python = self.local.python
        self._ask_all(
            ["test", "-x", python], f"has no {python}: install piotutor where all hosts see it"
        )

    def argv(self, ranks: Ranks) -> list[str]:
        """Return the command line that starts the ranks, host after host."""
        per_node = ranks.per_node or math.ceil(ranks.count / max(1, len(self.all)))
        family = _openmpi if self.local.family == "openmpi" else _mpich
        module = [self.local.python, "-m", "mpi4py", "-m", *ranks.module]
        return [
            self.local.mpiexec or "mpiexec",
            *family(self, per_node),
            "-n",
            str(ranks.count),
            *ranks.prefix,
            *(ranks.program or module),
        ]

    def env(self) -> dict[str, str]:
        """Return the variables that this MPI and the ranks need."""
        agent = {"PRTE_MCA_plm_ssh_agent": self.remote, "OMPI_MCA_plm_rsh_agent": self.remote}
        told = {**self.local.env(), clocks.ASKED: "1"}
        return told | (agent if self.local.family == "openmpi" else {})

    def adapt(self, orders: Orders, ranks: Ranks) -> Orders:
        """Pass variables on, end ranks on all hosts in the end, and watch nothing on this one.

        Raises
        ------
        UsageError
            A host doesn't see the run directory, where a program that isn't ours is to be recorded.
        """
        if ranks.program:
            self._ask_all(
                ["test", "-e", f"{orders.run_dir}/job.json"],
                f"doesn't see {orders.run_dir}: keep piotutor's state where all hosts see it "
                "(PIOTUTOR_STATE)",
            )
        passed = sorted({*orders.env, *_PASSED, processes.MARK})
        words = [word for name in passed for word in ("-x", name)]
        openmpi = self.local.family == "openmpi"
        return replace(
            orders,
            argv=[orders.argv[0], *(words if openmpi else []), *orders.argv[1:]],
            cancel=self.cancel(orders),
            relay=self.relay,
            directory=orders.directory or "/",  # the run directory may not be everywhere
            temporary=orders.temporary if orders.service else "",
            sampler=[],
            block={},
            watched=False,
        )

    def cancel(self, orders: Orders) -> list[str]:
        """Return the command that ends what is left of a run on all hosts; pure."""
        program = [self.local.python, "-m", "piotutor.launch.farewell"]
        how = ["--remote", self.remote, "--wait", f"{min(self.wait, FAREWELL):g}"]
        return [*program, *how, orders.run_dir, str(orders.since), *self.all]

    def reach(self, host: str, command: Sequence[str]) -> list[str]:
        """Return the command line that runs a command on a host."""
        return reach(self.remote, host, command, self.wait)

    def _ask_all(self, test: Sequence[str], lacking: str) -> None:
        """Find out whether all hosts answer, and pass a test that shows what one is lacking."""
        answers = run_on({host: self.reach(host, test) for host in self.all}, self.wait)
        for host, answer in answers.items():
            if answer.code == 1:
                raise UsageError(f"host {host} {lacking}")
            if answer.code != 0:
                raise UsageError(f"host {host} can't be used: {answer.why}")


def _mpich(hosts: Hosts, per_node: int) -> Iterator[str]:
    yield from ("-launcher", "ssh", "-launcher-exec", hosts.remote)
    if hosts.address:
        yield from ("-localhost", hosts.address)
    yield from ("-hosts", ",".join(hosts.all), "-ppn", str(per_node))


def _openmpi(hosts: Hosts, per_node: int) -> Iterator[str]:
    yield from ("--host", ",".join(f"{host}:{per_node}" for host in hosts.all))
    yield from ("--map-by", f"ppr:{per_node}:node:oversubscribe")
