"""What the interposer records of C programs is what they did, and they do what they do alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from interposing import PROGRAMS, SOURCES, Stage, build, build_library, compiler, interposer, told

from piotutor.engine import Machine
from piotutor.engine.library import library_path
from piotutor.engine.shared import SharedWorld, why_not
from piotutor.trace import Flag, Follower, Layer, Op, Trace, interest
from piotutor.trace.reader import HEADER
from piotutor.trace.record import State


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Build each program once."""
    directory, built = tmp_path_factory.mktemp("programs"), {}

    def program(name):
        built[name] = built.get(name) or build(name, directory)
        return built[name]

    return program


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def texts(stage):
    """Return the files that a program left, and what is in them."""
    return {path.name: path.read_bytes() for path in stage.here.iterdir()}


def test_every_call_is_recorded_as_it_was(programs, stage):
    done = stage.run(programs("calls"))
    assert done.returncode == 0, done.stderr
    assert told(stage.trace()) == done.stdout.decode().splitlines()


def test_every_wrapped_name_is_tried(programs):
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", interposer()], check=True, capture_output=True, text=True
    )
    wrapped = {line.split()[2] for line in listed.stdout.splitlines()}
    wrapped = {name for name in wrapped if not name.startswith(("MPI_", "PMPI_", "H5"))}
    source = "".join(path.read_text() for path in PROGRAMS.glob("*.c"))
    elsewhere = {"execv", "execve", "execvp", "execvpe", "fexecve", "execveat", "posix_spawnp"}
    elsewhere |= {"system", "popen", "freopen64", "vfprintf", "__vfprintf_chk", "fsetpos64"}
    elsewhere |= {"vdprintf", "__vdprintf_chk"}
    untried = {name for name in wrapped if not re.search(rf"\b{name}\(", source)}
    assert untried <= elsewhere


def test_nothing_but_wrapped_names_is_exported():
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", interposer()], check=True, capture_output=True, text=True
    )
    assert {line.split()[1] for line in listed.stdout.splitlines()} <= {"T", "W"}
    names = [line.split()[2] for line in listed.stdout.splitlines()]
    assert not [name for name in names if "piotutor" in name or name.startswith("_init")]


def test_calls_that_fail_fail_the_same_way(programs, stage):
    alone = stage.run_alone(programs("failing"))
    left = texts(stage)
    (stage.here / "there").unlink()
    done = stage.run(programs("failing"))
    assert (done.returncode, done.stdout) == (0, alone.stdout)
    assert texts(stage) == left
    records = stage.trace().records
    failed = records[records["result"] < 0]
    assert ((failed["flags"] & Flag.FAILED) > 0).all()
    assert [-int(result) for result in failed["result"][:4]] == [2, 20, 17, 2]
    assert not (records["flags"][records["result"] >= 0] & Flag.FAILED).any()


def test_short_and_direct_are_said(programs, stage):
    stage.run(programs("calls"))
    records = stage.trace().records
    short = (records["flags"] & Flag.SHORT) > 0
    moves = np.isin(records["op"], (Op.READ, Op.WRITE))
    assert (short == (moves & (records["result"] < records["length"]))).all()
    assert 1 < short.sum() < 6


def test_records_say_who_and_when(programs, stage):
    stage.run(programs("calls"), PMI_RANK="3", PIOTUTOR_CAPTURE_CLIENT="2")
    (name,) = stage.names()
    assert re.fullmatch(r"below-00003-\d+\.piot", name)
    records = stage.trace().records
    for field, value in {"rank": 3, "client": 2, "thread": 0, "target": -1, "parent": -1}.items():
        assert (records[field] == value).all()
    assert (records["layer"] == Layer.POSIX).all()
    assert (records["end"] >= records["start"]).all()


@pytest.mark.parametrize("variable", ["PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID"])
def test_the_rank_is_the_launchers(programs, stage, variable):
    stage.run(programs("family"), "exit", **{variable: "7"})
    assert set(stage.trace().column("rank")) == {7}


