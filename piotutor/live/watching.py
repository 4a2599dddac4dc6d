"""`watch` a run while it happens, `replay` one that is over; still pictures without widgets."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from piotutor import runner
from piotutor.errors import UsageError
from piotutor.plots.style import Style
from piotutor.runner import Run
from piotutor.stripemap import StripeMap
from piotutor.trace import RECORD, Trace
from piotutor.workload import Workload

VIEWS = ("access_map", "throughput")
"""What is shown when nothing is asked for."""


def has_widgets() -> bool:
    """Say whether live views can be made; without them there are still pictures."""
    return all(importlib.util.find_spec(name) for name in ("anywidget", "ipywidgets"))


async def watch(
    workload: Workload | str | list[str],
    *,
    views: Sequence[str] = VIEWS,
    seconds: float = 8,
    grid: int = 0,
    projector: bool | None = None,
    **options: Any,
) -> Run:
    """Run a workload and show it while it runs: ``run = await pio.watch(workload)`` in a cell.

    The output is Stop, the live views and, when the run is over, controls to replay it slowly.
    What remains in the saved notebook is a picture of each view with a text alternative.

    Parameters
    ----------
    workload : Workload, str or list of str
        What to run, or IOR's command line for it.
    views : sequence of str
        Some of ``access_map, throughput, latency, timeline, tank, queue, descent, ribbon, targets,
        locks, verdicts``.
    seconds : float
        How long the replay takes, at least 5.
    grid : int
        Bytes between grid lines in the access map: a page, a stripe, a lock unit; 0 for none.
    projector : bool, optional
        Large type and thick lines; by default what ``PIOTUTOR_PROJECTOR`` says.
    **options
        For `piotutor.start`.

    Returns
    -------
    Run
        Also when it was stopped.

    Raises
    ------
    UsageError
        It can't be run as asked.
    RunError
        It failed.
    """
    from piotutor.live import twin

    style = style_of(projector)
    if not has_widgets():
        run = await runner.run(workload, **options)
        show(twin.of_trace(run.trace, views, "still", style, grid))
        return run
    from piotutor.live.board import Board

    board = Board(views, seconds, grid, style)
    job = runner.start(workload, **options)
    assert job.workload is not None
    board.begin(job.workload)
    show_board(board.box)
    place = show(twin.of_words("", board.clock), board.clock)
    run = await board.run(job)
    update(place, twin.of_trace(run.trace, views, board.clock, style, grid))
    return run


class Replay:
    """A run that is over, to be played again; shows itself as the value of a cell."""

    def __init__(
        self, run: Run | Trace, views: Sequence[str], seconds: float, grid: int, style: Style | None
    ) -> None:
        self.trace = _trace_of(run)
        self.views, self.seconds, self.grid, self.style = views, seconds, grid, style

    def _ipython_display_(self) -> None:
        from piotutor.live import twin

        clock = "still"
        if has_widgets():
            from piotutor.live.board import Board

            board = Board(self.views, self.seconds, self.grid, self.style)
            board.bar.layout.display = "none"
            board.finish(self.trace, at_once=True)
            show_board(board.box)
            clock = board.clock
        show(twin.of_trace(self.trace, self.views, clock, self.style, self.grid))


def replay(
    run: Run | Trace,
    *,
    views: Sequence[str] = VIEWS,
    seconds: float = 8,
    grid: int = 0,
    projector: bool | None = None,
) -> Replay:
    """Show a run again, slowed: play, pause, step, scrub; the factor is shown.

    Parameters
    ----------
    run : Run or Trace
        Anything with records.
    views, seconds, grid, projector
        As for `watch`.

    Raises
    ------
    UsageError
        It is neither a run nor a trace.
    """
    return Replay(run, views, seconds, grid, style_of(projector))


def ribbon(what: Run | Trace | StripeMap, *, projector: bool | None = None) -> Replay:
    """Show a file as a ribbon of stripes that folds onto its objects and targets.

    Parameters
    ----------
    what : Run, Trace or StripeMap
        A run that knows where its first file's bytes lie, or a map, also of a file that isn't
        there: ``pio.stripe_map(layout, size)`` makes one by arithmetic.
    projector : bool, optional
        As for `watch`.

    Raises
    ------
    UsageError
        It is none of these, or the layout has copies or parity (`piotutor.plots.ribbon.plot_ribbon`
        draws these).
    """
    if isinstance(what, StripeMap):
        told = {"system": what.system, "source": what.source, "files": [what.to_dict()]}
        what = Trace(np.zeros(0, RECORD), meta={"map": told})
    return Replay(what, ("ribbon",), 8, 0, style_of(projector))


def _trace_of(run: Any) -> Trace:
    trace = getattr(run, "trace", run)
    if not isinstance(trace, Trace):
        raise UsageError(f"{type(run).__name__} can't be replayed: give a run or a trace")
    return trace


def style_of(projector: bool | None) -> Style | None:
    """Return the style of a projector setting; None for the default."""
    return None if projector is None else Style(projector=projector)


def show_board(widget: Any) -> None:
    """Put a widget into the cell's output."""
    display = importlib.import_module("IPython.display").display
    display(widget)


def show(bundle: dict[str, Any], name: str | None = None) -> Any:
    """Put a bundle into the cell's output, to be updated later under its name."""
    if importlib.util.find_spec("IPython") is None:
        return None
    display = importlib.import_module("IPython.display").display
    return display(bundle, raw=True, display_id=name)


def update(place: Any, bundle: dict[str, Any]) -> None:
    """Replace what `show` has put somewhere; from anywhere, also after its cell has ended."""
    if place is not None:
        place.update(bundle, raw=True)
