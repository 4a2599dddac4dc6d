"""Watch the page cache and the device from beside a running job.

``python -m piotutor.capture.sampler RUN/job.json`` writes SAMPLE records to
``RUN/trace/sampler.piot`` until it is told to end (SIGTERM, or the death of its parent), and
``RUN/sampler.json``: what it could see, and why not where it couldn't. With ``--block`` it records
the block requests of the run's files meanwhile.

All gauges are read each 10 ms at first. The interval grows with what a reading costs, so that the
sampler stays below 5% of one core, and with the time gone by, so that a long run's samples are
as few as a short one's and as fine on its time axis.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from piotutor.capture.block import recording
from piotutor.capture.device import UnavailableError, find_device, mount_of
from piotutor.capture.residency import residency, why_unknown
from piotutor.trace.record import UNKNOWN, Layer, Op
from piotutor.trace.writer import TraceWriter

FIRST_INTERVAL = 0.010
"""Seconds between two readings of a gauge, to begin with."""
SHARE = 0.04
"""Of one core's time, what sampling may take."""
PARTS = 1000
"""An interval never needs to be finer than this part of the time since the start."""

Sample = dict[str, Any]
Read = Callable[[], list[Sample]]


class Pace:
    """When to read next: never oftener than a share of one core allows.

    Parameters
    ----------
    start
        When sampling began, in seconds of the monotonic clock.
    """

    def __init__(self, start: float) -> None:
        self._start, self._used = start, time.thread_time()

    def interval(self) -> float:
        """Return the seconds to wait now, from the time that this thread used since it last did."""
        used = time.thread_time()
        cost, self._used = used - self._used, used
        return max(FIRST_INTERVAL, cost / SHARE, (time.monotonic() - self._start) / PARTS)


class DeviceGauge:
    """Bytes that the device under a path has written and read since the gauge was made."""

    def __init__(self, place: Path) -> None:
        self._device = find_device(place)
        self._zero = self._device.counters()
        self.about = self._device.name

    def __call__(self) -> list[Sample]:
        """Read the device's counters once."""
        now = self._device.counters()
        written, read = now.written - self._zero.written, now.read - self._zero.read
        return [{"layer": Layer.DEVICE, "length": written, "result": read}]


class MemoryGauge:
    """Bytes that the whole machine has still to write back."""

    def __init__(self) -> None:
        self.about = "/proc/meminfo"
        try:
            self()
        except OSError as error:
            raise UnavailableError(f"{self.about}: {error.strerror}") from None

    def __call__(self) -> list[Sample]:
        """Read the machine's Dirty and Writeback once."""
        found = re.findall(
            rb"^(?:Dirty|Writeback): +(\d+) kB", Path(self.about).read_bytes(), re.MULTILINE
        )
        waiting = sum(map(int, found)) * 1024
        return [{"layer": Layer.BLOCK, "length": waiting, "result": -1}]


class FilesGauge:
    """What of each data file is in memory; a file that isn't there (yet) gives no sample."""

    def __init__(self, files: Sequence[str], place: Path) -> None:
        self._files = list(enumerate(files))
        self._mount = mount_of(place)
        reason = why_unknown(self._mount)
        self.about = f"unavailable here: {reason}" if reason else "no file was there to look at"
        self.dirty = 0

    def __call__(self) -> list[Sample]:
        """Look at every file once."""
        self.dirty = 0
        return [sample for number, path in self._files for sample in self._look(number, path)]

    def _look(self, number: int, path: str) -> list[Sample]:
        try:
            found = residency(path, mount=self._mount)
        except OSError:
            return []
        self.about = found.how
        self.dirty += found.dirty or 0
        cached = -1 if found.cached is None else found.cached
        dirty = UNKNOWN if found.dirty is None else found.dirty
        sample = {"layer": Layer.POSIX, "file": number, "length": found.size}
        return [sample | {"result": cached, "aux": dirty}]


class Sampler:
    """All gauges of one run, and the loop that reads them.

    Parameters
    ----------
    files
        The paths of the data files, in the order of the job.
    place
        The directory that they lie in, or will.
    """

    def __init__(self, files: Sequence[str], place: Path) -> None:
        self.files = FilesGauge(files, place)
        self.about = {"residency": self.files.about}
        self._gauges: list[Read] = [self.files]
        makers: dict[str, Callable[[], DeviceGauge | MemoryGauge]] = {
            "device": lambda: DeviceGauge(place),
            "memory": MemoryGauge,
        }
        for name, make in makers.items():
            try:
                gauge = make()
            except UnavailableError as reason:
                self.about[name] = f"unavailable here: {reason}"
            else:
                self.about[name] = gauge.about
                self._gauges.append(gauge)

    def run(self, writer: TraceWriter, ended: threading.Event, linger: float = 0.0) -> None:
        """Sample until told to end, then until the files are clean, at most `linger` seconds.

        Parameters
        ----------
        writer
            Where the samples go.
        ended
            Set by whoever wants the end (a signal).
        linger
            Seconds.
        """
        parent, pace = os.getppid(), Pace(time.monotonic())
        self._read(writer)
        while not ended.wait(pace.interval()) and os.getppid() == parent:
            self._read(writer)
        last = time.monotonic() + linger
        self._read(writer)
        while self.files.dirty and time.monotonic() < last and os.getppid() == parent:
            time.sleep(pace.interval())
            self._read(writer)
        self.about["residency"] = self.files.about

    def _read(self, writer: TraceWriter) -> None:
        now = time.monotonic_ns()
        for gauge in self._gauges:
            for sample in gauge():
                writer.append(start=now, end=now, op=Op.SAMPLE, **sample)


def main(arguments: Sequence[str] | None = None) -> int:
    """Sample the run whose job file is given until SIGTERM."""
    parser = argparse.ArgumentParser(prog="piotutor.capture.sampler", description=__doc__)
    parser.add_argument("job", type=Path, help="the run's job.json")
    parser.add_argument(
        "--linger",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="after SIGTERM go on until the files are clean, at most so long",
    )
    parser.add_argument("--block", action="store_true", help="record block requests too")
    options = parser.parse_args(arguments)
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})  # our guard may hold it back
    _sample(options.job, ended, options.linger, block=options.block)
    return 0


def _sample(job_file: Path, ended: threading.Event, linger: float, *, block: bool = False) -> None:
    job = json.loads(job_file.read_text())
    run_dir, files = Path(job["run_dir"]), job["files"]
    place = Path(files[0]).parent if files else run_dir
    sampler = Sampler(files, place)
    # No data file is there yet: whether this kernel answers at all, any file of ours tells.
    sampler.about["residency"] = residency(job_file, mount=mount_of(place)).how
    path = run_dir / "trace" / "sampler.piot"
    beside: AbstractContextManager[dict[str, str]] = nullcontext({})
    if block:
        beside = recording(run_dir, files, place)
    writer = TraceWriter(path, rank=-1, files=files, writer="sampler", notes=sampler.about)
    with beside as requests, writer:
        sampler.run(writer, ended, linger)
    about = {**sampler.about, **requests}
    (run_dir / "sampler.json").write_text(json.dumps(about, indent=1))


if __name__ == "__main__":
    raise SystemExit(main())
