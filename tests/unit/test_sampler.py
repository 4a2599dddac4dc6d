"""The sampler sees what the files and the device do, costs little and always ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from piotutor.capture import Residency, UnavailableError, sampler
from piotutor.trace import Trace
from piotutor.trace.record import RECORD, UNKNOWN, Layer, Op
from piotutor.trace.writer import TraceWriter

PATIENCE = 60


class Collected:
    """Stands in for a trace writer and keeps what is appended."""

    def __init__(self):
        self.records = []

    def append(self, **fields):
        self.records.append(fields)

    def of(self, layer):
        return [record for record in self.records if record["layer"] == layer]


def read(path):
    """Return the records of a closed trace without its header."""
    data = path.read_bytes()
    header = int(np.frombuffer(data, "<u4", 1, 12)[0])
    return np.frombuffer(data, RECORD, offset=header)


@pytest.fixture
def run_dir(tmp_path):
    (tmp_path / "trace").mkdir()
    (tmp_path / "data").mkdir()
    files = [str(tmp_path / "data" / name) for name in ("first", "second")]
    (tmp_path / "job.json").write_text(json.dumps({"files": files, "run_dir": str(tmp_path)}))
    return tmp_path


def ended():
    event = threading.Event()
    event.set()
    return event


def test_told_to_end_at_once_it_still_looks_once(run_dir):
    (run_dir / "data" / "second").write_bytes(bytes(5000))
    files = [str(run_dir / "data" / name) for name in ("first", "second")]
    collected = Collected()
    sampler.Sampler(files, run_dir).run(collected, ended())
    assert {record["op"] for record in collected.records} == {Op.SAMPLE}
    *_, seen = collected.of(Layer.POSIX)
    assert (seen["file"], seen["length"]) == (1, 5000)
    assert all(record["start"] == record["end"] for record in collected.records)


@pytest.mark.parametrize(
    ("found", "result", "aux"),
    [
        (Residency(size=9, cached=8, dirty=4, how="cachestat"), 8, 4),
        (Residency(size=9, cached=8, dirty=None, how="mincore"), 8, UNKNOWN),
        (Residency(size=9, cached=None, dirty=None, how="unavailable here: x"), -1, UNKNOWN),
    ],
)
def test_unknown_is_not_zero(tmp_path, monkeypatch, found, result, aux):
    monkeypatch.setattr(sampler, "residency", lambda path, mount: found)
    gauge = sampler.FilesGauge(["a"], tmp_path)
    (sample,) = gauge()
    assert (sample["length"], sample["result"], sample["aux"]) == (9, result, aux)
    assert gauge.about == found.how


def test_what_can_not_be_seen_is_said_and_the_rest_goes_on(tmp_path, monkeypatch):
    def hidden(path):
        raise UnavailableError("a container")

    monkeypatch.setattr(sampler, "find_device", hidden)
    made, collected = sampler.Sampler([], tmp_path), Collected()
    made.run(collected, ended())
    assert made.about["device"] == "unavailable here: a container"
    assert not collected.of(Layer.DEVICE)


def test_it_lingers_until_the_files_are_clean(tmp_path, monkeypatch):
    left = iter([400, 300, 200, 0, 999])
    monkeypatch.setattr(
        sampler,
        "residency",
        lambda path, mount: Residency(size=999, cached=999, dirty=next(left), how="cachestat"),
    )
    collected = Collected()
    sampler.Sampler(["a"], tmp_path).run(collected, ended(), linger=PATIENCE)
    assert [sample["aux"] for sample in collected.of(Layer.POSIX)] == [400, 300, 200, 0]


def test_it_does_not_linger_for_ever(tmp_path, monkeypatch):
    dirty = Residency(size=9, cached=9, dirty=9, how="cachestat")
    monkeypatch.setattr(sampler, "residency", lambda path, mount: dirty)
    sampler.Sampler(["a"], tmp_path).run(Collected(), ended(), linger=0.05)


def test_what_costs_more_is_read_less_often(monkeypatch):
    used = iter([0.0, 0.004, 0.0041])
    monkeypatch.setattr(time, "thread_time", lambda: next(used))
    pace = sampler.Pace(time.monotonic())
    assert pace.interval() >= 0.1
    assert pace.interval() < 0.1


def test_a_long_run_is_read_more_coarsely():
    assert sampler.Pace(time.monotonic() - 600).interval() >= 0.6


def test_its_share_stays_below_five_percent():
    assert sampler.SHARE < 0.05


@contextlib.contextmanager
def started(*command, **options):
    """Start a program; whatever happens, it doesn't outlive the block."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process, ready):
    """Wait until `ready()`; fail when the program ends before, or patience does."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def claimed(path):
    """Return how many records the header of a growing trace counts."""
    return int(np.frombuffer(path.read_bytes(), "<u8", 1, 40)[0]) if path.exists() else 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_samples_until_a_signal(run_dir, number):
    trace = run_dir / "trace" / "sampler.piot"
    command = [sys.executable, "-m", "piotutor.capture.sampler", str(run_dir / "job.json")]
    with started(*command, stderr=subprocess.PIPE) as process:
        wait_for(process, lambda: claimed(trace) > 4)
        (run_dir / "data" / "first").write_bytes(os.urandom(1 << 20))
        before = claimed(trace)
        wait_for(process, lambda: claimed(trace) > before + 8)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""
    records = read(trace)
    assert set(records["op"]) == {Op.SAMPLE}
    assert set(records["rank"]) == {-1}
    assert (np.diff(records["start"]) >= 0).all()
    last = records[records["layer"] == Layer.POSIX][-1]
    assert (last["file"], last["length"]) == (0, 1 << 20)
    device = records[records["layer"] == Layer.DEVICE]
    assert (np.diff(device["length"]) >= 0).all()
    about = json.loads((run_dir / "sampler.json").read_text())
    assert set(about) == {"residency", "device", "memory"}


def test_it_ends_with_its_parent(run_dir):
    trace = run_dir / "trace" / "sampler.piot"
    about = run_dir / "sampler.json"
    script = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-m', 'piotutor.capture.sampler', sys.argv[1]])\n"
        "p.wait()\n"
    )
    with started(sys.executable, "-c", script, str(run_dir / "job.json")) as parent:
        wait_for(parent, lambda: claimed(trace) > 2)
        parent.kill()
    deadline = time.monotonic() + PATIENCE
    while not about.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert about.exists()


def test_a_full_trace_counts_what_it_drops(run_dir):
    with TraceWriter(run_dir / "trace" / "x.piot", rank=-1, max_bytes=0) as writer:
        sampler.Sampler([], run_dir).run(writer, ended())
        assert writer.dropped > 0


def test_the_trace_says_from_the_start_how_residency_is_seen(run_dir):
    sampler._sample(run_dir / "job.json", ended(), 0.0)
    notes = Trace.load(run_dir / "trace").meta
    assert notes["residency"].startswith(("cachestat", "mincore", "unavailable here: "))
    assert set(notes) == {"residency", "device", "memory"}
