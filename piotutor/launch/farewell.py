"""End what is left of a run on other hosts: ``python -m piotutor.launch.farewell``.

    farewell --remote ssh --wait 5 RUN SINCE HOST...    from a guard: on all these hosts, at once
    farewell RUN SINCE                                  on a host: its processes of that run

``SINCE`` is when the run was prepared (seconds since 1970): older shared memory of MPI's stays.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from piotutor.launch import processes, shared_memory
from piotutor.launch.reaching import reach, run_on

GRACE = 1.0
"""Seconds between the request to end and the order, on a host."""


def main(arguments: Sequence[str]) -> int:
    """Do as told; return 0 if nothing is left, and say on standard error what may be."""
    parser = argparse.ArgumentParser(prog="piotutor.launch.farewell", description=__doc__)
    parser.add_argument("--remote", default="ssh")
    parser.add_argument("--wait", type=float, default=5.0)
    parser.add_argument("run_dir")
    parser.add_argument("since", type=float)
    parser.add_argument("hosts", nargs="*")
    told = parser.parse_args(arguments)
    if told.hosts:
        problems = end_on(told.hosts, told.remote, told.wait, told.run_dir, told.since)
    else:
        left = processes.end(told.run_dir, GRACE)
        shared_memory.remove(told.since)
        problems = [f"processes {left} don't end"] if left else []
    print("; ".join(problems), file=sys.stderr)
    return 1 if problems else 0


def end_on(hosts: Sequence[str], remote: str, wait: float, run_dir: str, since: float) -> list[str]:
    """End a run's processes on hosts; return a line for each host where some may be left."""
    source = Path(__file__).parents[2]
    here = ["env", f"PYTHONPATH={source}", sys.executable, "-m", "piotutor.launch.farewell"]
    command = [*here, run_dir, str(since)]
    answers = run_on({host: reach(remote, host, command, wait) for host in hosts}, wait)
    return [
        f"host {host}: processes may be left ({answer.why})"
        for host, answer in answers.items()
        if answer.code != 0
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
