"""Requests to one target, and how long they took."""

from __future__ import annotations

import numpy as np

from piotutor.engine.world import OPERATION, World
from piotutor.trace import Layer

MIB = 1 << 20
WHOLE = 1 << 50
"""A stripe size with which a file is one object."""


def serve(machine, op, offsets, length, *, objects=1, layers=(Layer.DEVICE,)):
    """Let one rank do requests one after the other; return records, of the device."""
    todo = np.zeros(len(offsets), OPERATION)
    todo["op"], todo["offset"], todo["length"] = op, offsets, length
    todo["file"] = np.arange(len(offsets)) % objects
    files = [(WHOLE, [0])] * objects
    world = World(machine, files, [0], layers, 1 << 20)
    world.run(todo, np.array([len(todo)]))
    assert world.dropped == 0
    return world.records


def took(records):
    return records["end"] - records["start"]
