"""The access pattern: which bytes of which file each rank moves, in which order, without any I/O.

Equal to IOR's own (4.1, head of 2026-04), transfer by transfer: the test in
``tests/unit/test_pattern.py`` holds it to the system calls of a real IOR.

Segment i of a shared file holds one block of every rank, so with b, t, s, n for the block size,
the transfer size, the segment count and the number of ranks, rank r's transfer j of segment i is at
i n b + r b + j t; in a file per process at i b + j t.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, TextIO

import numpy as np
import numpy.typing as npt

from piotutor.errors import UsageError
from piotutor.rand import block_draws, glibc_rand
from piotutor.workload import Workload

OPS = ("write", "check_write", "read")
NOBODY, SEVERAL = -1, -2
_MANY, _MOST = 2**16, 10**8

_Ints = npt.NDArray[np.int64]


class Extents(NamedTuple):
    """Ranges of bytes, one of each column for each transfer, in the order issued.

    Attributes
    ----------
    file : ndarray of int32
        Index of the file: 0 if it is shared, the writing rank if each has its own.
    offset, length : ndarray of int64
        Bytes.
    """

    file: npt.NDArray[np.int32]
    offset: _Ints
    length: _Ints


class Owners(NamedTuple):
    """Neighbouring ranges of one file and whose write each was.

    Attributes
    ----------
    rank : ndarray of int32
        The rank, `NOBODY` (-1) where nothing is written, or `SEVERAL` (-2) where ``-z -z`` makes
        more than one rank write.
    offset, length : ndarray of int64
        Bytes.
    """

    rank: npt.NDArray[np.int32]
    offset: _Ints
    length: _Ints


def transfers(
    workload: Workload,
    rank: int,
    op: str = "write",
    repetition: int = 0,
    *,
    file_size: int | None = None,
) -> Extents:
    """Return one rank's transfers in one phase, in the order in which IOR issues them.

    With a strided datatype, one call moves `segment_count` neighbouring rows.

    Parameters
    ----------
    workload : Workload
        What the job does.
    rank : int
        The rank that moves the data.
    op : str
        ``write``, ``read``, or ``check_write`` (reading back what was written, ``-W``), which
        ``-C`` shifts by one node more.
    repetition : int
        Which repetition; IOR repeats the same pattern.
    file_size : int, optional
        Size of a file that is read with ``-z -z``, if it is not the workload's own.

    Raises
    ------
    UsageError
        For a rank, op or repetition that the workload does not have, or more transfers than fit.
    """
    if not 0 <= rank < workload.num_tasks:
        raise UsageError(f"rank {rank}: the workload has ranks 0 to {workload.num_tasks - 1}")
    if not 0 <= repetition < workload.repetitions:
        raise UsageError(f"repetition {repetition}: the workload has {workload.repetitions}")
    _need_room(workload.bytes_per_rank // workload.transfer_size)
    return _extents(workload, np.array([rank]), op, file_size)[1]


def all_transfers(
    workload: Workload, op: str = "write", *, file_size: int | None = None
) -> tuple[npt.NDArray[np.int32], Extents]:
    """Return every rank's transfers in one phase, rank by rank, and which rank each is."""
    _need_room_for_all(workload)
    return _extents(workload, np.arange(workload.num_tasks), op, file_size)


def file_sizes(workload: Workload) -> _Ints:
    """Return the size of each file once it is written, in bytes."""
    return np.full(workload.num_files, workload.bytes_per_file)


def _extents(
    workload: Workload, ranks: _Ints, op: str, file_size: int | None
) -> tuple[npt.NDArray[np.int32], Extents]:
    source = (ranks + _shift(workload, op)) % workload.num_tasks
    if workload.random_offset == 0:
        parts = _sequential(workload, source)
    elif workload.random_offset == 2:
        size = workload.bytes_per_file if file_size is None else file_size
        parts = [_random_blocks(workload, int(r), op, size) for r in source]
    else:
        bases = _own_shuffles if workload.file_per_process else _shared_shuffles
        parts = [_over_segments(workload, base) for base in bases(workload, source)]
    offset = np.concatenate(parts) if isinstance(parts, list) else parts.reshape(-1)
    length = np.full(len(offset), workload.transfer_size)
    counts = [len(part) for part in parts]
    rank = np.repeat(ranks.astype(np.int32), counts)
    files = source if workload.file_per_process else np.zeros_like(source)
    return rank, Extents(np.repeat(files.astype(np.int32), counts), offset, length)


