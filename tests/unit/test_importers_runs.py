"""Imported files as runs: directory, numbers, report, command line."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

import piotutor as pio
from piotutor import cli, metrics, rundir
from piotutor.errors import PiotutorError
from piotutor.imported import import_trace
from piotutor.trace import Layer, Op

DATA = Path(__file__).parents[1] / "data"
LOG = DATA / "dftracer" / "2.2.0"
FILES = (LOG, DATA / "ior" / "summary.json", DATA / "elbencho" / "live.csv")
needs_darshan = pytest.mark.skipif(
    importlib.util.find_spec("darshan") is None, reason="pydarshan isn't installed"
)


def refused(capsys, code, *arguments):
    """Run the command line, which must refuse in one line; return that line."""
    assert cli.main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("piotutor: ") and err.count("\n") == 1
    return err


def test_an_imported_run_is_a_run(state):
    run = pio.import_trace(LOG)
    assert run.dir.parent == state / "runs"
    assert run.name.split("-", 1)[1].startswith("import-dftracer-")
    again = pio.open_run(run.dir)
    assert again.result == run.result
    assert again.workload is None and again.ranks == 2
    assert again.line.endswith("-a POSIX -w -r -e -t 4k -b 8k -o /scratch/demo/t.dat")
    assert metrics.top_layer(again.trace) == Layer.POSIX
    assert again.trace.meta["source"]["tool"] == "dftracer"
    assert [phase["op"] for phase in run.result["phases"]] == ["write", "read"]
    assert run.result["layers"] == metrics.layers(again.trace)
    assert run.result["capture"]["how"] == "import"
    assert any("MPI-IO" in note for note in run.result["capture"]["notes"])


def test_job_json_says_where_it_comes_from():
    run = import_trace(LOG)
    job = rundir.read_json(run.dir / "job.json")
    assert job["imported"] == {"path": str(LOG), "tool": "dftracer", "format": "dftracer"}
    assert run.environment["imported_from"] == str(LOG)


def test_it_stays_when_runs_are_swept(state):
    run = import_trace(LOG)
    assert rundir.sweep(state) == []
    rundir.prune(state)
    assert pio.open_run(run.dir).status == "done"


def test_a_file_that_is_refused_leaves_nothing(state, tmp_path):
    path = tmp_path / "x"
    path.write_text("nothing of the sort\n")
    with pytest.raises(PiotutorError):
        import_trace(path)
    assert not list((state / "runs").glob("*"))


def test_numbers_that_the_program_summed_up_win():
    run = import_trace(DATA / "ior" / "summary.json")
    phases = [(p["op"], p["repetition"], p["latency"] is None) for p in run.result["phases"]]
    assert phases == [
        ("write", 0, True),
        ("read", 0, False),
        ("write", 1, True),
        ("read", 1, False),
    ]
    assert run.result["layers"]["app"]["write"] == {"operations": 16, "bytes": 65536}
    assert metrics.transfers(run.trace, Op.READ).sum() == 16


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_reports_are_made_of_them(path):
    pytest.importorskip("matplotlib")
    from piotutor import report

    run = import_trace(path)
    page = report.html(run).decode()
    assert "<img" in page and "not in it: " in page
    assert page.count("captured: ") >= 1


@needs_darshan
def test_a_report_without_a_picture():
    pytest.importorskip("matplotlib")
    from piotutor import report

    run = import_trace(DATA / "darshan" / "ior-posix-counters.darshan")
    assert "counters only" in " ".join(run.result["capture"]["notes"])
    assert run.result["phases"][0]["bytes"] == 32768
    page = report.html(run).decode()
    assert "32 KiB" in page and "<img" not in page


@needs_darshan
def test_a_log_of_darshan():
    run = import_trace(DATA / "darshan" / "ior-mpiio-dxt.darshan")
    assert list(run.result["layers"]) == ["mpiio", "posix"]
    assert metrics.top_layer(run.trace) == Layer.MPIIO
    assert run.result["phases"][0]["latency"] is not None


def test_the_command_line_prints_a_table(capsys):
    assert cli.main(["import", str(LOG)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "posix write" in out and "captured: by dftracer" in out and "not in it: " in out


def test_the_command_line_prints_json(capsys):
    assert cli.main(["import", str(DATA / "elbencho" / "files.json"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["provenance"] == "measured"
    assert result["layers"]["posix"]["write"] == {"operations": 4, "bytes": 65536}
    assert Path(result["run_dir"]).is_dir()


def test_the_command_line_refuses(capsys, tmp_path):
    text = tmp_path / "text"
    text.write_text("hello\n")
    assert "doesn't exist" in refused(capsys, 2, "import", str(tmp_path / "none"))
    assert "of no known kind" in refused(capsys, 2, "import", str(text))
    assert "choose one of" in refused(capsys, 2, "import", str(text), "--format", "vampir")
    assert "FILE" in refused(capsys, 2, "import")
    assert str(text) in refused(capsys, 1, "import", str(text), "--format", "ior")


def test_a_trace_of_ours_keeps_what_it_says_of_its_place(tmp_path, capsys):
    run = import_trace(LOG)
    path = tmp_path / "mine.piot"
    assert cli.main(["export", str(run.dir), "-o", str(path)]) == 0
    again = import_trace(path)
    assert again.result["layers"] == run.result["layers"]
    assert (again.trace.records == run.trace.records).all()
    assert again.environment["capture"] == run.environment["capture"]
