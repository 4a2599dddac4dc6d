"""Live views of a run, their controls, and the pictures that remain of them.

`watch`, `replay`, `panel` and `ribbon` are all that a notebook needs. A view is one small widget
with plain traits; the browser paints what numpy has aggregated.
"""

from __future__ import annotations

from typing import Any

from piotutor.live.watching import Replay, replay, ribbon, watch

__all__ = ["Replay", "panel", "replay", "ribbon", "watch"]


def __getattr__(name: str) -> Any:
    """Load the panel, which needs widgets, when it is asked for."""
    if name == "panel":
        from piotutor.live.panels import panel

        return panel
    raise AttributeError(f"module 'piotutor.live' has no attribute {name!r}")
