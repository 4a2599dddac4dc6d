"""The file as a ribbon of stripes, to be folded onto its objects and targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets

from piotutor.live import wire
from piotutor.live.view import View
from piotutor.plots.ribbon import stripe_colors, writer_looks
from piotutor.plots.ribbon_data import RibbonData, ribbon_data
from piotutor.plots.ribbon_words import example, stripe_words, turn
from piotutor.trace import Trace

_Whole = tuple[dict[str, Any], wire.Arrays]


class Ribbon(View):
    """The file as a ribbon of stripes that folds onto its objects and targets.

    A stripe that is pointed at, clicked or reached with the arrow keys says where it lies. In
    replay a stripe is filled once it has been written.

    Attributes
    ----------
    by : str
        What colours mean: ``target``, or the ``rank`` that wrote a stripe.
    fold : float
        How far the ribbon is folded: from 0 to 1.
    stripe : int
        Which of the stripes that are drawn is pointed out, counted along the ribbon.
    """

    _esm = wire.module("ribbon")
    name = "ribbon"

    by = traitlets.Enum(["target", "rank"], "target").tag(sync=True)
    fold = traitlets.Float(1.0).tag(sync=True)
    stripe = traitlets.Int(0).tag(sync=True)

    def meta(self) -> dict[str, Any]:
        """Return names, objects and what is said of each stripe."""
        data, shown = self._data, self._data.fold if self._data else None
        if data is None or shown is None or data.map is None:
            return {"over": self._over, "lines": []}
        numbers = shown.number.tolist()
        return {
            "over": self._over,
            "lines": [stripe_words(data, number) for number in numbers],
            "names": data.names,
            "word": data.map.word,
            "targets": [str(target) for target in shown.targets],
            "boxes": [list(box) for box in shown.boxes],
            "gaps": [list(gap) for gap in shown.gaps],
            "slots": shown.slots,
            "rows": shown.rows,
            "cells": shown.cells,
            "hidden": data.hidden,
            "turn": min(turn(data), 8),
            "colors": {by: self._colors(by) for by in ("target", "rank")},
            "ranks": self._legend(),
            "known": bool(len(data.ranks)),
        }

    def _colors(self, by: str) -> list[str]:
        assert self._data is not None
        return [look.color for look in stripe_colors(self._data, by)]

    def _legend(self) -> list[list[str]]:
        """Return each rank's name and colour, of up to eight; of more of the first and the last."""
        assert self._data is not None
        return [[name, look.color] for name, look in writer_looks(self._data)]

    def _start(self) -> None:
        self._data: RibbonData | None = None
        self._over = False

    def _empty(self) -> wire.Arrays:
        none = np.zeros(0, "<u4")
        names = ("number", "cell", "column", "row", "slot")
        return {**dict.fromkeys(names, none), "begin": np.zeros(0), "written": np.zeros(0)}

    def _more(self, records: np.ndarray) -> wire.Arrays | None:
        return None  # where the bytes lie is asked when the ranks are done

    def _whole(self, trace: Trace) -> _Whole:
        self._data, self._over = ribbon_data(trace), True
        fold = self._data.fold
        if self._data.map is None or not self._data.count:
            return self.meta(), self._empty()
        self.stripe = int(np.flatnonzero(fold.number == example(self._data))[0])
        written = self._data.written[fold.number]
        assert self.origin is not None
        when = np.where(written < 0, -1.0, (written - self.origin) / 1e6)
        places = {
            name: getattr(fold, name).astype("<u4")
            for name in ("number", "cell", "column", "row", "slot")
        }
        begin = self._data.stripes.offset[fold.number].astype("<f8")
        return self.meta(), {**places, "begin": begin, "written": when}
