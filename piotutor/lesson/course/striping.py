"""Lesson 05: one file over several servers; the slowest decides; one file or many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import exp, log
from typing import Any

from piotutor.lesson.answers import numbers
from piotutor.lesson.course import Content
from piotutor.lesson.question import Option, Question
from piotutor.lesson.shares import shares
from piotutor.lesson.verdict import Point
from piotutor.metrics_targets import stripe_maps

BYTE = 12_000_000
UNIT = 64 << 10
COUNT = 4
PUBLISHED: Mapping[str, Mapping[int, float]] = {
    "file per process": {24: 5928.5, 1536: 11929.5, 12288: 12326.2},
    "one shared file": {24: 737.9, 768: 16144.4, 1536: 16433.6, 12288: 6024.1},
}
"""Highest write rates on ARCHER's Lustre, MiB/s by writers: benchio, ARCHER-CSE/parallel-io.

File per process: stripe count 1, stripes of 1 MiB; shared: all OSTs, stripes of 4 MiB.
"""
SUSPECT = 81_236
"""IOR's figure for a file per process over all OSTs, in the same table: the page cache, surely."""
OVERTAKES = {"one shared file": (24, 1536), "file per process": (1536, 12288)}
"""Who passes whom, and the two measured numbers of writers between which it happens."""


def crossovers(one: Mapping[int, float], other: Mapping[int, float]) -> list[float]:
    """Return where two measured curves cross, with straight lines between points on log paper.

    Parameters
    ----------
    one, other
        Number of writers to rate.

    Examples
    --------
    >>> crossovers({1: 1, 100: 1}, {1: 0.1, 100: 10})
    [10.0]
    """
    both = range(max(min(one), min(other)), min(max(one), max(other)) + 1)
    places = sorted(n for n in {*one, *other} if n in both)
    gaps = [(log(n), log(_between(one, n) / _between(other, n))) for n in places]
    return [
        round(exp(x + (y - x) * g / (g - h)), 6)
        for (x, g), (y, h) in pairwise(gaps)
        if (g < 0) != (h < 0)
    ]


def _between(curve: Mapping[int, float], n: int) -> float:
    low = max(m for m in curve if m <= n)
    high = min(m for m in curve if m >= n)
    if low == high:
        return curve[low]
    share = log(n / low) / log(high / low)
    return float(curve[low] ** (1 - share) * curve[high] ** share)


OWNER = Question(
    name="owner",
    text=(
        "Four ranks write one file of 16 MiB, in turns of 1 MiB each. It is striped over four "
        "servers, in stripes of 64 KiB. Where does byte 16,400,000 go?"
    ),
    options=(
        Option(
            value="a",
            text="to the first server: it is far from full",
            misconception="a server is filled before the next one begins",
            reply="Then whoever writes a file from its front to its end would use one server at a "
            "time, and a small file never more than one. Stripes are dealt out like cards.",
        ),
        Option(
            value="b",
            text="to the third: it lies in stripe 250, and 250 leaves 2 when divided by 4",
            reply="16,400,000 // 65,536 = 250, and 250 % 4 = 2: the third of the file's four "
            "objects. Objects are counted from 0.",
        ),
        Option(
            value="c",
            text="to the fourth: rank 3 writes it, and each rank has its server",
            misconception="each rank has a server of its own",
            reply="Rank 3 does write it. But servers know nothing of ranks: only the offset says "
            "where a byte goes. Each of these calls of 1 MiB reaches all four servers.",
        ),
        Option(
            value="d",
            text="to all four: that is what makes it safe",
            misconception="a stripe is a copy",
            reply="Each byte is on one server only. Striping is for speed; it makes a file less "
            "safe, if anything, since it now needs four servers to be up.",
        ),
    ),
)

