"""What it costs two writers to share a file on CephFS, and who counts it.

    python benchmarks/sharing_ceph.py [--rounds 5] [--segments 600]

Two ranks write records of 47,008 bytes with POSIX: into one file by turns, and each into a file of
its own, in each round one after the other, on a Ceph of two OSDs on loopback. A single writer has
the capability to buffer; two of one file lose it, since capabilities are a file's, not a range's.
`revoked` and `granted` are what the metadata server counted (``ceph_cap_op_revoke``, ``_grant``);
`operations` are those of the OSDs for all writes. Medians over the rounds; `to own` is the median
ratio of the median write to that of own files in the same round.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import piotutor as pio
from piotutor.units import format_seconds

RECORD = 47_008
WAYS = {"one shared file": False, "a file for each": True}


def measure(storage: Any, segments: int, own: bool) -> dict[str, float]:
    work = pio.Workload(
        num_tasks=2,
        transfer_size=RECORD,
        block_size=RECORD,
        segment_count=segments,
        write=True,
        fsync=True,
        file_per_process=own,
    )
    run = pio.run_sync(work, storage=storage)
    told = json.loads((Path(run.result["run_dir"]) / "mds.json").read_text())
    counts = {name: count for section in told.values() for name, count in section.items()}
    return {
        "median": run.result["phases"][0]["latency"]["p50"],
        "writes": run.result["phases"][0]["operations"],
        "operations": sum(target["write_operations"] for target in run.result["targets"]),
        "revoked": counts.get("ceph_cap_op_revoke", 0),
        "granted": counts.get("ceph_cap_op_grant", 0),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--segments", type=int, default=600)
    asked = parser.parse_args()
    with pio.storage.Ceph(osds=2).start() as running:
        rounds = [
            {name: measure(running, asked.segments, own) for name, own in WAYS.items()}
            for _ in range(asked.rounds)
        ]
    print("| files | writes | operations | revoked | granted | median write | to own |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in WAYS:
        middle = {
            key: statistics.median(each[name][key] for each in rounds) for key in rounds[0][name]
        }
        ratio = statistics.median(
            each[name]["median"] / each["a file for each"]["median"] for each in rounds
        )
        counts = " | ".join(
            f"{middle[key]:,.0f}" for key in ("writes", "operations", "revoked", "granted")
        )
        print(f"| {name} | {counts} | {format_seconds(middle['median'])} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
