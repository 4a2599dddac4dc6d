"""Which capture is chosen, what it needs, and which files count; nothing is started."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import piotutor
from piotutor.capture import choice, preload, strace
from piotutor.errors import UsageError
from piotutor.trace import Op, Trace, interest
from piotutor.trace.interest import Interest

NAMES = Path(piotutor.__file__).parent / "capture" / "interposer" / "names.c"


@pytest.fixture
def here(monkeypatch, tmp_path):
    """Return a function that says what can be had: a library, strace."""

    def set_up(*, library=True, traces=True):
        found = tmp_path / "interposer.so" if library else None
        monkeypatch.setattr(preload, "library", lambda: found)
        monkeypatch.setattr(strace, "why_not", lambda: "" if traces else "strace: no")

    return set_up


@pytest.mark.parametrize(
    ("library", "traces", "how"),
    [(True, True, "preload"), (False, True, "strace"), (False, False, "none")],
)
def test_auto_is_the_best_that_works(here, library, traces, how):
    here(library=library, traces=traces)
    found, why = choice.choose("auto")
    assert found == how
    assert ("install a C compiler" in why) == (not library)
    assert choice.choose(how)[0] == how


def test_what_is_asked_for_by_name_is_had_or_refused(here):
    here(library=False, traces=False)
    for how, fix in (("preload", "install a C compiler"), ("strace", "strace: no")):
        with pytest.raises(UsageError, match=fix) as problem:
            choice.choose(how)
        assert "\n" not in str(problem.value)
    with pytest.raises(UsageError, match="auto, preload, strace, none"):
        choice.choose("dtrace")


def test_files_on_servers_need_the_library_even_if_nothing_is_recorded(here, tmp_path):
    here(traces=False)
    told = {"run_dir": tmp_path, "interest": Interest(), "max_bytes": 1 << 20, "routed": True}
    silent = choice.prepare("none", **told)
    assert (silent.how, silent.env) == ("none", {})
    assert str(tmp_path / "interposer.so") in " ".join(silent.argv_prefix)
    assert choice.prepare("auto", **told).how == "preload"
    with pytest.raises(UsageError, match="strace sees nothing of files that are routed"):
        choice.prepare("strace", **told)
    here(library=False)
    for asked in ("auto", "preload", "none"):
        with pytest.raises(UsageError, match=r"need the interposer.*install a C compiler"):
            choice.prepare(asked, **told)


def test_strace_is_not_asked_for_where_it_is_not_needed(here, monkeypatch):
    here()
    monkeypatch.setattr(strace, "why_not", lambda: pytest.fail("strace was started"))
    assert choice.choose("auto")[0] == "preload"
    assert choice.choose("none")[0] == "none"


def test_only_ranks_are_preloaded(here, tmp_path):
    here()
    found = choice.prepare("preload", tmp_path, Interest.of(["/data/a"], [tmp_path]), 4096)
    assert "LD_PRELOAD" not in found.env
    assert found.env["PIOTUTOR_CAPTURE_DIR"] == str(tmp_path / "trace")
    assert found.env["PIOTUTOR_CAPTURE_PREFIX"] == "/data/a"
    assert found.env["PIOTUTOR_CAPTURE_SKIP"] == str(tmp_path)
    assert found.env["PIOTUTOR_CAPTURE_BYTES"] == "4096"
    assert str(tmp_path / "interposer.so") in found.argv_prefix
    told = json.loads((tmp_path / "capture.json").read_text())
    assert (told["how"], told["prefixes"]) == ("preload", ["/data/a"])


def test_another_library_stays_preloaded(here, tmp_path):
    here()
    env = preload.environment(tmp_path, Interest(), 1, {"LD_PRELOAD": "/usr/lib/other.so"})
    assert env["LD_PRELOAD"] == f"{tmp_path / 'interposer.so'}:/usr/lib/other.so"


def test_a_path_with_a_line_break_is_refused(here, tmp_path):
    here()
    with pytest.raises(UsageError, match="line break"):
        preload.environment(tmp_path, Interest.of(["/a\nb"]), 1)


def test_a_library_whose_path_can_not_be_preloaded(tmp_path, monkeypatch):
    """The loader splits LD_PRELOAD at spaces and colons: a link in the run directory does."""
    found = preload.library()
    if found is None:
        pytest.skip(preload.why_not())
    odd = tmp_path / "a b:c"
    (odd / "run").mkdir(parents=True)
    shutil.copy(found, odd / "lib.so")
    monkeypatch.setattr(preload, "library", lambda: odd / "lib.so")
    assert "PIOTUTOR_STATE" in preload.why_not(odd / "run")
    with pytest.raises(UsageError, match="space or a colon"):
        choice.choose("preload", odd / "run")
    assert choice.choose("auto", odd / "run")[0] != "preload"
    (tmp_path / "run" / "trace").mkdir(parents=True)
    env = preload.environment(
        tmp_path / "run" / "trace", Interest.of([tmp_path / "out"]), 1 << 22, {}
    )
    assert env["LD_PRELOAD"] == str(tmp_path / "run" / "interposer.so")
    dd = ["dd", "if=/dev/zero", f"of={tmp_path / 'out'}", "bs=1", "count=5", "status=none"]
    subprocess.run(dd, env={**os.environ, **env}, check=True, timeout=60)
    assert Trace.load(tmp_path / "run" / "trace").where(op=Op.WRITE).sum() == 5


def test_words_before_the_program_keep_it_as_it_is():
    """A program's words may hold anything: no shell reads them."""
    words = preload.argv_prefix({"LD_PRELOAD": "/no such;library"})
    code = "import os, sys; print([os.environ['LD_PRELOAD'], *sys.argv[1:]])"
    odd = ["a b", "$HOME", "x=y", "'\"", "*"]
    done = subprocess.run(
        [*words, sys.executable, "-c", code, *odd], capture_output=True, text=True
    )
    assert done.stdout.strip() == str(["/no such;library", *odd])


