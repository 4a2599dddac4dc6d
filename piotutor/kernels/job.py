"""The job file: what the runner asks of the ranks."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from piotutor.errors import PiotutorError, UsageError
from piotutor.workload import Workload

FORMAT = 1
NEXT = ".next"
"""Directory of ready-made files for later repetitions, beside the data files."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run, as each rank gets it.

    Attributes
    ----------
    workload : Workload
        What to do.
    files : tuple of str
        Absolute paths of the data files: one, or one for each rank.
    run_dir : Path
        Where traces and results go.
    seed : int
        Seed of the first repetition's content; each following one has the next (but see
        ``Workload.signature``).
    trace_max_bytes : int
        Bound of one rank's trace file.
    exclusive : bool
        Refuse to write a file that exists.
    routed : bool
        Whether the interposer takes the files to servers: nothing of them is in this machine's
        page cache or on its disks.
    ready_made : bool
        The storage has made the data files, empty, each where it is to lie; those of repetition
        ``k``, from 1 on, lie ready as ``.next/NAME.k`` beside them.
    fail : dict or None
        A fault to produce, for tests: ``{"rank": 1, "how": "raise"}`` (or kill, exit, hang), once
        the first file is open.
    """

    workload: Workload
    files: tuple[str, ...]
    run_dir: Path
    seed: int = 0
    trace_max_bytes: int = 1 << 28
    exclusive: bool = True
    ready_made: bool = False
    routed: bool = False
    fail: Mapping[str, Any] | None = field(default=None)

    def path(self, file: int) -> str:
        """Return the path of a file by its index."""
        return self.files[file]

    def seed_of(self, repetition: int) -> int:
        """Return the seed of a repetition's content: the signature, where one is given."""
        given = self.workload.signature
        return (self.seed + repetition if given is None else given) & 0x7FFFFFFF

    def note_made(self, rank: int, path: str) -> None:
        """Leave ``made-NNNNN`` in the run directory: the path of a file that this run made."""
        (self.run_dir / f"made-{rank:05d}").write_text(path, "utf-8")

    def bring(self, file: int, repetition: int) -> None:
        """Put the file that was made for a repetition at its name, if there is one."""
        if self.ready_made and repetition < self.workload.repetitions:
            path = Path(self.path(file))
            (path.parent / NEXT / f"{path.name}.{repetition}").rename(path)

    def trip(self, rank: int) -> None:
        """Produce the fault that is asked for on this rank."""
        if self.fail is None or self.fail["rank"] != rank:
            return
        how = self.fail["how"]
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif how == "exit":
            os._exit(3)
        elif how == "hang":
            time.sleep(86400)
        raise PiotutorError(f"the fault that was asked for, on rank {rank}")


def read_job(path: str | os.PathLike[str]) -> Job:
    """Read a job file.

    Raises
    ------
    UsageError
        If it can't be read, is damaged, or is of another format.
    """
    try:
        fields = json.loads(Path(path).read_text("utf-8"))
        if fields.pop("format") != FORMAT:
            raise ValueError(f"its format isn't {FORMAT}")
        workload = Workload.from_dict(fields.pop("workload"))
        files, run_dir = tuple(fields.pop("files")), Path(fields.pop("run_dir"))
        job = Job(workload=workload, files=files, run_dir=run_dir, **fields)
    except UsageError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{os.fspath(path)} is no job file of piotutor: {error!r}") from None
    wanted = workload.num_tasks if workload.file_per_process else 1
    if len(files) != wanted:
        raise UsageError(f"{os.fspath(path)}: {len(files)} data files, {wanted} are needed")
    return job
