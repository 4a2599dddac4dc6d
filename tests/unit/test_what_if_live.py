"""Knobs without a browser: what a turn sends, and what stays in a saved notebook."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import piotutor as pio
from piotutor.curves import KNOBS
from piotutor.engine import Machine
from piotutor.engine.library import library
from piotutor.errors import UsageError
from piotutor.live import what_if, wire

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")


@pytest.fixture
def view(monkeypatch):
    pytest.importorskip("anywidget")
    from piotutor.live.what_if_view import WhatIfView

    shown = pio.whatif("ior -N 4 -t 256k -b 4m -w -r -e", stripe_count=2)
    made = WhatIfView(shown, "clock", patience=math.inf)
    made.told = []
    monkeypatch.setattr(made, "send_state", lambda key: made.told.append(names(key)))
    return made


def names(key):
    return {key} if isinstance(key, str) else set(key)


def turn(view, **knobs):
    """Turn knobs as the browser does: all values arrive before anyone is told."""
    with view.hold_trait_notifications():
        for knob, value in knobs.items():
            setattr(view, knob, value)
        view.turn += 1
    return wire.unpack(view.frame)


def test_a_turn_is_answered_by_one_message(view):
    before = wire.unpack(view.frame)["write"]
    view.told.clear()
    after = turn(view, targets=4, stripe_count=4)
    assert len([keys for keys in view.told if "frame" in keys]) == 1
    assert {"title", "alt", "badge", "frame"} <= view.told[-1]
    assert view.frame["meta"]["turn"] == 1
    assert view.title.startswith("4 clients write")
    assert view.badge.startswith("modelled · small-lustre: 4 clients, 4 targets")
    assert view.line in view.alt
    assert (after["write"] > before).sum() >= 4


@pytest.mark.parametrize("over", KNOBS)
def test_the_frame_holds_the_curve(view, over):
    found = turn(view, over=over)
    curve = view._of.data.curve
    assert found["x"].tolist() == curve.x.tolist()
    for op, rate in curve.rates.items():
        assert found[op].tolist() == rate.tolist()
    meta = view.frame["meta"]
    assert meta["top"] > max(found["write"].max(), found["read"].max())
    assert len(meta["limited"]) == len(found["x"])
    for knob in KNOBS:
        assert getattr(view, knob) in [value for value, _ in view.choices[knob]]


def test_a_knob_goes_where_it_can_be(view):
    """No more stripes than targets; another machine has its own targets and its own transfers."""
    turn(view, targets=2, stripe_count=8)
    assert view.stripe_count == 2
    turn(view, machine="large-lustre", clients=12)
    assert (view.targets, view.clients, view.machine) == (96, 4, "large-lustre")
    assert turn(view, clients=1024, own=True)["x"].max() == 1024
    assert "a file each" in view.badge
    nothing = turn(view, machine="unlimited")
    assert (nothing["limit"] == -1).all()


def test_a_kept_curve_is_beside_the_others(view):
    kept = wire.unpack(view.frame)["write"]
    view._asked(view, "keep", [])
    now = turn(view, stripe_count=8)
    assert now["kept-write"].tolist() == kept.tolist()
    assert "A curve was kept: modelled" in view.alt
    assert "kept-x" not in turn(view, over="stripe_count")
    view._asked(view, "forget", [])
    assert "kept-x" not in turn(view, over="clients")


def test_what_can_not_be_modelled_is_said_and_the_curve_stays(view):
    before = view.frame
    view._of.of.workload = view._of.of.workload.replace(block_size=1 << 40)
    turn(view, stripe_count=4)
    assert "make -b smaller" in view.problem
    assert view.frame is before
    turn(view, stripe_count=6)  # the same words, which alone would not be sent again
    assert view.told[-1] == {"answered"}


def test_a_curve_that_takes_long_comes_bit_by_bit(view):
    """Where the knobs stand, twice that, the ends: one each time that more is asked for."""
    whole = turn(view, clients=4)["write"]
    view._of.of._known.clear()
    view._patience, view._of.at = 0, view._of.at.replace(clients=2)
    seen = [turn(view, clients=2)]
    assert view.title.endswith("; the rest of the curve is to come")
    while view.frame["meta"]["missing"]:
        view._asked(view, "more", [])
        seen.append(wire.unpack(view.frame))
    there = [np.flatnonzero(np.isfinite(each["write"])).tolist() for each in seen]
    assert there[:4] == [[1], [1, 2], [0, 1, 2], [0, 1, 2, 6]]
    assert there[4:] == [[0, 1, 2, 3, 6], [0, 1, 2, 3, 4, 6], [*range(7)]]
    assert "64 clients" in view.alt
    assert seen[-1]["write"].tolist() == whole.tolist()
    view._asked(view, "more", [])


def test_a_curve_is_kept_whole(view):
    view._patience = 0
    turn(view, stripe_count=8)
    view._asked(view, "keep", [])
    assert np.isfinite(wire.unpack(view.frame)["kept-write"]).all()


@pytest.fixture
def shown(monkeypatch):
    found = []
    monkeypatch.setattr(what_if, "show", lambda bundle, *rest: found.append(bundle))
    monkeypatch.setattr(what_if, "show_board", found.append)
    return found


def test_the_saved_notebook_keeps_a_picture(shown, monkeypatch):
    """With widgets it is hidden by them; without them it is all there is."""
    pytest.importorskip("anywidget")
    pio.whatif(
        machine=Machine(clients=4, targets=2, target_write_bandwidth=1e8)
    )._ipython_display_()
    widget, twin = shown
    assert widget.machine == "a machine of its own"
    assert f"pio-twin-{widget.clock}" in twin["text/html"]
    assert re.search(r'<img alt="4 clients write', twin["text/html"])
    shown.clear()
    monkeypatch.setattr(what_if, "has_widgets", lambda: False)
    pio.whatif()._ipython_display_()
    assert [one["text/plain"].startswith("4 clients write") for one in shown] == [True]


def test_mistakes_are_one_line():
    for wrong, message in (({"machine": "none"}, "unknown"), ({"over": "disks"}, "choose clients"),
                           ({"stripe_count": 99}, "8 targets")):  # fmt: skip
        with pytest.raises(UsageError, match=message):
            pio.whatif(**wrong)
    with pytest.raises(UsageError, match="machine 'none' is unknown"):
        pio.whatif().choose("none")
    assert np.isfinite(pio.whatif().data.curve.limit).all()
