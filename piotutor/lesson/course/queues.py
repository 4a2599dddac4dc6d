"""Lesson 02: how many requests at once, and what the others wait for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from piotutor.lesson.course import Content
from piotutor.lesson.question import Option, Question
from piotutor.lesson.sweep import knee, sweep
from piotutor.lesson.verdict import Point
from piotutor.metrics_depth import Depth
from piotutor.queueing import Closed, rate

FAR = Closed(demand=8e-3, slowest=0.5e-3)
"""The device of the exercise: 4 ms of its own, eight at once, 2 ms there and 2 ms back."""
APART = 0.1
"""Share by which N and X R may differ before a run counts as disturbed."""
NEAR = 0.25
"""Share by which a knee that was measured may differ from the one that is worked out."""
DEEPEST = 64
"""Reads in flight at the end of each sweep."""


def _deepest(run: Any) -> Depth | None:
    """Return what a sweep measured at its end; None where it was stopped before."""
    return next((one for one in sweep(run) if one.asked == DEEPEST), None)


def _waits(run: Any) -> float | None:
    """Return the milliseconds of each read with 64 in flight."""
    deep = _deepest(run)
    return None if deep is None else round(deep.seconds * 1e3, 1)


def _knee(run: Any) -> float | None:
    """Return where the bounds of a whole sweep meet."""
    return None if run is None or _deepest(run) is None else knee(run)


WAITS = Question(
    name="waits",
    text=(
        "A device needs 4 ms for a request, and serves eight at once. You keep 64 reads in flight. "
        "How long does each of them take?"
    ),
    unit="ms",
    measure=_waits,
    options=(
        Option(
            value=32,
            reply="Eight are done every 4 ms, so one every 0.5 ms, and 64 are in the line: "
            "64 x 0.5 ms. Of these 32 ms, 28 are waiting.",
        ),
        Option(
            value=4,
            misconception="a request takes as long as the device needs for it",
            reply="The device needs 4 ms, but it has only eight hands, and 64 are there. A read "
            "first waits until its turn comes; its own clock runs from the beginning.",
        ),
        Option(
            value=256,
            misconception="a device serves one after the other",
            reply="One after the other it would be 64 x 4 ms. But eight are served side by side, "
            "so one is done every 0.5 ms.",
        ),
        Option(
            value=28,
            misconception="time in the line is the whole time",
            reply="28 ms is the waiting. The 4 ms of service come on top of it.",
        ),
        Option(
            value=36,
            misconception="all 64 stand before you",
            reply="Eight rounds of 4 ms serve all 64 of them, and you are one of the 64: 32 ms.",
        ),
    ),
)

KNEE = Question(
    name="knee",
    text=(
        "The same device: 4 ms, eight at once. From how many reads in flight on do more of them "
        "bring no more reads a second?"
    ),
    unit="reads",
    measure=lambda run: None if (met := _knee(run)) is None else round(met, 1),
    options=(
        Option(
            value=8,
            reply="With eight in flight the device never rests: it does 8 in 4 ms, 2,000 a second. "
            "A ninth one waits. What was seen may be a little more, as your machine needs a moment "
            "to wake who waits.",
        ),
        Option(
            value=1,
            misconception="one request keeps a device busy",
            reply="One request keeps one of its eight hands busy: 250 reads a second, an eighth of "
            "what it can do.",
        ),
        Option(
            value=2,
            misconception="one request for each core",
            reply="A core has nothing to do while its request is at the device. Two would leave "
            "six of eight hands idle.",
        ),
        Option(
            value=64,
            misconception="the more, the faster",
            reply="From the ninth on they only stand in the line. The rate stays at 2,000 a "
            "second, and each one takes longer.",
        ),
        Option(
            value=4,
            misconception="milliseconds are a number of requests",
            reply="4 ms is a time. The number is eight: as many as are served at once.",
        ),
    ),
)

TWICE = Question(
    name="twice",
    text=(
        "On some disk you keep twice as many reads in flight as before, and it does as many reads "
        "a second as before. How long does each read take now?"
    ),
    options=(
        Option(
            value="a",
            text="as long as before: the disk is as fast as before",
            misconception="rate and time are the same thing",
            reply="The rate is as before, so each second the same number of reads is done. But "
            "twice as many are in the line, and each has to wait until those before it are done.",
        ),
        Option(
            value="b",
            text="twice as long",
            reply="N = X R. X is the same and N has doubled, so R has. No disk, network or "
            "checkout of a shop can do otherwise.",
        ),
        Option(
            value="c",
            text="half as long: two work side by side",
            misconception="more in flight makes each one quicker",
            reply="Side by side, more are done in a second. None of them gets quicker by it; and "
            "here no more are done, either.",
        ),
        Option(
            value="d",
            text="that has to be measured",
            misconception="nothing can be known before measuring",
            reply="Two of the three numbers were given, and N = X R gives the third.",
        ),
    ),
)


def reads(answer: object, lesson: Any) -> Iterator[Point]:
    """Judge a rate that was worked out from N and R, and look what was counted."""
    run = lesson.runs.get("disk")
    if not isinstance(answer, int | float) or isinstance(answer, bool):
        yield Point(False, "Give one number, in reads a second.")
        return
    deep = None if run is None else _deepest(run)
    if deep is None:
        yield Point(None, "The run of your own disk isn't there yet, or was stopped: make it, with "
                    "its cell above.")  # fmt: skip
        return
    right = rate(deep.in_flight, deep.seconds)
    if not _close(answer, right, 0.02):
        yield Point(False, _slip(float(answer), deep.in_flight, deep.seconds))
        return
    apart = abs(deep.rate / right - 1)
    told = f"N / R gives {right:,.0f} reads/s; counted were {deep.rate:,.0f}, {apart:.1%} apart"
    if apart <= APART:
        yield Point(True, f"{told}.")
    else:
        yield Point(None, f"{told}: something disturbed this machine. Run the sweep again.")


def _slip(said: float, in_flight: float, seconds: float) -> str:
    slips = (
        (1 / seconds, "That is 1 / R: so many if only one were in flight. There were more."),
        (in_flight * seconds, "That is N x R. Which two of N, X and R multiply to the third?"),
        (seconds / in_flight, "That is R / N, seconds for a read: turn it round."),
        (in_flight / seconds / 1000, "A factor of 1,000 is missing: R is in seconds here, not ms."),
        (in_flight / seconds * 1000, "A factor of 1,000 too much: R is in seconds here, not ms."),
    )
    for value, why in slips:
        if _close(said, value, 0.02):
            return why
    return f"{said:,.6g} doesn't follow from N = X R. Solve it for X, and put N and R in."


def meeting(answer: object, lesson: Any) -> Iterator[Point]:
    """Judge D, Dmax and the knee of a device that is farther away, and what its run shows."""
    if not isinstance(answer, Mapping) or set(answer) != set(_WANTED):
        yield Point(False, f"Give one number for each of {', '.join(_WANTED)}.")
        return
    for name, said in answer.items():
        yield _part(name, said)
    run = lesson.runs.get("far")
    found = _knee(run)
    if found is None:
        yield Point(None, "The far device's run isn't there yet, or was stopped: make it, with its "
                    "cell above.")  # fmt: skip
    elif _close(found, FAR.knee, NEAR):
        yield Point(True, f"In the run the two bounds meet at {found:.1f} in flight.")
    else:
        yield Point(
            None,
            f"In the run they meet at {found:.1f}, not near {FAR.knee:g}: the machine was too busy "
            "to be slow at the right moments. Run it again.",
        )


_WANTED: dict[str, tuple[float, str, dict[float, str]]] = {
    "D": (
        FAR.demand * 1e3,
        "2 ms there, 4 ms at the device, 2 ms back",
        {
            4.0: "4 ms is the device alone. On its way there and back a read is in flight, too.",
            6.0: "That is one way only. It has to come back.",
            0.5: "That is Dmax. D is the time of one read that meets no other.",
        },
    ),
    "Dmax": (
        FAR.slowest * 1e3,
        "the device ends eight every 4 ms; the way holds nobody up",
        {
            4.0: "4 ms is the service of one. Eight are served meanwhile, so one ends every ...?",
            1.0: "The way there and back holds nobody up: only the device counts, 4 ms for eight.",
            8.0: "That is D. Dmax is the time from one end to the next at the busiest part.",
        },
    ),
    "knee": (
        FAR.knee,
        "D / Dmax: eight at the device, and eight on their way",
        {
            8.0: "Eight keep the device busy if none is on its way. Half of the time, they are.",
            64.0: "At 64 most of them only wait. Where do N / D and 1 / Dmax meet?",
            4.0: "That is D times Dmax, or the ms of the service. The two bounds meet at D / Dmax.",
        },
    ),
}
"""Name to the right number, why, and what to say to foreseen ones. Times are in ms."""


def _part(name: str, said: object) -> Point:
    right, why, slips = _WANTED[name]
    unit = "" if name == "knee" else " ms"
    if not isinstance(said, int | float) or isinstance(said, bool):
        return Point(False, f"{name}: give a number, not {said!r}.")
    if _close(said, right, 0.01):
        return Point(True, f"{name} = {right:g}{unit}: {why}.")
    if unit and _close(said * 1e3, right, 0.01):
        return Point(False, f"{name}: that is in seconds; give it in ms.")
    close = (text for value, text in slips.items() if _close(said, value, 0.01))
    return Point(False, f"{name}: {next(close, _HOW[name])}")


_HOW = {
    "D": "add up all that a single read meets: the way there, the service, the way back.",
    "Dmax": "the device serves eight in 4 ms. How often does one end?",
    "knee": "divide D by Dmax.",
}


def _close(one: float, other: float, share: float) -> bool:
    return abs(one - other) <= share * abs(other)


CONTENT = Content(
    name="02",
    title="How many requests at once?",
    minutes=25,
    questions=(WAITS, KNEE, TWICE),
    answers={"waits": "known", "knee": "known", "twice": "disk"},
    checks={"02.rate": reads, "02.knee": meeting},
)
