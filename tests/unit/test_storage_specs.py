"""Storages by their specs: options read, refused and written; layouts of runs; what a file told."""

from __future__ import annotations

import json
import os
import stat
import sys

import numpy as np
import pytest

import piotutor as pio
from piotutor import cli, collection, metrics, runner, storage
from piotutor.capture.device import Mount
from piotutor.errors import PiotutorError, UsageError
from piotutor.kernels.base import SerialComm
from piotutor.kernels.hints import compare, judge_hints
from piotutor.kernels.job import read_job
from piotutor.launch import worker
from piotutor.launch.local import Local as Ranks
from piotutor.storage import Local, Lustre, options, probe, seen
from piotutor.storage.striping import ALL, Component, Striping, stripe_size
from piotutor.testing import jobs
from piotutor.trace import RECORD, Layer, Op, Trace
from piotutor.workload import Workload

MIB = 1 << 20
ALONE = Ranks(python=sys.executable)
FILE = "lmm_stripe_count: 2 lmm_stripe_size: 65536 lmm_pattern: raid0 lmm_stripe_offset: 3"
OBJECTS = "obdidx objid objid group\n3 9 0x9 0\n1 8 0x8 0"
LFS = f"""for last; do :; done
case "$1" in
setstripe) echo "$@" >> "$0.asked"; test ! -e "$0.broken" || {{ echo no space >&2; exit 1; }} ;;
getstripe) test -d "$last" && echo stripe_count: 2 stripe_size: 65536 && exit
printf '{FILE}\\n{OBJECTS}\\n' ;;
esac"""
SPECS = [
    ("local", Local()),
    ("lustre", Lustre()),
    ("lustre:stripe_size=1m,stripe_count=4", Lustre(stripe_size=MIB, stripe_count=4)),
    ("lustre:stripe_count=-1,overstripe", Lustre(stripe_count=ALL, overstripe=True)),
    ("lustre:start_ost=0,pool=flash", Lustre(start_ost=0, pool="flash")),
    ("beegfs:chunk_size=1m,num_targets=4", storage.BeeGFS(chunk_size="1m", num_targets=4)),
    ("lustre:progressive=4m:1+end:-1", Lustre(progressive="4m:1+end:-1")),
]
REFUSED = [
    ("", "storage '' is unknown: choose one of local"),
    ("luster", "'luster' is unknown"),
    ("local:stripe_size=1m", "storage local: there is no option 'stripe_size': it has none"),
    ("lustre:stripe_siz=1m", r"storage lustre: there is no option 'stripe_siz': is it stripe_"),
    ("lustre:stripe_size", "stripe_size needs a value"),
    ("lustre:stripe_size=", "stripe_size needs a value"),
    ("lustre:,", "there is no option ''"),
    ("lustre:pool=a,pool=b", "pool is given twice"),
    ("lustre:stripe_size=1MB", "stripe_size=1MB: '1MB' is ambiguous"),
    ("lustre:stripe_size=0", "stripe_size=0: give a positive number of bytes"),
    ("lustre:stripe_size=100k", "stripe_size=100 KiB: Lustre takes multiples of 64 KiB"),
    ("lustre:stripe_count=0", "stripe_count=0: give a whole number, at least 1"),
    ("emulated:small-lustre:latency=nan,stripe_count=2", "latency=nan: give a number of seconds"),
    ("emulated:small-lustre:latency=1e-3,targets=3", "no option 'targets'"),
    ("lustre:stripe_count=many", "stripe_count=many: give a whole number"),
    ("lustre:stripe_count=2001", "stripe_count=2001: from 1 to 2000"),
    ("lustre:start_ost=-1", "start_ost=-1: give a whole number, at least 0"),
    ("lustre:pool=a-b", "pool 'a-b': up to 15 letters"),
    ("lustre:overstripe", "overstripe needs a stripe_count"),
    ("lustre:overstripe=perhaps,stripe_count=2", "overstripe=perhaps: give yes or no"),
    ("lustre:progressive=4m:1", "progressive=4m:1: give END:STRIPES"),
    ("lustre:progressive=4m:1+2m:1+end:2", "can't end at 2097152"),
    ("beegfs:chunk_size=96k", "chunk_size=96 KiB: BeeGFS takes powers of two"),
    ("lustre:progressive=4m:1+end:2,stripe_count=2", "leave out stripe_count"),
]


