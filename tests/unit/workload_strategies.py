"""Workloads for property tests: small, of every kind."""

from __future__ import annotations

from hypothesis import strategies as st

from piotutor.errors import UsageError
from piotutor.workload import Workload

POWERS = st.sampled_from([8, 64, 512, 4096, 47008])


@st.composite
def workloads(draw, **fixed):
    """Draw a valid workload of at most 5 ranks, 6 transfers a block, 4 segments."""
    transfer = draw(POWERS)
    values = {
        "api": draw(st.sampled_from(["NULL", "POSIX", "MPIIO", "HDF5"])),
        "num_tasks": draw(st.integers(1, 5)),
        "tasks_per_node": draw(st.none() | st.integers(1, 6)),
        "transfer_size": transfer,
        "block_size": transfer * draw(st.integers(1, 6)),
        "segment_count": draw(st.integers(1, 4)),
        "file_per_process": draw(st.booleans()),
        "reorder_tasks": draw(st.booleans()),
        "task_offset": draw(st.integers(0, 4)),
        "random_offset": draw(st.integers(0, 2)),
        "random_offset_seed": draw(st.integers(0, 2**31 - 1)),
        "write": draw(st.booleans()),
        "read": draw(st.booleans()),
        "verify_write": draw(st.booleans()),
        "verify_read": draw(st.booleans()),
        "signature": draw(st.none() | st.integers(1, 9)),
        "repetitions": draw(st.integers(1, 3)),
        "keep": draw(st.booleans()),
        "test_file": draw(st.none() | st.sampled_from(["/tmp/data", "a b", "it's", "x=1,#"])),
        "fsync": draw(st.booleans()),
        "fsync_per_write": draw(st.booleans()),
        "barriers": draw(st.booleans()),
        "stonewall": draw(st.integers(0, 5)),
    }
    values |= fixed
    values = {**draw(_interface(values["api"])), **values}
    return _repaired(values)


def _interface(api):
    flag, hints = st.booleans(), st.sampled_from([(), (("cb_nodes", "2"),), HINTS])
    shape = {
        "POSIX": {"direct_io": flag},
        "MPIIO": {"collective": flag, "use_file_view": flag, "hints": hints},
        "HDF5": {
            "collective": flag,
            "hints": hints,
            "alignment": st.sampled_from([1, 4096]),
            "chunk_size": st.sampled_from([0, 1]),
            "collective_metadata": flag,
            "meta_block_size": st.none() | st.just(2**20),
        },
    }
    return st.fixed_dictionaries(shape.get(api, {}))


HINTS = (("cb_config_list", "a:1,b:1"), ("romio_cb_write", "enable"))


def _repaired(values):
    """Return the workload; where options conflict, without the rarer ones."""
    for without in ((), ("random_offset",), ("verify_read", "verify_write")):
        values = {k: v for k, v in values.items() if k not in without}
        try:
            return Workload(**values)
        except UsageError:
            continue
    raise AssertionError(values)
