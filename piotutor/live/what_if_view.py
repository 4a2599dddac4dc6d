"""The widget of `whatif`: knobs as native controls, and a canvas that the browser paints."""

from __future__ import annotations

import math
from typing import Any

import anywidget
import numpy as np
import traitlets

from piotutor.curves import KNOBS, Curve
from piotutor.errors import PiotutorError
from piotutor.live import wire
from piotutor.live.look import look
from piotutor.live.what_if import WhatIf
from piotutor.plots.whatif import AXES, WhatIfData, top_of, whatif_alt, whatif_finding
from piotutor.units import format_rate, format_size

PATIENCE = 0.02
"""Seconds after which a curve is sent with the points that there are."""


class WhatIfView(anywidget.AnyWidget):
    """Knobs, and the curve that follows them.

    The browser sets the knobs and counts `turn` up, in one message; all that changes comes back in
    one message. A curve that takes longer is sent as it is; when the browser has painted that, it
    asks for more.

    Parameters
    ----------
    of : WhatIf
    clock : str
        As of `piotutor.live.view.View`.
    patience : float
        Seconds, as `piotutor.curves.Turnable.curve` takes them.

    Attributes
    ----------
    machine, clients, targets, stripe_count, transfer_size, own, over
        Where the knobs stand; `own`: a file for each rank.
    turn : int
        How often something was turned.
    answered : int
        Up to which turn there was an answer.
    choices : dict
        The values that each knob may have, and their names.
    title, badge, alt, look, clock, frame
        As of `piotutor.live.view.View`.
    line : str
        What is modelled where the knobs stand, as an IOR command line.
    problem : str
        Why a curve can't be had; empty if it can.
    """

    _esm = wire.module("what_if")
    _css = wire.static("view.css")

    machine = traitlets.Unicode().tag(sync=True)
    clients = traitlets.Int(1).tag(sync=True)
    targets = traitlets.Int(1).tag(sync=True)
    stripe_count = traitlets.Int(1).tag(sync=True)
    transfer_size = traitlets.Int(1).tag(sync=True)
    own = traitlets.Bool(False).tag(sync=True)
    over = traitlets.Enum(KNOBS, "clients").tag(sync=True)
    turn = traitlets.Int(0).tag(sync=True)
    answered = traitlets.Int(0).tag(sync=True)
    choices = traitlets.Dict().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    badge = traitlets.Unicode().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    line = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    look = traitlets.Dict().tag(sync=True)
    clock = traitlets.Unicode().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)

    def __init__(self, of: WhatIf, clock: str, *, patience: float = PATIENCE) -> None:
        super().__init__(look=look(2, of.style), clock=clock)
        self._of, self._patience = of, patience
        self._tell()
        self.observe(self._turned, "turn")
        self.on_msg(self._asked)

    def _turned(self, _change: Any) -> None:
        """Follow the knobs; a mistake of the user is said, and the curve stays."""
        of = self._of
        try:
            if self.machine != of.of.name:
                of.choose(self.machine)
            else:
                knobs = {knob: getattr(self, knob) for knob in KNOBS}
                of.turn(file_per_process=self.own, **knobs)
            of.over = self.over
            of.compute(self._patience)
        except PiotutorError as error:
            self._refuse(error)
            return
        self._tell()

    def _asked(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """Keep the whole curve, to compare others with it; forget it; or have more points."""
        of = self._of
        if content not in ("keep", "forget", "more"):
            return
        try:
            data = of.compute(self._patience if content == "more" else math.inf)
        except PiotutorError as error:
            self._refuse(error)
            return
        if content != "more":
            of.kept = data if content == "keep" else None
        self._tell()

    def _refuse(self, error: PiotutorError) -> None:
        with self.hold_sync():
            self.problem, self.answered = str(error), self.turn

    def _tell(self) -> None:
        """Send all that there is to be shown, in one message."""
        of, data = self._of, self._of.data
        at = data.curve.at
        with self.hold_sync():
            for knob in KNOBS:
                setattr(self, knob, getattr(at, knob))
            self.own, self.over, self.machine = at.file_per_process, of.over, of.of.name
            self.choices = choices(of)
            self.title, self.badge, self.line = whatif_finding(data), data.badge, data.line
            self.alt = f"{self.title}. {whatif_alt(data)}"
            if of.kept is not None:
                self.alt += f" A curve was kept: {of.kept.badge}. {whatif_alt(of.kept)}"
            self.problem, self.answered = "", self.turn
            self.frame = frame(data, of.kept, self.turn)


def choices(of: WhatIf) -> dict[str, Any]:
    """Return what can be chosen: numbers with their names, and machines."""
    knobs = {
        knob: [
            [value, format_size(value) if knob == "transfer_size" else f"{value:,}"]
            for value in known
        ]
        for knob, known in of.of.values.items()
    }
    return {**knobs, "machine": list(of.machines), "over": [*AXES.items()]}


def frame(data: WhatIfData, kept: WhatIfData | None, turn: int) -> wire.Frame:
    """Return the numbers of a curve, and of one that was kept if it is over the same knob."""
    curve = data.curve
    if kept is not None and kept.curve.over != curve.over:
        kept = None
    top = max(top_of(each.curve) for each in (data, kept) if each is not None)
    meta = {
        "kind": "load",
        "turn": turn,
        "missing": curve.missing,
        "ops": list(curve.rates),
        "kept": list(kept.curve.rates) if kept else [],
        "place": data.place,
        "here": {op: format_rate(rate) for op, rate in data.rates.items()},
        "sized": curve.over == "transfer_size",
        "axis": AXES[curve.over],
        "top": top,
        "limited": curve.limited_by,
    }
    columns = _columns(curve, "") | (_columns(kept.curve, "kept-") if kept else {})
    return wire.pack(meta, columns)


def _columns(curve: Curve, name: str) -> wire.Arrays:
    rates = {f"{name}{op}": rate.astype("<f8") for op, rate in curve.rates.items()}
    limit = np.where(np.isfinite(curve.limit), curve.limit, -1.0)
    return {f"{name}x": curve.x.astype("<f8"), f"{name}limit": limit, **rates}
