"""Lesson 00: ranks, blocks, one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from piotutor import pattern
from piotutor.lesson.answers import calls, numbers
from piotutor.lesson.course import Content
from piotutor.lesson.question import Option, Question
from piotutor.lesson.verdict import Point
from piotutor.workload import Workload

WORKLOAD = Workload.make(api="MPIIO", num_tasks=4, block_size="1m", transfer_size="1m", write=True)
BYTES = (1_048_575, 1_048_576, 4_000_000)

_MPI_IO = {
    "ROMIO": "the run's file was served by one of its drivers",
    "OMPIO": "this is Open MPI, and no driver of ROMIO served the file",
}

OWNER = Question(
    name="owner",
    text=(
        "Four ranks write one file. Each writes one block of 1 MiB (1,048,576 bytes), and the "
        "blocks lie in the file in the order of the ranks. Who writes byte 2,500,000?"
    ),
    options=(
        Option(
            value="a",
            text="rank 2",
            reply="2,500,000 // 1,048,576 = 2: two whole blocks lie before that byte, those of "
            "ranks 0 and 1.",
        ),
        Option(
            value="b",
            text="rank 3, since the byte lies in the third block",
            misconception="ranks are counted from 1",
            reply="It does lie in the third block, but ranks are counted from 0: the third block "
            "is that of rank 2.",
        ),
        Option(
            value="c",
            text="the rank that comes third: it depends on who is quick",
            misconception="a shared file grows at its end, as a log does",
            reply="Each rank says at which offset it writes. Who comes first changes when a byte "
            "is written, never by whom: look at the order of the blocks in time, and in the file.",
        ),
        Option(
            value="d",
            text="all four: every rank runs the same program",
            misconception="the same program does the same thing everywhere",
            reply="The program is the same, its rank is not. The offset is computed from the rank, "
            "so each one writes another part of the file.",
        ),
    ),
)

WRITES = Question(
    name="writes",
    text="How many write calls do the four ranks make, all together?",
    unit="calls",
    measure=lambda run: calls(run, "write"),
    options=(
        Option(value=4, reply="One block a rank, and one call a block."),
        Option(
            value=1,
            misconception="one file means one writer",
            reply="The file is one, the writers are four: every rank opens it and writes its own "
            "block. A layer below may join such calls; lesson 07 shows one that does.",
        ),
        Option(
            value=16,
            misconception="every rank writes everybody's block",
            reply="Each rank writes its own block, and only that: 4 x 1, not 4 x 4.",
        ),
    ),
)


def owner(answer: object) -> Iterator[Point]:
    """Judge who wrote each of `BYTES`."""
    given = numbers(answer)
    if given is None or len(given) != len(BYTES):
        yield Point(False, f"Give a list of {len(BYTES)} ranks, such as [2, 0, 1]; not {answer!r}.")
        return
    right = [int(pattern.writers(WORKLOAD, 0, byte, 1).rank[0]) for byte in BYTES]
    if given == [rank + 1 for rank in right]:
        yield Point(False, "Each one is too high by one: ranks are counted from 0.")
        return
    for byte, said, rank in zip(BYTES, given, right, strict=True):
        sum_ = f"{byte:,} // {WORKLOAD.block_size:,} = {rank}"
        if said == rank:
            yield Point(True, f"Byte {byte:,}: rank {rank}, since {sum_}.")
        else:
            first, last = rank * WORKLOAD.block_size, (rank + 1) * WORKLOAD.block_size - 1
            yield Point(
                False,
                f"Byte {byte:,} is not of rank {said}: {sum_}. Rank {rank} has the bytes "
                f"{first:,} to {last:,}; the first byte of the file is byte 0.",
            )


def mpi_io(answer: object, run: Any) -> Iterator[Point]:
    """Judge the name of the MPI-IO implementation, by what the run says of itself."""
    found, said = _implementation(run.environment), str(answer).strip()
    if found is None:
        yield Point(None, "The run could not tell which MPI-IO it used, so this can't be judged.")
    elif said.upper() == found:
        yield Point(True, f"{found} it is: {_MPI_IO[found]}.")
    elif said.upper().startswith(("MPICH", "OPEN MPI", "OPENMPI")):
        yield Point(
            False,
            f"{said} is the MPI library. Its part for files has a name of its own: look for "
            "MPI-IO in the card.",
        )
    elif said.upper() in _MPI_IO:
        yield Point(
            False,
            f"{said.upper()} is the other one. Here it is not, since this run's MPI is "
            f"{run.environment['mpi']}, and its driver for the file "
            f"is {run.environment.get('mpi_io_driver')}.",
        )
    else:
        yield Point(False, f"{said!r} is no MPI-IO implementation: it is ROMIO or OMPIO.")


def _implementation(environment: Mapping[str, Any]) -> str | None:
    """Only ROMIO names its driver; Open MPI without such a name uses its own OMPIO."""
    if "ROMIO" in str(environment.get("mpi_io_driver")).upper():
        return "ROMIO"
    return "OMPIO" if "open mpi" in str(environment.get("mpi")).lower() else None


CONTENT = Content(
    name="00",
    title="Who wrote this byte?",
    minutes=20,
    questions=(OWNER, WRITES),
    answers={"owner": "blocks", "writes": "blocks"},
    checks={"00.owner": owner, "00.mpiio": mpi_io},
)
