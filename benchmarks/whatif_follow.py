"""How soon the curve of `pio.whatif` follows a slider in a real Chromium, and what of it is kernel.

Each knob is turned by the arrow keys, over its whole range and back by half; a turn's time goes
from the key's event in the page to the moment after the canvas was painted. The kernel's part is
turned the same way without a browser, and without what was computed before.

    python benchmarks/whatif_follow.py [--machine small-lustre] [--own]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import piotutor as pio
from piotutor.curves import KNOBS
from piotutor.live.what_if_view import WhatIfView
from piotutor.testing.browser import Lab, chromium, server

TURN = "document.querySelector('.pio-canvas').dataset.turn"
FOLLOWED = "Number(document.querySelector('.pio-canvas').dataset.followed)"


def main() -> None:
    """Measure both and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machine", default="small-lustre")
    parser.add_argument("--own", action="store_true", help="a file for each rank")
    options = parser.parse_args()
    print(f"{options.machine}, {'a file each' if options.own else 'one shared file'}, "
          f"load {os.getloadavg()[0]:.1f}; milliseconds: turns, median, 95%, most")  # fmt: skip
    wall, cpu = kernel(options.machine, options.own)
    show("the kernel's part", wall)
    show("its processor time", cpu)
    show("event to picture", page(options.machine, options.own))


def show(name: str, times: list[float]) -> None:
    """Print a line of a table."""
    ordered = sorted(times)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    middle = statistics.median(ordered)
    print(f"{name:20} {len(ordered):4} {middle:8.1f} {p95:8.1f} {ordered[-1]:8.1f}")


def kernel(machine: str, own: bool) -> tuple[list[float], list[float]]:
    """Turn every knob without a browser."""
    view = WhatIfView(pio.whatif(machine=machine), "none")
    wall, cpu = [], []

    def turn(**knobs: Any) -> None:
        view._of.of._known.clear()
        began, used = time.perf_counter(), time.process_time()
        with view.hold_trait_notifications():
            for knob, value in knobs.items():
                setattr(view, knob, value)
            view.turn += 1
        wall.append(1e3 * (time.perf_counter() - began))
        cpu.append(1e3 * (time.process_time() - used))

    turn(own=own)
    for knob in KNOBS:
        values = [value for value, _ in view.choices[knob]]
        for value in values + values[len(values) // 2 :: -1]:
            if knob != "stripe_count" or value <= view.targets:
                turn(**{knob: value})
    return wall, cpu


def page(machine: str, own: bool) -> list[float]:
    """Turn every knob in a notebook."""
    with tempfile.TemporaryDirectory(prefix="piotutor-bench-") as name:
        env = {"PYTHONPATH": str(Path(__file__).parents[1]), "PIOTUTOR_STATE": f"{name}/state"}
        with server(Path(name), env) as running, chromium() as browser:
            lab = Lab(browser, running, Path(name))
            lab.open("b.ipynb", f"import piotutor as pio\npio.whatif(machine={machine!r})")
            lab.run_all()
            lab.page.wait_for_function(f"() => {TURN.replace('.dataset', '?.dataset')} === '0'")
            if own:
                lab.page.get_by_label("a file for each rank").check()
                lab.page.wait_for_function(f"() => {TURN} === '1'")
            times = [time for knob in range(len(KNOBS)) for time in sweep(lab.page, knob)]
            lab.close()
    return times


def sweep(page: Any, knob: int) -> list[float]:
    """Press Home, then the right arrow to the end, and the left one back by half."""
    slider, times = page.locator(".pio-knobs input").nth(knob), []
    slider.focus()
    last = int(slider.get_attribute("max"))
    for key in ["Home", *["ArrowRight"] * last, *["ArrowLeft"] * (last // 2)]:
        before, turn = slider.input_value(), page.evaluate(TURN)
        page.keyboard.press(key)
        if slider.input_value() != before:
            page.wait_for_function(f"old => {TURN} !== old", arg=turn, timeout=60_000)
            times.append(page.evaluate(FOLLOWED))
            page.wait_for_timeout(20)
    return times


if __name__ == "__main__":
    main()
