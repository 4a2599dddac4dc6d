"""`piotutor model`: machines by name and from files, and runs of what never ran."""

from __future__ import annotations

import json

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
        ("missing.json", "can't be read"),
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
                          ('{"x": 1}', "no 'x'"), ('{"targets": []}', "number")):  # fmt: skip
        file.write_text(text)
        with pytest.raises(UsageError, match=message):
            read_machine(str(file))


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
