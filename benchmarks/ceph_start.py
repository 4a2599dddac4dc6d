"""How long a Ceph of one's own takes to start and to end, and what it takes of memory and disk.

    .venv/bin/python benchmarks/ceph_start.py

The memory is its processes' proportional share (PSS), without any data; times are medians.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

from piotutor.launch import processes
from piotutor.storage.ceph import Ceph

TIMES = 5
KINDS = ("osds=1", "osds=4", "osds=8", "osds=4,store=bluestore", "osds=4,pool=ec")


def main() -> None:
    """Print a table."""
    print(f"{'ceph:':24} {'up (s)':>8} {'end (s)':>8} {'MiB':>6} {'disk':>6}")
    for kind in KINDS:
        seen = [measure(kind) for _ in range(TIMES)]
        up, end, memory, disk = (statistics.median(column) for column in zip(*seen, strict=True))
        print(f"{kind:24} {up:8.1f} {end:8.1f} {memory / 2**20:6.0f} {disk / 2**20:6.0f}")


def measure(kind: str) -> tuple[float, float, int, int]:
    """Start one and end it; return seconds of both, and bytes of memory and disk."""
    options = dict(word.split("=") for word in kind.split(","))
    began = time.monotonic()
    upkeep = Ceph(**options).start()  # type: ignore[arg-type]
    running = upkeep.wait_sync()
    up = time.monotonic() - began
    pids = [pid for pid in processes.marked(running.home) if _name(pid).startswith("ceph-")]
    memory = sum(_share(pid) for pid in pids)
    place = Path(json.loads((running.home / "storage.json").read_text())["place"])
    disk = sum(path.lstat().st_blocks * 512 for path in place.rglob("*") if path.is_file())
    began = time.monotonic()
    upkeep.stop_sync()
    return up, time.monotonic() - began, memory, disk


def _name(pid: int) -> str:
    return Path(Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]).name


def _share(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
