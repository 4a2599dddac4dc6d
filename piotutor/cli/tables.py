"""A run's result as tables of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from piotutor.cli.output import table
from piotutor.hints import answers
from piotutor.results import Run, layout_words, phase_cells, target_rows
from piotutor.units import format_count, format_size

_FROM = {
    "direct": "read past the page cache",
    "after-evict": "read after the file was seen to be out of memory",
    "cache": "read from memory: it proves little",
    None: "nothing was verified",
}


def sections(run: Run) -> Iterator[str]:
    """Yield the parts of the text: what and where, phases, layers, what a reader must not miss."""
    yield f"{run.badge}\n{run.line}"
    result = run.result
    if result["phases"]:
        yield _phases(result["phases"])
    if result["layers"]:
        yield _layers(result["layers"])
    if result["targets"]:
        yield table(*target_rows(result))
    yield "\n".join(_notes(run))


def _phases(phases: list[dict[str, Any]]) -> str:
    header = ("phase", "repetition", "bytes", "operations", "seconds", "bandwidth", "p50", "p99")
    return table(header, [phase_cells(phase, ("p50", "p99")) for phase in phases])


def _layers(layers: dict[str, dict[str, dict[str, int]]]) -> str:
    rows = [
        _row(f"{layer} {op}", found) for layer, ops in layers.items() for op, found in ops.items()
    ]
    return table(("layer", "operations", "bytes"), rows)


def _row(name: Any, found: dict[str, int]) -> tuple[str, str, str]:
    return str(name), format_count(found["operations"]), format_size(found["bytes"])


def _notes(run: Run) -> Iterator[str]:
    result = run.result
    if result["verified_from"]:
        amount = format_size(result["verified_bytes"])
        yield f"verified: {amount}, {_FROM[result['verified_from']]}"
    elif run.workload:
        yield "verified: nothing (-W or -R compares what was written)"
    for verdict in result.get("verdicts", []):
        if verdict["found"]:
            yield f"verdict: {verdict['name']}: {verdict['text']}"
    yield from (f"hint: {answer}" for answer in answers(result["hints"]))
    layout = layout_words(result["environment"])
    if layout:
        yield f"layout: {layout}"
    locks = run.environment.get("model") or run.environment.get("emulation") or {}
    if locks.get("grants"):
        yield f"locks: {locks['grants']:,} granted, {locks['callbacks']:,} called back"
    if result["dropped"]:
        yield f"dropped: {format_count(result['dropped'])} events found no room in the trace"
    yield from _captured(run)
    if run.status != "done":
        code = run.result.get("exit_code") if not run.workload else None
        yield f"status: {run.status}" + (f" (exit code {code})" if code else "")
    yield f"run: {run.dir}"


def _captured(run: Run) -> Iterator[str]:
    """Say what below the application was seen, and how."""
    told = run.result.get("capture")
    if told:
        yield f"captured: {told['why']}"
        yield from (f"note: {note}" for note in told["notes"])
    yield from (f"note: {note}" for note in run.environment.get("storage_notes", ()))
