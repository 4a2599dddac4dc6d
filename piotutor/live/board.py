"""Views, Stop button and replay controls as one output, and what keeps them up to date."""

from __future__ import annotations

import asyncio
import html
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import ipywidgets
import numpy as np

from piotutor.errors import UsageError
from piotutor.live import finding
from piotutor.live.access_map import AccessMap
from piotutor.live.charts import LatencyHistogram, RankTimeline, Tank, Throughput
from piotutor.live.descent import Descent
from piotutor.live.frames import as_application
from piotutor.live.locks import Locks
from piotutor.live.look import look
from piotutor.live.queue import QueueSweep
from piotutor.live.ribbon_view import Ribbon
from piotutor.live.scene import Scene
from piotutor.live.targets import TargetStrips
from piotutor.live.transport import Transport
from piotutor.live.verdicts import VerdictPanel
from piotutor.live.view import View
from piotutor.plots.style import Style
from piotutor.runner import Job, Run
from piotutor.trace import Trace
from piotutor.units import format_seconds
from piotutor.workload import Workload

VIEWS: dict[str, type[View]] = {
    view.name: view
    for view in (
        AccessMap,
        Throughput,
        LatencyHistogram,
        RankTimeline,
        QueueSweep,
        Tank,
        Descent,
        Ribbon,
        TargetStrips,
        Locks,
        VerdictPanel,
    )
}
"""The live views, by the names of their twins in `piotutor.plots.KINDS`."""

INTERVAL = 1 / 30
"""Seconds from one poll to the next."""
FILES = 22
"""Trace files looked at in one poll: of 64 ranks each one 10 times a second."""


class Source(Protocol):
    """Where records come from; `piotutor.trace.Follower` is one."""

    @property
    def dropped(self) -> int:
        """Records that found no room, so far."""

    def poll(self, everything: bool = False, most: int | None = None) -> np.ndarray:
        """Return the new records, sorted by start."""


async def follow(
    source: Source,
    views: Iterable[View],
    over: Callable[[], bool],
    tell: Callable[[int], None] = lambda count: None,
) -> int:
    """Hand every new record to all views until `over`; returns the number of polls.

    `tell` is called at every eighth poll with the number of records so far.
    """
    polls, count, last = 0, 0, False
    loop = asyncio.get_running_loop()
    due = loop.time()
    while not last:
        last = over()
        records = source.poll(everything=True) if last else source.poll(most=FILES)
        dropped = source.dropped
        for view in views:
            view.add(records)
            if view.dropped != dropped:
                view.dropped = dropped
        count += len(records)
        if polls % 8 == 0:
            tell(count)
        polls += 1
        due = max(due + INTERVAL, loop.time())
        await asyncio.sleep(due - loop.time())
    return polls


class Interrupted(asyncio.CancelledError):
    """The kernel was interrupted while a run was followed: the run has been ended."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback."""
        return ["Interrupted: the run was ended. Run the cell again to begin it anew"]


