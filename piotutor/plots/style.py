"""How all pictures look: colours, hatches, sizes, the badge, and their way out as PNG or HTML.

Figures are made without pyplot: none stays behind, and nothing global is set.
"""

from __future__ import annotations

import base64
import html
import io
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from piotutor import badge as badges
from piotutor.metrics import distinct
from piotutor.trace import Trace

# Okabe and Ito's colours, which colour-blind readers can tell apart, darkest contrasts first.
_OKABE_ITO = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#999999",
)
_HATCHES = ("", "//", "..", "xx", "\\\\", "--", "++", "oo")
SEVERAL = "#4D4D4D"
INK = "#222222"
GRID = "#8C8C8C"
KINDS = {
    "open": ("#56B4E9", "\\\\"),
    "transfer": ("#0072B2", ""),
    "sync": ("#D55E00", "xx"),
    "close": ("#CC79A7", ".."),
    "wait": ("#E0E0E0", "//"),
}


def _projecting() -> bool:
    return os.environ.get("PIOTUTOR_PROJECTOR", "") not in ("", "0")


@dataclass(frozen=True)
class Style:
    """Sizes of type and lines.

    Parameters
    ----------
    projector : bool
        Large type and thick lines, for a room; by default what the environment variable
        ``PIOTUTOR_PROJECTOR`` says (unset, empty or 0: no).
    """

    projector: bool = field(default_factory=_projecting)

    @property
    def font(self) -> float:
        """Size of the type, in points."""
        return 19.0 if self.projector else 11.0

    @property
    def line(self) -> float:
        """Width of lines, in points."""
        return 3.0 if self.projector else 1.6

    def applied(self) -> AbstractContextManager[None]:
        """Return a context in which matplotlib draws in this style."""
        settings: Any = {**mpl.rcParamsDefault, **self._settings()}
        return mpl.rc_context(settings)

    def _settings(self) -> dict[str, Any]:
        return {
            "backend": mpl.get_backend(auto_select=False) or "agg",
            "font.family": "DejaVu Sans",
            "font.size": self.font,
            "axes.titlesize": self.font,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "text.color": INK,
            "lines.linewidth": self.line,
            "hatch.linewidth": self.line * 0.6,
            "legend.frameon": False,
            "legend.fontsize": self.font * 0.9,
            "figure.facecolor": "white",
        }

    def figure(self, height: float = 4.4) -> Picture:
        """Return an empty figure, as wide as a notebook's page, `height` inches high."""
        size = (12.8, height * 1.5) if self.projector else (10.0, height)
        return Picture(figsize=size, dpi=100, layout="constrained")


class Picture(Figure):
    """A figure that shows itself in a notebook, with a text for those who can't see it."""

    alt: str = ""

    def _repr_html_(self) -> str:
        return figure_html(self, self.alt)

    def _repr_png_(self) -> bytes:
        return figure_png(self)


class Look(NamedTuple):
    """Colour and hatch of one rank."""

    color: str
    hatch: str


def rank_looks(ranks: Sequence[int] | np.ndarray) -> list[Look]:
    """Return the look of each rank: one colour and one hatch everywhere.

    Up to rank 7 they are Okabe and Ito's colours with hatches; above, cividis by rank.
    """
    numbers = [int(rank) for rank in ranks]
    most = max(numbers, default=0)
    if most < len(_OKABE_ITO):
        return [Look(_OKABE_ITO[max(n, 0)], _HATCHES[max(n, 0)]) for n in numbers]
    cividis = mpl.colormaps["cividis"]
    return [Look(mpl.colors.to_hex(cividis(max(n, 0) / most)), "") for n in numbers]


def hatched(look: Look, **kwargs: Any) -> dict[str, Any]:
    """Return the keywords with which a patch has this look."""
    edge = "white" if look.hatch else look.color
    return {"facecolor": look.color, "hatch": look.hatch, "edgecolor": edge, "lw": 0, **kwargs}


def handle(look: Look, label: str) -> Patch:
    """Return a legend's entry for a look."""
    return Patch(label=label, **hatched(look))


def rank_legend(ax: Axes, ranks: Sequence[int] | np.ndarray, more: Sequence[Any] = ()) -> None:
    """Name the ranks' looks above an axes; of many ranks only the first and the last."""
    looks, names = rank_looks(ranks), [f"rank {rank}" for rank in ranks]
    shown = range(len(names)) if len(names) <= len(_OKABE_ITO) else (0, len(names) - 1)
    top_legend(ax, [*(handle(looks[i], names[i]) for i in shown), *more])


def top_legend(ax: Axes, handles: Sequence[Any], columns: int = 5) -> None:
    """Put a legend above an axes, in rows."""
    place: dict[str, Any] = {
        "loc": "lower left",
        "bbox_to_anchor": (0.0, 1.0),
        "borderaxespad": 0.2,
    }
    ax.legend(handles=handles, ncols=min(columns, len(handles)), columnspacing=1.2, **place)


