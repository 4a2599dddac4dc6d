"""Real ranks on emulated servers: locks flip between clients in the page, and are played again."""

from __future__ import annotations

import json

import pytest

from piotutor.engine.shared import why_not

pytestmark = [
    pytest.mark.browser,
    pytest.mark.mpi,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
]
MACHINE = {"clients": 2, "targets": 2, "latency": 1e-4, "target_overhead": 4e-3,
           "dirty_limit": 65536, "lock_protocol": "extents"}  # fmt: skip
WATCH = """
import piotutor as pio
run = await pio.watch("ior -a POSIX -n 2 -w -t 64k -b 64k -s 400", views=("locks",),
                      storage="emulated:{machine},stripe_size=128k,stripe_count=2")
"""
SECONDS = 120_000
SEEN = "least => Number(document.querySelector('.pio-canvas')?.dataset.events) > least"


def changed(page, before):
    page.wait_for_function(
        "old => document.querySelector('.pio-canvas').toDataURL() !== old", arg=before,
        timeout=SECONDS,
    )  # fmt: skip
    return page.locator(".pio-canvas").evaluate("canvas => canvas.toDataURL()")


def test_locks_flip_in_the_page_and_are_played_again(lab, jobs, tmp_path):
    path = tmp_path / "slow.json"
    path.write_text(json.dumps(MACHINE))
    lab.open("locks.ipynb", WATCH.replace("{machine}", str(path)))
    lab.run_all()
    page = lab.page
    page.wait_for_function(SEEN, arg=1, timeout=SECONDS)
    seen = float(page.locator(".pio-canvas").get_attribute("data-events"))
    page.wait_for_function(SEEN, arg=seen, timeout=SECONDS)  # while it runs
    page.locator("button:has-text('Stop'):not([disabled])").click()
    page.wait_for_selector("text=Stopped after", timeout=SECONDS)
    canvas = page.locator(".pio-canvas")
    assert canvas.get_attribute("role") == "img"
    assert "client 0 bytes" in canvas.get_attribute("aria-label")
    assert "clients take locks from each other" in page.locator(".pio-title").inner_text()
    page.get_by_title("play or pause the replay").click()
    before = changed(page, "")
    page.locator(".pio-transport input[type=range]").focus()
    page.keyboard.press("End")
    before = changed(page, before)
    select = page.locator(".pio-choice select").first
    select.select_option(index=1)
    first = changed(page, "")
    select.select_option(index=2)
    changed(page, first)
    assert jobs() == []
