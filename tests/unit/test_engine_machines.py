"""Any machine with any workload: what the engine's records say always holds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from piotutor.engine import Machine, model
from piotutor.engine.bounds import bound_of
from piotutor.engine.library import library
from piotutor.engine.machine import DEVICES, LOCKS, WORDS
from piotutor.errors import PiotutorError, UsageError
from piotutor.trace import Layer, Op
from piotutor.workload import Workload

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")

NAMES = [each.name for each in dataclasses.fields(Machine) if each.name not in WORDS]
KINDS = {each.name: type(each.default) for each in dataclasses.fields(Machine)}
SIZES = st.sampled_from([1, 7, 4096, 65536, 1 << 20])
MAYBE = st.sampled_from([0, 1, 4096, 100_000, 1 << 20])
SECONDS = st.sampled_from([0.0, 1e-9, 1e-4, 1.0])
SPEEDS = st.sampled_from([0.0, 1e3, 1e9, 1e18])


@st.composite
def machines(draw):
    """Return a machine that may be odd, with a parameter at one of its bounds now and then."""
    level = draw(st.sampled_from([0, 1, 5, 6]))
    cache = draw(MAYBE)
    given = {
        "clients": draw(st.integers(1, 5)),
        "targets": draw(st.integers(1, 5)),
        "client_bandwidth": draw(SPEEDS),
        "server_bandwidth": draw(SPEEDS),
        "target_write_bandwidth": draw(SPEEDS),
        "latency": draw(SECONDS),
        "target_overhead": draw(SECONDS),
        "lock_time": draw(SECONDS),
        "lock_return_time": draw(SECONDS),
        "rpc_size": draw(st.sampled_from([512, 4096, 65536, 1 << 20])),
        "rpcs_in_flight": draw(st.integers(1, 8)),
        "dirty_limit": draw(MAYBE),
        "cache_size": cache,
        "read_ahead": draw(st.integers(0, cache)),
        "lock_protocol": draw(st.sampled_from(LOCKS)),
        "lock_page": draw(SIZES),
        "lock_conflicts": draw(st.integers(0, 3)),
        "device": draw(st.sampled_from(DEVICES)),
        "device_memory": draw(MAYBE),
        "ssd_channels": draw(st.integers(1, 4)),
        "ssd_page": draw(st.sampled_from([512, 4096])),
        "ssd_block_pages": draw(st.integers(1, 8)),
        "ssd_blocks": draw(st.integers(8, 40)),
        "ssd_spare": draw(st.sampled_from([0.5, 3.0])),
        "ssd_rewritten": draw(st.integers(0, 1)),
        "array_level": level,
        "array_width": draw(st.integers(4, 9)),
        "array_chunk": draw(st.sampled_from([512, 1000, 65536])),
        "array_failed": draw(st.integers(-1, 3)) if level else -1,
    }
    if draw(st.integers(0, 9)) == 0:
        name = draw(st.sampled_from(NAMES))
        given[name] = draw(st.sampled_from([bound_of(name).least, bound_of(name).most]))
    return given


@st.composite
def workloads(draw):
    size = 8 * draw(st.sampled_from([1, 13, 512, 5876]))
    write = draw(st.booleans())
    return Workload(
        num_tasks=draw(st.integers(1, 6)),
        transfer_size=size,
        block_size=size * draw(st.integers(1, 3)),
        segment_count=draw(st.integers(1, 4)),
        file_per_process=draw(st.booleans()),
        fsync=draw(st.booleans()),
        write=write,
        read=not write or draw(st.booleans()),
    )


def held_by_two(locks):
    """Return the locks and returns at which two clients hold what one of them has alone."""
    held, wrong = {}, []
    order = np.lexsort((locks["op"] == Op.LOCK, locks["end"]))  # what is given back comes first
    for each in locks[order]:
        client, low, kind = int(each["client"]), int(each["offset"]), int(each["result"])
        high, others = low + int(each["length"]), held.setdefault(int(each["aux"]), [])
        if each["op"] == Op.LOCK:
            in_use = [
                whose
                for whose, begin, end, his in others
                if whose != client and Op.WRITE in (kind, his) and low < end and begin < high
            ]
            wrong += [each] * len(in_use)
            others.append((client, low, high, kind))
            continue
        own = [one for one in others if one[0] == client and one[2:] == (high, kind)]
        begins = [begin for _, begin, *_ in own if begin <= low]
        if not begins:
            wrong.append(each)
            continue
        others.remove((client, max(begins), high, kind))
        if max(begins) < low:  # tokens: what lies before stays
            others.append((client, max(begins), low, kind))
    return wrong


def covered_once(moves):
    """Say whether ranges of an object, by their begin, lie side by side and nowhere over others."""
    for number in np.unique(moves["aux"]):
        some = np.sort(moves[moves["aux"] == number], order="offset")
        if (some["offset"][1:] < (some["offset"] + some["length"])[:-1]).any():
            return False
    return True


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(given=machines(), work=workloads(), stripes=st.integers(1, 3), size=SIZES)
def test_what_records_say_always_holds(given, work, stripes, size):
    """Bytes once each, no two with one lock, time that goes on; the same again for the same."""
    try:
        machine = Machine(**given)
        trace = model(work, machine, stripe_size=size, stripe_count=min(stripes, machine.targets))
    except PiotutorError as error:
        assert str(error).count("\n") == 0
        return
    again = model(work, machine, stripe_size=size, stripe_count=min(stripes, machine.targets))
    assert again.records.tobytes() == trace.records.tobytes()
    records = trace.records
    assert (records["start"] >= 0).all() and (records["end"] >= records["start"]).all()
    app, server = (records[records["layer"] == layer] for layer in (Layer.APP, Layer.SERVER))
    for op, asked in ((Op.WRITE, work.write), (Op.READ, work.read)):
        assert app["length"][app["op"] == op].sum() == asked * work.total_bytes
    for rank in range(work.num_tasks):
        mine = np.sort(app[app["rank"] == rank], order=["start", "end"])
        assert (mine["start"][1:] >= mine["end"][:-1]).all()
    written = server[server["op"] == Op.WRITE]
    assert written["length"].sum() == work.write * work.total_bytes
    assert machine.dirty_limit or covered_once(
        written
    )  # from a cache what lies apart goes together
    read = server["length"][server["op"] == Op.READ].sum()
    assert machine.cache_size or read == work.read * work.total_bytes
    moved = server[np.isin(server["op"], (Op.READ, Op.WRITE))]
    assert (moved["length"] <= machine.rpc_size).all() and (moved["target"] < machine.targets).all()
    assert not held_by_two(server[np.isin(server["op"], (Op.LOCK, Op.UNLOCK))])


@given(
    name=st.sampled_from(NAMES),
    value=st.one_of(
        st.integers(), st.floats(), st.text(max_size=5), st.none(), st.booleans(), st.binary()
    ),
)
def test_any_value_of_a_parameter_is_taken_or_refused_in_a_line(name, value):
    """A plain number within its bounds, or a mistake of its user's."""
    bound = bound_of(name)
    try:
        taken = getattr(Machine(**{name: value}), name)
    except UsageError as error:
        assert str(error).count("\n") == 0 and len(str(error)) < 300
    else:
        assert type(taken) is KINDS[name]
        assert bound.least <= taken <= bound.most


def test_a_small_ssd_takes_small_requests():
    """What all SSDs of a machine have in common is made for requests of any size."""
    tiny = Machine(device="ssd", rpc_size=512, ssd_channels=1, ssd_page=512, ssd_blocks=8,
                   ssd_block_pages=1, ssd_spare=1, ssd_rewritten=1)  # fmt: skip
    work = Workload(num_tasks=1, transfer_size=4096, block_size=1 << 14, write=True)
    records = model(work, tiny).records
    device = records[(records["layer"] == Layer.DEVICE) & (records["thread"] == 0)]
    assert device["length"].sum() == work.total_bytes
