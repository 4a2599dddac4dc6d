"""Traces: one record for all layers, its file, and reading it while it grows."""

from __future__ import annotations

from piotutor.trace.follow import Follower
from piotutor.trace.reader import Trace
from piotutor.trace.record import (
    HEADER,
    PROVENANCES,
    RECORD,
    UNKNOWN,
    Flag,
    Layer,
    Op,
    Phase,
    TraceError,
    pack_aux,
    phase_of,
    repetition_of,
    tail,
)
from piotutor.trace.writer import Block, TraceWriter

__all__ = [
    "HEADER",
    "PROVENANCES",
    "RECORD",
    "UNKNOWN",
    "Block",
    "Flag",
    "Follower",
    "Layer",
    "Op",
    "Phase",
    "Trace",
    "TraceError",
    "TraceWriter",
    "pack_aux",
    "phase_of",
    "repetition_of",
    "tail",
]
