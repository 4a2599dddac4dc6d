"""What goes out: tables on standard output, and new files that overwrite nothing."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from piotutor.errors import UsageError


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns: the first to the left, the others, numbers mostly, to the right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = []
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def need_pictures() -> None:
    """Refuse early what can't be drawn.

    Raises
    ------
    UsageError
        matplotlib isn't installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("pictures need matplotlib: pip install 'piotutor[lab]'")


def new_file(name: str, kinds: Sequence[str]) -> Path:
    """Check, before any work is done, that a new file can be made.

    Parameters
    ----------
    name
        Its path.
    kinds
        The endings that it may have.

    Raises
    ------
    UsageError
        It exists, has another ending, or can't be made there.
    """
    path = Path(name).expanduser()
    if not path.name.lower().endswith(tuple(kinds)):
        raise UsageError(f"{name}: its name must end with {' or '.join(kinds)}")
    if os.path.lexists(path):
        raise UsageError(f"{name} exists: nothing is overwritten, choose another name")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is not a directory: make it first")
    try:
        path.touch(exist_ok=False)
        path.unlink()
    except (OSError, ValueError) as error:
        raise UsageError(f"{name} can't be made: {getattr(error, 'strerror', error)}") from None
    return path


def write_new(path: Path, content: bytes) -> None:
    """Write a whole new file, or none.

    Raises
    ------
    UsageError
        It exists by now, or there is no room for it.
    """
    with new_stream(path) as stream:
        stream.write(content)


@contextmanager
def new_stream(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file to write; it goes away again if it can't be written whole.

    Raises
    ------
    UsageError
        It exists by now, or there is no room for it.
    """
    try:
        with path.open("xb") as stream:
            try:
                yield stream
                stream.flush()
            except BaseException:
                path.unlink()
                raise
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from None
