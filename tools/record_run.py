"""Make the recorded runs of a lesson anew: ``python tools/record_run.py 04 --host "..."``.

The lesson's own notebook is run, exercises left out, and every run that it makes becomes
``piotutor/lesson/data/LESSON-NAME.piot``: so the recorded runs are those of the notebook. Samples
are thinned until the lesson's runs fit into 300 KB.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from make_notebooks import SOURCES, executed

from piotutor.lesson import Lesson, recorded
from piotutor.metrics import transfers
from piotutor.trace import Layer, Op, Trace

MANY = 1000
"""Transfers from which on a recorded run keeps what the ranks recorded, and nothing below it."""
SAMPLES = 100
"""Samples of one layer, and one server, that a recorded run keeps: evenly, with first and last."""


async def walk(source: Path) -> Lesson:
    """Run a lesson's code, exercises left out, and return its `lesson`."""
    names: dict[str, Any] = {}
    for cell in executed(source).cells:
        if cell.cell_type != "code" or cell.metadata.get("tags"):
            continue
        code = compile(cell.source, source.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, names)
        if inspect.iscoroutine(result):
            await result
    found: Lesson = names["lesson"]
    return found


def thinned(trace: Trace) -> Trace:
    """Leave out samples, evenly; of many transfers the layers below, else no other record."""
    records = trace.records
    many = np.count_nonzero(transfers(trace)) > MANY
    keep = (records["op"] != Op.SAMPLE) & ((records["layer"] == Layer.APP) | (not many))
    samples = records[records["op"] == Op.SAMPLE]
    for layer, target in np.unique(samples[["layer", "target"]]):
        mine = (records["layer"] == layer) & (records["target"] == target)
        places = np.flatnonzero((records["op"] == Op.SAMPLE) & mine)
        keep[places[np.linspace(0, len(places) - 1, SAMPLES).astype(int)]] = True
    kept = records[keep].copy()
    place = np.append(np.where(keep, np.cumsum(keep) - 1, -1), -1)
    kept["parent"] = place[kept["parent"]]
    return Trace(kept, trace.files, trace.dropped, trace.provenance, trace.meta)


def record(lesson: str, host: str) -> None:
    """Run a lesson, and keep its runs."""
    (source,) = SOURCES.glob(f"{lesson}_*.py")
    walked = asyncio.run(walk(source))
    for name, run in walked.runs.items():
        if isinstance(run, recorded.Recorded):
            sys.exit(f"{name} can't run here: what would be kept is its old recording")
        slim = SimpleNamespace(
            trace=thinned(run.trace),
            workload=run.workload,
            environment=run.environment,
            hints=run.hints,
        )
        path = recorded.save(slim, lesson, name, host=host, h5map=walked.maps.get(name))
        print(f"{path.name}: {len(slim.trace)} records, {path.stat().st_size:,} bytes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Record the lessons that are named."""
    parser = argparse.ArgumentParser(description="Make the recorded runs of lessons anew.")
    parser.add_argument("lessons", nargs="+", metavar="LESSON", help="its number: 04")
    parser.add_argument("--host", required=True, help="the kind of machine, never its name")
    options = parser.parse_args(arguments)
    for lesson in options.lessons:
        record(lesson, options.host)
    return 0


if __name__ == "__main__":
    sys.exit(main())
