"""Small tables that show themselves: as text, and as HTML with everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import ClassVar, Protocol


class Row(Protocol):
    """What has a row in a table."""

    @property
    def row(self) -> Sequence[str]:
        """Its cells."""


class Table:
    """What was found in several runs, a row each, under their names; it shows itself.

    Parameters
    ----------
    found : mapping
        Name to what has a `Row`.
    """

    head: ClassVar[tuple[str, ...]]

    def __init__(self, found: Mapping[str, Row]) -> None:
        self.found = found

    def _rows(self) -> list[tuple[str, ...]]:
        return [(name, *one.row) for name, one in self.found.items()]

    def __repr__(self) -> str:
        return text(self.head, self._rows())

    def _repr_html_(self) -> str:
        return html(self.head, self._rows())


def text(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as lines, its columns right-aligned."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def html(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: bool = False) -> str:
    """Return a table as HTML; the first cell of a row names it.

    Parameters
    ----------
    head : sequence of str
        What the columns are.
    rows : iterable of sequences of str
        As many cells each.
    left : bool
        Whether cells begin at the left: where they are words, not numbers.
    """
    style = " style='text-align:left'" if left else ""
    heads = "".join(f"<th scope='col'{style}>{escape(cell)}</th>" for cell in head)
    lines = "".join(f"<tr>{_row(row, style)}</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def _row(row: Sequence[str], style: str) -> str:
    name, *cells = row
    rest = "".join(f"<td{style}>{escape(cell)}</td>" for cell in cells)
    return f"<th scope='row'{style}>{escape(name)}</th>{rest}"
