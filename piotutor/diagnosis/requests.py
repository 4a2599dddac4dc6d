"""Verdicts on single requests: small, misaligned, random, redundant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from piotutor.diagnosis.seen import (
    NAMES,
    WORST,
    Requests,
    Seen,
    count,
    covered,
    group,
    kind,
    laid,
    several,
    stable,
)
from piotutor.diagnosis.thresholds import Thresholds, source
from piotutor.diagnosis.verdict import Rule, Verdict
from piotutor.metrics import TRANSFERS, sum_by
from piotutor.trace import Op
from piotutor.units import format_size

PAGE = 4096
_FEW = (
    "collect pieces in memory and write them at once; for a shared file make the call collective "
    "(MPI_File_write_at_all with romio_cb_write=enable; h5py: with dataset.collective; IOR: -c)"
)


_ALIGN = (
    "let pieces begin at multiples of {}: pad records, choose the transfer size (IOR: -t), "
    "H5Pset_alignment (h5py: File(..., alignment_threshold=, alignment_interval=)), or collective "
    "buffering with the hint striping_unit"
)
_SORT = (
    "sort requests by offset before making them, read larger pieces and pick from memory, or "
    "describe all pieces in one call (a file view; an HDF5 selection)"
)
_KEEP = (
    "keep what a rank has read: one larger read; for HDF5 a larger chunk cache (h5py: rdcc_nbytes)"
)
_BROADCAST = (
    "let one rank read and send it on (MPI_Bcast), or read collectively (MPI_File_read_at_all "
    "with romio_cb_read=enable)"
)


class Share(NamedTuple):
    """How many requests of one kind are so, of how many, and what they moved."""

    op: int
    hits: int
    of: int
    bytes: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.hits / self.of

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {"count": self.hits, "of": self.of, "share": self.share, "bytes": self.bytes}

    @property
    def words(self) -> str:
        """``1,200 of 1,500 writes``."""
        return f"{self.hits:,} of {count(self.of, kind(self.op))}"


def shares(found: Requests, mask: np.ndarray) -> Iterator[Share]:
    """Count, for reads and for writes, the requests of a mask."""
    for op in TRANSFERS:
        mine = found.op == op
        so = mine & mask
        if mine.any():
            size = int(found.length.sum(where=so))
            yield Share(op, int(np.count_nonzero(so)), int(np.count_nonzero(mine)), size)


def _told(
    seen: Seen, found: Requests, so: np.ndarray, limit: tuple[float, float], what: str
) -> tuple[bool, str, dict[str, Any]]:
    """Compare the shares of requests of a mask with a limit: of a share, and of a number."""
    each = list(shares(found, so))
    bad = [one for one in each if one.share > limit[0] and one.hits > limit[1]]
    numbers = several(f"{one.words} ({one.share:.0%})" for one in bad or each)
    evidence = {
        "layer": seen.lowest.name.lower(),
        **{kind(one.op): one.to_dict() for one in each},
        "worst": seen.worst_files(found.file[so]),
    }
    return bool(bad), f"{numbers} {what}, on the {NAMES[seen.lowest]} layer", evidence


def small(seen: Seen, limits: Thresholds) -> Verdict:
    """Judge whether many requests are small where they reach the file system."""
    size = format_size(limits.small_bytes)
    rule = Rule(
        "small",
        f"more than {limits.small_share:.0%} of the reads or of the writes, and more than "
        f"{limits.small_count:,}, below {size}",
        source("small_bytes", "small_share", "small_count"),
    )
    found = seen.reaching
    if not len(found):
        return rule.cannot(_NONE)
    limit = (limits.small_share, limits.small_count)
    so = found.length < limits.small_bytes
    return rule.say(*_told(seen, found, so, limit, f"move less than {size}"), _FEW)


def units(seen: Seen) -> dict[str, int]:
    """Return the units in which the file is kept, as far as they are known, the last counts."""
    place = seen.trace.meta.get("environment") or {}
    asked = seen.trace.meta.get("workload") or {}
    known = {"page": PAGE, "alignment": asked.get("alignment"), "stripe": place.get("stripe_size")}
    return {name: int(size) for name, size in known.items() if size and int(size) >= PAGE}


def misaligned(seen: Seen, limits: Thresholds) -> Verdict:
    """Judge whether requests begin inside a page or, where it is known, a stripe."""
    name, unit = list(units(seen).items())[-1]
    what = f"begin inside a {name} of {format_size(unit)}"
    rule = Rule(
        "misaligned",
        f"more than {limits.misaligned_share:.0%} of the reads or of the writes {what}",
        source("misaligned_share"),
    )
    found = seen.placed
    if not len(found):
        return rule.cannot(_unplaced(seen))
    so, limit = found.offset % unit != 0, (limits.misaligned_share, 0)
    bad, text, evidence = _told(seen, found, so, limit, what)
    evidence["unit"] = {"name": name, "bytes": unit}
    return rule.say(bad, text, evidence, _ALIGN.format(format_size(unit)))


def random(seen: Seen, limits: Thresholds) -> Verdict:
    """Judge whether ranks go back and forth in their files."""
    rule = Rule(
        "random",
        f"more than {limits.random_share:.0%} of the reads or of the writes, and more than "
        f"{limits.random_count:,}, begin before the end of the rank's one before",
        source("random_share", "random_count"),
    )
    found, limit = seen.placed, (limits.random_share, limits.random_count)
    if not len(found):
        return rule.cannot(_unplaced(seen))
    return rule.say(*_told(seen, found, goes_back(found), limit, "go back in the file"), _SORT)


def goes_back(found: Requests) -> np.ndarray:
    """Tell which requests begin before the end of the one before, by rank, file and kind."""
    code, many = group(found.rank, found.file, found.op)
    order = stable(code, many)
    code, offset = code[order], found.offset[order]
    end = offset + found.length[order]
    back = np.zeros(len(order), bool)
    back[order[1:]] = (code[1:] == code[:-1]) & (offset[1:] < end[:-1])
    return back


def redundant(seen: Seen, limits: Thresholds) -> Verdict:
    """Judge whether bytes are read that had been read: by the same rank, or by another."""
    rule = Rule(
        "redundant",
        f"more than {limits.redundant_share:.0%} of the bytes read had been read before, by the "
        "same rank or by another",
        source("redundant_share"),
    )
    found = seen.reads
    if not len(found):
        if len(seen.placed):
            holes = " but to fill the holes of writes" * bool((seen.placed.op == Op.READ).any())
            return rule.no("nothing was read" + holes)
        return rule.cannot(_unplaced(seen))
    same, other, files = read_again(found, seen.generation(found))
    total = int(found.moved.sum())
    share = (same + other) / total if total else 0.0
    evidence = {
        "layer": seen.lowest.name.lower(),
        "read": {"bytes": total, "same_rank": same, "other_ranks": other, "share": share},
        "worst": [{"file": seen.file_name(file), "bytes": size} for file, size in files if size],
    }
    text = (
        f"of {format_size(total)} read, {format_size(same)} had been read by the same rank and "
        f"{format_size(other)} by another, on the {NAMES[seen.lowest]} layer"
    )
    advice = _BROADCAST if other > same else _KEEP
    return rule.say(share > limits.redundant_share, text, evidence, advice)


def read_again(found: Requests, generation: np.ndarray) -> tuple[int, int, list[tuple[int, int]]]:
    """Count the bytes read again by the same rank, and by others; and the files they are of."""
    file, files = group(found.file, generation)
    mine, many = group(found.rank, file)
    order = np.argsort(laid(file, files, found.offset, found.moved))
    file, mine, offset, size = (c[order] for c in (file, mine, found.offset, found.moved))
    total, once = sum_by(file, size, files), covered(file, offset, size, files)
    which, low = np.zeros(files, np.int64), int(found.file.min())
    which[file] = found.file[order] - low
    by_file = sum_by(which, total - once, int(which.max()) + 1)
    worst = np.argsort(-by_file, kind="stable")[:WORST].tolist()
    order = stable(mine, many)
    by_rank = int(covered(mine[order], offset[order], size[order], many).sum())
    return (
        int(total.sum()) - by_rank,
        by_rank - int(once.sum()),
        [(low + number, int(by_file[number])) for number in worst],
    )


_NONE = "no reads or writes were recorded"


def _unplaced(seen: Seen) -> str:
    return "no offsets were recorded" if len(seen.reaching) else _NONE
