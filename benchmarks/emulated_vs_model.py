"""How well real ranks under emulated servers agree with the model of the same work.

    python benchmarks/emulated_vs_model.py [--rounds 5] [--device disk|ssd|array] [--json FILE]

The machine is slower than any disk: each request takes its target 5 ms and what 100 MiB/s cost.
With a device that has addresses, nothing but that, and there are no locks.
Each pattern is run by two real ranks with ``--storage emulated`` and in virtual time by the model;
compared are the seconds of the whole phase, open to close, by their medians. A modelled rank begins
with the others and never pauses between two calls; a real one does. So the model is asked once more
for each run, with the pauses that its ranks made: `differs` is then the median of the runs'
differences. `calls` is how much longer the calls of all ranks took than the emulation had meant:
where it is more than a few percent, the machine itself was the limit. `callbacks` are those of
locks, of the median run and of the model.
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
from piotutor import metrics
from piotutor.engine import Machine
from piotutor.engine.model import clients_of, operations, targets_of
from piotutor.engine.world import OPERATION, PAUSE, World
from piotutor.trace import Layer, Op, Trace
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
    "with its pauses",
    "read",
    "model",
    "differs",
    "with its pauses",
    "calls",
    "callbacks",
)


MIB = 1 << 20


def measure(work: Workload, machine: Machine, path: Path, stripes: int) -> dict[str, Any]:
    """Run it once with real ranks, and once more in virtual time with the pauses they made."""
    run = pio.run_sync(work, storage=f"emulated:{path},stripe_count={stripes}")
    told = run.environment["emulation"]
    assert not told["trouble"]
    return {
        "seconds": [phase["seconds"] for phase in run.result["phases"]],
        "paused": paused(run.trace, work, machine, stripes),
        "calls": told["spent"] / told["emulated"] - 1,
        "callbacks": told["callbacks"],
    }


def paused(trace: Trace, work: Workload, machine: Machine, stripes: int) -> list[float]:
    """Return the model's seconds of each phase if its ranks pause as those of a run did."""
    todo, counts = operations(work)
    pauses = np.zeros(len(todo), np.int64)
    for rank, end in enumerate(np.cumsum(counts).tolist()):
        of_rank = slice(end - counts[rank], end)
        pauses[of_rank][todo["op"][of_rank] != Op.BARRIER] = pauses_of(trace, rank)
    both = np.zeros(2 * len(todo), OPERATION)
    both["op"][0::2], both["offset"][0::2], both[1::2] = PAUSE, pauses, todo
    files = [(MIB, targets_of(file, stripes, machine.targets)) for file in range(work.num_files)]
    world = World(machine, files, clients_of(work, machine), [Layer.APP], len(todo))
    world.run(both, 2 * counts)
    found = Trace.from_records(
        world.records, files=[f"file {number}" for number in range(len(files))]
    )
    return [phase.seconds for phase in metrics.phases(found)]


def pauses_of(trace: Trace, rank: int) -> np.ndarray:
    """Return the ns before each call of a rank: since its last one, or since the first to open."""
    app = trace.records[trace.where(layer=Layer.APP)]
    mine = app[(app["rank"] == rank) & (app["op"] != Op.REMOVE)]
    mine = mine[np.argsort(mine["start"], kind="stable")]
    pauses = np.diff(mine["start"], prepend=0)
    pauses[1:] -= (mine["end"] - mine["start"])[:-1]
    for at in np.flatnonzero(mine["op"] == Op.OPEN):
        near = app["start"][(app["op"] == Op.OPEN) & (app["aux"] == mine["aux"][at])]
        pauses[at] = mine["start"][at] - near.min()
    return np.maximum(pauses, 0)


def predict(work: Workload, machine: Machine, stripes: int) -> dict[str, Any]:
    """Run it in virtual time."""
    run = pio.model(work, machine, stripe_count=stripes)
    gone = run.trace.where(layer=Layer.SERVER, op=Op.UNLOCK)
    seconds = [phase["seconds"] for phase in run.result["phases"]]
    return {"seconds": seconds, "callbacks": len(run.trace.records[gone])}


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
    model = predict(work, machine, stripes)
    found: dict[str, Any] = {"pattern": name, "locks": locks, "stripes": stripes, "runs": runs}
    for index, phase in enumerate(("write", "read")):
        times = [run["seconds"][index] for run in runs]
        found[phase] = {
            "emulated": statistics.median(times),
            "model": model["seconds"][index],
            "paused": statistics.median(
                run["seconds"][index] / run["paused"][index] - 1 for run in runs
            ),
        }
    found["calls"] = statistics.median(run["calls"] for run in runs)
    found["callbacks"] = [statistics.median_low([r["callbacks"] for r in runs]), model["callbacks"]]
    return found


def line(found: dict[str, Any]) -> str:
    """Return one comparison as a row of a table."""
    cells = [found["pattern"], found["locks"], str(found["stripes"])]
    for phase in ("write", "read"):
        emulated, model = found[phase]["emulated"], found[phase]["model"]
        cells += [f"{emulated:.3f} s", f"{model:.3f} s", f"{emulated / model - 1:+.1%}"]
        cells.append(f"{found[phase]['paused']:+.1%}")
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
