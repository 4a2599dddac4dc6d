"""Ranks under PBS (OpenPBS, PBS Professional): ``qsub``, and this Python's mpiexec in the job.

The command lines are tested, but were never run by the authors: no PBS was at hand. Sources:
qsub(1B), qstat(1B), qdel(1B) of OpenPBS 20 and later, and its User's Guide (job states).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from piotutor.errors import UsageError
from piotutor.launch.batch import Batch, Request, Said
from piotutor.launch.local import Ranks
from piotutor.workload import Workload

_WAITING = "QHWTM"
_RUNNING = "RBEUS"


@dataclass(frozen=True, kw_only=True)
class PBS(Batch):
    """Starts ranks with mpiexec, which asks PBS for the nodes of its job."""

    name: ClassVar[str] = "pbs"
    title: ClassVar[str] = "PBS"
    programs: ClassVar[tuple[str, ...]] = ("qsub", "qstat", "qdel")
    inside: ClassVar[str] = "PBS_JOBID"
    endings: ClassVar[tuple[str, ...]] = ("", "F", "C")

    def check(self, workload: Workload | None) -> None:
        """Refuse what can't be started here: no PBS, or no mpiexec that fits."""
        super().check(workload)
        if self.local.problem:
            raise UsageError(self.local.problem)

    def argv(self, ranks: Ranks) -> list[str]:
        """Return the command line of mpiexec."""
        return self.local.argv(ranks)

    def submit(self, request: Request) -> list[str]:
        """Return the command line of qsub; older ones take no name of more than 15 letters."""
        clock = "{:02d}:{:02d}:00".format(*divmod(request.minutes or 0, 60))
        time = self.time or (clock if request.minutes else "")
        return [
            self.tool("qsub"),
            *("-N", "piotutor", "-S", "/bin/sh", "-V", "-r", "n", "-j", "oe", "-o", "/dev/null"),
            *("-l", f"select={chunks(request.ranks, request.per_node, self.nodes)}"),
            *(["-l", f"walltime={time}"] if time else []),
            *(["-q", self.partition] if self.partition else []),
            *(["-A", self.account] if self.account else []),
            *self.extra,
            request.script,
        ]

    @staticmethod
    def id_of(answer: str) -> str:
        """Return the id: ``12.server``."""
        found = re.search(r"^\d+(\.\S+)?$", answer.strip(), re.MULTILINE)
        return found[0] if found else ""

    @staticmethod
    def query(job: str) -> list[str]:
        """Return the command that says all of a job, of one that is over too."""
        return ["qstat", "-x", "-f", job]

    @staticmethod
    def unknown(answer: str) -> bool:
        """Say whether PBS has forgotten the job, or keeps no history."""
        return "Unknown Job Id" in answer or "Job has finished" in answer

    @staticmethod
    def read(answer: str) -> Said:
        """Read the lines ``job_state = Q`` and ``comment = ...``, which may go on in others."""
        state = re.search(r"^\s*job_state = (\w)", answer, re.MULTILINE)
        comment = re.search(r"^\s*comment = (.*(?:\n\t.*)*)", answer, re.MULTILINE)
        why = " ".join(comment[1].replace("\n\t", "").split()) if comment else ""
        letter = state[1] if state else ""
        if letter and letter in _WAITING:
            return Said("waiting", why or letter)
        return Said("running") if letter and letter in _RUNNING else Said("over", letter)

    @staticmethod
    def cancels(job: str) -> list[list[str]]:
        """Return the command that ends it: TERM, and KILL after the site's kill_delay."""
        return [["qdel", job]]


def chunks(ranks: int, per_node: int | None, nodes: int) -> str:
    """Return what PBS is to select: so many nodes with so many ranks, and a last one with fewer."""
    full = per_node or -(-ranks // (nodes or 1))
    whole, rest = divmod(ranks, full)
    sizes = [(whole, full), (1, rest)]
    return "+".join(f"{n}:ncpus={size}:mpiprocs={size}" for n, size in sizes if n and size)
