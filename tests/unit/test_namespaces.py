"""Networks of one's own: the words, and real ones in which what passes a server is counted."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from piotutor.capture import UnavailableError
from piotutor.storage import namespaces
from piotutor.storage.namespaces import Network, Way

SIZE = 1 << 20
# A process in a network of its own: it does what each line says, and answers in one.
HOLDER = """
import json, sys
from piotutor.storage.namespaces import Network, Way, _run, passed, shown_argv
rates = {int(server): rate for server, rate in json.loads(sys.argv[2]).items()}
network = Network(Way(sys.argv[1] == "True"), rates)
print(json.dumps(network.enter), flush=True)
for line in sys.stdin:
    print(json.dumps(eval(line)), flush=True)
"""
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
def way():
    """Skip where networks of one's own can't be had."""
    try:
        return namespaces.find()
    except UnavailableError as why:
        pytest.skip(str(why))


class Holder:
    """A process that holds a network."""

    def __init__(self, process):
        self.process = process
        self.enter = json.loads(process.stdout.readline())

    def do(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def run(self, *program):
        argv = [*self.enter, sys.executable, *program]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


@contextmanager
def held(way, rates):
    words = [sys.executable, "-c", HOLDER, str(way.user), json.dumps(rates)]
    pipe = subprocess.PIPE
    with subprocess.Popen(way.begin(words), stdin=pipe, stdout=pipe, text=True) as process:
        yield Holder(process)
        process.stdin.close()


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
    begin = Way(user=False).begin(["a", "b"])
    assert Path(begin[0]).name == "unshare" and begin[1:] == ["--net", "--", "a", "b"]
    assert {"--map-current-user", "--keep-caps"} <= set(Way(user=True).begin(["a"]))
    enter = Way(user=False).enter(12)
    assert Path(enter[0]).name == "nsenter" and enter[1:] == ["--net", "--target", "12", "--"]
    assert {"--preserve-credentials", "--user"} <= set(Way(user=True).enter(12))


def test_what_tc_shows_is_read():
    assert namespaces.parse_passed(SHOWN) == {0: 42009255, 10: 7}
    assert namespaces.parse_passed("") == {}


@pytest.mark.parametrize("missing", ["unshare", "nsenter", "ip", "tc"])
def test_a_missing_tool_is_named(missing, monkeypatch):
    monkeypatch.setattr(
        namespaces.shutil, "which", lambda name, path: None if name == missing else f"/bin/{name}"
    )
    with pytest.raises(UnavailableError, match=f"no {missing} on the PATH: install"):
        namespaces.find()


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
    refusing = "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n"
    (tmp_path / "unshare").write_text(refusing)
    (tmp_path / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(UnavailableError, match="Operation not permitted"):
        namespaces.find()


def test_a_kernel_that_refuses_them_is_understood(way):
    """In a user namespace that may have no more of either kind: its own settings say so."""
    code = (
        "from pathlib import Path; from piotutor.storage import namespaces as n\n"
        "for kind in ('user', 'net'):\n"
        "    Path(f'/proc/sys/user/max_{kind}_namespaces').write_text('0')\n"
        "try: n.find()\nexcept n.UnavailableError as why: print(why)\n"
    )
    words = ["unshare", "--map-current-user", "--keep-caps", sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert "namespaces is 0" in done.stdout, done.stderr


def test_the_network_of_everyone_is_never_changed(way):
    with pytest.raises(UnavailableError, match="in use already"):
        Network(Way(user=False), {0: 1 << 20})


def test_whoever_enters_is_himself_in_another_network(way):
    look = "import os; print(os.getuid(), os.getgid(), os.uname().nodename, *os.listdir('/'))"
    ours = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    with held(way, {}) as network:
        assert network.run("-c", look) == ours.stdout
        where = network.run("-c", "import os; print(os.readlink('/proc/self/ns/net'))").strip()
        assert where == str(network_of(network.process.pid)) != str(network_of("self"))


def test_what_passes_each_server_is_counted_by_its_class(way):
    places = [namespaces.address(server) for server in (0, 2, 2, 3)]
    with held(way, {0: 1 << 28, 1: 1 << 28, 2: 1 << 28}) as network:
        network.run("-c", SEND, *places)
        first, second, third = dict(network.do("list(passed().items())")).values()
    assert SIZE <= first < 1.2 * SIZE
    assert second == 0
    assert 2 * SIZE <= third < 2.4 * SIZE


def test_a_rate_is_changed_while_it_counts_on(way):
    with held(way, {0: 1 << 28}) as network:
        network.run("-c", SEND, namespaces.address(0))
        before = network.do("passed()[0]")
        network.do(f"[network.limit(0, {1 << 27}), network.limit(1, {1 << 26})]")
        assert network.do("network.rates") == {"0": 1 << 27, "1": 1 << 26}
        assert network.do("passed()[0]") >= before >= SIZE
        shown = network.do("_run(shown_argv())")
        assert "rate 1073Mbit" in shown and "rate 536" in shown


def test_two_networks_have_the_same_addresses_without_meeting(way):
    listen = "import socket; socket.create_server(('127.0.1.1', 7000)); print('up')"
    with held(way, {}) as one, held(way, {}) as other:
        assert one.run("-c", listen) == "up\n"
        assert other.run("-c", listen) == "up\n"
