"""Every picture is drawn for every kind of trace, and leaves nothing behind."""

from __future__ import annotations

import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from test_plots_data import MS, record, strided, tank_rows, trace_of
from test_target_plots import map_of, samples

from piotutor import plots
from piotutor.errors import UsageError
from piotutor.plots import pattern_map, prediction, style
from piotutor.plots.style import Style, figure_html, figure_png
from piotutor.trace import RECORD, Layer, Op, Phase, Trace
from piotutor.workload import Workload

PLACE = {"environment": {"filesystem": "ext4", "host": "node1", "mpi": "MPICH 5"}}
STRIPED = {**PLACE, "map": map_of(80 * 47008)}


def many(ranks=12, n=400):
    rows = np.concatenate(strided(ranks, n, size=4096))
    rows["start"] += np.arange(len(rows))
    return Trace.from_records(rows, files=["/s/a"], meta=PLACE)


TRACES = {
    "empty": trace_of(),
    "one": trace_of(record(Op.WRITE, 3, 3, offset=0, length=0)),
    "both": trace_of(
        *strided(),
        *strided(op=Op.READ, phase=Phase.READ, first=20),
        *samples([(0, 40), (0, 40), (0, 0)]),
        record(Op.LOCK, 0, 1, -1, layer=Layer.SERVER, offset=0, length=47008, result=Op.WRITE),
        meta=STRIPED,
    ),
    "no counters": trace_of(*strided(), meta=STRIPED),
    "calls only": trace_of(record(Op.OPEN, 0, 1), record(Op.BARRIER, 1, 4)),
    "samples": trace_of(*tank_rows(dirty=1, resident=400)),
    "unknown": trace_of(*tank_rows(resident=-1), dropped=12345),
    "many": many(),
}


@pytest.mark.parametrize("kind", plots.KINDS)
@pytest.mark.parametrize("case", TRACES)
def test_every_picture_of_every_trace(kind, case):
    figure = plots.figure(TRACES[case], kind, style=Style(projector=case == "both"))
    assert figure_png(figure).startswith(b"\x89PNG")
    assert figure.get_suptitle()
    assert "measured" in figure.get_supxlabel()
    assert plots.alt_text(TRACES[case], kind) in figure.alt


def test_nothing_global_is_changed_and_no_figure_stays():
    before = dict(mpl.rcParams)
    plots.figure(TRACES["both"], "throughput", style=Style(projector=True))
    assert dict(mpl.rcParams) == before
    code = "import sys, piotutor.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("kind", plots.KINDS)
def test_a_picture_fits_into_axes_that_are_given(kind):
    figure = Figure()
    axes = figure.subplots()
    assert plots.figure(TRACES["both"], kind, ax=axes) is figure
    assert axes.has_data()


def test_an_unknown_picture_is_a_mistake_of_the_user():
    with pytest.raises(UsageError, match="'pie' is no picture: use one of access_map"):
        plots.figure(TRACES["one"], "pie")


def test_dropped_events_and_slowed_servers_are_on_the_badge():
    assert style.badge(TRACES["both"]) == "measured · ext4, node1, MPICH 5, 4 ranks"
    assert "12,345 events dropped" in style.badge(TRACES["unknown"])
    slow = Trace(TRACES["both"].records, meta={"environment": {"slowed": "server 2"}})
    assert style.badge(slow) == "measured · 4 ranks · slowed: server 2"
    modelled = Trace(np.empty(0, RECORD), provenance="modelled")
    assert style.badge(modelled) == "modelled · 0 ranks"


def test_a_rank_looks_the_same_everywhere_and_few_ranks_differ_in_hatch_too():
    looks = style.rank_looks(range(8))
    assert len({look.color for look in looks}) == len({look.hatch for look in looks}) == 8
    assert style.rank_looks([3, 5]) == [looks[3], looks[5]]
    assert len({look.color for look in style.rank_looks(range(64))}) == 64


@pytest.mark.parametrize(
    ("value", "large"), [("1", True), ("0", False), ("", False), (None, False)]
)
def test_the_projector_setting(monkeypatch, value, large):
    monkeypatch.delenv("PIOTUTOR_PROJECTOR", raising=False)
    if value is not None:
        monkeypatch.setenv("PIOTUTOR_PROJECTOR", value)
    assert Style().projector is large
    assert Style(projector=not large).projector is not large
    assert Style(projector=True).font > Style(projector=False).font


def test_a_picture_shows_itself_with_its_text():
    figure = plots.figure(TRACES["both"], "access_map")
    html = figure._repr_html_()
    assert html == figure_html(figure, figure.alt)
    assert re.search(r'<img alt="40 writes of 47,008 bytes: .*rank 1: 47,008 bytes at', html)
    assert "http" not in html
    assert "<b>" not in figure_html(figure, '"<b>')


def test_what_is_planned_is_not_called_measured():
    figure = pattern_map.plot_pattern_map(Workload(num_tasks=3), grid=4096)
    assert figure.get_supxlabel().startswith("planned")
    assert figure_png(figure)


def test_a_prediction_is_drawn():
    data = prediction.prediction_data(predicted=1, model=None, measured=2, unit="calls")
    figure = prediction.plot_prediction(data)
    assert figure_png(figure)
    assert figure.get_suptitle() == "Your prediction was 2 times too low"
    assert "predicted 1 calls" in prediction.prediction_alt(data)
    nothing = prediction.prediction_data(predicted=None, model=None, measured=None, unit="calls")
    assert figure_png(prediction.plot_prediction(nothing))


def test_times_far_from_zero_lose_no_precision():
    rows = np.concatenate(strided(2, 5))
    for name in ("start", "end"):
        rows[name] += 10**18 + MS
    late = plots.KINDS["access_map"].data(Trace.from_records(rows, files=["/s/a"]))
    assert late.extents.start.max() == 0.004
