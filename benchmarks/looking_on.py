"""What it costs ranks on emulated servers that somebody looks at the servers meanwhile.

    python benchmarks/looking_on.py [--rounds 5] [--segments 400]

Two ranks write and read 64 KiB by turns in one file, whose machine is slower than any disk; in each
round once alone and once while `piotutor.servers(job).look()` is called 30 times a second, in turn
first. The first column is the time that all calls took together, over the time that they should
have taken. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import piotutor as pio

MACHINE = {
    "clients": 2,
    "targets": 2,
    "latency": 1e-4,
    "target_overhead": 1e-3,
    "dirty_limit": 65536,
    "lock_protocol": "extents",
}
INTERVAL = 1 / 30


class Found(NamedTuple):
    """One run: time of all calls over what was meant, seconds of the phases, and of one look."""

    over: float
    seconds: float
    look: float


def measure(machine: Path, segments: int, looking: bool) -> Found:
    line = f"ior -a POSIX -n 2 -w -r -t 64k -b 64k -s {segments}"
    job = pio.start(line, storage=f"emulated:{machine},stripe_count=2")
    servers, looks = pio.servers(job.run_dir), []
    while job.state not in ("done", "failed"):
        began = time.perf_counter()
        if looking:
            servers.look()
            looks.append(time.perf_counter() - began)
        time.sleep(max(0.0, INTERVAL - (time.perf_counter() - began)))
    run = job.wait_sync()
    told = run.environment["emulation"]
    seconds = sum(phase["seconds"] for phase in run.result["phases"])
    return Found(told["spent"] / told["emulated"], seconds, statistics.median(looks or [0.0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--segments", type=int, default=400)
    asked = parser.parse_args()
    found: dict[bool, list[Found]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as place:
        machine = Path(place) / "slow.json"
        machine.write_text(json.dumps(MACHINE))
        for number in range(asked.rounds):
            for looking in (False, True) if number % 2 else (True, False):
                found[looking].append(measure(machine, asked.segments, looking))
    print("| who looks | calls, over what was meant | phases | a look |")
    print("| --- | ---: | ---: | ---: |")
    for looking, name in ((False, "nobody"), (True, "30 times a second")):
        over, seconds, look = (
            statistics.median(column) for column in zip(*found[looking], strict=True)
        )
        print(f"| {name} | {over:.3f} | {seconds:.3f} s | {look * 1e3:.2f} ms |")


if __name__ == "__main__":
    main()
