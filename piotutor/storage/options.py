"""A storage's options: fields of its dataclass, read from text or taken as values, and checked.

``lustre:stripe_size=1m,overstripe`` names a storage and its options; `words_of` takes such options
apart, `text_of` puts them together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, field, fields
from typing import Any

from piotutor import lookup
from piotutor.errors import UsageError
from piotutor.units import compact_size, parse_size

Reader = Callable[[Any], Any]
"""From text, or a plain value, to the value; a `UsageError` says what is allowed."""


def option(default: Any, read: Reader, about: str) -> Any:
    """Make a field that may be given in a spec.

    Parameters
    ----------
    default : object
        What it is if it isn't given; never shown to `read`.
    read : callable
        Makes a value of what is given.
    about : str
        What it does, in a few words.
    """
    return field(default=default, metadata={"read": read, "about": about})


def options(cls: type) -> dict[str, Field[Any]]:
    """Return the options of a storage's class by their names."""
    return {each.name: each for each in fields(cls) if "read" in each.metadata}


def settle(storage: Any) -> None:
    """Read all options of a storage that aren't at their defaults, in place.

    Raises
    ------
    UsageError
        One isn't what it must be; its name stands in the message.
    """
    for name, about in options(type(storage)).items():
        given = getattr(storage, name)
        if given == about.default and type(given) is type(about.default):
            continue
        try:
            object.__setattr__(storage, name, about.metadata["read"](given))
        except UsageError as error:
            raise UsageError(f"{name}={given}: {error}") from None


def words_of(text: str, cls: Any) -> dict[str, str]:
    """Take the options of a spec apart: ``key=value,key=value``; a key alone says yes.

    Where a storage has a ``first_word``, a first word that is no key, or has a colon of its own
    (``small-lustre:latency=1e-3``), is that option's value.

    Parameters
    ----------
    text : str
        What stands behind the storage's name and a colon.
    cls : type
        The storage's class.

    Raises
    ------
    UsageError
        A key is unknown or comes twice, or a value is missing.
    """
    known, first = options(cls), getattr(cls, "first_word", "")  # no launcher has one
    words: dict[str, str] = {}
    for part in text.split(",") if text else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if first and not words and key not in known and (not equals or ":" in key):
            key, equals, value = first, "=", part.strip()
        if key not in known:
            raise UsageError(f"there is no option {key!r}: {lookup.advice(key, known)}")
        if key in words:
            raise UsageError(f"{key} is given twice")
        if not (value if equals else known[key].metadata["read"] is flag):
            raise UsageError(f"{key} needs a value, as in {key}=...")
        words[key] = value if equals else "yes"
    return words


def text_of(name: str, storage: Any) -> str:
    """Return the spec of a storage: its name, and those options that aren't at their defaults."""
    given = []
    for key, about in options(type(storage)).items():
        value = getattr(storage, key)
        if value != about.default:
            given.append(key if value is True else f"{key}={_text(about, value)}")
    return name + (f":{','.join(given)}" if given else "")


def size(value: Any) -> int:
    """Read a number of bytes, at least one."""
    number = parse_size(value)
    if number < 1:
        raise UsageError("give a positive number of bytes, such as 64k or 1m")
    return number


def count(value: Any) -> int:
    """Read a whole number, at least one."""
    return int(at_least(1)(value))


def at_least(least: int) -> Reader:
    """Return a reader of whole numbers from `least` on."""

    def read(value: Any) -> int:
        try:
            number = int(value) if not isinstance(value, bool | float) else least - 1
        except (TypeError, ValueError):
            number = least - 1
        if not least <= number < 1 << 31:
            raise UsageError(f"give a whole number, at least {least}")
        return number

    return read


def seconds(value: Any) -> float:
    """Read a positive number of seconds."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < 1e6:
        raise UsageError("give a positive number of seconds, such as 0.02")
    return number


def flag(value: Any) -> bool:
    """Read yes or no."""
    found = _SWITCH.get(str(value).lower())
    if found is None:
        raise UsageError("give yes or no")
    return found


def word(*choices: str) -> Reader:
    """Return a reader of one word out of some."""

    def read(value: Any) -> str:
        if value not in choices:
            raise UsageError(f"choose {' or '.join(choices)}")
        return str(value)

    return read


_SWITCH = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def _text(about: Field[Any], value: Any) -> str:
    return compact_size(value) if about.metadata["read"] is size else str(value)
