"""A learner's way through a panel: move, run, watch, replay, stop; and what remains on paper."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.mpi, pytest.mark.slow, pytest.mark.timeout(300)]

PANEL = """
import piotutor as pio
start = pio.Workload.make(num_tasks=2, transfer_size=47008, block_size=47008, segment_count=20)
panel = pio.panel(start, controls=("segment_count", "repetitions", "test_file"), timeout=120)
panel
"""
FOR_LONG = """
panel.controls["repetitions"].max = 100000
panel.controls["repetitions"].value = 100000
"""
MAP = ".pio-canvas >> nth=0"
SECONDS = 90_000


@pytest.fixture
def panel(lab):
    """A notebook with a panel that is on the screen."""
    lab.open("panel.ipynb", PANEL)
    lab.run_all()
    lab.page.wait_for_selector(".pio-canvas[data-paints]", timeout=SECONDS)
    return lab


def slider(page, name):
    return page.locator(f".widget-slider:has-text('{name}') .noUi-handle")


def press(page, title):
    page.get_by_title(title, exact=True).click()


def picture(page):
    return page.locator(MAP).evaluate("canvas => canvas.toDataURL()")


def until(page, expression, arg=None):
    return page.wait_for_function(expression, arg=arg, timeout=SECONDS)


def events(page, more_than):
    """Wait until the map has painted more events than these, and return how many."""
    until(page, "n => Number(document.querySelector('.pio-canvas')?.dataset.events) > n", more_than)
    return int(page.locator(MAP).get_attribute("data-events"))


def test_a_slider_redraws_the_plan_and_the_numbers(panel):
    page = panel.page
    before = picture(page)
    slider(page, "segment count").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("text=write: 42 transfers")
    until(page, "old => document.querySelector('.pio-canvas').toDataURL() !== old", before)
    label = page.locator(MAP).get_attribute("aria-label")
    assert page.locator(MAP).get_attribute("role") == "img"
    assert label.startswith("42 writes of 47,008 bytes")


def test_run_is_seen_and_replayed(panel):
    page = panel.page
    press(page, "start the ranks")
    page.wait_for_selector("text=Done after", timeout=SECONDS)
    badge = page.locator(".pio-badge >> nth=0")
    assert badge.inner_text().startswith("measured · ")
    assert "2 ranks" in badge.inner_text()
    transport = page.locator(".pio-transport")
    until(page, "() => document.querySelector('.pio-transport').dataset.playing === 'true'")
    assert "slower" in page.locator(".pio-slow >> nth=0").inner_text()
    first = events(page, -1)
    events(page, first)  # the replay goes on by itself
    press(page, "play or pause the replay")
    assert transport.get_attribute("data-playing") == "false"
    press(page, "one step back")
    page.locator(".pio-transport input[type=range]").focus()
    page.keyboard.press("Home")
    until(page, "() => document.querySelector('.pio-canvas').dataset.events === '0'")
    page.keyboard.press("End")
    assert events(page, 79) == 80


def test_the_picture_moves_while_the_job_runs_until_stop(panel, jobs):
    page = panel.page
    panel.run_cell(FOR_LONG)
    page.wait_for_selector("text=-i 100000")
    press(page, "start the ranks")
    seen = events(page, 0)
    for _ in range(3):
        seen = events(page, seen)
    assert page.get_by_text("Running:").first.is_visible()
    assert jobs()
    page.locator("button:has-text('Stop'):not([disabled])").click()
    page.wait_for_selector("text=Stopped after", timeout=SECONDS)
    assert jobs() == []


def test_a_page_that_is_loaded_again_sees_the_run(panel):
    page = panel.page
    panel.run_cell(FOR_LONG)
    page.wait_for_selector("text=-i 100000")
    press(page, "start the ranks")
    seen = events(page, 100)
    panel.save()
    panel.open("panel.ipynb", reset=False)
    assert events(page, seen) > seen
    page.locator("button:has-text('Stop'):not([disabled])").click()
    page.wait_for_selector("text=Stopped after", timeout=SECONDS)


def test_a_mistake_is_one_line_in_the_panel(panel):
    page = panel.page
    box = page.locator(".widget-text:has-text('test file') input")
    box.fill("/no/such/directory/file")
    box.press("Enter")
    press(page, "start the ranks")
    said = page.wait_for_selector("span[role=alert]", timeout=SECONDS).inner_text()
    assert "/no/such/directory" in said
    assert "\n" not in said
    assert "Traceback" not in page.locator(".jp-Notebook").inner_text()


def test_on_paper_a_figure_with_its_text_remains(lab):
    from nbconvert import HTMLExporter

    cell = "import piotutor as pio\nrun = await pio.watch('ior -n 2 -t 47008 -b 47008 -s 10 -w')"
    lab.open("paper.ipynb", cell)
    lab.run_all()
    lab.page.wait_for_selector("text=Done after", timeout=SECONDS)
    until(lab.page, "() => document.querySelectorAll('.pio-twin figure img').length === 2")
    hidden = "() => getComputedStyle(document.querySelector('.pio-twin')).display === 'none'"
    assert lab.page.evaluate(hidden)
    lab.save()
    page, _ = HTMLExporter().from_filename(str(lab.directory / "paper.ipynb"))
    assert '<figure><img alt="20 writes of 47,008 bytes' in page
    lab.close()
    lab.context = lab.context.browser.new_context()
    paper = lab.context.new_page()
    paper.set_content(page)
    assert paper.locator("figure img").first.is_visible()
