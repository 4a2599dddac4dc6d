"""Lesson 07: independent, data sieving, two-phase; hints that are echoed and hints that work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from piotutor import metrics, twophase
from piotutor.errors import UsageError
from piotutor.lesson.counts import captured, counts
from piotutor.lesson.course import Content
from piotutor.lesson.question import Option, Question
from piotutor.lesson.verdict import Point
from piotutor.trace import Layer, Op
from piotutor.workload import Workload

COLUMNS = Workload.make(
    api="MPIIO",
    num_tasks=4,
    block_size="16k",
    transfer_size="16k",
    segment_count=64,
    use_file_view=True,
    use_strided_datatype=True,
    write=True,
)
EXERCISE = COLUMNS.replace(block_size="8k", transfer_size="8k", segment_count=128)
JOBS = {
    "independent": EXERCISE.replace(hints="romio_ds_write=disable"),
    "sieving": EXERCISE.replace(hints="romio_ds_write=enable,ind_wr_buffer_size=262144"),
    "collective": EXERCISE.replace(
        collective=True, hints="cb_config_list=*:2,cb_buffer_size=524288,romio_cb_write=enable"
    ),
}
WANTED = 4


def system_calls(run: Any) -> int | None:
    """Count the system calls of a run that write; None where they weren't recorded."""
    return counts(run.trace, run.workload).writes


TOGETHER = Question(
    name="together",
    text=(
        "4 ranks own 64 pieces each of one shared file. Each makes one collective call for all its "
        "pieces. How many system calls that write do the four ranks make, all together? (4 MiB in "
        "all; MPICH as it is installed.)"
    ),
    unit="system calls",
    measure=system_calls,
    options=(
        Option(
            value=1,
            reply="One rank, the aggregator, gets everybody's pieces, puts them in order, and "
            "writes all 4 MiB at once: ceil(4 MiB / 16 MiB) = 1.",
        ),
        Option(
            value=256,
            misconception="a collective call only makes the ranks start together",
            reply="That is what four independent calls make: 4 x 64 pieces. In a collective call "
            "MPI-IO knows all pieces before the first byte moves, and joins them.",
        ),
        Option(
            value=4,
            misconception="each rank writes its own bytes, whatever it calls",
            reply="Whose bytes they are and who writes them are two things. The ranks send their "
            "pieces to an aggregator. Here there is one, and it writes for all four.",
        ),
        Option(
            value=64,
            misconception="the pieces of one row are joined, but no more",
            reply="The four pieces of a row do lie together, but the next row lies right behind "
            "them: all 4 MiB are one range, and become one call.",
        ),
    ),
)

SIEVED = Question(
    name="sieved",
    text=(
        "Now one call a rank, not collective, with data sieving. What does the system get to "
        "write for the 1 MiB of one rank?"
    ),
    options=(
        Option(
            value="a",
            text="64 pieces of 16 KiB: its 1 MiB, and nothing else",
            misconception="a system call moves only bytes that somebody asked for",
            reply="So it is without data sieving. A sieve takes the whole range, the other ranks' "
            "bytes too, and picks: 64 small calls become 8 large ones.",
        ),
        Option(
            value="b",
            text="one call of 1 MiB, with the 64 pieces put together",
            misconception="pieces that lie apart in the file can be written as one",
            reply="A write moves neighbours in the file. Pieces with foreign bytes in between "
            "are no neighbours, unless the bytes in between are written too.",
        ),
        Option(
            value="c",
            text="nearly 4 MiB, in a few large calls: the other ranks' bytes as well",
            reply="From its first byte to its last are 4,048 KiB. It reads them in windows of "
            "512 KiB, puts its own in, and writes all of it back, under a lock: 8 windows.",
        ),
    ),
)

ECHO = Question(
    name="echo",
    text=(
        "You ask for striping_factor=4: spread this file over four disks. MPI-IO opens it without "
        "an error, and when asked, the file answers striping_factor=4. Is it spread over four?"
    ),
    options=(
        Option(
            value="a",
            text="yes: the file says so itself",
            misconception="a hint that is echoed was obeyed",
            reply="The library keeps your hint and repeats it. The driver for ordinary file "
            "systems has nothing to spread a file over, and says nothing.",
        ),
        Option(
            value="b",
            text="no: there would have been an error",
            misconception="a hint that can't be obeyed gives an error",
            reply="A hint is a wish. By MPI's standard a library may ignore it without a word, "
            "so the lack of an error proves nothing, either way.",
        ),
        Option(
            value="c",
            text="the answer doesn't tell: look which driver serves the file, and at the disks",
            reply="The driver of ordinary file systems (UFS) keeps this hint and ignores it. Only "
            "a driver that can lay out files, such as Lustre's, may obey it.",
        ),
    ),
)

