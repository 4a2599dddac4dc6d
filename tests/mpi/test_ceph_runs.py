"""Runs on a real Ceph, started for each: bytes, counts and maps; what is refused; and its death."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from piotutor import cli, runner
from piotutor.capture import preload
from piotutor.errors import RunError, UsageError
from piotutor.launch import processes
from piotutor.storage import Ceph
from piotutor.workload import Workload


def why_not():
    """Say why there is no Ceph here; empty where there is."""
    try:
        Ceph().need()
    except UsageError as error:
        return str(error)
    return preload.why_not()


pytestmark = [
    pytest.mark.mpi,
    pytest.mark.usefixtures("mpi", "spotless"),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
]
UNIT = 64 * 1024
HANG = {"rank": 1, "how": "hang"}
FOUR = "ceph:osds=4,stripe_unit=64k,stripe_count=4"


def written(run):
    """Return the bytes written on each target."""
    return {target["target"]: target["write_bytes"] for target in run.result["targets"]}


def check_map(run, size):
    """The servers' own map covers the file, and foretells what each server has written."""
    found = run.stripe_map
    assert (found.system, found.size) == ("ceph", size)
    assert found.source == "ceph_get_file_extent_osds"
    assert found.bytes_by_target() == {osd: n for osd, n in written(run).items() if n}


def test_every_byte_and_each_server(state):
    run = runner.run_sync("-a POSIX -n 2 -t 64k -b 1m -w -r -R -C", storage=FOUR)
    assert run.result["verified_bytes"] == 2 * 2**20
    assert [phase["bytes"] for phase in run.result["phases"]] == [2 * 2**20] * 2
    assert written(run) == dict.fromkeys(range(4), 8 * UNIT)
    check_map(run, 2 * 2**20)
    place = run.environment
    assert (place["filesystem"], place["storage"]) == ("ceph", "ceph:stripe_count=4")
    assert place["stripe_size"] == UNIT
    assert place["layout"]["components"][0]["stripe_count"] == 4
    assert (run.result["provenance"], place["slowed"]) == ("measured", None)
    assert run.trace.meta["map"]["files"]


