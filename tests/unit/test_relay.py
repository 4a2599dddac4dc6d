"""A relay writes what it should, and nothing else, whoever connects."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from contextlib import suppress

import pytest

from piotutor.launch import away, relay, sender
from piotutor.launch.frames import (
    CHECK,
    HEAD,
    HELLO,
    JOB,
    PIECE,
    WHOLE,
    WRITE,
    Frame,
    receive,
    send,
)
from piotutor.trace import Layer, Op, Trace, TraceError, TraceWriter

APP = {"layer": Layer.APP, "op": Op.WRITE}


@pytest.fixture
def run_dir(tmp_path):
    """Return a run directory with a job file."""
    place = tmp_path / "base/run"
    (place / "trace").mkdir(parents=True)
    (place / "job.json").write_text('{"format": 1}')
    return place


@pytest.fixture
def served(run_dir):
    """Serve a run directory in a thread; return the relay."""
    server = relay.Relay(run_dir)
    ended, end = os.pipe()
    thread = threading.Thread(target=server.serve, args=(ended,))
    thread.start()
    with server.server:
        yield server
        os.close(end)
        thread.join(60)
        assert not thread.is_alive()
    os.close(ended)


def variables(server, token=""):
    return {away.ADDRESS: server.address, away.TOKEN: token or server.token}


@pytest.fixture
def connection(served):
    """Return a connection with the greetings over."""
    with away.connect(variables(served)) as connection:
        assert receive(connection) == Frame(JOB, "job.json", 0, b'{"format": 1}')
        yield connection


def is_cut_off(connection):
    """Say whether the other side ends the connection, without a word."""
    connection.settimeout(60)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def files_below(place):
    return sorted(path.name for path in place.rglob("*") if path.is_file())


def test_a_file_arrives_piece_by_piece(connection, run_dir):
    send(connection, Frame(WRITE, "rank-00003.piot", 4, b"back"))
    send(connection, Frame(WRITE, "rank-00003.piot", 0, b"frnt"))
    send(connection, Frame(WRITE, "rank-00003.piot", 8, b"too much"))
    send(
        connection,
        Frame(CHECK, "rank-00003.piot", 8, zlib.crc32(b"frntback").to_bytes(4, "little")),
    )
    assert receive(connection).data == b"\1"
    send(connection, Frame(CHECK, "rank-00003.piot", 8, b"abcd"))
    assert receive(connection).data == b"\0"
    path = run_dir / "trace/rank-00003.piot"
    assert path.read_bytes() == b"frntback" and path.stat().st_mode & 0o777 == 0o600


def test_small_files_arrive_whole(connection, run_dir):
    send(connection, Frame(WHOLE, "error-00001.json", 0, b"{}"))
    send(connection, Frame(WHOLE, "clocks.json", 0, b"[]"))
    send(connection, Frame(WRITE, "below-00001-17-2.piot", 0, b""))
    send(connection, Frame(CHECK, "below-00001-17-2.piot", 0, bytes(4)))
    assert receive(connection).data == b"\1"
    assert (run_dir / "error-00001.json").read_bytes() == b"{}"
    assert (run_dir / "trace/clocks.json").read_bytes() == b"[]"


@pytest.mark.parametrize(
    "greeting",
    [
        HELLO + b"0" * 64,
        HELLO + b"\xff" * 64,
        b"GET / HTTP/1.1\r\n" + b"x" * 80,
        b"\0" * 1000,
        b"",
    ],
)
def test_who_does_not_know_the_token_is_cut_off_and_told_nothing(served, run_dir, greeting):
    host, _, port = served.address.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(greeting)
        with suppress(OSError):  # cut off already
            connection.shutdown(socket.SHUT_WR)
        assert is_cut_off(connection)
    assert files_below(run_dir) == ["job.json"]


BAD = {
    "garbage": os.urandom(64),
    "half a frame": HEAD.pack(WRITE, 15, 0, 100) + b"rank-00000.piot",
    "another kind": HEAD.pack(9, 15, 0, 0) + b"rank-00000.piot",
    "a job": HEAD.pack(JOB, 8, 0, 0) + b"job.json",
    "a long name": HEAD.pack(WRITE, 255, 0, 0) + b"r" * 255,
    "too large a frame": HEAD.pack(WRITE, 15, 0, PIECE + 1) + b"rank-00000.piot",
    "far beyond the end": HEAD.pack(WRITE, 15, 1 << 60, 1) + b"rank-00000.piot" + b"x",
    "a size beyond all": HEAD.pack(CHECK, 15, 1 << 63, 4) + b"rank-00000.piot" + b"abcd",
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_frame_ends_the_connection_and_no_other(served, connection, run_dir, bad):
    with away.connect(variables(served)) as other:
        receive(other)
        other.sendall(BAD[bad])
        with suppress(OSError):  # cut off already
            other.shutdown(socket.SHUT_WR)
        assert is_cut_off(other)
    send(connection, Frame(WHOLE, "worker.json", 0, b"{}"))
    send(connection, Frame(CHECK, "rank-00007.piot", 0, bytes(4)))
    assert receive(connection).data == b"\1"
    assert sum(path.stat().st_size for path in run_dir.rglob("*.piot")) == 0


NAMES = [
    "../rank-00000.piot",
    "trace/rank-00000.piot",
    "/etc/passwd",
    "..",
    "",
    "job.json",
    "guard.json",
    "rank-00000.piot\0",
    "rank-00000.piot\n",
    "rank-٠٠٠٠٠.piot"[:15],
    "below-00000-.piot",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [WRITE, WHOLE, CHECK])
def test_only_files_of_ranks_have_names_that_are_taken(served, run_dir, tmp_path, name, kind):
    text = name.encode()
    with away.connect(variables(served)) as connection:
        receive(connection)
        connection.sendall(HEAD.pack(kind, len(text), 0, 4) + text + b"evil")
        assert is_cut_off(connection)
    assert files_below(tmp_path / "base") == ["job.json"]
    assert (run_dir / "job.json").read_text() == '{"format": 1}'


def test_a_trace_that_is_there_is_left_alone(served, run_dir):
    path = run_dir / "trace/rank-00000.piot"
    path.write_bytes(b"mine")
    (run_dir / "trace/rank-00001.piot").symlink_to(run_dir / "job.json")
    for name in ("rank-00000.piot", "rank-00001.piot"):
        with away.connect(variables(served)) as connection:
            receive(connection)
            send(connection, Frame(WRITE, name, 0, b"evil"))
            assert is_cut_off(connection)
    assert path.read_bytes() == b"mine"
    assert (run_dir / "job.json").read_text() == '{"format": 1}'


def test_all_files_together_are_bounded(run_dir):
    files = relay.Files(run_dir, most=100)
    files.take(Frame(WRITE, "rank-00000.piot", 0, bytes(60)))
    files.take(Frame(WRITE, "rank-00000.piot", 10, bytes(50)))
    with pytest.raises(relay.FrameError, match="100 bytes"):
        files.take(Frame(WRITE, "rank-00001.piot", 0, bytes(41)))


# ------------------------------------------------------------------------------------ senders


@pytest.fixture
def far(tmp_path):
    """Return the run directory of a host that has its own."""
    place = tmp_path / "far/away/run"
    (place / "trace").mkdir(parents=True)
    (place / "away").write_text(str(tmp_path / "far"))
    (place / "job.json").write_text("{}")
    return place


@pytest.fixture
def start_sender(far):
    """Return a function that starts a sender, which is ended if the test doesn't."""
    started = []

    def start(server):
        process = subprocess.Popen(
            [sys.executable, "-m", "piotutor.launch.sender", str(far)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **variables(server)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def starts(path):
    """Return when the records begin that are in a trace so far."""
    try:
        return Trace.load(path, salvage=True).records["start"].tolist()
    except TraceError:
        return []


def finish(process):
    """Tell a sender that the first rank has ended; return its exit code and what it said."""
    _, said = process.communicate(timeout=60)
    return process.returncode, said.decode()


def test_a_trace_is_sent_while_it_grows_and_is_whole_in_the_end(
    served, run_dir, far, start_sender, eventually
):
    process = start_sender(served)
    with TraceWriter(far / "trace/rank-00005.piot", rank=5, files=["/data"]) as trace:
        for number in range(100):
            trace.append(**APP, start=number, end=number)
        there = run_dir / "trace/rank-00005.piot"
        eventually(lambda: starts(there) == list(range(100)))
        gap = trace.claim(1)
        trace.append(**APP, start=101, end=101)
        eventually(lambda: starts(there) == [*range(100), 101])
        gap.records["start"] = gap.records["end"] = 100
        gap.records["op"], gap.records["layer"] = Op.WRITE, Layer.APP
        trace.add_file("/more")
    (far / "worker.json").write_text('{"all": "well"}')
    written = (far / "trace/rank-00005.piot").read_bytes()
    assert finish(process) == (0, "")
    assert there.read_bytes() == written
    assert Trace.load(there).files == ["/data", "/more"]
    assert (run_dir / "worker.json").read_text() == '{"all": "well"}'
    assert not far.exists() and not far.parent.parent.exists()


def test_a_sender_that_dies_leaves_what_it_had_sent(served, run_dir, far, start_sender, eventually):
    process = start_sender(served)
    with TraceWriter(far / "trace/rank-00000.piot", rank=0) as trace:
        trace.append(**APP, start=1, end=2)
        there = run_dir / "trace/rank-00000.piot"
        eventually(lambda: starts(there) == [1])
        process.kill()
    eventually(lambda: not served.busy)
    assert Trace.load(there, salvage=True).records["start"].tolist() == [1]


def test_a_sender_says_when_its_relay_has_died_and_tidies_up(tmp_path, run_dir, far, start_sender):
    server = relay.Relay(run_dir)
    server.server.close()
    code, said = finish(start_sender(server))
    assert code == 1 and "nothing more of this host" in said
    assert not far.exists()


def test_a_sender_that_is_told_to_end_sends_what_there_is(
    served, run_dir, far, start_sender, eventually
):
    process = start_sender(served)
    with TraceWriter(far / "trace/rank-00000.piot", rank=0) as trace:
        trace.append(**APP, start=1, end=2)
        eventually((run_dir / "trace/rank-00000.piot").exists)
        trace.append(**APP, start=3, end=4)
        process.terminate()
        process.wait(60)
    there = Trace.load(run_dir / "trace/rank-00000.piot", salvage=True)
    assert there.records["start"].tolist() == [1, 3]


def test_a_copy_that_differs_is_sent_again(served, run_dir, far):
    path = far / "trace/rank-00000.piot"
    with TraceWriter(path, rank=0) as trace:
        trace.append(**APP, start=1, end=2)
    with away.connect(variables(served)) as connection:
        receive(connection)
        mine = sender.Sender(far, connection)
        mine.look()
        send(connection, Frame(WRITE, path.name, 500, b"noise"))
        assert mine.finish() == []
    assert (run_dir / "trace" / path.name).read_bytes() == path.read_bytes()


# ---------------------------------------------------------------------------- a rank that is away


def test_a_host_makes_the_run_directory_that_it_does_not_see(served, tmp_path, monkeypatch):
    monkeypatch.setattr(away, "LATE", 0.0)
    job = tmp_path / "home/state/run/job.json"
    assert away.arrive(job, variables(served))
    assert job.read_text() == '{"format": 1}' and (job.parent / "trace").is_dir()
    assert away.arrive(job, {})  # another rank of the same host
    away.remove(job.parent)
    assert not (tmp_path / "home").exists() and tmp_path.exists()


def test_a_host_that_sees_the_run_directory_asks_nobody(run_dir):
    assert not away.arrive(run_dir / "job.json", {})
    away.remove(run_dir)
    assert run_dir.exists()


def test_why_a_run_directory_is_not_there_is_one_line(served, tmp_path, monkeypatch):
    monkeypatch.setattr(away, "LATE", 0.0)
    job = tmp_path / "run2/job.json"
    with pytest.raises(away.UsageError, match="relay=ADDRESS"):
        away.arrive(job, {})
    with pytest.raises(away.UsageError, match="can't reach the relay at 127"):
        away.arrive(job, variables(served, token="0" * 64))
    (tmp_path / "file").write_text("")
    with pytest.raises(away.UsageError, match="can't make it either"):
        away.arrive(tmp_path / "file/run/job.json", variables(served))


# ------------------------------------------------------------------------------- its own process


def test_a_relay_as_a_process_ends_with_its_guard(run_dir):
    started = relay.Started(run_dir, "127.0.0.1")
    with away.connect(started.env) as connection:
        assert receive(connection).kind == JOB
    assert started.finish() == ""
    assert started.env[away.TOKEN] not in (run_dir / relay.LOG).read_text()


def test_a_relay_waits_for_who_is_still_sending(run_dir):
    started = relay.Started(run_dir, "127.0.0.1")
    with away.connect(started.env) as connection:
        receive(connection)
        started.process.stdin.close()
        send(connection, Frame(WHOLE, "worker.json", 0, b"{}"))
    assert started.finish() == ""
    assert (run_dir / "worker.json").read_bytes() == b"{}"


def test_a_relay_that_died_is_told(run_dir):
    started = relay.Started(run_dir, "127.0.0.1")
    started.process.kill()
    assert "code -9" in started.finish()


def test_an_address_that_is_not_ours_is_an_error(run_dir):
    began = time.monotonic()
    with pytest.raises(OSError, match="no relay can listen on 192"):
        relay.Started(run_dir, "192.0.2.1")
    assert time.monotonic() - began < 60
