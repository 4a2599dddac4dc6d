"""The command line with real ranks, as people and scripts use it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from piotutor import cli

pytestmark = [pytest.mark.mpi, pytest.mark.usefixtures("mpi", "spotless")]
COMMAND = [sys.executable, "-m", "piotutor"]
PATIENCE = 60
LONG = ["-n", "2", "-t", "8", "-b", "32m", "-s", "4", "-Y", "-w"]


def split(line):
    """Split a line into words, as a shell would."""
    return line.split()


def run_json(capsys, *arguments):
    """Run, which must go well, and return the result."""
    code = cli.main(["run", *arguments, "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out)


def test_done_when(capsys):
    words = split("-a MPIIO -c -n 4 -t 47008 -b 47008 -s 200 -w -r -R")
    result = run_json(capsys, *words)
    assert result["provenance"] == "measured"
    assert [phase["op"] for phase in result["phases"]] == ["write", "read"]
    for phase in result["phases"]:
        assert (phase["operations"], phase["bytes"]) == (800, 800 * 47008)
        assert phase["bandwidth"] == pytest.approx(phase["bytes"] / phase["seconds"])
        assert set(phase["latency"]) >= {"p50", "p95", "p99", "max"}
    assert result["layers"]["app"]["write"] == {"operations": 800, "bytes": 800 * 47008}
    assert result["verified_bytes"] == 800 * 47008
    assert result["verified_from"] in ("after-evict", "cache")
    assert set(result["hints"]) == {"requested", "echoed", "verified"}
    assert result["dropped"] == 0
    assert isinstance(result["environment"], dict)
    assert result["targets"] == []
    found = {verdict["name"]: verdict["found"] for verdict in result["verdicts"]}
    assert len(found) == 11
    assert found["misaligned"] or result["capture"]["how"] == "none"
    assert Path(result["run_dir"]).is_dir()


@pytest.mark.parametrize("ranks", ["1", "2"])
@pytest.mark.parametrize("api", ["POSIX", "MPIIO"])
def test_both_directions_are_verified(capsys, api, ranks):
    words = ["-a", api, "-n", ranks, "-t", "4k", "-b", "16k", "-s", "3", "-w", "-W", "-R"]
    result = run_json(capsys, *words)
    assert result["verified_bytes"] == 2 * 3 * 16384 * int(ranks)


def test_an_ior_line_and_options_do_the_same(capsys):
    line = run_json(capsys, "mpiexec -n 2 ior -a POSIX -F -t 4k -b 8k -s 2 -w -r -R")
    words = run_json(capsys, *split("-n 2 -a POSIX -F -t 4k -b 8k -s 2 -w -r -R"))
    for part in ("layers", "verified_bytes", "targets"):
        assert line[part] == words[part]


def test_repetitions_and_hints_come_through(capsys):
    words = split("-n 2 -a MPIIO -t 4k -b 4k -i 3 -w --hints cb_nodes=1")
    result = run_json(capsys, *words)
    assert [phase["repetition"] for phase in result["phases"]] == [0, 1, 2]
    assert result["hints"]["requested"] == {"cb_nodes": "1"}


def test_a_table_for_people(capsys):
    assert cli.main(["run", *split("-n 2 -t 4k -b 8k -w -r -R")]) == 0
    out, err = capsys.readouterr()
    for words in (
        "measured · ",
        ", 2 ranks",
        "ior -a POSIX",
        "write",
        "bandwidth",
        "verified: 16 KiB",
    ):
        assert words in out, words
    assert err == ""


def test_kept_data_is_read_back_and_not_overwritten(capsys, tmp_path):
    data = tmp_path / "data"
    words = ["-n", "2", "-t", "4k", "-b", "8k", "-o", str(data)]
    assert run_json(capsys, *words, "-w", "-k", "-G", "7")["phases"]
    assert data.stat().st_size == 16384
    result = run_json(capsys, *words, "-R", "-G", "7")
    assert result["verified_bytes"] == 16384
    data.write_bytes(b"mine" * 4096)
    assert cli.main(["run", *words, "-w"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert data.read_bytes() == b"mine" * 4096


def test_bad_bytes_fail_with_their_place(capsys, tmp_path):
    data = tmp_path / "data"
    words = ["-n", "2", "-t", "4k", "-b", "8k", "-o", str(data), "-G", "7"]
    run_json(capsys, *words, "-w", "-k")
    with data.open("r+b") as file:
        file.seek(5000)
        byte = file.read(1)[0]
        file.seek(5000)
        file.write(bytes([byte ^ 255]))
    assert cli.main(["run", *words, "-R"]) == 1
    err = capsys.readouterr().err
    assert "1 bad bytes" in err
    assert "offset 5,000" in err


def test_a_picture_and_a_report_of_it(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    picture, page = tmp_path / "x.png", tmp_path / "x.html"
    run_json(capsys, *split("-n 2 -t 4k -b 8k -w"), "--plot", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert cli.main(["report", "latest", "-o", str(page)]) == 0
    assert "measured" in page.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["-n", "17"],
        ["-b", "257m", "-n", "1"],
        ["-o", "/no/such/directory/file"],
        ["-o", "/proc/version"],
        ["-o", "/dev/null"],
        ["-o", "/tmp"],
        ["--directory", "/no/such/directory"],
        ["-r"],
        ["-r", "-o", "/no/such/file"],
        ["-a", "MPIIO", "--hints", "striping_factor=x=y,,"],
        ["--limit", "1k"],
        split("--posix.odirect -t 1000 -b 1000"),
    ],
    ids=" ".join,
)
def test_what_can_not_be_run_is_one_line_and_2(capsys, arguments):
    assert cli.main(["run", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("piotutor: ")
    assert err.count("\n") == 1


def test_a_timeout_is_one_line_and_1(capsys):
    assert cli.main(["run", *LONG, "--timeout", "1"]) == 1
    err = capsys.readouterr().err
    assert "the job was ended" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_job_ends_with_the_command(number, state, eventually, living):
    with subprocess.Popen(
        [*COMMAND, "run", *LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        eventually(lambda: list((state / "runs").glob("*/trace/rank-00001.piot")))
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert out == b""
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert err == b"piotutor: stopped\n"
    eventually(lambda: not living())


def on_a_terminal(*arguments):
    """Run with standard error on a terminal; return code, output and what was painted."""
    main, terminal = pty.openpty()
    env = {**os.environ, "COLUMNS": "100", "LINES": "30", "TERM": "xterm"}
    with subprocess.Popen(
        [*COMMAND, "run", *arguments], stdout=subprocess.PIPE, stderr=terminal, env=env
    ) as process:
        os.close(terminal)
        painted = b""
        try:
            while chunk := os.read(main, 4096):
                painted += chunk
        except OSError:  # the other end is closed
            pass
        os.close(main)
        out, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, out.decode(), painted.decode()


def test_a_bar_on_a_terminal_that_is_gone_in_the_end():
    code, out, painted = on_a_terminal(*split("-n 2 -t 4k -b 64k -w -r --json"))
    assert code == 0
    assert json.loads(out)["phases"]
    assert painted.endswith("\r\x1b[K")


def test_a_live_map_on_a_terminal():
    code, _, painted = on_a_terminal(*split("-n 2 -t 8 -b 256k -w --live"))
    assert code == 0
    assert "offset (0 to 512 KiB) x rank" in painted
    last = painted.split("offset (0 to")[-1]
    assert "rank   0 |" in last
    assert last.count("#") >= 2 * 40


def test_without_a_terminal_nothing_is_painted(capsys):
    assert cli.main(["run", *split("-n 2 -t 4k -b 64k -w --live")]) == 0
    assert capsys.readouterr().err == ""
