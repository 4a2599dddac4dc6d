"""A network of one's own in which every server has an address, and a rate that can be changed.

A holder process keeps new user and network namespaces (as root where that is permitted: a network
namespace alone). Server ``n`` binds to `address` ``(n)`` on the loopback in there, and ``tc`` puts
all that is sent to and from that address into one htb class with a rate: what passes between two
limited servers counts for one of them only. Whoever is started with `Network.enter` before his
words is inside, with the same user, files and host name. All ends with the process that began it.

Words: ``unshare(1)``, ``nsenter(1)``, ``ip-link(8)``, ``tc-htb(8)``, ``tc-u32(8)``. Only the holder
may change things inside: it keeps what an ordinary user loses at each program's start.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from piotutor.capture import UnavailableError

PATIENCE = 5.0
"""Seconds that the holder gets to end, once it is told."""
_BURST = 1 << 17
_HOLDER = """
import json, subprocess, sys
for line in sys.stdin:
    argv = json.loads(line)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    print(json.dumps([done.returncode, done.stdout, done.stderr]), flush=True)
"""
_USER = ("--map-current-user", "--keep-caps")
_TOOLS = {"unshare": "util-linux", "nsenter": "util-linux", "ip": "iproute2", "tc": "iproute2"}
_SETTINGS = {
    "kernel.unprivileged_userns_clone": "0",
    "kernel.apparmor_restrict_unprivileged_userns": "1",
    "user.max_user_namespaces": "0",
    "user.max_net_namespaces": "0",
}
_SENT = re.compile(r"class htb 1:([0-9a-f]+) .*\n\s*Sent (\d+) bytes")


def address(server: int) -> str:
    """Return the loopback address of a server, counted from 0: ``127.0.1.1``, ``127.0.1.2``, ..."""
    high, low = divmod(server, 250)
    return f"127.0.{1 + high}.{1 + low}"


def loopback_argv(ip: str = "ip") -> list[str]:
    """Return the words that switch the loopback on; all of 127.0.0.0/8 is reached by it then."""
    return [ip, "link", "set", "lo", "up"]


def root_argv(tc: str = "tc") -> list[str]:
    """Return the words that let the loopback have classes; what is in none passes freely."""
    return [tc, "qdisc", "add", "dev", "lo", "root", "handle", "1:", "htb"]


def class_argv(server: int, rate: int, how: str = "add", tc: str = "tc") -> list[str]:
    """Return the words that give a server its class, or another rate.

    Parameters
    ----------
    server : int
        Its number, from 0.
    rate : int
        Bytes/s, headers included, both directions together.
    how : str
        ``add`` or ``change``.
    tc : str
        The program.
    """
    burst = str(max(_BURST, rate // 250))
    words = [tc, "class", how, "dev", "lo", "parent", "1:", "classid", _class(server), "htb"]
    return [*words, "rate", f"{rate}bps", "burst", burst, "cburst", burst, "quantum", "60000"]


def filter_argvs(server: int, tc: str = "tc") -> list[list[str]]:
    """Return the words that put what is sent to and from a server into its class."""
    begin = [tc, "filter", "add", "dev", "lo", "parent", "1:", "protocol", "ip", "prio", "1"]
    match = [[*begin, "u32", "match", "ip", way, f"{address(server)}/32"] for way in ("dst", "src")]
    return [[*words, "flowid", _class(server)] for words in match]


def shown_argv(tc: str = "tc") -> list[str]:
    """Return the words that show what has passed each class."""
    return [tc, "-s", "class", "show", "dev", "lo"]


def parse_passed(text: str) -> dict[int, int]:
    """Read what `shown_argv` shows: bytes by server, headers included."""
    return {int(minor, 16) - 1: int(sent) for minor, sent in _SENT.findall(text)}


def unshare_argv(program: Sequence[str], user: bool, unshare: str = "unshare") -> list[str]:
    """Return the words that start a program in a network of its own.

    Parameters
    ----------
    program : sequence of str
        Its words.
    user : bool
        Whether it needs a user namespace too, in which this user is himself.
    unshare : str
        The program that does it.
    """
    return [unshare, *(_USER if user else ()), "--net", "--", *program]


def enter_argv(pid: int, user: bool, nsenter: str = "nsenter") -> list[str]:
    """Return the words to put before a program's, so that it starts inside a holder's network."""
    words = ["--preserve-credentials", "--user"] if user else []
    return [nsenter, *words, "--net", "--target", str(pid), "--"]


def tools(path: str | None = None) -> dict[str, str]:
    """Find the programs that are needed: on the PATH, and where only root's PATH leads.

    Raises
    ------
    UnavailableError
        One is missing; the text says which, and what to install.
    """
    places = os.pathsep.join((path or os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    found = {name: shutil.which(name, path=places) for name in _TOOLS}
    for name, where in found.items():
        if where is None:
            raise UnavailableError(f"no {name} on the PATH: install {_TOOLS[name]}")
    return {name: str(where) for name, where in found.items()}


class Network:
    """A network of one's own, until it is closed or its maker ends.

    Parameters
    ----------
    rates : mapping of int to int
        Bytes/s of each server that is to be slowed, by its number.

    Attributes
    ----------
    pid
        The holder's process number.
    enter
        The words to put before those of a program that is to start inside.
    rates
        The rates at present.

    Raises
    ------
    UnavailableError
        It can't be had here; the text says why.
    """

    def __init__(self, rates: Mapping[int, int] | None = None) -> None:
        self.rates: dict[int, int] = {}
        self._tools = tools()
        ways = (False, True) if os.geteuid() == 0 else (True,)
        for user in ways:
            try:
                self._begin(user, rates or {})
                return
            except UnavailableError:
                self.close()
                if user == ways[-1]:
                    raise

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def limit(self, server: int, rate: int) -> None:
        """Give a server a rate, or another one; what is under way is slowed too.

        Parameters
        ----------
        server : int
            Its number.
        rate : int
            Bytes/s.
        """
        known = server in self.rates
        self._do(class_argv(server, rate, "change" if known else "add"))
        for words in () if known else filter_argvs(server):
            self._do(words)
        self.rates[server] = rate

    def passed(self) -> dict[int, int]:
        """Return how many bytes have gone to and from each limited server, headers included."""
        return parse_passed(self._do(shown_argv()))

    def close(self) -> None:
        """End the holder; the network goes with the last process inside."""
        if self._holder.stdin:
            with suppress(BrokenPipeError):  # it has ended before it read all
                self._holder.stdin.close()
        try:
            self._holder.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._holder.kill()
            self._holder.wait(PATIENCE)
        for stream in (self._holder.stdout, self._holder.stderr):
            if stream:
                stream.close()

    def _begin(self, user: bool, rates: Mapping[int, int]) -> None:
        """Start the holder, and make the loopback and its classes."""
        program = [sys.executable, "-I", "-c", _HOLDER]
        self._holder = subprocess.Popen(
            unshare_argv(program, user, self._tools["unshare"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.pid = self._holder.pid
        self.enter = enter_argv(self.pid, user, self._tools["nsenter"])
        self._do(loopback_argv())
        self._do(root_argv())
        for server, rate in rates.items():
            self.limit(server, rate)

    def _do(self, argv: Sequence[str]) -> str:
        """Have the holder run ``ip`` or ``tc``, and return what it printed."""
        code, printed, complaint = self._ask([self._tools[argv[0]], *argv[1:]])
        if code:
            raise UnavailableError(_reason(f"{argv[0]}: {complaint}"))
        return printed

    def _ask(self, argv: Sequence[str]) -> tuple[int, str, str]:
        """Give the holder an order; a complaint in place of an answer is the reason."""
        orders, answers, complaints = self._holder.stdin, self._holder.stdout, self._holder.stderr
        assert orders and answers and complaints
        try:
            orders.write(json.dumps(argv) + "\n")
            orders.flush()
            answer = answers.readline()
        except (BrokenPipeError, ValueError):
            answer = ""
        if not answer:
            raise UnavailableError(_reason(complaints.read()))
        code, printed, complaint = json.loads(answer)
        return int(code), str(printed), str(complaint)


def problem() -> str:
    """Try it: return why there is no network of one's own here, empty where there is one."""
    try:
        with Network({0: 1 << 20}):
            return ""
    except UnavailableError as why:
        return str(why)


def _class(server: int) -> str:
    return f"1:{server + 1:x}"


def _reason(said: str, proc: Path = Path("/proc/sys")) -> str:
    """Return a complaint's last line, and the setting that is to blame if one is seen."""
    last = (said.strip().splitlines() or ["the holder has ended"])[-1]
    if "permitted" not in last.lower() and "no space" not in last.lower():
        return last
    blamed = [f"{name} is {text}" for name, text in _SETTINGS.items() if _is(proc, name, text)]
    return f"{last} ({', '.join(blamed) or 'a container, or the kernel, forbids it'})"


def _is(proc: Path, name: str, text: str) -> bool:
    try:
        return (proc / name.replace(".", "/")).read_text().strip() == text
    except OSError:
        return False
