"""A run as one file that needs nothing else: figures, tables, environment, in HTML or PNG."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from piotutor.diagnosis import verdicts
from piotutor.errors import UsageError
from piotutor.hints import answers
from piotutor.metrics import transfers
from piotutor.metrics_layers import descent
from piotutor.metrics_targets import stripe_maps, target_work
from piotutor.plots import style
from piotutor.plots.access_map import plot_access_map
from piotutor.plots.descent import plot_descent
from piotutor.plots.latency import plot_latency
from piotutor.plots.locks import plot_locks
from piotutor.plots.ribbon import plot_ribbon
from piotutor.plots.stripe_access import plot_stripe_map
from piotutor.plots.tank import plot_tank
from piotutor.plots.target_bars import plot_straggler, plot_target_totals
from piotutor.plots.targets import plot_targets
from piotutor.plots.throughput import plot_throughput
from piotutor.plots.timeline import plot_timeline
from piotutor.results import Run, layout_words, phase_cells, target_rows
from piotutor.trace import Layer, Op, Trace
from piotutor.units import format_count, format_seconds, format_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 64rem; margin: 2rem auto;
  padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; font-weight: bold; padding: .3rem 0; }
th, td { padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ccc; text-align: right; }
th:first-child, td:first-child { text-align: left; }
table.names th, table.names td { text-align: left; overflow-wrap: anywhere; }
table.names td:first-child { overflow-wrap: normal; }
img { max-width: 100%; } figure { margin: 1.5rem 0; break-inside: avoid; }
code, pre { background: #f2f2f2; padding: .1rem .3rem; white-space: pre-wrap; }
.badge { background: #4d4d4d; color: white; padding: .2rem .6rem; border-radius: .4rem; }
.warn { border-left: .4rem solid #d55e00; padding-left: .8rem; }
"""
# The page may load nothing: figures are in it, and a browser is told so.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_FROM = {
    "direct": "past the page cache",
    "after-evict": "after the files were seen to be out of memory",
    "cache": "from memory, which proves little",
}
Rows = Iterable[Sequence[str]]


def access_map(run: Run) -> bytes:
    """Draw which rank touched which bytes when, as a PNG."""
    return style.figure_png(plot_access_map(run.trace))


def figures(run: Run) -> Iterator[Figure]:
    """Draw every figure of a run, one after the other; none of what was only counted."""
    trace = run.trace
    named = dict.fromkeys(phase["op"] for phase in run.result["phases"])
    ops = [op for op in named if transfers(trace, Op[op.upper()]).any()]
    for op in ops:
        if (trace.column("offset")[transfers(trace, Op[op.upper()])] >= 0).any():
            yield plot_access_map(trace, op=op)
    if len({step.layer for step in descent(trace)}) > 1:
        yield from (plot_descent(trace, op=op) for op in ops)
    plots: tuple[Callable[..., Figure], ...] = (
        plot_throughput,
        plot_latency,
        plot_timeline,
        plot_tank,
    )
    yield from (plot(trace) for plot in plots if ops)
    yield from _of_targets(trace)


def _of_targets(trace: Trace) -> Iterator[Figure]:
    """Draw where bytes went, where servers told of targets or their layout; and their locks."""
    if stripe_maps(trace):
        yield plot_ribbon(trace)
        yield plot_stripe_map(trace)
    if target_work(trace) is not None:
        yield plot_targets(trace)
        yield plot_target_totals(trace)
        yield plot_straggler(trace)
    if trace.where(layer=Layer.SERVER, op=Op.LOCK).any():
        yield plot_locks(trace)


def png(run: Run) -> bytes:
    """Draw all figures of a run below one another, as one PNG."""
    from PIL import Image  # matplotlib brings it

    images = [Image.open(io.BytesIO(style.figure_png(figure))) for figure in figures(run)]
    if not images:
        raise UsageError(f"{run.name} has no transfers to draw: its report can be .html")
    width, height = max(i.width for i in images), sum(i.height for i in images)
    page = Image.new("RGB", (width, height), "white")
    top = 0
    for image in images:
        page.paste(image, (0, top))
        top += image.height
    out = io.BytesIO()
    page.save(out, format="png")
    return out.getvalue()


def html(run: Run) -> bytes:
    """Write a run as one HTML page: figures with text alternatives, numbers, environment."""
    body = "\n".join([*_head(run), *_numbers(run), *_verdicts(run), *_pictures(run), *_place(run)])
    title = escape(f"piotutor: {run.name}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style></head>\n'
        f"<body>\n{body}\n</body></html>\n"
    ).encode("utf-8", "replace")


