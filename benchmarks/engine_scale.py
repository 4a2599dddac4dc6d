"""How long the engine takes for 10^4 to 10^7 transfers, and how that grows.

``python benchmarks/engine_scale.py [ROUNDS]``: 10 to 10,000 clients
write a shared file on 1,000 targets, each its own segment, 1,000 transfers of 1 MiB, through to
the servers or into caches, with and without locks on extents. Rounds are interleaved; the medians
of the processor's seconds are printed, the events a second, and seconds over n log n, relative to
the smallest. The last line is the flash model. Each case runs in a process of its own, so that
its memory is its own.
"""

from __future__ import annotations

import math
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

from piotutor.engine.devices import Flash
from piotutor.engine.machine import Machine
from piotutor.engine.world import OPERATION, World
from piotutor.trace import Op

MIB = 1 << 20
EACH, TARGETS = 1000, 1000
CLIENTS = (10, 100, 1000, 10_000)
CASES = {
    "through": {"dirty_limit": 0},
    "cached": {"dirty_limit": 32 * MIB},
    "through, locks": {"dirty_limit": 0, "lock_protocol": "extents"},
    "cached, locks": {"dirty_limit": 32 * MIB, "lock_protocol": "extents"},
}


def machine(clients, case):
    """Return a large system."""
    return Machine(
        clients=clients,
        targets=TARGETS,
        client_bandwidth=10e9,
        latency=2e-6,
        memory_bandwidth=5e9,
        target_overhead=1e-5,
        target_write_bandwidth=2e9,
        lock_time=1e-6,
        **CASES[case],
    )


def run(clients, case):
    """Run one case; return transfers, events, processor seconds, GiB and simulated seconds."""
    todo = np.zeros((clients, EACH), OPERATION)
    todo["op"], todo["length"] = Op.WRITE, MIB
    todo["offset"] = np.arange(clients * EACH, dtype=np.int64).reshape(clients, EACH) * MIB
    world = World(machine(clients, case), [(MIB, range(TARGETS))], range(clients))
    begun = time.process_time()
    world.run(todo.ravel(), np.full(clients, EACH))
    seconds = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return clients * EACH, world.events, seconds, peak, world.now * 1e-9


def flash(count):
    """Return pages written to flash a second, moved ones among them."""
    one = Flash(0.3, blocks=4096)
    one.write(range(one.user_pages))
    one.write_random(4 * one.user_pages)
    before = one.written + one.moved
    begun = time.process_time()
    one.write_random(count, seed=2)
    return (one.written + one.moved - before) / (time.process_time() - begun)


def apart(*words):
    """Run this file with these words in a process of its own; return what it prints."""
    argv = [sys.executable, __file__, *map(str, words)]
    answer = subprocess.run(argv, check=True, capture_output=True, text=True)
    return [float(word) for word in answer.stdout.split()]


def main():
    if sys.argv[1:2] == ["--one"]:
        print(*run(int(sys.argv[2]), sys.argv[3]))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    cases = [(case, clients) for clients in CLIENTS for case in CASES]
    seen = {each: [] for each in cases}
    for _ in range(rounds):
        for case, clients in cases:
            seen[case, clients].append(apart("--one", clients, case))
    print("| case | transfers | CPU s | 10^6 events/s | over n log n | peak GiB | simulated s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    first = {}
    for (case, _), rows in seen.items():
        count, events, seconds, peak, now = map(statistics.median, zip(*rows, strict=True))
        cost = seconds / (count * math.log(count))
        share = cost / first.setdefault(case, cost)
        print(
            f"| {case} | {count:,.0f} | {seconds:.3f} | {events / seconds / 1e6:.1f} | "
            f"{share:.2f} | {peak:.2f} | {now:.2f} |"
        )
    pages = statistics.median(flash(5_000_000) for _ in range(rounds))
    print(f"flash: {pages / 1e6:.1f} million page writes a second")


if __name__ == "__main__":
    main()
