"""A batch system's job, followed and cancelled: a child of the guard.

    python -m piotutor.launch.submit follow RUN     submit it, follow it, end as its ranks did
    python -m piotutor.launch.submit cancel RUN     end it, or its step in our allocation

What the job prints is printed. Its state goes to ``RUN/batch-state.json``, its id to
``RUN/batch-job`` at once. How the ranks ended is told by a file that the job's script writes: the
batch system, which many others ask too, is asked seldom.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from piotutor import launch, programs
from piotutor.errors import PiotutorError
from piotutor.launch.batch import CANCELLED, CODE, OUTPUT, REFUSED, Batch, Said, Told

STATE, JOB = "batch-state.json", "batch-job"
LOOK = 0.1
"""Seconds between looks at the run directory."""
FIRST, LAST = 0.5, 10.0
"""Seconds between questions to the batch system, at first and later on."""
LATE = 20.0
"""Seconds after which the files of a job that is over are there, on any shared file system."""
GRACE, GONE = 2.0, 4.0
"""Seconds after each order to end but the last, and after the last, for the job to be gone."""
ANSWER = 30.0
"""Seconds that a command may take to submit or to answer."""
ORDER = 3.0
"""Seconds that a command may take to cancel."""


class SubmitError(PiotutorError):
    """The batch system didn't do as it was told; the text says why."""


class Submission:
    """A run's job in a batch system.

    Parameters
    ----------
    run_dir : Path
        The run directory, with what `Batch.adapt` left there.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.told = Told.read(run_dir)
        self.system: type[Batch] = launch.kind(self.told.launcher)
        self.shown = 0

    def follow(self) -> int:
        """Submit the job, wait for its end, and return its exit code."""
        job = self.submit()
        self._say(Said("waiting", f"{self.system.title} job {job}"))
        for said in self._asked(job):
            self._show()
            if self._code() is not None:
                break
            if said.state == "over":
                return self._vanished(job, said)
            self._say(self._named(job, said))
        self._show()
        return self._code() or 0

    def submit(self) -> str:
        """Submit the job and return its id."""
        done = programs.ask(self.told.submit, ANSWER)
        job = self.system.id_of(done.stdout)
        if done.returncode or not job:
            why = f"{self.system.title} didn't take the job: {_last(done)}"
            (self.run_dir / REFUSED).write_text(why)
            raise SubmitError(why)
        part = self.run_dir / f"{JOB}.part"
        part.write_text(job)
        part.replace(self.run_dir / JOB)
        return job

    def cancel(self) -> str:
        """End what there is of the job; return what may be left, empty for nothing."""
        (self.run_dir / CANCELLED).touch()
        jobs = self._steps() if self.told.allocation else self._jobs()
        return "; ".join(filter(None, map(self._end, jobs)))

    def _end(self, job: str) -> str:
        """End a job or a step, the gentle way first."""
        orders = self.system.cancels(job)
        said = self._state(job, ORDER)
        if said and said.state == "waiting":
            orders = orders[-1:]
        for order in orders:
            with suppress(subprocess.TimeoutExpired):
                programs.ask(order, ORDER)
            if _within(GONE if order is orders[-1] else GRACE, lambda: self._gone(job)):
                return ""
        return f"{self.system.title} still has {job}: {' '.join(orders[-1])}"

    def _gone(self, job: str) -> bool:
        if self.told.allocation:
            return job not in self._steps()
        said = self._state(job, ORDER)
        return said is not None and said.state == "over"

    def _jobs(self) -> list[str]:
        try:
            return [(self.run_dir / JOB).read_text()]
        except OSError:
            return []

    def _steps(self) -> list[str]:
        """Return the ids of what runs by our name in the allocation."""
        command = self.system.find_steps(self.told)
        lines = programs.ask(command, ORDER).stdout.splitlines() if command else []
        found = (line.split() for line in lines)
        return [words[0] for words in found if words[1:] == [self.told.name]]

    def _state(self, job: str, patience: float) -> Said | None:
        """Ask for the job's state; None: no answer, this time."""
        try:
            done = programs.ask(self.system.query(job), patience)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode and not self.system.unknown(done.stdout + done.stderr):
            return None
        return self.system.read(done.stdout)

    def _asked(self, job: str) -> Iterator[Said]:
        """Give the job's state again and again; it is asked for more and more seldom."""
        said, pause, due = Said("waiting"), FIRST, 0.0
        while True:
            if time.monotonic() >= due:
                said = self._state(job, ANSWER) or said
                due = time.monotonic() + pause
                pause = min(1.3 * pause, LAST)
            elif said.state == "waiting" and (self.run_dir / OUTPUT).exists():
                said = Said("running")
            yield said
            time.sleep(LOOK)

    def _vanished(self, job: str, said: Said) -> int:
        """Say how a job ended whose script couldn't; wait, lest its files are only late."""
        patience = LATE if said.why in self.system.endings else LOOK
        _within(patience, lambda: self._code() is not None)
        self._show()
        code = self._code()
        if code is None:
            print(f"{self.system.title} ended job {job}: {said.why or 'it is gone'}", flush=True)
        return 1 if code is None else code

    def _named(self, job: str, said: Said) -> Said:
        """Say whose reason it is."""
        return Said(said.state, f"{self.system.title} job {job}: {said.why}" if said.why else "")

    def _say(self, said: Said) -> None:
        """Publish the state for the guard."""
        part = self.run_dir / f"{STATE}.part"
        part.write_text(json.dumps(vars(said)))
        part.replace(self.run_dir / STATE)

    def _show(self) -> None:
        """Print what the job has printed since."""
        with suppress(FileNotFoundError), (self.run_dir / OUTPUT).open("rb") as file:
            file.seek(self.shown)
            while chunk := file.read(1 << 16):
                self.shown += os.write(1, chunk)

    def _code(self) -> int | None:
        """Return the exit code of the ranks, None if they haven't ended."""
        try:
            return int((self.run_dir / CODE).read_text())
        except (OSError, ValueError):
            return None


def _last(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that a program said."""
    said = programs.last_line(f"{done.stdout}\n{done.stderr}")
    return said or f"no answer (exit code {done.returncode})"


def _within(seconds: float, check: Callable[[], bool]) -> bool:
    """Wait until a check is true, for so long at most."""
    last = time.monotonic() + seconds
    while not (answer := check()) and time.monotonic() < last:
        time.sleep(LOOK)
    return answer


def main(arguments: list[str]) -> NoReturn:
    """Follow or cancel the job of a run directory."""
    act, run_dir = arguments
    submission = Submission(Path(run_dir))
    try:
        if act == "follow":
            sys.exit(submission.follow())
        left = submission.cancel()
        sys.exit(left or 0)
    except (PiotutorError, OSError, subprocess.SubprocessError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
