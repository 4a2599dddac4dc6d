"""Lesson 06: who interleaves on an object decides; alignment; permissions of whole files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from piotutor.engine.machines import MACHINES
from piotutor.lesson.answers import numbers
from piotutor.lesson.course import Content
from piotutor.lesson.locks import callbacks, foretold, sharing
from piotutor.lesson.question import Option, Question
from piotutor.lesson.verdict import Point
from piotutor.workload import Workload

RECORD, PADDED, PAGE, WIDE = 47_008, 49_152, 4096, 1 << 16
EACH = 20
"""Records of each client in the exercise about lock units."""
MACHINE = MACHINES["slow-lustre"].machine


def _records(together: int, turns: int, *, own: bool = False) -> Workload:
    """Return two ranks that write padded records, so many together, in so many turns each."""
    return Workload.make(
        num_tasks=2,
        transfer_size=PADDED,
        block_size=together * PADDED,
        segment_count=turns,
        file_per_process=own,
        write=True,
    )


JOBS = {"A": _records(4, 8), "B": _records(32, 1, own=True), "C": _records(1, 32),
        "D": _records(32, 1)}  # fmt: skip
BORDERS = {"A": 15, "B": 0, "C": 63, "D": 1}
"""Places in a file where one client's bytes end and the other's begin."""
ORDER = "CADB"
SHARED = {"strided": 39, "padded": 0, "segmented": 1, "padded, units of 64 KiB": 30}

TAKEN = Question(
    name="taken",
    text=(
        "Two clients write one file in turns, a record each: 64 writes in all. They never write "
        "the same byte. How often must one of them give up its lock, since the other one needs it?"
    ),
    options=(
        Option(
            value="a",
            text="never: they don't write the same bytes",
            misconception="a lock covers what is written, and no more",
            reply="A client gets the widest range that is free, so that it needn't ask again. It "
            "holds bytes that it will never write, and the other one is waiting for them.",
        ),
        Option(
            value="b",
            text="two or three times at the beginning: then each has its part",
            misconception="after a while locks fit any pattern",
            reply="They do where each client stays in its own part. Here the next record always "
            "belongs to the other one: nothing that is granted lasts.",
        ),
        Option(
            value="c",
            text="again and again, until the file ends",
            reply="The next record is always the other client's. So somebody always holds what "
            "somebody else is about to need.",
        ),
    ),
)

NODE = Question(
    name="node",
    text=(
        "The same two ranks, the same records in turns, but both ranks on one client. How many "
        "locks are called back?"
    ),
    unit="callbacks",
    measure=callbacks,
    options=(
        Option(
            value=0,
            reply="A lock belongs to the client, the computer, and serves every rank on it. There "
            "is nobody to take it from.",
        ),
        *(
            Option(
                value=value,
                misconception="each rank has locks of its own",
                reply="The servers don't know ranks. They know clients, and here there is one.",
            )
            for value in (63, 64, 32, 2)
        ),
    ),
)

PADS = Question(
    name="pads",
    text=(
        "Each record is padded to 49,152 bytes, which is twelve whole pages. So no page has bytes "
        "of both clients any more. Their turns are as before. What becomes of the callbacks?"
    ),
    options=(
        Option(
            value="a",
            text="there are none any more: nothing is shared",
            misconception="alignment alone ends conflicts",
            reply="No page is shared now, but locks are wider than records. One client still "
            "holds what lies ahead, and there the other one's next record lies.",
        ),
        Option(
            value="b",
            text="there are some at the beginning only",
            misconception="aligned locks stay where they are",
            reply="Each new record lies further on in the file, where the other one's lock is. "
            "This doesn't end before the file does.",
        ),
        Option(
            value="c",
            text="there are still many, to the end, though it may be fewer",
            reply="What lies ahead still goes to and fro, since the next record there is the other "
            "one's. What padding ends is the quarrel about the page at a border.",
        ),
    ),
)

HALVES = Question(
    name="halves",
    text=(
        "Another file system, CephFS. Each of two ranks writes its own half of one file. May both "
        "keep in memory what they wrote, and send it later in large pieces?"
    ),
    options=(
        Option(
            value="a",
            text="yes, as on Lustre: each has the lock of its half",
            misconception="every file system locks ranges of bytes",
            reply="CephFS has no permissions for ranges. One is for a file, and only one writer "
            "can have it. Which bytes they write makes no difference.",
        ),
        Option(
            value="b",
            text="yes, if the border falls on a page",
            misconception="alignment alone ends conflicts",
            reply="Alignment helps where ranges are locked. Here it is the whole file.",
        ),
        Option(
            value="c",
            text="no: with two writers, each write goes to the servers at once",
            reply="The permission to keep bytes is for a whole file, and for one writer. With two, "
            "nobody has it.",
        ),
    ),
)

_UNIT_SLIPS: Mapping[str, Mapping[int, str]] = {
    "strided": {
        2 * EACH: "there are 40 records, and so 39 borders between them.",
        EACH: "each client has 20 records, and each of them has a neighbour on both sides.",
        0: "is the border at byte 47,008 also the border of a page?",
    },
    "padded": {
        39: "there are 39 borders. But each is at a multiple of 49,152, which is 12 pages.",
    },
    "segmented": {
        0: "there is one border, at byte 20 x 47,008. Is that a multiple of 4,096?",
        39: "each client has one half of the file: how many borders are there between them?",
        EACH: "each client has one half of the file: how many borders are there between them?",
    },
    "padded, units of 64 KiB": {
        0: "12 pages are no multiple of 64 KiB: 49,152 bytes are three quarters of a unit.",
        39: "each fourth border, at 4 x 49,152 and so on, falls on the border of a unit.",
        40: "there are 39 borders, and each fourth of them falls on the border of a unit.",
    },
}


def units(answer: object, lesson: Any = None) -> Iterator[Point]:
    """Judge how many lock units two clients share; then tell what the lesson's own runs shared."""
    if not isinstance(answer, Mapping) or set(answer) != set(SHARED):
        yield Point(False, f"Give one number for each of {', '.join(SHARED)}.")
        return
    given = numbers(answer.values())
    if given is None:
        yield Point(False, "Give whole numbers: lock units are counted.")
        return
    said = dict(zip(answer, given, strict=True))
    for name, right in SHARED.items():
        yield _units(name, said[name], right)
    if said == SHARED and lesson is not None:
        yield from _own(lesson)