@pytest.mark.parametrize(("text", "value"), SPECS)
def test_a_spec_and_its_value(text, value):
    assert storage.parse(text) == value == storage.parse(str(value))
    assert str(value) == text


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_no_spec(text, message, capsys):
    with pytest.raises(UsageError, match=message):
        storage.parse(text)
    for command in (["run", "-n", "1"], ["trace"]):
        program = ["--", "true"] if command == ["trace"] else []
        assert cli.main([*command, "--storage", text, *program]) == 2
        assert "\n" not in capsys.readouterr().err.strip()


def test_a_storage_made_as_a_value():
    assert pio.storage.Lustre(stripe_size="64k").stripe_size == 65536
    with pytest.raises(UsageError, match=r"stripe_count=4\.5: give a whole number"):
        Lustre(stripe_count=4.5)
    with pytest.raises(AttributeError, match="no attribute 'Tape'"):
        _ = storage.Tape


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (options.seconds, {"0.5": 0.5, 2: 2.0}, ["0", "-1", "soon", "nan", None]),
        (options.count, {"4": 4, np.int64(2): 2}, ["0", "x", True, 1.5, None, "9" * 12]),
        (options.flag, {"yes": True, "no": False, True: True}, ["maybe", None, 2]),
        (options.word("a", "b"), {"a": "a"}, ["c", None, ""]),
    ],
)
def test_readers(read, good, bad):
    assert {given: read(given) for given in good} == good
    for given in bad:
        with pytest.raises(UsageError, match=r"give|choose"):
            read(given)


def test_the_layout_of_a_progressive_spec():
    parts = storage.parse("lustre:stripe_size=1m,progressive=4m:1+64m:4+end:-1,pool=p").components
    ends = [(part.start, part.end, part.stripe_count) for part in parts]
    assert ends == [(0, 4 * MIB, 1), (4 * MIB, 64 * MIB, 4), (64 * MIB, None, ALL)]
    assert {(part.stripe_size, part.pool) for part in parts} == {(MIB, "p")}


# Runs on a Lustre: a script stands in for ``lfs``, since no Lustre can be had here


@pytest.fixture
def lfs(tmp_path, monkeypatch):
    """Return the path of a program that answers as ``lfs``."""
    tool = tmp_path / "bin" / "lfs"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{LFS}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    return tool


def test_a_run_gets_its_layout(lfs, tmp_path):
    work = Workload(num_tasks=1, block_size=65536, transfer_size=16384)
    run = runner.run_sync(
        work,
        storage="lustre:stripe_size=64k,stripe_count=2",
        directory=tmp_path,
        launcher=ALONE,
        sample=False,
    )
    place = tmp_path / run.name
    assert (tmp_path / "bin/lfs.asked").read_text() == f"setstripe -S 65536 -c 2 {place}\n"
    about = run.environment
    assert about["storage"] == "lustre:stripe_size=64k,stripe_count=2"
    assert about["layout"]["components"][0]["stripe_count"] == 2
    assert about["stripe_size"] == 65536
    misaligned = next(v for v in run.result["verdicts"] if v["name"] == "misaligned")
    assert misaligned["evidence"]["unit"] == {"name": "stripe", "bytes": 65536}
    assert not place.exists()


@pytest.mark.parametrize(
    ("tool", "asked"),
    [
        ("beegfs-ctl", "--setpattern --chunksize=1m --numtargets=4"),
        ("beegfs", "entry set --chunk-size=1m --num-targets=4"),
    ],
)
def test_a_pattern_on_beegfs(tmp_path, monkeypatch, tool, asked):
    program = tmp_path / "bin" / tool
    program.parent.mkdir()
    told = "+ Type: RAID0\\n+ Chunksize: 1M\\n+ Number of storage targets: desired: %s\\n"
    program.write_text(f"""#!/bin/sh
echo "$*" >> "$0.asked"; printf '{told}' "$(cat "$0.count")"\n""")
    program.chmod(0o755)
    (tmp_path / f"bin/{tool}.count").write_text("4")
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
    wish = storage.parse("beegfs:chunk_size=1m,num_targets=4")
    got = wish.prepare(tmp_path)["layout"]["components"][0]
    assert (got["stripe_size"], got["stripe_count"]) == (MIB, 4)
    first, second = (tmp_path / f"bin/{tool}.asked").read_text().splitlines()
    assert first == f"{asked} {tmp_path}"
    assert "info" in second
    (tmp_path / f"bin/{tool}.count").write_text("2")
    with pytest.raises(PiotutorError, match=r"not obeyed at .*: num_targets 2 instead of 4$"):
        wish.prepare(tmp_path)
    assert storage.parse("beegfs").prepare(tmp_path) == {}


