"""Who took part in a run, and what each of them wrote."""

from __future__ import annotations

from typing import Any

from piotutor import metrics
from piotutor.trace import Op


class RollCall:
    """One line for each rank of a run, from the records that it left.

    Parameters
    ----------
    run
        A run with a trace.
    """

    def __init__(self, run: Any) -> None:
        self._writes = run.trace.records[metrics.transfers(run.trace, Op.WRITE)]
        self._ranks = run.workload.num_tasks

    @property
    def lines(self) -> list[str]:
        """What each rank says."""
        return [self._says(rank) for rank in range(self._ranks)]

    def _says(self, rank: int) -> str:
        own = self._writes[self._writes["rank"] == rank]
        who = f"I am rank {rank} of {self._ranks}"
        if len(own) == 0:
            return f"{who}. I wrote nothing."
        first, last = own["offset"].min(), (own["offset"] + own["length"]).max() - 1
        calls = "1 call" if len(own) == 1 else f"{len(own):,} calls"
        return (
            f"{who}, on node {own['client'][0]}. I wrote {own['length'].sum():,} bytes in {calls}: "
            f"the first is byte {first:,}, the last is byte {last:,}."
        )

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        return f"<ul>{''.join(f'<li>{line}</li>' for line in self.lines)}</ul>"
