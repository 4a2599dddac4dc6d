"""What it costs to record a transfer, in ns: the traced loop against the same calls alone.

    python benchmarks/recording_cost.py [--transfers N] [--turns N]

Both loops make the same calls of the null kernel, and of `pwrite` on a file in the given
directory, in turn; the smallest time of all turns counts, as everything else is noise from outside.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from piotutor.kernels import burst, kernel_class
from piotutor.kernels.base import Kernel, SerialComm
from piotutor.kernels.direct import aligned_buffer
from piotutor.kernels.traced import Traced
from piotutor.trace.record import Op
from piotutor.trace.writer import TraceWriter
from piotutor.workload import Workload


def bare(kernel: Kernel, offsets: list[int], buffer: memoryview) -> int:
    """Return the ns of all calls alone."""
    call, transfers, *_ = kernel.bind(Op.WRITE, offsets, [buffer])
    begin = perf_counter_ns()
    for transfer in transfers:
        call(*transfer)
    return perf_counter_ns() - begin


def traced(kernel: Kernel, offsets: list[int], buffer: memoryview, path: Path) -> int:
    """Return the ns of all calls with their records, prepared as in a run."""
    path.unlink(missing_ok=True)
    with TraceWriter(path, rank=0) as writer:
        rows = np.array(offsets, np.int64)[:, None]
        stream = Traced(kernel, writer).stream(Op.WRITE, rows, [buffer])
        begin = perf_counter_ns()
        stream.run(len(offsets))
        return perf_counter_ns() - begin


def cost(api: str, size: int, options: argparse.Namespace) -> tuple[float, float]:
    """Return the ns of a call alone, and what its record adds."""
    work = Workload(api=api, num_tasks=1, transfer_size=size, block_size=size)
    kernel = kernel_class(api)(work, SerialComm())
    offsets = [size * number for number in range(options.transfers)]
    buffer = aligned_buffer(size)
    with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
        kernel.open(str(Path(scratch, "data")), Op.WRITE)
        turns = [
            (bare(kernel, offsets, buffer), traced(kernel, offsets, buffer, Path(scratch, "t")))
            for _ in range(options.turns)
        ]
        kernel.close()
    alone, recorded = (min(times) / options.transfers for times in zip(*turns, strict=True))
    return alone, recorded - alone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--transfers", type=int, default=4096)
    parser.add_argument("--turns", type=int, default=100)
    parser.add_argument("--directory", default="/dev/shm" if Path("/dev/shm").is_dir() else None)
    options = parser.parse_args()
    print("| loop | api | transfer | call alone from Python, ns | record adds, ns |")
    print("| --- | --- | ---: | ---: | ---: |")
    built = burst.library()
    for loop, library in {"Python": None, "C": built}.items():
        burst.library = lambda chosen=library: chosen
        for api, size in (("NULL", 4096), ("POSIX", 4096)):
            if loop == "Python" or (built is not None and api == "POSIX"):
                alone, more = cost(api, size, options)
                print(f"| {loop} | {api} | {size:,} | {alone:.0f} | {more:.0f} |", flush=True)


if __name__ == "__main__":
    main()
