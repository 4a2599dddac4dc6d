"""Names: the metadata server's threads, and who makes files in one directory."""

from __future__ import annotations

import json

import numpy as np
import pytest

from piotutor import cli
from piotutor.engine import Machine, model
from piotutor.engine.library import library
from piotutor.engine.world import OPERATION, World
from piotutor.errors import UsageError
from piotutor.trace import Layer, Op
from piotutor.workload import Workload

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")

RANKS, TIME = 64, 1e-3
MACHINE = Machine(
    clients=RANKS,
    create_time=TIME,
    remove_time=TIME,
    stat_time=TIME,
    open_time=TIME,
    metadata_threads=8,
)
OWN = Workload(num_tasks=RANKS, block_size=4096, transfer_size=4096, file_per_process=True,
               write=True)  # fmt: skip


def last(trace, op=Op.CREATE):
    """Return when the last call of a kind was over, in units of its time at the server."""
    return trace.records["end"][trace.where(layer=Layer.APP, op=op)].max() * 1e-9 / TIME


@pytest.mark.parametrize(("share", "expected"), [(0.0, 8), (0.1, 8), (0.5, 2), (1.0, 1)])
def test_one_directory_takes_so_many_at_once_as_its_share_allows(share, expected):
    """A rate of min(threads / time, 1 / (share x time)), but for the first one's head start."""
    machine = MACHINE.replace(directory_share=share)
    assert last(model(OWN, machine)) == pytest.approx(RANKS / expected, abs=1)


def test_own_directories_do_not_contend():
    machine = MACHINE.replace(directory_share=1.0)
    assert last(model(OWN, machine, directories=RANKS)) == pytest.approx(RANKS / 8)
    assert last(model(OWN, machine, directories=2)) == pytest.approx(RANKS / 2, abs=1)


def test_one_of_those_who_open_a_shared_file_makes_it():
    """The others find it made, and don't change its directory."""
    machine = MACHINE.replace(directory_share=1.0)
    shared = OWN.replace(file_per_process=False)
    assert last(model(shared, machine)) == pytest.approx(RANKS / 8)


def test_removing_contends_and_looking_does_not():
    """Every rank stats its file, all at once, and then removes it."""
    machine = MACHINE.replace(directory_share=1.0)
    todo = np.zeros((RANKS, 3), OPERATION)
    todo["op"], todo["file"] = (Op.STAT, Op.BARRIER, Op.REMOVE), np.arange(RANKS)[:, None]
    world = World(machine, [(4096, [0])] * RANKS, range(RANKS), (Layer.APP,), 3 * RANKS)
    world.run(todo.ravel(), np.full(RANKS, 3))
    records = world.records
    looked = records["end"][records["op"] == Op.STAT].max() * 1e-9 / TIME
    removed = records["end"][records["op"] == Op.REMOVE].max() * 1e-9 / TIME
    assert (looked, removed) == pytest.approx((RANKS / 8, RANKS / 8 + RANKS))


def test_the_command_line_and_wrong_shares(capsys):
    line = ["model", "-n", "4", "-F", "-w", "-t", "4k", "-b", "4k", "--json", "--directories", "4"]
    machine = "small-lustre:metadata_threads=4,directory_share=0.5"
    assert cli.main([*line, "--machine", machine]) == 0
    assert json.loads(capsys.readouterr().out)["provenance"] == "modelled"
    with pytest.raises(UsageError, match=r"directory_share=1\.5"):
        Machine(directory_share=1.5)
    with pytest.raises(UsageError, match="directories=0"):
        model(OWN, MACHINE, directories=0)
    with pytest.raises(UsageError, match="metadata_threads=0"):
        Machine(metadata_threads=0)
