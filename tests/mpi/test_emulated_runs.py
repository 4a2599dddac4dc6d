"""Real ranks under emulated servers: data as always, callbacks as the pattern has them."""

from __future__ import annotations

import json
import os
import sys

import captured
import numpy as np
import pytest
from interposing import build

from piotutor import cli, runner
from piotutor.engine import Machine
from piotutor.engine.again import again
from piotutor.engine.library import library_path
from piotutor.engine.shared import SharedWorld, why_not
from piotutor.errors import RunError, UsageError
from piotutor.foretold import layout_of, machine_of
from piotutor.modelled import model_run
from piotutor.plots.locks_data import locks_data
from piotutor.serving import Servers
from piotutor.storage import parse
from piotutor.storage.emulating import CALLS
from piotutor.trace import Layer, Op, Trace
from piotutor.workload import Workload

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.usefixtures("mpi", "spotless"),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
]
SLOW = {
    "clients": 4,
    "targets": 4,
    "latency": 1e-4,
    "target_overhead": 2e-3,
    "dirty_limit": 65536,
    "lock_protocol": "extents",
}
FIRM = SLOW | {"dirty_limit": 0, "target_overhead": 4e-3, "lock_return_time": 2e-3}
"""Each lock is back later than the next request is made: ranks take turns on busy cores, too."""
SIZE, COUNT = 65536, 32
STRIDED = {"block_size": SIZE, "segment_count": COUNT}
SEGMENTED = {"block_size": SIZE * COUNT, "segment_count": 1}
MOVED = {"operations": 2 * COUNT, "bytes": 2 * COUNT * SIZE}


@pytest.fixture
def machine(tmp_path):
    """Return the spec of a machine that is slower than any disk."""
    path = tmp_path / "slow.json"
    path.write_text(json.dumps(SLOW))
    return f"emulated:{path}"


@pytest.fixture
def firm(tmp_path):
    """Return the spec of one whose locks go to and fro, whoever is late."""
    path = tmp_path / "firm.json"
    path.write_text(json.dumps(FIRM))
    return f"emulated:{path}"


def work(api="POSIX", **more):
    return Workload(api=api, num_tasks=2, transfer_size=SIZE, write=True, read=True,
                    verify_read=True, **more)  # fmt: skip


def callbacks(run):
    return run.environment["emulation"]["callbacks"]


def same_in_virtual_time(run):
    """Whether each call took as long as in virtual time, to the nanosecond."""
    calls = Trace.load(run.dir / CALLS).records
    machine, _ = machine_of(run.environment)
    made = again(calls, machine, **layout_of(run.environment))
    return len(calls) == run.environment["emulation"]["calls"] and np.array_equal(made, calls)


@pytest.mark.parametrize("api", ["POSIX", "MPIIO"])
def test_callbacks_follow_the_pattern(firm, api):
    strided = runner.run_sync(work(api, **STRIDED), storage=firm)
    segmented = runner.run_sync(work(api, **SEGMENTED), storage=firm)
    own = runner.run_sync(work(api, **SEGMENTED, file_per_process=True), storage=firm)
    node = runner.run_sync(work(api, **STRIDED), storage=f"{firm},ranks_per_client=2")
    assert callbacks(strided) > 2 * callbacks(segmented) > 0
    assert callbacks(own) == callbacks(node) == 0
    for run in (strided, segmented, own, node):
        assert run.result["provenance"] == "emulated"
        assert run.badge.startswith("emulated · firm, ")
        assert run.result["verified_bytes"] == 2 * COUNT * SIZE
        for layer in ("posix", "server"):
            assert run.result["layers"][layer]["write"] == MOVED
            assert run.result["layers"][layer]["read"] == MOVED
        assert run.environment["emulation"]["trouble"] == ""
        assert same_in_virtual_time(run)
        shown = locks_data(run.trace)
        assert shown.callbacks == callbacks(run)
        assert shown.grants == run.environment["emulation"]["grants"]
        assert shown.transfers == 4 * COUNT
        assert sum(one.transfers for one in locks_data(run.trace, most=9).shown) == 4 * COUNT


def test_servers_can_be_looked_at_meanwhile(machine):
    job = runner.start(work(**STRIDED), storage=machine)
    servers, seen = Servers(job), [0]
    while job.state not in ("done", "failed"):
        state = servers.look()
        seen.append(int(state.bytes.sum()))
        assert (state.queue >= 0).all()
    job.wait_sync()
    last = servers.look()
    assert seen == sorted(seen)
    assert last.bytes.sum() == 4 * COUNT * SIZE
    assert last.queue.sum() == 0
    assert set(last.locks.client.tolist()) <= {0, 1}


