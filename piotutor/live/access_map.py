"""The access map: which rank touched which bytes, and when."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets

from piotutor.live import frames, wire
from piotutor.live.scene import MAX_EVENTS, Scene
from piotutor.live.view import View
from piotutor.pattern import all_transfers
from piotutor.trace import RECORD, Layer, Op, Trace
from piotutor.units import format_size
from piotutor.workload import Workload

_MODES = {
    "time": "offset × time",
    "order": "offset × order of transfers",
    "rank": "offset × rank",
    "heat": "heat map: ranks × stripes",
}


class AccessMap(View):
    """Offset x time, order or rank, or a heat map ranks x stripes; a lens on the first records.

    Attributes
    ----------
    mode : str
        ``time``, ``order``, ``rank`` or ``heat``.
    grid : int
        Bytes between grid lines (pages, stripes, lock units); 0 for none.
    lens : bool
        Whether the lens is shown.
    lens_at : int
        Offset at which the lens begins.
    """

    _esm = wire.module("access_map")
    name = "access_map"
    appends = True

    mode = traitlets.Enum(list(_MODES), "time").tag(sync=True)
    grid = traitlets.Int(0).tag(sync=True)
    lens = traitlets.Bool(True).tag(sync=True)
    lens_at = traitlets.Int(0).tag(sync=True)

    def begin(self, scene: Scene) -> None:
        """Get ready; too many transfers to draw one by one are counted in a heat map."""
        self._many = scene.transfers > MAX_EVENTS
        if self._many:
            self.mode = "heat"
        elif self.mode == "heat" and scene.ranks <= 8:
            self.mode = "time"
        if self.grid > scene.size:
            self.grid = 0
        super().begin(scene)

    def plan(self, workload: Workload) -> None:
        """Show what is planned: offset against the number of the transfer, nothing has run."""
        self.begin(Scene.of_workload(workload))
        self._live = False
        found = planned(workload)
        self.origin = 0
        events = frames.event_columns(found[:0] if self._many else found, 0)
        heat = self._cells.columns(found, self._bases, 0.0)
        last = float(events["t1"].max(initial=1.0))
        meta = {**self.meta(), "span": last, "planned": True, "kind": "load", "run": self._runs}
        self.frame = wire.pack(meta, {**events, **heat})

    def meta(self) -> dict[str, Any]:
        """Return sizes, names and choices for the painter."""
        scene, cells = self.scene, self._cells
        modes = {"heat": _MODES["heat"]} if self._many else _MODES
        return {
            "ranks": scene.ranks,
            "size": scene.size,
            "files": len(scene.file_sizes),
            "bases": scene.bases,
            "ops": scene.ops,
            "transfer": scene.transfer,
            "page": scene.page,
            "lens": min(scene.size, 4 * scene.transfer),
            "rows": cells.rows,
            "stripes": cells.stripes,
            "stripe_words": format_size(cells.stripe),
            "modes": list(modes.items()),
            "grids": scene.grids,
        }

    def _start(self) -> None:
        self._cells = frames.HeatGrid.of_scene(self.scene)
        self._bases = np.array(self.scene.bases, np.int64)

    def _empty(self) -> wire.Arrays:
        return self._columns(np.empty(0, RECORD), 0, 0.0)

    def _columns(self, found: np.ndarray, origin: int, when: float) -> wire.Arrays:
        events = found[:0] if self._many else found
        heat = self._cells.columns(found, self._bases, when)
        return {**frames.event_columns(events, origin), **heat}

    def _more(self, records: np.ndarray) -> wire.Arrays | None:
        found = frames.extents(records)
        if not len(found):
            return None
        assert self.origin is not None
        return self._columns(found, self.origin, (int(found["end"][-1]) - self.origin) / 1e6)

    def _whole(self, trace: Trace) -> tuple[dict[str, Any], wire.Arrays]:
        found = frames.extents(trace.records)
        self._many = len(found) > MAX_EVENTS
        if self._many:
            self.mode = "heat"
        assert self.origin is not None
        self._look_where_something_is(found)
        spans = frames.phase_spans(trace.records, self.origin)
        meta = {**self.meta(), "phases": spans}
        events = frames.event_columns(found[:0] if self._many else found, self.origin)
        return meta, {**events, **self._replayed_heat(found)}

    def _look_where_something_is(self, found: np.ndarray) -> None:
        """Begin the lens at the first byte that was touched, if there is none where it begins."""
        if len(found) and len(self.scene.file_sizes) == 1:
            first = int(found["offset"].min())
            if not self.lens_at and first >= self.meta()["lens"]:
                self.lens_at = first

    def _replayed_heat(self, found: np.ndarray) -> wire.Arrays:
        """Return the heat map's cells, slice by slice of the run."""
        assert self.origin is not None
        moments = frames.slices(found) if len(found) else np.array([self.origin])
        cuts = np.searchsorted(found["end"], moments, side="right")
        parts = [
            self._cells.columns(found[begin:end], self._bases, (int(moment) - self.origin) / 1e6)
            for begin, end, moment in zip([0, *cuts[:-1]], cuts, moments, strict=True)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def planned(workload: Workload) -> np.ndarray:
    """Return the transfers of a workload's first phase as records.

    The n-th of a rank is taken to last from n to n + 1 ms.
    """
    op = "write" if workload.write else "read"
    rank, extents = all_transfers(workload, op)
    first = np.searchsorted(rank, np.arange(workload.num_tasks))
    number = np.arange(len(rank)) - first[rank]
    found = np.zeros(len(rank), RECORD)
    found["layer"], found["op"] = Layer.APP, Op.WRITE if op == "write" else Op.READ
    found["rank"], found["file"] = rank, extents.file
    found["offset"], found["length"] = extents.offset, extents.length
    found["start"], found["end"] = number * 1_000_000, (number + 1) * 1_000_000
    return found[np.argsort(number, kind="stable")]
