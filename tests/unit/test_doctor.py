"""The doctor tells what is here, with a fix for what isn't, whatever it meets."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from piotutor import doctor
from piotutor.capture import Mount, UnavailableError, preload
from piotutor.doctor import capture, machine, place, stack, storages, tools
from piotutor.doctor.capability import Capability, ask
from piotutor.errors import RunError, UsageError
from piotutor.launch.local import Local
from piotutor.storage import probe
from piotutor.storage.ceph import binaries

NAMES = {
    *("system", "Python", "cores", "memory", "container limits"),
    *("MPI", "MPI-IO", "one MPI", "h5py", "parallel HDF5"),
    *(
        "file system",
        "layout",
        "direct I/O",
        "page cache",
        "eviction",
        "device counters",
        "file locks",
    ),
    *("live views", "C compiler", "strace", "Slurm", "Lustre", "BeeGFS", "DAOS", "ceph"),
    *("Darshan", "interposer", "block requests", "slowed servers"),
}


def program(directory, name, body):
    """Make a program of that name."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def only_here(tmp_path, monkeypatch):
    """Leave one empty directory on the PATH, and return it."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return directory


@pytest.fixture
def kind(monkeypatch):
    """Return a function that pretends another kind of file system."""

    def pretend(name):
        for module in (place, probe):
            monkeypatch.setattr(module, "mount_of", lambda path: Mount("/", name, "source"))

    return pretend


@pytest.mark.mpi
def test_everything_is_told_and_nothing_is_left(tmp_path, mpi, spotless, state):
    here = tmp_path / "here"
    here.mkdir()
    card = doctor.card(here)
    found = {capability["name"]: capability for capability in card.to_dict()["capabilities"]}
    assert set(found) == NAMES
    assert all(c["ok"] or c["fix"] or c["detail"] for c in found.values())
    assert found["MPI-IO"]["ok"], found["MPI-IO"]
    assert list(here.iterdir()) == []
    assert list((state / "runs").iterdir()) == []
    assert json.loads(json.dumps(card.to_dict()))["capabilities"]


def test_names_are_unique_and_groups_are_headings():
    card = doctor.Card({"One": [Capability("a", True, "x")], "Two": [Capability("b", False, "y")]})
    assert card["b"].detail == "y"
    with pytest.raises(KeyError):
        card["c"]
    assert repr(card).splitlines() == ["One", "  ok  a  x", "", "Two", "  NO  b  y"]


def test_the_mark_is_not_by_colour_only():
    card = doctor.Card(
        {"G": [Capability("a", True, "<x>"), Capability("b", False, "y", "mend & go")]}
    )
    page = card._repr_html_()
    assert "&#10003; yes" in page
    assert "&#10007; no" in page
    assert "&lt;x&gt;" in page
    assert "mend &amp; go" in page
    assert "\x1b" not in repr(card)


def test_long_lines_are_wrapped_under_their_column():
    capability = Capability("a", True, "word " * 40)
    lines = doctor.table({"G": [capability]}, width=60).splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert lines[2].startswith("         word")


def test_a_check_that_breaks_is_one_line_of_the_card(monkeypatch):
    def broken_thing(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(doctor, "_GROUPS", {"G": (broken_thing,)})
    (capability,) = doctor.capabilities("/")["G"]
    assert (capability.name, capability.ok) == ("broken thing", False)
    assert "Input/output error" in capability.detail


@pytest.mark.parametrize("path", ["/no/such/place", "/dev/null"])
def test_a_path_that_is_no_directory(path):
    with pytest.raises(UsageError, match="not a directory"):
        doctor.capabilities(path)


def test_the_default_path_is_where_data_goes(state, tmp_path, monkeypatch):
    assert place.resolve(None) == state
    monkeypatch.setenv("PIOTUTOR_SCRATCH", str(tmp_path))
    assert place.resolve(None) == tmp_path


# programs that are asked


def test_ask_survives_what_programs_do(tmp_path):
    assert ask([str(program(tmp_path, "good", "echo 1.0"))]) == (True, "1.0")
    assert ask([str(program(tmp_path, "bad", "echo oh >&2; exit 3"))]) == (False, "oh")
    assert "ended with 4" in ask([str(program(tmp_path, "dumb", "exit 4"))])[1]
    assert "No such file" in ask([str(tmp_path / "none")])[1]
    assert ask([str(program(tmp_path, "bytes", "printf '\\377'"))])[0]
    hanging = program(tmp_path, "hanging", "exec sleep 60")
    assert "no answer in 0.2 s" in ask([str(hanging)], timeout=0.2)[1]
    crashing = program(tmp_path, "crashing", "kill -SEGV $$")
    assert not ask([str(crashing)])[0]


# the machine


def test_tiers(tmp_path):
    assert machine.tier(tmp_path, "Linux", "6.1.0") == "Linux"
    assert machine.tier(tmp_path, "Darwin", "23.0") == "macOS"
    assert machine.tier(tmp_path, "Linux", "5.15-microsoft-standard-WSL2") == "WSL2"
    assert machine.tier(tmp_path, "FreeBSD", "14") == "FreeBSD"


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv"])
def test_containers_by_their_marks(tmp_path, mark):
    (tmp_path / mark).parent.mkdir(exist_ok=True)
    (tmp_path / mark).touch()
    assert machine.tier(tmp_path, "Linux", "6.1") == "Linux in a container"


def test_containers_by_their_root(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mounts").write_text("overlay / overlay rw 0 0\n")
    assert machine.tier(tmp_path, "Linux", "6.1") == "Linux in a container"


@pytest.mark.parametrize("kind", ["macOS", "WSL2", "Linux in a container", "FreeBSD"])
def test_every_tier_but_linux_says_what_is_lost(monkeypatch, kind):
    monkeypatch.setattr(machine, "tier", lambda: kind)
    assert machine.system(Path("/")).fix


def test_limits_of_both_versions_of_control_groups(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("4:memory:/a/b\n1:cpu:/c\n0::/hub/user\n")
    for name, text in {
        "memory/a/memory.limit_in_bytes": "1073741824",
        "memory/a/b/memory.limit_in_bytes": "9223372036854771712",
        "cpu/c/cpu.cfs_quota_us": "150000",
        "cpu/c/cpu.cfs_period_us": "100000",
        "hub/user/cpu.max": "max 100000",
        "hub/user/memory.max": "max",
    }.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert machine.cgroup_limits(tmp_path) == {"memory": "1 GiB", "cores": "1.5"}
    (tmp_path / "sys/fs/cgroup/hub/cpu.max").write_text("50000 100000")
    (tmp_path / "sys/fs/cgroup/cpu/c/cpu.cfs_quota_us").write_text("-1")
    assert machine.cgroup_limits(tmp_path)["cores"] == "0.5"


def test_no_control_groups_at_all(tmp_path):
    assert machine.cgroup_limits(tmp_path) == {}


# the path


def test_a_path_that_can_not_be_written(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(place.tempfile, "NamedTemporaryFile", refuse)
    monkeypatch.setattr(place.os, "access", lambda *args, **kwargs: False)
    assert not place.file_system(tmp_path).ok
    for check in (place.direct_io, place.file_locks):
        capability = check(tmp_path)
        assert not capability.ok
        assert "Read-only" in capability.detail
    assert not place.page_cache(tmp_path)[0].ok


def test_memory_has_no_eviction_no_device(tmp_path):
    shared = Path("/dev/shm")
    if place.mount_of(shared).kind != "tmpfs" or not os.access(shared, os.W_OK):
        pytest.skip("no tmpfs here")
    evicted = place.page_cache(shared)[1]
    assert not evicted.ok
    assert "tmpfs is memory" in evicted.detail
    assert "disk" in evicted.fix
    assert not place.device_counters(shared).ok
    assert not [path for path in shared.iterdir() if path.name.startswith(".piotutor-doctor")]


def test_counters_that_are_hidden(monkeypatch, tmp_path):
    def hidden(path):
        raise UnavailableError("no counters for the overlay at / (a container?)")

    monkeypatch.setattr(place, "find_device", hidden)
    capability = place.device_counters(tmp_path)
    assert not capability.ok
    assert capability.fix


def test_no_direct_io_is_said(monkeypatch, tmp_path):
    def none(name):
        raise UsageError("the file system offers no direct I/O")

    monkeypatch.setattr(place, "direct_alignment", none)
    assert not place.direct_io(tmp_path).ok


def test_locks_that_are_refused(monkeypatch, tmp_path):
    def refuse(*args):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(place.fcntl, "lockf", refuse)
    capability = place.file_locks(tmp_path)
    assert not capability.ok
    assert "flock" in capability.fix


def test_the_layout_of_a_parallel_file_system(only_here, kind, tmp_path):
    kind("ext4")
    assert place.layout(tmp_path).detail == "ext4: not striped"
    kind("lustre")
    capability = place.layout(tmp_path)
    assert not capability.ok
    assert "lfs is not on the PATH" in capability.detail
    program(only_here, "lfs", 'echo "stripe_count: 1"; echo "stripe_size: 1048576"')
    capability = place.layout(tmp_path)
    assert capability.ok
    assert capability.detail == "1 stripe of 1 MiB"


# MPI and HDF5


@pytest.fixture
def launcher(monkeypatch):
    """Return a function that pretends another result of the search for MPI."""

    def pretend(**fields):
        monkeypatch.setattr(stack.Local, "find", lambda *args: Local(**fields))

    return pretend


def test_no_mpi_says_what_to_do(launcher, tmp_path):
    launcher(problem="mpi4py can't be loaded: install both")
    first, second = stack.mpi(tmp_path)
    assert (first.ok, first.detail, first.fix) == (False, "mpi4py can't be loaded", "install both")
    assert not second.ok


def test_an_mpi_that_breaks_is_told_not_raised(launcher, monkeypatch, tmp_path):
    def broken(work, **options):
        raise RunError("a rank was killed: Segmentation fault\n(details)")

    launcher(mpiexec="/usr/bin/mpiexec", family="mpich", library="MPICH 4.0")
    monkeypatch.setattr(stack.runner, "run_sync", broken)
    _, mpi_io = stack.mpi(tmp_path)
    assert not mpi_io.ok
    assert "Segmentation fault" in mpi_io.detail


@pytest.mark.parametrize(
    ("kind", "driver", "warned"),
    [
        ("lustre", "UFS: Generic ROMIO driver", True),
        ("lustre", "LUSTRE:", False),
        ("ext4", "UFS: Generic ROMIO driver", False),
    ],
)
def test_a_generic_driver_on_lustre_is_a_warning(monkeypatch, tmp_path, kind, driver, warned):
    class Place:
        pass

    Place.kind = kind
    monkeypatch.setattr(stack.storage, "at", lambda path: Place)
    assert bool(stack._driver_advice(tmp_path, driver)) == warned


def answer(monkeypatch, fine, text):
    monkeypatch.setattr(stack, "ask", lambda *args, **kwargs: (fine, text))


def test_two_libraries_in_one_process(monkeypatch, tmp_path, only_here):
    answer(monkeypatch, True, json.dumps(["/a/libmpi.so.12", "/b/libmpich.so.12"]))
    capability = stack.one_mpi(tmp_path)
    assert not capability.ok
    assert "/a/libmpi.so.12 and /b/libmpich.so.12" in capability.detail


def test_other_mpiexecs_are_named(monkeypatch, launcher, tmp_path, only_here):
    other = program(only_here, "mpiexec", "")
    launcher(mpiexec="/somewhere/else/mpiexec")
    answer(monkeypatch, True, json.dumps(["/a/libmpi.so.12"]))
    capability = stack.one_mpi(tmp_path)
    assert capability.ok
    assert str(other) in capability.fix


def test_h5py_that_is_serial(monkeypatch, tmp_path):
    answer(monkeypatch, True, '{"h5py": "3.16.0", "hdf5": "2.0", "mpi": false}')
    serial, parallel = stack.hdf5(tmp_path)
    assert serial.ok
    assert "serial" in serial.detail
    assert not parallel.ok
    assert parallel.fix


def test_h5py_that_is_missing(monkeypatch, tmp_path):
    answer(monkeypatch, False, "ModuleNotFoundError: No module named 'h5py'")
    assert [capability.ok for capability in stack.hdf5(tmp_path)] == [False, False]


# other tools


def test_tools_that_are_here_broken_or_missing(only_here, tmp_path):
    program(only_here, "srun", "echo")
    program(only_here, "sbatch", "echo 'slurm 22.05'; echo more")
    program(only_here, "lfs", "exit 1")
    found = {capability.name: capability for capability in tools.programs(tmp_path)}
    assert (found["Slurm"].ok, found["Slurm"].detail) == (True, "slurm 22.05")
    assert not found["Lustre"].ok
    assert all(capability.fix for capability in found.values() if not capability.ok)


def test_a_ceph_that_is_here_broken_or_missing(only_here, tmp_path, monkeypatch):
    monkeypatch.setenv("PIOTUTOR_CEPH", str(tmp_path))
    missing = storages.ceph(tmp_path)
    assert not missing.ok
    assert "ceph-mon is missing" in missing.detail
    assert "sh setup.sh ceph" in missing.fix
    for folder in ("usr/bin", "usr/lib/machine"):
        (tmp_path / folder).mkdir(parents=True)
    for name in binaries.LIBRARIES:
        (tmp_path / "usr/lib/machine" / name).touch()
    for name in binaries.PROGRAMS:
        program(tmp_path / "usr/bin", name, "echo ceph version 16.2.15 pacific")
    program(only_here, "env", 'while [ "${1#*=}" != "$1" ]; do shift; done; exec "$@"')
    found = storages.ceph(tmp_path)
    assert "version 16.2.15" in found.detail
    program(tmp_path / "usr/bin", "ceph-osd", "echo libboost_thread: not found >&2; exit 127")
    assert "libboost_thread: not found" in storages.ceph(tmp_path).detail


def test_no_compiler(only_here, tmp_path):
    assert not tools.compiler(tmp_path).ok
    program(only_here, "cc", "echo cc 12.2")
    assert tools.compiler(tmp_path).detail == "cc 12.2"


def test_slowed_servers_that_are_forbidden(only_here, tmp_path):
    for name in ("nsenter", "ip", "tc"):
        program(only_here, name, "exit 0")
    program(only_here, "unshare", "echo 'unshare: Operation not permitted' >&2; exit 1")
    capability = storages.slowed_servers(tmp_path)
    assert not capability.ok
    assert "not permitted" in capability.detail
    assert "delay=0.02@1" in capability.fix


def test_widgets_that_are_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    capability = tools.widgets(tmp_path)
    assert not capability.ok
    assert "pip install anywidget" in capability.fix


# the layers below


def test_the_interposer_is_tried(tmp_path, monkeypatch):
    found = capture.interposer(tmp_path)
    assert found.ok == (not preload.why_not())
    assert found.ok or found.fix
    wrong = tmp_path / "wrong.so"
    wrong.write_text("no library")
    monkeypatch.setattr(preload, "library", lambda: wrong)
    found = capture.interposer(tmp_path)
    assert not found.ok
    assert "records nothing" in found.detail
    assert "install piotutor again" in found.fix
    monkeypatch.setattr(preload, "library", lambda: None)
    found = capture.interposer(tmp_path)
    assert (found.ok, found.detail) == (False, "the interposer isn't built")
    assert "C compiler" in found.fix


def test_strace_is_tried(only_here, tmp_path):
    found = capture.system_calls(tmp_path)
    assert (found.ok, "install it" in found.fix) == (False, True)
    program(only_here, "strace", "echo 'strace: ptrace: Operation not permitted' >&2; exit 1")
    found = capture.system_calls(tmp_path)
    assert not found.ok
    assert "not permitted" in found.fix
    assert "SYS_PTRACE" in found.fix
    program(only_here, "strace", "exit 0")
    assert capture.system_calls(tmp_path).ok


@pytest.mark.parametrize("answer", [(True, "through tracefs"), (False, "only root may open it")])
def test_block_requests(monkeypatch, tmp_path, answer):
    monkeypatch.setattr(capture.block, "permitted", lambda: answer)
    found = capture.requests(tmp_path)
    assert found.ok == answer[0]
    assert answer[1] in found.detail
    assert ("as root" in found.fix) == (not answer[0])
