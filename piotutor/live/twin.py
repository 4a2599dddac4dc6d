"""What remains of a live view in a saved, exported or printed notebook: pictures with their texts.

The pictures are in the output beside the widget from the beginning. While the widget lives in the
page it hides them; where there is none, they are all there is.
"""

from __future__ import annotations

import html
import re
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from piotutor import plots
from piotutor.plots import pattern_map
from piotutor.plots.style import Picture, Style, figure_html
from piotutor.trace import Trace
from piotutor.workload import Workload

Bundle = dict[str, Any]

# A notebook that is opened again has no widget, only its error; the picture stands for it.
_NO_GHOST = (
    "<style>.jp-OutputArea-child:has(> .jupyter-widgets:not(:has(*)))"
    ":has(+ .jp-OutputArea-child .pio-twin){display:none}</style>"
)


def of_trace(
    trace: Trace, views: Sequence[str], clock: str, style: Style | None = None, grid: int = 0
) -> Bundle:
    """Return the pictures of a run as a bundle of MIME types."""
    pictures = [
        plots.figure(trace, view, style=style, **({"grid": grid} if _has_grid(view, grid) else {}))
        for view in views
    ]
    return _bundle([figure for figure in pictures if isinstance(figure, Picture)], clock)


def of_plan(workload: Workload, clock: str, style: Style | None = None, grid: int = 0) -> Bundle:
    """Return the picture of what is planned."""
    op = "write" if workload.write else "read"
    figure = pattern_map.plot_pattern_map(workload, op=op, grid=grid or None, style=style)
    return _bundle([figure] if isinstance(figure, Picture) else [], clock)


def of_words(text: str, clock: str) -> Bundle:
    """Return a line of text in the place of pictures."""
    said = f"<p>{html.escape(text)}</p>" if text else ""
    return {"text/html": _wrap(said, clock), "text/plain": text}


def of_pictures(pictures: Sequence[Picture], clock: str) -> Bundle:
    """Return pictures that are drawn already."""
    return _bundle(pictures, clock)


def _has_grid(view: str, grid: int) -> bool:
    return view == "access_map" and grid > 0


def _bundle(pictures: Sequence[Picture], clock: str) -> Bundle:
    parts = [figure_html(picture, picture.alt) for picture in pictures]
    bundle = {
        "text/html": _wrap("".join(parts), clock),
        "text/plain": "\n".join(picture.alt for picture in pictures),
    }
    png = re.search(r'base64,([^"]+)"', parts[0]) if parts else None
    return bundle | ({"image/png": b64decode(png[1])} if png else {})


def _wrap(inner: str, clock: str) -> str:
    return f'<div class="pio-twin pio-twin-{clock}">{_NO_GHOST}{inner}</div>'
