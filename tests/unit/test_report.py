"""A report is one file that needs nothing else and hides nothing."""

from __future__ import annotations

import functools
import io
import itertools
import json
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from piotutor import cli, metrics, report, results, rundir
from piotutor.cli import tables
from piotutor.errors import PiotutorError, UsageError
from piotutor.results import Run
from piotutor.trace import Layer, Op, Phase, Trace
from piotutor.trace.record import pack_aux
from piotutor.trace.writer import TraceWriter
from piotutor.workload import Workload

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")


class Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.images, self.addresses = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        if tag == "img":
            self.images.append(given)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "data", "action")]


def write_trace(directory, ranks=2, calls=4, dropped=0):
    """Write what `ranks` ranks would have recorded of writes of 1000 bytes."""
    directory.mkdir()
    for rank in range(ranks):
        path = directory / f"rank-{rank:05d}.piot"
        with TraceWriter(path, rank=rank, files=["/data/<file>"]) as writer:
            common = {"layer": Layer.APP, "file": 0, "aux": pack_aux(0, Phase.WRITE)}
            writer.append(op=Op.OPEN, start=0, end=1000, **common)
            for call in range(calls):
                offset = (call * ranks + rank) * 1000
                at = {"start": 2000 + call * 1000, "end": 2900 + call * 1000}
                moved = {"offset": offset, "length": 1000, "result": 1000}
                writer.append(op=Op.WRITE, **at, **moved, **common)
            writer.append(op=Op.CLOSE, start=9000, end=9500, **common)
            writer.drop(dropped)


def build_run(run, dropped=0, **changes):
    """Make a run directory as the runner leaves it."""
    run.mkdir(parents=True)
    write_trace(run / "trace", dropped=dropped)
    work = Workload(num_tasks=2, block_size=1000, transfer_size=1000, write=True)
    (run / "job.json").write_text(json.dumps({"workload": work.to_dict()}))
    trace = Trace.load(run / "trace")
    result = {
        "provenance": "measured",
        "status": "done",
        "environment": {"filesystem": "ext4", "host": "<host>", "mpi": "MPICH", "slowed": None},
        "phases": [phase.to_dict() for phase in metrics.phases(trace)],
        "layers": metrics.layers(trace),
        "targets": [{"target": 3, "operations": 8, "bytes": 8000}],
        "verified_bytes": 8000,
        "verified_from": "after-evict",
        "hints": {"requested": {"cb_nodes": "2"}, "echoed": {"cb_nodes": "1"}, "verified": {}},
        "dropped": trace.dropped,
        "seconds": 1.0,
        "run_dir": str(run),
    }
    (run / "result.json").write_text(json.dumps(result | changes))
    return Run(run)


