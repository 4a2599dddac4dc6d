"""Lesson 01: what a write and a read that came back have proved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from piotutor.lesson.blind import Blind
from piotutor.lesson.course import Content
from piotutor.lesson.evidence import Evidence, evidence
from piotutor.lesson.question import Option, Question
from piotutor.lesson.verdict import Point
from piotutor.workload import Workload

_SMALL = Workload.make(num_tasks=4, block_size="4m", transfer_size="1m", write=True, read=True)
BLIND = {
    "buffered": _SMALL,
    "fsync": _SMALL.replace(fsync=True),
    "direct": _SMALL.replace(direct_io=True),
    "evicted": _SMALL.replace(fsync=True, read=False, verify_read=True),
}
SUSPECTS = {"archer": 81236, "tutorial": 254017}

RETURNED = Question(
    name="returned",
    text=(
        "Four ranks write 64 MiB in all, and every write call has come back without an error. "
        "How much of it must be on the device by then?"
    ),
    options=(
        Option(
            value="a",
            text="all of it: that is what a successful write means",
            misconception="written is durable",
            reply="A write is a copy into memory. It succeeds when the kernel has the bytes, and "
            "the device may get them half a minute later. A power cut in between loses them.",
        ),
        Option(
            value="b",
            text="none of it need be",
            reply="The kernel took a copy, and marked those pages dirty. When it passes them on "
            "is its own affair, until somebody calls fsync.",
        ),
        Option(
            value="c",
            text="all but the last call's: each call waits for the one before",
            misconception="a call waits for the device",
            reply="No call waits for the device as long as memory is free. Only when too much is "
            "dirty does the kernel hold writers back.",
        ),
        Option(
            value="d",
            text="it needs to be there once the file is closed",
            misconception="close makes durable",
            reply="Close gives the descriptor back, and promises nothing of the device. On some "
            "network file systems it does send the data off; that is their own promise.",
        ),
    ),
)

WARM = Question(
    name="warm",
    text=(
        "You write a file of 64 MiB, and read it right afterwards. How much of that comes out of "
        "memory, without the device?"
    ),
    unit="MiB",
    measure=lambda run: _from_memory(run),
    options=(
        Option(
            value=64,
            reply="The bytes are still in memory from the write, so the device isn't asked. "
            "What the measurement lacks, other programs read from the device meanwhile.",
        ),
        Option(
            value=0,
            misconception="a read reads the device",
            reply="A read takes a page from memory if it is there, and it is: writing put it "
            "there. The device isn't asked for bytes that the kernel already has.",
        ),
        Option(
            value=32,
            misconception="half of a file is a fair guess",
            reply="All of the file was in memory, as the picture of the write shows, so nothing "
            "was left for the device. It would be half only on a machine short of memory.",
        ),
    ),
)


@dataclass(frozen=True)
class _Trait:
    """One thing that must be so in a run of some kind: `holds` answers None where unknown."""

    holds: Callable[[Evidence], bool | None]
    text: str


def _no(value: int | None) -> bool | None:
    return None if value is None else value == 0


def _reached(value: int | None, wanted: int) -> bool | None:
    return None if value is None else value >= wanted


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


_NO_SYNC = _Trait(lambda e: e.syncs == 0, "no rank called fsync")
_SYNC = _Trait(lambda e: e.syncs > 0, "the ranks called fsync")
_CACHED = _Trait(lambda e: _not(_no(e.resident)), "the file stays in memory")
_ABSENT = _Trait(lambda e: _no(e.resident), "nothing of the file is in memory")
_STORED = _Trait(lambda e: _reached(e.device_written, e.written), "the device wrote all of it")
_COLD = _Trait(lambda e: _reached(e.device_read, e.read), "the device read all of it")
_WARM = _Trait(lambda e: _not(_reached(e.device_read, e.read)), "the device did not read all of it")
TRAITS = {
    "buffered": (_NO_SYNC, _CACHED, _WARM),
    "fsync": (_SYNC, _CACHED, _STORED, _WARM),
    "direct": (_NO_SYNC, _ABSENT, _STORED, _COLD),
    "evicted": (_SYNC, _CACHED, _STORED, _COLD),
}


def labels(answer: object, blind: Blind) -> Iterator[Point]:
    """Judge the labels of four runs by what each run left behind, never by its speed."""
    if not isinstance(answer, dict) or set(answer) != set(blind.runs):
        yield Point(False, f"Give one label to each of {', '.join(blind.runs)}.")
        return
    for run, said in answer.items():
        yield _label(run, str(said).strip().lower(), blind.truth[run], blind.runs[run])


def _label(run: str, said: str, truth: str, found: Evidence) -> Point:
    if said not in TRAITS:
        return Point(False, f"{run}: {said!r} is no label; they are {', '.join(TRAITS)}.")
    seen = [(trait.holds(found), trait.text) for trait in TRAITS[said]]
    if any(holds is None for holds, _ in seen) and all(holds is not False for holds, _ in seen):
        unknown = next(text for holds, text in seen if holds is None)
        return Point(None, f'{run}: whether "{unknown}" can\'t be seen on this machine.')
    against = [text for holds, text in seen if holds is False]
    if said == truth:
        if against:
            return Point(None, f"{run}: {said}, but another program disturbed the numbers.")
        return Point(True, f"{run}: {said}, since {', and '.join(text for _, text in seen)}.")
    if not against:
        return Point(None, f"{run}: another program disturbed the numbers; run the four again.")
    return Point(False, f"{run} can't be {said}: then \"{against[0]}\", and that isn't so here.")


def published(answer: object) -> Iterator[Point]:
    """Judge which published figures no disk can have given."""
    if not isinstance(answer, dict) or set(answer) != set(SUSPECTS):
        yield Point(False, f"Give one figure for each of {', '.join(SUSPECTS)}.")
        return
    yield _archer(answer["archer"])
    yield _tutorial(answer["tutorial"])


def _archer(said: object) -> Point:
    if said == SUSPECTS["archer"]:
        return Point(
            True,
            "81,236 MiB/s is five times what the same file system gave to anyone else in the "
            "table, with up to 12,288 writers. Nothing shows that it was synced: almost "
            "certainly it went to memory.",
        )
    return Point(
        False,
        f"{said} fits its neighbours: within a factor of three another row comes near it. One "
        "figure has no neighbour at all.",
    )


def _tutorial(said: object) -> Point:
    if said == SUSPECTS["tutorial"]:
        return Point(
            True,
            "254,017 MiB/s fell to 6,644 as soon as -C let each rank read what another node had "
            "written. The files were the same; only the memory was another's.",
        )
    if said in (13433, 10887, 12946, 11963):
        return Point(
            False,
            f"{said:,} may well be memory too, in part. One figure is far above it, and falls "
            "38-fold as soon as each rank reads another's file: look for that one.",
        )
    return Point(
        False,
        f"{said} is possible for disks. Compare rows that differ by -C only: which read "
        "changes most?",
    )


def _from_memory(run: Any) -> float | None:
    """MiB that the ranks read and the device did not, at least."""
    found = evidence(run.trace)
    if found.device_read is None:
        return None
    return round(max(0, found.read - found.device_read) / 2**20, 1)


CONTENT = Content(
    name="01",
    title="What did you measure?",
    minutes=25,
    questions=(RETURNED, WARM),
    answers={"returned": "buffered", "warm": "warm"},
    checks={"01.labels": labels, "01.published": published},
    blind=BLIND,
)
