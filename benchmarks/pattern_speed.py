"""How long the arithmetic of ten million transfers takes, for each kind of pattern.

``python benchmarks/pattern_speed.py [TRANSFERS]`` prints, for each, the wall and processor seconds:
the first time in a new process, in which every page of the result is new to it, and the median of
five more.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RANKS = 4
KINDS = {
    "shared file, -t = -b": {},
    "shared file, 16 transfers a block": {"blocks": 16},
    "file per process (-F)": {"file_per_process": True},
    "another node's data (-C)": {"reorder_tasks": True, "tasks_per_node": 1, "op": "read"},
    "random blocks (-z -z)": {"random_offset": 2},
    "shuffled (-z), 1,000 transfers a block": {"random_offset": 1, "blocks": 1000},
    "shuffled (-z), one segment": {"random_offset": 1, "blocks": 0},
    "shuffled (-F -z), one segment": {"random_offset": 1, "blocks": 0, "file_per_process": True},
}


def measure(kind, transfers):
    from piotutor import Workload, pattern

    options = dict(KINDS[kind])
    op, per_block = options.pop("op", "write"), options.pop("blocks", 1) or transfers // RANKS
    workload = Workload(
        num_tasks=RANKS,
        transfer_size=4096,
        block_size=4096 * per_block,
        segment_count=transfers // RANKS // per_block,
        **options,
    )
    times = []
    for _ in range(6):
        wall, cpu = time.perf_counter(), time.process_time()
        _, extents = pattern.all_transfers(workload, op)
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
        assert len(extents.offset) == transfers
        del extents
    medians = [statistics.median(column) for column in zip(*times[1:], strict=True)]
    return [*times[0], *medians]


def main():
    transfers = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    if len(sys.argv) > 2:
        print("| " + " | ".join(f"{t:.2f}" for t in measure(sys.argv[2], transfers)) + " |")
        return
    print(f"| {transfers:,} transfers, {RANKS} ranks | first, s | its CPU, s | then, s | CPU, s |")
    print("| --- | --- | --- | --- | --- |")
    for kind in KINDS:
        print(f"| {kind} ", end="", flush=True)
        subprocess.run([sys.executable, __file__, str(transfers), kind], check=True)


if __name__ == "__main__":
    main()
