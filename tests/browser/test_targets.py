"""A run on a Ceph of its own: its servers' strips grow in the page, its file folds onto them."""

from __future__ import annotations

import pytest

from piotutor.errors import PiotutorError
from piotutor.storage.ceph import binaries

pytestmark = [pytest.mark.browser, pytest.mark.mpi, pytest.mark.slow, pytest.mark.timeout(300)]

WATCH = """
import piotutor as pio
line = "ior -a POSIX -n 2 -w -t 64k -b 1m -i {times}"
run = await pio.watch(line, views=("targets", "ribbon"), seconds=60,
                      storage="ceph:osds=2,stripe_unit=64k,stripe_count=2")
"""
SECONDS = 120_000
SEEN = "least => Number(document.querySelector('.pio-canvas')?.dataset.events) > least"
COUNTED = "count => document.querySelector('.pio-canvas').dataset.events === count"


@pytest.fixture
def ceph():
    """Skip where there is no Ceph to start."""
    try:
        binaries.find()
    except PiotutorError as error:
        pytest.skip(str(error))


def start(lab, times):
    lab.open("targets.ipynb", WATCH.replace("{times}", str(times)))
    lab.run_all()


def picture(page, number):
    return page.locator(".pio-canvas").nth(number).evaluate("canvas => canvas.toDataURL()")


def changed(page, number, before):
    page.wait_for_function(
        "([n, old]) => document.querySelectorAll('.pio-canvas')[n].toDataURL() !== old",
        arg=[number, before],
        timeout=SECONDS,
    )
    return picture(page, number)


def test_the_servers_strips_grow_while_the_job_runs(lab, jobs, ceph):
    start(lab, times=300)
    page = lab.page
    page.wait_for_function(SEEN, arg=0, timeout=SECONDS)
    seen = float(page.locator(".pio-canvas").first.get_attribute("data-events"))
    page.wait_for_function(SEEN, arg=seen, timeout=SECONDS)
    page.locator("button:has-text('Stop'):not([disabled])").click()
    page.wait_for_selector("text=Stopped after", timeout=SECONDS)
    assert jobs() == []


def test_the_ribbon_folds_by_keyboard_and_every_stripe_says_where_it_is(lab, jobs, ceph):
    start(lab, times=1)
    page = lab.page
    page.wait_for_selector("text=Done after", timeout=SECONDS)
    titles = page.locator(".pio-title").all_inner_texts()
    assert titles[1] == "2 MiB in 32 stripes of 64 KiB, in turn over 2 objects on 2 OSDs"
    page.get_by_title("play or pause the replay").click()
    page.locator(".pio-transport input[type=range]").focus()
    page.keyboard.press("End")
    strips, ribbon = (page.locator(".pio-canvas").nth(n) for n in (0, 1))
    page.wait_for_function(COUNTED, arg=str(2 * 2**20), timeout=SECONDS)
    for canvas in (strips, ribbon):
        assert canvas.get_attribute("role") == "img"
    assert "OSD 1: 1 MiB in" in strips.get_attribute("aria-label")
    assert "stripes 0, 2, 4" in ribbon.get_attribute("aria-label")

    before = picture(page, 1)
    ribbon.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    line = "stripe 1 = bytes 64-128 KiB → object 1, offset 0, OSD "
    page.wait_for_selector(f".pio-said:has-text('{line}')", timeout=SECONDS)
    assert page.locator(".pio-said").inner_text().endswith("by rank 0")
    before = changed(page, 1, before)
    page.get_by_label("how far the ribbon is folded").focus()
    page.keyboard.press("Home")
    before = changed(page, 1, before)
    page.keyboard.press("End")
    before = changed(page, 1, before)
    page.locator(".pio-choice select").nth(1).select_option("rank")
    changed(page, 1, before)

    before = picture(page, 0)
    page.locator(".pio-choice select").first.select_option("operations")
    changed(page, 0, before)
    assert jobs() == []
