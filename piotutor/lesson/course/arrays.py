"""Lesson 08: what HDF5 does with arrays: alignment, chunks, collective writes that aren't."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from piotutor.lesson.answers import numbers
from piotutor.lesson.course import Content
from piotutor.lesson.moves import METADATA
from piotutor.lesson.question import Option, Question
from piotutor.lesson.verdict import Point
from piotutor.trace import Flag, Layer, Op

MIB = 2**20
CHUNK = (128, 128)
SLABS = {
    "A": ((127, 129), (127, 129)),
    "B": ((0, 512), (300, 301)),
    "C": ((0, 129), (0, 512)),
}
"""The exercise's slabs of a 512 x 512 array: rows and columns, from first to behind the last."""
_NEWER = "HDF5 keeps such writes collective from 1.14.2 on, by its release notes"


def touched(slab: tuple[tuple[int, int], ...], chunk: tuple[int, ...] = CHUNK) -> int:
    """Count the chunks that a slab touches.

    Examples
    --------
    >>> touched(((100, 300), (200, 264)))
    6
    """
    sides = zip(slab, chunk, strict=True)
    return prod((high - 1) // size - low // size + 1 for (low, high), size in sides)


def _reads(run: Any, size: int) -> int | None:
    """Count the system calls that read so many bytes, as those of whole chunks do."""
    trace = run.trace
    reads = trace.records[trace.where(layer=Layer.POSIX, op=Op.READ, without=Flag.PART)]
    return int(np.count_nonzero(reads["length"] == size)) if len(reads) else None


def _collective(run: Any) -> int | None:
    """Count the collective writes that reached MPI-IO."""
    trace = run.trace
    calls = trace.records[trace.where(layer=Layer.MPIIO, op=Op.WRITE, without=Flag.PART)]
    return int(np.count_nonzero(calls["flags"] & Flag.COLLECTIVE)) if len(calls) else None


BEGIN = Question(
    name="begin",
    text=(
        "Four ranks write one array of 4 MiB into a new HDF5 file, and nothing else is asked "
        "for. Where in the file do the numbers begin?"
    ),
    options=(
        Option(
            value="a",
            text="at byte 0: the file is the array",
            misconception="a file is its data",
            reply="Somewhere it must be written what is in the file: names, shapes, types. That "
            "is metadata, and the superblock, by which HDF5 knows its own files, comes first.",
        ),
        Option(
            value="b",
            text="behind some metadata, at an address that nobody promised",
            reply="HDF5 puts things where there is room. The address differs from version to "
            "version and with what was made before: it is read from the file, never assumed.",
        ),
        Option(
            value="c",
            text="at a multiple of 1 MiB, since so large a thing is put in order",
            misconception="a library aligns large things by itself",
            reply="It can, but it has to be asked (H5Pset_alignment). HDF5 doesn't know how "
            "large a stripe or a page of your file system is.",
        ),
    ),
)

TOUCHED = Question(
    name="touched",
    text=(
        "An array of 512 x 512 numbers lies in the file in chunks of 128 x 128. A program reads "
        "rows 100 to 299 of columns 200 to 263. How many chunks does HDF5 read?"
    ),
    unit="chunks",
    measure=lambda run: _reads(run, 8 * 128 * 128),
    options=(
        Option(value=6, reply="Rows 100 to 299 lie in 3 rows of chunks, columns 200 to 263 in 2."),
        Option(
            value=1,
            misconception="what counts is how much is read",
            reply="The part is smaller than one chunk, that is true: 102,400 bytes of 131,072. But "
            "it lies across the edges of several. Each chunk that it touches is read whole.",
        ),
        Option(
            value=16,
            misconception="a dataset is read whole",
            reply="Those are all the chunks there are. What the part doesn't touch isn't read.",
        ),
        Option(
            value=200,
            misconception="one read for each row",
            reply="So it would be in an array that lies in the file row by row. A chunk comes with "
            "one read, and its rows are picked in memory.",
        ),
        Option(
            value=2,
            misconception="only one side is counted",
            reply="These are the columns of chunks. The rows lie in 3 rows of them: multiply.",
        ),
        Option(
            value=3,
            misconception="only one side is counted",
            reply="These are the rows of chunks. The columns lie in 2 columns of them: multiply.",
        ),
    ),
)

BROKEN = Question(
    name="broken",
    text=(
        "Four ranks write three arrays, and each time ask for a collective write: 12 calls of "
        "HDF5. For one array the program holds float32 numbers, and the file float64. How many "
        "collective write calls reach MPI-IO?"
    ),
    unit="calls",
    measure=_collective,
    options=(
        Option(
            value=8,
            reply="Two arrays of four ranks. For the third, HDF5 has to convert each number, does "
            f"so piece by piece, and writes each piece independently. (In HDF5 1.10; {_NEWER}.)",
        ),
        Option(
            value=12,
            misconception="what was asked for is what happens",
            reply="In HDF5 1.10, conversion ends it: the array whose numbers are converted is "
            f"written independently, without an error or a warning. ({_NEWER}.)",
        ),
        Option(
            value=0,
            misconception="one bad write spoils the whole file",
            reply="HDF5 decides anew at each call. The two arrays that fit stay collective.",
        ),
        Option(
            value=2,
            misconception="a collective write is one call",
            reply="It is one act, but each of the four ranks calls it: 4 calls an array.",
        ),
        Option(
            value=3,
            misconception="a collective write is one call",
            reply="It is one act, but each of the four ranks calls it: 4 calls an array. And one "
            "of the three arrays isn't written collectively.",
        ),
    ),
)

AGAIN = Question(
    name="again",
    text=(
        "One process reads an array row by row: 64 rows, across 8 chunks. HDF5 keeps chunks that "
        "it has read, but has room for one only. How often does it read a chunk?"
    ),
    unit="reads",
    measure=lambda run: _reads(run, 8 * 64 * 128),
    options=(
        Option(
            value=512,
            reply="64 rows x 8 chunks. When the second row wants the first chunk, it has just been "
            "thrown out: each row reads everything again.",
        ),
        Option(
            value=8,
            misconception="what was read once is kept",
            reply="Only if there is room for a row of chunks, all 8. Then it is 8, as the other "
            "run shows: same program, same array.",
        ),
        Option(
            value=64,
            misconception="a row is one read",
            reply="A row lies in 8 chunks, and each of them is read whole, for each row again.",
        ),
    ),
)


def address(answer: object, lesson: Any) -> Iterator[Point]:
    """Judge what is left of the addresses of two datasets when divided by 1 MiB."""
    names = ("plain", "aligned")
    if not isinstance(answer, dict) or set(answer) != set(names):
        yield Point(False, f"Give one number for each of {', '.join(names)}.")
        return
    for name in names:
        if name not in lesson.maps:
            yield Point(None, f"{name}: the run isn't there; make it, with its cell above.")
        else:
            yield _address(name, answer[name], lesson.maps[name])


def _address(name: str, said: object, map: Any) -> Point:
    begin = map.address(map.datasets[0])
    rest = begin % MIB
    sums = f"{begin:,} = {begin // MIB} x 1,048,576 + {rest:,}"
    if said == rest:
        how = "aligned" if rest == 0 else "not aligned: each write of 1 MiB crosses a boundary"
        return Point(True, f"{name}: {sums}; so it is {how}.")
    if said == begin:
        return Point(
            False, f"{name}: that is the address itself; divide it, and give what is left."
        )
    if said == begin // MIB:
        return Point(False, f"{name}: that is how often 1 MiB goes into it; what is left over?")
    return Point(False, f"{name}: not {said}; ask the map for the address, and use % 2**20.")


def chunks(answer: object) -> Iterator[Point]:
    """Judge the counts of chunks that three slabs touch."""
    if not isinstance(answer, dict) or set(answer) != set(SLABS):
        yield Point(False, f"Give one number for each of {', '.join(SLABS)}.")
        return
    given = numbers(answer.values())
    if given is None:
        yield Point(False, "Give whole numbers: of chunks.")
        return
    yield from (_chunks(name, said) for name, said in zip(answer, given, strict=True))


def _chunks(name: str, said: int) -> Point:
    slab = SLABS[name]
    parts = [
        (high - 1) // size - low // size + 1 for (low, high), size in zip(slab, CHUNK, strict=True)
    ]
    if said == prod(parts):
        return Point(
            True, f"{name}: {parts[0]} rows of chunks x {parts[1]} columns of them = {said}."
        )
    elements = prod(high - low for low, high in slab)
    if said == elements:
        return Point(False, f"{name}: that is how many numbers there are. Count the chunks.")
    if said == -(-elements // prod(CHUNK)):
        return Point(
            False,
            f"{name}: so many chunks could hold the {elements:,} numbers. But they don't lie in so "
            "few: look where the edges are, at 128, 256 and 384.",
        )
    last = ", ".join(str(high - 1) for _, high in slab)
    return Point(
        False,
        f"{name}: not {said}. The last row and the last column that it takes are {last}: in which "
        "chunks do the first and the last lie? Count along both sides, and multiply.",
    )


def collective(answer: object, lesson: Any) -> Iterator[Point]:
    """Judge which array was not written collectively: by the records of MPI-IO."""
    if "three" not in lesson.maps:
        yield Point(None, "The run isn't there; make it, with its cell above.")
        return
    found = lesson.moves("three", by="dataset").found
    arrays = {name.lstrip("/"): moved for name, moved in found.items() if name != METADATA}
    broken = {name for name, moved in arrays.items() if moved.asked and moved.independent}
    said = str(answer).strip().lstrip("/").lower()
    if not any(moved.collective or moved.independent for moved in arrays.values()):
        yield Point(None, "The calls of MPI-IO weren't recorded in this run.")
    elif not broken:
        yield Point(None, f"In your run all arrays stayed collective: {_NEWER}.")
    elif said not in arrays:
        yield Point(False, f"{answer!r} is none of the arrays: they are {', '.join(arrays)}.")
    else:
        yield _named(said, said in broken, arrays[said])


def _named(said: str, right: bool, moved: Any) -> Point:
    if right:
        return Point(
            True,
            f"{said}: asked for {moved.asked} times, and MPI-IO got {moved.collective} collective "
            f"calls and {moved.independent:,} independent ones. HDF5's own reason: "
            f"{moved.row[-1]}.",
        )
    return Point(
        False,
        f"{said}: MPI-IO got {moved.collective} collective calls for it, as asked. Look for the "
        "array whose MPI-IO calls are independent.",
    )


CONTENT = Content(
    name="08",
    title="What did HDF5 do with my array?",
    minutes=45,
    questions=(BEGIN, TOUCHED, BROKEN, AGAIN),
    answers={"begin": "plain", "touched": "slab", "broken": "three", "again": "small"},
    checks={"08.address": address, "08.chunks": chunks, "08.collective": collective},
)