def test_where_bytes_lay_is_told(machine):
    spec = f"{machine},stripe_size=64k,stripe_count=4"
    run = runner.run_sync(work(**SEGMENTED), storage=spec)
    found = run.stripe_map
    assert (found.system, found.size, found.targets) == ("emulated", 2 * COUNT * SIZE, [0, 1, 2, 3])
    assert set(found.bytes_by_target().values()) == {2 * COUNT * SIZE // 4}
    assert run.environment["layout"]["system"] == "emulated"
    servers = run.trace.records[run.trace.where(layer=Layer.SERVER, op=Op.WRITE)]
    for record in servers:
        first = int(record["offset"]) // SIZE * 4 + int(record["target"])  # the stripe in the file
        assert found.target_at(first * SIZE)[0] == record["target"]
    assert {target["bytes"] for target in run.result["targets"]} == {COUNT * SIZE}


def test_capturing_may_be_off(machine):
    run = runner.run_sync(work(**STRIDED), storage=machine, capture="none")
    assert callbacks(run) > 0
    assert "posix" not in run.result["layers"]
    with pytest.raises(UsageError, match="strace"):
        runner.start(work(**STRIDED), storage=machine, capture="strace")


def test_a_rank_that_dies_leaves_nobody_hanging(machine):
    with pytest.raises(RunError, match=r"a rank was killed|ended with code"):
        runner.run_sync(
            work(**STRIDED), storage=machine, timeout=60, fault={"rank": 1, "how": "kill"}
        )


@pytest.mark.parametrize("place", ["{place}", "prefix"])
def test_a_program_that_knows_of_nothing(machine, tmp_path, place):
    program = build("turns", tmp_path)
    here = tmp_path / "prefix"
    here.mkdir()
    where = place if place == "{place}" else str(here)
    run = runner.trace_command_sync(
        [str(program), f"{where}/data", "0", str(SIZE), str(SIZE), "8"],
        storage=machine,
        prefixes=() if place == "{place}" else (str(here),),
    )
    assert run.result["exit_code"] == 0
    assert run.result["provenance"] == "emulated"
    moved = {"operations": 8, "bytes": 8 * SIZE}
    assert (
        run.result["layers"]["server"]["write"] == run.result["layers"]["server"]["read"] == moved
    )
    posix = run.trace.records[run.trace.where(layer=Layer.POSIX, op=Op.READ)]
    least = int((SLOW["target_overhead"] + 2 * SLOW["latency"]) * 1e9)
    assert (posix["end"] - posix["start"] >= least).all()


def test_callbacks_of_a_program_in_c_are_those_foretold(firm, tmp_path):
    """Many where two clients interleave, few in halves, none with a file or an object each."""
    program, found, foretold = build("pair", tmp_path), [], []
    for pattern, line, objects in (
        ("turns", f"-b 64k -s {COUNT}", 1),
        ("halves", f"-b {COUNT * SIZE}", 1),
        ("apart", f"-b {COUNT * SIZE} -F", 1),
        ("turns", f"-b 64k -s {COUNT}", 2),
    ):
        place = tmp_path / f"{pattern}-{objects}"
        place.mkdir()
        words = [str(program), "{place}/data", str(place), str(SIZE), str(COUNT), pattern]
        layout = f"stripe_size={SIZE},stripe_count={objects}"
        run = runner.trace_command_sync(words, storage=f"{firm},{layout}", ranks=2)
        assert run.result["exit_code"] == 0
        assert run.result["layers"]["server"]["write"] == MOVED
        found.append(callbacks(run))
        modelled = model_run(f"-N 2 -w -t 64k {line}", firm.removeprefix("emulated:"),
                             stripe_size=SIZE, stripe_count=objects)  # fmt: skip
        foretold.append(modelled.environment["model"]["callbacks"])
    for many, few, *none in (found, foretold):
        assert many > 2 * few > 0
        assert none == [0, 0]


@pytest.mark.parametrize("name", ["this", ".venv-openmpi"])
def test_nonblocking_transfers_are_delayed(name, tmp_path, monkeypatch, mpi_cache):
    """MPI-IO begins them with `aio_write`: no rank reads before the servers have what it wrote."""
    launcher = captured.stack(name, mpi_cache)
    machine = Machine(clients=2, targets=2, target_overhead=2e-2, target_channels=8, dirty_limit=0)
    world = SharedWorld(tmp_path / "world", machine, stripe_size=SIZE, stripe_count=2)
    place, trace = tmp_path / "place", tmp_path / "trace"
    for directory in (place, trace):
        directory.mkdir()
    monkeypatch.setenv("PIOTUTOR_EMULATE_PREFIX", str(place))
    monkeypatch.setenv("PIOTUTOR_EMULATE_WORLD", str(tmp_path / "world"))
    monkeypatch.setenv("PIOTUTOR_EMULATE_LIBRARY", str(library_path()))
    captured.run(launcher, 2, "nonblocking.py", place / "data", capture=trace, prefix=place)
    records, told = world.collect(rest=True), world.told()
    assert (told.trouble, told.missed, world.passed()) == ("", 0, [])
    for rank in range(2):
        mine = records[(records["layer"] == Layer.SERVER) & (records["rank"] == rank)]
        mine = np.sort(mine[np.isin(mine["op"], (Op.WRITE, Op.READ))], order="start")
        assert mine["op"].tolist() == [Op.WRITE] * 4 + [Op.READ] * 4
        assert mine["length"].tolist() == [SIZE] * 8
        assert mine["target"].tolist() == [0, 1] * 4
        assert (mine["start"][1:] >= mine["end"][:-1]).all()  # as libc serves them, by and by
    calls = {row["call"] for row in captured.rows(captured.load(trace), layer=Layer.POSIX)}
    assert {"aio_write", "aio_read"} <= calls


def test_what_was_mapped_is_told(machine, tmp_path):
    program = build("everyday", tmp_path)
    run = runner.trace_command_sync([str(program), "maps", "{place}/data"], storage=machine)
    assert run.result["exit_code"] == 0
    told = run.environment["storage_notes"]
    assert "the program mapped data: what it moved so was as fast as here" in told
    assert run.result["layers"]["server"]["write"]["bytes"] == 4 * SIZE


@pytest.mark.skipif("IOR" not in os.environ, reason="name an IOR of this MPI in IOR")
def test_ior_unmodified(firm):
    """Many callbacks where two clients interleave, few in segments, none with a file each."""
    found = []
    for pattern in ("-b 64k -s 32", "-b 2m", "-b 2m -F"):
        words = [os.environ["IOR"], *f"-w -r -W -R -t 64k {pattern} -o".split(), "{place}/data"]
        run = runner.trace_command_sync(words, storage=firm, ranks=2)
        assert run.result["exit_code"] == 0
        assert run.result["layers"]["server"]["write"] == MOVED
        found.append(callbacks(run))
    assert found[0] > 2 * found[1] > found[2] == 0


def test_the_command_line(machine, capsys):
    line = f"run -n 2 -t 64k -b 64k -s 2 -w --storage {machine} --json"
    assert cli.main(line.split()) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["provenance"] == "emulated"
    assert result["environment"]["storage"] == machine.replace(":", ":machine=", 1)


def test_what_cant_be_is_refused(tmp_path):
    assert parse("emulated:large-lustre,stripe_count=4").machine == "large-lustre"
    for spec, word in (
        ("emulated:no-such", "unknown"),
        ("emulated:stripe_count=9", "8 targets"),
        ("emulated:small-lustre,small-lustre", "no option"),
        ("local:small-lustre", "no option"),
    ):
        with pytest.raises(UsageError, match=word):
            parse(spec)
    with pytest.raises(UsageError, match="on a client"):
        runner.start(work(**STRIDED), storage="emulated:slow-ceph,ranks_per_client=1")


@pytest.mark.parametrize("device", ["array", "ssd"])
def test_targets_may_be_devices(tmp_path, device):
    """What devices do is recorded as they do it: as much as the model of the same run says."""
    path = tmp_path / "devices.json"
    about = {"device": device, "array_level": 5, "array_width": 8, "ssd_rewritten": 1}
    path.write_text(json.dumps({"clients": 2, "targets": 2, "latency": 1e-4} | about))
    small = Workload(api="POSIX", num_tasks=2, transfer_size=2048, block_size=2048 * 16, write=True)
    run = runner.run_sync(small, storage=f"emulated:{path},stripe_count=2")
    foretold = model_run(small, str(path), stripe_count=2)
    assert run.result["layers"]["device"] == foretold.result["layers"]["device"]
    assert same_in_virtual_time(run)
    moved = sum(each["operations"] for each in run.result["layers"]["device"].values())
    assert moved == 2 * 16 * 4 if device == "array" else moved > 2 * 16
    records = run.trace.records[run.trace.where(layer=Layer.DEVICE, op=(Op.READ, Op.WRITE))]
    assert set(records["target"].tolist()) == {0}
    assert (records["end"] > records["start"]).all()


CHILDREN = """
import os, signal, sys
children = []
for _ in range(6):
    ready, begun = os.pipe()
    child = os.fork()
    if not child:
        file = os.open(sys.argv[1] + "/data", os.O_RDWR | os.O_CREAT, 0o600)
        for turn in range(40):
            os.pwrite(file, b"x" * 4096, turn * 4096)
            os.write(begun, b".")
        os._exit(0)
    children.append((child, ready))
for (child, ready), end in zip(children, (signal.SIGKILL, signal.SIGTERM, signal.SIGABRT)):
    os.read(ready, 1)
    os.kill(child, end)
ended = [os.waitpid(child, 0)[1] for child, _ in children]
raise SystemExit(any(ended[3:]) or not all(ended[:3]))
"""


def test_children_that_die_while_they_wait_leave_the_others_going(machine):
    """Three of six are killed in the middle of a call, or just of the engine, which ends then."""
    words = [sys.executable, "-c", CHILDREN, "{place}"]
    run = runner.trace_command_sync(words, storage=machine, timeout=100)
    assert run.result["exit_code"] == 0
    told = run.environment["emulation"]
    assert told["trouble"] in ("", "a process died in the middle of an emulated call")
    assert told["trouble"] or told["calls"] >= 3 * 40
