"""Ranks on nodes that a batch system gives: what Slurm, PBS, Flux and LSF have in common.

Inside of an allocation the system's own launcher starts the ranks at once. Outside, a job is
submitted and followed by `piotutor.launch.submit`. Every command line here is made by a pure
method; arguments are words, and what a shell reads (the job's script) is quoted word by word.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from piotutor.errors import UsageError
from piotutor.launch import processes
from piotutor.launch.local import Local, Ranks
from piotutor.launch.orders import Orders
from piotutor.storage.options import at_least, option, settle
from piotutor.trace import clocks
from piotutor.workload import Workload

SCRIPT, BODY = "batch.sh", "batch-ranks.sh"
"""In a run directory: the job's script, and what it does. Only the first is looked through for
directives, and it has none."""
OUTPUT, CODE = "batch.out", "batch-code"
"""In a run directory: what the job prints, and the exit code of its ranks."""
REFUSED = "batch-refused"
"""In a run directory: why the batch system didn't take the job."""
CANCELLED = "batch-cancelled"
"""Once it is in the run directory, a job that is only now started does nothing."""
TOLD = "batch.json"
"""In a run directory: a `Told` as JSON."""
_DAY = 86400.0


@dataclass(frozen=True)
class Told:
    """What is told to whoever submits, follows and cancels a job.

    Attributes
    ----------
    launcher
        The launcher's name in `piotutor.launch.LAUNCHERS`.
    name
        The job's name, which no other job has.
    submit
        The command that submits it; empty inside of an allocation.
    allocation
        The allocation's id, inside of one.
    """

    launcher: str
    name: str
    submit: list[str] = field(default_factory=list)
    allocation: str = ""

    @classmethod
    def read(cls, run_dir: Path) -> Told:
        """Read it from a run directory."""
        return cls(**json.loads((run_dir / TOLD).read_text()))


@dataclass(frozen=True)
class Request:
    """What a batch system is asked for.

    Attributes
    ----------
    name
        The job's name.
    script
        Path of its script.
    ranks, per_node
        How many ranks, and how many of them on a node (None: as the system likes).
    minutes
        After how many the system may end it; None: the site's own limit.
    """

    name: str
    script: str
    ranks: int
    per_node: int | None = None
    minutes: int | None = None


@dataclass(frozen=True)
class Said:
    """What a batch system says of a job.

    Attributes
    ----------
    state
        ``waiting``, ``running`` or ``over``.
    why
        Its reason, in its own words.
    """

    state: str
    why: str = ""


def word(value: Any) -> str:
    """Read a word that a batch system is to understand."""
    text = str(value)
    if not text or text.startswith("-") or any(letter.isspace() for letter in text):
        raise UsageError("give one word")
    return text


def arguments(value: Any) -> tuple[str, ...]:
    """Read arguments: a list of words, or text with spaces between them."""
    try:
        words = shlex.split(value) if isinstance(value, str) else [str(one) for one in value]
    except (TypeError, ValueError):
        raise UsageError("give arguments with spaces between them, or a list") from None
    if not all(words) or any("\n" in one or "\0" in one for one in words):
        raise UsageError("no argument can be empty or have a line break in it")
    return tuple(words)


