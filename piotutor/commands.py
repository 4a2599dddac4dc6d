"""A program that isn't ours, run to be captured: what is checked before, and the guard's orders.

It gets the caller's working directory and environment. Its files are the user's: none is made,
reserved or removed here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from piotutor import preparation, rundir, storage
from piotutor.capture import choice
from piotutor.errors import UsageError
from piotutor.launch import Launcher, guard, limits
from piotutor.launch.local import Ranks
from piotutor.preparation import Options
from piotutor.storage.datafiles import DataFiles
from piotutor.trace.interest import Interest


@dataclass(frozen=True, kw_only=True)
class Command:
    """What is run, and what of it is recorded.

    Attributes
    ----------
    argv
        The program's words.
    ranks
        How many copies the launcher starts; None: it is started once, and may start ranks itself.
    prefixes
        Only files whose paths begin so are recorded; empty for all.
    storage
        Name of the storage.
    """

    argv: tuple[str, ...]
    ranks: int | None = None
    prefixes: tuple[str, ...] = ()
    storage: str = "local"

    def __post_init__(self) -> None:
        if not self.argv:
            raise UsageError("no command is given: name a program")
        if self.ranks is not None and self.ranks <= 0:
            raise UsageError(f"ranks={self.ranks} must be positive")
        if any("\n" in path for path in self.prefixes):
            raise UsageError("a prefix has a line break in it: name another path")

    @property
    def places(self) -> int:
        """How many ranks it takes in the queue."""
        return self.ranks or 1


def check(command: Command, launcher: Launcher) -> None:
    """Refuse what can't be started.

    Raises
    ------
    UsageError
        There is no such program, or no MPI for the ranks asked for.
    """
    if _program(command.argv[0]) is None:
        raise UsageError(f"{command.argv[0]}: no such program, or it can't be executed")
    if command.places > 1:
        launcher.check(None)


def orders(
    command: Command,
    run_dir: Path,
    launcher: Launcher,
    options: Options,
    streams: Sequence[int] = (),
) -> guard.Orders:
    """Write the job's files, and return the guard's orders, written too.

    Parameters
    ----------
    command : Command
        What to run.
    run_dir : Path
        The run directory.
    launcher : Launcher
        What starts its ranks, if it doesn't itself.
    options : Options
        How to run it.
    streams : sequence of int
        Descriptors, above 2, that become its standard input, output and error; empty: it reads
        nothing, and its output is kept in the run directory.
    """
    here = Path.cwd()
    place = _directory_of(command.prefixes[0]) if command.prefixes else here
    home = storage.at(place, command.storage)
    room = limits.trace_bytes(run_dir, command.ranks or limits.RANKS)
    whole = command.ranks is None
    interest = Interest.of(command.prefixes, [run_dir])
    captured = choice.prepare(options.capture, run_dir, interest, room, whole=whole)
    _write(command, run_dir, home, launcher, captured)
    ours = preparation.rank_environment()
    words = (*home.argv_prefix, *captured.argv_prefix)
    ranks = Ranks(command.places, prefix=words, program=command.argv)
    told = guard.Orders(
        argv=launcher.argv(ranks) if command.ranks else [*ranks.prefix, *command.argv],
        env={
            **{name: os.environ[name] for name in ours if name in os.environ},
            **({} if whole else launcher.env()),
            **home.env,
            **captured.env,
        },
        unset=[name for name in ours if name not in os.environ],
        directory=str(here),
        streams=list(streams),
        data=DataFiles(()).to_dict(),
        ranks=command.places,
        **preparation.watching(run_dir, place, sample=options.sample, everywhere=True),
        **preparation.around(run_dir, options),
    )
    if command.ranks:
        told = launcher.adapt(told, ranks)
    told.write(run_dir / "guard.json")
    return told


def _write(
    command: Command,
    run_dir: Path,
    home: storage.Storage,
    launcher: Launcher,
    captured: choice.Capture,
) -> None:
    """Write what others have to know of the job."""
    job = {"format": 1, "command": list(command.argv), "files": [], "run_dir": str(run_dir)}
    rundir.write_json(run_dir / "job.json", job | {"place": str(home.path)})
    about = preparation.environment(home, launcher, captured)
    if command.ranks:
        about["ranks"] = command.ranks
    else:
        about["mpi"] = ""  # whose, only the program knows
    rundir.write_json(run_dir / "environment.json", about)


def _program(name: str) -> str | None:
    """Return a program's path, or None."""
    found = shutil.which(name)
    return found if found and not Path(found).is_dir() else None


def _directory_of(prefix: str) -> Path:
    """Return the nearest directory that is there, above the files with a prefix."""
    path = Path(prefix).expanduser().absolute()
    return next(place for place in (path, *path.parents) if place.is_dir())
