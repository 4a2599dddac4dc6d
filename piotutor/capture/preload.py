"""The interposer, loaded before a program's own libraries: where it is, and how to start with it.

It is a plain shared library, built with the package where there is a compiler; nothing imports it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from piotutor.errors import UsageError
from piotutor.trace.interest import Interest

NAME = "piotutor.capture._interposer"
LINK = "interposer.so"
"""In a run directory: a link to the interposer, where its own path can't be preloaded."""
_PLAIN = re.compile(r"[^\s:$]+").fullmatch
_BEGIN = 'LD_PRELOAD="$0"; export LD_PRELOAD; exec "$@"'


def library() -> Path | None:
    """Return the path of the interposer; None where it isn't built."""
    if not sys.platform.startswith("linux"):
        return None
    found = importlib.util.find_spec(NAME)
    return Path(found.origin) if found and found.origin else None


def why_not(place: Path | None = None) -> str:
    """Say why there is no interposer, and what to do; empty where there is one.

    Parameters
    ----------
    place : Path, optional
        A directory where a link to it may be made, if its own path can't be preloaded.
    """
    found = library()
    if found is not None and (_PLAIN(str(found)) or place is None or _PLAIN(str(place))):
        return ""
    if found is not None:
        return (
            f"LD_PRELOAD takes no path with a space or a colon, as {found} has: name a plain "
            "directory in PIOTUTOR_STATE"
        )
    if not sys.platform.startswith("linux"):
        return "the interposer is for Linux only"
    return (
        "the interposer isn't built: install a C compiler (gcc), then piotutor again "
        "(pip install --force-reinstall --no-deps, or make lab in a checkout)"
    )


def environment(
    trace_dir: Path,
    interest: Interest,
    max_bytes: int,
    inherited: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """Return the variables with which a program is recorded, ``LD_PRELOAD`` among them.

    Parameters
    ----------
    trace_dir : Path
        Where each process writes its trace file. (A link to the interposer may be made beside it.)
    interest : Interest
        The files that count.
    max_bytes : int
        Bound of one trace file.
    inherited : mapping
        Where an ``LD_PRELOAD`` may stand already: it is kept, after ours.

    Raises
    ------
    UsageError
        There is no interposer, or a path can't be handed over.
    """
    problem = why_not(trace_dir.parent)
    if problem:
        raise UsageError(problem)
    for path in (*interest.prefixes, *interest.skip, str(trace_dir)):
        if "\n" in path:
            raise UsageError(f"{path!r} has a line break in it: name another path")
    return {
        "PIOTUTOR_CAPTURE_DIR": str(trace_dir),
        "PIOTUTOR_CAPTURE_PREFIX": "\n".join(interest.prefixes),
        "PIOTUTOR_CAPTURE_SKIP": "\n".join(interest.skip),
        "PIOTUTOR_CAPTURE_BYTES": str(max_bytes),
        **loading(trace_dir.parent, inherited),
    }


def loading(place: Path, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variable that loads the interposer; a link to it may be made in `place`."""
    others = inherited.get("LD_PRELOAD", "")
    return {"LD_PRELOAD": ":".join(filter(None, (_loadable(place), others)))}


def _loadable(place: Path) -> str:
    """Return a path of the interposer that the loader takes: its own, or a link in `place`."""
    path = str(library())
    if _PLAIN(path):
        return path
    link = place / LINK
    if not link.is_symlink():
        link.symlink_to(path)
    return str(link)


def argv_prefix(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words before a program that load the interposer into it, not into its launcher.

    ``env`` would take a program whose path holds a ``=`` for one more variable.
    """
    return ("sh", "-c", _BEGIN, env["LD_PRELOAD"])
