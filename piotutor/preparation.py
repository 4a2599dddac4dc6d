"""What has to be there before a job starts: a place in the queue, data files, orders.

Everything that can be refused is refused here, before a process is started.
"""

from __future__ import annotations

import os
import platform
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from piotutor import launch, rundir, storage
from piotutor.capture import UnavailableError, block, choice
from piotutor.errors import UsageError
from piotutor.launch import Launcher, limits
from piotutor.launch.local import Ranks
from piotutor.launch.orders import Orders
from piotutor.launch.queue import Pool
from piotutor.storage import Storage, datafiles
from piotutor.storage.datafiles import DataFiles
from piotutor.storage.probe import probe
from piotutor.storage.striping import stripe_size
from piotutor.trace import clocks
from piotutor.trace.interest import Interest
from piotutor.units import format_size
from piotutor.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a job is run; the fields are those of `piotutor.runner.start`."""

    directory: str | Path | None = None
    timeout: float = 600
    limit: int = limits.DATA
    max_ranks: int | None = None
    sample: bool = True
    capture: str = "auto"
    storage: storage.Spec = "local"
    launcher: launch.Spec | None = None
    fault: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.timeout < float("inf"):
            raise UsageError(f"timeout={self.timeout} must be a positive number of seconds")
        if self.limit <= 0:
            raise UsageError(f"limit={self.limit} must be a positive number of bytes")
        if self.max_ranks is not None and self.max_ranks <= 0:
            raise UsageError(f"max_ranks={self.max_ranks} must be positive")

        object.__setattr__(self, "storage", storage.parse(self.storage))

    @property
    def ranks(self) -> int:
        """The most ranks at once."""
        return self.max_ranks or limits.max_ranks()

    @property
    def home(self) -> Storage:
        """The storage, by itself: it gets its directory from what runs."""
        return storage.parse(self.storage)


def pools(state: Path, ranks: int) -> list[Pool]:
    """Return the user's own queue and, on a hub, the host's."""
    own = Pool(str(state / "queue"), ranks)
    shared = os.environ.get("PIOTUTOR_QUEUE_DIR")
    if not shared:
        return [own]
    count = limits.positive(os.environ, "PIOTUTOR_QUEUE_RANKS", limits.RANKS)
    return [own, Pool(shared, count, shared=True)]


def place(workload: Workload, state: Path, run_dir: Path, options: Options) -> DataFiles:
    """Find a place for a run's data files, with room for them, and reserve it.

    Parameters
    ----------
    workload : Workload
        What is to be run.
    state : path
        The user's state directory.
    run_dir : path
        The run directory, where the place is noted before it is made.
    options : Options
        Which storage it is on, and where data goes that has no name of its own.

    Raises
    ------
    UsageError
        There is no such place.
    """
    count, keep, home = workload.num_files, workload.keep, options.home
    if home.routed:
        _check_passing(workload, home)
    if workload.api == "NULL" or not workload.test_file:
        if workload.api != "NULL" and not workload.write:
            raise UsageError("nothing to read: name a file with -o, or write it first (-w)")
        private = _room(scratch(state, options.directory) / run_dir.name, workload, home)
        rundir.note_place(run_dir, private)
        return datafiles.in_scratch(private, count, keep=keep)
    path = Path(workload.test_file).expanduser().absolute()
    if not workload.write:
        if not home.readable:
            raise UsageError(f"storage {home} lays out new files: this run only reads")
        size = 0 if workload.random_offset == 2 else workload.bytes_per_file  # -z -z: any block
        return datafiles.existing(path, [size] * count)
    path = _room(path, workload, home)
    rundir.note_place(run_dir, datafiles.private_of(path, run_dir.name))
    return datafiles.reserve(path, count, keep=keep, run=run_dir.name, registry=state / "owned")


def orders(
    workload: Workload, data: DataFiles, run_dir: Path, launcher: Launcher, options: Options
) -> Orders:
    """Write the job's files, and return the guard's orders, written too."""
    home, tasks = options.home.at(Path(data.files[0]).parent), workload.num_tasks
    room = limits.trace_bytes(run_dir, 2 * tasks)  # each rank's own file, and one from below
    interest = Interest.of(data.files, [run_dir])
    captured = choice.prepare(options.capture, run_dir, interest, room, routed=home.interposed)
    job = run_dir / "job.json"
    rundir.write_json(job, _job(workload, data, run_dir, room, options))
    told = home.prepare(Path(data.private)) if data.private else home.describe()
    about = environment(home, launcher, captured) | {"ranks": tasks, **told}
    rundir.write_json(run_dir / "environment.json", about)
    words = (*home.argv_prefix, *captured.argv_prefix)
    ranks = Ranks(
        tasks,
        ("piotutor.launch.worker", str(job)),
        prefix=words,
        per_node=workload.tasks_per_node,
    )
    temporary = temporary_of(run_dir)
    found = Orders(
        argv=launcher.argv(ranks),
        env={**rank_environment(), **launcher.env(), **home.env, **captured.env},
        data=data.to_dict(),
        ranks=tasks,
        service=home.service(run_dir, data.files, temporary),
        temporary=str(temporary),
        **watching(run_dir, home, sample=options.sample and workload.api != "NULL"),
        **around(run_dir, options),
    )
    found = launcher.adapt(found, ranks)
    need_here(found, home)
    found.write(run_dir / "guard.json")
    return found


def temporary_of(run_dir: Path) -> Path:
    """Return where a run's temporary files go."""
    return Path(tempfile.gettempdir()) / f"piotutor-{run_dir.name}"


