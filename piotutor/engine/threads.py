"""Ranks that keep several reads in flight, in virtual time: one rank of the world for each thread.

Every thread opens and closes the file with its rank; of these calls only the first one's records
are kept.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from piotutor.trace import Layer, Op, repetition_of
from piotutor.workload import Workload


def split(
    workload: Workload, todo: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Deal out what each rank does to its threads.

    Parameters
    ----------
    workload : Workload
        Whose `queue_depth` says how many threads read in which repetition.
    todo, counts : ndarray
        As of `piotutor.engine.model.operations`.

    Returns
    -------
    ndarray, ndarray
        The same of all threads, those of rank 0 first.
    int
        How many threads each rank has.
    """
    threads = max(workload.queue_depth)
    if threads == 1:
        return todo, counts, 1
    starts = np.concatenate([[0], np.cumsum(counts)])
    each = [
        _of_thread(workload, todo[first:last], thread)
        for first, last in pairwise(starts)
        for thread in range(threads)
    ]
    return np.concatenate(each), np.array([len(one) for one in each], np.int64), threads


def _of_thread(workload: Workload, todo: np.ndarray, thread: int) -> np.ndarray:
    """Return what one thread of a rank does: its share of the moves, and all calls around them."""
    moves = np.isin(todo["op"], (Op.READ, Op.WRITE))
    mine = ~moves
    for phase in np.unique(todo["phase"]):
        place = np.flatnonzero(moves & (todo["phase"] == phase))
        reads = len(place) and todo["op"][place[0]] == Op.READ
        depth = workload.depth(int(repetition_of(np.asarray(phase, np.uint64)))) if reads else 1
        if thread < depth:
            mine[place[thread::depth]] = True
    return todo[mine]


def join(records: np.ndarray, threads: int) -> np.ndarray:
    """Return records of threads as their ranks': with the thread's number where several read."""
    if threads == 1:
        return records
    kept = records.copy()
    thread = np.maximum(kept["rank"], 0) % threads
    moves = np.isin(kept["op"], (Op.READ, Op.WRITE))
    app = kept["layer"] == Layer.APP
    kept["thread"][app & moves] = thread[app & moves]
    kept["rank"] = np.where(kept["rank"] >= 0, kept["rank"] // threads, -1)
    keep = ~app | moves | (thread == 0)
    place = np.append(np.where(keep, np.cumsum(keep) - 1, -1), -1)
    kept["parent"] = place[kept["parent"]]
    return np.asarray(kept[keep])
