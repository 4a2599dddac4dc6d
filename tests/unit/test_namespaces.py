"""Networks of one's own: the words, and real ones in which what passes a server is counted."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from piotutor.capture import UnavailableError
from piotutor.storage import namespaces
from piotutor.storage.namespaces import Network

SIZE = 1 << 20
# Sends SIZE bytes to a server at each address that is named, one after the other.
SEND = f"""
import socket, sys
for place in sys.argv[1:]:
    with socket.create_server((place, 0)) as server:
        with socket.create_connection(server.getsockname()) as one, server.accept()[0] as other:
            for _ in range({SIZE} >> 16):
                one.sendall(bytes(1 << 16))
                got = 0
                while got < 1 << 16:
                    got += len(other.recv(1 << 16))
"""
SHOWN = """class htb 1:1 root prio 0 rate 200Mbit ceil 200Mbit burst 65500b cburst 65500b
 Sent 42009255 bytes 1306 pkt (dropped 0, overlimits 644 requeues 0)
 backlog 0b 0p requeues 0
 lended: 644 borrowed: 0 giants: 0
 tokens: 81831 ctokens: 81831

class htb 1:b root prio 0 rate 40Mbit ceil 40Mbit burst 128Kb cburst 128Kb
 Sent 7 bytes 1 pkt (dropped 0, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
"""


@pytest.fixture
def permitted():
    """Skip where networks of one's own can't be had."""
    if problem := namespaces.problem():
        pytest.skip(problem)


def inside(network, *program):
    done = subprocess.run(
        [*network.enter, *program], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def network_of(pid):
    return Path(f"/proc/{pid}/ns/net").readlink()


def test_addresses_are_all_different_and_of_the_loopback():
    found = [namespaces.address(server) for server in range(1000)]
    assert found[:2] == ["127.0.1.1", "127.0.1.2"]
    assert found[249:251] == ["127.0.1.250", "127.0.2.1"]
    assert len(set(found)) == 1000
    assert all(socket.inet_aton(place)[0] == 127 for place in found)


def test_the_words_of_a_class():
    words = namespaces.class_argv(9, 5_000_000)
    assert words[:9] == ["tc", "class", "add", "dev", "lo", "parent", "1:", "classid", "1:a"]
    assert words[9:12] == ["htb", "rate", "5000000bps"]
    assert namespaces.class_argv(9, 5_000_000, "change")[2] == "change"


def test_a_server_has_one_class_for_both_directions():
    there, back = namespaces.filter_argvs(9)
    assert there[-4:] == ["dst", "127.0.1.10/32", "flowid", "1:a"]
    assert back[-4:] == ["src", "127.0.1.10/32", "flowid", "1:a"]


def test_a_burst_lasts_some_milliseconds_at_any_rate():
    """A class whose burst is too small for its rate never reaches it."""
    for rate in (1 << 20, 1 << 25, 1 << 30):
        words = namespaces.class_argv(0, rate)
        assert int(words[words.index("burst") + 1]) >= max(65536, rate // 1000)


def test_the_words_to_begin_and_to_enter():
    assert namespaces.unshare_argv(["a", "b"], user=False) == ["unshare", "--net", "--", "a", "b"]
    assert "--map-current-user" in namespaces.unshare_argv(["a"], user=True)
    enter = namespaces.enter_argv(12, user=False)
    assert enter == ["nsenter", "--net", "--target", "12", "--"]
    as_user = namespaces.enter_argv(12, user=True)
    assert {"--preserve-credentials", "--user"} <= set(as_user)


def test_what_tc_shows_is_read():
    assert namespaces.parse_passed(SHOWN) == {0: 42009255, 10: 7}
    assert namespaces.parse_passed("") == {}


@pytest.mark.parametrize("missing", ["unshare", "nsenter", "ip", "tc"])
def test_a_missing_tool_is_named(missing, tmp_path, monkeypatch):
    monkeypatch.setattr(
        namespaces.shutil, "which", lambda name, path: None if name == missing else f"/bin/{name}"
    )
    with pytest.raises(UnavailableError, match=f"no {missing} on the PATH: install"):
        namespaces.tools(str(tmp_path))
    assert missing in namespaces.problem()


def test_a_refusal_names_the_setting_that_is_to_blame(tmp_path):
    setting = tmp_path / "kernel/apparmor_restrict_unprivileged_userns"
    setting.parent.mkdir()
    setting.write_text("1\n")
    said = "unshare: write failed /proc/self/uid_map: Operation not permitted\n"
    why = namespaces._reason(said, tmp_path)
    assert why.endswith("(kernel.apparmor_restrict_unprivileged_userns is 1)")
    setting.write_text("0\n")
    assert "forbids it" in namespaces._reason(said, tmp_path)
    assert namespaces._reason("a\nb\n", tmp_path) == "b"


def test_where_they_are_refused_the_reason_is_told(tmp_path, monkeypatch):
    refused = tmp_path / "unshare"
    refused.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\n")
    refused.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert "Operation not permitted" in namespaces.problem()


def test_whoever_enters_is_himself_at_home_in_another_network(permitted):
    look = (
        "import os; print(os.getuid(), os.getgid(), os.uname().nodename, "
        "os.readlink('/proc/self/ns/net'))"
    )
    with Network() as network:
        uid, gid, host, where = inside(network, sys.executable, "-c", look).split()
        assert (int(uid), int(gid), host) == (os.getuid(), os.getgid(), os.uname().nodename)
        assert where == str(network_of(network.pid)) != str(network_of("self"))


def test_what_passes_each_server_is_counted_by_its_class(permitted):
    places = [namespaces.address(server) for server in (0, 2, 2, 3)]
    with Network({0: 1 << 28, 1: 1 << 28, 2: 1 << 28}) as network:
        inside(network, sys.executable, "-c", SEND, *places)
        passed = network.passed()
    assert SIZE <= passed[0] < 1.2 * SIZE
    assert passed[1] == 0
    assert 2 * SIZE <= passed[2] < 2.4 * SIZE
    assert set(passed) == {0, 1, 2}, "server 3 isn't limited"


def test_a_rate_is_changed_while_it_counts_on(permitted):
    with Network({0: 1 << 28}) as network:
        inside(network, sys.executable, "-c", SEND, namespaces.address(0))
        before = network.passed()[0]
        network.limit(0, 1 << 27)
        network.limit(1, 1 << 26)
        assert network.rates == {0: 1 << 27, 1: 1 << 26}
        assert network.passed()[0] >= before
        shown = network._do(namespaces.shown_argv())
        assert "rate 1073Mbit" in shown and "rate 536" in shown


def test_two_networks_have_the_same_addresses_without_meeting(permitted):
    listen = "import socket; socket.create_server(('127.0.1.1', 7000)); print('up')"
    with Network() as one, Network() as other:
        assert inside(one, sys.executable, "-c", listen) == "up\n"
        assert inside(other, sys.executable, "-c", listen) == "up\n"


def test_it_ends_with_its_maker(permitted, eventually):
    """Even if that one is killed: its pipe closes."""
    code = (
        "import os, signal\nfrom piotutor.storage.namespaces import Network\n"
        "network = Network({0: 1 << 20})\nprint(network.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    holder = int(done.stdout)
    eventually(lambda: not Path(f"/proc/{holder}/ns/net").exists())


def test_closing_ends_the_holder(permitted):
    network = Network()
    network.close()
    assert not Path(f"/proc/{network.pid}").exists()
