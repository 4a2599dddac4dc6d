"""The descent: the same bytes on every layer, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets

from piotutor.live import descent_frame, frames, wire
from piotutor.live.view import View
from piotutor.metrics import TRANSFERS
from piotutor.plots.descent_data import absent, choose_file
from piotutor.plots.lanes import NAMES, Axis
from piotutor.trace import Flag, Layer, Trace

MOST = 100_000
"""Calls and extents that are drawn one by one; what comes then is drawn as cells."""
_SLICES = 200
_RECENT = 64  # phases of a running job that are remembered: more are over


class Descent(View):
    """A lane for each layer over one axis, the offset in the file or time; counts that tick.

    One file is shown: the first that is transferred, or that most bytes were moved of.

    Attributes
    ----------
    by : str
        ``offset``, ``time``, or ``request``: the time around the one request that is looked at.
    """

    _esm = wire.module("descent")
    name = "descent"
    appends = True
    below = True

    by = traitlets.Enum(["offset", "time", "request"], "offset").tag(sync=True)

    def meta(self) -> dict[str, Any]:
        """Return the axis, the phases and the names of lanes for the painter."""
        return {
            "ranks": self.scene.ranks,
            "low": self._axis.low,
            "high": self._axis.high,
            "file": self._name,
            "phases": [] if self._live else self._phases,
            "shown": next((n for n, p in enumerate(self._phases) if "check" not in p["name"]), 0),
            "many": self._many,
            "names": {**{int(layer): name for layer, name in NAMES.items()}, **_DOMAINS},
            "absent": self._absent,
        }

    def _start(self) -> None:
        self._axis = Axis("offset", 0, max(1, self.scene.file_sizes[0]))
        self._cells = descent_frame.Cells(self.scene.ranks, self._axis)
        self._parted = descent_frame.Parted()
        self._file: int | None = None
        self._name = "the file"
        self._absent: list[str] = []
        self._count, self._many = 0, False
        self._keys: list[int] = []
        self._past = 0
        self._phases: list[dict[str, Any]] = []

    def _empty(self) -> wire.Arrays:
        return descent_frame.columns(0)

    def _more(self, records: np.ndarray) -> wire.Arrays | None:
        found = frames.in_order(descent_frame.transfers(records))
        found = found.compress(found["file"] == self._chosen(found))
        if not len(found):
            return None
        assert self.origin is not None
        rows = descent_frame.rows_of(found, self.origin, self._parted.mask(found))
        self._begin_phases(found)
        rows["phase"][:] = self._past + descent_frame.phase_of_rows(rows, self._phases)
        self._count += len(found)
        if self._count <= MOST:
            return rows
        self._many = True
        return self._cells.condensed(rows)

    def _chosen(self, found: np.ndarray) -> int:
        """Return the number of the file that is shown: the first that the application transfers."""
        if self._file is None and len(found):
            top = found[found["layer"] == found["layer"].min()]
            self._file = int(top["file"][0])
        return -1 if self._file is None else self._file

    def _begin_phases(self, found: np.ndarray) -> None:
        """Note the phases of a benchmark that have begun."""
        app = found[found["layer"] == int(Layer.APP)]
        new = app[~np.isin(app["aux"], self._keys)]
        assert self.origin is not None
        self._phases += frames.phase_spans(new, self.origin)
        self._past += len(self._phases[:-_RECENT])
        self._phases = self._phases[-_RECENT:]
        self._keys = [*self._keys, *np.unique(new["aux"]).tolist()][-_RECENT:]

    def _whole(self, trace: Trace) -> tuple[dict[str, Any], wire.Arrays]:
        assert self.origin is not None
        moves = trace.where(op=TRANSFERS, without=Flag.PART)
        self._name, _, of_file = choose_file(trace, moves, None)
        self._name = self._name.rsplit("/", 1)[-1]
        self._phases = frames.phase_spans(trace.records, self.origin)
        rows = descent_frame.whole(trace, of_file, self.origin, self._phases)
        placed = rows["low"] >= 0
        low, high = rows["low"][placed].min(initial=2**62), rows["high"].max(initial=1)
        self._axis = Axis("offset", int(low) if 2 * low > high else 0, max(1, int(high)))
        there = {layer: rows["lane"] for layer in NAMES if (rows["lane"] == layer).any()}
        self._absent = [f"{name} ({why})" for name, why in absent(trace, there).items()]
        self._many = len(rows["t1"]) > MOST
        if self._many:
            cells = descent_frame.Cells(self.scene.ranks, self._axis)
            rows = cells.condensed(rows, _SLICES)
        return self.meta(), rows


_DOMAINS = {descent_frame.DOMAINS: "file domains"}
