"""Run a workload, or any program: start it, follow it, stop it, collect it.

One implementation serves a notebook (``await pio.run(...)``), a script (``pio.run_sync(...)``)
and the command line: `start` returns a `Job`, whose end is looked for without blocking anyone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from piotutor import commands, launch, preparation, rundir
from piotutor.commands import Command
from piotutor.errors import UsageError
from piotutor.ior import workload_of
from piotutor.jobs import Job, start_guard
from piotutor.launch import Launcher, limits
from piotutor.results import Run
from piotutor.storage import Spec
from piotutor.units import parse_size
from piotutor.workload import Workload

__all__ = [
    "Job",
    "Run",
    "open_run",
    "run",
    "run_sync",
    "start",
    "start_command",
    "trace_command",
    "trace_command_sync",
]

DAY = 86400.0
"""Seconds after which a program that isn't ours is ended, unless told otherwise."""


def start(
    workload: Workload | str | list[str],
    *,
    directory: str | Path | None = None,
    timeout: float = 600,
    limit: int | str = limits.DATA,
    max_ranks: int | None = None,
    sample: bool = True,
    capture: str = "auto",
    storage: Spec = "local",
    launcher: launch.Spec | None = None,
    fault: Mapping[str, Any] | None = None,
) -> Job:
    """Start a workload and return at once.

    Parameters
    ----------
    workload : Workload, str or list of str
        What to run, or IOR's command line for it.
    directory : path, optional
        Where the data goes if the workload names no file: ``PIOTUTOR_SCRATCH``, or the state
        directory's ``scratch``.
    timeout : float
        Seconds that the job may take; waiting in the queue isn't counted.
    limit : int or str
        Bytes that a repetition may move in one direction, as ``"1g"``, say.
    max_ranks : int, optional
        The most ranks: ``PIOTUTOR_MAX_RANKS``, or 16.
    sample : bool
        Whether to watch the page cache and the device meanwhile.
    capture : str
        How to see the layers below the application: ``preload``, ``strace``, ``none``, or
        ``auto``, the first of these that works.
    storage : str or Storage
        What the files lie on: a spec such as ``"lustre:stripe_size=1m,stripe_count=4"``, or a
        storage object.
    launcher : str or Launcher, optional
        What starts the ranks, such as ``"slurm:partition=debug,nodes=2"``: see
        `piotutor.launch.parse`, and `piotutor.launch.default` for when it isn't given.
    fault : mapping, optional
        A fault that a rank is to produce, for tests: see `piotutor.kernels.job.Job`.

    Raises
    ------
    UsageError
        The job can't be run as asked; nothing was started or left.
    """
    options = preparation.Options(
        directory=directory,
        timeout=timeout,
        limit=parse_size(limit),
        max_ranks=max_ranks,
        sample=sample,
        capture=capture,
        storage=storage,
        launcher=launcher,
        fault=fault,
    )
    return _start(_compared(workload_of(workload), options), options)


def _compared(workload: Workload, options: preparation.Options) -> Workload:
    """Compare what is read back from servers of the run's own, where the workload can.

    Such a run is about where bytes lie, not about the last percent of bandwidth, and its files
    are gone with it: nobody can look at them afterwards.
    """
    if options.home.routed and workload.write and workload.read:
        with suppress(UsageError):  # a pattern whose bytes can't be told
            return workload.replace(verify_read=True)
    return workload


def _start(workload: Workload, options: preparation.Options) -> Job:
    """Check everything, make the run directory and the place for data, and start the guard."""
    limits.check(workload, limit=options.limit, ranks=options.ranks)
    state, launcher = _ready(workload.num_tasks, options)
    launcher.check(workload)
    options.home.need()
    with rundir.new(state, workload.api) as (run_dir, lock):
        data = preparation.place(workload, state, run_dir, options)
        try:
            orders = preparation.orders(workload, data, run_dir, launcher, options)
            return Job(workload, orders, start_guard(run_dir, lock))
        except BaseException:
            data.release(done=False)
            raise


def _ready(ranks: int, options: preparation.Options) -> tuple[Path, Launcher]:
    """Tidy up, and return the state directory and what starts ranks, if there is room for them."""
    state = rundir.state_dir()
    rundir.sweep(state)
    rundir.prune(state)
    for pool in preparation.pools(state, options.ranks):
        pool.check(ranks)
    given = options.launcher
    return state, launch.default(state) if given is None else launch.parse(given, state)


