"""Lesson 04: block, transfer, segment, file per process, random."""

from __future__ import annotations

from collections.abc import Iterator

from piotutor import pattern
from piotutor.lesson.answers import calls, numbers
from piotutor.lesson.course import Content
from piotutor.lesson.question import Option, Question
from piotutor.lesson.verdict import Point
from piotutor.workload import Workload

EXERCISE = Workload.make(
    num_tasks=4, block_size="128k", transfer_size="64k", segment_count=2, write=True
)
RANK = 2

CALLS = Question(
    name="calls",
    text=(
        "4 ranks, a block of 256 KiB, a transfer of 64 KiB, 2 segments: how many write calls "
        "do all ranks make together?"
    ),
    unit="calls",
    measure=lambda run: calls(run, "write"),
    options=(
        Option(value=32, reply="4 ranks x 2 segments x (256 / 64) transfers."),
        Option(
            value=8,
            misconception="a block is written in one call",
            reply="A block is the piece that lies together in the file; a transfer is the piece "
            "that one call moves. Here each block takes four calls.",
        ),
        Option(
            value=16,
            misconception="one segment is the whole file",
            reply="16 calls fill one segment. The second segment repeats them all, further on.",
        ),
        Option(
            value=4,
            misconception="one call for each rank",
            reply="A rank makes one call for each transfer, and each has 8 transfers.",
        ),
    ),
)

SEGMENT = Question(
    name="segment",
    text="In that shared file, where does rank 1 begin its second block?",
    options=(
        Option(
            value="a",
            text="at 512 KiB, right behind its first block",
            misconception="a rank's blocks lie together",
            reply="Its first block ends there, but rank 2's begins there. In one shared file every "
            "rank has its turn before anyone has a second one.",
        ),
        Option(
            value="b",
            text="at 768 KiB, as rank 0's two blocks lie before its own two",
            misconception="the file is cut into one part for each rank",
            reply="That would be 1 x 2 x 256 + 256: one part a rank. IOR repeats the whole "
            "round of ranks instead, once for each segment.",
        ),
        Option(
            value="c",
            text="at 1,280 KiB, one block into the second round of ranks",
            reply="(1 x 4 + 1) x 256 KiB = 1,280 KiB: one whole segment of four blocks, and "
            "rank 0's block of the second.",
        ),
        Option(
            value="d",
            text="nowhere fixed: it depends on which rank is quick",
            misconception="a shared file grows at its end, as a log does",
            reply="Every offset is computed before the file is opened. Time decides when a byte "
            "is written, never where.",
        ),
    ),
)

RANDOM = Question(
    name="random",
    text="The same job with -z -z, globally random. What is true of the file afterwards?",
    options=(
        Option(
            value="a",
            text="every byte was written exactly once, only in another order",
            misconception="random means shuffled",
            reply="That is -z alone, which deals the same transfers out anew. With -z -z the "
            "starts are drawn over the whole file, and nothing keeps two draws apart.",
        ),
        Option(
            value="b",
            text="some bytes may have been written twice, and others never",
            reply="The starts are drawn independently, so blocks may overlap and leave holes: "
            "the number of different offsets is below the number of calls.",
        ),
        Option(
            value="c",
            text="each rank stayed within its own blocks",
            misconception="a rank owns a part of the file",
            reply="Only -z with a file for each rank stays there. With -z -z each rank draws from "
            "the whole file: look for one colour all over the map.",
        ),
    ),
)


def _slips() -> list[tuple[list[int], str]]:
    block, count = EXERCISE.block_size, EXERCISE.segment_count
    right = _offsets(EXERCISE)
    contiguous = [
        RANK * count * block + start for start in range(0, count * block, EXERCISE.transfer_size)
    ]
    per_block = [right[0], right[2]]
    return [
        ([value // 1024 for value in right], "These are KiB, and the right ones: give bytes."),
        (_offsets(EXERCISE, RANK - 1), "That is rank 1, the second rank: ranks count from 0."),
        (
            _offsets(EXERCISE.replace(file_per_process=True)),
            "These would be right with a file for each rank. In a shared file the blocks of the "
            "other ranks lie in between.",
        ),
        (
            contiguous,
            "You gave rank 2 one part of the file. IOR lets every rank write a block, and then "
            "begins the next segment: the second block lies 4 blocks further on, not 1.",
        ),
        (per_block, "These are the starts of the blocks. Each block takes two calls of 64 KiB."),
        (right[:2], "Right for segment 0; there are two segments, and rank 2 has a block in each."),
    ]


def offsets(answer: object) -> Iterator[Point]:
    """Judge the list of offsets of one rank."""
    given = numbers(answer)
    if given is None:
        yield Point(False, f"Give a list of whole numbers, in bytes, not {answer!r}.")
        return
    right = _offsets(EXERCISE)
    known = [why for slip, why in _slips() if slip == given]
    if known:
        yield Point(False, known[0])
    elif given != right and sorted(given) == right:
        yield Point(True, "These are the right offsets.")
        yield Point(False, "Their order is not: without -z a rank goes forward through its file.")
    elif len(given) != len(right):
        yield Point(
            False,
            f"You gave {len(given)} offsets. Rank 2 makes {len(right)} calls: "
            "2 segments x (128 / 64) transfers.",
        )
    else:
        yield from map(_compare, range(len(right)), given, right)


def _compare(number: int, said: int, is_: int) -> Point:
    segment, transfer = divmod(number, EXERCISE.block_size // EXERCISE.transfer_size)
    rule = f"({segment} x 4 + {RANK}) x 131,072 + {transfer} x 65,536 = {is_:,}"
    if said == is_:
        return Point(True, f"Call {number + 1}: {rule}.")
    where = f"segment {segment}, transfer {transfer}"
    return Point(False, f"Call {number + 1} is not at {said:,}: it is {where}, so {rule}.")


def _offsets(workload: Workload, rank: int = RANK) -> list[int]:
    return [int(offset) for offset in pattern.transfers(workload, rank, "write").offset]


CONTENT = Content(
    name="04",
    title="Which bytes are mine?",
    minutes=45,
    questions=(CALLS, SEGMENT, RANDOM),
    answers={"calls": "segments", "segment": "segments", "random": "anywhere"},
    checks={"04.offsets": offsets},
)
