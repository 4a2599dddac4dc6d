"""Names and what they stand for: classes, loaded only when they are asked for; and near misses."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
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


def advice(word: str, known: Iterable[str]) -> str:
    """Say which of the known names was meant, or which there are."""
    names = list(known)
    near = difflib.get_close_matches(word, names, 1)
    if near:
        return f"is it {near[0]}?"
    return f"choose {', '.join(names)}" if names else "it has none"
