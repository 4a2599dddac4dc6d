"""Ranks under Flux: ``flux run`` inside of an instance or job, ``flux batch`` for a new one.

The command lines are tested, but were never run by the authors: no Flux was at hand. Sources:
flux-run(1), flux-batch(1), flux-jobs(1), flux-cancel(1), flux-shell(1) of flux-core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from piotutor.errors import UsageError
from piotutor.launch.batch import Batch, Request, Said, Told, given
from piotutor.launch.local import Ranks
from piotutor.workload import Workload

_WAITING = ("NEW", "DEPEND", "PRIORITY", "SCHED")
_RUNNING = ("RUN", "CLEANUP")


@dataclass(frozen=True, kw_only=True)
class Flux(Batch):
    """Starts ranks with ``flux run``."""

    name: ClassVar[str] = "flux"
    title: ClassVar[str] = "Flux"
    programs: ClassVar[tuple[str, ...]] = ("flux",)
    inside: ClassVar[str] = "FLUX_URI"
    endings: ClassVar[tuple[str, ...]] = ("", "COMPLETED", "FAILED")

    def check(self, workload: Workload | None) -> None:
        """Refuse what can't be started here: no Flux, or nodes that aren't full."""
        super().check(workload)
        each = workload.tasks_per_node if workload else None
        if workload and each and workload.num_tasks % each:
            raise UsageError(
                f"Flux fills its nodes: {workload.num_tasks} ranks aren't a multiple of "
                f"tasks_per_node={each}"
            )

    def argv(self, ranks: Ranks) -> list[str]:
        """Return the command line of ``flux run``; a rank that fails ends the others."""
        return [
            *(self.tool("flux"), "run", *self._size(ranks.count, ranks.per_node)),
            *("--shell-options=exit-on-error", *(self.extra if self.allocation else ())),
            *self.program(ranks),
        ]

    def named(self, argv: list[str], name: str) -> list[str]:
        """Name the job: `find_steps` finds it by that."""
        return [*argv[:2], f"--job-name={name}", *argv[2:]]

    def submit(self, request: Request) -> list[str]:
        """Return the command line of ``flux batch``."""
        limit = f"{request.minutes}m" if request.minutes else ""
        each = request.per_node
        return [
            *(self.tool("flux"), "batch", "-n", str(request.ranks)),
            *given(nodes=self.nodes or (each and -(-request.ranks // each))),
            *given(job_name=request.name, output="/dev/null", error="/dev/null"),
            *given(time_limit=self.time or limit, queue=self.partition, bank=self.account),
            *self.extra,
            request.script,
        ]

    def _size(self, ranks: int, per_node: int | None) -> list[str]:
        """Return the size: Flux takes ranks with nodes, or nodes with ranks on each."""
        if not per_node:
            return ["-n", str(ranks), *given(nodes=self.nodes)]
        return ["-N", str(-(-ranks // per_node)), *given(tasks_per_node=per_node)]

    @staticmethod
    def id_of(answer: str) -> str:
        """Return the id, in whatever notation it is printed."""
        words = answer.split()
        return words[-1] if words else ""

    @staticmethod
    def query(job: str) -> list[str]:
        """Return the command that says state, result, and what the scheduler notes."""
        form = "{state}|{result}|{annotations.sched.reason_pending}"
        return ["flux", "jobs", "--suppress-header", f"--format={form}", job]

    @staticmethod
    def unknown(answer: str) -> bool:
        """Say whether there is no such job (any more)."""
        return "unknown" in answer.lower() or "not found" in answer.lower()

    @staticmethod
    def read(answer: str) -> Said:
        """Read ``SCHED||reason``."""
        state, result, reason = (part.strip() for part in f"{answer.strip()}||".split("|")[:3])
        if state in _WAITING:
            return Said("waiting", reason or state)
        return Said("running") if state in _RUNNING else Said("over", result)

    @staticmethod
    def cancels(job: str) -> list[list[str]]:
        """Return the command that ends it: TERM, and KILL 5 s later."""
        return [["flux", "cancel", job]]

    @staticmethod
    def find_steps(told: Told) -> list[str]:
        """Return the command that lists our active jobs in this instance."""
        return ["flux", "jobs", "--suppress-header", "--format={id} {name}"]
