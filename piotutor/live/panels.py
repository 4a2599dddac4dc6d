"""`panel`: sliders, the planned pattern, Run and Stop, and the live views, in one output."""

from __future__ import annotations

import asyncio
import html
import traceback
from collections.abc import Sequence
from typing import Any

import ipywidgets

from piotutor import ior, runner
from piotutor.errors import PiotutorError, RunError, UsageError
from piotutor.live import controls, finding, twin
from piotutor.live.access_map import AccessMap
from piotutor.live.board import Board
from piotutor.live.scene import Scene
from piotutor.live.watching import VIEWS, show, show_board, style_of, update
from piotutor.runner import Run
from piotutor.units import format_count, format_size
from piotutor.workload import Workload, options

CONTROLS = (
    "api", "num_tasks", "block_size", "transfer_size", "segment_count", "file_per_process",
    "collective", "random_offset",
)  # fmt: skip
"""The knobs that are shown when nothing is asked for."""


class Panel:
    """What `panel` returns: shows itself as the value of a cell.

    Attributes
    ----------
    workload : Workload or None
        What the sliders say; None while they contradict each other.
    run : Run or None
        The last run.
    """

    def __init__(
        self,
        workload: Workload,
        names: Sequence[str],
        board: Board,
        grid: int,
        run_options: dict[str, Any],
    ) -> None:
        _check_names(names)
        self.workload: Workload | None = workload
        self.run: Run | None = None
        self.board = board
        self._base, self._grid, self._options = workload, grid, run_options
        self.controls = {name: controls.control(name, workload) for name in names}
        self.run_button = ipywidgets.Button(
            description="Run", icon="play", button_style="primary", tooltip="start the ranks"
        )
        self.prediction = ipywidgets.HTML()
        self.details = ipywidgets.HTML()
        self._task: asyncio.Task[None] | None = None
        self._place: Any = None
        self.box = self._build()
        self.changed()

    def _build(self) -> ipywidgets.Widget:
        self.run_button.on_click(lambda _: self.start())
        for widget in self.controls.values():
            widget.observe(lambda _: self.changed(), "value")
        left = ipywidgets.VBox([*self.controls.values()], layout={"width": "55%"})
        right = ipywidgets.VBox([self.prediction], layout={"width": "43%", "padding": "0 0 0 1em"})
        bar = ipywidgets.HBox([self.run_button, *self.board.bar.children])
        return ipywidgets.VBox(
            [ipywidgets.HBox([left, right]), bar, self.details, *self.board.box.children[1:]]
        )

    @property
    def running(self) -> bool:
        """Whether a job of this panel is under way."""
        return self._task is not None and not self._task.done()

    def changed(self) -> None:
        """Foresee the run that the controls describe, or say what contradicts."""
        try:
            values = {name: controls.read(name, w) for name, w in self.controls.items()}
            self.workload = self._base.replace(**values)
        except UsageError as error:
            self.workload = None
            self.run_button.disabled = True
            self.prediction.value = _alert(str(error))
            return
        self.run_button.disabled = self.running
        self.prediction.value = foreseen(self.workload)
        if not self.running:
            self._plan(self.workload)

    def _plan(self, workload: Workload) -> None:
        self.board.dress(workload.num_tasks)
        self.board.transport.live()
        for view in self.board.views:
            if isinstance(view, AccessMap):
                view.plan(workload)
                view.title, view.badge, view.alt = finding.of_plan(workload, self._grid)
            else:
                view.begin(Scene.of_workload(workload))
                view.title = view.alt = "Press Run"
                view.badge = "nothing has run"

    def start(self) -> None:
        """Start the job, as the Run button does; returns at once."""
        if self.workload is not None and not self.running:
            self.run_button.disabled = True
            self._task = asyncio.ensure_future(self._go(self.workload))

    async def wait(self) -> Run | None:
        """Wait for the job that is under way, and return the last run."""
        if self._task is not None:
            await self._task
        return self.run

    async def _go(self, workload: Workload) -> None:
        """Run and show; what goes wrong is said in the panel: nobody else would see it."""
        self.details.value = ""
        try:
            self.board.begin(workload)
            self.run = await self.board.run(runner.start(workload, **self._options))
            names, clock = self.board.names, self.board.clock
            style = self.board.style
            update(self._place, twin.of_trace(self.run.trace, names, clock, style, self._grid))
        except PiotutorError as error:
            self.board.say(str(error), bad=True)
            if isinstance(error, RunError):
                self.details.value = _folded(f"run directory: {error.run_dir}")
        except Exception as error:
            self.board.say(f"{type(error).__name__}: {error}", bad=True)
            self.details.value = _folded(traceback.format_exc())
        finally:
            self.run_button.disabled = self.workload is None

    def _ipython_display_(self) -> None:
        show_board(self.box)
        plan = twin.of_plan(self._base, self.board.clock, self.board.style, self._grid)
        self._place = show(plan, self.board.clock)


def panel(
    workload: Workload | str | None = None,
    *,
    controls: Sequence[str] = CONTROLS,
    views: Sequence[str] = VIEWS,
    seconds: float = 8,
    grid: int = 0,
    projector: bool | None = None,
    **options: Any,
) -> Panel:
    """Show sliders for a workload, what they plan, and Run; the value of a cell.

    Parameters
    ----------
    workload : Workload or str, optional
        Where the sliders begin; also an IOR command line. What has no control stays as it is.
    controls : sequence of str
        Fields of `Workload`.
    views, seconds, grid, projector
        As for `watch`.
    **options
        For `piotutor.start`.

    Raises
    ------
    UsageError
        There is no such control or view.
    """
    style = style_of(projector)
    board = Board(views, seconds, grid, style)
    return Panel(_workload(workload), controls, board, grid, options)


def _workload(given: Workload | str | None) -> Workload:
    if not isinstance(given, str):
        return given or Workload()
    parsed, unsupported = ior.parse(given)
    if unsupported:
        raise UsageError(f"no equal here for {', '.join(unsupported)}: leave it out")
    return parsed


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if name not in options():
            raise UsageError(f"{name!r} is no control: use some of {', '.join(options())}")


def foreseen(workload: Workload) -> str:
    """Return what a run will do, in numbers, as HTML."""
    each = workload.block_size // workload.transfer_size * workload.segment_count
    calls = format_count(each * workload.num_tasks)
    files = "1 file that all share" if workload.num_files == 1 else f"{workload.num_files} files"
    rows = [f"{workload.num_tasks} ranks, {files}"]
    rows += [f"{phase.replace('_', ' ')}: {calls} transfers" for phase in workload.phases]
    rows.append(f"{format_size(workload.total_bytes)} in each phase")
    rows.append(
        f"{format_size(workload.bytes_per_rank)} for each rank, in {format_count(each)} transfers"
    )
    items = "".join(f"<li>{html.escape(row)}</li>" for row in rows)
    command = f"<code>{html.escape(ior.command(workload))}</code>"
    return (
        f"<b>What it will do</b><ul style='margin:0'>{items}</ul><small>as IOR: {command}</small>"
    )


def _alert(text: str) -> str:
    return f'<span role="alert" style="color:#b3261e">{html.escape(text)}</span>'


def _folded(text: str) -> str:
    return f"<details><summary>details</summary><pre>{html.escape(text)}</pre></details>"
