"""Predicted beside measured: one call, both numbers, each with its badge."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure

import piotutor as pio
from piotutor.engine.library import library
from piotutor.errors import UsageError
from piotutor.lesson.ballot import Ballot
from piotutor.lesson.question import Question
from piotutor.plots.comparison import comparison_finding, plot_comparison
from piotutor.plots.comparison_data import WHAT, comparison_data, names_of
from piotutor.plots.style import Style, figure_png
from piotutor.trace import Layer, Op, Trace

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")
STRIDED = "ior -N 2 -t 64k -b 64k -s 16 -w -r -i 2"
SEGMENTS = "ior -N 2 -t 64k -b 1m -w -r -i 2"


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Keep runs apart from the user's."""
    monkeypatch.setenv("PIOTUTOR_STATE", str(tmp_path / "state"))


@pytest.fixture
def runs():
    """Runs that stand for real ones: nothing is slower to make than it must be."""
    made = [pio.model(line, "small-lustre", stripe_count=2) for line in (STRIDED, SEGMENTS)]
    for run in made:
        run.trace.provenance = "emulated"
    return made


def values(data):
    return [[bar.value for bar in group.bars] for group in data.groups]


@pytest.mark.parametrize("what", WHAT)
def test_a_run_on_the_machine_of_its_own_is_met(runs, what):
    """Machine and layout are those of the run where nothing is said."""
    data = comparison_data(runs, what=what)
    assert all(foretold == found for foretold, found in values(data))
    assert comparison_finding(data).startswith("Modelled and emulated agree within 1%")
    assert [bar.word for bar in data.groups[0].bars] == ["modelled", "emulated"]


def test_numbers_are_those_of_the_model_and_of_the_run(runs):
    data = comparison_data(runs[0], "large-lustre", stripe_count=4)
    foretold = pio.model(STRIDED, "large-lustre", stripe_count=4).result["phases"]
    for group in data.groups:
        for bar, phases in zip(group.bars, (foretold, runs[0].result["phases"]), strict=True):
            each = [phase["bandwidth"] for phase in phases if phase["op"] == group.op]
            assert bar.each == tuple(each)
            assert bar.value == pytest.approx(sum(each) / 2)
    assert data.badges[0] == "modelled · large-lustre, 2 ranks"
    assert comparison_finding(data).startswith("On large-lustre the model says ")
    assert data.badges[1].startswith("emulated · small-lustre")


def test_runs_have_the_names_that_tell_them_apart(runs):
    assert [*names_of(runs)] == ["-b 64k -s 16", "-b 1m -s 1"]
    assert [*names_of([runs[0], runs[0]])] == ["run 1", "run 2"]
    assert [*names_of({"a": runs[0]})] == ["a"]
    data = comparison_data({"mine": runs[0], "hers": runs[1]}, what="callbacks")
    assert [group.name for group in data.groups] == ["mine, locks", "hers, locks"]
    assert "; both in the same order" in comparison_finding(data)


def test_nothing_against_nothing_is_a_finding():
    run = pio.model("ior -N 1 -t 64k -b 64k -s 4 -w", "small-lustre")
    run.trace.provenance = "emulated"
    data = comparison_data(run, what="callbacks")
    assert comparison_finding(data) == "Modelled and emulated agree: 0 locks called back"
    (model, run), others = data.groups[0].bars, data.groups[1:]
    met = [replace(data.groups[0], bars=(model, replace(run, value=3.0))), *others]
    said = "Locks called back, modelled against emulated: 0 against 3"
    assert comparison_finding(replace(data, groups=met)) == said


def test_a_prediction_is_on_the_same_axis(runs):
    found = comparison_data(runs[1]).groups[0].bars[-1].value
    for guess, said in ((found * 2, "2 times too high"), (found / 4, "4 times too low"),
                        (found, "your prediction holds")):  # fmt: skip
        data = comparison_data(runs[1], predicted=guess)
        assert data.groups[0].bars[0].value == guess
        assert len(data.groups[1].bars) == 2
        assert comparison_finding(data).endswith(said)
    data = comparison_data({"a": runs[0], "b": runs[1]}, predicted={"b": 5})
    assert [len(group.bars) for group in data.groups] == [2, 2, 3, 2]