def test_files_that_are_kept_are_made_in_the_layout_too(lfs, tmp_path):
    work = Workload(
        num_tasks=1, block_size=65536, transfer_size=65536, keep=True, test_file=str(tmp_path / "f")
    )
    run = runner.run_sync(work, storage="lustre:stripe_count=2", launcher=ALONE, sample=False)
    made = tmp_path / f".piotutor-{run.name}"
    assert (tmp_path / "bin/lfs.asked").read_text() == f"setstripe -c 2 {made}\n"
    assert (tmp_path / "f").stat().st_size == 65536
    assert not made.exists()


def test_a_layout_that_fails_stops_a_run_before_it_starts(lfs, tmp_path, state):
    (tmp_path / "bin/lfs.broken").touch()
    with pytest.raises(PiotutorError, match="lfs: no space"):
        runner.start("-n 1", storage="lustre:stripe_count=2", launcher=ALONE)
    assert not list(state.glob("runs/*")) + list(state.glob("scratch/*"))


def test_a_layout_needs_files_that_are_made(lfs, tmp_path):
    (tmp_path / "f").write_bytes(bytes(4 * MIB))
    with pytest.raises(UsageError, match="lays out new files: this run only reads"):
        runner.start(f"-n 1 -r -o {tmp_path / 'f'}", storage="lustre:pool=p", launcher=ALONE)
    with pytest.raises(UsageError, match=r"say where, \{place\} in the command"):
        runner.start_command(["true"], storage="lustre:pool=p")


def test_the_place_of_a_program_is_laid_out_and_goes(lfs, tmp_path):
    text = "import os, sys; open(sys.argv[1], 'w').close(); print(os.environ['PIOTUTOR_PLACE'])"
    run = runner.trace_command_sync(
        [sys.executable, "-c", text, "{place}/out"],
        storage="lustre:stripe_count=2",
        directory=tmp_path,
        capture="none",
        sample=False,
    )
    place = tmp_path / run.name
    assert (tmp_path / "bin/lfs.asked").read_text() == f"setstripe -c 2 {place}\n"
    assert run.output == f"{place}\n"
    assert run.command[-1] == f"{place}/out"
    assert not place.exists()


def test_a_place_on_any_file_system(tmp_path):
    text = "import sys; open(sys.argv[1], 'w').close()"
    program = [sys.executable, "-c", text, "{place}/out"]
    run = runner.trace_command_sync(program, directory=tmp_path, capture="none", sample=False)
    assert run.result["exit_code"] == 0
    assert not (tmp_path / run.name).exists()


# What a file's own file system says of it


@pytest.fixture
def told(lfs, tmp_path, monkeypatch):
    """Return a run directory in which is noted how a file lay that has gone since."""
    monkeypatch.setattr(probe, "mount_of", lambda _: Mount("/", "lustre", "somewhere"))
    file = tmp_path / "data"
    file.write_bytes(bytes(200_000))
    seen.note(tmp_path, str(file))
    file.unlink()
    seen.note(tmp_path, str(file))  # the first answer stays
    return tmp_path


def test_a_file_is_asked_before_it_goes(told):
    found = seen.noted(told)
    assert found.hints == {"striping_unit": 65536, "striping_factor": 2, "start_iodevice": 3}
    (stripes,) = found.map["files"]
    assert found.map["source"] == "computed from lfs getstripe"
    assert stripes["extents"] == [
        [0, 65536, 3],
        [65536, 65536, 1],
        [131072, 65536, 3],
        [196608, 3392, 1],
    ]


