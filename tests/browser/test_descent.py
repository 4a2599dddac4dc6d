"""A collective job descends through the layers while it runs, and step by step in its replay."""

from __future__ import annotations

import pytest

from piotutor.capture import preload

pytestmark = [pytest.mark.browser, pytest.mark.mpi, pytest.mark.slow, pytest.mark.timeout(300)]

WATCH = """
import piotutor as pio
hints = "romio_cb_write=enable,cb_config_list=*:1"
line = f"ior -a MPIIO -c -n 2 -t 47008 -b 47008 -s 4 -w -i {times} --hints {hints}"
run = await pio.watch(line, views=("descent",), seconds=60)
"""
SECONDS = 90_000
SEEN = "() => Number(document.querySelector('.pio-canvas')?.dataset.events) > 0"


@pytest.fixture
def library():
    """Skip where the layers below can't be recorded."""
    if preload.library() is None:
        pytest.skip(preload.why_not())


def start(lab, times):
    lab.open("descent.ipynb", WATCH.replace("{times}", str(times)))
    lab.run_all()


def picture(page):
    return page.locator(".pio-canvas").evaluate("canvas => canvas.toDataURL()")


def changed(page, before):
    expression = "old => document.querySelector('.pio-canvas').toDataURL() !== old"
    page.wait_for_function(expression, arg=before, timeout=SECONDS)
    return picture(page)


def test_the_descent_moves_while_the_job_runs(lab, jobs):
    page = lab.page
    start(lab, times=100_000)
    page.wait_for_function(SEEN, timeout=SECONDS)
    before = picture(page)
    for _ in range(3):
        before = changed(page, before)
    assert jobs()
    page.locator("button:has-text('Stop'):not([disabled])").click()
    page.wait_for_selector("text=Stopped after", timeout=SECONDS)
    assert jobs() == []


def test_a_step_shows_one_request_and_all_it_caused(lab, jobs, library):
    page = lab.page
    start(lab, times=1)
    page.wait_for_selector("text=Done after", timeout=SECONDS)
    title = page.locator(".pio-title").inner_text()
    assert title == "8 writes of 47,008 bytes became 4 system calls on rank 0"
    canvas = page.locator(".pio-canvas")
    assert canvas.get_attribute("role") == "img"
    assert "4 pwrites" in canvas.get_attribute("aria-label")
    page.get_by_title("play or pause the replay").click()
    page.locator(".pio-transport input[type=range]").focus()
    page.keyboard.press("Home")
    page.wait_for_function("() => document.querySelector('.pio-canvas').dataset.events === '0'")
    before = picture(page)
    page.get_by_title("one step ahead", exact=True).focus()
    told = set()
    for _ in range(4):
        page.keyboard.press("Enter")
        before = changed(page, before)
        told.add(page.locator(".pio-said").inner_text())
    assert "rank 0 writes 47,008 bytes → 1 MPI-IO call → 1 system call" in told
    other = "rank 1 writes 47,008 bytes → 1 MPI-IO call → its bytes written by rank 0"
    assert other in told
    for choice in ("time", "request"):
        page.locator(".pio-choice select").select_option(choice)
        before = changed(page, before)
    assert jobs() == []


def test_on_paper_the_figure_remains(lab, library):
    start(lab, times=1)
    lab.page.wait_for_selector("text=Done after", timeout=SECONDS)
    lab.page.wait_for_selector(".pio-twin figure img", state="attached", timeout=SECONDS)
    html = lab.page.locator(".pio-twin figure img").get_attribute("alt")
    assert html.startswith("8 writes of 47,008 bytes became 4 system calls on rank 0")
