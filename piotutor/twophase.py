"""How many system calls ROMIO makes of a write, worked out before any file is opened.

For dense requests on ROMIO's UFS driver, as in MPICH:

- **independent**: one call for each piece that lies apart in the file;
- **data sieving**: one for each window of ``ind_wr_buffer_size`` bytes from a rank's first byte to
  its last, which is read, changed and written back under a lock;
- **two-phase**: the range from the first byte of all ranks to the last is cut into one file domain
  for each aggregator, and each writes its own in pieces of ``cb_buffer_size`` bytes.

``tests/mpi/test_two_phase.py`` holds them to the calls of real runs. ROMIO's Lustre driver has
other domains, and OMPIO another algorithm. The idea: Thakur, Gropp, Lusk, Data Sieving and
Collective I/O in ROMIO (1999); the formulas are worked out, and checked by counting.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from piotutor import pattern
from piotutor.errors import UsageError
from piotutor.units import parse_size
from piotutor.workload import Workload

CB_BUFFER, SIEVE_BUFFER = 16 << 20, 512 << 10
"""ROMIO's ``cb_buffer_size`` and ``ind_wr_buffer_size`` where no hint gives another."""


class Pieces(NamedTuple):
    """What one call of one rank asks for: ranges that lie apart, ascending.

    Attributes
    ----------
    start, end : numpy.ndarray of int64
        First byte, and the one behind the last.
    """

    start: np.ndarray
    end: np.ndarray

    @property
    def extent(self) -> int:
        """Bytes from the first to the last, holes included."""
        return int(self.end[-1] - self.start[0]) if len(self.start) else 0


def pieces(offset: np.ndarray, length: np.ndarray) -> Pieces:
    """Join ranges that touch, as ROMIO does when it flattens a datatype."""
    order = np.argsort(offset, kind="stable")
    start, end = offset[order], offset[order] + length[order]
    first = np.append(True, start[1:] > end[:-1])[: len(start)]
    last = np.append(first[1:], True)[: len(start)]
    return Pieces(start[first], end[last])


def independent(asked: Pieces) -> int:
    """Count the writes of an independent call without data sieving: one a piece."""
    return len(asked.start)