_RULES = {
    "independent": "one system call a piece: 4 ranks x 128 pieces",
    "sieving": "ceil(extent / buffer) = ceil(4,072 KiB / 256 KiB) windows a rank, times 4 ranks",
    "collective": "2 aggregators x ceil(2 MiB / 512 KiB)",
}
_SLIPS: Mapping[str, Mapping[int, str]] = {
    "independent": {
        4: "Those are the MPI-IO calls. Without a sieve each piece becomes a system call.",
        128: "That is one rank's number. There are four ranks.",
        256: "That was the first run, with 64 pieces a rank. Here each rank has 128.",
    },
    "sieving": {
        16: "That is one rank's number: each of the four sieves the whole range for itself.",
        32: "So it would be with the usual 512 KiB. Here the buffer is 256 KiB.",
        4: "Each rank makes one MPI-IO call. It becomes one system call a window.",
        512: "That is without a sieve: one system call a piece.",
    },
    "collective": {
        1: "One aggregator with a large buffer would do that. Here are two, with 512 KiB each.",
        2: "There are two aggregators, but 2 MiB don't fit into a buffer of 512 KiB.",
        4: "That is one aggregator's number. There are two.",
        16: "Take two aggregators, each with half of the 4 MiB, and a buffer of 512 KiB.",
    },
}


def pwrites(answer: object) -> Iterator[Point]:
    """Judge three numbers of system calls."""
    if not isinstance(answer, Mapping) or set(answer) != set(JOBS):
        yield Point(False, f"Give one number to each of {', '.join(JOBS)}.")
        return
    for name, job in JOBS.items():
        right, said = sum(twophase.writes(job)), answer[name]
        if said == right and not isinstance(said, bool):
            yield Point(True, f"{name}: {right}. {_RULES[name].capitalize()}.")
        else:
            slip = _SLIPS[name].get(said) if isinstance(said, int) else None
            yield Point(False, f"{name}: not {said!r}. {slip or _ask(name)}")


def _ask(name: str) -> str:
    return f"The rule is {_RULES[name].partition('=')[0].partition(':')[0].strip()}."


def hint(answer: object, run: Any = None) -> Iterator[Point]:
    """Judge hints that shall give four aggregators: by the rule, and by who wrote in a run."""
    try:
        job = COLUMNS.replace(collective=True, hints=answer)
        many = twophase.aggregators(dict(job.hints), job.num_tasks)
    except UsageError as error:
        yield Point(False, f"These hints can't be read: {error}.")
        return
    yield _allowed(dict(job.hints), many)
    if run is None:
        yield Point(None, "It can't run here, so nobody counted.")
    elif not captured(run.trace):
        yield Point(None, "System calls aren't recorded here, so nobody counted.")
    else:
        yield _counted(run)


def _allowed(hints: Mapping[str, str], many: int) -> Point:
    if hints.get("romio_cb_write") == "disable":
        return Point(False, "romio_cb_write=disable switches collective buffering off.")
    if many == WANTED:
        return Point(True, "cb_config_list lets four ranks of this node aggregate.")
    if "cb_config_list" not in hints:
        return Point(
            False,
            "cb_nodes can't raise the number. cb_config_list says how many ranks of a node may "
            "aggregate, and without it that is one.",
        )
    return Point(False, f"By these hints {many} of the 4 ranks aggregate.")


def _counted(run: Any) -> Point:
    trace = run.trace
    wrote = metrics.transfers(trace, Op.WRITE, Layer.POSIX)
    ranks = np.unique(trace.column("rank")[wrote]).tolist()
    told = f"In your run, ranks {', '.join(map(str, ranks))} wrote"
    if len(ranks) == WANTED:
        return Point(True, f"{told}, in {np.count_nonzero(wrote)} system calls.")
    if not str(run.environment.get("mpi_io_driver", "")).startswith("UFS"):
        return Point(None, f"{told}: this isn't ROMIO on an ordinary file system.")
    return Point(False, f"{told}, and no other: {len(ranks)} of 4.")


CONTENT = Content(
    name="07",
    title="How many system calls is one write?",
    minutes=25,
    questions=(TOGETHER, SIEVED, ECHO),
    answers={"together": "together", "sieved": "sieved", "echo": "echoed"},
    checks={"07.pwrites": pwrites, "07.hint": hint},
)
