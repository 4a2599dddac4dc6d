"""`whatif`: knobs of a workload and a machine that isn't here, and the curve that follows them."""

from __future__ import annotations

import math
import uuid
from typing import Any

from piotutor.curves import Turnable
from piotutor.engine import Machine
from piotutor.engine.machines import MACHINES
from piotutor.errors import UsageError
from piotutor.live.watching import has_widgets, show, show_board, style_of
from piotutor.plots.style import Style
from piotutor.plots.whatif import WhatIfData, plot_whatif, whatif_data
from piotutor.workload import Workload


class WhatIf:
    """What `whatif` returns: shows itself as the value of a cell.

    Parameters
    ----------
    workload, machine, stripe_size, stripe_count
        As for `whatif`.
    over : str
        The knob on the horizontal axis.
    style : Style, optional
        Sizes of type and lines.

    Attributes
    ----------
    of : Turnable
        The workload on the machine that is chosen.
    at : Setting
        Where the knobs stand.
    over : str
        The knob on the horizontal axis.
    machines : dict
        Name to machine: those that can be chosen.
    data : WhatIfData
        The curve as it is.
    kept : WhatIfData or None
        An earlier one to compare it with.
    """

    def __init__(
        self,
        workload: Workload | str | list[str] | None,
        machine: Machine | str,
        *,
        stripe_size: int,
        stripe_count: int,
        over: str,
        style: Style | None,
    ) -> None:
        self._workload, self._stripe_size, self.style = workload, stripe_size, style
        self.of = Turnable(workload, machine, stripe_size=stripe_size, stripe_count=stripe_count)
        self.machines: dict[str, Machine | str] = {name: name for name in MACHINES}
        self.machines[self.of.name] = machine
        self._known = {self.of.name: self.of}
        self.at, self.over = self.of.start, over
        self.kept: WhatIfData | None = None
        self.data = self.compute()

    def compute(self, patience: float = math.inf) -> WhatIfData:
        """Return the curve where the knobs stand; from now on it is `data`.

        What isn't known after so many seconds is left for another time.
        """
        self.data = whatif_data(self.of, self.at, over=self.over, patience=patience)
        return self.data

    def choose(self, name: str) -> None:
        """Take another machine, with its own number of targets; other knobs stay near."""
        if name not in self.machines:
            raise UsageError(f"machine {name!r:.40} is unknown: choose {', '.join(self.machines)}")
        if name not in self._known:
            machine, size = self.machines[name], self._stripe_size
            self._known[name] = Turnable(self._workload, machine, stripe_size=size)
        self.of = self._known[name]
        self.at = self.of.fitted(self.at.replace(targets=self.of.machine.targets))

    def turn(self, **knobs: Any) -> None:
        """Turn knobs; one that can't be where it is put goes to the nearest place."""
        self.at = self.of.fitted(self.at.replace(**knobs))

    def picture(self) -> Any:
        """Draw the curve as it is now, as a still picture."""
        return plot_whatif(self.compute(), style=self.style)

    def _ipython_display_(self) -> None:
        from piotutor.live import twin

        clock = "still"
        if has_widgets():
            from piotutor.live.what_if_view import WhatIfView

            clock = uuid.uuid4().hex[:12]
            show_board(WhatIfView(self, clock))
        show(twin.of_pictures([self.picture()], clock))


def whatif(
    workload: Workload | str | list[str] | None = None,
    machine: Machine | str = "small-lustre",
    *,
    stripe_size: int = 1 << 20,
    stripe_count: int = 1,
    over: str = "clients",
    projector: bool | None = None,
) -> WhatIf:
    """Show what a workload's bandwidth would be on a machine that isn't here, with knobs to turn.

    Clients, targets, stripe count and transfer size have sliders; the curve is over one of them.
    Every point is a run of the model (`pio.model` says the same). The saved notebook keeps a
    picture of how it begins.

    Parameters
    ----------
    workload : Workload, str or list of str, optional
        What each rank does, or IOR's command line for it, and on how many clients to begin with.
        By default each writes, and syncs, enough for a rate that lasts.
    machine : Machine or str
        On what, to begin with: a name, a file, or a machine (`pio.model` takes the same).
    stripe_size, stripe_count : int
        How files are laid out, to begin with.
    over : str
        What is on the horizontal axis: ``clients``, ``targets``, ``stripe_count`` or
        ``transfer_size``.
    projector : bool, optional
        As for `watch`.

    Raises
    ------
    UsageError
        There is no such machine or knob, or the workload doesn't fit.
    PiotutorError
        The engine isn't built.

    Examples
    --------
    >>> pio.whatif("ior -N 4 -t 64k -b 64k -s 64 -w -e", "small-lustre")  # doctest: +SKIP
    """
    layout = {"stripe_size": stripe_size, "stripe_count": stripe_count}
    return WhatIf(workload, machine, **layout, over=over, style=style_of(projector))