def finish(figure: Figure, words: Words, style: Style) -> Figure:
    """Give a figure its title (the finding), its badge and its text alternative."""
    width = figure.get_figwidth() * 72 / (style.font * 1.25 * 0.62)
    wrapped = textwrap.fill(words.title, int(width))
    figure.suptitle(wrapped, x=0.01, ha="left", weight="bold", fontsize=style.font * 1.25)
    if words.badge:
        figure.supxlabel(
            words.badge,
            x=0.99,
            ha="right",
            fontsize=style.font * 0.8,
            color="white",
            bbox={"facecolor": SEVERAL, "edgecolor": "none", "boxstyle": "round,pad=0.3"},
        )
    if isinstance(figure, Picture):
        figure.alt = f"{words.title}. {words.alt}" + f" ({words.badge})" * bool(words.badge)
    return figure


class Words(NamedTuple):
    """What stands on a picture: its finding, its badge, and its text alternative."""

    title: str
    badge: str
    alt: str


def picture(
    draw: Callable[[Axes], None],
    words: Words,
    ax: Axes | None,
    style: Style | None,
    height: float = 4.4,
    panels: Callable[[Figure], None] | None = None,
) -> Figure:
    """Draw on `ax`; or on a figure of its own, with title, badge and text alternative.

    A picture of several panels has two functions: `draw` makes the one that can stand alone, and
    `panels` all of them.
    """
    if ax is not None:
        draw(ax)
        return cast(Figure, ax.get_figure(root=True))
    style = style or Style()
    with style.applied():
        figure = style.figure(height)
        panels(figure) if panels else draw(figure.subplots())
        return finish(figure, words, style)


class Recipe(NamedTuple):
    """The functions of a picture.

    `data` makes a trace's numbers, which have a ``badge``; `finding`, `alt`, `draw` and `height`
    (in inches) make title, text alternative, picture and its height of them. Where there are
    several panels, `draw` makes the one that can stand alone, and `panels` all of them.
    """

    data: Callable[..., Any]
    finding: Callable[[Any], str]
    alt: Callable[[Any], str]
    draw: Callable[[Any, Axes], None]
    height: Callable[[Any], float] = lambda _data: 4.4
    panels: Callable[[Any, Figure], None] | None = None

    def plot(
        self, data: Any, ax: Axes | None, style: Style | None, options: Mapping[str, Any]
    ) -> Figure:
        """Draw numbers, or a trace's, which `options` belong to."""
        data = self.data(data, **options) if isinstance(data, Trace) else data
        words = Words(self.finding(data), data.badge, self.alt(data))
        panels = partial(self.panels, data) if self.panels else None
        return picture(partial(self.draw, data), words, ax, style, self.height(data), panels)


def badge(trace: Trace) -> str:
    """Say how the numbers came about and on what: ``measured · ext4, host, MPI, 4 ranks``."""
    place = trace.meta.get("environment") or {}
    ranks = int(np.count_nonzero(distinct(trace.column("rank")) >= 0))
    damaged = bool(trace.meta.get("damage"))
    return badges.badge(trace.provenance, place, ranks, dropped=trace.dropped, damaged=damaged)


def byte_axis(most: float) -> tuple[float, str]:
    """Choose a unit for bytes up to `most`: its size and its name."""
    for power, name in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if most >= 2 * 1024**power:
            return 1024.0**power, name
    return 1.0, "bytes"


def time_axis(most: float) -> tuple[float, str]:
    """Choose a unit for durations up to `most` seconds: its size in seconds and its name."""
    for size, name in ((1.0, "seconds"), (1e-3, "milliseconds"), (1e-6, "microseconds")):
        if most >= 2 * size:
            return size, name
    return 1e-9, "nanoseconds"


def scaled(axis: Any, size: float) -> None:
    """Label an axis in units of `size`, at round multiples of it.

    Data stay in bytes or seconds; bytes get powers of two where that is round.
    """
    low, high = axis.get_view_interval()
    ticks = MaxNLocator(6, steps=[1, 2, 4, 5, 8, 10]).tick_values(low / size, high / size)
    ticks = ticks[(ticks >= low / size) & (ticks <= high / size)]
    axis.set_ticks(ticks * size)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / size:,.6g}"))


def empty(ax: Axes, text: str) -> None:
    """Say in a lane why there is nothing to see."""
    ax.text(0.5, 0.5, textwrap.fill(text, 70), ha="center", va="center", transform=ax.transAxes)
    ax.set_yticks([])
    ax.set_facecolor("#F2F2F2")


def figure_png(figure: Figure) -> bytes:
    """Return the figure as a PNG."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=figure.get_dpi())
    return stream.getvalue()


def figure_html(figure: Figure, alt: str) -> str:
    """Return the figure as HTML, complete in itself, with a text alternative."""
    data = base64.b64encode(figure_png(figure)).decode()
    image = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}</figure>"
