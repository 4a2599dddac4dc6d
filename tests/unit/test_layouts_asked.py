"""How a file system's own tool is asked, what is under a path, and layouts that are made.

None of these tools is here: a script stands in for one that answers, fails, hangs or complains.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from told import (
    BEEGFS_DIRECTORY,
    DAOS,
    DIRECTORY,
    GPFS,
    GPFS_FIELDS,
    MIB,
    OLD_DIRECTORY,
    only,
)

from piotutor import preparation, storage
from piotutor.capture import choice
from piotutor.capture.device import Mount
from piotutor.launch import local as ranks
from piotutor.storage import beegfs, daos, gpfs, local, lustre, probe, tool
from piotutor.storage.striping import ALL, Component, LayoutError

# Tools that fail: scripts stand in for them


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Return a function that makes a program, found before all others."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")

    def make(name, body):
        path = directory / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return make


@pytest.fixture
def on(monkeypatch):
    """Return a function that pretends that everything is on one file system."""

    def pretend(kind, source="somewhere"):
        monkeypatch.setattr(probe, "mount_of", lambda _: Mount("/", kind, source))

    return pretend


def test_a_tool_that_is_missing():
    with pytest.raises(LayoutError, match="no-such-tool is not on the PATH"):
        tool.ask(["no-such-tool"])


def test_a_tool_that_complains(stand_in):
    stand_in("lfs", "echo Titel >&2; echo 'lfs: x: Permission denied' >&2; exit 13")
    with pytest.raises(LayoutError, match=r"^lfs: lfs: x: Permission denied$"):
        tool.ask(["lfs"])
    stand_in("lfs", "exit 25")
    with pytest.raises(LayoutError, match="ended with 25"):
        tool.ask(["lfs"])


def test_a_tool_that_hangs_ends_with_all_it_started(stand_in, tmp_path):
    os.mkfifo(tmp_path / "held")
    held = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    stand_in("lfs", f"exec 3>{tmp_path / 'held'}; sleep 1000 & wait")
    with pytest.raises(LayoutError, match=r"no answer in 0\.5 s"):
        tool.ask(["lfs"], timeout=0.5)
    os.set_blocking(held, True)
    assert os.read(held, 1) == b""  # nobody holds the other end any more
    os.close(held)


def test_a_tool_is_asked_in_english_and_without_a_shell(stand_in):
    stand_in("lfs", 'echo "$LC_ALL|$1"')
    assert tool.ask(["lfs", "$(id); x"]) == "C|$(id); x\n"


def test_a_tool_that_prints_no_text(stand_in):
    stand_in("lfs", r"printf '\377\376 stripe_count: \200'")
    with pytest.raises(LayoutError):
        lustre.striping(Path("/"))


LFS = """case "$1" in
setstripe) echo "$@" > "$0.asked"; test ! -e "$0.deaf" && cp "$0.next" "$0.now"; exit 0 ;;
getstripe) cat "$0.now" ;;
esac"""


def test_a_layout_is_set_and_seen(stand_in, tmp_path):
    stand_in("lfs", LFS)
    state = tmp_path / "bin"
    (state / "lfs.now").write_text(OLD_DIRECTORY)
    (state / "lfs.next").write_text(DIRECTORY)
    wish = Component(stripe_size=2 * MIB, stripe_count=ALL, pool="flash")
    assert only(lustre.lay_out(tmp_path, [wish])) == wish
    assert (state / "lfs.asked").read_text() == (
        f"setstripe -S 2097152 -c -1 -p flash {tmp_path}\n"
    )


def test_a_storage_on_lustre_lays_out_what_a_run_makes(stand_in, tmp_path):
    stand_in("lfs", LFS)
    state = tmp_path / "bin"
    (state / "lfs.now").write_text(OLD_DIRECTORY)
    (state / "lfs.next").write_text(DIRECTORY)
    assert lustre.Lustre(path=tmp_path).prepare(tmp_path) == {}
    assert not (state / "lfs.asked").exists()
    got = storage.at(tmp_path, "lustre:stripe_count=-1").prepare(tmp_path)
    assert got["layout"]["components"][0]["stripe_count"] == ALL
    assert (state / "lfs.asked").read_text() == f"setstripe -c -1 {tmp_path}\n"


def test_a_layout_that_is_not_obeyed(stand_in, tmp_path):
    stand_in("lfs", LFS)
    state = tmp_path / "bin"
    (state / "lfs.now").write_text(OLD_DIRECTORY)
    (state / "lfs.deaf").touch()
    with pytest.raises(LayoutError, match=r"not obeyed.*stripe_count 1 instead of 4"):
        lustre.lay_out(tmp_path, [Component(stripe_count=4)])


# The probe


def test_what_is_not_striped_is_named(on, tmp_path):
    for kind, said in {
        "tmpfs": "memory",
        "nfs4": "one server",
        "overlay": "layers",
        "ext4": "not striped",
        "9p": "isn't known",
    }.items():
        on(kind)
        found = probe.probe(tmp_path)
        assert found.striping is None
        assert found.problem == ""
        assert said in found.detail
        assert found.to_dict() is None


def test_extents_of_a_file_where_they_are_told(on, tmp_path, monkeypatch):
    on("xfs")
    (tmp_path / "file").touch()
    monkeypatch.setattr(probe.fiemap, "extents", lambda _: [1, 2])
    assert probe.probe(tmp_path / "file").detail == "xfs: not striped, 2 extents on its device"


def test_striping_is_found_and_written_down(on, stand_in, tmp_path):
    on("lustre")
    stand_in("lfs", f"cat <<'END'\n{DIRECTORY}\nEND")
    found = probe.probe(tmp_path / "not there yet")
    assert found.detail == "stripes on all targets of 2 MiB, pool flash"
    assert found.to_dict()["components"][0]["stripe_size"] == 2 * MIB


@pytest.mark.parametrize(
    ("kind", "name"),
    [("beegfs", "beegfs-ctl"), ("gpfs", "mmlsattr"), ("fuse.daos", "daos")],
)
def test_every_system_says_what_is_missing(on, monkeypatch, tmp_path, kind, name):
    on(kind)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = probe.probe(tmp_path)
    assert found.striping is None
    assert found.problem.startswith(f"{name} is not on the PATH")


def test_every_system_is_asked_by_its_own_tool(on, stand_in, tmp_path, monkeypatch):
    on("beegfs")
    stand_in("beegfs-ctl", f"cat <<'END'\n{BEEGFS_DIRECTORY}\nEND")
    assert probe.probe(tmp_path).striping == beegfs.parse_entry(BEEGFS_DIRECTORY)
    on("fuse.daos")
    stand_in("daos", f"cat <<'END'\n{DAOS}\nEND")
    assert probe.probe(tmp_path).striping == daos.parse_attributes(DAOS)
    on("gpfs")
    monkeypatch.setattr(gpfs, "mount_of", lambda _: Mount("/", "gpfs", "data"))
    stand_in("mmlsattr", f"cat <<'END'\n{GPFS}\nEND")
    stand_in("mmlsfs", f"test \"$1\" = data || exit 1; cat <<'END'\n{GPFS_FIELDS}\nEND")
    assert only(probe.probe(tmp_path).striping).stripe_size == 16 * MIB


def test_a_name_that_no_tool_can_print(on, tmp_path):
    on("lustre")
    strange = tmp_path / "a\nstripe_count: 1"
    strange.touch()
    assert "can't print" in probe.probe(strange).problem


def test_a_run_notes_the_layout_where_there_is_one(on, stand_in, tmp_path):
    home, captured = local.Local(tmp_path), choice.Capture("none", "")
    on("ext4")
    assert "layout" not in preparation.environment(home, ranks.Local(), captured)
    on("lustre")
    stand_in("lfs", f"cat <<'END'\n{DIRECTORY}\nEND")
    noted = preparation.environment(home, ranks.Local(), captured)["layout"]
    assert json.loads(json.dumps(noted))["components"][0]["stripe_count"] == ALL
