"""Ranks under LSF: ``bsub``; inside of the job ``jsrun`` where there is one, else mpiexec.

The command lines are tested, but were never run by the authors: no LSF was at hand. Sources: IBM's
references of bsub, bjobs and bkill (Spectrum LSF 10.1) and of jsrun (Job Step Manager).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from piotutor.errors import UsageError
from piotutor.launch.batch import Batch, Request, Said
from piotutor.launch.local import Ranks
from piotutor.workload import Workload

_WAITING = ("PEND", "PSUSP", "WAIT", "PROV", "FWD_PEND")
_RUNNING = ("RUN", "USUSP", "SSUSP", "UNKWN")


@dataclass(frozen=True, kw_only=True)
class LSF(Batch):
    """Starts ranks with ``jsrun`` or mpiexec."""

    name: ClassVar[str] = "lsf"
    title: ClassVar[str] = "LSF"
    programs: ClassVar[tuple[str, ...]] = ("bsub", "bjobs", "bkill")
    inside: ClassVar[str] = "LSB_JOBID"
    endings: ClassVar[tuple[str, ...]] = ("", "DONE", "EXIT")

    jsrun: str = ""

    @classmethod
    def find(
        cls,
        cache: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        **options: Any,
    ) -> LSF:
        """Look for LSF's programs, for jsrun, and for an allocation."""
        made = super().find(cache, environment, **options)
        assert isinstance(made, cls)
        return replace(made, jsrun=shutil.which("jsrun", path=environment.get("PATH")) or "")

    def check(self, workload: Workload | None) -> None:
        """Refuse what can't be started here: no LSF, or nothing that starts ranks."""
        super().check(workload)
        if self.local.problem and not self.jsrun:
            raise UsageError(self.local.problem)

    def argv(self, ranks: Ranks) -> list[str]:
        """Return the command line of jsrun, each rank with a core of its own, or of mpiexec."""
        if not self.jsrun:
            return self.local.argv(ranks)
        size = given_short(n=ranks.count, a=1, c=1, r=ranks.per_node)
        return [self.jsrun, *size, *(self.extra if self.allocation else ()), *self.program(ranks)]

    def submit(self, request: Request) -> list[str]:
        """Return the command line of bsub, which gives its last words to a shell: quoted."""
        each = request.per_node or (-(-request.ranks // self.nodes) if self.nodes else None)
        nodes = self.nodes or -(-request.ranks // (each or request.ranks))
        slots = ["-n", str(request.ranks), *(["-R", f"span[ptile={each}]"] if each else [])]
        return [
            *(self.tool("bsub"), "-J", request.name, "-o", "/dev/null", "-rn"),
            *(["-nnodes", str(nodes)] if self.jsrun else slots),
            *given_short(W=self.time or request.minutes, q=self.partition, P=self.account),
            *self.extra,
            shlex.quote(request.script),
        ]

    @staticmethod
    def id_of(answer: str) -> str:
        """Return the id out of ``Job <12> is submitted to queue <normal>.``."""
        found = re.search(r"Job <(\d+)> is submitted", answer)
        return found[1] if found else ""

    @staticmethod
    def query(job: str) -> list[str]:
        """Return the command that says state and reason."""
        return ["bjobs", "-noheader", "-o", "stat pend_reason delimiter='|'", job]

    @staticmethod
    def unknown(answer: str) -> bool:
        """Say whether LSF has forgotten the job, an hour after its end usually."""
        return "is not found" in answer

    @staticmethod
    def read(answer: str) -> Said:
        """Read ``PEND|reason``."""
        state, _, reason = answer.strip().partition("|")
        why = "" if reason.strip() in ("", "-") else " ".join(reason.split())
        if state in _WAITING:
            return Said("waiting", why or state)
        return Said("running") if state in _RUNNING else Said("over", state)

    @staticmethod
    def cancels(job: str) -> list[list[str]]:
        """Return the commands that end it: INT, TERM, KILL in turn, then KILL at once."""
        return [["bkill", job], ["bkill", "-s", "KILL", job]]


def given_short(**options: Any) -> list[str]:
    """Return the options that have a value, as ``-n value``."""
    return [word for name, value in options.items() if value for word in (f"-{name}", str(value))]
