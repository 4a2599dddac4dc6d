"""`piotutor model`: machines by name and from files, and runs of what never ran."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest

from piotutor import cli, metrics
from piotutor.engine import Machine
from piotutor.engine.library import library
from piotutor.engine.machines import MACHINES, read_machine
from piotutor.errors import UsageError
from piotutor.modelled import model_run
from piotutor.results import Run

needs_engine = pytest.mark.skipif(library() is None, reason="the engine isn't built")


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Keep runs apart from the user's."""
    monkeypatch.setenv("PIOTUTOR_STATE", str(tmp_path / "state"))


@pytest.mark.parametrize("name", MACHINES)
def test_each_machine_says_where_its_figures_are_from(name):
    """No parameters without a word on what they stand for."""
    assert MACHINES[name].about
    assert MACHINES[name].source
    assert read_machine(name) == MACHINES[name].machine


def test_parameters_can_be_changed_in_the_name_and_in_a_file(tmp_path):
    """A name with others behind it; a file that is like a name."""
    changed = read_machine("small-lustre:targets=4,client_bandwidth=1m,lock_protocol=none")
    assert (changed.targets, changed.client_bandwidth, changed.lock_protocol) == (4, 2**20, "none")
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"like": "small-lustre", "targets": 3, "rpc_size": "64k"}))
    assert read_machine(str(file)) == MACHINES["small-lustre"].machine.replace(
        targets=3, rpc_size=1 << 16
    )
    file.write_text("{}")
    assert read_machine(str(file)) == Machine()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smal-lustre", "is it small-lustre"),
        ("nothing like it", "choose unlimited"),
        ("small-lustre:targts=3", "is it targets"),
        ("small-lustre:targets", "name=value"),
        ("small-lustre:targets=many", "number"),
        ("small-lustre:targets=0", "at least 1"),
        ("small-lustre:lock_protocol=none of these", "choose none, extents"),
        ("missing.json", "missing.json can't be read as JSON: No such file"),
        ("~no-such-user/mine.json", "can't be read"),
        ("with\0nothing.json", "can't be read"),
        ("small-lustre:targets=1,targets=2", "targets is given twice"),
        ("small-lustre:latency=20us", "latency=20us: give a number of seconds"),
        ("small-lustre:latency=nan", "latency=nan"),
        ("small-lustre:target_overhead=1e400", "target_overhead=inf"),
        ("small-lustre:client_bandwidth=10MB", "client_bandwidth: '10MB' is ambiguous"),
        ("small-lustre:rpc_size=0", "rpc_size=0: give a whole number, at least 1 byte"),
        ("small-lustre:rpc_size=1e3.5", "no size"),
        ("small-lustre:targets=1.5", "targets=1.5: give a whole number"),
        ("small-lustre:clients=1000000000", "at most 268,435,455"),
        ("small-lustre:lock_page=0", "lock_page=0"),
        ("small-lustre:metadata_threads=0", "metadata_threads=0"),
        ("small-lustre:background_load=1", "a share below 1"),
        ("small-lustre:background_load=0.5,background_time=0", "a microsecond or more"),
        ("small-lustre:read_ahead=1m", "more than cache_size=0"),
        ("small-lustre:slow_target=8", "there are 8 targets"),
        ("small-lustre:device=array,array_width=300", "array_width=300"),
        ("small-lustre:device=array,array_width=8,array_disks=4", "no stripe is wider"),
        ("small-lustre:device=array,array_failed=10", "there are disks 0 to 9"),
        ("small-lustre:device=array,array_level=0,array_failed=1", "RAID 0"),
        ("small-lustre:device=array,array_chunk=2g,disk=hp97560", "room for a request"),
        ("small-lustre:device=ssd,ssd_page=1,rpc_size=16m", "room for a request"),
        ("small-lustre:device=ssd,ssd_page=1,rpc_size=4m,ssd_channels=4096", "at most 1,048,576"),
        ("small-lustre:device=ssd,ssd_blocks=1000000,ssd_block_pages=65536", "2\\^32 pages"),
        ("small-lustre:device=ssd,ssd_spare=0", "spare blocks"),
    ],
)
def test_a_machine_that_is_none_is_one_line(text, message):
    """A name, a parameter, a value, a file: the line says which, and what to do."""
    with pytest.raises(UsageError, match=message):
        read_machine(text)


