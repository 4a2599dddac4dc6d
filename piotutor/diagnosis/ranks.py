"""Verdicts on how ranks spend their time: imbalanced, metadata-heavy."""

from __future__ import annotations

from typing import Any

import numpy as np

from piotutor.diagnosis.seen import NAMES, WORST, Seen, count, group
from piotutor.diagnosis.thresholds import Thresholds, source
from piotutor.diagnosis.verdict import Rule, Verdict
from piotutor.metrics import sum_by, transfers
from piotutor.trace import Flag, Layer, Op
from piotutor.units import format_seconds, format_size

METADATA = (
    Op.OPEN,
    Op.CREATE,
    Op.CLOSE,
    Op.STAT,
    Op.SEEK,
    Op.TRUNCATE,
    Op.ALLOCATE,
    Op.REMOVE,
    Op.RENAME,
    Op.META,
)
"""What counts as metadata: no bytes of the file are moved or made durable."""
_EVEN = (
    "give each rank the same share of the bytes (an even decomposition), or let collective "
    "buffering deal them out: romio_cb_write=enable, romio_cb_read=enable"
)
_SPARE = (
    "keep files open, use one shared file or fewer files, let one rank stat and tell the others; "
    "for HDF5 collective metadata (h5py: libver='latest'; set_all_coll_metadata_ops) and larger "
    "metadata blocks (H5Pset_meta_block_size)"
)


def imbalanced(seen: Seen, limits: Thresholds) -> Verdict:
    """Judge whether the slowest rank of a shared file moved far more or less than the fastest."""
    rule = Rule(
        "imbalanced",
        f"slowest and fastest rank differ by more than {limits.straggler_share:.0%} of a shared "
        "file's bytes",
        source("straggler_share"),
    )
    mask = transfers(seen.trace, layer=seen.top)
    if not mask.any():
        return rule.cannot("no reads or writes were recorded")
    apart = _differences(seen, mask)
    if not apart:
        return rule.no("no file is shared by several ranks")
    most = apart[0]
    text = (
        f"{most['file'].rsplit('/', 1)[-1]}: rank {most['slowest']}, the slowest, moved "
        f"{format_size(most['slowest_bytes'])}, rank {most['fastest']}, the fastest, "
        f"{format_size(most['fastest_bytes'])}: {most['share']:.0%} of the file's bytes apart"
    )
    evidence = {"layer": seen.top.name.lower(), "worst": apart[:WORST]}
    return rule.say(most["share"] > limits.straggler_share, text, evidence, _EVEN)


def _differences(seen: Seen, mask: np.ndarray) -> list[dict[str, Any]]:
    """Compare, in each shared file, the ranks that spent most and least time; worst first."""
    names = ("rank", "file", "start", "end", "result")
    rank, file, start, end, result = (seen.trace.column(name).compress(mask) for name in names)
    code, many = group(file, rank)
    took, moved = sum_by(code, end - start, many), sum_by(code, np.maximum(result, 0), many)
    whose = np.zeros((2, many), np.int64)
    whose[:, code] = rank, file
    there = np.bincount(code, minlength=many) > 0
    ranks, files = whose[:, there]
    took, moved = took[there], moved[there]
    order = np.lexsort((took, files))
    first = np.flatnonzero(np.diff(files[order], prepend=-2) != 0)
    last = np.append(first[1:], len(order)) - 1
    total = np.add.reduceat(moved[order], first)
    slow, fast = order[last], order[first]
    share = np.abs(moved[slow] - moved[fast]) / np.maximum(total, 1)
    several = np.flatnonzero(last > first)
    worst = several[np.argsort(-share[several], kind="stable")[:WORST]]
    return [
        {
            "file": seen.file_name(int(files[slow[i]])),
            "slowest": int(ranks[slow[i]]),
            "slowest_bytes": int(moved[slow[i]]),
            "fastest": int(ranks[fast[i]]),
            "fastest_bytes": int(moved[fast[i]]),
            "share": float(share[i]),
        }
        for i in worst
    ]


def metadata(seen: Seen, limits: Thresholds) -> Verdict:
    """Judge whether ranks spend long in opens, closes, stats and the like."""
    rule = Rule(
        "metadata",
        f"a rank spends more than {limits.metadata_s_per_rank:g} s in opens, closes, stats and "
        "the like",
        source("metadata_s_per_rank"),
    )
    layer = _metadata_layer(seen)
    if layer is None:
        return rule.cannot("no opens, closes, stats or the like were recorded")
    mask = seen.trace.where(layer=layer, op=METADATA, without=Flag.PART)
    kinds, worst = _metadata_of(seen, mask)
    evidence = {"layer": layer.name.lower(), "operations": kinds, "worst": worst}
    told = ", ".join(f"{n:,} {name}" for name, n in kinds.items())
    if (seen.trace.column("flags")[mask] & Flag.INFLATED).any():
        return rule.cannot(f"{told}, but strace makes calls take longer than they do", evidence)
    most = worst[0]
    text = (
        f"rank {most['rank']} spent {format_seconds(most['seconds'])} in "
        f"{count(most['operations'], 'such call')}; all ranks: {told}, on the {NAMES[layer]} layer"
    )
    return rule.say(most["seconds"] > limits.metadata_s_per_rank, text, evidence, _SPARE)


def _metadata_of(seen: Seen, mask: np.ndarray) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Count calls by kind, and return the ranks that spent most time in them."""
    names = ("rank", "op", "start", "end")
    rank, op, start, end = (seen.trace.column(name).compress(mask) for name in names)
    found, times = np.unique(op, return_counts=True)
    ranks, place = np.unique(rank, return_inverse=True)
    seconds, calls = sum_by(place, end - start, len(ranks)) / 1e9, np.bincount(place)
    worst = np.argsort(-seconds, kind="stable")[:WORST]
    return {Op(code).name.lower(): int(n) for code, n in zip(found, times, strict=True)}, [
        {"rank": int(ranks[i]), "seconds": float(seconds[i]), "operations": int(calls[i])}
        for i in worst
    ]


def _metadata_layer(seen: Seen) -> Layer | None:
    """Return the lowest layer of calls that recorded any."""
    for layer in (Layer.POSIX, Layer.MPIIO, Layer.HDF5, Layer.APP):
        if seen.trace.where(layer=layer, op=METADATA, without=Flag.PART).any():
            return layer
    return None