def need_here(orders: Orders, home: Storage) -> None:
    """Refuse ranks on other machines where the storage's servers are for this one only."""
    here = orders.temporary and (home.elsewhere or clocks.ASKED not in orders.env)
    if orders.service and not here:
        raise UsageError(
            f"storage {home.name} is for ranks on this machine: start them here (--launcher "
            "local), or say where others reach its servers (the storage's address=...)"
        )


def around(run_dir: Path, options: Options) -> dict[str, Any]:
    """Return those of a guard's orders that don't depend on what runs."""
    return {
        "run_dir": str(run_dir),
        "timeout": options.timeout,
        "pools": [asdict(pool) for pool in pools(run_dir.parents[1], options.ranks)],
        "parent": os.getpid(),
        "host": socket.gethostname(),
        "since": time.time(),
    }


def watching(
    run_dir: Path, home: Storage, *, sample: bool, everywhere: bool = False
) -> dict[str, Any]:
    """Return those of a guard's orders that have the page cache and the disk watched.

    Parameters
    ----------
    run_dir : Path
        The run directory.
    home : Storage
        Where the data lies. What is routed elsewhere is in no page cache and on no disk here.
    sample : bool
        Whether to watch at all.
    everywhere : bool
        Whether the job may use other disks, too.
    """
    if not sample or home.routed:
        return {}
    job = str(run_dir / "job.json")
    told: dict[str, Any] = {
        "sampler": [sys.executable, "-m", "piotutor.capture.sampler", "--block", job]
    }
    with suppress(UnavailableError):
        told["block"] = asdict(block.order(run_dir.name, home.path, everywhere=everywhere))
        told["watched"] = everywhere
    return told


def rank_environment() -> dict[str, str]:
    """Return what ranks need to find this package, to start fast and to print at once."""
    source = Path(__file__).parents[1]
    installed = source.name in ("site-packages", "dist-packages")
    paths = [*([] if installed else [str(source)]), os.environ.get("PYTHONPATH", "")]
    env = {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return env | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _job(
    workload: Workload, data: DataFiles, run_dir: Path, room: int, options: Options
) -> dict[str, Any]:
    """Return the job file, which every rank reads."""
    return {
        "format": 1,
        "workload": workload.to_dict(),
        "files": data.files,
        "run_dir": str(run_dir),
        "seed": 1 + secrets.randbelow(1 << 30),
        "trace_max_bytes": room,
        "exclusive": workload.write and not options.home.routed,
        "routed": options.home.routed,
        "ready_made": options.home.routed,
        "fail": options.fault,
    }


def scratch(state: Path, directory: str | Path | None) -> Path:
    """Return the directory for data that has no name of its own."""
    named = directory or os.environ.get("PIOTUTOR_SCRATCH")
    if named:
        return Path(named).expanduser().absolute()
    (state / "scratch").mkdir(mode=0o700, exist_ok=True)
    return state / "scratch"


def _room(path: Path, workload: Workload, home: Storage) -> Path:
    """Return a path, if its directory is there and has room for what the workload writes."""
    need = limits.needed(workload)
    if not path.parent.is_dir():
        problem = "is no directory" if path.parent.exists() else "doesn't exist"
        raise UsageError(f"{path.parent} {problem}: name a directory that does")
    if home.capacity is None:
        limits.check_space(path.parent, need)
        return path
    need *= workload.repetitions  # there each repetition's files stay
    if need > home.capacity:
        raise UsageError(
            f"the files need {format_size(need)}, storage {home} has {format_size(home.capacity)} "
            "for them (use smaller blocks or fewer segments)"
        )
    return path


def _check_passing(workload: Workload, home: Storage) -> None:
    """Refuse files with a name, or to be kept, where they go with the run."""
    named = "-o" if workload.test_file else "-k" if workload.keep else ""
    if named:
        raise UsageError(
            f"{named}: files on storage {home.name} have no name here and go with the run: "
            f"leave out {named}, or use a storage that is mounted"
        )


def environment(home: Storage, launcher: Launcher, captured: choice.Capture) -> dict[str, Any]:
    """Say where a run takes place, and on what, and who looks on."""
    striped = None if home.routed else probe(home.path).to_dict()
    return {
        "storage": str(home),
        "filesystem": home.kind,
        "path": str(home.path),
        "host": socket.gethostname(),
        "mpi": launcher.library,
        "launcher": launcher.name,
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "capture": captured.how,
        "slowed": "strace" if captured.how == "strace" else None,
        **({"layout": striped, "stripe_size": stripe_size(striped)} if striped else {}),
    }
