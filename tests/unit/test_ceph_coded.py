"""Erasure-coded data: how much the servers' stores write for what is asked of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import piotutor as pio
from piotutor.errors import UsageError
from piotutor.metrics_targets import write_amplification
from piotutor.storage.ceph import binaries
from piotutor.trace import RECORD, Trace

pytestmark = pytest.mark.slow
KIB = 1024
WRITES = 8
PROGRAM = """
import os, sys
size, shift, count = map(int, sys.argv[2:])
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for number in range(count):
    os.pwrite(file, bytes(size), shift + number * size)
    os.fsync(file)
os.close(file)
"""


@pytest.fixture(scope="module")
def coded(tmp_path_factory):
    """Return a Ceph that stands: three data chunks of 16 KiB and one of parity."""
    try:
        binaries.find()
    except UsageError as why:
        pytest.skip(str(why))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIOTUTOR_STATE", str(tmp_path_factory.mktemp("coded")))
        storage = pio.storage.Ceph(pool="ec", ec="3+1", stripe_unit="192k", stripe_count=1)
        up = storage.start()
    with up as running:
        yield running


@pytest.mark.parametrize(
    ("size", "shift", "stripes"),
    [(48 * KIB, 0, 1), (48 * KIB, 8 * KIB, 2), (16 * KIB, 0, 1), (4 * KIB, 0, 1)],
    ids=["full stripe", "shifted", "one chunk", "4 KiB"],
)
def test_each_write_costs_whole_stripes_on_every_server(coded, spotless, size, shift, stripes):
    words = [sys.executable, "-c", PROGRAM, "{place}/data", str(size), str(shift), str(WRITES)]
    run = pio.trace_command_sync(words, storage=coded)
    chunks = [target["write_bytes"] / (16 * KIB * stripes) for target in run.result["targets"]]
    assert chunks == pytest.approx([WRITES] * 4, rel=0.1), "a chunk of each stripe on each server"
    wanted = 64 * KIB * stripes / size
    assert write_amplification(run.trace) == pytest.approx(wanted, rel=0.1)


def test_without_servers_that_count_nothing_is_told():
    assert write_amplification(Trace(np.zeros(0, RECORD), [])) is None
