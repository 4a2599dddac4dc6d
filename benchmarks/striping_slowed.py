"""How bandwidth rises with the stripe count where servers are slow, and falls with the slowest.

    python benchmarks/striping_slowed.py [--rounds 5] [--rate 10m] [--slow 2m] [--json FILE]

A Ceph of four OSDs is started on loopback in a network of its own; each OSD's traffic passes a
class of ``tc`` with a rate. In each round the same work is done at stripe counts 1, 2 and 4, one
after the other, and once more at 4 with one OSD slower than the others: four ranks write in
transfers of 1 MiB and fsync, by collective MPI-IO (one rank moves all the bytes, or four do) and
by POSIX. Bandwidth is IOR's, open to close. `to one` is the median over the rounds of the ratio to
stripe count 1 in the same round. `passed` is what went to and from the busiest OSD, as its class
counted it, over the bytes written there, as Ceph counted them.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import piotutor as pio
from piotutor.units import format_rate, parse_size
from piotutor.workload import Workload

MIB = 1 << 20
COUNTS = (1, 2, 4)
WAYS = {
    "MPI-IO, collective": {"api": "MPIIO", "collective": True},
    "the same, 4 aggregators": {"api": "MPIIO", "collective": True, "hints": "cb_config_list=*:4"},
    "POSIX, shared file": {"api": "POSIX"},
    "POSIX, file per process": {"api": "POSIX", "file_per_process": True},
}


def workload(way: dict[str, Any], bytes_per_rank: int) -> Workload:
    sizes = {"transfer_size": MIB, "block_size": bytes_per_rank}
    return Workload.make(num_tasks=4, write=True, fsync=True, **sizes, **way)


def measure(storage: Any, work: Workload) -> dict[str, Any]:
    """Run it once; return its bandwidth, and what each server counted."""
    run = pio.run_sync(work, storage=storage)
    passed = json.loads((Path(run.result["run_dir"]) / "network.json").read_text())["passed"]
    written = {str(target["target"]): target["write_bytes"] for target in run.result["targets"]}
    (phase,) = run.result["phases"]
    slowed = run.result["environment"]["slowed"]
    return {
        "bandwidth": phase["bandwidth"],
        "written": written,
        "passed": passed,
        "slowed": slowed,
    }


def one_round(running: Any, rate: int, slow: int, size: int) -> dict[str, dict[str, Any]]:
    """Return what was measured, by the way and the stripe count."""
    found = {}
    for name, way in WAYS.items():
        work = workload(way, size)
        for count in COUNTS:
            found[f"{name}|{count}"] = measure(running.replace(stripe_count=count), work)
        running.slow_down(2, slow)
        found[f"{name}|4, OSD 2 slower"] = measure(running, work)
        running.slow_down(2, rate)
    return found


def table(rounds: list[dict[str, dict[str, Any]]]) -> str:
    lines = [
        "| way | stripe count | bandwidth | to one | passed |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for key in rounds[0]:
        way, count = key.split("|")
        bandwidth = statistics.median(each[key]["bandwidth"] for each in rounds)
        ratios = [each[key]["bandwidth"] / each[f"{way}|1"]["bandwidth"] for each in rounds]
        passed = statistics.median(share(each[key]) for each in rounds)
        ratio = statistics.median(ratios)
        lines.append(f"| {way} | {count} | {format_rate(bandwidth)} | {ratio:.2f} | {passed:.3f} |")
    return "\n".join(lines)


def share(found: dict[str, Any]) -> float:
    """Return the bytes that passed the busiest server over those that were written there."""
    busiest = max(found["written"], key=found["written"].get)
    return float(found["passed"][busiest] / found["written"][busiest])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", default="10m", help="bytes/s of each OSD")
    parser.add_argument("--slow", default="2m", help="bytes/s of the slower one")
    parser.add_argument("--size", default="8m", help="bytes that each rank writes")
    parser.add_argument("--json", type=Path, help="a file for all that was measured")
    asked = parser.parse_args()
    rate, slow, size = map(parse_size, (asked.rate, asked.slow, asked.size))
    with pio.storage.Ceph(osds=4, rate=rate).start() as running:
        rounds = [one_round(running, rate, slow, size) for _ in range(asked.rounds)]
    print(table(rounds))
    if asked.json:
        asked.json.write_text(json.dumps(rounds, indent=1))


if __name__ == "__main__":
    main()
