"""Ranks under Slurm: ``srun`` inside of an allocation, ``sbatch`` outside.

Sources: srun(1), sbatch(1), squeue(1), scancel(1) of Slurm 22.05; the MPI and UPC guide of
slurm.schedmd.com.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from piotutor import programs
from piotutor.errors import UsageError
from piotutor.launch.batch import Batch, Request, Said, Told, given, word
from piotutor.launch.local import Ranks
from piotutor.storage.options import option
from piotutor.workload import Workload

# What the MPIs of a family speak to their starter, the best first. `none` is never right: it
# makes jobs of one rank of them, and says nothing.
_PLUGINS = {
    "mpich": ("pmi2", "cray_shasta", "pmix", "pmi1"),
    "openmpi": ("pmix", "pmi2"),
    "": ("pmix", "pmi2"),
}
_WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT")
_RUNNING = ("RUNNING", "COMPLETING", "STAGE_OUT", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING")
_SECONDS = 10.0
"""How long srun may take to list its plugins."""


@dataclass(frozen=True, kw_only=True)
class Slurm(Batch):
    """Starts ranks with ``srun``.

    Attributes
    ----------
    mpi
        How srun introduces the ranks to each other; empty: as this Python's MPI needs it.
    plugins
        What ``srun --mpi=list`` lists.
    cpus
        How many the allocation has, 0 where it isn't known: for more ranks srun is told that
        they share.
    """

    name: ClassVar[str] = "slurm"
    title: ClassVar[str] = "Slurm"
    programs: ClassVar[tuple[str, ...]] = ("srun", "sbatch", "squeue", "scancel")
    inside: ClassVar[str] = "SLURM_JOB_ID"
    endings: ClassVar[tuple[str, ...]] = ("", "COMPLETED", "FAILED")

    mpi: str = option("", word, "srun's --mpi, such as pmi2 or pmix")
    plugins: tuple[str, ...] = ()
    cpus: int = 0

    @classmethod
    def find(
        cls,
        cache: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        **options: Any,
    ) -> Slurm:
        """Look for Slurm's programs, what its srun can do, and for an allocation."""
        cpus = cpus_of(environment.get("SLURM_JOB_CPUS_PER_NODE", ""))
        made = super().find(cache, environment, cpus=cpus, **options)
        assert isinstance(made, cls)
        return made.asked()

    def asked(self) -> Slurm:
        """Return the same, knowing the plugins of srun."""
        if self.mpi or "srun" not in self.tools:
            return self
        try:
            said = programs.ask([self.tool("srun"), "--mpi=list"], _SECONDS)
        except (OSError, subprocess.SubprocessError):
            return self
        return replace(self, plugins=plugins_of(said.stdout + said.stderr))

    def check(self, workload: Workload | None) -> None:
        """Refuse what can't be started here.

        Raises
        ------
        UsageError
            No Slurm, no MPI, or a srun that can't introduce its ranks to each other.
        """
        super().check(workload)
        if not self.plugin and not (workload and workload.num_tasks == 1):
            kinds = ", ".join(self.plugins) or "nothing"
            wanted = " or ".join(_PLUGINS[self.local.family])
            raise UsageError(
                f"srun --mpi=list shows {kinds}, {self.local.library} needs {wanted}: name another "
                "(--launcher slurm:mpi=...), or use the launcher local in an allocation"
            )

    @property
    def plugin(self) -> str:
        """What srun's ``--mpi`` is to be; empty: nothing that fits."""
        fitting = (name for name in _PLUGINS[self.local.family] if name in self.plugins)
        return self.mpi or next(fitting, "")

    def env(self) -> dict[str, str]:
        """Return the variables that the ranks need, and where each finds its node's name."""
        return {**super().env(), "PIOTUTOR_NODE_FROM": "SLURMD_NODENAME"}

    def argv(self, ranks: Ranks) -> list[str]:
        """Return the command line of srun.

        Without ``--kill-on-bad-exit`` the others wait for a rank that died; ``--overlap`` lets
        them use what another step (the notebook's, say) has been given. There is no
        ``--unbuffered``: it would give each rank a terminal.
        """
        crowded = bool(self.allocation) and 0 < self.cpus < ranks.count
        return [
            self.tool("srun"),
            *given(mpi=self.plugin, ntasks=ranks.count, nodes=self.nodes),
            *given(ntasks_per_node=ranks.per_node),
            *("--kill-on-bad-exit=1", "--export=ALL", "--input=0"),
            *(["--overlap", *self.extra] if self.allocation else []),
            *(["--overcommit"] if crowded else []),
            *self.program(ranks),
        ]

    def named(self, argv: list[str], name: str) -> list[str]:
        """Name the step: `find_steps` finds it by that."""
        return [argv[0], f"--job-name={name}", *argv[1:]]

    def submit(self, request: Request) -> list[str]:
        """Return the command line of sbatch."""
        return [
            self.tool("sbatch"),
            *("--parsable", "--export=ALL", "--output=/dev/null", "--no-requeue"),
            *given(job_name=request.name, ntasks=request.ranks, nodes=self.nodes),
            *given(ntasks_per_node=request.per_node),
            *given(partition=self.partition, account=self.account),
            *given(time=self.time or request.minutes),
            *self.extra,
            request.script,
        ]

    @staticmethod
    def id_of(answer: str) -> str:
        """Return the id out of ``12`` or ``12;cluster``."""
        found = re.search(r"^(\d+)(;\S*)?$", answer.strip(), re.MULTILINE)
        return found[1] if found else ""

    @staticmethod
    def query(job: str) -> list[str]:
        """Return the command that says state and reason, of a job that is over too."""
        return ["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T|%r"]

    @staticmethod
    def unknown(answer: str) -> bool:
        """Say whether the controller has forgotten the job, some minutes after its end."""
        return "Invalid job id" in answer

    @staticmethod
    def read(answer: str) -> Said:
        """Read ``PENDING|Priority``."""
        state, _, reason = answer.strip().partition("|")
        why = "" if reason in ("", "None") else reason
        if state in _WAITING:
            return Said("waiting", why or state)
        if state in _RUNNING:
            return Said("running")
        return Said("over", state)

    @staticmethod
    def cancels(job: str) -> list[list[str]]:
        """Return TERM and KILL for the ranks, and the end of the job.

        Both are for the step: KILL for the job, as a bare scancel, only makes Slurm send TERM
        and wait for the site's KillWait, and take no signal meanwhile.
        """
        step = job if "." in job else f"{job}.0"
        kills = [["scancel", f"--signal={name}", step] for name in ("TERM", "KILL")]
        return kills if step == job else [*kills, ["scancel", job]]

    @staticmethod
    def find_steps(told: Told) -> list[str]:
        """Return the command that lists the steps of our allocation."""
        return ["squeue", "--noheader", "--steps", f"--jobs={told.allocation}", "--format=%i %j"]


def plugins_of(answer: str) -> tuple[str, ...]:
    """Return the kinds of MPI out of what ``srun --mpi=list`` says: one a line, or a line.

    Older ones begin each line with ``srun:``; versions of pmix stand in a line of their own.
    """
    lines = [line.removeprefix("srun:").strip() for line in answer.splitlines()]
    named = [line.rpartition(":")[2] if "version" in line else line for line in lines]
    said = [line.replace(",", " ") for line in named if not line.endswith("...")]
    words = [one for line in said for one in line.split()]
    return tuple(dict.fromkeys(one for one in words if re.fullmatch(r"[a-z]\w*", one)))


def cpus_of(text: str) -> int:
    """Return how many CPUs ``72(x2),36`` are: so many on each node."""
    parts = re.findall(r"(\d+)(?:\(x(\d+)\))?", text)
    return sum(int(cpus) * int(nodes or 1) for cpus, nodes in parts)
