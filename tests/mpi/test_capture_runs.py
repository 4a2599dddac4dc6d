"""Our own runs, with the layers below captured: counts, the way it was done, and broken runs."""

from __future__ import annotations

import json

import pytest

from piotutor import cli, runner
from piotutor.capture import preload, strace
from piotutor.errors import RunError
from piotutor.launch.local import Local
from piotutor.trace import Flag, Layer, Op, Trace
from piotutor.workload import Workload

pytestmark = [pytest.mark.mpi, pytest.mark.usefixtures("mpi", "spotless")]
WHY_NOT = {"preload": preload.why_not(), "strace": strace.why_not()}
HOWS = [
    pytest.param(how, marks=pytest.mark.skipif(bool(why), reason=why or "-"))
    for how, why in WHY_NOT.items()
]
SMALL = Workload(
    api="MPIIO",
    num_tasks=2,
    transfer_size=1000,
    block_size=2000,
    segment_count=4,
    write=True,
    read=True,
)
LONG = SMALL.replace(transfer_size=8, block_size=1 << 22, segment_count=4, read=False)


@pytest.fixture
def run_words(capsys):
    """Return a function that runs a command line with --json and returns the result."""

    def run(line):
        assert cli.main(["run", *line.split(), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize("how", HOWS)
def test_each_layer_is_counted(run_words, how):
    result = run_words(f"-a MPIIO -n 2 -t 1000 -b 2000 -s 4 -w -r --capture {how}")
    wanted = {"operations": 16, "bytes": 16_000}
    layers = ("app", "mpiio", "posix") if how == "preload" else ("app", "posix")
    for layer in layers:
        assert {op: result["layers"][layer][op] for op in ("write", "read")} == {
            "write": wanted,
            "read": wanted,
        }
    assert [phase["operations"] for phase in result["phases"]] == [16, 16]
    assert "sync" not in result["layers"]["posix"]  # that was ours, between the phases
    told = result["capture"]
    assert set(told) >= {"how", "why", "block", "notes"}
    assert (told["how"], told["notes"]) == (how, [])
    assert result["environment"]["slowed"] == ("strace" if how == "strace" else None)


@pytest.mark.skipif(bool(WHY_NOT["preload"]), reason=WHY_NOT["preload"] or "-")
def test_done_when(run_words):
    """Collective: application and MPI-IO agree, and the file system gets whole buffers."""
    result = run_words("-a MPIIO -c -n 4 -t 47008 -b 47008 -s 10 -w -r")
    asked = {"operations": 40, "bytes": 40 * 47008}
    for layer in ("app", "mpiio"):
        assert result["layers"][layer]["write"] == result["layers"][layer]["read"] == asked
    assert result["layers"]["posix"]["write"]["bytes"] == 40 * 47008
    assert result["capture"]["how"] == "preload"


@pytest.mark.skipif(bool(WHY_NOT["preload"]), reason=WHY_NOT["preload"] or "-")
def test_hdf5_shows_four_layers(run_words):
    h5py = pytest.importorskip("h5py")
    if not h5py.get_config().mpi:
        pytest.skip("this h5py has no MPI: make test STACK=hdf5")
    result = run_words("-a HDF5 -c -n 2 -t 4096 -b 4096 -s 4 -w -r")
    for layer in ("app", "hdf5"):
        assert result["layers"][layer]["write"] == {"operations": 8, "bytes": 8 * 4096}
    for layer in ("mpiio", "posix"):  # and the metadata
        assert result["layers"][layer]["write"]["bytes"] >= 8 * 4096


def test_without_capture_there_is_the_application_only(run_words):
    result = run_words("-a POSIX -n 2 -t 1000 -b 2000 -w -r --capture none")
    assert set(result["layers"]) <= {"app", "block"}
    assert result["capture"]["how"] == "none"


def test_what_can_not_be_had_is_refused(capsys, monkeypatch, state):
    monkeypatch.setattr(preload, "library", lambda: None)
    assert cli.main(["run", "-n", "1", "-b", "4k", "-t", "4k", "--capture", "preload"]) == 2
    err = capsys.readouterr().err
    assert "install a C compiler" in err
    assert err.count("\n") == 1
    assert not list((state / "runs").glob("*"))


@pytest.mark.skipif(bool(WHY_NOT["strace"]), reason=WHY_NOT["strace"] or "-")
def test_strace_stands_in_and_leaves_no_logs():
    run = runner.run_sync(SMALL, capture="strace")
    assert not (run.dir / "strace").exists()
    files = {path.name for path in (run.dir / "trace").iterdir()}
    assert files >= {"strace-00000.piot", "strace-00001.piot"}
    posix = run.trace.select(layer=Layer.POSIX)
    calls = posix.records[~posix.where(op=Op.SAMPLE)]
    assert (calls["flags"] & Flag.INFLATED).all()
    app = run.trace.select(layer=Layer.APP, op=(Op.READ, Op.WRITE)).records
    below = posix.select(op=(Op.READ, Op.WRITE)).records
    assert app["start"].min() < below["start"].min() <= below["end"].max() < app["end"].max()


class Spy(Local):
    """Keeps the command line."""

    seen: list[str] = []  # noqa: RUF012 - of one test

    def argv(self, ranks):
        self.seen[:] = super().argv(ranks)
        return self.seen


@pytest.mark.skipif(bool(WHY_NOT["preload"]), reason=WHY_NOT["preload"] or "-")
def test_only_the_ranks_are_preloaded(mpi, monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", str(preload.library()))
    spy = Spy(mpi.mpiexec, mpi.family, mpi.library)
    run = runner.run_sync(SMALL, capture="preload", launcher=spy)
    orders = json.loads((run.dir / "guard.json").read_text())
    assert "LD_PRELOAD" not in orders["env"]
    at = spy.seen.index(f"{preload.library()}:{preload.library()}")
    assert spy.seen.index(str(mpi.mpiexec)) < at < spy.seen.index("piotutor.launch.worker")
    files = sorted(path.name for path in (run.dir / "trace").glob("below-*"))
    assert [name.split("-")[1] for name in files] == ["00000", "00001"]


@pytest.mark.parametrize("how", HOWS)
def test_a_rank_that_is_killed_leaves_what_it_did(how):
    with pytest.raises(RunError) as problem:
        runner.run_sync(SMALL, capture=how, fault={"rank": 1, "how": "kill"})
    trace = Trace.load(problem.value.run_dir / "trace", salvage=True)
    opened = trace.select(layer=Layer.POSIX, op=Op.OPEN).records
    assert 1 in opened["rank"]
    assert runner.open_run(problem.value.run_dir).result["capture"]["how"] == how


@pytest.mark.parametrize("how", HOWS)
def test_a_run_that_is_stopped(how, eventually, state):
    job = runner.start(LONG, capture=how)
    name = {"preload": "trace/below-00001-*", "strace": "strace/rank1.*"}[how]
    eventually(lambda: list(job.run_dir.glob(name)))
    eventually(lambda: (job.follower.poll()["op"] == Op.WRITE).any())
    job.stop()
    run = job.wait_sync()
    assert run.status == "stopped"
    assert run.result["layers"]["posix"]["write"]["operations"] > 0
    assert not (run.dir / "strace").exists()


@pytest.mark.parametrize("how", HOWS)
def test_the_bound_of_a_trace_holds_for_all_its_files(how, monkeypatch):
    monkeypatch.setattr(runner.limits, "trace_bytes", lambda run_dir, files: (1 << 21) // files)
    work = SMALL.replace(api="POSIX", transfer_size=8, block_size=80_000, segment_count=1)
    run = runner.run_sync(work, capture=how, sample=False)
    assert run.result["dropped"] > 0
    size = sum(path.stat().st_size for path in (run.dir / "trace").iterdir())
    assert size <= 1 << 21


@pytest.mark.skipif(bool(WHY_NOT["preload"]), reason=WHY_NOT["preload"] or "-")
def test_odd_paths_are_captured(tmp_path):
    odd = tmp_path / "a b=c;$HOME'\"é"
    odd.mkdir()
    run = runner.run_sync(SMALL, capture="preload", directory=odd)
    assert run.result["layers"]["posix"]["write"]["operations"] == 16
