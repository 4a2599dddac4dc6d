"""Live views of a run, their controls, and the pictures that remain of them.

`watch`, `replay`, `panel`, `ribbon` and `whatif` are all that a notebook needs. A view is one small
widget with plain traits; the browser paints what numpy has aggregated.
"""

from __future__ import annotations

from typing import Any

from piotutor.live.watching import Replay, replay, ribbon, watch
from piotutor.live.what_if import WhatIf, whatif

__all__ = ["Replay", "WhatIf", "panel", "replay", "ribbon", "watch", "whatif"]


def __getattr__(name: str) -> Any:
    """Load the panel, which needs widgets, when it is asked for."""
    if name == "panel":
        from piotutor.live.panels import panel

        return panel
    raise AttributeError(f"module 'piotutor.live' has no attribute {name!r}")
