"""Lesson 03: what an arm, flash blocks and parity make of one small write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from piotutor.lesson.answers import numbers
from piotutor.lesson.course import Content
from piotutor.lesson.hardware import SPARE, Counted
from piotutor.lesson.parity import coded
from piotutor.lesson.question import Option, Question
from piotutor.lesson.verdict import Point

PUBLISHED = 2.36
"""Amplification at 0.3 spare, by the formula: Xiang and Kurkoski, arXiv:1110.4245."""
NEAR = 0.03
"""How far from it an answer may be, as a share."""
SMALL = {"RAID 6, 8 disks": 6, "RAID 5, 3 disks": 3, "writes/s": 200}
"""Operations on disks of one write of 4 KiB, and writes/s of 8 disks in RAID 5."""

ARM = Question(
    name="arm",
    text=(
        "64 records of 4 KiB go to a disk with an arm: to places all over it, one after the "
        "other. Or as one call of 256 KiB, to one place. How many times longer do the 64 take?"
    ),
    options=(
        Option(
            value="a",
            text="as long: it is the same number of bytes",
            misconception="time is bytes divided by bandwidth",
            reply="So it would be if the disk did nothing but move bytes. Look how small the part "
            "is in which bytes move: in the 64, it is 7% of the time.",
        ),
        Option(
            value="b",
            text="about twice as long",
            misconception="going somewhere else costs about as much as 4 KiB",
            reply="To go there and wait for the right place to come by takes more than ten times "
            "as long as the 4 KiB themselves, and it is paid 64 times.",
        ),
        Option(
            value="c",
            text="about eleven times as long",
            reply="The 64 take 1.46 s, the one call 0.133 s. Going to a place and waiting for it "
            "is paid for each request; bytes are the smaller part of the bill.",
        ),
        Option(
            value="d",
            text="64 times as long: each call costs the same",
            misconception="each request costs the same, whatever its size",
            reply="Near, for small ones. But the one call is 64 times larger, and on this disk "
            "its bytes take 0.118 s of its 0.133 s. Against one call of 4 KiB it would be 64.",
        ),
    ),
)

SPARE_PAGES = Question(
    name="spare",
    text=(
        "Flash has eleven pages for every ten that its user sees. It is full, and random pages "
        "are overwritten for a long time. How many pages does it write for each of the user's?"
    ),
    options=(
        Option(
            value="a",
            text="1: a page is a page",
            misconception="flash overwrites in place, as memory does",
            reply="A page can be written only after its whole block was erased, so the new one "
            "goes elsewhere. Somebody has to make that room, and this means moving pages.",
        ),
        Option(
            value="b",
            text="about 1.1: there is a tenth more",
            misconception="the spare share is the price",
            reply="The spare share is room to work in. The less of it there is, the fuller are "
            "the blocks that have to be emptied, and the more has to be moved.",
        ),
        Option(
            value="c",
            text="about 2: each new page makes one old page move",
            misconception="room for one page costs one move",
            reply="So it would be if the blocks that are emptied were half full of live pages. "
            "With a tenth to spare even the emptiest of them is more than four fifths full.",
        ),
        Option(
            value="d",
            text="nearly 6",
            reply="The emptiest block there is has more than four fifths of its pages live. To "
            "win room for one page, nearly five have to move.",
        ),
    ),
)

PARITY = Question(
    name="parity",
    text=(
        "Five disks survive the loss of any one of them: each stripe has four chunks of data and "
        "one of parity (RAID 5). 4 KiB are overwritten. How many operations on disks is this?"
    ),
    options=(
        Option(
            value="a",
            text="1: the disk that has the 4 KiB writes them",
            misconception="parity looks after itself",
            reply="Then the parity would still be that of the old bytes, and after the loss of a "
            "disk it would bring back nonsense. It has to change with them.",
        ),
        Option(
            value="b",
            text="2: the data and the parity are written",
            misconception="the new parity is known from the new data alone",
            reply="The parity is made of all four chunks of data. To change it, one needs the old "
            "data and the old parity, or the other three chunks: something is read first.",
        ),
        Option(
            value="c",
            text="4: two reads, then two writes",
            reply="Old data and old parity are read, new data and new parity are written: what "
            "changes in the data changes in the parity.",
        ),
        Option(
            value="d",
            text="5: each disk does something",
            misconception="a stripe is always written whole",
            reply="An array of disks touches only what it needs. (It can read the other chunks "
            "instead: with five disks three reads and two writes, one more than here.) But "
            "there are systems that do write whole stripes: you will meet one soon.",
        ),
    ),
)

CODED = Question(
    name="coded",
    text=(
        "Four servers keep three chunks of data and one of parity, 16 KiB each. 16 writes of "
        "4 KiB, 64 KiB in all, are each made safe at once. How many KiB do the servers write?"
    ),
    unit="KiB",
    measure=lambda run: _kib(run),
    options=(
        Option(
            value=1024,
            reply="Each write changes one stripe, and these servers write a stripe whole: four "
            "chunks of 16 KiB. 16 times 64 KiB: sixteen bytes for one.",
        ),
        Option(
            value=64,
            misconception="what is asked for is what is written",
            reply="Then there would be no parity at all, and no server could be lost.",
        ),
        Option(
            value=85,
            misconception="parity costs a third, always",
            reply="One chunk for three is what whole stripes cost. A write of 4 KiB isn't one.",
        ),
        Option(
            value=85.3333,
            misconception="parity costs a third, always",
            reply="One chunk for three is what whole stripes cost. A write of 4 KiB isn't one.",
        ),
        Option(
            value=86,
            misconception="parity costs a third, always",
            reply="One chunk for three is what whole stripes cost. A write of 4 KiB isn't one.",
        ),
        Option(
            value=128,
            misconception="coded data is written as an array of disks does it",
            reply="4 KiB of data and 4 KiB of parity are what an array of disks would write, "
            "after reading as much. These servers are coarser.",
        ),
        Option(
            value=256,
            misconception="each server writes 4 KiB",
            reply="All four servers do write. But each a chunk of 16 KiB, not 4.",
        ),
        Option(
            value=512,
            misconception="only the chunk that changes is written, and the parity",
            reply="Two chunks of 16 KiB for each write would be 512. These servers write the "
            "other two chunks of the stripe as well.",
        ),
    ),
)

PADDED = Question(
    name="padded",
    text=(
        "16 records of 47,008 bytes, one behind the other. Or each filled up with zeros to "
        "49,152, which is exactly a stripe: 5% more bytes. When do the servers write less?"
    ),
    options=(
        Option(
            value="a",
            text="without zeros: fewer bytes are fewer bytes",
            misconception="less asked for is less written",
            reply="Servers write stripes, not bytes. Where a record ends within a stripe, the "
            "next one begins in it, and that stripe is written twice.",
        ),
        Option(
            value="b",
            text="with zeros: about half as much",
            reply="Each padded record is one stripe. Of the others all but the first lie "
            "across a boundary, so each of these writes two stripes.",
        ),
        Option(
            value="c",
            text="no difference: both are a third more than was asked for",
            misconception="large writes cost a third, wherever they begin",
            reply="A third is the price where whole stripes are written. These records are as "
            "large as a stripe, nearly, but they don't begin where a stripe begins.",
        ),
    ),
)


def _kib(run: Any) -> float | None:
    found = coded(run).written
    return None if found is None else found / 1024


def flash(answer: object, counted: Counted | None = None) -> Iterator[Point]:
    """Judge amplification and live share at 0.3, by what was counted or what is published."""
    names = ("amplification", "live share")
    if not isinstance(answer, Mapping) or set(answer) != set(names):
        yield Point(False, f"Give one number for each of {' and '.join(names)}.")
        return
    said = {name: _number(answer[name]) for name in names}
    right = PUBLISHED if counted is None else 1 + counted.moved / counted.written
    yield _amplification(said["amplification"], right)
    yield _live(said["live share"], 1 - 1 / right)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _close(said: float | None, right: float) -> bool:
    return said is not None and abs(said - right) <= NEAR * right


def _amplification(said: float | None, right: float) -> Point:
    if _close(said, right):
        return Point(
            True,
            f"amplification: {right:.2f} pages are written for each of the user's. Published for "
            f"{SPARE} to spare: {PUBLISHED} by the formula, 2.35 by simulation.",
        )
    slips = {
        right - 1: "that is how many are moved for each of the user's. The user's own page is "
        "written, too.",
        1 + SPARE: "that is how many pages there are for each that the user sees. How many are "
        "written?",
        1 / SPARE: "the spare share isn't the price: divide all pages written by the user's.",
        1 - 1 / right: "that is a share of all pages written. Divide all of them by the user's.",
        2.17: "that is alpha / (2 rho), an older estimate, published too, and 8% too low here. "
        "Divide what was counted.",
    }
    return Point(False, f"amplification: {_told(said, slips)}")


def _live(said: float | None, right: float) -> Point:
    if _close(said, right):
        return Point(
            True,
            f"live share: {right:.0%} of the pages of a block are still live when it is erased. "
            f"The other {1 - right:.0%} are what the user wins: 1 / {1 - right:.2f} is the "
            "amplification.",
        )
    slips = {
        1 - right: "that is the dead share: what is won. The rest is live.",
        100 * right: "as a share, please: between 0 and 1.",
        1 / (1 + SPARE): "so full are all blocks in the mean. The collection takes the emptiest.",
        1 / (1 - right) - 1: "that is pages moved over pages of the user. Of all pages of the "
        "blocks that were erased, how many were moved?",
    }
    return Point(False, f"live share: {_told(said, slips)}")


def _told(said: float | None, slips: Mapping[float, str]) -> str:
    if said is None:
        return "give a number."
    reply = next((why for near, why in slips.items() if abs(said - near) <= 0.01 * near), None)
    return f"not {said:g}; {reply or 'which two of the three counts have to be divided?'}"


def small(answer: object) -> Iterator[Point]:
    """Judge how many operations a small write is, and how many of them an array can do."""
    if not isinstance(answer, Mapping) or set(answer) != set(SMALL):
        yield Point(False, f"Give one number for each of {', '.join(SMALL)}.")
        return
    for name, right in SMALL.items():
        said = numbers([answer[name]])
        if said is None:
            yield Point(False, f"{name}: give a whole number.")
        elif said == [right]:
            yield Point(True, f"{name}: {_WHY[name]}")
        else:
            reply = _SLIPS[name].get(said[0], _HELP[name])
            yield Point(False, f"{name}: not {said[0]:,}; {reply}")


_WHY = {
    "RAID 6, 8 disks": "6. Data and two parities are read, then all three are written.",
    "RAID 5, 3 disks": "3. The only other chunk of data is read, and with the new one it makes the "
    "parity: one read, two writes. Old data and old parity would be two reads.",
    "writes/s": "200. Eight disks do 800 operations a second, and each write is four of them.",
}
_SLIPS: Mapping[str, Mapping[int, str]] = {
    "RAID 6, 8 disks": {
        3: "these are the writes. What has to be read before?",
        4: "that is RAID 5. Here there are two parities, and both change.",
        8: "that is making the parities of all the other data anew: five reads, three writes. "
        "There is something cheaper.",
    },
    "RAID 5, 3 disks": {
        4: "that works, too. But there is only one other chunk of data in the stripe: is there a "
        "cheaper way to the parity?",
        2: "these are the writes. What has to be read before?",
        5: "two writes there are, but not three reads: the stripe has three chunks in all.",
    },
    "writes/s": {
        800: "so many operations the disks do. How many of them does one write take?",
        700: "seven disks' worth of data. But each write takes several operations.",
        100: "that is one disk. They work at the same time.",
        400: "that would be two operations for each write. What is read before?",
        133: "that would be RAID 6. Here it is RAID 5.",
    },
}
_HELP = {
    "RAID 6, 8 disks": "as in RAID 5, but with two parities. Count reads and writes.",
    "RAID 5, 3 disks": "one chunk changes, one stays, one is parity. What is the least to read?",
    "writes/s": "8 disks, 100 operations a second each; divide by the operations of one write.",
}

CONTENT = Content(
    name="03",
    title="What does one small write cost?",
    minutes=30,
    questions=(ARM, SPARE_PAGES, PARITY, CODED, PADDED),
    answers={
        "arm": "scattered",
        "spare": "flash",
        "parity": "array",
        "coded": "small",
        "padded": "padded",
    },
    checks={"03.flash": flash, "03.small": small},
)