def test_a_damaged_file_is_one_line(tmp_path):
    """No JSON, no table, unknown names in it."""
    file = tmp_path / "mine.json"
    for text, message in (("{", "JSON"), ("[1]", "no table"), ('{"like": "x"}', "like='x'"),
                          ('{"x": 1}', "no 'x'"), ('{"targets": []}', "number"), ("", "JSON"),
                          ('{"targets": {"targets": 1}}', "number"), ("[" * 99999, "JSON"),
                          ('{"like": ["x"]}', "like="), ('{"latency": NaN}', "latency=nan"),
                          ('{"targets": 1, "targets": 2}', "given twice"), ("\xff", "JSON"),
                          ('{"targets": %s}' % ("9" * 5000), "JSON"),
                          (" " * (1 << 21), "too large"),
                          ('{"targets": true}', "targets=True")):  # fmt: skip
        file.write_text(text)
        with pytest.raises(UsageError, match=message):
            read_machine(str(file))


def test_what_is_no_plain_file_is_not_waited_for(tmp_path):
    """A pipe that nobody writes to, a directory, a file that may not be read."""
    pipe, directory = tmp_path / "pipe.json", tmp_path / "directory.json"
    os.mkfifo(pipe)
    directory.mkdir()
    for path in (pipe, directory, Path("/dev/null/x.json")):
        with pytest.raises(UsageError, match=r"no file of parameters|can't be read"):
            read_machine(path)


@pytest.mark.parametrize("name", ["targets", "latency"])
def test_a_parameter_is_a_number(name):
    """Whatever else is given is said in one line, and not all of it."""
    for value in (None, "4", b"4", [4] * 99, {}, True, float("nan"), 10**5000, 1j):
        with pytest.raises(UsageError, match=f"{name}=.*number") as refused:
            Machine(**{name: value})
        assert len(str(refused.value)) < 160


def test_numbers_of_other_kinds_are_taken():
    """What JSON and numpy make of numbers: plain ones are kept, ready for JSON."""
    machine = Machine(targets=np.int64(4), clients=2.0, latency=np.float32(0.5), target_overhead=1)
    assert (machine.targets, machine.clients, machine.latency) == (4, 2, 0.5)
    kinds = {type(value) for value in dataclasses.asdict(machine).values()}
    assert kinds == {int, float, str}


@needs_engine
def test_a_model_is_a_run_that_says_so():
    """The outside form of a run, modelled, with nothing verified; it can be opened again."""
    run = model_run("ior -a POSIX -t 1m -b 4m -w -r -N 4", "small-lustre", stripe_count=2)
    result = Run(run.dir).result
    assert result["provenance"] == run.trace.provenance == "modelled"
    assert [phase["op"] for phase in result["phases"]] == ["write", "read"]
    assert result["layers"]["app"]["write"] == {"operations": 16, "bytes": 16 << 20}
    assert sum(each["bytes"] for each in result["targets"]) == 32 << 20
    assert len(result["targets"]) == 2
    assert result["verified_bytes"] == 0
    assert result["environment"]["machine"]["targets"] == 8
    assert result["environment"]["stripe_size"] == 1 << 20
    assert result["environment"]["model"]["grants"] >= 8
    assert result["environment"]["model"]["events"] > 0
    assert run.badge == "modelled · small-lustre, 4 ranks"
    assert metrics.phases(run.trace)[0].bytes == 16 << 20


@needs_engine
def test_no_limit_of_a_real_run_applies():
    """A thousand ranks and a terabyte take no more than their transfers."""
    run = model_run("ior -t 64m -b 1g -w -F -N 1024", "large-lustre")
    assert run.result["phases"][0]["bytes"] == 1 << 40


@needs_engine
def test_the_command_prints_tables_and_json(capsys):
    """One command, both forms; mistakes are one line and exit code 2."""
    assert cli.main(["model", "--machine", "list"]) == 0
    assert "small-lustre" in capsys.readouterr().out
    words = ["model", "-N", "2", "-t", "64k", "-b", "1m", "--machine", "slow-ceph"]
    assert cli.main([*words, "--stripe-count", "4", "--stripe-size", "64k", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["provenance"] == "modelled"
    assert cli.main(words) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("modelled · slow-ceph, 2 ranks")
    assert "\nlocks: " in shown
    for wrong in (["--stripe-count", "many"], ["--stripe-count", "9"], ["--stripe-size", "x"]):
        assert cli.main([*words, *wrong]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
