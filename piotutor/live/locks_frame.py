"""Locks and servers as the columns that their view paints: while records come, and of a run."""

from __future__ import annotations

from typing import Any

import numpy as np

from piotutor.live.wire import Arrays
from piotutor.metrics_locks import NEVER, Holds
from piotutor.metrics_servers import ServerBook, ServerWork, server_series
from piotutor.plots.locks_data import FIRST, ObjectLocks, locks_data
from piotutor.trace import Layer, Op, Trace

RECENT, MOST = 1500, 40_000
"""Locks that are shown of a job that runs, the last ones, and of a run that is over."""
LISTED = 64
"""Objects to choose from."""
USES = 2000
"""Transfers, of all objects together, that a replay has rows of."""
MOMENTS = 400
"""How often the servers' state is known in a replay."""


def hold_columns(holds: Holds, sizes: dict[int, int], origin: int) -> Arrays:
    """Return locks as columns; times are ms since `origin`, of one that is kept infinite."""
    ends = np.array([sizes.get(one, 0) for one in holds.object.tolist()], float)
    until = np.where(holds.released == NEVER, np.inf, (holds.released - origin) / 1e6)
    return {
        "object": holds.object.astype("<u4"),
        "client": np.clip(holds.client, 0, 65535).astype("<u2"),
        "shared": (holds.op == int(Op.READ)).astype("u1"),
        "low": holds.low.astype("<f8"),
        "high": np.minimum(holds.high, np.maximum(ends, holds.low + 1)).astype("<f8"),
        "granted": ((holds.granted - origin) / 1e6).astype("<f4"),
        "released": until.astype("<f4"),
        "called": (holds.called < NEVER).astype("u1"),
    }


def use_columns(shown: list[ObjectLocks], origin: int) -> Arrays:
    """Return the first transfers of objects as columns: what each touched, when it had its lock."""
    uses = [one.uses for one in shown]
    numbers, moments = [one.object for one in shown], [one.moments for one in shown]
    of = np.repeat(np.array(numbers, int), [len(one) for one in moments])
    at = np.concatenate([*moments, np.zeros(0)])
    return {
        "used": of.astype("<u4"),
        "first": np.concatenate([*(one.low for one in uses), np.zeros(0)]).astype("<f8"),
        "end": np.concatenate([*(one.high for one in uses), np.zeros(0)]).astype("<f8"),
        "at": ((at - origin) / 1e6).astype("<f4"),
    }


def server_columns(series: ServerWork) -> Arrays:
    """Return the servers' state at moments, server by server."""
    return {
        "queue": series.queue.astype("<u4").ravel(),
        "done": series.operations.astype("<u4").ravel(),
        "moved": series.bytes.astype("<f8").ravel(),
    }


def about(book: ServerBook, targets: np.ndarray, reached: float, shown: int) -> dict[str, Any]:
    """Return what the painter must know: objects, callbacks of each, counts, names.

    `reached` (ms) is how far it is known; `shown` how many locks there are columns of.
    """
    locks = book.locks
    called = sorted(locks.callbacks, key=lambda one: (-locks.callbacks[one], one))
    return {
        "objects": [
            {"object": one, "target": locks.targets[one], "callbacks": locks.callbacks[one],
             "size": max(1, book.sizes.get(one, 1))}
            for one in sorted(called[:LISTED])
        ],
        "clients": sorted(locks.clients),
        "grants": locks.grants,
        "callbacks": sum(locks.callbacks.values()),
        "servers": [f"server {target}" for target in targets.tolist()],
        "reached": reached,
        "left": max(0, locks.grants - shown),
    }  # fmt: skip


def now(book: ServerBook, origin: int) -> tuple[dict[str, Any], Arrays]:
    """Return what a running job's servers are doing, and their last locks."""
    moment = max(book.newest, origin)
    work, few = book.work(moment), book.locks.recent(RECENT)
    meta = about(book, work.targets, (moment - origin) / 1e6, len(few.low))
    columns = hold_columns(few, book.sizes, origin) | use_columns([], origin)
    return meta | {"moments": 1}, columns | server_columns(work)


def whole(trace: Trace, origin: int, span: float) -> tuple[dict[str, Any], Arrays]:
    """Return all of a run that is over; `span` (ms) is what its ranks' calls reach over."""
    book = ServerBook()
    book.take(trace.records[trace.where(layer=Layer.SERVER)])
    holds = book.locks.holds
    few = holds.select(np.arange(len(holds.low)) < MOST)
    moments = origin + (np.linspace(0, span, MOMENTS) * 1e6).astype(np.int64)
    series = server_series(trace, moments)
    meta = about(book, series.targets, span, len(few.low))
    listed = [one["object"] for one in meta["objects"]]
    data = locks_data(trace, objects=listed, first=max(FIRST, USES // max(1, len(listed))))
    sizes = book.sizes | {one.object: one.size for one in data.shown}
    columns = hold_columns(few, sizes, origin) | use_columns(data.shown, origin)
    for told, one in zip(meta["objects"], data.shown, strict=True):
        told |= {"size": one.size, "transfers": one.transfers}
    words = {"word": data.word, "whole": data.protocol == "file"}
    return meta | words | {"moments": MOMENTS}, columns | server_columns(series)
