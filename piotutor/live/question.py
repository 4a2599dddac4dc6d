"""The widget that asks a question of a lesson."""

from __future__ import annotations

from typing import Any, Protocol

import ipywidgets

from piotutor.errors import UsageError

_WIDE = {"width": "auto"}


class Asked(Protocol):
    """What the widget needs of a question that is being asked."""

    question: Any

    @property
    def value(self) -> Any:
        """The prediction so far, or None."""

    @property
    def said(self) -> str:
        """What stands now, in words."""

    def put(self, given: object) -> None:
        """Note a prediction."""


class QuestionBox(ipywidgets.VBox):  # type: ignore[misc]
    """A question with its choices, or with a field for a number; every choice is noted at once.

    Parameters
    ----------
    asked
        The question, and where its answer goes.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        question = asked.question
        self._status = ipywidgets.HTML()
        self._field = _choices(question) if question.unit is None else _number(question)
        self._field.observe(self._noted, "value")
        title = ipywidgets.HTML(f"<strong>{question.text}</strong>")
        super().__init__([title, self._field, self._status])
        self._say(asked.said)

    def close_question(self) -> None:
        """Let nothing be changed any more."""
        self._field.disabled = True
        self._say(f"locked: {self._asked.said}")

    def mimebundle(self) -> dict[str, Any]:
        """Return the view of this widget, to be shown beside its static form."""
        bundle = self._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        view = "application/vnd.jupyter.widget-view+json"
        return {view: data[view]}

    def _noted(self, change: dict[str, Any]) -> None:
        if change["new"] in (None, ""):
            return
        try:
            self._asked.put(change["new"])
        except UsageError as error:
            self._say(str(error))
        else:
            self._say(f"{self._asked.said}; you may change it until the run starts")

    def _say(self, text: str) -> None:
        self._status.value = f"<em role='status'>{text}</em>"


def _choices(question: Any) -> Any:
    options = [(f"{option.value}) {option.text}", option.value) for option in question.options]
    return ipywidgets.RadioButtons(options=options, value=None, layout=_WIDE)


def _number(question: Any) -> Any:
    return ipywidgets.Text(
        placeholder=f"a number, in {question.unit}, then Enter",
        continuous_update=False,
        layout={"width": "22em"},
    )
