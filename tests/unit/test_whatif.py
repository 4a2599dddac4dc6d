"""What if: every point is a run of the model, and the picture says what it would do."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from piotutor.curves import KNOBS, Turnable, steps
from piotutor.engine.library import library
from piotutor.engine.machines import MACHINES
from piotutor.errors import UsageError
from piotutor.modelled import model_run
from piotutor.plots.style import Style, figure_png
from piotutor.plots.whatif import plot_whatif, whatif_alt, whatif_data, whatif_finding

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")


@pytest.fixture(scope="module")
def small():
    return Turnable("ior -N 4 -t 256k -b 4m -w -r -e", "small-lustre", stripe_count=2)


@pytest.mark.parametrize("over", KNOBS)
def test_each_point_is_what_the_model_says(small, over, tmp_path, monkeypatch):
    """The same numbers as those of a modelled run of the line that is told."""
    monkeypatch.setenv("PIOTUTOR_STATE", str(tmp_path))
    start = small.start.replace(clients=2, targets=4)
    curve = small.curve(start, over)
    assert (np.diff(curve.x) > 0).all()
    for place in (0, len(curve.x) // 2):
        at = start.replace(**{over: int(curve.x[place])})
        machine = small.machine.replace(clients=at.clients, targets=at.targets)
        run = model_run(small.work(at), machine, stripe_count=at.stripe_count)
        found = {phase["op"]: phase["bandwidth"] for phase in run.result["phases"]}
        assert found == {op: rate[place] for op, rate in curve.rates.items()}


def test_bytes_of_a_rank_stay_when_transfers_change():
    """Strided ones become more or fewer, blocks are rounded up, the usual ones are enough."""
    strided = Turnable("ior -N 2 -t 64k -b 64k -s 16 -w", "small-lustre")
    work = strided.work(strided.start.replace(transfer_size=1 << 17))
    assert (work.block_size, work.segment_count) == (1 << 17, 8)
    blocks = Turnable("ior -N 2 -t 47008 -b 470080 -w", "small-lustre")
    assert blocks.start.transfer_size in blocks.values["transfer_size"]
    assert blocks.work(blocks.start.replace(transfer_size=1 << 16)).block_size == 8 << 16
    usual = Turnable(None, "small-lustre")
    few = usual.work(usual.start.replace(clients=1, stripe_count=8))
    many = usual.work(usual.start.replace(clients=64, stripe_count=8))
    assert (few.total_bytes, many.total_bytes) == (64 << 20, 128 << 20)


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_can_be_turned(name):
    """What can be chosen holds the machine's own, and grows."""
    of = Turnable(None, name)
    for knob in KNOBS:
        assert of.values[knob] == sorted(set(of.values[knob]))
        assert getattr(of.start, knob) in of.values[knob]
    assert of.values["targets"][-1] >= of.machine.targets


def test_no_more_stripes_than_targets(small):
    """A knob that can't stay where it is goes to the nearest place."""
    at = small.start.replace(stripe_count=8)
    assert small.curve(at.replace(targets=3), "clients").at.stripe_count == 3
    assert small.curve(at, "stripe_count").x[-1] == at.targets
    assert small.fitted(at.replace(clients=1000)).clients == 64
    assert steps(12) == [1, 2, 3, 4, 6, 8, 12]
    assert steps(5, 5, 9) == [1, 2, 3, 4, 5]


def test_transfers_are_those_that_the_workload_can_have():
    """Shuffled ones are smaller than their block."""
    shuffled = Turnable("ior -N 2 -t 64k -b 1m -z -w", "small-lustre")
    assert max(shuffled.values["transfer_size"]) == 512 << 10
    assert len(shuffled.curve(shuffled.start, "transfer_size").x) > 3


def test_what_limits_is_told():
    """One target, then interfaces of clients; nothing where nothing limits."""
    of = Turnable("ior -N 16 -t 1m -b 16m -w -e", "small-lustre")
    data = whatif_data(of)
    assert data.curve.limit[0] == 400e6
    assert whatif_finding(data).endswith("no more: the targets in use are the limit")
    last = whatif_data(of, of.start.replace(clients=64))
    assert "with 32 clients no less" in whatif_finding(last)
    wide = of.curve(of.start.replace(stripe_count=8, clients=1))
    assert wide.limited_by[0] == "the clients' interfaces"
    nothing = whatif_data(Turnable(None, "unlimited"))
    assert whatif_finding(nothing) == "Nothing takes time on this machine"
    assert "no limit" in whatif_alt(nothing)
    assert figure_png(plot_whatif(nothing)).startswith(b"\x89PNG")


@pytest.mark.parametrize("over", KNOBS)
def test_the_picture_says_what_turning_would_do(small, over):
    """Finding, badge, text, axes; also within axes that are given."""
    data = whatif_data(small, over=over)
    figure = plot_whatif(data, style=Style(projector=over == "clients"))
    assert figure.get_suptitle().startswith("4 clients write")
    assert " and read " in figure.get_suptitle()
    assert figure.get_supxlabel().startswith("modelled · small-lustre: 4 clients, 8 targets")
    assert whatif_alt(data) in figure.alt
    assert "-t 256k" in figure.alt
    own = Figure()
    assert plot_whatif(data, ax=own.subplots()) is own


def test_what_can_not_be_turned_is_one_line(small):
    """An unknown knob, too many stripes, a workload without end, a machine that isn't there."""
    with pytest.raises(UsageError, match="choose clients, targets"):
        small.curve(small.start, "disks")
    with pytest.raises(UsageError, match="the machine has 8 targets"):
        Turnable(None, "small-lustre", stripe_count=9)
    with pytest.raises(UsageError, match="make -b smaller"):
        huge = Turnable("ior -N 1 -t 4k -b 1t -w", "small-lustre")
        huge.curve(huge.start)
    with pytest.raises(UsageError, match="is unknown"):
        Turnable(None, "no such machine")


@pytest.mark.parametrize(
    ("knobs", "message"),
    [({"foo": 1}, "foo=1"), ({"clients": "x"}, "clients='x'"), ({"targets": None}, "targets=None"),
     ({"clients": float("nan")}, "clients=nan"), ({"file_per_process": "x"}, "true or false")],
)  # fmt: skip
def test_a_knob_is_turned_to_a_number(knobs, message):
    """Anything else is one line; a number that can't be is as near as can be."""
    of = Turnable(None, "small-lustre")
    with pytest.raises(UsageError, match=message):
        of.start.replace(**knobs)
    assert of.fitted(of.start.replace(clients=-5)).clients == 1


@pytest.mark.parametrize(
    "layout", [{"stripe_count": "4"}, {"stripe_size": 0}, {"stripe_size": 1.5}]
)
def test_a_curve_has_a_layout(layout):
    with pytest.raises(UsageError, match="whole number, at least 1"):
        Turnable(None, "small-lustre", **layout)


def test_requests_count_not_transfers_alone():
    """A few large transfers in tiny requests would take as long as many small ones."""
    of = Turnable("ior -N 4 -t 64m -b 512m -w", "small-lustre:rpc_size=512")
    with pytest.raises(UsageError, match="requests are more than a curve is made of"):
        of.curve(of.start.replace(clients=16), "clients")
