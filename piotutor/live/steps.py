"""Pictures that are played step by step: what a device did, one request after the other."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from piotutor.errors import UsageError
from piotutor.live.watching import has_widgets, show, show_board
from piotutor.plots.devices_array import STAGES, ArrayData, plot_array
from piotutor.plots.devices_disk import DiskData, plot_disk
from piotutor.plots.devices_flash import FlashData, plot_flash
from piotutor.plots.style import Picture, figure_html

_FITS = ".pio-steps figure { margin: 0; } .pio-steps img { max-width: 100%; }"


class Steps:
    """Pictures in a row; as the value of a cell they can be played, stopped and scrubbed.

    Without widgets, and in a saved notebook, the first, the middle and the last are shown.

    Parameters
    ----------
    draw
        From a step's number, counted from 0, to its picture.
    count
        How many there are.
    interval
        Milliseconds that each stays while they are played.

    Raises
    ------
    UsageError
        There is no step.
    """

    def __init__(self, draw: Callable[[int], Any], count: int, *, interval: int = 1500) -> None:
        if count < 1:
            raise UsageError("nothing to play: there are no steps")
        self.count, self.interval = count, interval
        self._draw, self._kept = draw, dict[int, Picture]()

    def picture(self, number: int) -> Picture:
        """Return the picture of a step, drawn once."""
        if number not in self._kept:
            self._kept[number] = self._draw(number)
        return self._kept[number]

    def board(self, hides: str = "") -> Any:
        """Return the controls with the picture below; `hides` names the twin that they hide."""
        import ipywidgets

        last = self.count - 1
        play = ipywidgets.Play(min=0, max=last, interval=self.interval, tooltip="play the steps")
        slider = ipywidgets.IntSlider(min=0, max=last, description="step", layout={"width": "60%"})
        ipywidgets.jslink((play, "value"), (slider, "value"))
        place = ipywidgets.HTML(layout={"width": "100%"})
        place.add_class("pio-steps")
        rule = f"@media screen {{ .pio-twin-{hides} {{ display: none; }} }}" * bool(hides)

        def turn(change: Any = None) -> None:
            shown = self.picture(slider.value)
            place.value = f"<style>{_FITS}{rule}</style>" + figure_html(shown, shown.alt)

        slider.observe(turn, "value")
        turn()
        return ipywidgets.VBox([ipywidgets.HBox([play, slider]), place])

    def _ipython_display_(self) -> None:
        from piotutor.live import twin

        clock = "still"
        if has_widgets():
            clock = uuid.uuid4().hex[:12]
            show_board(self.board(clock))
        kept = sorted({0, (self.count - 1) // 2, self.count - 1})
        show(twin.of_pictures([self.picture(number) for number in kept], clock))


def steps(data: DiskData | FlashData | ArrayData, pattern: str = "") -> Steps:
    """Play what a device did: requests on a platter, collections, reads before writes.

    Parameters
    ----------
    data : DiskData, FlashData or ArrayData
    pattern : str
        Of a disk: whose requests; the first pattern's, if not given.

    Raises
    ------
    UsageError
        There is nothing to play, or no such pattern.

    Examples
    --------
    >>> steps(array_data())  # doctest: +SKIP
    """
    if isinstance(data, FlashData):
        return Steps(lambda number: plot_flash(data, number=number), len(data.collections))
    if isinstance(data, ArrayData):
        return Steps(lambda number: plot_array(data, stage=STAGES[number]), len(STAGES))
    pattern = pattern or next(iter(data.steps), "")
    if pattern not in data.steps:
        raise UsageError(f"pattern={pattern!r}: choose {', '.join(data.steps) or 'some requests'}")
    return Steps(partial(_request, data, pattern), len(data.steps[pattern]))


def _request(data: DiskData, pattern: str, number: int) -> Any:
    return plot_disk(data, request=(pattern, number))
