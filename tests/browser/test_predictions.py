"""A learner's way through a lesson: predict by a click, run, be locked out, and be answered."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.mpi, pytest.mark.slow, pytest.mark.timeout(300)]

SECONDS = 90_000
ASK = """
import piotutor as pio
lesson = pio.Lesson("04")
lesson.predict("segment")
"""
RUN = """
job = pio.Workload.make(block_size="256k", transfer_size="64k", segment_count=2, write=True)
run = await lesson.watch(job, "segments", views=("access_map",))
"""


def test_a_click_predicts_and_the_run_locks(lab, jupyter):
    _, _, state = jupyter
    lab.open("predict.ipynb", ASK)
    lab.run_all()
    page = lab.page
    page.wait_for_selector("text=no prediction yet", timeout=SECONDS)
    page.get_by_text("b) at 768 KiB").click()
    page.wait_for_selector("text=your prediction: b; you may change it", timeout=SECONDS)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    page.wait_for_selector("text=your prediction: a; you may change it", timeout=SECONDS)
    lab.run_cell(RUN)
    page.wait_for_selector("text=locked: your prediction: a", timeout=SECONDS)
    assert page.locator("input[type=radio]:not([disabled])").count() == 0
    lab.run_cell('lesson.compare("segment")')
    page.wait_for_selector("text=a rank's blocks lie together", timeout=SECONDS)
    line = json.loads((state / "predictions.jsonl").read_text().splitlines()[-1])
    assert (line["lesson"], line["question"], line["value"]) == ("04", "segment", "a")