def sieving(asked: Pieces, buffer: int = SIEVE_BUFFER) -> int:
    """Count the writes of an independent call with data sieving: one a window.

    A window begins at the first byte that is asked for behind the window before. So it is
    ``ceil(extent / buffer)`` where no window ends in a hole longer than what is left: in
    particular where the buffer is a multiple of the stride. A single piece is written directly.
    """
    if len(asked.start) < 2:
        return len(asked.start)
    windows, reached = 0, -1
    for start, end in zip(asked.start.tolist(), asked.end.tolist(), strict=True):
        missing = end - max(start, reached)
        if missing > 0:
            more = -(-missing // buffer)
            reached = max(start, reached) + more * buffer
            windows += more
    return windows


def domains(start: int, end: int, aggregators: int, unit: int = 0) -> list[tuple[int, int]]:
    """Cut a range into file domains, one for each aggregator.

    Parameters
    ----------
    start, end : int
        The first byte that any rank asks for, and the one behind the last.
    aggregators : int
        How many there are.
    unit : int
        Bytes of ``striping_unit``, at whose multiples domains then end; 0 for none.

    Returns
    -------
    list of (int, int)
        First byte, and the one behind the last, of each domain; the last may be empty.
    """
    size = -(-(end - start) // aggregators)
    cuts = [start + number * size for number in range(1, aggregators)]
    if unit:
        cuts = [(cut + unit // 2) // unit * unit for cut in cuts]
    edges = [start, *(min(max(cut, start), end) for cut in cuts), end]
    return list(pairwise(edges))


def two_phase(
    start: int, end: int, aggregators: int, buffer: int = CB_BUFFER, unit: int = 0
) -> list[int]:
    """Count the writes of each aggregator for a dense range: ``ceil(domain / buffer)``."""
    return [-(-(high - low) // buffer) for low, high in domains(start, end, aggregators, unit)]


def aggregators(hints: Mapping[str, str], ranks: int) -> int:
    """Return how many ranks of one node aggregate.

    ``cb_config_list=*:N`` allows N of a node, by default one; ``cb_nodes`` can only make it less.

    Raises
    ------
    UsageError
        One of the two isn't of that form.
    """
    allowed = hints.get("cb_config_list", "*:1").strip()
    name, _, most = allowed.partition(":")
    wanted = hints.get("cb_nodes", "").strip() or str(ranks)
    limit = str(ranks) if most == "*" else most or "1"
    if name != "*" or not limit.isdigit() or not wanted.isdigit() or "0" in (limit, wanted):
        raise UsageError(
            f"cb_config_list={allowed} and cb_nodes={wanted}: write *:N and N, as in *:2 and 2"
        )
    return min(int(limit), int(wanted), ranks)


def writes(workload: Workload) -> list[int]:
    """Return how many system calls each rank makes to write, in one repetition.

    Parameters
    ----------
    workload : Workload
        Through MPI-IO into one shared file, on one node.

    Raises
    ------
    UsageError
        It is no such workload, or its collective calls leave holes: then ROMIO reads first.
    """
    if workload.api != "MPIIO" or workload.file_per_process or not workload.write:
        raise UsageError(
            "system calls are foretold of -a MPIIO writing one shared file (-w, no -F)"
        )
    calls = [_calls(workload, rank) for rank in range(workload.num_tasks)]
    total = np.zeros(workload.num_tasks, np.int64)
    for together in zip(*calls, strict=True) if workload.collective else []:
        total += _collective(workload, list(together))
    if not workload.collective:
        total += [sum(_alone(workload, one) for one in mine) for mine in calls]
    return [int(count) for count in total]


def _calls(workload: Workload, rank: int) -> list[Pieces]:
    """Return what each MPI-IO call of a rank asks for."""
    asked = pattern.transfers(workload, rank, "write")
    width = workload.segment_count if workload.use_strided_datatype else 1
    rows = zip(asked.offset.reshape(-1, width), asked.length.reshape(-1, width), strict=True)
    return [pieces(offset, length) for offset, length in rows]


def _alone(workload: Workload, asked: Pieces) -> int:
    hints = dict(workload.hints)
    if hints.get("romio_ds_write") == "disable":
        return independent(asked)
    return sieving(asked, _size(hints, "ind_wr_buffer_size", SIEVE_BUFFER))


def _collective(workload: Workload, together: list[Pieces]) -> list[int]:
    hints = dict(workload.hints)
    how = hints.get("romio_cb_write", "automatic")
    if how == "disable" or (how == "automatic" and not _interleaved(together)):
        return [_alone(workload, one) for one in together]
    whole = pieces(*_all(together))
    if len(whole.start) > 1:
        raise UsageError("the ranks' pieces leave holes: two-phase I/O then reads before it writes")
    many = aggregators(hints, workload.num_tasks)
    buffer = _size(hints, "cb_buffer_size", CB_BUFFER)
    unit = _size(hints, "striping_unit", 0)
    each = two_phase(int(whole.start[0]), int(whole.end[0]), many, buffer, unit)
    return [*each, *[0] * (workload.num_tasks - many)]


def _all(together: list[Pieces]) -> tuple[np.ndarray, np.ndarray]:
    start, end = (np.concatenate([one[side] for one in together]) for side in (0, 1))
    return start, end - start


def _interleaved(together: list[Pieces]) -> bool:
    """Tell whether any rank begins before the rank before it ends."""
    asked = [one for one in together if len(one.start)]
    return any(b.start[0] < a.end[-1] for a, b in pairwise(asked))


def _size(hints: Mapping[str, str], name: str, default: int) -> int:
    return parse_size(hints[name]) if name in hints else default
