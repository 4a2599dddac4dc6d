"""What works here, what doesn't, and what to do about it.

Nothing is guessed from names: MPI-IO and parallel HDF5 are asked for by two real jobs of two
ranks, in processes of their own with a time-out, so that a broken MPI can't take anyone with it.
"""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from piotutor.doctor import capture, machine, place, stack, storages, tools
from piotutor.doctor.capability import Capability, Check

__all__ = ["Capability", "Card", "capabilities", "card", "table"]

_LEFT = "style='text-align:left'"
_GROUPS = {
    "This machine": machine.CHECKS,
    "MPI and HDF5": stack.CHECKS,
    "The path": place.CHECKS,
    "The layers below": capture.CHECKS,
    "Storage that stripes": storages.CHECKS,
    "Other tools": tools.CHECKS,
}


def capabilities(path: str | os.PathLike[str] | None = None) -> dict[str, list[Capability]]:
    """Look at this machine, its software and a path.

    Parameters
    ----------
    path
        Where data would be written; by default where `piotutor run` writes it.

    Returns
    -------
    dict
        Capabilities by the heading that they stand under.

    Raises
    ------
    UsageError
        The path doesn't exist.
    """
    where = place.resolve(path)
    return {
        title: [found for check in checks for found in _look(check, where)]
        for title, checks in _GROUPS.items()
    }


def card(path: str | os.PathLike[str] | None = None) -> Card:
    """Return the capabilities as a card that a notebook shows as a table."""
    return Card(capabilities(path))


@dataclass(frozen=True)
class Card:
    """The capabilities of this machine, for people.

    Attributes
    ----------
    groups
        Capabilities by heading.
    """

    groups: dict[str, list[Capability]]

    def __getitem__(self, name: str) -> Capability:
        """Return one capability by its name."""
        for found in self._all():
            if found.name == name:
                return found
        raise KeyError(name)

    def __repr__(self) -> str:
        return table(self.groups, width=100)

    def _repr_html_(self) -> str:
        rows = []
        for title, found in self.groups.items():
            head = f'<th colspan="3" scope="colgroup" {_LEFT}>{escape(title)}</th>'
            rows.append(f"<tr>{head}</tr>")
            rows += [_html_row(capability) for capability in found]
        return (
            '<table class="piotutor-card"><caption>What works here</caption>'
            f"<thead><tr><th {_LEFT}>works</th><th {_LEFT}>what</th>"
            f"<th {_LEFT}>detail, and what to do</th></tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table>"
        )

    def to_dict(self) -> dict[str, list[dict[str, object]]]:
        """Return the outside form: ``{"capabilities": [{name, ok, detail, fix}]}``."""
        return {"capabilities": [asdict(capability) for capability in self._all()]}

    def _all(self) -> Iterable[Capability]:
        return (capability for found in self.groups.values() for capability in found)


def table(groups: dict[str, list[Capability]], width: int | None = None) -> str:
    """Write capabilities as text; a mark in words says which work."""
    columns = width or min(shutil.get_terminal_size((100, 24)).columns, 120)
    names = max(len(found.name) for group in groups.values() for found in group)
    lines: list[str] = []
    for title, found in groups.items():
        lines += ["", title]
        for capability in found:
            lines += _rows(capability, names, columns)
    return "\n".join(lines[1:])


def _rows(capability: Capability, names: int, width: int) -> list[str]:
    mark = "  ok  " if capability.ok else "  NO  "
    first = f"{mark}{capability.name:<{names}}  "
    rest = " " * len(first)
    lines = textwrap.wrap(capability.detail, max(width - len(first), 20)) or [""]
    if capability.fix:
        lines += textwrap.wrap(f"-> {capability.fix}", max(width - len(first), 20))
    return [f"{first if not number else rest}{line}" for number, line in enumerate(lines)]


def _html_row(capability: Capability) -> str:
    mark = "&#10003; yes" if capability.ok else "&#10007; no"
    fix = f"<br><em>{escape(capability.fix)}</em>" if capability.fix else ""
    return (
        f"<tr><td {_LEFT}>{mark}</td><td {_LEFT}>{escape(capability.name)}</td>"
        f"<td {_LEFT}>{escape(capability.detail)}{fix}</td></tr>"
    )


def _look(check: Check, where: Path) -> Sequence[Capability]:
    """Make one check; one that fails in a way nobody thought of says so, and no more."""
    try:
        found = check(where)
    except (OSError, ValueError, LookupError, ArithmeticError) as error:
        name = check.__name__.replace("_", " ")
        return [Capability(name, False, f"can't be found out: {error}")]
    return [found] if isinstance(found, Capability) else found