def _need_room(count: int) -> None:
    if count > _MOST:
        raise UsageError(
            f"{count:,} pieces are more than are worked out at once ({_MOST:,}): "
            "make -b, -s or -n smaller, or -t larger"
        )


def _need_room_for_all(workload: Workload) -> None:
    _need_room(workload.total_bytes // workload.transfer_size)


def _shift(workload: Workload, op: str) -> int:
    """Return by how many ranks ``-C`` moves the reader from the writer."""
    if op not in OPS:
        raise UsageError(f"op {op!r}: choose from {', '.join(OPS)}")
    if op == "write" or not workload.reorder_tasks:
        return 0
    nodes = workload.task_offset + (op == "check_write")
    return nodes * (workload.tasks_per_node or workload.num_tasks) % workload.num_tasks


def _sequential(workload: Workload, source: _Ints) -> Any:
    """Return offsets of shape (ranks, transfers of each)."""
    begin = np.zeros_like(source) if workload.file_per_process else source * workload.block_size
    return np.add.outer(begin, _over_segments(workload, _within_block(workload)))


def _within_block(workload: Workload) -> _Ints:
    return np.arange(0, workload.block_size, workload.transfer_size)


def _over_segments(workload: Workload, base: Any) -> Any:
    """Repeat the offsets of the first segment in every one."""
    stride = workload.bytes_per_file // workload.segment_count
    starts = np.arange(workload.segment_count) * stride
    if workload.use_strided_datatype:
        return np.add.outer(base, starts).reshape(-1)
    return np.add.outer(starts, base).reshape(-1)


def _own_shuffles(workload: Workload, source: _Ints) -> Iterator[_Ints]:
    """Yield, for ``-F -z``, each rank's shuffled block: its seed is the seed plus its rank."""
    within = _within_block(workload)
    for rank in source.tolist():
        yield _shuffled(within, glibc_rand(workload.random_offset_seed + rank, len(within)))


def _shared_shuffles(workload: Workload, source: _Ints) -> Iterator[_Ints]:
    """Yield, for ``-z`` on a shared file, each rank's transfers of one segment.

    Every rank draws the same numbers: first the owner of each transfer, then its own swaps.
    """
    count = _transfers_of_segment(workload)
    draws = glibc_rand(workload.random_offset_seed, 2 * count)
    owner = _owners_of_transfers(draws[:count], workload)
    if len(source) == 1:
        yield _shuffled(np.flatnonzero(owner == source[0]) * workload.transfer_size, draws[count:])
        return
    order = np.argsort(owner, kind="stable")
    ends = np.cumsum(np.bincount(owner, minlength=workload.num_tasks))
    for rank in source.tolist():
        mine = order[(ends[rank - 1] if rank else 0) : ends[rank]]
        yield _shuffled(mine * workload.transfer_size, draws[count:])


def _transfers_of_segment(workload: Workload) -> int:
    count = workload.num_tasks * (workload.block_size // workload.transfer_size)
    _need_room(count)
    return count


def _owners_of_transfers(draws: npt.NDArray[np.int32], workload: Workload) -> Any:
    return (draws % workload.num_tasks).astype(np.min_scalar_type(workload.num_tasks - 1))


def _shuffled(values: _Ints, draws: npt.NDArray[np.int32]) -> _Ints:
    """Swap each value with the one that its draw picks, one after the other, as IOR does.

    A swap depends on those before it: few are made in a plain loop, many in batches so short (a
    third of the root) that the swaps of one rarely meet.
    """
    count = len(values)
    picks = draws[:count] % max(count, 1)
    if count < _MANY:
        items = values.tolist()
        for here, there in enumerate(picks.tolist()):
            items[here], items[there] = items[there], items[here]
        return np.array(items, np.int64)
    shuffled: _Ints = values.copy()
    size = math.isqrt(count) // 3
    for begin in range(0, count, size):
        _swap(shuffled, begin, picks[begin : begin + size])
    return shuffled


def _swap(items: _Ints, begin: int, picks: npt.NDArray[np.int32]) -> None:
    """Swap neighbours with their picks, all at once if no two swaps meet, else half by half."""
    count = len(picks)
    end = begin + count
    inside = (picks >= begin) & (picks < end)
    if count == 1 or not (inside.any() or len(set(picks.tolist())) < count):
        here = items[begin:end].copy()
        items[begin:end] = items[picks]
        items[picks] = here
    else:
        _swap(items, begin, picks[: count // 2])
        _swap(items, begin + count // 2, picks[count // 2 :])


def _random_blocks(workload: Workload, rank: int, op: str, file_size: int) -> Any:
    """Return the offsets of ``-z -z``: in each segment, one whole block anywhere in the file."""
    starts = _block_numbers(workload, rank, op, file_size) * workload.block_size
    return np.add.outer(starts, _within_block(workload)).reshape(-1)


def _block_numbers(workload: Workload, rank: int, op: str, file_size: int) -> _Ints:
    blocks = file_size // workload.block_size
    if blocks < 1:
        raise UsageError(
            f"-z -z reads blocks of {workload.block_size:,} bytes (-b), and the file has "
            f"{file_size:,}: make -b smaller, or the file larger"
        )
    seed = workload.random_offset_seed + (rank if workload.file_per_process else 0)
    numbers = block_draws(seed, rank, workload.segment_count) % np.uint64(blocks)
    if op == "write" and (workload.file_per_process or rank == 0):
        numbers[0] = blocks - 1  # so that the file has its whole size
    return np.asarray(numbers, np.int64)


def writers(workload: Workload, file: int, offset: int, length: int) -> Owners:
    """Tell whose write each byte of a range was.

    Parameters
    ----------
    workload : Workload
        The workload that wrote the file.
    file : int
        The file's index.
    offset, length : int
        The range, in bytes; beyond the end of the file the owner is `NOBODY`.

    Returns
    -------
    Owners
        Neighbouring ranges that cover it, of as few rows as there are changes of rank.
    """
    if not 0 <= file < workload.num_files or offset < 0 or length < 0:
        raise UsageError(
            f"file {file}, offset {offset}, length {length}: the workload has files 0 to "
            f"{workload.num_files - 1}, and neither may be negative"
        )
    end = offset + length
    inside = min(end, workload.bytes_per_file)
    unit = workload.transfer_size if workload.random_offset == 1 else workload.block_size
    last = -(-inside // unit) if inside > offset else 0
    _need_room(last - offset // unit)
    units = np.arange(offset // unit, last)
    rank, start = _owner_of_units(workload, file, units), units * unit
    if max(inside, offset) < end:
        rank, start = np.append(rank, NOBODY), np.append(start, max(inside, offset))
    start = np.maximum(start, offset)
    change = np.flatnonzero(np.diff(rank, prepend=SEVERAL - 1) != 0)
    start = start[change]
    return Owners(rank[change].astype(np.int32), start, np.diff(start, append=end))


def _owner_of_units(workload: Workload, file: int, units: _Ints) -> Any:
    """Return the owner of each block of the file (with ``-z``: of each transfer)."""
    if workload.random_offset == 2:
        return _owner_of_blocks(workload, file)[units]
    if workload.file_per_process:
        return np.full(len(units), file)
    if workload.random_offset == 0:
        return units % workload.num_tasks
    count = _transfers_of_segment(workload)
    owner = _owners_of_transfers(glibc_rand(workload.random_offset_seed, count), workload)
    return owner[units % count].astype(np.int64)


def _owner_of_blocks(workload: Workload, file: int) -> Any:
    size = workload.bytes_per_file
    _need_room(size // workload.block_size)
    owner = np.full(size // workload.block_size, NOBODY)
    for rank in [file] if workload.file_per_process else range(workload.num_tasks):
        numbers = np.unique(_block_numbers(workload, rank, "write", size))
        owner[numbers] = np.where(owner[numbers] == NOBODY, rank, SEVERAL)
    return owner


def csv_rows(workload: Workload) -> Iterator[tuple[int, int, str, int, int]]:
    """Yield (rank, file, op, offset, length) of every transfer of one repetition.

    Rank by rank; for each rank its phases in order, ``-W``'s reading back among them. The op is
    ``write`` or ``read``.
    """
    _need_room_for_all(workload)
    for rank, op, part in _phases(workload):
        columns = (column.tolist() for column in part)
        yield from ((rank, file, op, at, size) for file, at, size in zip(*columns, strict=True))


def write_csv(workload: Workload, out: TextIO) -> None:
    """Write `csv_rows` with the header ``rank,file,op,offset,length``."""
    _need_room_for_all(workload)
    out.write("rank,file,op,offset,length\n")
    for rank, op, part in _phases(workload):
        table = np.column_stack(part)
        line = f"{rank},%d,{op},%d,%d\n"
        parts = np.array_split(table, -(-len(table) // 65536) or 1)
        out.writelines(line * len(rows) % tuple(rows.reshape(-1).tolist()) for rows in parts)


def _phases(workload: Workload) -> Iterator[tuple[int, str, Extents]]:
    for rank in range(workload.num_tasks):
        for op in workload.phases:
            yield rank, "write" if op == "write" else "read", transfers(workload, rank, op)
