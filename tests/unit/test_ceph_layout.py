"""Our arithmetic of CephFS's layouts against a real Ceph: its map, its objects, its counters."""

from __future__ import annotations

import ctypes
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from ctypes import byref, c_char_p, c_size_t, c_uint64, c_void_p
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from piotutor import layout
from piotutor.errors import UsageError
from piotutor.storage.ceph import POOL, binaries
from piotutor.storage.ceph.cluster import started
from piotutor.storage.ceph.config import Config
from piotutor.storage.cephfs import parse_layout
from piotutor.storage.placing import layout_of

OSDS = 4
UNIT = 1 << 16  # Ceph takes multiples of this


class Pool:
    """The pool of the data, asked object by object through librados, past CephFS."""

    def __init__(self, reach):
        self.rados = ctypes.CDLL(reach.binaries.libraries["librados.so.2"])
        self.cluster, self.pool = c_void_p(), c_void_p()
        self.rados.rados_create2(byref(self.cluster), b"ceph", b"client.admin", 0, 0)
        self.rados.rados_conf_read_file(self.cluster, str(reach.config).encode())
        assert self.rados.rados_connect(self.cluster) == 0
        assert self.rados.rados_ioctx_create(self.cluster, POOL.encode(), byref(self.pool)) == 0

    def close(self):
        self.rados.rados_ioctx_destroy(self.pool)
        self.rados.rados_shutdown(self.cluster)

    def names(self):
        found, entry, listing = [], c_char_p(), c_void_p()
        self.rados.rados_nobjects_list_open(self.pool, byref(listing))
        while self.rados.rados_nobjects_list_next(listing, byref(entry), None, None) == 0:
            found.append(entry.value.decode())
        self.rados.rados_nobjects_list_close(listing)
        return found

    def read(self, name):
        size, when = c_uint64(), c_uint64()
        assert self.rados.rados_stat(self.pool, name.encode(), byref(size), byref(when)) == 0
        buffer = ctypes.create_string_buffer(size.value)
        arguments = (buffer, c_size_t(size.value), c_uint64(0))
        assert self.rados.rados_read(self.pool, name.encode(), *arguments) == size.value
        return buffer.raw


class Here:
    """A Ceph that all tests of this module share."""

    def __init__(self, reach, client, pool):
        self.reach, self.client, self.pool = reach, client, pool
        self.made = 0

    def file(self, unit, count, size):
        self.made += 1
        path = f"/file{self.made}"
        self.client.make_file(path)
        text = f"stripe_unit={unit} stripe_count={count} object_size={size} pool={POOL}"
        self.client.set_attribute(path, "ceph.file.layout", text)
        return path


@pytest.fixture(scope="module")
def ceph():
    try:
        found = binaries.find()
    except UsageError as why:
        pytest.skip(str(why))
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="piotutor-"))
        cluster = stack.enter_context(started(Config(Path(home) / "ceph", OSDS), found))
        client = stack.enter_context(cluster.reach.client())
        pool = Pool(cluster.reach)
        stack.callback(pool.close)
        yield Here(cluster.reach, client, pool)


@st.composite
def shapes(draw):
    """Stripe unit, stripe count, object size, and bytes of a file over up to three object sets."""
    unit = UNIT * draw(st.sampled_from([1, 2, 3, 5]))
    count = draw(st.integers(1, 6))
    units = draw(st.integers(1, 4))
    whole = unit * units * count
    return unit, count, unit * units, draw(st.integers(1, 3 * whole))


@given(shapes())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pieces_and_servers_are_those_that_ceph_tells(ceph, shape):
    *words, size = shape
    told = ceph.client.extents(ceph.file(*words), size)
    pieces = layout.place(layout.cephfs(*words), 0, size)
    ends = np.cumsum(pieces.length)
    assert {offset + length for offset, length, _ in told} <= {*ends.tolist()}
    servers = defaultdict(set)
    for offset, length, osds in told:
        inside = (ends > offset) & (ends <= offset + length)
        assert len({*pieces.object[inside].tolist()}) == 1, "one object, so one server"
        servers[pieces.object[inside][0]].add(tuple(osds))
    assert all(len(found) == 1 for found in servers.values()), "an object is on one server"
    assert sum(length for _, length, _ in told) == ends[-1] == size


@given(shapes())
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_byte_is_in_its_object_at_its_place(ceph, shape):
    """Written through CephFS, read past it out of the objects, put together by our arithmetic."""
    *words, size = shape
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    path, before = ceph.file(*words), {*ceph.pool.names()}
    ceph.client.write(path, data.tobytes())
    named = {int(name.split(".")[1], 16): name for name in {*ceph.pool.names()} - before}
    pieces = layout.place(layout.cephfs(*words), 0, size)
    assert sorted(named) == sorted({*pieces.object.tolist()})
    objects = {number: ceph.pool.read(name) for number, name in named.items()}
    assert sum(map(len, objects.values())) == size
    rows = zip(pieces.object, pieces.object_offset, pieces.length, strict=True)
    read = b"".join(objects[number][at : at + length] for number, at, length in rows)
    assert read == data.tobytes()
    for number, content in objects.items():
        back = layout.locate(layout.cephfs(*words), number, 0, len(content))
        parts = [data[a : a + n] for a, n in zip(back.offset, back.length, strict=True)]
        assert np.concatenate(parts).tobytes() == content


def test_the_layout_that_ceph_reports_is_the_one_that_was_made(ceph):
    path = ceph.file(3 * UNIT, 3, 6 * UNIT)
    told = parse_layout(ceph.client.attribute(path, "ceph.file.layout"))
    assert layout_of(told) == layout.cephfs(3 * UNIT, 3, 6 * UNIT)


@given(shapes())
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_server_counts_the_bytes_that_our_arithmetic_puts_on_it(ceph, shape):
    *words, size = shape
    path = ceph.file(*words)
    pieces = layout.place(layout.cephfs(*words), 0, size)
    servers = dict.fromkeys(pieces.object.tolist())
    starts = np.cumsum(pieces.length) - pieces.length
    for offset, _, osds in ceph.client.extents(path, size):
        servers[pieces.object[np.searchsorted(starts, offset, "right") - 1]] = osds[0]
    known = layout.cephfs(*words, targets=[servers[number] for number in sorted(servers)])
    before = counted(ceph)
    ceph.client.write(path, bytes(size))
    found = {
        osd: now - was for osd, (now, was) in enumerate(zip(counted(ceph), before, strict=True))
    }
    wanted = dict.fromkeys(range(OSDS), 0) | layout.bytes_by_target(known, 0, size)
    assert found == wanted


def counted(ceph):
    """Return how many bytes each server has been given to write."""
    names = [f"osd.{osd}" for osd in range(OSDS)]
    return [ceph.reach.counters(name, "osd")["op_w_in_bytes"] for name in names]
