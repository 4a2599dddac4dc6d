"""Devices played step by step: widgets without a browser, and the pictures that stay."""

from __future__ import annotations

import re

import pytest

from piotutor.engine.library import library
from piotutor.errors import UsageError
from piotutor.live import steps as stepping
from piotutor.live.steps import Steps, steps
from piotutor.plots.devices_array import array_data
from piotutor.plots.devices_disk import disk_data
from piotutor.plots.devices_flash import flash_data
from piotutor.plots.style import Picture

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")


@pytest.fixture
def shown(monkeypatch):
    """Collect what would be shown."""
    found = []
    monkeypatch.setattr(stepping, "show", lambda bundle, *rest: found.append(bundle))
    monkeypatch.setattr(stepping, "show_board", found.append)
    return found


def test_each_device_has_its_steps():
    disk = disk_data({"near": ([0, 4096], [4096] * 2), "far": ([0, 10**9, 0], [4096] * 3)})
    assert steps(disk).count == 2
    assert steps(disk, "far").count == 3
    assert steps(flash_data(collections=4, spares=())).count == 4
    assert steps(array_data()).count == 3
    assert "3 requests" in steps(disk, "far").picture(1).alt


def test_what_can_not_be_played_is_refused():
    with pytest.raises(UsageError, match="choose near"):
        steps(disk_data({"near": ([0], [4096])}), "far")
    with pytest.raises(UsageError, match="no steps"):
        steps(flash_data(collections=0, spares=()))
    with pytest.raises(UsageError, match="some requests"):
        steps(disk_data({}))


def test_the_slider_turns_the_page_and_each_is_drawn_once():
    pytest.importorskip("ipywidgets")
    drawn = []

    def draw(number):
        drawn.append(number)
        picture = Picture()
        picture.alt = f"picture {number}"
        return picture

    board = Steps(draw, 5).board()
    (play, slider), place = board.children[0].children, board.children[1]
    assert (play.max, slider.max) == (4, 4)
    for number in (3, 1, 3):
        slider.value = number
        assert f'alt="picture {number}"' in place.value
    assert drawn == [0, 3, 1]


def test_the_saved_notebook_keeps_three_pictures(shown, monkeypatch):
    pytest.importorskip("ipywidgets")
    steps(array_data())._ipython_display_()
    board, twin = shown
    clock = re.search(r"pio-twin-(\w+) ", board.children[1].value)[1]
    assert f"pio-twin-{clock}" in twin["text/html"]
    assert twin["text/html"].count("<img alt=") == 3
    shown.clear()
    monkeypatch.setattr(stepping, "has_widgets", lambda: False)
    steps(array_data())._ipython_display_()
    assert [one["text/html"].count("<img alt=") for one in shown] == [3]
