"""What all views share: plain traits, chunks sent as binary messages, a frame kept for reloads.

A view is told `begin` once, `add` for every chunk of records while the job runs, and `finish`
with all of them when it is over. A page that begins to show it says so and gets what there is so
far; the finished picture is the trait ``frame``, which outlives the page.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

import anywidget
import numpy as np
import traitlets

from piotutor.live import frames, wire
from piotutor.live.scene import Scene
from piotutor.trace import Trace


class View(anywidget.AnyWidget):
    """A canvas that shows one aspect of a run; subclasses give `_esm` and the numbers.

    Attributes
    ----------
    title : str
        The finding, in one line.
    alt : str
        The finding in words, for who can't see the canvas.
    badge : str
        Provenance, file system, host, MPI, ranks.
    dropped : int
        Records that found no room.
    look : dict
        Colours, type size and line width: `piotutor.live.look.look`.
    frame : dict
        The last frame, with its bytes: `piotutor.live.wire.pack`.
    clock : str
        Which replay this view follows.
    """

    _css = wire.static("view.css")

    title = traitlets.Unicode().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    badge = traitlets.Unicode().tag(sync=True)
    dropped = traitlets.Int(0).tag(sync=True)
    look = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    clock = traitlets.Unicode().tag(sync=True)

    name: ClassVar[str] = ""
    """What `watch(views=...)` calls it."""

    system = ""
    """The file system of the run, where it is known: how its targets are called."""

    _live = False
    _runs = 0

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._asked)

    def begin(self, scene: Scene) -> None:
        """Get ready for a run; shows an empty scene."""
        self.scene, self.span = scene, 0.0
        self._runs += 1
        self.origin: int | None = None
        self._early: list[np.ndarray] = []
        self._chunks: list[wire.Arrays] = []
        self._live = True
        self._start()
        self._keep("load", self._empty())
        self.frame = wire.pack({**self.meta(), "kind": "load", "run": self._runs}, self._chunks[0])

    def add(self, records: np.ndarray) -> None:
        """Take the records that are new, and send what changes."""
        if not len(records):
            return
        if self.origin is None:
            records = self._begun(records)
        if self.origin is None:
            return
        columns = self._more(records)
        if columns is not None:
            self._show(columns, records["end"])

    def _begun(self, records: np.ndarray) -> np.ndarray:
        """Hold what servers and samplers told until ranks begin: from then on time counts."""
        self._early.append(records)
        held = np.concatenate(self._early)
        ranks = held["start"][held["rank"] >= 0]
        if len(ranks):
            self.origin = int(ranks.min())
            self._early.clear()
        return held

    def finish(self, trace: Trace) -> None:
        """Show a whole run; from now on it can be replayed."""
        self._live = False
        self.origin, self.span = frames.reach(trace.records)
        meta, columns = self._whole(trace)
        self._chunks = [columns]
        self.frame = wire.pack({"span": self.span, **meta, "kind": "load"}, columns)
        self.dropped = trace.dropped

    def _asked(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """Give a page that begins to show this view what others have seen so far."""
        if content == "ready" and self._live:
            message, buffers = wire.split({**self.meta(), "kind": "load"}, self._so_far())
            self.send(message, buffers)

    def _show(self, columns: wire.Arrays, ends: np.ndarray) -> None:
        """Send columns to the browser; from the ends (ns) it can tell how long it took to show."""
        self._keep("append", columns)
        meta = {} if self.appends else self.meta()
        oldest = (time.time_ns() - time.monotonic_ns() + int(ends.min())) / 1e6
        message, buffers = wire.split({**meta, "kind": "append", "at": oldest}, columns)
        self.send(message, buffers)

    def _keep(self, kind: str, columns: wire.Arrays) -> None:
        if kind == "load" or not self.appends:
            self._chunks = []
        self._chunks.append(columns)

    def _so_far(self) -> wire.Arrays:
        names = list(self._chunks[-1]) if self._chunks else []
        return {n: np.concatenate([c[n] for c in self._chunks]) for n in names}

    appends: ClassVar[bool] = False
    """Whether a chunk adds to what is shown; otherwise it replaces it."""

    below: ClassVar[bool] = False
    """Whether it wants the records of the layers below the application."""

    def meta(self) -> dict[str, Any]:
        """Return what the painter must know beside the columns."""
        return {"ranks": self.scene.ranks}

    def _start(self) -> None:
        """Reset what is accumulated."""

    def _empty(self) -> wire.Arrays:
        """Return the columns of nothing."""
        raise NotImplementedError

    def _more(self, records: np.ndarray) -> wire.Arrays | None:
        """Return what these new records change, or None."""
        raise NotImplementedError

    def _whole(self, trace: Trace) -> tuple[dict[str, Any], wire.Arrays]:
        """Return meta and columns of the whole run."""
        raise NotImplementedError