def test_what_is_read_back_is_compared_unasked(capsys):
    """Neither -R nor -W is given: every byte is looked at all the same, since no file stays."""
    line = ["run", "-a", "MPIIO", "-c", "-n", "4", "-t", "64k", "-b", "1m", "--storage", FOUR]
    assert cli.main([*line, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["verified_bytes"] == 4 * 2**20
    assert len(result["targets"]) == 4
    alone = runner.run_sync("-a POSIX -n 1 -t 64k -b 256k -w", storage=FOUR)
    assert alone.result["verified_bytes"] == 0


def test_collective_buffering_on_one_and_on_all_servers():
    """Two aggregators write whole file domains: the same bytes reach the servers in fewer calls."""
    line = "-a MPIIO -c -n 4 -t 16k -b 16k -s 16 -w -r -R --hints romio_cb_write=enable"
    wide = runner.run_sync(line, storage=FOUR)
    assert wide.result["verified_bytes"] == 2**20
    assert written(wide) == dict.fromkeys(range(4), 4 * UNIT)
    assert wide.result["layers"]["posix"]["write"]["operations"] < 64
    narrow = runner.run_sync(line, storage=Ceph(osds=2, stripe_unit="64k", stripe_count=1))
    assert narrow.result["verified_bytes"] == 2**20
    assert sorted(written(narrow).values()) == [0, 2**20]
    check_map(wide, 2**20)
    check_map(narrow, 2**20)


def test_hdf5():
    run = runner.run_sync("-a HDF5 -c -n 4 -t 64k -b 256k -w -r -R", storage=FOUR)
    assert run.result["verified_bytes"] == 2**20
    below = run.result["layers"]["posix"]["write"]["bytes"]
    assert below > 2**20  # the data, and what HDF5 notes beside it
    assert 2**20 < sum(written(run).values()) <= below  # the client writes a page once, not twice


def test_a_file_each_repeated_without_being_recorded():
    work = "-a POSIX -F -n 2 -t 64k -b 256k -i 2 -w -r -R"
    run = runner.run_sync(work, storage="ceph:osds=2", capture="none")
    assert run.result["verified_bytes"] == 2 * 2 * 2**18
    assert sum(written(run).values()) == 2 * 2 * 2**18
    assert sorted(run.stripe_maps) == [0, 1]
    assert set(run.result["layers"]) == {"app"}


def test_two_at_once():
    work = Workload(num_tasks=2, block_size=4 * UNIT, transfer_size=UNIT)
    both = [runner.start(work, storage="ceph:osds=2") for _ in range(2)]
    for job in both:
        run = job.wait_sync(120)
        assert sum(written(run).values()) == work.total_bytes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-o {tmp}/f", "-o: files on storage ceph"),
        ("-k", "-k: files on storage ceph"),
        ("--capture strace", "capture=strace sees nothing of files"),
        ("--storage ceph:memory=1m -b 64m -n 1", "storage ceph.* has 1 MiB"),
        ("--storage ceph:osd=4", "is it osds\\?"),
        ("--storage ceph:osds=4,osds=4", "osds is given twice"),
        ("--storage ceph:stripe_unit=64kb", "ambiguous"),
        ("--storage seph", "choose one of local"),
    ],
)
def test_what_is_refused(line, message, tmp_path, capsys, state):
    words = line.format(tmp=tmp_path).split()
    given = [] if "--storage" in words else ["--storage", "ceph"]
    assert cli.main(["run", "-a", "POSIX", "-n", "1", *given, *words]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not list(state.glob("runs/*"))


def test_a_server_that_is_killed(eventually):
    job = runner.start(
        Workload(num_tasks=2, block_size=4 * UNIT, transfer_size=UNIT), storage=FOUR, fault=HANG
    )
    eventually(lambda: (job.run_dir / "made-00000").exists())
    osd = next(pid for pid in processes.marked(job.run_dir) if is_osd(pid, 1))
    os.kill(osd, signal.SIGKILL)
    with pytest.raises(RunError, match=r"osd\.1"):
        job.wait_sync(60)
    assert not processes.marked(job.run_dir)


def is_osd(pid, number):
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return words[0].endswith("ceph-osd") and words[words.index("-i") + 1] == str(number)


def test_stopped_and_cleaned_up_after(eventually):
    job = runner.start(Workload(num_tasks=2, block_size=4 * UNIT), storage=FOUR, fault=HANG)
    eventually(lambda: (job.run_dir / "made-00000").exists())
    assert job.state == "running"
    job.stop()
    assert job.wait_sync(30).status == "stopped"
    assert not processes.marked(job.run_dir)


def test_a_guard_that_is_killed_leaves_no_server(eventually):
    job = runner.start(Workload(num_tasks=2, block_size=4 * UNIT), storage=FOUR, fault=HANG)
    eventually(lambda: (job.run_dir / "made-00000").exists())
    guard = next(pid for pid in processes.marked(job.run_dir) if parent(pid) not in (0, 1))
    while parent(guard) != os.getpid():
        guard = parent(guard)
    os.kill(guard, signal.SIGKILL)
    with pytest.raises(RunError, match="guard of this run was killed"):
        job.wait_sync(60)
    assert not processes.marked(job.run_dir)


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_any_program_in_its_place(capfd):
    program = (
        "import os, sys\n"
        "file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "assert os.pwrite(file, b'x' * 200_000, 0) == 200_000\n"
        "assert os.pread(file, 10, 199_990) == b'x' * 10\n"
        "os.fsync(file); os.close(file)\n"
        "assert os.environ['PIOTUTOR_PLACE'] == os.path.dirname(sys.argv[1])\n"
    )
    line = ["trace", "--json", "--storage", "ceph:osds=2", "--"]
    assert cli.main([*line, sys.executable, "-c", program, "{place}/out"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert result["layers"]["posix"]["write"] == {"operations": 1, "bytes": 200_000}
    assert sum(target["write_bytes"] for target in result["targets"]) == 200_000
    assert result["environment"]["filesystem"] == "ceph"
