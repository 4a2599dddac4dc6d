"""Run directories: private, pruned, and never taken from whoever works in them."""

from __future__ import annotations

import os
import stat

import pytest

from piotutor import rundir
from piotutor.errors import PiotutorError, UsageError


def make(state, name, size=0):
    run = state / "runs" / name
    (run / "trace").mkdir(parents=True)
    (run / "trace" / "rank-00000.piot").write_bytes(bytes(size))
    return run


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PIOTUTOR_STATE": "{tmp}/a", "XDG_STATE_HOME": "{tmp}/b"}, "a"),
        ({"XDG_STATE_HOME": "{tmp}/b"}, "b/piotutor"),
        ({"PIOTUTOR_STATE": "", "XDG_STATE_HOME": ""}, ".local/state/piotutor"),
    ],
)
def test_where(tmp_path, monkeypatch, environment, expected):
    monkeypatch.setenv("HOME", str(tmp_path))
    told = {name: text.format(tmp=tmp_path) for name, text in environment.items()}
    path = rundir.state_dir(told)
    assert path == tmp_path / expected
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_nowhere(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="name another directory in PIOTUTOR_STATE"):
        rundir.state_dir({"PIOTUTOR_STATE": str(tmp_path / "file")})


def test_new(state):
    (state / "runs").mkdir()
    with rundir.new(state, "MPIIO") as (run, lock):
        assert stat.S_IMODE(run.stat().st_mode) == 0o700
        assert "-mpiio-" in run.name
        assert lock is not None
        assert rundir.lock(run) is None
    os.close(rundir.lock(run))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_new_one_goes_away_when_its_start_fails(state, error):
    (state / "runs").mkdir()
    with pytest.raises(error), rundir.new(state, "POSIX"):
        raise error
    assert not list((state / "runs").iterdir())


def test_no_space_for_a_new_one(state):
    (state / "runs").mkdir()
    refused = pytest.raises(UsageError, match="can't hold a run: No space")
    with refused, rundir.new(state, "POSIX"):
        raise OSError(28, "No space left on device")
    assert not list((state / "runs").iterdir())


def test_the_oldest_are_pruned(state):
    runs = [make(state, f"2026010{i}T000000Z-posix-aaaaaa", 65536) for i in range(5)]
    scratch = state / "scratch" / runs[0].name
    scratch.mkdir(parents=True)
    (scratch / "data").write_bytes(bytes(65536))
    assert rundir.prune(state, keep=3 * 65536) == runs[:2]
    assert sorted((state / "runs").iterdir()) == runs[2:]
    assert not scratch.exists()
    assert rundir.prune(state, keep=3 * 65536) == []


def test_runs_at_work_are_not_pruned(state):
    runs = [make(state, f"2026010{i}T000000Z-posix-aaaaaa", 65536) for i in range(3)]
    handle = rundir.lock(runs[0])
    assert rundir.prune(state, keep=65536) == runs[1:]
    os.close(handle)


def test_only_the_abandoned_are_swept(state):
    """Those with orders, without a result, whose lock is free and whose orders are whole."""
    finished, at_work, damaged = (make(state, name) for name in ("1", "2", "3"))
    for run in (finished, at_work, damaged):
        (run / "guard.json").write_text('{"run_dir": "/elsewhere"}')
    (finished / "guard-result.json").write_text("{}")
    handle = rundir.lock(at_work)
    assert rundir.sweep(state) == []
    os.close(handle)


def test_a_start_that_died_goes_altogether(state, tmp_path):
    """Killed between the first directory and the guard."""
    old, young, sly = (make(state, name) for name in ("old", "young", "sly"))
    for run in (old, young):
        rundir.note_place(run, tmp_path / f".piotutor-{run.name}")
    rundir.note_place(sly, tmp_path / "thesis")
    for name in (".piotutor-old", ".piotutor-young", "thesis"):
        (tmp_path / name).mkdir()
    for run in (old, sly):
        os.utime(run, (1, 1))
    assert sorted(rundir.sweep(state)) == [old, sly]
    assert sorted(path.name for path in (state / "runs").iterdir()) == ["young"]
    assert (tmp_path / "thesis").exists()
    assert (tmp_path / ".piotutor-young").exists()
    assert not (tmp_path / ".piotutor-old").exists()


def test_orders_that_name_another_directory_are_not_obeyed(state, tmp_path):
    from piotutor.launch.orders import Orders

    run = make(state, "1")
    told = {"files": [], "private": str(tmp_path / "thesis"), "handovers": []}
    (tmp_path / "thesis").mkdir()
    host = os.uname().nodename
    Orders(str(tmp_path), [], {}, told, host=host).write(run / "guard.json")
    assert rundir.sweep(state) == []
    Orders(str(run), [], {}, told, host="another").write(run / "guard.json")
    assert rundir.sweep(state) == []
    assert (tmp_path / "thesis").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "\x00", '{"a": 1'])
def test_damaged_json(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(PiotutorError, match=r"x\.json") as caught:
        rundir.read_json(path, {})
    assert "\n" not in str(caught.value)


def test_json_that_is_binary(tmp_path):
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PiotutorError, match="can't be read"):
        rundir.read_json(tmp_path / "x.json")


def test_missing_json(tmp_path):
    with pytest.raises(PiotutorError, match="is missing"):
        rundir.read_json(tmp_path / "x.json")
    assert rundir.read_json(tmp_path / "x.json", {"a": 1}) == {"a": 1}