SHARE = Question(
    name="share",
    text=(
        "The same four servers, the same 16 MiB, but now with a stripe count of 2. How many MiB "
        "does the busiest server write?"
    ),
    unit="MiB",
    measure=lambda run: _busiest(run),
    options=(
        Option(
            value=8,
            reply="Two servers take turns, stripe by stripe, so each gets half. The other two "
            "never hear of the file.",
        ),
        Option(
            value=4,
            misconception="a file always lies over all servers",
            reply="So it was with four. The stripe count says over how many servers one file "
            "goes, and that is settled when the file is made, however many there are.",
        ),
        Option(
            value=16,
            misconception="stripe count 2 is two copies",
            reply="Two copies would put all 16 MiB on each of two servers. A stripe count of 2 "
            "puts one half here, and the other half there.",
        ),
        Option(
            value=2,
            misconception="the count is what each server gets",
            reply="The 2 is how many servers share the file: 16 MiB / 2.",
        ),
    ),
)

LATE = Question(
    name="late",
    text=(
        "Back to four servers and 4 MiB for each. At 8 MiB/s they need half a second. Now one of "
        "them has only 2 MiB/s. How many seconds does the write need at least?"
    ),
    unit="s",
    measure=lambda run: _seconds(run),
    options=(
        Option(
            value=2,
            reply="The slow server has 4 MiB to write, at 2 MiB/s. Nobody may do it for it: where "
            "a byte goes was settled by its offset. The others wait.",
        ),
        Option(
            value=0.5,
            misconception="the others take over the slow one's work",
            reply="They would if stripes went to whoever is free. But the offset decides, not "
            "the load: its quarter of the file is its own.",
        ),
        Option(
            value=0.6,
            misconception="what counts is the sum of the rates",
            reply="16 MiB at 8 + 8 + 8 + 2 MiB/s would be 0.6 s, if the work were shared by "
            "speed. It is shared evenly, so the slowest decides.",
        ),
        Option(
            value=0.62,
            misconception="what counts is the sum of the rates",
            reply="16 MiB at 8 + 8 + 8 + 2 MiB/s would be 0.62 s, if the work were shared by "
            "speed. It is shared evenly, so the slowest decides.",
        ),
        Option(
            value=0.875,
            misconception="what counts is the mean of the times",
            reply="Three times 0.5 s and once 2 s is 0.875 s in the mean. But the file is there "
            "when its last byte is: the longest time counts, not the mean.",
        ),
        Option(
            value=8,
            misconception="all servers become as slow as the slowest",
            reply="16 MiB at 2 MiB/s would be 8 s. But the four work at the same time, and only "
            "a quarter of the file goes to the slow one.",
        ),
    ),
)


def _busiest(run: Any) -> float | None:
    found = shares(run)
    return found.most / 2**20 if found is not None and found.counted else None


def _seconds(run: Any) -> float | None:
    found = shares(run)
    return None if found is None or found.needs is None else found.took


