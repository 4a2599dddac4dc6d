"""How long the data of each figure takes: 10 million events, under 2 s each is the aim.

    python benchmarks/figure_data.py [EVENTS] [RANKS]

The trace is made up: so many ranks write one shared file in turn, with opens and closes. Each
figure is measured as a user meets it first, with nothing prepared: the time includes reading
the fields that it needs out of the records.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from piotutor import metrics
from piotutor.layout import lustre
from piotutor.plots import KINDS
from piotutor.stripemap import StripeMap
from piotutor.trace import RECORD, Flag, Layer, Op, Trace

SIZE = 4096
LIMIT = 2.0


def made_up(events: int, ranks: int) -> np.ndarray:
    """Return records of `ranks` that write in turn, 5% of them much slower."""
    rng = np.random.default_rng(1)
    records = np.zeros(events, RECORD)
    records["layer"], records["op"] = Layer.APP, Op.WRITE
    records["rank"] = np.arange(events) % ranks
    records["start"] = np.arange(events) * 100
    took = rng.lognormal(9, 1, events) * np.where(rng.random(events) < 0.05, 20, 1)
    records["end"] = records["start"] + took.astype(np.int64)
    records["offset"] = np.arange(events) * SIZE
    records["length"] = records["result"] = SIZE
    for name in ("thread", "target", "parent"):
        records[name] = -1
    records["op"][:ranks], records["op"][-ranks:] = Op.OPEN, Op.CLOSE
    return records


def nested(records: np.ndarray) -> np.ndarray:
    """Return as many records of which each third is a request, its MPI-IO call, its system call."""
    records = np.repeat(records[: -(-len(records) // 3)], 3)[: len(records)]
    for depth, layer in enumerate((Layer.APP, Layer.MPIIO, Layer.POSIX)):
        records["layer"][depth::3] = layer
        records["start"][depth::3] += depth
    records["flags"][1::3] = Flag.COLLECTIVE
    records["parent"][2::3] = np.arange(1, len(records) - 1, 3)
    return records


def striped(events: int) -> dict[str, object]:
    """Return the map of the file: 16 MiB stripes over 64 targets."""
    layout = lustre("16m", 64, osts=64)
    one = StripeMap.computed(layout, events * SIZE, system="lustre", source="lfs getstripe")
    files = [{**one.to_dict(), "name": "data0"}]
    return {"system": one.system, "source": one.source, "files": files}


def main() -> int:
    """Measure each figure's data on a fresh trace; fail if one takes too long."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    ranks = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    records = made_up(events, ranks)
    cases = {name: kind.data for name, kind in KINDS.items()}
    cases["access_map by rank"] = lambda trace: KINDS["access_map"].data(trace, against="rank")
    cases["access_map, 4 KiB grid"] = lambda trace: KINDS["access_map"].data(trace, grid=4096)
    cases["descent by time"] = lambda trace: KINDS["descent"].data(trace, by="time")
    cases["descent, three layers"] = KINDS["descent"].data
    cases["metrics.phases"] = metrics.phases
    cases["metrics.layers"] = metrics.layers
    worst = 0.0
    print(f"{events:,} events of {ranks} ranks\n\n| data of | s | s of CPU |\n| --- | --- | --- |")
    notes = {"map": striped(events)}
    for name, compute in cases.items():
        made = nested(records) if "layers" in name.split() else records
        trace = Trace(made, ["/data0"], meta=notes)
        began, used = time.perf_counter(), time.process_time()
        compute(trace)
        took, used = time.perf_counter() - began, time.process_time() - used
        print(f"| {name} | {took:.2f} | {used:.2f} |", flush=True)
        worst = max(worst, took)
    return int(worst > LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
