"""Sliders, boxes and menus made from the options of a workload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from piotutor.launch import limits
from piotutor.option import Option
from piotutor.units import format_size
from piotutor.workload import Workload, options

_LAYOUT = {"layout": {"width": "98%"}, "style": {"description_width": "9.5em"}}
_POWERS = [1 << n for n in range(9, 27)]


def control(name: str, workload: Workload) -> ipywidgets.Widget:
    """Return the widget for one field of a workload, at its present value.

    Sizes are a slider over powers of two and the present value; counts are a slider, or a box
    where there is no natural limit; what else there is can be typed.
    """
    option = options()[name]
    made = _MAKERS.get(option.kind, _typed)(option, getattr(workload, name))
    made.description = name.replace("_", " ")
    made.tooltip = f"{option.help} ({option.flags[0]})" if option.flags else option.help
    return made


def read(name: str, widget: ipywidgets.Widget) -> Any:
    """Return the value of the field that a widget stands for.

    Raises
    ------
    UsageError
        What was typed can't be read.
    """
    option = options()[name]
    if isinstance(widget, ipywidgets.Text):
        if option.optional and not widget.value.strip():
            return None
        return option.read(widget.value)
    return widget.value


def _flag(_option: Option, value: bool) -> ipywidgets.Widget:
    return ipywidgets.Checkbox(value=value, **_LAYOUT)


def _choice(option: Option, value: str) -> ipywidgets.Widget:
    return ipywidgets.Dropdown(options=option.choices, value=value, **_LAYOUT)


def _size(option: Option, value: int | None) -> ipywidgets.Widget:
    if value is None or option.optional or option.minimum == 0:
        return _typed(option, value)
    values = sorted({*_POWERS, value})
    named = [(format_size(v), v) for v in values if option.minimum <= v <= option.maximum]
    return ipywidgets.SelectionSlider(options=named, value=value, **_LAYOUT)


def _number(option: Option, value: int | None) -> ipywidgets.Widget:
    if value is None or option.optional:
        return _typed(option, value)
    most = limits.max_ranks() if option.name == "num_tasks" else max(16, 4 * value)
    most = min(option.maximum, max(most, value))
    return ipywidgets.IntSlider(value=value, min=option.minimum, max=most, **_LAYOUT)


def _typed(option: Option, value: Any) -> ipywidgets.Widget:
    text = "" if value is None else option.format(value)
    return ipywidgets.Text(value=text, continuous_update=False, **_LAYOUT)


_MAKERS: dict[str, Callable[[Option, Any], ipywidgets.Widget]] = {
    "flag": _flag,
    "choice": _choice,
    "size": _size,
    "int": _number,
    "level": _number,
}