def place(answer: object, lesson: Any = None) -> Iterator[Point]:
    """Judge on which object byte `BYTE` lies, and where in it; then ask the servers' own map."""
    names = ("object", "object offset")
    if not isinstance(answer, Mapping) or set(answer) != set(names):
        yield Point(False, f"Give one number for each of {' and '.join(names)}.")
        return
    given = numbers(answer.values())
    if given is None:
        yield Point(False, "Give whole numbers: divide with //, which rounds down.")
        return
    said = dict(zip(answer, given, strict=True))
    stripe, rest = divmod(BYTE, UNIT)
    yield _object(said["object"], stripe)
    yield _offset(said["object offset"], stripe // COUNT, rest)
    if said["object"] == stripe % COUNT and lesson is not None:
        yield from _asked(lesson, said["object"])


def _object(said: int, stripe: int) -> Point:
    right = stripe % COUNT
    if said == right:
        return Point(True, f"object: it is stripe {stripe}, and {stripe} % {COUNT} = {right}.")
    slips = {
        stripe: "that is the number of the stripe. The objects take turns: what is left of it "
        f"when divided by {COUNT}?",
        right + 1: "objects are counted from 0, as ranks and bytes are.",
        BYTE // (4 << 20): "so it would be if each object held one quarter of the file. Objects "
        "take turns, stripe by stripe.",
    }
    reply = slips.get(said, "which stripe is it in? Objects take turns, stripe by stripe.")
    return Point(False, f"object: not {said}; {reply}")


def _offset(said: int, row: int, rest: int) -> Point:
    right = row * UNIT + rest
    if said == right:
        return Point(
            True,
            f"object offset: {row} whole stripes of this object lie before it, and {rest:,} bytes "
            f"of its own stripe: {row} x {UNIT:,} + {rest:,} = {right:,}.",
        )
    slips = {
        rest: "that is how far into its stripe it lies. The object holds other stripes before.",
        row * UNIT: "there its stripe begins in the object. How far into the stripe is the byte?",
        BYTE: "that is its offset in the file. The object holds a quarter of the file only.",
        BYTE // COUNT: "a quarter of the offset is near, but stripes go whole: count how many of "
        "the object's stripes lie before it, then add what is left.",
    }
    reply = slips.get(said, "how many stripes of this object lie before it, and what is left?")
    return Point(False, f"object offset: not {said:,}; {reply}")


def _asked(lesson: Any, object_: int) -> Iterator[Point]:
    """Ask the map of the run with the same layout, if there is one."""
    maps = stripe_maps(lesson.runs["four"].trace) if "four" in lesson.runs else []
    if not maps or maps[0].size <= BYTE:
        return
    here, first = maps[0].target_at([BYTE, object_ * UNIT])
    text = f"The file system's own map of the run `four` has it on {maps[0].word} {here}"
    yield Point(
        bool(here == first), f"{text}; stripe {object_}, with which the object begins, too."
    )


def overtakes(answer: object) -> Iterator[Point]:
    """Judge between which numbers of writers each way of writing passes the other."""
    if not isinstance(answer, Mapping) or set(answer) != set(OVERTAKES):
        yield Point(False, f"Give two numbers of writers for each of {', '.join(OVERTAKES)}.")
        return
    estimates = crossovers(*PUBLISHED.values())
    for (name, right), near in zip(OVERTAKES.items(), estimates, strict=True):
        yield _overtakes(name, numbers(answer[name]), right, near)


def _overtakes(name: str, said: list[int] | None, right: tuple[int, int], near: float) -> Point:
    if said is None or len(said) != 2:
        return Point(False, f"{name}: give two numbers of writers, as in (24, 1536).")
    low, high = sorted(said)
    curves = PUBLISHED[name], next(curve for other, curve in PUBLISHED.items() if other != name)
    about = round(near, -2 if near > 1000 else -1)
    if (low, high) == right:
        return Point(
            True,
            f"{name}: behind at {low:,} writers ({curves[0][low]:,} against {curves[1][low]:,} "
            f"MiB/s), ahead at {high:,} ({curves[0][high]:,} against {curves[1][high]:,}). With "
            f"straight lines on log paper it happens near {about:,.0f}; nobody measured there.",
        )
    if name == "one shared file" and (low, high) == (24, 768):
        return Point(
            True,
            "one shared file: at 768 writers it has 16,144.4 MiB/s. The other way wasn't measured "
            "there, but had less at every number of writers that was: a good argument, and a "
            f"narrower answer than (24, 1536). On log paper, straight lines cross at {about:,.0f}.",
        )
    if (low, high) in OVERTAKES.values():
        return Point(False, f"{name}: there the other one passes it. Who is ahead at {high:,}?")
    if SUSPECT in said:
        return Point(False, f"{name}: {SUSPECT:,} is a rate, and no disk gave it.")
    return Point(
        False,
        f"{name}: not {low:,} to {high:,}. Compare the two columns at 24, at 1,536 and at 12,288 "
        "writers: where does the larger one change sides?",
    )


CONTENT = Content(
    name="05",
    title="Which server has my byte?",
    minutes=45,
    questions=(OWNER, SHARE, LATE),
    answers={"owner": "four", "share": "two", "late": "late"},
    checks={"05.place": place, "05.overtakes": overtakes},
    published={
        "title": "Writing to ARCHER's Lustre: who is ahead depends on the number of writers",
        "curves": PUBLISHED,
        "suspect": (SUSPECT, "IOR, file per process over all OSTs: almost certainly memory"),
        "source": "ARCHER-CSE/parallel-io: benchio, highest rates",
    },
)
