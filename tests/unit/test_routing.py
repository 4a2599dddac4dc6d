"""Calls on files below a directory go to libcephfs (here to one that keeps them elsewhere)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from interposing import PROGRAMS, Stage, build, build_library, compiler, told

from piotutor.trace import Op

PARTS = (
    *("opening", "transfers", "copies", "asynchronous", "sizes", "attributes", "names"),
    *("directories", "streams", "refused", "descriptors", "locks", "forks", "executes", "threads"),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The program that tries the calls, and the library in libcephfs' place."""
    directory = tmp_path_factory.mktemp("built")
    fake = directory / "fakeceph.so"
    source = PROGRAMS / "fakeceph.c"
    command = [compiler(), "-w", "-shared", "-fPIC", "-pthread", "-fvisibility=hidden"]
    subprocess.run([*command, "-o", fake, source], check=True)
    return build("routed", directory), fake


class Routed(Stage):
    """A directory that is routed, to another one."""

    def __init__(self, directory: Path, fake: Path) -> None:
        super().__init__(directory)
        self.there = directory / "ceph" / "root"
        self.shadow = directory / "shadow"
        self.there.mkdir(parents=True)
        self.shadow.mkdir()
        conf = directory / "ceph.conf"
        conf.write_text(str(directory / "ceph"))
        self.variables = {
            "PIOTUTOR_ROUTE_PREFIX": str(self.here),
            "PIOTUTOR_ROUTE_ROOT": "/root",
            "PIOTUTOR_ROUTE_CONF": str(conf),
            "PIOTUTOR_ROUTE_SHADOW": str(self.shadow),
            "PIOTUTOR_ROUTE_LIBRARY": str(fake),
        }

    def route(self, *command: str | Path, preload: str = "", **env: str):
        """Run a command with the directory routed."""
        return self.run(*command, preload=preload, **(self.variables | env))

    def left(self) -> dict[str, bytes]:
        """Return what lies on the other side."""
        return {path.name: path.read_bytes() for path in self.there.iterdir()}


@pytest.fixture
def stage(tmp_path, built):
    return Routed(tmp_path, built[1])


def nothing_wrong(done):
    return done.returncode, done.stdout, done.stderr[-600:]


@pytest.mark.parametrize("part", PARTS)
def test_calls_on_routed_files_do_what_they_do_on_local_ones(built, stage, part):
    done = stage.route(built[0], part)
    assert nothing_wrong(done) == (0, b"", b"")
    assert list(stage.here.iterdir()) == []  # nothing was made beside them


def test_recording_may_be_off(built, stage):
    done = stage.route(built[0], PIOTUTOR_CAPTURE_DIR="")
    assert nothing_wrong(done) == (0, b"", b"")
    assert stage.names() == []
    assert stage.left()["p"] == b"abcdefgh"
    assert list(stage.here.iterdir()) == []


def test_without_a_directory_nothing_is_routed(built, stage):
    done = stage.route(built[0], "descriptors", PIOTUTOR_ROUTE_PREFIX="")
    assert nothing_wrong(done) == (0, b"", b"")
    assert stage.left() == {}
    assert (stage.here / "p").read_bytes() == b"abcdefgh"


def test_routed_calls_are_recorded_as_others(built, stage):
    """The same records as on a local file; those that libcephfs makes aren't any."""

    def lines():
        found = [re.sub(r"^(OPEN .*) \d+$", r"\1", line) for line in told(stage.trace())]
        for path in stage.trace_dir.iterdir():
            path.unlink()
        return found

    stage.route(built[0], "descriptors", FAKE_NOISE="1")
    routed = lines()
    stage.run(built[0], "descriptors")
    assert routed == lines()


def test_a_routed_file_has_the_name_that_it_was_opened_by(built, stage):
    stage.route(built[0], "descriptors")
    assert {Path(name).parent for name in stage.trace().files} == {stage.here}


def test_what_libcephfs_does_is_not_recorded(built, stage):
    stage.route(built[0], "threads", FAKE_NOISE="1")
    trace = stage.trace()
    assert [Path(name).name for name in trace.files] == ["many"]
    assert (trace.column("op") == Op.WRITE).sum() == 800
    assert (stage.there.parent / "noise").exists()  # it did something


def test_offsets_of_records_are_asked_of_the_routed_file(built, stage):
    stage.route(built[0], "transfers")
    lines = told(stage.trace())
    assert "WRITE write t 5 2 2" in lines  # O_APPEND


