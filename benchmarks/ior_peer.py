"""The traced kernels against IOR: the same work in turn, medians of pairs.

    IOR=/path/to/ior python benchmarks/ior_peer.py [--pairs 7] [--json FILE]

Each pair is a job of IOR and one of ours, one right after the other (which goes first alternates),
each with a few repetitions of which the median counts. Bandwidth is IOR's: all bytes, over the
time from the first open to the last close. `ratio` is the median over the pairs; `best` compares
the best repetition of each side, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from piotutor.trace import Trace
from piotutor.trace.record import Layer, Op, phase_of, repetition_of
from piotutor.units import format_size
from piotutor.workload import Workload

SIZES = (4096, 65536, 1 << 20, 16 << 20)
BYTES_PER_RANK = 64 << 20
BIN = Path(sys.executable).parent


class Case(NamedTuple):
    """One line of the table."""

    api: str
    place: str
    transfer_size: int


def workload(case: Case, path: Path, repetitions: int) -> Workload:
    return Workload(
        api=case.api,
        num_tasks=2,
        transfer_size=case.transfer_size,
        block_size=max(BYTES_PER_RANK, case.transfer_size),
        repetitions=repetitions,
        write=True,
        read=True,
        test_file=str(path),
    )


Found = dict[str, list[float]]
"""Bandwidths in bytes/s by operation, one for each repetition."""


def run_ior(work: Workload, ior: str, scratch: Path, csv: bool) -> Found:
    """Return IOR's bandwidths."""
    summary = scratch / "ior.json"
    sizes = ["-t", str(work.transfer_size), "-b", str(work.block_size)]
    arguments = ["-a", work.api, *sizes, "-w", "-r", "-i", str(work.repetitions)]
    arguments += ["-o", str(work.test_file)]
    extra = ["-O", f"savePerOpDataCSV={scratch / 'ops'}"] if csv else []
    line = [ior, *arguments, "-O", "summaryFormat=JSON", "-O", f"summaryFile={summary}", *extra]
    _mpiexec(line)
    found: Found = {}
    for result in json.loads(summary.read_text())["tests"][0]["Results"]:
        found.setdefault(result["access"], []).append(result["bwMiB"] * 2**20)
    return found


def run_ours(work: Workload, scratch: Path) -> Found:
    """Return those of our own kernel, from its trace."""
    job = {"format": 1, "workload": work.to_dict(), "files": [work.test_file]}
    job |= {"run_dir": str(scratch), "trace_max_bytes": 1 << 30}
    (scratch / "job.json").write_text(json.dumps(job))
    module = ["-m", "mpi4py", "-m", "piotutor.launch.worker", str(scratch / "job.json")]
    _mpiexec([sys.executable, *module])
    return bandwidths(Trace.load(scratch / "trace").records, work.total_bytes)


def bandwidths(records: np.ndarray, size: int) -> Found:
    """Return `size` over the time from open to close, of each repetition."""
    app = records[records["layer"] == Layer.APP]
    phase, repetition = phase_of(app["aux"]), repetition_of(app["aux"])
    answer: Found = {"write": [], "read": []}
    for number, found in enumerate(answer.values()):
        for turn in np.unique(repetition):
            mine = app[(phase == number) & (repetition == turn)]
            begin = mine["start"][mine["op"] == Op.OPEN].min()
            found.append(size / (mine["end"][mine["op"] == Op.CLOSE].max() - begin) * 1e9)
    return answer


def _mpiexec(line: list[str]) -> None:
    done = subprocess.run(
        [str(BIN / "mpiexec"), "-n", "2", *line], capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        sys.exit(f"{' '.join(line)}\n{done.stdout}{done.stderr}")


def measure(case: Case, place: Path, ior: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run the pairs of one case; return medians of both, and of the ratios of the pairs."""
    pairs: list[tuple[Found, Found]] = []
    for turn in range(options.pairs):
        results: dict[str, Found] = {}
        for who in ("ior", "ours") if turn % 2 else ("ours", "ior"):
            with tempfile.TemporaryDirectory(dir=options.work) as scratch:
                work = workload(case, place / f"peer-{os.getpid()}.dat", options.repetitions)
                where = Path(scratch)
                results[who] = (
                    run_ours(work, where)
                    if who == "ours"
                    else run_ior(work, ior, where, options.csv)
                )
        pairs.append((results["ours"], results["ior"]))
    return {op: compare([(ours[op], theirs[op]) for ours, theirs in pairs]) for op in pairs[0][0]}


def compare(pairs: list[tuple[list[float], list[float]]]) -> dict[str, float]:
    """Return the median of both sides and of their ratios, and the ratio of the best."""
    medians = [(statistics.median(ours), statistics.median(theirs)) for ours, theirs in pairs]
    best = max(max(ours) for ours, _ in pairs) / max(max(theirs) for _, theirs in pairs)
    return {
        "ours": statistics.median(ours for ours, _ in medians),
        "ior": statistics.median(theirs for _, theirs in medians),
        "ratio": statistics.median(ours / theirs for ours, theirs in medians),
        "best": best,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ior", default=os.environ.get("IOR", "ior"), help="IOR's program")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--repetitions", type=int, default=3, help="of each job (-i)")
    parser.add_argument("--tmpfs", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--disk", type=Path, default=Path.cwd())
    parser.add_argument("--work", type=Path, default=None, help="where traces go")
    parser.add_argument("--apis", nargs="+", default=["POSIX", "MPIIO"])
    parser.add_argument("--places", nargs="+", default=["tmpfs", "disk"])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--csv", action="store_true", help="IOR with its per-operation CSV")
    parser.add_argument("--json", type=Path, help="write all results there too")
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, {options.pairs} pairs")
    print("| api | on | transfer | op | ours MiB/s | IOR MiB/s | ratio | best |")
    print("| --- | --- | ---: | --- | ---: | ---: | ---: | ---: |")
    results = []
    for api in options.apis:
        for place in options.places:
            for size in options.sizes:
                case = Case(api, place, size)
                found = measure(case, getattr(options, place), options.ior, options)
                results.append({**case._asdict(), **found})
                for op, row in found.items():
                    print(
                        f"| {api} | {place} | {format_size(size)} | {op} | "
                        f"{row['ours'] / 2**20:.0f} | {row['ior'] / 2**20:.0f} | "
                        f"{row['ratio']:.2f} | {row['best']:.2f} |",
                        flush=True,
                    )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
