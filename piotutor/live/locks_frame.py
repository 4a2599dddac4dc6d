"""Locks and servers as the columns that their view paints: while records come, and of a run."""

from __future__ import annotations

from typing import Any

import numpy as np

from piotutor.live.wire import Arrays
from piotutor.metrics_locks import NEVER, Holds
from piotutor.metrics_servers import ServerBook, ServerSeries, server_series
from piotutor.trace import Op, Trace

RECENT, MOST = 1500, 40_000
"""Locks that are shown of a job that runs, the last ones, and of a run that is over."""
LISTED = 64
"""Objects to choose from."""
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


def server_columns(series: ServerSeries) -> Arrays:
    """Return the servers' state at moments, server by server."""
    return {
        "queue": series.queue.astype("<u4").ravel(),
        "done": series.operations.astype("<u4").ravel(),
        "moved": series.bytes.astype("<f8").ravel(),
    }


def about(holds: Holds, sizes: dict[int, int], targets: np.ndarray) -> dict[str, Any]:
    """Return what the painter must know of all locks: objects, callbacks of each, counts."""
    objects, row = np.unique(holds.object, return_inverse=True)
    called = np.bincount(row, holds.called < NEVER, len(objects)).astype(int)
    homes = np.zeros(len(objects), int)
    homes[row] = holds.target
    order = np.sort(np.argsort(-called, kind="stable")[:LISTED])
    listed = [
        {"object": int(objects[n]), "target": int(homes[n]), "callbacks": int(called[n]),
         "size": max(1, sizes.get(int(objects[n]), 1))}
        for n in order
    ]  # fmt: skip
    return {
        "objects": listed,
        "clients": np.unique(holds.client).tolist(),
        "grants": int(np.count_nonzero(~holds.rest)),
        "callbacks": int(called.sum()),
        "servers": [f"server {target}" for target in targets.tolist()],
    }


def now(book: ServerBook, origin: int) -> tuple[dict[str, Any], Arrays]:
    """Return what a running job's servers are doing, and their last locks."""
    state, holds = book.at(max(book.newest, origin)), book.holds
    few = holds.where(np.arange(len(holds.low)) >= len(holds.low) - RECENT)
    one = ServerSeries(
        state.targets, *(c[:, None] for c in (state.queue, state.operations, state.bytes))
    )
    meta = about(holds, book.sizes, state.targets)
    meta |= {
        "moments": 1,
        "reached": (state.at - origin) / 1e6,
        "left": len(holds.low) - len(few.low),
    }
    return meta, hold_columns(few, book.sizes, origin) | server_columns(one)


def whole(trace: Trace, origin: int, span: float) -> tuple[dict[str, Any], Arrays]:
    """Return all of a run that is over; `span` (ms) is what its ranks' calls reach over."""
    book = ServerBook()
    book.take(trace.records)
    holds = book.holds
    few = holds.where(np.arange(len(holds.low)) < MOST)
    moments = origin + (np.linspace(0, span, MOMENTS) * 1e6).astype(np.int64)
    series = server_series(trace, moments)
    meta = about(holds, book.sizes, series.targets)
    meta |= {"moments": MOMENTS, "reached": span, "left": len(holds.low) - len(few.low)}
    return meta, hold_columns(few, book.sizes, origin) | server_columns(series)