@pytest.mark.parametrize("way", ["exit", "_exit", "quick", "exec"])
def test_whatever_way_it_ends_the_mount_is_ended(built, stage, way):
    done = stage.route(built[0], "nothing", way, FAKE_NOISE="1")
    assert nothing_wrong(done) == (3, b"", b"")
    assert stage.left()["end"] == b"all of it"


def test_streams_are_flushed_before_the_mount_ends(built, stage):
    assert nothing_wrong(stage.route(built[0], "nothing", "unflushed")) == (3, b"", b"")
    assert stage.left()["late"] == b"and the rest"


def test_an_end_that_takes_too_long_is_an_error(built, stage):
    done = stage.route(built[0], "nothing", "exit", FAKE_HANG="1", PIOTUTOR_ROUTE_WAIT="1")
    assert done.returncode == 3
    assert b"takes no more: what was written may be lost" in done.stderr
    done = stage.route(built[0], "descriptors", FAKE_HANG="1", PIOTUTOR_ROUTE_WAIT="1")
    assert done.returncode == 1


def test_what_could_not_be_written_is_told_by_close(built, stage):
    assert stage.route(built[0], "nothing", "close", FAKE_LATE="1").returncode == 3


def test_newer_cephs_reserve_nothing(built, stage):
    done = stage.route(built[0], "sizes", FAKE_NEWER="1")
    lines = done.stdout.decode().splitlines()
    assert [line.split(" ")[1].split("(")[0] for line in lines] == ["!fallocate", "!fallocate64"]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PIOTUTOR_ROUTE_LIBRARY", "libnowhere.so", "libnowhere.so can't be used"),
        ("PIOTUTOR_ROUTE_LIBRARY", "libc.so.6", "there is no ceph_create in it"),
        ("PIOTUTOR_ROUTE_CONF", "/nowhere/ceph.conf", "of /nowhere/ceph.conf can't be mounted"),
        ("PIOTUTOR_ROUTE_ROOT", "/nowhere", "can't be mounted: No such file"),
    ],
)
def test_no_ceph_is_one_line_and_an_error(built, stage, variable, value, words):
    done = stage.route("sh", "-c", "echo > new", **{variable: value})
    assert done.returncode != 0
    (line, *_) = done.stderr.decode().splitlines()
    assert line.startswith("piotutor: ")
    assert words in line
    assert list(stage.here.iterdir()) == []


def test_no_place_for_locks_is_an_error_and_no_lost_byte(built, stage):
    done = stage.route(built[0], "locks", PIOTUTOR_ROUTE_SHADOW="/nowhere")
    assert done.returncode == 1
    assert b"No locks available" in done.stdout


def test_python_works_on_routed_files(stage):
    """What scripts use: open, stat, os.replace, shutil, and numpy's ways to fail."""
    script = """if True:
        import os, shutil
        import numpy as np
        with open("text", "w") as file: file.write("lines\\n" * 1000)
        with open("text") as file: assert file.read() == "lines\\n" * 1000
        assert os.path.getsize("text") == 6000 and os.path.exists("text")
        shutil.copyfile("text", "copy"); os.replace("copy", "other")
        assert open("other", "rb").read() == open("text", "rb").read()
        np.arange(9.0).tofile("array"); assert (np.fromfile("array") == np.arange(9.0)).all()
        np.save("kept.npy", np.arange(9)); assert (np.load("kept.npy") == np.arange(9)).all()
        try: np.memmap("text", mode="r")
        except OSError: pass
        else: raise AssertionError
        os.remove("other"); os.makedirs("a/b"); os.rmdir("a/b"); os.rmdir("a")
        assert sorted(os.listdir()) == ["array", "kept.npy", "text"]
        os.mkdir("tree"); os.mkdir("tree/a"); shutil.copy("text", "tree/a/b"); shutil.rmtree("tree")
    """
    done = stage.route(sys.executable, "-c", script)
    assert nothing_wrong(done) == (0, b"", b"")
    assert set(stage.left()) == {"text", "array", "kept.npy"}


@pytest.mark.parametrize("compiler_name", ["gcc"])
def test_no_error_that_sanitizers_find(built, stage, tmp_path, compiler_name):
    library = tmp_path / "sanitized.so"
    try:
        build_library(library, "-g", "-fsanitize=address,undefined", cc=compiler_name)
    except subprocess.CalledProcessError:
        pytest.skip("this compiler has no sanitizers")
    runtime = subprocess.run(
        [compiler(), "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    ).stdout.strip()
    done = stage.route(
        built[0], preload=f"{runtime}:{library}", ASAN_OPTIONS="detect_leaks=0", FAKE_NOISE="1"
    )
    assert nothing_wrong(done) == (0, b"", b"")