def start_command(
    argv: Sequence[str],
    *,
    ranks: int | None = None,
    capture: str = "auto",
    prefixes: Iterable[str | os.PathLike[str]] = (),
    storage: Spec = "local",
    directory: str | Path | None = None,
    timeout: float = DAY,
    max_ranks: int | None = None,
    sample: bool = True,
    launcher: launch.Spec | None = None,
    streams: Sequence[int] = (),
) -> Job:
    """Start any program, to record what it does with files, and return at once.

    It runs in the caller's working directory and environment; its files are left as they are.

    Parameters
    ----------
    argv : sequence of str
        The program's words.
    ranks : int, optional
        How many copies `launcher` starts under MPI. Without it the program is started once; it
        may be an mpiexec or srun.
    capture : str
        ``preload``, ``strace``, ``none``, or ``auto``, the first of these that works.
    prefixes : iterable of path
        Record only files that lie there, or whose paths begin so; by default all regular files
        but those of `piotutor.trace.interest`.
    storage : str or Storage
        What the files lie on that it makes in its place: ``{place}`` in its words, and the variable
        ``PIOTUTOR_PLACE``, stand for a directory of its own on that storage, which goes with the
        run.
    directory : path, optional
        Where that directory is made, on storages that are mounted.
    timeout : float
        Seconds after which the program is ended.
    max_ranks, sample, launcher
        As for `start`.
    streams : sequence of int
        Descriptors for its standard input, output and error; by default it reads nothing, and its
        output is kept in the run directory.

    Raises
    ------
    UsageError
        It can't be run as asked; nothing was started or left.
    """
    if isinstance(argv, str):
        raise UsageError(f"{argv!r} is one word: give a list of the program's words")
    command = Command(
        argv=tuple(argv),
        ranks=ranks,
        prefixes=tuple(os.fspath(prefix) for prefix in prefixes),
    )
    options = preparation.Options(
        directory=directory,
        timeout=timeout,
        max_ranks=max_ranks,
        sample=sample,
        capture=capture,
        storage=storage,
        launcher=launcher,
    )
    state, found = _ready(command.places, options)
    commands.check(command, found)
    options.home.need()
    with rundir.new(state, "trace") as (run_dir, lock), _copies(streams) as copies:
        data = commands.place(command, state, run_dir, options)
        try:
            orders = commands.orders(command, data, run_dir, found, options, copies)
            return Job(None, orders, start_guard(run_dir, lock, copies))
        except BaseException:
            data.release(done=False)
            raise


@contextmanager
def _copies(streams: Sequence[int]) -> Iterator[list[int]]:
    """Copy descriptors for a guard, whose own first three are others."""
    with ExitStack() as held:
        copies = [fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, 3) for stream in streams]
        for copy in copies:
            held.callback(os.close, copy)
        yield copies


async def trace_command(argv: Sequence[str], **options: Any) -> Run:
    """Record what any program does with files: ``run = await pio.trace_command(["./simulation"])``.

    Parameters
    ----------
    argv : sequence of str
        The program's words.
    **options
        As for `start_command`.

    Returns
    -------
    Run
        Also when the program failed: its ``result["exit_code"]`` says how.

    Raises
    ------
    UsageError
        It can't be run as asked.
    RunError
        It couldn't be started, or took longer than its time.
    """
    return await start_command(argv, **options).wait()


def trace_command_sync(argv: Sequence[str], **options: Any) -> Run:
    """Record what any program does with files, as `trace_command` does, blocking meanwhile."""
    return start_command(argv, **options).wait_sync()


async def run(workload: Workload | str | list[str], **options: Any) -> Run:
    """Run a workload and return its `Run`; in a notebook: ``run = await pio.run(workload)``.

    Parameters
    ----------
    workload : Workload, str or list of str
        What to run, or IOR's command line for it.
    **options
        As for `start`.

    Raises
    ------
    UsageError
        It can't be run as asked.
    RunError
        It failed.
    """
    return await start(workload, **options).wait()


def run_sync(workload: Workload | str | list[str], **options: Any) -> Run:
    """Run a workload and return its `Run`, as `run` does, blocking meanwhile."""
    return start(workload, **options).wait_sync()


def open_run(path: str | Path) -> Run:
    """Open the directory of a run that is over.

    Raises
    ------
    PiotutorError
        There is none, or it is damaged.
    """
    return Run(path)
