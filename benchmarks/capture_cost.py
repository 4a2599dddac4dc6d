"""What it costs to record a transfer of 4 KiB, in ns, by whoever records it.

    [DARSHAN=libdarshan.so] [DFTRACER=python] python benchmarks/capture_cost.py
        [--turns 9] [--place /dev/shm] [--traces DIRECTORY] [--json FILE] [--mpicc mpicc]

A loop in C (`capture_cost.c`) writes and reads 1 MiB in a file at ``--place``, over and over; with
``--mpicc`` another does so by MPI-IO (`capture_cost_mpi.c`: two records each, one a layer). In
each turn it runs alone and under each tool, one after the other. The median round of a tool, less
that of the loop alone in the same turn, is what it adds; the median over the turns is shown. A
round is 8,192 transfers: so many records are reserved at once, so each round pays for that.
``wall`` is what a clock on the wall says, ``CPU`` what the program itself used: on a busy machine
only that means something, but what strace does in a process of its own isn't in it.

The tools: piotutor's interposer; the same recording nothing, while it takes other files than this
one to a Ceph; ``strace -f -ff --seccomp-bpf -ttt -T -y -s0``; dftracer, of
which DFTRACER names a Python that has it (PyPI); Darshan with its DXT, of which DARSHAN names the
library (built with ``--enable-dxt-mod``; ``--without-mpi``, but for ``--mpicc``). Those that aren't
there are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from piotutor.capture.preload import environment, library, loading
from piotutor.trace.interest import Interest

SOURCE = Path(__file__).with_suffix(".c")
MPI_SOURCE = SOURCE.with_name("capture_cost_mpi.c")
ROUND = 8192
STRACE_ROUND = 512
CALLS = "write,read,pwrite64,pread64,openat,close,fsync,ftruncate,lseek"


class Tool(NamedTuple):
    """How a program is started under a tool, given a directory for what it writes."""

    name: str
    start: Callable[[Path], tuple[dict[str, str], list[str]]]
    transfers: int = ROUND


def alone(_: Path) -> tuple[dict[str, str], list[str]]:
    return {}, []


def piotutor(out: Path) -> tuple[dict[str, str], list[str]]:
    return environment(out, Interest(), 1 << 30, {}), []


def routing(out: Path) -> tuple[dict[str, str], list[str]]:
    return {**loading(out, {}), "PIOTUTOR_ROUTE_PREFIX": "/nowhere/else"}, []


def strace(out: Path) -> tuple[dict[str, str], list[str]]:
    words = ["strace", "-f", "-ff", "--seccomp-bpf", "-ttt", "-T", "-y", "-s0", "-e"]
    return {}, [*words, f"trace={CALLS}", "-o", str(out / "log")]


def dftracer(out: Path) -> tuple[dict[str, str], list[str]]:
    find = "import dftracer; print(dftracer.__path__[0])"
    answer = subprocess.run(
        [os.environ["DFTRACER"], "-c", find], check=True, capture_output=True, text=True
    )
    return {
        "LD_PRELOAD": f"{answer.stdout.strip()}/lib64/libdftracer_preload.so",
        "DFTRACER_ENABLE": "1",
        "DFTRACER_INIT": "PRELOAD",
        "DFTRACER_DATA_DIR": "all",
        "DFTRACER_INC_METADATA": "1",
        "DFTRACER_LOG_FILE": str(out / "log"),
    }, []


def darshan(out: Path) -> tuple[dict[str, str], list[str]]:
    return {
        "LD_PRELOAD": os.environ["DARSHAN"],
        "DARSHAN_ENABLE_NONMPI": "1",
        "DARSHAN_MOD_ENABLE": "DXT_POSIX,DXT_MPIIO",
        "DXT_ENABLE_IO_TRACE": "1",
        "DARSHAN_MODMEM": "1024",
        "DARSHAN_LOGFILE": str(out / "log.darshan"),
    }, []


def tools() -> list[Tool]:
    """Return those that are here, the loop alone first."""
    found = [Tool("alone", alone)]
    if library():
        found.append(Tool("piotutor", piotutor))
        found.append(Tool("piotutor, routing other files", routing))
    if os.environ.get("DARSHAN"):
        found.append(Tool("Darshan DXT", darshan))
    if os.environ.get("DFTRACER"):
        found.append(Tool("dftracer", dftracer))
    if shutil.which("strace"):
        found.append(Tool("strace", strace, STRACE_ROUND))
    return found


class Bench:
    """A place for the program, its file and what the tools write."""

    def __init__(self, base: Path, place: Path, rounds: int, mpicc: str) -> None:
        self.base, self.rounds = base, rounds
        self.program = base / "loop"
        command = ["gcc", str(SOURCE)]
        if mpicc:
            lib = Path(mpicc).absolute().parent.parent / "lib"  # PyPI's mpicc doesn't say it
            command = [mpicc, str(MPI_SOURCE), f"-Wl,-rpath,{lib}"]
        subprocess.run([*command, "-O2", "-o", str(self.program)], check=True)
        self.place = base / "place"  # by another name: Darshan leaves out what begins with /dev
        self.place.symlink_to(place)

    def run(self, tool: Tool, op: str) -> list[tuple[float, float]]:
        """Run the loop under a tool; return wall and CPU time of a transfer, for each round."""
        with tempfile.TemporaryDirectory(dir=self.base) as out:
            env, prefix = tool.start(Path(out))
            file = self.place / f"capture-cost-{os.getpid()}"
            command = [*prefix, str(self.program), str(file), op, str(self.rounds)]
            done = subprocess.run(
                [*command, str(tool.transfers)],
                env=os.environ | env,
                check=True,
                capture_output=True,
                text=True,
            )
        lines = [line.split() for line in done.stdout.splitlines()]
        return [(float(wall), float(cpu)) for wall, cpu in lines]


Found = dict[str, dict[str, dict[str, float]]]
"""Times in ns: ``[tool][op][wall or cpu]``."""


def measure(bench: Bench, turns: int) -> Found:
    """Return what a transfer takes alone, and what each tool adds to it in the same turn."""
    here = tools()
    taken: dict[tuple[str, str, str], list[float]] = {}
    for turn in range(turns):
        for op in ("write", "read"):
            runs = {tool.name: bench.run(tool, op) for tool in (here if turn % 2 else here[::-1])}
            for name, rounds in runs.items():
                for at, clock in enumerate(("wall", "cpu")):
                    alone_ = statistics.median(one[at] for one in runs["alone"])
                    took = statistics.median(one[at] for one in rounds)
                    added = took - (0 if name == "alone" else alone_)
                    taken.setdefault((name, op, clock), []).append(added)
    found: Found = {}
    for (name, op, clock), values in taken.items():
        found.setdefault(name, {}).setdefault(op, {})[clock] = statistics.median(values)
    return {tool.name: found[tool.name] for tool in here}


def show(found: Found) -> None:
    """Print the table."""
    print("| ns a transfer | write, wall | write, CPU | read, wall | read, CPU |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, times in found.items():
        form = "{:,.0f}" if name == "alone" else "{:+,.0f}"
        row = [
            form.format(times[op][clock]) for op in ("write", "read") for clock in ("wall", "cpu")
        ]
        print(f"| {name} | {' | '.join(row)} |")


def main() -> None:
    """Measure, print a table, and keep the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--place", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--traces", type=Path, help="where the tools write; default: a temporary")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--mpicc", default="", help="measure MPI-IO, with this MPI's compiler")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.traces) as base:
        bench = Bench(Path(base), options.place, options.rounds, options.mpicc)
        found = measure(bench, options.turns)
    show(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