@pytest.fixture
def make_run(state):
    """Return a function that makes a run in the state directory."""

    def make(name="20260101T000000Z-posix-000000", **changes):
        return build_run(state / "runs" / name, **changes)

    return make


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Return the page of a run that dropped some events."""
    run = build_run(tmp_path_factory.mktemp("runs") / "20260101T000000Z-posix-000000", dropped=5)
    return report.html(run).decode()


@pytest.fixture
def one_figure(monkeypatch):
    """Draw one figure only: how they look is tested elsewhere."""
    real = report.figures
    monkeypatch.setattr(report, "figures", lambda run: itertools.islice(real(run), 1))


def test_the_page_needs_nothing_else(text):
    page = Page(text)
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_every_picture_has_a_text_that_tells_what_it_shows(text):
    page = Page(text)
    assert len(page.images) >= 5
    assert all(len(image["alt"]) > 40 for image in page.images)
    assert all("measured" in image["alt"] for image in page.images)


def test_what_a_reader_must_not_miss_is_there(text):
    for words in (
        "10 events were dropped",
        "measured · ext4, &lt;host&gt;",
        "ior -a POSIX",
        "cb_nodes",
        "8,000 bytes were verified, read after",
        "app write",
    ):
        assert words in text, words
    assert "<host>" not in text


def test_numbers_are_those_of_the_result(text):
    plain = re.sub(r"<[^>]+>", " ", text)
    assert re.search(r"write\s+0\s+8,000 bytes\s+8\s+9.5 µs", plain)


def test_verdicts_are_there_with_evidence_threshold_and_advice(make_run, one_figure, monkeypatch):
    strict = functools.partial(report.verdicts, small_count=0)
    monkeypatch.setattr(report, "verdicts", strict)
    text = report.html(make_run()).decode()
    assert "<caption>Found: small</caption>" in text
    assert "move less than 1 MiB" in text
    assert "drishti/includes/config.py" in text
    assert "collect pieces in memory" in text
    assert "can&#x27;t tell: no MPI-IO calls were recorded" in text


def test_a_line_for_each_verdict_that_is_found(make_run):
    verdicts = [
        {"name": "small", "found": True, "text": "8 of 8 writes"},
        {"name": "random", "found": False, "text": "0 of 8 writes"},
    ]
    text = "\n".join(tables.sections(make_run(verdicts=verdicts)))
    assert "verdict: small: 8 of 8 writes" in text
    assert "random" not in text


def test_a_run_that_failed_says_why(make_run):
    run = make_run(status="failed", problem="rank 1: OSError: <disk> full", phases=[], layers={})
    text = report.html(run).decode()
    assert "The run is failed: rank 1: OSError: &lt;disk&gt; full" in text
    with pytest.raises(UsageError, match="no transfers"):
        report.png(run)


def test_nothing_verified_is_said(make_run, one_figure):
    assert "Nothing was verified" in report.html(make_run(verified_from=None)).decode()


def test_the_picture_is_a_picture(make_run, one_figure):
    image = Image.open(io.BytesIO(report.png(make_run())))
    assert image.format == "PNG"
    assert np.asarray(image.convert("L")).std() > 0


def test_a_run_is_found_by_directory_name_or_as_the_latest(make_run, state, tmp_path, monkeypatch):
    old = make_run("20260101T000000Z-posix-aaaaaa")
    new = make_run("20260102T000000Z-posix-bbbbbb")
    os.utime(old.dir / "result.json", ns=(1, 1))
    assert results.find_run(str(old.dir)).dir == old.dir
    assert results.find_run(old.name).dir == old.dir
    assert results.find_run("latest").dir == new.dir
    with pytest.raises(UsageError, match="is no run"):
        results.find_run("20260103T000000Z-posix-cccccc")
    with pytest.raises(PiotutorError, match=r"job\.json is missing"):
        results.find_run(str(tmp_path))


def test_no_run_yet(state):
    rundir.state_dir()
    with pytest.raises(UsageError, match="no finished run"):
        results.find_run("latest")


@pytest.mark.parametrize("name", ["x.html", "x.png", "X.HTML"])
def test_the_command_writes_one_new_file(make_run, tmp_path, capsys, one_figure, name):
    make_run()
    assert cli.main(["report", "latest", "-o", str(tmp_path / name)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / name}\n"
    assert (tmp_path / name).stat().st_size > 1000
    assert cli.main(["report", "latest", "-o", str(tmp_path / name)]) == 2


@pytest.mark.parametrize("damage", ["truncated", "foreign", "empty", "no trace"])
def test_a_damaged_run_is_one_line(make_run, tmp_path, capsys, damage):
    run = make_run()
    trace = run.dir / "trace" / "rank-00000.piot"
    if damage == "truncated":
        os.truncate(trace, 500)
    elif damage == "foreign":
        trace.write_bytes(b"GIF89a" * 4000)
    elif damage == "empty":
        (run.dir / "result.json").write_text("")
    else:
        for path in (run.dir / "trace").iterdir():
            path.unlink()
    assert cli.main(["report", "latest", "-o", str(tmp_path / "x.html")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("piotutor: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "x.html").exists()
