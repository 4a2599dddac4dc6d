"""Layouts for property tests, small and of every kind, and where each puts one byte.

The oracle is written from the published formulas, one byte at a time, in whole numbers of Python.
"""

from __future__ import annotations

from hypothesis import strategies as st

from piotutor import layout
from piotutor.layout import Coded, Composite, Striped

SIZES = st.integers(1, 12)
COUNTS = st.integers(1, 5)


@st.composite
def plain(draw):
    count, pool = draw(COUNTS), draw(st.integers(0, 4))
    start = draw(st.integers(0, pool - 1)) if pool else 0
    return layout.striped(draw(SIZES), count, targets=pool, start=start)


@st.composite
def ceph(draw):
    unit = draw(SIZES)
    return layout.cephfs(unit, draw(COUNTS), unit * draw(st.integers(1, 4)))


@st.composite
def progressive(draw):
    steps = draw(st.lists(st.integers(1, 40), max_size=3))
    ends = [sum(steps[: n + 1]) for n in range(len(steps))]
    last = draw(st.sampled_from([-1, 600]))
    return layout.progressive(*((end, draw(plain())) for end in [*ends, last]))


@st.composite
def raid(draw):
    level = draw(st.sampled_from([0, 1, 4, 5, 6]))
    return layout.raid(level, draw(st.integers(4, 7)), chunk_size=draw(SIZES))


@st.composite
def daos(draw):
    groups, cell = draw(st.integers(1, 3)), draw(SIZES)
    data, parity, copies = draw(st.integers(1, 4)), draw(st.integers(1, 2)), draw(COUNTS)
    kind = draw(
        st.sampled_from([f"S{groups}", f"RP_{copies}G{groups}", f"EC_{data}P{parity}G{groups}"])
    )
    return layout.daos(kind, chunk_size=cell * draw(st.integers(1, 9)), cell_size=cell)


def layouts():
    """Draw a layout of any kind: of units of a few bytes, as long as the tests need at least."""
    return st.one_of(plain(), ceph(), progressive(), raid(), daos())


@st.composite
def extents(draw):
    """Draw offsets and lengths of some extents below 600."""
    pairs = st.tuples(st.integers(0, 500), st.integers(0, 100))
    many = draw(st.lists(pairs, min_size=1, max_size=6))
    return [at for at, _ in many], [size for _, size in many]


def oracle(one, byte):
    """Return the object of a byte, and where in it the byte lies."""
    return {Striped: of_stripes, Composite: of_components, Coded: of_cells}[type(one)](one, byte)


def of_stripes(one, byte):
    """Ceph's variables (file striping); without an object size this is Lustre's RAID 0."""
    block, inside = divmod(byte, one.stripe_size)
    stripe, position = divmod(block, one.stripe_count)
    if one.object_size is None:
        return position, stripe * one.stripe_size + inside
    per_object = one.object_size // one.stripe_size
    number = stripe // per_object * one.stripe_count + position
    return number, stripe % per_object * one.stripe_size + inside


def of_components(one, byte):
    before = 0
    for part in one.components:
        if part.end is None or byte < part.end:
            object, inside = of_stripes(part.layout, byte)
            return before + object, inside
        before += part.layout.stripe_count
    raise AssertionError(f"{byte} lies beyond")


def of_cells(one, byte):
    if one.groups == 1 and one.rotation != 1 and one.parity:
        return of_raid(one, byte)
    chunk, within = divmod(byte, one.chunk)
    number, inside = divmod(within, one.cell)
    group, turn = chunk % one.groups, chunk // one.groups
    rows = -(-one.chunk // (one.cell * one.data))
    members = one.data + one.parity + one.copies
    member = (number % one.data + (chunk if one.parity else 0)) % members
    place = turn * rows + number // one.data
    return group * members + member, place * one.cell + inside


def of_raid(one, byte):
    """md's ``raid5_compute_sector``, in its own variables."""
    disks, data = one.data + one.parity, one.data
    chunk, inside = divmod(byte, one.cell)
    stripe, dd_idx = divmod(chunk, data)
    if one.rotation:
        pd_idx = disks - 1 - stripe % disks
        dd_idx = (pd_idx + one.parity + dd_idx) % disks
    return dd_idx, stripe * one.cell + inside
