"""How soon the curve of `pio.whatif` follows a slider in a real Chromium, and what of it is kernel.

Each knob is turned by the arrow keys, over its whole range and back by half, 20 ms after the last
picture; a turn's time goes from the key's event in the page to the moment after the canvas was
painted, first (with the points that there are then) and whole, for which the page is waited for in
another round. The kernel's part is turned the same way without a browser, and without what was
computed before. With --most all that can take part does, but for the knob that is turned.

    python benchmarks/whatif_follow.py [--machine small-lustre] [--own] [--most]
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
WHOLE = FOLLOWED.replace("followed", "whole")
DONE = "document.querySelector('.pio-canvas').dataset.missing === '0'"


def main() -> None:
    """Measure both and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machine", default="small-lustre")
    parser.add_argument("--own", action="store_true", help="a file for each rank")
    parser.add_argument("--most", action="store_true", help="all clients, targets and stripes")
    options = parser.parse_args()
    files, most = "a file each" if options.own else "one shared file", ", all of it" * options.most
    load = os.getloadavg()[0]
    print(f"{options.machine}, {files}{most}, load {load:.1f}; ms: turns, median, 95%, most")
    kinds = options.machine, options.own, options.most
    show("the kernel's part", kernel(*kinds))
    first, whole = page(*kinds)
    show("event to picture", first)
    show("event to the whole", whole)


def show(name: str, times: list[float]) -> None:
    """Print a line of a table."""
    ordered = sorted(times)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    middle = statistics.median(ordered)
    print(f"{name:20} {len(ordered):4} {middle:8.1f} {p95:8.1f} {ordered[-1]:8.1f}")


def kernel(machine: str, own: bool, most: bool) -> list[float]:
    """Turn every knob without a browser."""
    view = WhatIfView(pio.whatif(machine=machine), "none")
    wall = []

    def turn(**knobs: Any) -> None:
        view._of.of._known.clear()
        began = time.perf_counter()
        with view.hold_trait_notifications():
            for knob, value in knobs.items():
                setattr(view, knob, value)
            view.turn += 1
        wall.append(1e3 * (time.perf_counter() - began))

    turn(own=own)
    if most:
        turn(**{knob: view.choices[knob][-1][0] for knob in KNOBS[:3]})
    for knob in KNOBS:
        for value in swept([value for value, _ in view.choices[knob]], most):
            if knob != "stripe_count" or value <= view.targets:
                turn(**{knob: value})
    return wall


def swept(values: list[int], most: bool) -> list[int]:
    """Return all values, ascending, and then those down to the middle, or the ends once more."""
    return values + ([values[0], values[-1]] if most else values[-2 : len(values) // 2 - 1 : -1])


def page(machine: str, own: bool, most: bool) -> tuple[list[float], list[float]]:
    """Turn every knob in a notebook, twice; in the second round wait for the whole curve."""
    with tempfile.TemporaryDirectory(prefix="piotutor-bench-") as name:
        env = {"PYTHONPATH": str(Path(__file__).parents[1]), "PIOTUTOR_STATE": f"{name}/state"}
        with server(Path(name), env) as running, chromium() as browser:
            rounds = []
            for whole in (False, True):
                lab = Lab(browser, running, Path(name))
                start(lab, machine, own, most)
                rounds.append([one for knob in KNOBS for one in sweep(lab.page, knob, most, whole)])
                lab.close()
    return rounds[0], rounds[1]


def start(lab: Lab, machine: str, own: bool, most: bool) -> None:
    """Open a notebook with knobs, and put them where they begin."""
    lab.open("b.ipynb", f"import piotutor as pio\npio.whatif(machine={machine!r})")
    lab.run_all()
    lab.page.wait_for_function(f"() => {TURN.replace('.dataset', '?.dataset')} === '0'")
    if own:
        lab.page.get_by_label("a file for each rank").check()
        lab.page.wait_for_function(f"() => {TURN} === '1'")
    for knob in KNOBS[:3] if most else ():
        press(lab.page, slider(lab.page, knob), "End", whole=True)


def slider(page: Any, knob: str) -> Any:
    """Return a knob, and let keys go to it."""
    found = page.locator(".pio-knobs input").nth(KNOBS.index(knob))
    found.focus()
    return found


def sweep(page: Any, knob: str, most: bool, whole: bool) -> list[float]:
    """Press Home, then the right arrow to the end, then the left one back by half, or Home, End."""
    one = slider(page, knob)
    last = int(one.get_attribute("max"))
    back = ["Home", "End"] if most else ["ArrowLeft"] * (last // 2)
    keys = ["Home", *["ArrowRight"] * last, *back]
    return [time for key in keys for time in press(page, one, key, whole)]


def press(page: Any, one: Any, key: str, whole: bool) -> list[float]:
    """Press a key, and return how long it took if that turned the knob."""
    before, turn = one.input_value(), page.evaluate(TURN)
    page.keyboard.press(key)
    if one.input_value() == before:
        return []
    page.wait_for_function(f"old => {TURN} !== old", arg=turn, timeout=60_000)
    if whole:
        page.wait_for_function(f"() => {DONE}", timeout=60_000)
    found = page.evaluate(WHOLE if whole else FOLLOWED)
    page.wait_for_timeout(20)
    return [found]


if __name__ == "__main__":
    main()
