"""What an erasure-coded pool writes for what it is asked to write: the servers' own counts.

    python benchmarks/coded_writes.py [--writes 16]

A Ceph of four OSDs (bluestore) with a pool coded 3+1 in chunks of 16 KiB: three of data and one of
parity make a full stripe of 48 KiB. One process writes so many times, each time followed by an
fsync. What the stores wrote comes from their counters (``bluestore_write_big`` and ``_small``);
it is counted, not timed, and the same on every machine.
"""

from __future__ import annotations

import argparse
import sys

import piotutor as pio
from piotutor.metrics_targets import write_amplification
from piotutor.units import format_size

KIB = 1024
CASES = {
    "full stripes": (48 * KIB, 0),
    "full stripes, shifted by 8 KiB": (48 * KIB, 8 * KIB),
    "one chunk": (16 * KIB, 0),
    "4 KiB": (4 * KIB, 0),
}
"""Bytes of a write, and where the first begins."""
PROGRAM = """
import os, sys
size, shift, count = map(int, sys.argv[2:])
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for number in range(count):
    os.pwrite(file, bytes(size), shift + number * size)
    os.fsync(file)
os.close(file)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writes", type=int, default=16)
    writes = parser.parse_args().writes
    print("| writes | asked | written | written over asked |\n| --- | ---: | ---: | ---: |")
    storage = pio.storage.Ceph(osds=4, pool="ec", ec="3+1", stripe_unit="192k", stripe_count=1)
    with storage.start() as running:
        for name, (size, shift) in CASES.items():
            words = [sys.executable, "-c", PROGRAM, "{place}/data"]
            words += [str(size), str(shift), str(writes)]
            run = pio.trace_command_sync(words, storage=running)
            written = sum(target["write_bytes"] for target in run.result["targets"])
            ratio = write_amplification(run.trace)
            asked = format_size(size * writes)
            print(f"| {name} | {asked} | {format_size(written)} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
