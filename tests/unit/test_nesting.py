"""Which call lies in which: the vectorised answer against a slow loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piotutor.trace import RECORD, Flag, Layer, Op, Trace
from piotutor.trace.nesting import enclosing, last_at_least


def trace_of(rows):
    """Make a trace of (layer, rank, start, end, parent, flags)."""
    records = np.zeros(len(rows), RECORD)
    records["op"] = Op.WRITE
    for row, (layer, rank, start, end, parent, flags) in zip(records, rows, strict=True):
        row["layer"], row["rank"], row["parent"], row["flags"] = layer, rank, parent, flags
        row["start"], row["end"] = start, end
    return Trace.from_records(records)


def slowly(trace, layer):
    """Return what `enclosing` should, one record after another."""
    names = ("layer", "rank", "start", "end", "parent", "flags")
    layers, rank, start, end, parent, flags = (trace.column(name).tolist() for name in names)
    wanted = [n for n in range(len(trace)) if layers[n] == layer and not flags[n] & Flag.PART]

    def one(n):
        top, at = n, parent[n]
        while at >= 0:
            if at in wanted:
                return at
            top, at = at, parent[at]
        if layers[top] <= layer:
            return -1
        begin, until = start[top], end[top]
        if flags[top] & Flag.INFLATED:
            begin = until = (begin + until) // 2
        around = [
            at for at in wanted if rank[at] == rank[top] and start[at] <= begin and end[at] >= until
        ]
        return around[-1] if around else -1

    return [one(n) for n in range(len(trace))]


@st.composite
def rows(draw):
    made = []
    for n in range(draw(st.integers(0, 24))):
        start = draw(st.integers(0, 30))
        flags = draw(st.sampled_from((0, 0, 0, Flag.PART, Flag.INFLATED)))
        parent = draw(st.integers(-1, n - 1)) if flags == Flag.PART or draw(st.booleans()) else -1
        layer = draw(st.integers(Layer.APP, Layer.POSIX))
        made.append(
            (layer, draw(st.integers(0, 2)), start, start + draw(st.integers(0, 20)), parent, flags)
        )
    return made


@given(rows(), st.sampled_from((Layer.APP, Layer.HDF5, Layer.MPIIO, Layer.POSIX)))
def test_every_record_finds_the_call_around_it(made, layer):
    trace = trace_of(made)
    assert enclosing(trace, layer).tolist() == slowly(trace, layer)
    half = np.arange(0, len(trace), 2)
    assert enclosing(trace, layer, half).tolist() == slowly(trace, layer)[::2]


@given(
    st.lists(st.integers(0, 9), max_size=40),
    st.lists(st.tuples(st.integers(-1, 39), st.integers(0, 9))),
)
def test_the_last_value_that_is_large_enough(values, queries):
    queries = [(min(upto, len(values) - 1), least) for upto, least in queries]
    upto, least = np.array(queries, np.int64).reshape(-1, 2).T
    found = last_at_least(np.array(values, np.int64), upto, least)
    expected = [
        max((n for n in range(upto + 1) if values[n] >= least), default=-1)
        for upto, least in queries
    ]
    assert found.tolist() == expected


def test_a_system_call_finds_the_request_through_all_layers():
    trace = trace_of(
        [
            (Layer.APP, 0, 0, 100, -1, 0),
            (Layer.APP, 1, 0, 100, -1, 0),
            (Layer.HDF5, 1, 10, 90, -1, 0),
            (Layer.MPIIO, 1, 20, 80, 2, 0),
            (Layer.POSIX, 1, 30, 40, 3, 0),
            (Layer.BLOCK, -1, 50, 60, -1, 0),
        ]
    )
    assert enclosing(trace, Layer.APP).tolist() == [-1, -1, 1, 1, 1, -1]
    assert enclosing(trace, Layer.HDF5).tolist() == [-1, -1, -1, 2, 2, -1]


def test_a_circle_of_parents_ends():
    records = np.zeros(2, RECORD)
    records["layer"], records["op"], records["parent"] = Layer.POSIX, Op.WRITE, [1, 0]
    assert enclosing(Trace(records), Layer.APP).tolist() == [-1, -1]


@pytest.mark.parametrize("layer", [Layer.APP, Layer.POSIX])
def test_an_empty_trace_has_no_nesting(layer):
    assert enclosing(trace_of([]), layer).tolist() == []
