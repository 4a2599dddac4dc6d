"""Small tables that show themselves: as text, and as HTML with everything escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar, Protocol

UNKNOWN = "unknown here"


class Row(Protocol):
    """What has a row in a table."""

    @property
    def row(self) -> Sequence[str]:
        """Its cells."""


class Shown:
    """What shows itself as a table: a subclass says its lines, the headings first."""

    def _lines(self) -> Iterable[Sequence[str]]:
        raise NotImplementedError

    def __repr__(self) -> str:
        head, *rows = self._lines()
        return text(head, rows)

    def _repr_html_(self) -> str:
        head, *rows = self._lines()
        return html(head, rows)


@dataclass(frozen=True, repr=False)
class Rows(Shown):
    """Rows under headings."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def _lines(self) -> Iterable[Sequence[str]]:
        return (self.head, *self.rows)


@dataclass(frozen=True, repr=False)
class Named(Shown):
    """What was found in several runs, a row each, under their names; a subclass has the headings.

    Attributes
    ----------
    found : mapping
        Name to what has a `Row`.
    """

    head: ClassVar[tuple[str, ...]]
    found: Mapping[str, Row]

    def _lines(self) -> Iterable[Sequence[str]]:
        return (self.head, *((name, *one.row) for name, one in self.found.items()))


def told(value: float | None, write: Callable[[Any], str] = "{:,}".format) -> str:
    """Return a number as it is written in a cell; None is unknown, not nothing."""
    return UNKNOWN if value is None else write(value)


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
