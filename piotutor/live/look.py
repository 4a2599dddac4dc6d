"""How views look: the colours, hatches and sizes of the static pictures, in the browser's words."""

from __future__ import annotations

from functools import cache
from typing import Any

from piotutor.plots.style import INK, Style, rank_looks


@cache
def _heat() -> list[tuple[int, ...]]:
    """Return the 256 colours of the scale that many ranks share, as red, green, blue."""
    colors = (look.color.lstrip("#") for look in rank_looks(range(256)))
    return [tuple(bytes.fromhex(color)) for color in colors]


def look(ranks: int, style: Style | None = None) -> dict[str, Any]:
    """Return the trait `look` of a view.

    Parameters
    ----------
    ranks : int
        Up to eight have a colour and a hatch each, more share a scale.
    style : piotutor.plots.Style, optional
        Its `projector` setting gives large type and thick lines on a light ground.
    """
    style = style or Style()
    looks = rank_looks(range(max(ranks, 1)))
    return {
        "colors": [one.color for one in looks],
        "hatches": [one.hatch or " " for one in looks],
        "heat": _heat(),
        "font": 20 if style.projector else 13,
        "line": style.line,
        "ground": "#ffffff",
        "ink": INK,
        "family": "system-ui, sans-serif",
    }
