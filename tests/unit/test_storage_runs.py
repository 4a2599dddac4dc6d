"""Runs on a storage that has a program beside the ranks: a small one, whose counts are made up."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from piotutor import preparation, runner
from piotutor.capture import preload
from piotutor.errors import RunError, UsageError
from piotutor.launch.local import Local as Ranks
from piotutor.launch.orders import Orders
from piotutor.metrics_targets import target_work
from piotutor.storage import Local, options
from piotutor.storage.striping import Component, Striping
from piotutor.workload import Workload

pytestmark = pytest.mark.usefixtures("spotless")
ALONE = Ranks(python=sys.executable)
WORK = Workload(num_tasks=1, block_size=1 << 18, transfer_size=1 << 16)
LAYOUT = Striping("ceph", (Component(stripe_size=1 << 16, stripe_count=2),))
SERVER = """
import json, os, sys, time
from pathlib import Path
from piotutor.trace import Layer, Op
from piotutor.trace.writer import TraceWriter

def tell(name, **told):
    Path("part").write_text(json.dumps(told))
    os.rename("part", name)

layout, server, how = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
if how == "missing":
    sys.exit("there are no servers")
now = time.monotonic_ns()
writer = TraceWriter(Path("trace/servers.piot"), rank=-1, writer="servers")
tell("storage-ready.json", env={"SERVER": server}, environment={"layout": layout, "slowed": how})
if how == "dead":
    while not list(Path().glob("made-*")): time.sleep(0.01)
    tell("storage-error.json", problem="server 1 has died")
    time.sleep(600)
assert sys.stdin.readline() == "stop\\n"
with writer:
    for target in range(2):
        about = {"layer": Layer.SERVER, "op": Op.SAMPLE, "target": target, "aux": 2 | 1 << 32}
        writer.append(start=now, end=time.monotonic_ns(), length=1 << 17, result=1 << 16, **about)
extents = [[n << 16, 1 << 16, n % 2] for n in range(4)]
shape = {"stripe_unit": 1 << 16, "stripe_count": 2, "object_size": 1 << 22}
file = {"file": 0, "size": 1 << 18, "layout": shape, "extents": extents}
tell("map.json", system="ceph", source="the test", files=[file])
"""


@dataclass(frozen=True, kw_only=True)
class Served(Local):
    """Two servers, which only say that they exist."""

    name: ClassVar[str] = "served"

    how: str = options.option("", str, "what becomes of the servers")
    away: bool = options.option(False, options.flag, "whether files are routed there")

    @property
    def routed(self) -> bool:
        return self.away

    @property
    def capacity(self) -> int:
        return 1 << 20

    def need(self) -> None:
        if self.how == "needless":
            raise UsageError("no servers are installed: install some")

    def service(self, run_dir, files, temporary) -> list[str]:
        words = (json.dumps(LAYOUT.to_dict()), str(len(files)), self.how)
        return [sys.executable, "-c", SERVER, *words]


def start(storage: Any, work: Any = WORK, **more: Any) -> Any:
    return runner.start(work, storage=storage, launcher=ALONE, sample=False, **more)


def check(run):
    assert run.environment["layout"] == json.loads(json.dumps(LAYOUT.to_dict()))
    assert run.environment["stripe_size"] == 1 << 16
    first, second = run.result["targets"]
    assert (first["operations"], first["bytes"], first["write_operations"]) == (3, 196_608, 2)
    assert (second["target"], second["read_bytes"]) == (1, 1 << 16)
    assert run.stripe_map.bytes_by_target() == {0: 1 << 17, 1: 1 << 17}
    assert run.stripe_map.word == "OSD"
    assert "OSD 1" in repr(run) and "OSD 1" in run._repr_html_()


def test_what_its_servers_tell_is_the_runs():
    run = start(Served(how="server 1 is slow")).wait_sync(60)
    check(run)
    assert run.environment["storage"] == "served:how=server 1 is slow"
    assert run.badge.endswith("slowed: server 1 is slow")
    assert run.result["capture"]["notes"] == []
    assert target_work(run.trace).how == "counters"


@pytest.mark.skipif(bool(preload.why_not()), reason=preload.why_not() or "-")
@pytest.mark.parametrize("capture", ["auto", "none"])
def test_files_that_are_routed_away(capture):
    """The page cache isn't asked, nor the disk; verified bytes come from somewhere all the same."""
    run = start(Served(away=True), WORK.replace(verify_read=True), capture=capture).wait_sync(60)
    check(run)
    assert run.result["verified_bytes"] == WORK.total_bytes
    assert ("posix" in run.result["layers"]) == (capture == "auto")
    assert "block" not in run.result["layers"]


def test_a_server_that_dies():
    job = start(Served(how="dead"), fault={"rank": 0, "how": "hang"})
    with pytest.raises(RunError, match=r"^server 1 has died$"):
        job.wait_sync(60)


def test_servers_that_do_not_start():
    with pytest.raises(RunError, match="there are no servers"):
        start(Served(how="missing")).wait_sync(60)


@pytest.mark.parametrize(
    ("storage", "work", "message"),
    [
        (Served(how="needless"), WORK, "no servers are installed"),
        (Served(), WORK.replace(block_size=1 << 20, segment_count=2), "storage served has 1 MiB"),
        (Served(away=True), WORK.replace(test_file="/tmp/f"), "-o: files on storage served"),
        (Served(away=True), WORK.replace(keep=True), "-k: files on storage served"),
    ],
)
def test_what_is_refused_before_anything_starts(storage, work, message, state):
    with pytest.raises(UsageError, match=message):
        start(storage, work)
    assert not list(state.glob("runs/*"))


def test_ranks_elsewhere_can_not_reach_it():
    told = Orders("/runs/one", ["srun"], {}, {}, service=["serve"], temporary="")
    with pytest.raises(UsageError, match="this machine"):
        preparation.need_here(told, Served())
    preparation.need_here(replace(told, service=[]), Local())


def test_a_programs_place_is_on_it():
    names = "'PIOTUTOR_PLACE', 'SERVER', 'TMPDIR'"
    text = f"import os; print(*(os.environ[name] for name in ({names})))"
    run = runner.trace_command_sync(
        [sys.executable, "-c", text], storage=Served(away=not preload.why_not()), sample=False
    )
    place, files, temporary = run.output.split()
    assert place.endswith(run.name) and not Path(place).exists()
    assert files == "0"
    assert run.name not in temporary