@dataclass(frozen=True, kw_only=True)
class Batch(ABC):
    """A launcher of a batch system; its options are fields, the rest is found on this machine.

    Attributes
    ----------
    title, programs, inside
        The system's name, its programs, and the variable that holds an allocation's id.
    endings
        What it says of jobs whose script ran to its end.
    partition, account, time, nodes, extra
        See their descriptions.
    local
        The MPI of this Python.
    tools
        Paths of the system's programs, by their names.
    allocation
        Id of the allocation that we are inside of; empty: a job will be submitted.
    python
        What the ranks run.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    programs: ClassVar[tuple[str, ...]]
    inside: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]

    partition: str = option("", word, "partition or queue")
    account: str = option("", word, "account or bank that pays")
    time: str = option("", word, "time limit, in the system's own notation")
    nodes: int = option(0, at_least(1), "number of nodes")
    extra: tuple[str, ...] = option((), arguments, "further arguments for the system's commands")
    local: Local = field(default_factory=Local)
    tools: Mapping[str, str] = field(default_factory=dict)
    allocation: str = ""
    python: str = sys.executable

    def __post_init__(self) -> None:
        settle(self)

    @classmethod
    def find(
        cls,
        cache: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        **given: Any,
    ) -> Batch:
        """Look for the system's programs, for an allocation, and for this Python's MPI."""
        path = environment.get("PATH")
        found = {name: shutil.which(name, path=path) for name in cls.programs}
        return cls(
            local=Local.find(cache, environment),
            tools={name: where for name, where in found.items() if where},
            allocation=environment.get(cls.inside, ""),
            **given,
        )

    @property
    def library(self) -> str:
        """What MPI calls itself in a rank."""
        return self.local.library

    def check(self, workload: Workload | None) -> None:
        """Refuse what can't be started here.

        Raises
        ------
        UsageError
            The system isn't here, or no MPI library.
        """
        missing = [name for name in self.programs if name not in self.tools]
        if missing:
            raise UsageError(
                f"{self.title} isn't here: no {missing[0]} on the PATH (go to a node that has it, "
                "or use the launcher local)"
            )
        if self.local.problem and not self.local.library:
            raise UsageError(self.local.problem)
        asked = [name for name in ("partition", "account", "time") if getattr(self, name)]
        if asked and self.allocation:
            raise UsageError(
                f"{asked[0]}={getattr(self, asked[0])} is for a new job: we are inside of "
                f"{self.title}'s job {self.allocation} (leave it out)"
            )

    @abstractmethod
    def argv(self, ranks: Ranks) -> list[str]:
        """Return the command line that starts the ranks inside of an allocation; pure."""

    def env(self) -> dict[str, str]:
        """Return the variables that the ranks need, on nodes with clocks of their own."""
        return {**self.local.env(), clocks.ASKED: "1"}

    def adapt(self, orders: Orders, ranks: Ranks) -> Orders:
        """Have a job submitted, or the ranks cancelled at the end; watch nothing on this host.

        Writes what that needs into the run directory.
        """
        run_dir = Path(orders.run_dir)
        if "\n" in orders.run_dir:
            raise UsageError("no path can have a line break in it: name another PIOTUTOR_STATE")
        told = Told(self.name, f"piotutor-{run_dir.name}", allocation=self.allocation)
        program = [self.python, "-m", "piotutor.launch.submit"]
        argv = self.named(orders.argv, told.name)
        if not self.allocation:
            script = run_dir / SCRIPT
            script.write_text(f"#!/bin/sh\nexec /bin/sh {shlex.quote(str(run_dir / BODY))}\n")
            script.chmod(0o700)
            (run_dir / BODY).write_text(script_of(orders))
            limit = math.ceil(orders.timeout / 60) + 1 if orders.timeout < _DAY else None
            request = Request(told.name, str(script), ranks.count, ranks.per_node, limit)
            told = replace(told, submit=self.submit(request))
            argv = [*program, "follow", str(run_dir)]
        (run_dir / TOLD).write_text(json.dumps(vars(told), indent=1))
        return replace(
            orders,
            argv=argv,
            cancel=[*program, "cancel", str(run_dir)],
            pools=[],
            temporary=orders.temporary if orders.service else "",
            sampler=[],
            block={},
            watched=False,
        )

    def named(self, argv: list[str], name: str) -> list[str]:
        """Give the ranks inside of an allocation a name, where they can be cancelled by it."""
        return argv

    def program(self, ranks: Ranks) -> list[str]:
        """Return the words of what each rank runs."""
        mpi4py = ["-m", "mpi4py"] if self.local.library else []
        module = [self.python, *mpi4py, "-m", *ranks.module]
        return [*ranks.prefix, *(ranks.program or module)]

    def tool(self, name: str) -> str:
        """Return the path of one of the system's programs."""
        return self.tools.get(name, name)

    @abstractmethod
    def submit(self, request: Request) -> list[str]:
        """Return the command that submits a job; pure."""

    @staticmethod
    @abstractmethod
    def id_of(answer: str) -> str:
        """Return the job's id from what the submitting command printed; empty: none in it."""

    @staticmethod
    @abstractmethod
    def query(job: str) -> list[str]:
        """Return the command that asks for a job's state."""

    @staticmethod
    @abstractmethod
    def unknown(answer: str) -> bool:
        """Say whether a failed query means that the job is known no more: it is over."""

    @staticmethod
    @abstractmethod
    def read(answer: str) -> Said:
        """Return what the system says of a job; without an answer it is over."""

    @staticmethod
    @abstractmethod
    def cancels(job: str) -> list[list[str]]:
        """Return the commands that end a job, each given a moment before the next."""

    @staticmethod
    def find_steps(told: Told) -> list[str]:
        """Return the command that lists ``id name`` of what runs in an allocation; empty: none."""
        return []


def given(**options: Any) -> list[str]:
    """Return the options that have a value, as ``--name=value``."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value]


def script_of(orders: Orders) -> str:
    """Return what a job does: it runs the ranks, and notes how they ended.

    Every word is quoted. The variables stand in it, because a site may not pass them on.
    """
    run_dir = Path(orders.run_dir)
    quote = {name: shlex.quote(str(run_dir / name)) for name in (OUTPUT, CODE, CANCELLED)}
    env = {**orders.env, processes.MARK: orders.run_dir}
    return "\n".join(
        [
            f"exec </dev/null >>{quote[OUTPUT]} 2>&1",
            f"test ! -e {quote[CANCELLED]} || exit 0",
            f"cd {shlex.quote(orders.directory or orders.run_dir)} || exit",
            *(f"unset {name}" for name in orders.unset),
            *(f"export {name}={shlex.quote(value)}" for name, value in env.items()),
            shlex.join(orders.argv),
            "code=$?",
            f'echo "$code" >{quote[CODE]}.part && mv {quote[CODE]}.part {quote[CODE]}',
            'exit "$code"',
            "",
        ]
    )
