"""Run a real IOR under strace and tell which bytes each rank moved, in order.

As a program it writes the golden vectors: ``python tests/unit/ior_strace.py PATH-OF-IOR MPIEXEC >
tests/unit/ior_golden.json``. Each rank is started as ``strace -o FILE ior ...``; what is read from
its output are the calls on the data files: where they are opened (a new phase) and the offset and
size of each read and write (``lseek`` and ``read``, or ``pread64``, and the same for writes).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

CALLS = "openat,lseek,read,write,pread64,pwrite64"
RANK = "${PMI_RANK:-$OMPI_COMM_WORLD_RANK}"
CALL = re.compile(
    r"^(?P<call>\w+)\((?:[^,]*, \")?[^\",]*/piodata(?:\.(?P<file>\d{8}))?[>\"]"
    r"(?P<args>.*?)\)\s+=\s+(?P<result>-?\d+)",
    re.MULTILINE,
)

# Small, so that all options are met: ranks, then IOR's own options.
CASES = [
    (4, "-t 64 -b 256 -s 3"),
    (4, "-t 64 -b 64 -s 5 -w"),
    (1, "-t 8 -b 64 -s 2"),
    (3, "-t 64 -b 192 -s 2 -F"),
    (4, "-t 64 -b 128 -C"),
    (4, "-t 64 -b 128 -s 2 -C -O numTasksOnNode0=1"),
    (4, "-t 64 -b 128 -s 2 -C -Q 2 -O numTasksOnNode0=1"),
    (4, "-t 64 -b 128 -s 2 -C -Q 1 -O numTasksOnNode0=2 -F"),
    (3, "-t 64 -b 128 -s 2 -C -Q 4 -O numTasksOnNode0=1 -F"),
    (4, "-t 64 -b 128 -s 2 -C -Q 0 -O numTasksOnNode0=1"),
    (4, "-t 64 -b 128 -s 2 -w -W -r -C -O numTasksOnNode0=1"),
    (3, "-t 64 -b 128 -w -W -r -R -F -C -Q 3 -O numTasksOnNode0=1"),
    (4, "-t 64 -b 512 -s 2 -z --random-offset-seed=1"),
    (4, "-t 64 -b 512 -s 2 -z --random-offset-seed=0"),
    (3, "-t 64 -b 640 -s 3 -z --random-offset-seed=12345 -i 2"),
    (4, "-t 64 -b 512 -s 2 -F -z --random-offset-seed=1"),
    (4, "-t 64 -b 512 -s 2 -F -z --random-offset-seed=0 -i 2"),
    (3, "-t 64 -b 512 -F -z --random-offset-seed=2147483640 -w -W -r -R"),
    (4, "-t 64 -b 512 -F -z --random-offset-seed=7 -C -O numTasksOnNode0=1 -w -W -r"),
    (8, "-t 8 -b 16 -z --random-offset-seed=5"),
    (2, "-t 8 -b 4096 -z --random-offset-seed=99 -w"),
    (4, "-a MPIIO -t 64 -b 256 -s 3"),
    (3, "-a MPIIO -t 64 -b 256 -s 2 -F -C -O numTasksOnNode0=1"),
    (4, "-a MPIIO -t 64 -b 512 -s 2 -z --random-offset-seed=3"),
    (4, "-a MPIIO -c -t 64 -b 256 -s 2"),
    (4, "-a MPIIO -t 64 -b 256 -s 2 --mpiio.useFileView"),
    (4, "-a MPIIO -t 64 -b 256 -s 3 --mpiio.useFileView --mpiio.useStridedDatatype"),
]

# Reading a file that was written whole: (ranks, options of the writer, options of the reader).
RANDOM_READS = [
    (4, "-t 64 -b 64 -s 32", "-t 64 -b 64 -s 32 -z -z --random-offset-seed=1"),
    (4, "-t 64 -b 64 -s 32", "-t 64 -b 64 -s 20 -z -z --random-offset-seed=0"),
    (3, "-t 64 -b 512 -s 4", "-t 64 -b 256 -s 9 -z -z --random-offset-seed=77"),
    (4, "-t 64 -b 512 -s 4 -F", "-t 64 -b 128 -s 9 -z -z -F --random-offset-seed=2000000000"),
    (3, "-t 64 -b 64 -s 32 -F", "-t 64 -b 64 -s 9 -z -z -F -C -O numTasksOnNode0=1"
     " --random-offset-seed=5"),
]  # fmt: skip

# One call to the system for each transfer: no aggregation, no sieving.
PLAIN = {
    f"IOR_HINT__MPI__romio_{x}_{op}": "disable" for x in ("cb", "ds") for op in ("read", "write")
}


def run(mpiexec: str, ior: str, ranks: int, options: str, folder: Path) -> list[list[dict]]:
    """Return, for each rank, its phases: ``{"op", "extents": [[file, offset, length], ...]}``."""
    script = f'exec strace -y -s0 -e trace={CALLS} -o "$1/{RANK}" "$2" -o "$1/piodata" $3'
    launch = ["timeout", "60", mpiexec, "-n", str(ranks)]  # ended by TERM, mpiexec cleans up
    command = [*launch, "sh", "-c", script, "sh", str(folder), ior, options]
    environment = {**os.environ, **PLAIN}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{options}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
    return [phases((folder / str(rank)).read_text()) for rank in range(ranks)]


def phases(output: str) -> list[dict]:
    """Read one rank's strace output; phases without a transfer are left out."""
    found: list[dict] = []
    at = 0
    for match in CALL.finditer(output):
        call, size = match["call"], int(match["result"])
        if call == "openat":
            found.append({"op": "read" if "O_RDONLY" in match["args"] else "write", "extents": []})
        elif call == "lseek":
            at = size
        else:
            here = int(match["args"].split(",")[-1]) if call.startswith("p") else at
            found[-1]["extents"].append([int(match["file"] or 0), here, size])
    return [phase for phase in found if phase["extents"]]


def golden(mpiexec: str, ior: str) -> list[dict]:
    """Run every case."""
    result = []
    for ranks, *steps in [*CASES, *RANDOM_READS]:
        with tempfile.TemporaryDirectory() as folder:
            for options in steps[:-1]:
                run(mpiexec, ior, ranks, f"-w -k {options}", Path(folder))
            reader = f"-r {steps[-1]}" if steps[:-1] else steps[-1]
            seen = run(mpiexec, ior, ranks, reader, Path(folder))
        result.append({"ranks": ranks, "writer": steps[:-1], "options": reader, "seen": seen})
    return result


if __name__ == "__main__":
    cases = golden(sys.argv[2], sys.argv[1])
    print("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]")