def test_strace_gets_a_place_for_its_logs(here, tmp_path):
    here(library=False)
    found = choice.prepare("auto", tmp_path, Interest(), 4096)
    assert (tmp_path / "strace").is_dir()
    assert found.how == "strace" and not found.env
    assert found.argv_prefix[0] == "sh" and "$PMI_RANK" not in found.argv_prefix[-1]
    (tmp_path / "strace").rmdir()
    assert choice.prepare("auto", tmp_path, Interest(), 4096, whole=True).argv_prefix[0] != "sh"


def test_a_run_that_is_older_than_capture(tmp_path):
    assert choice.finish(tmp_path)["how"] == "none"


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("/data/run/out.h5", True),
        ("/data/runs", True),
        ("/database/x", False),
        ("/data/skipped/x", False),
        ("/data/skipped2/x", True),
        ("/data/lib/libx.so", False),
        ("/data/lib/libx.so.6", False),
        ("/data/a.so.txt", True),
        ("/data/prog.py", False),
        ("/data/__pycache__/prog.cpython-311.pyc", False),
        ("/data/site-packages/numpy/core.txt", False),
        ("/data/hydra_hwloc_xmlfile_3PcMXi", False),
    ],
)
def test_files_that_count(path, counts):
    wanted = Interest.of(["/data/", "/data/run"], ["/data/skipped"])
    wanted = Interest(("/data/", "/data/run"), wanted.skip)
    assert (path in wanted) is counts


@pytest.mark.parametrize("path", ["/proc/self/maps", "/sys/x", "/dev/null", "/dev/shm/mpich_shm_1"])
def test_system_files_never_count(path):
    assert path not in Interest()
    assert "/dev/shm/data" in Interest()
    assert "/etc/passwd" in Interest()
    assert "/etc/passwd" not in Interest(c_library=False)


def test_the_interposer_has_the_same_rules():
    rules: dict[str, list[str]] = {}
    for where, text in re.findall(r'\{(\w+), "([^"]+)"\}', NAMES.read_text()):
        rules.setdefault(where, []).append(text)
    ours = {
        "BELOW": interest.BELOW,
        "STARTS": interest.STARTS,
        "ENDS": interest.ENDS,
        "CONTAINS": interest.CONTAINS,
        "NUMBERED": interest.NUMBERED,
    }
    assert {where: sorted(texts) for where, texts in rules.items()} == {
        where: sorted(texts) for where, texts in ours.items()
    }


def test_relative_places_are_taken_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Interest.of(["a/../b", "~"]).prefixes == (str(tmp_path / "b"), str(Path.home()))
