"""Between Python and the browser: arrays into messages, modules into one module.

Nothing is loaded from a network: a view's JavaScript travels with the widget.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

Frame = dict[str, Any]
Arrays = dict[str, np.ndarray]

_KINDS = {
    np.dtype(name): kind
    for name, kind in (
        ("<f4", "f4"), ("<f8", "f8"), ("u1", "u1"), ("<u2", "u2"), ("<u4", "u4"), ("<i4", "i4"),
    )
}  # fmt: skip
_IMPORT = re.compile(r'^import\s*\{[^}]*\}\s*from\s*"\./(\w+)\.js";\n', re.MULTILINE)


def pack(meta: dict[str, Any], arrays: Arrays) -> Frame:
    """Make one frame that holds its own bytes, to be kept in a trait.

    Parameters
    ----------
    meta : dict
        What JSON can say.
    arrays : dict of str to ndarray
        Columns of the types f4, f8, u1, u2, u4 or i4.
    """
    columns = [[name, _KINDS[a.dtype], a.tobytes()] for name, a in arrays.items()]
    return {"meta": meta, "columns": columns}


def split(meta: dict[str, Any], arrays: Arrays) -> tuple[Frame, list[bytes]]:
    """Make a message and its binary buffers, for a custom message."""
    columns = [[name, _KINDS[a.dtype]] for name, a in arrays.items()]
    return {"meta": meta, "columns": columns}, [a.tobytes() for a in arrays.values()]


def unpack(frame: Frame) -> Arrays:
    """Return the arrays of a packed frame."""
    return {name: np.frombuffer(data, f"<{kind}") for name, kind, data in frame["columns"]}


@cache
def module(name: str) -> str:
    """Return one ES module: ``static/<name>.js`` with the modules that it imports put before it."""
    seen: dict[str, str] = {}
    _collect(name, seen)
    *shared, last = seen.values()
    return "\n".join([*(re.sub(r"^export ", "", t, flags=re.MULTILINE) for t in shared), last])


def _collect(name: str, seen: dict[str, str]) -> None:
    text = static(f"{name}.js")
    for wanted in _IMPORT.findall(text):
        if wanted not in seen:
            _collect(wanted, seen)
    seen[name] = _IMPORT.sub("", text)


def static(name: str) -> str:
    """Return the text of a file that is shipped in ``live/static``."""
    return files("piotutor.live").joinpath("static").joinpath(name).read_text(encoding="utf-8")