def _units(name: str, said: int, right: int) -> Point:
    if said == right:
        borders = 1 if name == "segmented" else 2 * EACH - 1
        inside = f"of {borders} border{'s' * (borders > 1)}, {right} inside a unit"
        return Point(True, f"{name}: {right}; {inside}.")
    reply = "at which bytes are the borders, and which of these are no multiple of the unit?"
    return Point(False, f"{name}: not {said}; {_UNIT_SLIPS[name].get(said, reply)}")


def _own(lesson: Any) -> Iterator[Point]:
    """Count the same in runs of 32 records each, from what the clients really wrote."""
    for name in ("strided", "padded"):
        if name in lesson.runs:
            found = sharing(lesson.runs[name])
            inside = 0 if name == "padded" else found.borders
            text = f"Your run `{name}`: {found.split} pages shared, at {found.borders} borders."
            yield Point(found.split == inside, text)


def order(answer: object) -> Iterator[Point]:
    """Judge the order of four jobs by callbacks, most first; then let the engine count."""
    letters = "".join(map(str, answer)) if isinstance(answer, (list, tuple, str)) else ""
    letters = letters.upper()
    if sorted(letters) != sorted(ORDER):
        yield Point(False, "Give each of A, B, C and D once, the one with most callbacks first.")
        return
    wrong = [(one, two) for one, two in pairwise(letters) if BORDERS[one] < BORDERS[two]]
    for one, two in wrong:
        yield Point(False, f"{two} has more than {one}: {_why(one)}; {_why(two)}.")
    if not wrong:
        told = ", ".join(f"{letter} {BORDERS[letter]}" for letter in ORDER)
        yield Point(True, f"Places where one client's bytes end and the other's begin: {told}.")
        yield _counted()


def _why(letter: str) -> str:
    work = JOBS[letter]
    if work.file_per_process:
        return f"in {letter} nobody else ever opens the file"
    if work.segment_count == 1:
        return f"in {letter} the clients have one border, in the middle"
    together = work.block_size // PADDED
    after = "each record" if together == 1 else f"{together} records"
    return f"in {letter} the other one's turn comes after {after}"


def _counted() -> Point:
    counts = [foretold(JOBS[letter], MACHINE) for letter in ORDER]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return Point(None, "The engine isn't built here, so nobody counts them.")
    told = ", ".join(f"{letter} {count}" for letter, count in zip(ORDER, known, strict=True))
    return Point(known == sorted(known, reverse=True), f"Callbacks, counted by the engine: {told}.")


CONTENT = Content(
    name="06",
    title="Who has the lock?",
    minutes=45,
    questions=(TAKEN, NODE, PADS, HALVES),
    answers={"taken": "strided", "node": "node", "pads": "padded", "halves": "halves"},
    checks={"06.units": units, "06.order": order},
)
