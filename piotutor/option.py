"""What one parameter of a workload is: its names, its kind, its bounds.

The command line, the widgets, the job file, the checks and the documentation are made from it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from piotutor.errors import UsageError
from piotutor.hints import check_hints, format_hints, parse_hints
from piotutor.units import INT64_MAX, format_size, parse_size

INT32_MAX = 2**31 - 1

_SWITCH = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


@dataclass(frozen=True, kw_only=True)
class Option:
    """One parameter of a `piotutor.workload.Workload`.

    Attributes
    ----------
    help : str
        What it does, in one sentence.
    kind : str
        ``flag`` (bool), ``level`` (an int, the flag repeated), ``int``, ``size`` (bytes),
        ``choice`` (a word), ``path``, ``counts`` (numbers, a comma between them) or ``hints``
        (pairs of words).
    group : str
        The heading under which it is listed.
    short, long : str
        IOR's option (``-b``), and IOR's or our own long one (``--posix.odirect``); "" for none.
    aliases : tuple of str
        Other spellings that are understood.
    directive : str
        IOR's name after ``-O``; "" for none.
    apis : tuple of str
        Interfaces on which it acts; empty for all.
    choices : tuple of str
        The words of a ``choice``.
    minimum, maximum, multiple : int
        Bounds of a number, and what must divide it.
    optional : bool
        Whether None (not given) is allowed.
    in_ior : bool
        Whether IOR has it on its command line.
    name : str
        The field, filled in by `piotutor.workload.options`.
    default : object
        The field's default, filled in likewise.
    """

    help: str
    kind: str
    group: str
    short: str = ""
    long: str = ""
    aliases: tuple[str, ...] = ()
    directive: str = ""
    apis: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = INT64_MAX
    multiple: int = 1
    optional: bool = False
    in_ior: bool = True
    name: str = ""
    default: Any = None

    @property
    def flags(self) -> tuple[str, ...]:
        """Every spelling on the command line."""
        return tuple(flag for flag in (self.short, self.long, *self.aliases) if flag)

    @property
    def label(self) -> str:
        """The field and its first spelling, as messages name it: ``block_size (-b)``."""
        return f"{self.name} ({self.flags[0]})"

    def format(self, value: Any) -> str:
        """Write a value for people."""
        if self.kind == "size" and value is not None:
            return format_size(value)
        if self.kind == "counts":
            return ",".join(map(str, value))
        return format_hints(value) if self.kind == "hints" else str(value)

    def read(self, value: Any) -> Any:
        """Make text, as people type it, into a value; leave other values as they are."""
        if not isinstance(value, str):
            return value
        try:
            return self._read_text(value)
        except UsageError as error:
            raise UsageError(f"{self.label}: {error}") from None

    def _read_text(self, text: str) -> Any:
        if self.kind == "hints":
            return parse_hints(text)
        if self.kind == "flag":
            return _SWITCH.get(text.strip().lower(), text)
        if self.kind == "choice":
            return text.strip().upper()
        if self.kind == "counts":
            return tuple(parse_size(part) for part in text.split(","))
        return text if self.kind == "path" else parse_size(text)

    def check(self, value: Any) -> Any:
        """Return the value in its plain type, or raise `UsageError` with what to do."""
        if value is None and self.optional:
            return None
        return _CHECKS[self.kind](self, value)


def _check_flag(option: Option, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{option.label} is {value!r}: give true or false")
    return value


def _check_number(option: Option, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise UsageError(f"{option.label} is {value!r}: give a whole number")
    number = operator.index(value)
    shown, least, most = (option.format(n) for n in (number, option.minimum, option.maximum))
    if number < option.minimum:
        raise UsageError(f"{option.label} is {shown}: give at least {least}")
    if number > option.maximum:
        raise UsageError(f"{option.label} is {shown}: give at most {most}")
    if number % option.multiple:
        raise UsageError(f"{option.label} is {shown}: IOR needs a multiple of {option.multiple}")
    return number


def _check_counts(option: Option, value: Any) -> tuple[int, ...]:
    numbers = (value,) if hasattr(value, "__index__") else value
    if not isinstance(numbers, tuple | list) or not numbers:
        raise UsageError(f"{option.label} is {value!r}: give a whole number, or a list of them")
    return tuple(_check_number(replace(option, kind="int"), number) for number in numbers)


def _check_choice(option: Option, value: Any) -> str:
    if value not in option.choices:
        raise UsageError(f"{option.label} is {value!r}: choose {', '.join(option.choices)}")
    return str(value)


def _check_path(option: Option, value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{option.label} is {value!r}: give a path as text")
    if not value.strip() or "\0" in value or value.endswith("/"):
        raise UsageError(f"{option.label} is {value!r}: give the path of a file")
    return value


def _check_hints(option: Option, value: Any) -> tuple[tuple[str, str], ...]:
    pairs = tuple(value.items()) if isinstance(value, dict) else value
    if not isinstance(pairs, tuple | list) or not all(map(_is_pair, pairs)):
        raise UsageError(f"{option.label} is {value!r}: give name=value pairs of text")
    hints = tuple((name, text) for name, text in pairs)
    check_hints(hints)
    return hints


def _is_pair(pair: Any) -> bool:
    return (
        isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(x, str) for x in pair)
    )


_CHECKS = {
    "flag": _check_flag,
    "level": _check_number,
    "int": _check_number,
    "size": _check_number,
    "choice": _check_choice,
    "path": _check_path,
    "counts": _check_counts,
    "hints": _check_hints,
}


def markdown(options: Iterable[Option]) -> str:
    """Return a table of options for the documentation."""
    rows = [
        "| option | parameter | default | for | what it does |",
        "| --- | --- | --- | --- | --- |",
    ]
    for option in options:
        flags = ", ".join(f"`{flag}`" for flag in option.flags)
        given = option.default is not None and option.kind not in ("flag", "hints")
        default = option.format(option.default) if given else ""
        words = (flags, f"`{option.name}`", default, " ".join(option.apis) or "all", option.help)
        rows.append("| " + " | ".join(words) + " |")
    return "\n".join(rows)
