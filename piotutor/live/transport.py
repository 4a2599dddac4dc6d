"""Replay controls: play, pause, step and scrub through a run that is over."""

from __future__ import annotations

import anywidget
import numpy as np
import traitlets

from piotutor.live import frames, wire

MIN_SECONDS = 5.0
"""A replay lasts at least this long: a run of 0.2 s is over before anyone looks."""
MARKS = 5000
"""Requests that a step goes to one by one; of more, equal parts of the time."""
SHORT = 3.0
"""Seconds; a shorter run is replayed at once."""


class Transport(anywidget.AnyWidget):
    """A button, two steps and a scrubber; the views with the same clock follow in the browser.

    Attributes
    ----------
    clock : str
        Which views follow.
    span : float
        Milliseconds that the run took; 0 while there is nothing to replay.
    seconds : float
        How long the replay takes.
    marks : list of float
        Moments (ms) to step to.
    autoplay : bool
        Whether the replay starts by itself.
    look : dict
        As of the views.
    """

    _esm = wire.module("transport")
    _css = wire.static("view.css")

    clock = traitlets.Unicode().tag(sync=True)
    span = traitlets.Float(0.0).tag(sync=True)
    seconds = traitlets.Float(8.0).tag(sync=True)
    marks = traitlets.List(traitlets.Float()).tag(sync=True)
    autoplay = traitlets.Bool(True).tag(sync=True)
    look = traitlets.Dict().tag(sync=True)

    @property
    def factor(self) -> float:
        """How many times slower than the run the replay is."""
        return self.seconds * 1000 / self.span if self.span else 1.0

    def live(self) -> None:
        """Nothing to replay: a run is under way."""
        self.span = 0.0

    def ready(self, records: np.ndarray, at_once: bool = False) -> None:
        """Offer the replay of these records, `MIN_SECONDS` long or more, and perhaps begin it."""
        origin, span = frames.reach(records)
        moments = frames.slices(frames.extents(records), MARKS)
        self.seconds = max(self.seconds, MIN_SECONDS)
        with self.hold_sync():
            self.marks = ((moments - origin) / 1e6).tolist()
            self.autoplay = at_once or span < SHORT * 1000
            self.span = span
