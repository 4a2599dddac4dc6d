"""The benchmark of one rank: phases, barriers and deadlines as IOR has them.

Everything here is the same on every rank. Rank 0 (or, with a file per process, its owner) makes
and removes files. What differs from IOR is said in docs/kernels.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic_ns
from typing import Any, Protocol

from piotutor import pattern
from piotutor.content import Content, Mismatch
from piotutor.errors import UsageError
from piotutor.kernels import kernel_class
from piotutor.kernels.base import Comm, Offsets
from piotutor.kernels.buffers import Checker, Filler, unstamped
from piotutor.kernels.deep import Deep
from piotutor.kernels.direct import aligned_buffer
from piotutor.kernels.job import Job
from piotutor.kernels.traced import After, Buffers, Stream, Traced
from piotutor.trace.record import Op, Phase, pack_aux
from piotutor.trace.writer import TraceWriter

_REPORTED = 10
"""Mismatches that a rank reports one by one; the others are only counted."""
_FROM = ("direct", "after-evict", "cache")


class Evicted(Protocol):
    """What an evicting function tells: how many bytes are still in memory, None if unknown."""

    @property
    def cached(self) -> int | None:
        """Bytes still in memory."""


Evict = Callable[[str], Evicted]
Removing = Callable[[str], None]
"""Is told that a file is about to be removed."""


@dataclass
class Outcome:
    """What one rank has to tell at the end.

    Attributes
    ----------
    verified_bytes, bad_bytes : int
        Bytes compared and found right, or wrong.
    verified_from : str or None
        ``direct``, ``after-evict`` or ``cache``; None when nothing was verified.
    mismatches : list of Mismatch
        The first few.
    stonewall : list of dict
        For each phase that had a deadline: repetition, op, and the calls and seconds of this rank.
    hints : dict
        See `Kernel.hints`.
    environment : dict
        See `Kernel.environment`.
    warnings : list of str
        What looked wrong, though nothing failed.
    """

    verified_bytes: int = 0
    bad_bytes: int = 0
    verified_from: str | None = None
    mismatches: list[Mismatch] = field(default_factory=list)
    stonewall: list[dict[str, Any]] = field(default_factory=list)
    hints: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def run_rank(
    job: Job, comm: Comm, writer: TraceWriter, evict: Evict, removing: Removing | None = None
) -> Outcome:
    """Do all repetitions of a job on this rank.

    Parameters
    ----------
    job : Job
        What is to be done; the same on every rank.
    comm : Comm
        All ranks.
    writer : TraceWriter
        Takes this rank's records.
    evict : callable
        Puts a file out of the page cache, and tells what is left of it there.
    removing : callable, optional
        Is told of each file that is about to be removed.

    Returns
    -------
    Outcome
        Of this rank.

    Raises
    ------
    UsageError
        What is asked can't be done here, by this kernel or on this file system.
    PiotutorError
        A transfer that could not be completed.
    """
    rank = Rank(job, comm, writer, evict, removing)
    for repetition in range(job.workload.repetitions):
        rank.repeat(repetition)
    return rank.outcome


@dataclass
class _Plan:
    """The calls of one phase on this rank: which file, and where in it."""

    phase: Phase
    op: Op
    file: int
    offsets: Offsets
    before: Filler | None = None
    after: list[After] = field(default_factory=list)
    stonewall: bool = False
    keep: bool = True
    depth: int = 1


class Rank:
    """One rank of one job: see `run_rank`."""

    def __init__(
        self,
        job: Job,
        comm: Comm,
        writer: TraceWriter,
        evict: Evict,
        removing: Removing | None = None,
    ) -> None:
        work = job.workload
        kind = kernel_class(work.api)
        self.job = job
        self.comm = comm
        self.evict, self.removing = evict, removing
        self.kernel = kind(work, kind.alone() if work.file_per_process else comm)
        self.traced = Traced(self.kernel, writer)
        self.outcome = Outcome()
        self._calls_written: list[int] | None = None

    @property
    def own(self) -> int:
        """Index of the file that this rank makes and removes."""
        return self.comm.rank if self.job.workload.file_per_process else 0

    def repeat(self, repetition: int) -> None:
        """Do one repetition: write, check what was written, read, remove."""
        work = self.job.workload
        self._repetition = repetition
        self._content = Content(self.job.seed_of(repetition))
        if work.write:
            self._write()
        if work.verify_write:
            self._check(self._plan(Phase.VERIFY_WRITE, "check_write"))
        if work.verify_read:
            self._check(self._plan(Phase.READ, "read"))
        elif work.read:
            self._read(self._plan(Phase.READ, "read"))
        if work.write and not (work.keep and repetition == work.repetitions - 1):
            self._remove()

    def _plan(self, phase: Phase, name: str) -> _Plan:
        """Say which calls this rank makes in a phase."""
        work, op = self.job.workload, Op.WRITE if phase == Phase.WRITE else Op.READ
        size = self._size_to_read() if op == Op.READ and work.random_offset == 2 else None
        rank, repetition = self.comm.rank, self._repetition
        extents = pattern.transfers(work, rank, name, repetition, file_size=size)
        file = int(extents.file[0]) if len(extents.file) else self.own
        offsets = self.kernel.calls(extents)
        if op == Op.READ and self._calls_written is not None:
            offsets = offsets[: self._readable(file, offsets)]
        timed = phase in (Phase.WRITE, Phase.READ)
        return _Plan(phase, op, file, offsets, stonewall=timed and work.stonewall > 0)

    def _size_to_read(self) -> int:
        """Return the size of the file, of which ``-z -z`` reads any block."""
        path = self.job.path(self.own)
        try:
            return self.kernel.size(path)
        except Exception as error:
            raise self.kernel.explain(error, path, Op.READ) from error

    def _readable(self, file: int, offsets: Offsets) -> int:
        """Return how many calls the writer of these offsets did before its deadline."""
        work, counts = self.job.workload, self._calls_written
        assert counts is not None
        if not len(offsets):
            return 0
        block = int(offsets[0, 0]) // work.block_size % work.num_tasks
        if work.random_offset:
            return min(counts)
        return counts[file if work.file_per_process else block]

    def _write(self) -> None:
        work, plan = self.job.workload, self._plan(Phase.WRITE, "write")
        size = plan.offsets.shape[1] * work.transfer_size
        lasting = work.verify_write or work.verify_read or work.keep
        if lasting:
            plan.before = Filler(self._content, plan.file, plan.offsets, work.transfer_size)
            buffers = [plan.before.buffer]
        else:
            buffers = unstamped(self._content, plan.file, size)
        if work.fsync_per_write:
            plan.after.append(self._sync)
        done = self._run(plan, buffers)
        self._calls_written = self.comm.allgather(done) if plan.stonewall else None
        if self.kernel.comm.rank == 0 and self.kernel.keeps_data and not plan.stonewall:
            self._compare_size(plan.file)

    def _compare_size(self, file: int) -> None:
        """Warn, as IOR does, when a file is shorter than what was written."""
        path = self.job.path(file)
        size, wanted = self.kernel.size(path), int(pattern.file_sizes(self.job.workload)[file])
        if size < wanted:
            text = f"{path} has {size:,} bytes, though {wanted:,} were written"
            self.outcome.warnings.append(text)

    def _read(self, plan: _Plan) -> None:
        work = self.job.workload
        size = plan.offsets.shape[1] * work.transfer_size
        plan = replace(plan, keep=False, depth=work.depth(self._repetition))
        self._run(plan, [aligned_buffer(size)])

    def _check(self, plan: _Plan) -> None:
        """Read cold, and compare every byte."""
        self._note_source(plan)
        extent, rank = self.job.workload.transfer_size, self.comm.rank
        where = (self._content, plan.file, plan.offsets, extent)
        checker = Checker(*where, rank, self._report)
        plan.after.append(checker)
        self._run(plan, [checker.buffer])
        self.outcome.verified_bytes += checker.right
        self.outcome.bad_bytes += checker.wrong

    def _run(self, plan: _Plan, buffers: Buffers) -> int:
        """Open, transfer, sync, close; return how many calls were made."""
        job, work, traced = self.job, self.job.workload, self.traced
        traced.file = plan.file
        traced.aux = pack_aux(self._repetition, plan.phase)
        stream = self._stream(plan, buffers)
        self.comm.barrier()
        self._open(plan)
        job.trip(self.comm.rank)
        if work.barriers:
            traced.barrier(self.comm.barrier)
        self._transfer(stream, plan)
        if plan.op == Op.WRITE and work.fsync:
            traced.sync()
        if work.barriers:
            traced.barrier(self.comm.barrier)
        traced.close()
        self.comm.barrier()
        self.outcome.hints = self.kernel.hints()
        self.outcome.environment = self.kernel.environment()
        return stream.done

    def _stream(self, plan: _Plan, buffers: Buffers) -> Stream:
        """Prepare the calls: one after the other, or several at once."""
        if plan.depth > 1:
            return Deep(self.traced, plan.offsets, buffers, plan.depth)
        return self.traced.stream(plan.op, plan.offsets, buffers)

    def _open(self, plan: _Plan) -> None:
        """Open the phase's file; note one that was made, so that it can be removed."""
        path, writing = self.job.path(plan.file), plan.op == Op.WRITE
        try:
            self.traced.open(path, plan.op, exclusive=self.job.exclusive)
        except UsageError:
            raise
        except Exception as error:
            raise self.kernel.explain(error, path, plan.op) from error
        if writing and self.kernel.comm.rank == 0 and self.kernel.keeps_data:
            self.job.note_made(self.comm.rank, path)

    def _transfer(self, stream: Stream, plan: _Plan) -> None:
        """Make the calls, until all are done or the deadline is over."""
        total = len(plan.offsets)
        begin = monotonic_ns()
        if plan.stonewall:
            plan.after.append(self._deadline(begin))
        stream.run(total, before=plan.before, after=_all_of(plan.after), keep=plan.keep)
        if not plan.stonewall:
            return
        seconds, at_deadline = (monotonic_ns() - begin) / 1e9, stream.done
        if self.job.workload.stonewall_wear_out and plan.op == Op.WRITE:
            plan.after.pop()
            stream.run(max(self.comm.allgather(stream.done)), after=_all_of(plan.after))
        note = {"repetition": self._repetition, "op": plan.op.name.lower(), "seconds": seconds}
        calls = {"at_deadline": at_deadline, "calls": stream.done}
        self.outcome.stonewall.append({**note, "rank": self.comm.rank, **calls})

    def _deadline(self, begin: int) -> After:
        """Return what tells after each call whether time is over (to all alike, if in step)."""
        comm, end = self.comm, begin + self.job.workload.stonewall * 10**9
        if self.kernel.in_step:
            return lambda: bool(comm.bcast(monotonic_ns() > end))
        return lambda: monotonic_ns() > end

    def _sync(self) -> bool:
        self.traced.sync()
        return False

    def _report(self, found: Mismatch) -> None:
        if len(self.outcome.mismatches) < _REPORTED:
            owners = pattern.writers(self.job.workload, found.file, found.offset, 1)
            self.outcome.mismatches.append(replace(found, writer=int(owners.rank[0])))

    def _note_source(self, plan: _Plan) -> None:
        """Evict the file on all nodes, and note where the following reads come from."""
        if self.job.workload.direct_io:
            source = "direct"
        else:
            path = self.job.path(plan.file)
            self.evict(path)
            self.comm.barrier()
            source = "after-evict" if self.evict(path).cached == 0 else "cache"
        known = [source, self.outcome.verified_from or "direct"]
        self.outcome.verified_from = max(known, key=_FROM.index)

    def _remove(self) -> None:
        """Remove the file that this run made."""
        self.traced.aux = pack_aux(self._repetition, Phase.OTHER)
        self.traced.file = self.own
        self.comm.barrier()
        if self.kernel.comm.rank == 0:
            path = self.job.path(self.own)
            if self.removing:
                self.removing(path)
            self.traced.remove(path)
            self.job.bring(self.own, self._repetition + 1)
        self.comm.barrier()


def _all_of(hooks: list[After]) -> After | None:
    """Return one hook that calls all of them, or None if there are none."""
    if len(hooks) < 2:
        return hooks[0] if hooks else None

    def all_of() -> bool:
        ends = [hook() for hook in hooks]
        return any(ends)

    return all_of
