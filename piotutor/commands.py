"""A program that isn't ours, run to be captured: what is checked before, and the guard's orders.

It gets the caller's working directory and environment. Its files are the user's: none is made,
reserved or removed here.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from piotutor import preparation, rundir
from piotutor.capture import choice
from piotutor.errors import UsageError
from piotutor.launch import Launcher, limits
from piotutor.launch.local import Ranks
from piotutor.launch.orders import Orders
from piotutor.preparation import Options
from piotutor.storage import Storage, datafiles
from piotutor.storage.datafiles import DataFiles
from piotutor.trace.interest import Interest

PLACE, VARIABLE = "{place}", "PIOTUTOR_PLACE"
"""What stands, in a program's words and in its environment, for a directory of its own."""


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
    """

    argv: tuple[str, ...]
    ranks: int | None = None
    prefixes: tuple[str, ...] = ()

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


def place(command: Command, state: Path, run_dir: Path, options: Options) -> DataFiles:
    """Make the directory that the program may ask for as its place, if it or the storage does.

    Raises
    ------
    UsageError
        It can't be made.
    """
    home = options.home
    if not home.routed and not any(PLACE in word for word in command.argv):
        if str(home) != home.name and not home.interposed:
            raise UsageError(
                f"storage {home} lays out new files: say where, {PLACE} in the command"
            )
        return DataFiles(())
    private = preparation.scratch(state, options.directory) / run_dir.name
    rundir.note_place(run_dir, private)
    return replace(datafiles.in_scratch(private, 1, keep=False), files=())


def orders(
    command: Command,
    data: DataFiles,
    run_dir: Path,
    launcher: Launcher,
    options: Options,
    streams: Sequence[int] = (),
) -> Orders:
    """Write the job's files, and return the guard's orders, written too.

    Parameters
    ----------
    command, run_dir, launcher, options
        What to run, where that is noted, what starts its ranks, and how.
    data : DataFiles
        Its place, as made by `place`.
    streams : sequence of int
        Descriptors, above 2, that become its standard input, output and error; empty: it reads
        nothing, and its output is kept in the run directory.
    """
    here = Path.cwd()
    mine = Path(data.private) if data.private else None
    command = replace(command, argv=tuple(word.replace(PLACE, str(mine)) for word in command.argv))
    home = options.home.at(mine or _first(command.prefixes) or here)
    captured = _captured(command, run_dir, home, options)
    about = home.prepare(mine) if mine else {}
    _write(command, run_dir, home, preparation.environment(home, launcher, captured) | about)
    ours = preparation.rank_environment()
    temporary = preparation.temporary_of(run_dir)
    service = home.service(run_dir, (), temporary)
    words = (*home.argv_prefix, *captured.argv_prefix)
    ranks = Ranks(command.places, prefix=words, program=command.argv)
    told = Orders(
        argv=launcher.argv(ranks) if command.ranks else [*ranks.prefix, *command.argv],
        env={
            **{name: os.environ[name] for name in ours if name in os.environ},
            **(launcher.env() if command.ranks else {}),
            **home.env,
            **captured.env,
            **_own(mine, service),
        },
        unset=[name for name in ours if name not in os.environ],
        directory=str(here),
        streams=list(streams),
        data=data.to_dict(),
        ranks=command.places,
        service=service,
        temporary=str(temporary) if service else "",
        **preparation.watching(run_dir, home, sample=options.sample, everywhere=True),
        **preparation.around(run_dir, options),
    )
    if command.ranks:
        told = launcher.adapt(told, ranks)
    preparation.need_here(told, home)
    told.write(run_dir / "guard.json")
    return told


def _captured(command: Command, run_dir: Path, home: Storage, options: Options) -> choice.Capture:
    """Choose how the layers below are seen: around each rank, or around a program started once."""
    room = limits.trace_bytes(run_dir, command.ranks or limits.RANKS)
    interest = Interest.of(command.prefixes, [run_dir])
    whole = command.ranks is None
    return choice.prepare(
        options.capture, run_dir, interest, room, whole=whole, routed=home.interposed
    )


def _own(place: Path | None, service: Sequence[str]) -> dict[str, str]:
    """Return what tells the program of its place, and leaves it its own temporary files."""
    told = {VARIABLE: str(place)} if place else {}
    return told | ({"TMPDIR": tempfile.gettempdir()} if service else {})


def _write(command: Command, run_dir: Path, home: Storage, about: dict[str, Any]) -> None:
    """Write what others have to know of the job."""
    job = {"format": 1, "command": list(command.argv), "files": [], "run_dir": str(run_dir)}
    rundir.write_json(run_dir / "job.json", job | {"place": str(home.path)})
    if command.ranks:
        about["ranks"] = command.ranks
    else:
        about |= {"mpi": "", "launcher": ""}  # whose, only the program knows
    rundir.write_json(run_dir / "environment.json", about)


def _program(name: str) -> str | None:
    """Return a program's path, or None."""
    found = shutil.which(name)
    return found if found and not Path(found).is_dir() else None


def _first(prefixes: Sequence[str]) -> Path | None:
    """Return the nearest directory that is there, above the files with the first prefix."""
    if not prefixes:
        return None
    path = Path(prefixes[0]).expanduser().absolute()
    return next(place for place in (path, *path.parents) if place.is_dir())