def _head(run: Run) -> Iterator[str]:
    yield f"<h1>{escape(run.name)}</h1>"
    yield f'<p><span class="badge">{escape(style.badge(run.trace))}</span></p>'
    what = "The same for IOR" if run.workload else "What ran"
    yield f"<p>{what}: <code>{escape(run.line)}</code></p>"
    if run.result["dropped"]:
        lost = format_count(run.result["dropped"])
        yield f'<p class="warn">{lost} events were dropped: figures and counts are partial.</p>'
    if run.status != "done":
        problem = run.result.get("problem") or run.status
        yield f'<p class="warn">The run is {run.status}: {escape(problem)}</p>'
        yield f"<pre>{escape(run.output[-4000:])}</pre>" if run.output else ""


def _numbers(run: Run) -> Iterator[str]:
    result = run.result
    yield "<h2>Numbers</h2>"
    quantiles = ("p50", "p95", "p99")
    header = ("phase", "repetition", "bytes", "operations", "time", "bandwidth", *quantiles)
    phases = [phase_cells(phase, quantiles) for phase in result["phases"]]
    yield _table("Phases", phases, header)
    yield f"<p>{_verified(result)}</p>" if run.workload else ""
    layers = [
        (f"{layer} {op}", format_count(found["operations"]), format_size(found["bytes"]))
        for layer, ops in result["layers"].items()
        for op, found in ops.items()
    ]
    yield _table("Layers", layers, ("layer", "operations", "bytes"))
    yield _table("Targets", target_rows(result)[1], target_rows(result)[0])


def _verified(result: Mapping[str, Any]) -> str:
    if not result["verified_from"]:
        return "Nothing was verified."
    source = _FROM[result["verified_from"]]
    return f"{format_size(result['verified_bytes'])} were verified, read {source}."


def _verdicts(run: Run) -> Iterator[str]:
    yield "<h2>Verdicts</h2>"
    judged = verdicts(run.trace)
    for verdict in judged.found:
        yield _table(
            f"Found: {verdict.name}",
            [
                ("evidence", verdict.text),
                *(("most in", worst) for worst in verdict.worst),
                ("threshold", f"{verdict.threshold} ({verdict.source})"),
                ("to do", verdict.advice),
            ],
            classes="names",
        )
    others = [(v.name, v.text, v.threshold) for v in judged if not v.found]
    header = ("verdict", "evidence", "threshold")
    yield _table("Not found, or can't be told", others, header, classes="names")


def _pictures(run: Run) -> Iterator[str]:
    yield "<h2>Pictures</h2>"
    for figure in figures(run):
        yield style.figure_html(figure, getattr(figure, "alt", ""))


def _place(run: Run) -> Iterator[str]:
    yield "<h2>Where, and with what</h2>"
    about = run.environment
    about |= {"layout": layout_words(about)} if "layout" in about else {}
    hosts = about.pop("clocks", {})
    yield _table("Environment", _pairs(about), classes="names")
    yield _table("Clocks, against rank 0's", _clocks(hosts), ("host", "ahead by", "moved by", "±"))
    hints = run.result["hints"]
    answered = [
        (each.asked, each.echoed or "nothing", each.obeyed, each.why) for each in answers(hints)
    ]
    yield _table("Hints asked for", answered, ("hint", "answer", "obeyed", "why"), classes="names")
    yield _table("Hints of the open file", _pairs(hints.get("echoed") or {}), classes="names")
    yield _table("Capture", _pairs(run.result.get("capture") or {}), classes="names")
    if run.workload:
        yield _table("Workload", _pairs(run.workload.to_dict()), classes="names")


def _clocks(hosts: Mapping[str, Mapping[str, Any]]) -> Rows:
    """Return a row for each host: how far its clock was ahead, and how well that is known."""
    for clock in hosts.values():
        times = (clock["offset_ns"], clock["drift_ns"], clock["uncertainty_ns"])
        known = ("unknown" if ns is None else format_seconds(ns / 1e9) for ns in times)
        yield (str(clock["host"]), *known)


def _pairs(table: Mapping[str, Any]) -> Rows:
    return ((str(name), "" if value is None else str(value)) for name, value in table.items())


def _table(title: str, rows: Rows, header: Sequence[str] = (), classes: str = "") -> str:
    """Return a table, or nothing where it has no rows."""
    body = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    if not body:
        return ""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    lines = "".join(f"<tr>{row}</tr>" for row in body)
    return f'<table class="{classes}"><caption>{title}</caption><tr>{head}</tr>{lines}</table>'
