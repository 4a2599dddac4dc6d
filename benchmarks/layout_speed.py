"""How many extents a second are placed on objects, and found again, for each kind of layout.

``python benchmarks/layout_speed.py [EXTENTS]`` prints, in millions a second by the wall clock and
by the processor's, the median of seven turns, each over all kinds. Extents of 4 KiB lie at random
in 1 TiB, ``aligned``: each within one unit of 1 MiB; ``across``: of 1 MiB, shifted so that every
one is cut in two; ``back``: the pieces of the aligned ones to the file. The last column is how many
pieces a second extents of 64 MiB make.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from piotutor import layout

TIB, MIB = 2**40, 2**20
KINDS = {
    "Lustre, 4 of 8 OSTs": layout.lustre("1m", 4, osts=8, start_ost=6),
    "Lustre, 3 OSTs, 47,008-byte stripes": layout.striped(47008, 3),
    "Lustre, progressive, 3 components": layout.progressive(
        ("4m", layout.lustre("1m", 1, osts=8)),
        ("256g", layout.lustre("1m", 4, osts=8)),
        (-1, layout.lustre("1m", 8, osts=8)),
    ),
    "CephFS, 1 MiB in objects of 4 MiB": layout.cephfs("1m", 4, "4m"),
    "DAOS, EC_4P2G2, cells of 1 MiB": layout.daos(
        "EC_4P2G2", chunk_size="4m", cell_size="1m", targets=12
    ),
    "RAID 6, 8 disks, 1 MiB chunks": layout.raid(6, 8, chunk_size="1m"),
}


def extents(one, count):
    """Return aligned extents and extents across, each with its length."""
    draw = np.random.default_rng(4)
    unit = one.stripe_size if isinstance(one, layout.Striped) else MIB
    units = draw.integers(0, TIB // unit, count)
    inside = 4096 * draw.integers(0, unit // 4096, count)
    return (units * unit + inside, 4096), (units * unit + 4096, unit)


def timed(work):
    """Return wall and processor seconds and what came of it."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - wall, time.process_time() - cpu, found


def turn(one, count):
    """Return wall and processor seconds of each column, for as many millions."""
    aligned, across = extents(one, count)
    rows = []
    *times, pieces = timed(lambda: layout.place(one, *aligned))
    assert len(pieces.object) == count
    rows.append(times)
    *times, found = timed(lambda: layout.locate(one, *pieces[1:4]))
    assert (found.offset == aligned[0]).all()
    rows.append(times)
    *times, pieces = timed(lambda: layout.place(one, *across))
    assert len(pieces.object) == 2 * count
    rows.append(times)
    large = np.arange(count // 64) * 64 * MIB
    *times, pieces = timed(lambda: layout.place(one, large, 64 * MIB))
    rows.append([value * count / len(pieces.object) for value in times])
    return rows


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    taken = {name: [] for name in KINDS}
    for _ in range(7):
        for name, one in KINDS.items():
            taken[name].append(turn(one, count))
    print(f"| {count:,} extents; 10^6/s: wall (CPU) | aligned | back | across | pieces of large |")
    print("| --- | --- | --- | --- | --- |")
    for name, turns in taken.items():
        medians = np.array(
            [
                [statistics.median(one[at][clock] for one in turns) for clock in range(2)]
                for at in range(4)
            ]
        )
        cells = (f"{wall:.1f} ({cpu:.1f})" for wall, cpu in count / medians / 1e6)
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
