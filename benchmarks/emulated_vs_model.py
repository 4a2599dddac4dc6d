"""How well real ranks under emulated servers agree with the model of the same work.

    python benchmarks/emulated_vs_model.py [--rounds 5] [--device disk|ssd|array] [--json FILE]

The machine is slower than any disk: each request takes its target 5 ms and what 100 MiB/s cost.
With a device that has addresses, nothing but that, and there are no locks.
Each pattern is run by two real ranks with ``--storage emulated`` and in virtual time by the model,
whose ranks think as long between calls as the real ones did (median). Compared are the seconds of
the whole phase, open to close: the medians of both, and of the runs' differences. `noted` counts
the phases that were more than 10% off, of all runs: each says so. The calls of each run are made
again in virtual time, too, each when it really began: `again` counts those that then took another
time, by a nanosecond or more, of all. `calls` is how much longer the calls of all ranks took than
the emulation had meant: where it is more than a few percent, the machine itself was the limit.
`callbacks` are those of locks, of the median run and of its model.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import piotutor as pio
from piotutor.engine import Machine
from piotutor.engine.again import again
from piotutor.foretold import machine_of
from piotutor.storage.emulating import CALLS
from piotutor.trace import Trace
from piotutor.workload import Workload

SLOW: dict[str, Any] = {
    "clients": 2,
    "targets": 4,
    "latency": 1e-4,
    "target_write_bandwidth": 100 << 20,
    "target_read_bandwidth": 100 << 20,
    "dirty_limit": 1 << 18,
    "rpc_size": 1 << 18,
}
DEVICES: dict[str, dict[str, Any]] = {
    "channels": {"target_overhead": 5e-3},
    "disk": {"device": "disk"},
    "ssd": {
        "device": "ssd", "ssd_channels": 4, "ssd_read_time": 250e-6, "ssd_write_time": 500e-6,
    },
    "array": {"device": "array", "array_level": 5, "array_width": 5, "array_chunk": 1 << 16},
}  # fmt: skip
SIZE, COUNT = 1 << 18, 64
PATTERNS: dict[str, dict[str, Any]] = {
    "segmented": {"block_size": SIZE * COUNT},
    "strided": {"block_size": SIZE, "segment_count": COUNT},
    "file per process": {"block_size": SIZE * COUNT, "file_per_process": True},
}
LOCKS = {"channels": ("none", "extents")}
STRIPES = (1, 4)
HEAD = (
    "pattern",
    "locks",
    "stripes",
    "write",
    "model",
    "differs",
    "read",
    "model",
    "differs",
    "noted",
    "again",
    "calls",
    "callbacks",
)


def measure(work: Workload, machine: Machine, path: Path, stripes: int) -> dict[str, Any]:
    """Run it once with real ranks, and twice in virtual time: the workload, and the run's calls."""
    run = pio.run_sync(work, storage=f"emulated:{path},stripe_count={stripes}")
    told = run.environment["emulation"]
    assert not told["trouble"]
    foretold = pio.model(work, machine_of(run.environment)[0], stripe_count=stripes)
    calls = Trace.load(run.dir / CALLS).records
    made = again(calls, machine, stripe_count=stripes)
    other = np.count_nonzero(made["end"] - made["start"] != calls["end"] - calls["start"])
    return {
        "seconds": [phase["seconds"] for phase in run.result["phases"]],
        "model": [phase["seconds"] for phase in foretold.result["phases"]],
        "noted": sum("in the model" in note for note in run.result["capture"]["notes"]),
        "again": [int(other), len(calls)],
        "calls": told["spent"] / told["emulated"] - 1,
        "callbacks": [told["callbacks"], foretold.environment["model"]["callbacks"]],
    }


def compare(
    name: str, of: dict[str, Any], stripes: int, rounds: int, directory: Path
) -> dict[str, Any]:
    """Return both, for one pattern, one machine and one stripe count."""
    machine, locks = Machine(**of), of["lock_protocol"]
    path = directory / "machine.json"
    path.write_text(json.dumps(of))
    work = Workload(
        api="POSIX", num_tasks=2, transfer_size=SIZE, write=True, read=True, **PATTERNS[name]
    )
    runs = [measure(work, machine, path, stripes) for _ in range(rounds)]
    found: dict[str, Any] = {"pattern": name, "locks": locks, "stripes": stripes, "runs": runs}
    for index, phase in enumerate(("write", "read")):
        pairs = [(run["seconds"][index], run["model"][index]) for run in runs]
        found[phase] = {
            "emulated": statistics.median(seconds for seconds, _ in pairs),
            "model": statistics.median(seconds for _, seconds in pairs),
            "differs": statistics.median(seconds / model - 1 for seconds, model in pairs),
        }
    found["calls"] = statistics.median(run["calls"] for run in runs)
    found["noted"] = sum(run["noted"] for run in runs)
    found["again"] = [sum(run["again"][which] for run in runs) for which in (0, 1)]
    found["callbacks"] = statistics.median_low([run["callbacks"] for run in runs])
    return found


def line(found: dict[str, Any]) -> str:
    """Return one comparison as a row of a table."""
    cells = [found["pattern"], found["locks"], str(found["stripes"])]
    for phase in ("write", "read"):
        cells += [f"{found[phase]['emulated']:.3f} s", f"{found[phase]['model']:.3f} s"]
        cells.append(f"{found[phase]['differs']:+.1%}")
    cells += [str(found["noted"]), "{} of {}".format(*found["again"])]
    cells += [f"{found['calls']:+.1%}", "{} / {}".format(*found["callbacks"])]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=DEVICES, default="channels")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |")
    print("| --- " * len(HEAD) + "|")
    found = []
    with tempfile.TemporaryDirectory() as directory:
        for name in PATTERNS:
            for locks in LOCKS.get(given.device, ("none",)):
                machine = SLOW | DEVICES[given.device] | {"lock_protocol": locks}
                for stripes in STRIPES:
                    one = compare(name, machine, stripes, given.rounds, Path(directory))
                    print(line(one), flush=True)
                    found.append(one)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