def test_a_rank_asks_before_it_removes(lfs, tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "mount_of", lambda _: Mount("/", "lustre", "somewhere"))
    job = jobs.write_job(
        tmp_path / "run", Workload(num_tasks=1, block_size=200_000, transfer_size=50_000)
    )
    worker.work(read_job(job), SerialComm())
    found = seen.noted(tmp_path / "run")
    assert (found.size, found.name) == (200_000, str(tmp_path / "run/data"))
    assert not (tmp_path / "run/data").exists()


def test_nothing_is_noted_where_nothing_stripes(tmp_path):
    (tmp_path / "data").touch()
    seen.note(tmp_path, str(tmp_path / "data"))
    assert seen.noted(tmp_path) is None
    (tmp_path / seen.FILE).write_text('{"striping": {"components": [{}]}}')
    assert seen.noted(tmp_path) is None


@pytest.mark.parametrize(
    "part", [Component(stripe_size=65536, stripe_count=1), Component(stripe_count=4)]
)
def test_no_map_of_one_target_or_of_what_is_open(part):
    assert seen.Seen(Striping("lustre", (part,)), 200_000, "f").map is None


def test_hints_are_judged_by_what_the_file_had(told):
    asked = {"striping_unit": "65536", "striping_factor": "4", "cb_nodes": "1"}
    hints = judge_hints(asked, {**asked, "romio_filesystem_type": "LUSTRE:"})
    assert hints["verified"]["striping_factor"]["obeyed"] is None
    found = seen.noted(told)
    again = compare(hints, found.hints, found.source)["verified"]
    assert again["striping_unit"] == {"obeyed": True, "why": "the file had 65536 (lfs getstripe)"}
    assert again["striping_factor"] == {"obeyed": False, "why": "the file had 2 (lfs getstripe)"}
    assert again["cb_nodes"] == hints["verified"]["cb_nodes"]


def test_the_unit_of_a_layout():
    parts = (Component(stripe_size=MIB, end=MIB), Component(stripe_size=3 * MIB // 2, start=MIB))
    assert stripe_size(Striping("lustre", parts).to_dict()) == MIB // 2
    assert stripe_size(Striping("lustre", (Component(),)).to_dict()) is None
    assert stripe_size(None) is None
    assert Striping.of(json.loads(json.dumps(Striping("x", parts).to_dict()))).components == parts


def test_targets_from_servers_counters():
    """The last reading of each server counts, whatever the order of the records."""
    rows = [(0, 5, 10, 0, 1), (1, 5, 7, 0, 1), (1, 9, 70, 30, 2 | 3 << 32), (0, 1, 0, 0, 0)]
    records = np.zeros(len(rows), RECORD)
    for record, (target, end, length, result, aux) in zip(records, rows, strict=True):
        record["layer"], record["op"], record["target"] = Layer.SERVER, Op.SAMPLE, target
        record["end"], record["length"], record["result"], record["aux"] = end, length, result, aux
    first, second = metrics.targets(Trace(records))
    assert (first["target"], first["operations"], first["bytes"]) == (0, 1, 10)
    assert (second["operations"], second["bytes"]) == (5, 100)
    assert (second["write_operations"], second["read_operations"]) == (2, 3)
    assert (second["write_bytes"], second["read_bytes"]) == (70, 30)


def test_what_a_storage_could_not_finish_is_noted(tmp_path):
    files = {
        "guard-result": {"status": "stopped", "code": 0, "reason": "", "seconds": 1.0},
        "job": {"workload": Workload(num_tasks=1).to_dict()},
        "environment": {"filesystem": "ceph", "slowed": None, "ranks": 1},
        "storage-ready": {"environment": {"slowed": "OSD 1 at 5 MiB/s"}},
    }
    files["guard-result"]["unfinished"] = "it didn't end within 15 s"
    for name, value in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    (tmp_path / "trace").mkdir()
    run = collection.collect(tmp_path)
    note = "counts of the storage may be missing: it didn't end within 15 s"
    assert note in run.result["capture"]["notes"]
    assert run.badge == "measured · ceph, 1 rank · slowed: OSD 1 at 5 MiB/s"
    assert run.badge in run._repr_html_()
