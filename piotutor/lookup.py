"""Tables that say where a class stands, so that it is loaded only when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from piotutor.errors import UsageError


def find(table: Mapping[str, str], what: str, name: str) -> Any:
    """Return what a table's ``module:attribute`` of that name stands for.

    Parameters
    ----------
    table : mapping
        Name to ``module:attribute``.
    what : str
        What the names are names of, for whoever named another one.
    name : str
        Which one.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    if name not in table:
        raise UsageError(f"{what} {name!r} is unknown: choose one of {', '.join(table)}")
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)