def test_a_lesson_s_prediction_counts_when_it_is_locked(runs):
    ballot = Ballot("00", Question(name="q", text="?", options=(), unit="bytes/s"))
    ballot.value = 7.0
    for locked, bars in ((False, 2), (True, 3)):
        ballot.locked = locked
        assert len(comparison_data(runs[0], predicted=ballot).groups[0].bars) == bars


def test_the_picture_has_a_bar_for_each_and_both_badges(runs):
    figure = pio.compare(runs, predicted=10**9, style=Style(projector=True))
    axes = figure.axes[0]
    assert len(axes.patches) == 10
    assert "modelled · small-lustre" in figure.get_supxlabel()
    assert "emulated · small-lustre" in figure.get_supxlabel()
    assert "-b 1m -s 1, read: modelled" in figure.alt
    assert figure_png(figure).startswith(b"\x89PNG")
    own = Figure()
    assert plot_comparison(comparison_data(runs, what="seconds"), ax=own.subplots()) is own


def test_an_emulation_that_was_not_kept_says_so(runs):
    runs[0].result["environment"]["storage_notes"] = ["the machine itself was the limit"]
    assert "note: the machine itself was the limit" in pio.compare(runs).get_supxlabel()


def test_of_a_program_its_system_calls_are_made_again():
    """On the machine where they were made they take as long; on a slower one, longer."""
    run = pio.model(STRIDED, "small-lustre:create_time=1e-4", stripe_count=2)
    records = run.trace.records[~run.trace.where(op=Op.BARRIER)]
    records["layer"][records["layer"] == Layer.APP] = Layer.POSIX
    records["op"][records["op"] == Op.CREATE] = Op.OPEN
    trace = Trace.from_records(records, files=run.trace.files, provenance="emulated")
    program = SimpleNamespace(trace=trace, workload=None, environment=run.environment)
    for what in WHAT:
        groups = comparison_data(program, what=what).groups
        assert len(groups) == (1 if what == "callbacks" else 2)
        assert all(bar.value == group.bars[0].value for group in groups for bar in group.bars)
    slower = "small-lustre:target_overhead=2e-3"
    for group in comparison_data(program, slower, what="seconds").groups:
        foretold, found = group.bars
        assert foretold.value > found.value + 16 * 2e-3
    assert "with the pauses that it made" in pio.compare(program).get_supxlabel()


@pytest.mark.parametrize("what", [[], 5, None])
def test_what_is_compared_is_a_word(runs, what):
    with pytest.raises(UsageError, match="choose bandwidth"):
        pio.compare(runs, what=what)


@pytest.mark.parametrize("guess", ["fast", [1], -1, float("nan"), float("inf")])
def test_a_prediction_is_a_number(runs, guess):
    with pytest.raises(UsageError, match=r"predicted=.*give a number"):
        pio.compare(runs, predicted=guess)


@pytest.mark.parametrize("given", [None, 5, "/no/run", ["x"], {"a": None}, [[]]])
def test_a_run_is_compared(given):
    with pytest.raises(UsageError, match="is no run"):
        pio.compare(given, "small-lustre")


def test_what_can_not_be_compared_is_one_line(runs):
    with pytest.raises(UsageError, match="choose bandwidth"):
        pio.compare(runs, what="beauty")
    with pytest.raises(UsageError, match="is unknown"):
        pio.compare(runs, "no such machine")
    run = runs[0]
    run.result["environment"]["machine"]["wheels"] = 4
    with pytest.raises(UsageError, match="unknown here"):
        pio.compare(run)
    run.result["environment"].pop("machine")
    with pytest.raises(UsageError, match="on what machine"):
        pio.compare(run)
    run.workload = None
    with pytest.raises(UsageError, match="no system call"):
        pio.compare(run, "small-lustre")