def test_threads_and_signals_lose_nothing(programs, stage):
    done = stage.run(programs("crowd"))
    assert done.returncode == 0, done.stderr
    trace = stage.trace()
    data = [name for name in trace.files if name.endswith("/data")]
    written = trace.records[
        (trace.column("file") == trace.files.index(data[0])) & (trace.column("op") == Op.WRITE)
    ]
    offsets = np.sort(written["offset"])
    assert offsets[1:].tolist() == list(range(0, 8 * 1000 * 64, 64))
    assert len(np.unique(written["thread"])) == 9  # and the main one
    assert (stage.here / "log").stat().st_size > 0  # the handler ran
    assert trace.dropped < 20  # those that a handler gave up


def test_all_records_of_threads_are_there(programs, stage):
    """Not one is dropped where no signal interrupts."""
    done = stage.run(programs("crowd"), PIOTUTOR_CAPTURE_PREFIX=str(stage.here / "data"))
    assert done.returncode == 0
    assert stage.trace().dropped == 0
    assert len(stage.trace()) == 1 + 8 * 1000 + 1


def of_process(stage, number):
    """Return what one of the processes did, in the order in which they began."""
    parts = [Trace.load(path) for path in stage.trace_dir.iterdir()]
    parts.sort(key=lambda trace: trace.records["start"][0])
    return [line.split(" ", 1)[1] for line in told(parts[number])]


@pytest.mark.parametrize("way", ["fork", "raw"])
def test_a_forked_child_has_a_trace_of_its_own(programs, stage, way):
    assert stage.run(programs("family"), way).returncode == 0
    assert len(stage.names()) == 2
    child = ["write data 6 5 5", "open own -1 0 4", "write own 0 1 1"]
    assert of_process(stage, 1) == child
    assert of_process(stage, 0)[:2] == ["open data -1 0 3", "write data 0 6 6"]
    if way == "fork":  # the position is shared, and the child has moved it
        assert of_process(stage, 0)[2] == "write data 11 5 5"


def test_a_child_by_vfork_borrows_and_breaks_nothing(programs, stage):
    assert stage.run(programs("family"), "vfork").returncode == 0
    assert of_process(stage, 0) == ["open data -1 0 3", "write data 0 6 6", "write data 6 5 5"]
    assert of_process(stage, 1) == ["open leaf -1 0 3", "write leaf 0 4 4"]
    assert texts(stage) == {"data": b"parentagain", "leaf": b"leaf"}


def test_a_spawned_program_moves_our_position(programs, stage):
    assert stage.run(programs("family"), "spawn").returncode == 0
    assert of_process(stage, 0) == ["open data -1 0 3", "write data 0 6 6", "write data 10 5 5"]


def test_exec_closes_the_trace_and_the_next_program_has_one(programs, stage):
    assert stage.run(programs("family"), "exec").returncode == 0
    assert len(stage.names()) == 3  # one before each exec, and one after: the first failed
    assert of_process(stage, 0) == ["open data -1 0 3", "write data 0 6 6"]
    assert of_process(stage, 1) == ["write data 6 10 10"]
    assert of_process(stage, 2) == ["open leaf -1 0 4", "write leaf 0 4 4"]
    assert all(is_closed(path) for path in stage.trace_dir.iterdir())


def is_closed(path):
    header = np.fromfile(path, HEADER, 1)[0]
    held = (path.stat().st_size - int(header["header_bytes"])) // 80
    return bool(header["state"] & State.CLOSED) and held == header["count"]


@pytest.mark.parametrize(("way", "status"), [("exit", 3), ("quick", 4), ("closing", 0)])
def test_ways_to_end_close_the_trace(programs, stage, way, status):
    assert stage.run(programs("family"), way).returncode == status
    (path,) = stage.trace_dir.iterdir()
    assert is_closed(path)
    assert of_process(stage, 0) == ["open data -1 0 3", "write data 0 6 6"]


def test_a_killed_program_leaves_a_readable_trace(programs, stage):
    assert stage.run(programs("family"), "kill").returncode == -9
    (path,) = stage.trace_dir.iterdir()
    assert not is_closed(path)
    assert of_process(stage, 0) == ["open data -1 0 3", "write data 0 6 6"]
    follower = Follower(stage.trace_dir)
    assert len(follower.poll(everything=True)) == 2


def test_a_library_that_is_earlier_and_later_than_ours(programs, stage):
    assert stage.run(programs("early")).returncode == 0
    assert texts(stage) == {"early": b"beforemainafter"}
    assert told(stage.trace())[:3] == [
        "OPEN open early -1 0 3",
        "WRITE write early 0 6 6",
        "WRITE write early 6 4 4",
    ]