class Board:
    """Some views of one run, with Stop and replay.

    Parameters
    ----------
    views : sequence of str
        Of `VIEWS`.
    seconds : float
        How long a replay takes.
    grid : int
        Bytes between the grid lines of the access map; 0 for none.
    style : Style, optional
        Its `projector` setting; by default ``PIOTUTOR_PROJECTOR``.

    Raises
    ------
    UsageError
        There is no such view.
    """

    def __init__(
        self, views: Sequence[str], seconds: float = 8, grid: int = 0, style: Style | None = None
    ) -> None:
        check(views)
        self.names, self.grid, self.style = tuple(views), grid, style
        self.clock = "c" + secrets.token_hex(6)
        self.views = [VIEWS[name](clock=self.clock) for name in views]
        for view in self.views:
            if isinstance(view, AccessMap):
                view.grid = grid
        self.transport = Transport(clock=self.clock, seconds=seconds)
        self.stop_button = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
        self.stop_button.on_click(lambda _: self.stop())
        self.status = ipywidgets.HTML()
        self.bar = ipywidgets.HBox([self.stop_button, self.status])
        self.box = ipywidgets.VBox([self.bar, *self.views, self.transport])
        self.job: Job | None = None

    def dress(self, ranks: int) -> None:
        """Give all views the look for so many ranks."""
        worn = look(ranks, self.style)
        for widget in (*self.views, self.transport):
            widget.look = worn

    def begin(self, workload: Workload) -> None:
        """Show an empty stage for a run that is about to start."""
        self.dress(workload.num_tasks)
        self.transport.live()
        scene, ranks = Scene.of_workload(workload), workload.num_tasks
        for view in self.views:
            view.begin(scene)
            view.title = view.alt = "Waiting for the first transfer"
            view.badge = f"live · {workload.api}, {ranks} rank{'s' * (ranks > 1)}"

    async def run(self, job: Job) -> Run:
        """Follow a job to its end and show it whole; a cancelled one is stopped.

        Raises
        ------
        Interrupted
            It was cancelled.
        RunError, UsageError
            It failed; what it did until then is shown.
        """
        self.job, self.stop_button.disabled = job, False
        for view in self.views:
            view.system = job.filesystem
        ending = asyncio.ensure_future(job.wait())
        try:
            source = job.deep_follower if any(v.below for v in self.views) else job.follower
            await follow(source, self.views, ending.done, self._tell)
            run = await ending
        except asyncio.CancelledError:
            self.say("Interrupted, and ended with all its processes", bad=True)
            for view in self.views:
                view.title = view.alt = "Interrupted"
            raise Interrupted from None
        except Exception as error:
            self.say(str(error), bad=True)
            raise
        finally:
            ending.cancel()
            self.stop_button.disabled = True
        self.finish(run.trace)
        words = {"done": "Done", "stopped": "Stopped", "timeout": "Time is up"}
        self.say(f"{words.get(run.status, run.status)} after {format_seconds(run.seconds)}")
        return run

    def finish(self, trace: Trace, at_once: bool = False) -> None:
        """Show a run that is over, and offer its replay (or begin it `at_once`)."""
        shown = as_application(trace)
        scene = Scene.of_trace(shown)
        self.dress(scene.ranks)
        for view in self.views:
            if not hasattr(view, "scene"):
                view.begin(scene)
            view.finish(trace if view.below else shown)
            words = finding.of_trace(trace, view.name, self.grid)
            with view.hold_sync():
                view.title, view.alt, view.badge = words.title, words.alt, words.badge
        if len(shown):
            self.transport.ready(shown.records, at_once)

    def stop(self) -> None:
        """Stop the job, if one is running."""
        if self.job is not None:
            self.stop_button.disabled = True
            self.say("Stopping ...")
            self.job.stop()

    def say(self, text: str, bad: bool = False) -> None:
        """Show a line beside the Stop button; an error is announced."""
        color, role = ("#b3261e", "alert") if bad else ("inherit", "status")
        lines = html.escape(text).replace("\n", "<br>")
        self.status.value = f'<span role="{role}" style="color:{color}">{lines}</span>'

    def _tell(self, count: int) -> None:
        assert self.job is not None
        if self.job.state in ("waiting", "starting", "finishing"):
            why = self.job.why
            return self.say(f"Waiting: {why}" if why else "Starting the ranks ...")
        self.say(f"Running: {count:,} calls so far" if count else "Starting the ranks ...")
        for view in self.views:
            view.title = f"Running: {count:,} calls so far"
            view.alt = view.title
        return None


def check(views: Sequence[str]) -> None:
    """Refuse names that aren't views."""
    if isinstance(views, str):
        raise UsageError(f"views={views!r} is one word: write views=({views!r},)")
    for name in views:
        if name not in VIEWS:
            raise UsageError(f"{name!r} is no view: use some of {', '.join(VIEWS)}")
