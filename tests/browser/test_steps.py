"""Devices step by step in a page: the slider turns the picture, which hides its still twin."""

from __future__ import annotations

import pytest

from piotutor.engine.library import library

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(library() is None, reason="the engine isn't built"),
]

PLAYED = """
from piotutor.live.steps import steps
from piotutor.plots.devices_disk import disk_data
steps(disk_data({"far": ([0, 10**9, 0], [4096] * 3)}))
"""
SECONDS = 120_000
LIVE = ".widget-html img"
TURNED = f"old => document.querySelector('{LIVE}').src !== old"


def test_the_slider_turns_the_picture_by_keyboard(lab):
    lab.open("steps.ipynb", PLAYED)
    lab.run_all()
    page = lab.page
    page.wait_for_selector(LIVE, timeout=SECONDS)
    before = page.locator(LIVE).get_attribute("src")
    assert "far, 3 requests" in page.locator(LIVE).get_attribute("alt")
    page.locator(".noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(TURNED, arg=before, timeout=SECONDS)
    assert page.locator(".pio-twin").count() == 1
    assert not page.locator(".pio-twin").is_visible()
