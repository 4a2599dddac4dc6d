"""Verdicts on servers: bytes that lie unevenly on targets, and one target that is late."""

from __future__ import annotations

from typing import Any

import numpy as np

from piotutor.diagnosis.seen import WORST, Seen
from piotutor.diagnosis.thresholds import Thresholds, source
from piotutor.diagnosis.verdict import Rule, Verdict
from piotutor.metrics_targets import (
    EXCESS,
    SLOWER,
    TargetWork,
    imbalance,
    main_op,
    rank_phases,
    slowest,
    straggler,
    target_work,
)
from piotutor.units import format_seconds, format_size

_UNKNOWN = "no server told what its targets did, and no layout of a file is known"
_WIDER = (
    "stripe large shared files over more targets (lfs setstripe -c, ceph.file.layout), small files "
    "over one each; see that no two of a file's objects share a target"
)
_AVOID = (
    "leave the slow target out (lfs setstripe -o, a pool), stripe over fewer targets so that fewer "
    "files meet it, and tell who runs the servers"
)


def targets(seen: Seen, limits: Thresholds) -> Verdict:
    """Judge whether the targets with most and with least bytes lie far apart."""
    rule = Rule(
        "targets",
        f"targets with most and least bytes differ by more than {limits.target_share:.0%} of all",
        source("target_share"),
    )
    work = target_work(seen.trace)
    if work is None:
        return rule.cannot(_UNKNOWN)
    moved = work.totals().bytes
    if not moved.any():
        return rule.cannot("no target moved any bytes")
    if len(moved) == 1:
        return rule.no(f"there is one target: {work.names[0]}")
    order = np.argsort(-moved, kind="stable")
    most, least = order[0], order[-1]
    share = float((moved[most] - moved[least]) / moved.sum())
    text = (
        f"{work.names[most]} moved {format_size(int(moved[most]))}, {work.names[least]} "
        f"{format_size(int(moved[least]))}: {share:.0%} of all bytes apart ({work.whose})"
    )
    evidence = {
        "layer": "server",
        "share": share,
        "imbalance": imbalance(moved),
        "worst": _rows(work, order[:WORST]),
    }
    return rule.say(share > limits.target_share, text, evidence, _WIDER)


def late(seen: Seen, limits: Thresholds) -> Verdict:
    """Judge whether one target was done long after all others, or is much slower than they."""
    rule = Rule(
        "straggler",
        f"one target is done later than all others by more than {limits.late_share:.0%} of the "
        f"time, or its operations take {SLOWER:g} times as long and that adds up to {EXCESS:.0%}",
        source("late_share"),
    )
    work = target_work(seen.trace)
    if work is None:
        return rule.cannot(_UNKNOWN)
    op = main_op(work)
    busy = int(np.count_nonzero(work.totals(op).working))
    if busy < 2:
        return rule.no(f"{busy} of {len(work.names)} {work.word}s moved bytes")
    found = straggler(work, op, rank_phases(seen.trace), limits.late_share)
    slow = slowest(work)
    row = found.row if found else slow.row if slow else -1
    evidence = {
        "layer": "server",
        "resolution_s": work.look / 1e9,
        "worst": _rows(work, np.array([row])) if row >= 0 else [],
    }
    if found:
        text = (
            f"{work.names[row]} had its last byte after {format_seconds(found.seconds)}, the last "
            f"of the others after {format_seconds(found.others)}"
        )
    elif slow:
        text = (
            f"an operation takes {format_seconds(slow.seconds)} at {work.names[row]}, at the "
            f"others up to {format_seconds(slow.others)}"
        )
    else:
        text = f"{busy} {work.word}s were done together, as far as can be told ({work.whose})"
    return rule.say(row >= 0, text, evidence, _AVOID)


def _rows(work: TargetWork, rows: np.ndarray) -> list[dict[str, Any]]:
    totals = work.totals()
    return [
        {
            "target": work.names[row],
            "bytes": int(totals.bytes[row]),
            "operations": int(totals.operations[row]),
        }
        for row in rows.tolist()
    ]
