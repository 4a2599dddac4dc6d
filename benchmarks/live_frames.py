"""Frames per second, kernel CPU a frame and delay of the live access map in a real Chromium.

64 ranks x 1,024 stripes, 20,000 events/s arriving in trace files, followed as a run is followed.

    python benchmarks/live_frames.py [--seconds 10] [--ranks 64] [--rate 20000] [--mode heat]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path

from piotutor.testing.browser import Lab, chromium, server

CELL = """
import asyncio, json, subprocess, sys, tempfile, time
from pathlib import Path
from IPython.display import display
from piotutor.live.access_map import AccessMap
from piotutor.live.board import follow
from piotutor.live.look import look
from piotutor.live.scene import Scene
from piotutor.trace import Follower

RANKS, STRIPES, RATE, SECONDS, MODE, SOURCE = {parameters}
directory = Path(tempfile.mkdtemp(prefix="piotutor-bench-"))
view = AccessMap(look=look(RANKS), badge="synthetic events", title="benchmark")
scene = Scene(ranks=RANKS, file_sizes=(STRIPES << 20,), transfer=1 << 20, transfers=1000)
view.begin(scene)
view.mode, view.lens = MODE, False
display(view)
"""

RUN = """
values = map(str, (directory, RANKS, STRIPES, RATE, SECONDS))
source = subprocess.Popen([sys.executable, SOURCE, *values])
await follow(Follower(directory), [view], lambda: view.origin is not None)  # warm
used, start = time.process_time(), time.monotonic()
count = await follow(Follower(directory), [view], lambda: source.poll() is not None)
took = time.monotonic() - start
report = dict(polls=count, seconds=took, cpu=time.process_time() - used)
Path("report.json").write_text(json.dumps(report))
import shutil; shutil.rmtree(directory)
"""

SOURCE = """
import random, sys, time
from pathlib import Path
from piotutor.trace import Layer, Op, TraceWriter, tail

directory, ranks, stripes, rate, seconds = Path(sys.argv[1]), *map(int, sys.argv[2:6])
paths = [directory / f"rank-{r:05d}.piot" for r in range(ranks)]
writers = [TraceWriter(path, rank=r, files=["data"]) for r, path in enumerate(paths)]
begin, made = time.monotonic(), 0
while (gone := time.monotonic() - begin) < seconds:
    for _ in range(int(gone * rate) - made):
        rank, now = random.randrange(ranks), time.monotonic_ns()
        writers[rank].append(start=now - 50_000, end=now, offset=random.randrange(stripes) << 20,
            length=1 << 20, result=1 << 20, file=0, layer=Layer.APP, op=Op.WRITE)
        made += 1
    time.sleep(0.002)
for writer in writers:
    writer.close()
print(made)
"""

WATCH = """async seconds => {
  const canvas = document.querySelector('.pio-canvas');
  const lags = [], gaps = [];
  let paints = null, last = performance.now();
  const first = Number(canvas.dataset.paints), begin = last;
  while (performance.now() - begin < seconds * 1000) {
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
    if (canvas.dataset.paints === paints) continue;
    paints = canvas.dataset.paints;
    lags.push(Number(canvas.dataset.lag));
  }
  const seen = { paints: Number(canvas.dataset.paints) - first, seconds: (last - begin) / 1000 };
  return { ...seen, lags, gaps, events: Number(canvas.dataset.events) };
}"""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "source.py").write_text(SOURCE)
        root = str(Path(__file__).resolve().parent.parent)
        with server(directory, {"PYTHONPATH": root}) as running, chromium() as browser:
            seen = _measure(Lab(browser, running, directory), directory, options)
        kernel = json.loads((directory / "report.json").read_text())
    print(json.dumps(_summary(seen, kernel), indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--ranks", type=int, default=64)
    parser.add_argument("--stripes", type=int, default=1024)
    parser.add_argument("--rate", type=int, default=20000, help="events per second")
    parser.add_argument("--mode", default="heat", choices=["heat", "time", "rank"])
    return parser.parse_args()


def _measure(lab: Lab, directory: Path, options: argparse.Namespace) -> dict:
    source = str(directory / "source.py")
    values = (
        options.ranks,
        options.stripes,
        options.rate,
        options.seconds + 4,
        options.mode,
        source,
    )
    lab.open("bench.ipynb", CELL.format(parameters=repr(values)))
    lab.run_all()
    canvas = lab.page.wait_for_selector(".pio-canvas[data-paints]", timeout=60_000)
    lab.run_cell(RUN)
    lab.page.wait_for_function("c => Number(c.dataset.events) > 1000", arg=canvas)
    seen = lab.page.evaluate(WATCH, options.seconds)
    shots = Path("/tmp/shots")
    if shots.is_dir():
        canvas.screenshot(path=str(shots / f"bench-{options.mode}.png"))
    while not (directory / "report.json").exists():
        lab.page.wait_for_timeout(200)
    lab.close()
    return seen


def _summary(seen: dict, kernel: dict) -> dict:
    lags = sorted(seen["lags"])
    return {
        "frames/s": round(seen["paints"] / seen["seconds"], 1),
        "events shown": seen["events"],
        "kernel CPU ms a frame": round(1000 * kernel["cpu"] / kernel["polls"], 2),
        "event to picture ms, median": round(statistics.median(lags)),
        "event to picture ms, 95%": round(lags[int(0.95 * len(lags))]),
        "event to picture ms, most": round(lags[-1]),
        "longest gap between frames ms": round(max(seen["gaps"])),
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    main()
