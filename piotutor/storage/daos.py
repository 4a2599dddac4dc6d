"""DAOS: a file is an array of chunks, spread over the groups of an object class.

Formats: ``daos filesystem get-attr`` as DAOS 2.x prints it (`src/control/cmd/daos/filesystem.go`):
lines of ``name = value``; names of classes as docs.daos.io has them, "Object Class": ``S4``,
``SX``, ``RP_2G1``, ``EC_4P2GX``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from piotutor.storage.striping import ALL, Component, LayoutError, Striping, whole
from piotutor.storage.tool import ask

_TOOL = "daos filesystem get-attr"
_PAIR = re.compile(r"^\s*([A-Za-z][A-Za-z ]*?)\s*=\s*(\S+)\s*$", re.MULTILINE)
_CLASS = re.compile(
    r"(?:S|RP_(?P<copies>\d{1,3})G|EC_(?P<cells>\d{1,3})P(?P<parity>\d{1,3})G)(?P<groups>\d{1,6}|X)"
)


class ObjectClass(NamedTuple):
    """How an object is spread: groups side by side, copies, and cells of data and of parity."""

    groups: int
    copies: int
    cells: int
    parity: int


def striping(path: Path) -> Striping:
    """Ask how a file, or each new file of a directory, is spread.

    Raises
    ------
    LayoutError
        ``daos`` is missing, fails, or says what can't be read.
    """
    return parse_attributes(ask(("daos", "filesystem", "get-attr", f"--path={path}")))


def parse_attributes(text: str) -> Striping:
    """Read what ``daos filesystem get-attr`` prints.

    Raises
    ------
    LayoutError
        It is damaged, or names a class that isn't known.
    """
    said = dict(_PAIR.findall(text))
    name = said.get("File Creation Object Class") or said.get("Object Class", "")
    chunk = whole(said.get("Object Chunk Size", "0"), "Object Chunk Size", _TOOL)
    if not name or chunk <= 0:
        raise LayoutError(f"{_TOOL}: no class and chunk in its answer: {text.strip()[:80]!r}")
    kind = parse_class(name)
    part = Component(stripe_size=chunk, stripe_count=kind.groups, pattern=name)
    cells = f"each group has {kind.cells} cells of data and {kind.parity} of parity"
    return Striping("daos", (part,), kind.copies, cells if kind.parity else "")


def parse_class(name: str) -> ObjectClass:
    """Read the name of an object class; ``X`` is all targets.

    Raises
    ------
    LayoutError
        It isn't the name of one.

    Examples
    --------
    >>> parse_class("EC_4P2GX")
    ObjectClass(groups=-1, copies=1, cells=4, parity=2)
    """
    found = _CLASS.fullmatch(name)
    if found is None:
        raise LayoutError(f"DAOS: {name[:40]!r} is no object class that is known here")
    groups = ALL if found["groups"] == "X" else int(found["groups"])
    return ObjectClass(
        groups, int(found["copies"] or 1), int(found["cells"] or 1), int(found["parity"] or 0)
    )