def test_a_bound_is_kept_and_what_is_beyond_is_counted(programs, stage):
    room = 262144 + 100 * 80
    done = stage.run(programs("calls"), PIOTUTOR_CAPTURE_BYTES=str(room))
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert told(stage.trace()) == lines[:100]
    assert stage.trace().dropped == len(lines) - 100
    (path,) = stage.trace_dir.iterdir()
    assert path.stat().st_size == room


def test_a_bound_that_no_disk_has_is_none(programs, stage):
    stage.run(programs("family"), "exit", PIOTUTOR_CAPTURE_BYTES=str(1 << 62))
    assert len(stage.trace()) == 2


def test_a_full_disk_is_counted_and_disturbs_nobody(programs, stage, tmp_path):
    unshare = shutil.which("unshare") or ""
    disk = tmp_path / "disk"
    disk.mkdir()
    inside = [unshare, "-Urm", "sh", "-c"]
    mounted = f"mount -t tmpfs -o size=600k none {disk} && "
    if not unshare or subprocess.run([*inside, mounted + "true"], check=False).returncode:
        pytest.skip("no namespaces here in which to mount a small disk")
    script = f"{mounted} LD_PRELOAD=$0 $1 && cp {disk}/* {stage.trace_dir}"
    program = programs("crowd")
    capture = {"PIOTUTOR_CAPTURE_DIR": str(disk), "PIOTUTOR_CAPTURE_PREFIX": f"{stage.here}/data"}
    command = [*inside, script, interposer(), str(program)]
    subprocess.run(command, cwd=stage.here, env=os.environ | capture, check=True)
    trace = stage.trace()
    assert 1000 < len(trace) < 8000
    assert len(trace) + trace.dropped == 1 + 8 * 1000 + 1


def test_no_place_for_a_trace_disturbs_nobody(programs, stage):
    alone = stage.run_alone(programs("calls"))
    for where in ("/proc/nowhere", str(stage.here / "missing")):
        shutil.rmtree(stage.here)
        stage.here.mkdir()
        done = stage.run(programs("calls"), PIOTUTOR_CAPTURE_DIR=where)
        assert (done.returncode, done.stderr) == (0, b"")
        assert len(done.stdout.splitlines()) == len(alone.stdout.splitlines())
    assert stage.names() == []


def test_a_small_limit_of_file_sizes_is_no_signal(programs, stage):
    """Reserving more than a process may write would kill it."""
    command = ["sh", "-c", f"ulimit -f 1024; exec {programs('family')} exit"]
    assert stage.run(*command).returncode == 3
    assert len(stage.trace()) == 2


def test_inert_without_a_directory(programs, stage):
    done = stage.run(programs("calls"), PIOTUTOR_CAPTURE_DIR="")
    assert done.returncode == 0
    assert stage.names() == []


def test_prefixes_narrow(programs, stage):
    prefixes = f"{stage.here}/da\n{stage.here}/text"
    stage.run(programs("calls"), PIOTUTOR_CAPTURE_PREFIX=prefixes)
    assert {Path(name).name for name in stage.trace().files} == {"data", "text"}


def test_skipped_trees(programs, stage):
    skip = f"{stage.here}/data\n{stage.here}/tex"
    stage.run(programs("calls"), PIOTUTOR_CAPTURE_SKIP=skip)
    names = {Path(name).name for name in stage.trace().files}
    assert "data" not in names
    assert {"text", "from", "to"} <= names  # "tex" is no tree that it lies in


def test_the_trace_itself_is_not_recorded(programs, stage):
    stage.run(programs("family"), "exit", PIOTUTOR_CAPTURE_DIR=str(stage.here))
    assert list(stage.here.glob("*.piot")) == []


def test_names_that_json_escapes(stage, programs):
    odd = stage.here / 'a "b" \\ \x01 é'
    odd.mkdir()
    stage.here = odd
    stage.run(programs("family"), "exit")
    assert stage.trace().files == [f"{odd}/data"]


