"""The engine and SimGrid on the same input: seconds until all is written.

    python benchmarks/simgrid_peer.py [--python /usr/bin/python3]

``--python``: the interpreter that has SimGrid's module. Clients write requests of 1 MiB to targets,
each with so many in flight to each. In SimGrid every interface and every disk has a semaphore, so
that it serves one request after the other, as in the engine; ``shared``: without, so that all that
is under way shares it, which is SimGrid's own way.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from piotutor.engine import Machine
from piotutor.engine.world import OPERATION, World
from piotutor.trace import Op

MIB = 1 << 20
Case = dict[str, Any]


def case(clients: int, targets: int, requests: list[tuple[int, int, int]], **other: float) -> Case:
    """Return a case; `requests`: client, target, how many."""
    base = {"flying": 8, "latency": 1e-4, "client_bandwidth": 1e9, "server_bandwidth": 0,
            "target_bandwidth": 2e8, "size": MIB}  # fmt: skip
    return base | {"clients": clients, "targets": targets, "requests": requests} | other


def all_to_all(clients: int, targets: int, count: int) -> list[tuple[int, int, int]]:
    """Return requests of each client to each target."""
    return [(c, t, count) for c in range(clients) for t in range(targets)]


LONG = {"latency": 2e-3, "target_bandwidth": 8e8}
CASES = {
    **{
        f"1 client, 1 target, 2 ms away, {n} in flight": case(1, 1, [(0, 0, 256)], flying=n, **LONG)
        for n in (1, 2, 4, 8, 32)
    },
    "the same, 8, through a server's interface of 1 GB/s": case(
        1, 1, [(0, 0, 256)], server_bandwidth=1e9, **LONG
    ),
    **{
        f"1 client of 0.5 GB/s, stripes on {n} targets of 0.1": case(
            1, n, all_to_all(1, n, 64), client_bandwidth=5e8, target_bandwidth=1e8
        )
        for n in (2, 4, 8)
    },
    **{
        f"{n} clients, a file each, 4 targets": case(n, 4, [(c, c % 4, 64) for c in range(n)])
        for n in (4, 16)
    },
    "4 clients on one target, 1 on another": case(
        5, 2, [(c, c // 4, 64) for c in range(5)], client_bandwidth=1.5e8
    ),
    "16 clients, stripes on 8 targets": case(16, 8, all_to_all(16, 8, 8)),
    "the same, clients of 0.02 GB/s": case(16, 8, all_to_all(16, 8, 8), client_bandwidth=2e7),
    "8 clients, a file each, 8 targets behind 0.1 GB/s": case(
        8, 8, [(c, c, 64) for c in range(8)], server_bandwidth=1e8
    ),
}
SAME = ("clients", "targets", "client_bandwidth", "server_bandwidth", "latency")


def ours(one: Case) -> float:
    """Run a case in the engine: each client makes one large write of a file of its own."""
    machine = Machine(
        rpcs_in_flight=one["flying"],
        target_write_bandwidth=one["target_bandwidth"],
        **{name: one[name] for name in SAME},
    )
    todo = np.zeros(one["clients"], OPERATION)
    todo["op"], todo["file"] = Op.WRITE, np.arange(one["clients"])
    targets: list[list[int]] = [[] for _ in todo]
    for client, target, count in one["requests"]:
        targets[client].append(target)
        todo["length"][client] += count * MIB
    world = World(machine, [(MIB, each) for each in targets], range(len(todo)))
    world.run(todo, np.ones(len(todo), np.int64))
    return world.now * 1e-9


def theirs(one: Case, python: str, share: bool) -> float:
    """Run it in SimGrid."""
    line = [python, Path(__file__).with_name("simgrid_side.py"), json.dumps(one | {"share": share})]
    return float(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable)
    python = parser.parse_args().python
    print("| case | SimGrid | engine | differs | SimGrid, shared |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, one in CASES.items():
        in_turn, shared = (theirs(one, python, share) for share in (False, True))
        engine = ours(one)
        print(
            f"| {name} | {in_turn:.4f} s | {engine:.4f} s | {abs(engine / in_turn - 1):.2%} | "
            f"{shared:.4f} s |",
            flush=True,
        )


if __name__ == "__main__":
    main()
