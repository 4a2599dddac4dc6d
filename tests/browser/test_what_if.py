"""Knobs in a page: the curve follows them, by keyboard alone."""

from __future__ import annotations

import pytest

from piotutor.engine.library import library

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(library() is None, reason="the engine isn't built"),
]
SECONDS = 120_000
WHOLE = "document.querySelector('.pio-canvas').dataset.missing === '0'"
TURNED = "count => Number(document.querySelector('.pio-canvas')?.dataset.turn) === count"


def test_the_curve_follows_the_knobs_by_keyboard(lab):
    lab.open("what_if.ipynb", "import piotutor as pio\npio.whatif()")
    lab.run_all()
    page = lab.page
    page.wait_for_function(TURNED, arg=0, timeout=SECONDS)
    canvas = page.locator(".pio-canvas")
    told, painted = canvas.get_attribute("aria-label"), canvas.evaluate("one => one.toDataURL()")
    assert told.startswith("4 clients write")
    page.get_by_label("stripe count", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")  # to the transfer size
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(TURNED, arg=2, timeout=SECONDS)
    assert canvas.evaluate("one => one.toDataURL()") != painted
    assert canvas.get_attribute("aria-label") != told
    badge = page.locator(".pio-badge").text_content()
    assert "2 stripes" in badge
    assert "transfers of 512 KiB" in badge
    assert page.locator(".pio-knobs output").all_text_contents() == ["4", "8", "2", "512 KiB"]
    page.get_by_label("curve over").select_option("stripe_count")
    page.wait_for_function(TURNED, arg=3, timeout=SECONDS)
    assert "stripe count" in canvas.get_attribute("aria-label")
    assert not page.locator(".pio-twin").is_visible()
    page.locator("select", has_text="ssd-lustre").select_option("ssd-lustre")
    for knob in ("targets", "stripe count"):
        page.get_by_label(knob, exact=True).focus()
        page.keyboard.press("End")
    page.wait_for_function(TURNED, arg=6, timeout=SECONDS)
    page.wait_for_function(WHOLE, timeout=SECONDS)
    assert "64 stripes" in canvas.get_attribute("aria-label")