def test_the_rules_are_those_of_python():
    found = re.findall(r'\{(\w+), "([^"]+)"\}', (SOURCES / "names.c").read_text())
    for kind in ("BELOW", "STARTS", "ENDS", "CONTAINS", "NUMBERED"):
        assert [text for one, text in found if one == kind] == list(getattr(interest, kind))


COMMANDS = {
    "cat": "cat in in > out1; cat < in",
    "dd": "dd if=in of=out bs=7 skip=2 conv=fsync status=none; cat out",
    "cp": "cp in a; cp --sparse=always a b; mv b c; ls; cat c",
    "sort": "sort -r in -o out; head -c 20 out; tail -n 2 in; wc in",
    "sed": "sed -i s/1/x/g in; cat in; grep -c x in",
    "tar": "tar cf x.tar in; rm in; tar xf x.tar; cat in",
    "gzip": "gzip -k in; gzip -dc in.gz",
    "sqlite3": "sqlite3 x.db 'create table t(a); insert into t values (1), (2)'; "
    "sqlite3 x.db 'select sum(a) from t'",
    "git": "git init -q .; git add in; git -c user.name=a -c user.email=b commit -qm m; "
    "git status --short; git show --stat --format=%s",
    "python3": """python3 -c "
import subprocess, tempfile, os, mmap
open('p', 'w').write('text')
print(open('p').read(), subprocess.run(['cat', 'in'], capture_output=True).stdout[:9])
f = tempfile.TemporaryFile(); f.write(b'abc'); f.seek(0); print(f.read())
os.posix_fallocate(os.open('q', os.O_CREAT | os.O_RDWR), 0, 10); print(os.path.getsize('q'))
" """,
    "perl": """perl -e 'open(F, "in"); print scalar(<F>); open(G, ">o"); print G "x"; close(G)'""",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_other_peoples_programs_do_the_same(name, tmp_path):
    if subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True).returncode:
        pytest.skip(f"there is no {name} here")
    runs = []
    for way in ("run_alone", "run"):
        (tmp_path / way).mkdir()
        stage = Stage(tmp_path / way)
        (stage.here / "in").write_text("".join(f"{i}\n" for i in range(50)))
        done = getattr(stage, way)("sh", "-c", COMMANDS[name])
        runs.append((done.returncode, done.stdout, done.stderr))
    assert runs[0] == runs[1]
    assert runs[0][0] == 0, runs[0]
    assert len(stage.trace()) > 3


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_the_sources_compile_without_a_warning(cc, tmp_path):
    build_library(tmp_path / "library.so", "-O2", "-Wall", "-Wextra", "-Werror", cc=cc)


def test_sanitizers_find_nothing(tmp_path, stage):
    checks = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
    try:
        library = build_library(tmp_path / "library.so", *checks)
        program = build("calls", tmp_path, *checks)
        crowd = build("crowd", tmp_path, *checks)
        family = build("family", tmp_path, *checks)
        everyday = build("everyday", tmp_path, *checks)
    except subprocess.CalledProcessError:
        pytest.skip("this compiler has no sanitizers")
    runtime = subprocess.run(
        [compiler(), "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    ).stdout.strip()
    preload = f"{runtime}:{library}"
    quiet = {"ASAN_OPTIONS": "detect_leaks=0"}
    done = stage.run(program, preload=preload, **quiet)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(stage.trace()) > 100
    for command in ((crowd,), (family, "fork"), (family, "vfork"), (family, "exec")):
        done = stage.run(*command, preload=preload, **quiet)
        assert (done.returncode, done.stderr) == (0, b""), command
    slow = {} if why_not() else emulation(tmp_path, stage.here)
    for words in (("maps", "a"), ("async", "b", "c")) if slow else ():
        done = stage.run(everyday, *words, preload=preload, **quiet, **slow)
        assert (done.returncode, done.stderr) == (0, b""), words


def emulation(directory, prefix):
    """Make a world whose requests take 50 ms each; return what tells of it to a program."""
    path = directory / "world"
    machine = Machine(clients=1, targets=1, target_overhead=5e-2, dirty_limit=0)
    SharedWorld(path, machine, stripe_size=1 << 20, stripe_count=1)
    about = {"PREFIX": prefix, "WORLD": path, "LIBRARY": library_path()}
    return {f"PIOTUTOR_EMULATE_{name}": str(value) for name, value in about.items()}
