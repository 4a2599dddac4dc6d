"""A verdict, and a list of them that shows itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any, NamedTuple

_SIGN = {True: "!", False: "-", None: "?"}
_COLOUR = {True: "#D55E00", False: "#009E73", None: "#767676"}
_WORD = {True: "found", False: "not found", None: "can't tell"}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One known cause of slow I/O: whether a trace shows it, and how one knows.

    Attributes
    ----------
    name
        Short and fixed: ``small``, ``random``, ...
    found
        True or False; None where the trace can't tell.
    text
        The evidence in one sentence; where it can't be told, why.
    evidence
        The same as numbers: ``layer``, counts by kind of transfer, and ``worst``, the three files
        or ranks that weigh most.
    threshold
        What was compared with what, in words with the numbers.
    source
        Where the threshold comes from.
    advice
        What to change; empty where nothing was found.
    """

    name: str
    found: bool | None
    text: str
    threshold: str
    source: str
    evidence: dict[str, Any] = field(default_factory=dict)
    advice: str = ""

    @property
    def word(self) -> str:
        """Found, not found, or can't tell."""
        return _WORD[self.found]

    @property
    def line(self) -> str:
        """The whole in one line."""
        return f"{self.name}: {self.text}"

    @property
    def worst(self) -> list[str]:
        """The files or ranks that weigh most, in words: ``file a, count 12``."""
        return [
            ", ".join(f"{name} {_number(value)}" for name, value in one.items())
            for one in self.evidence.get("worst", [])
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return asdict(self)


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


class Rule(NamedTuple):
    """What a verdict compares with, before it is known what with.

    Attributes
    ----------
    name, threshold, source
        As in `Verdict`.
    """

    name: str
    threshold: str
    source: str

    def cannot(self, why: str, evidence: Mapping[str, Any] | None = None) -> Verdict:
        """Return the verdict that it can't be told, and why."""
        return self._verdict(None, f"can't tell: {why}", evidence or {}, "")

    def no(self, text: str) -> Verdict:
        """Return the verdict that there is nothing of the kind."""
        return self._verdict(False, text, {}, "")

    def say(self, found: bool, text: str, evidence: Mapping[str, Any], advice: str) -> Verdict:
        """Return the verdict on numbers; the advice is for those that exceed the threshold."""
        return self._verdict(found, text, evidence, advice if found else "")

    def _verdict(
        self, found: bool | None, text: str, evidence: Mapping[str, Any], advice: str
    ) -> Verdict:
        return Verdict(
            name=self.name,
            found=found,
            text=text,
            evidence=dict(evidence),
            threshold=self.threshold,
            source=self.source,
            advice=advice,
        )


class Verdicts(list[Verdict]):
    """Verdicts of one trace; in a notebook they show themselves."""

    @property
    def found(self) -> list[Verdict]:
        """Only what was found."""
        return [verdict for verdict in self if verdict.found]

    def __getitem__(self, key: Any) -> Any:
        """Return a verdict by its name, too."""
        if isinstance(key, str):
            return {verdict.name: verdict for verdict in self}[key]
        return super().__getitem__(key)

    def __repr__(self) -> str:
        lines = []
        for verdict in self:
            lines.append(f"{_SIGN[verdict.found]} {verdict.line}")
            if verdict.found:
                lines += [f"    most in: {worst}" for worst in verdict.worst]
                lines.append(f"    threshold: {verdict.threshold}")
                lines.append(f"    to do: {verdict.advice}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left;border-left:6px solid "
            f"{_COLOUR[v.found]}'>{escape(v.name)}</th><td>{v.word}</td>"
            f"<td style='text-align:left'>{escape(v.text)}"
            f"{f'<br><strong>To do:</strong> {escape(v.advice)}' if v.found else ''}</td>"
            f"<td style='text-align:left'>{escape(v.threshold)}</td></tr>"
            for v in self
        )
        heads = "".join(
            f"<th scope='col' style='text-align:left'>{name}</th>"
            for name in ("verdict", "", "evidence", "threshold")
        )
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
