"""A network of one's own in which every server has an address, and a rate that can be changed.

A program started with `Way.begin` before its words has new user and network namespaces (as root a
network namespace alone, where that is permitted), with the same user, files and host name. Inside,
server ``n`` binds to `address` ``(n)`` on the loopback, and `Network` has ``tc`` put all that is
sent to and from that address into one htb class with a rate: what passes between two limited
servers counts for one of them only. Others join with `Network.enter` before their words. The
network goes with the last process inside.

Words: ``unshare(1)``, ``nsenter(1)``, ``ip-link(8)``, ``tc-htb(8)``, ``tc-u32(8)``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from piotutor import programs
from piotutor.capture import UnavailableError

SECONDS = 10.0
"""What one of these programs may take."""
_BURST = 1 << 17
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


def loopback_argv() -> list[str]:
    """Return the words that switch the loopback on; all of 127.0.0.0/8 is reached by it then."""
    return ["ip", "link", "set", "lo", "up"]


def root_argv() -> list[str]:
    """Return the words that let the loopback have classes; what is in none passes freely."""
    return ["tc", "qdisc", "add", "dev", "lo", "root", "handle", "1:", "htb"]


def class_argv(server: int, rate: int, how: str = "add") -> list[str]:
    """Return the words that give a server its class, or another rate.

    Parameters
    ----------
    server : int
        Its number, from 0.
    rate : int
        Bytes/s, headers included, both directions together.
    how : str
        ``add`` or ``change``.
    """
    burst = str(max(_BURST, rate // 250))
    words = ["tc", "class", how, "dev", "lo", "parent", "1:", "classid", _class(server), "htb"]
    return [*words, "rate", f"{rate}bps", "burst", burst, "cburst", burst, "quantum", "60000"]


def filter_argvs(server: int) -> list[list[str]]:
    """Return the words that put what is sent to and from a server into its class."""
    begin = ["tc", "filter", "add", "dev", "lo", "parent", "1:", "protocol", "ip", "prio", "1"]
    match = [[*begin, "u32", "match", "ip", way, f"{address(server)}/32"] for way in ("dst", "src")]
    return [[*words, "flowid", _class(server)] for words in match]


def shown_argv() -> list[str]:
    """Return the words that show what has passed each class."""
    return ["tc", "-s", "class", "show", "dev", "lo"]


def parse_passed(text: str) -> dict[int, int]:
    """Read what `shown_argv` shows: bytes by server, headers included."""
    return {int(minor, 16) - 1: int(sent) for minor, sent in _SENT.findall(text)}


@dataclass(frozen=True)
class Way:
    """How a network of one's own is made here.

    Attributes
    ----------
    user
        Whether it needs a user namespace too, in which the user is himself and may change it.
    """

    user: bool

    def begin(self, program: Sequence[str]) -> list[str]:
        """Return the words that start a program in a network of its own."""
        return [_tool("unshare"), *(_USER if self.user else ()), "--net", "--", *program]

    def enter(self, pid: int) -> list[str]:
        """Return the words to put before a program's, so that it starts in a process's network."""
        words = ["--preserve-credentials", "--user"] if self.user else []
        return [_tool("nsenter"), *words, "--net", "--target", str(pid), "--"]


def find() -> Way:
    """Try how a network of one's own can be made here.

    Raises
    ------
    UnavailableError
        In no way; the text says why.
    """
    for name in _TOOLS:
        _tool(name)
    ways = [Way(False), Way(True)] if os.geteuid() == 0 else [Way(True)]
    for way in ways:
        try:
            _run(way.begin([_tool("tc"), *root_argv()[1:]]))
            return way
        except UnavailableError as why:
            reason = why
    raise reason


class Network:
    """The network of one's own that this process was started in: made ready, and changed.

    Parameters
    ----------
    way : Way
        How this process was started in it.
    rates : mapping of int to int
        Bytes/s of each server that is to be slowed, by its number.

    Attributes
    ----------
    enter
        The words to put before those of a program that is to start inside.
    rates
        The rates at present.

    Raises
    ------
    UnavailableError
        This is no fresh network, or it can't be changed; the text says why.
    """

    def __init__(self, way: Way, rates: Mapping[int, int] | None = None) -> None:
        if _run([_tool("ip"), "-oneline", "link", "show", "up"]):
            raise UnavailableError("this network is in use already: it isn't ours to slow down")
        self.enter = way.enter(os.getpid())
        self.rates: dict[int, int] = {}
        self._do(loopback_argv())
        self._do(root_argv())
        for server, rate in (rates or {}).items():
            self.limit(server, rate)

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

    def _do(self, argv: Sequence[str]) -> str:
        return _run([_tool(argv[0]), *argv[1:]])


def passed() -> dict[int, int]:
    """Return how many bytes have gone to and from each limited server in this process's network.

    Headers are included. Whoever has entered the network may ask.
    """
    return parse_passed(_run([_tool("tc"), *shown_argv()[1:]]))


def _tool(name: str) -> str:
    """Find a program: on the PATH, or where only root's PATH leads."""
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    found = shutil.which(name, path=places)
    if found is None:
        raise UnavailableError(f"no {name} on the PATH: install {_TOOLS[name]}")
    return found


def _run(argv: Sequence[str]) -> str:
    """Run one of these programs, and return what it printed."""
    try:
        done = programs.ask(argv, SECONDS, {"LC_ALL": "C"})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(str(error)) from None
    if done.returncode:
        raise UnavailableError(_reason(done.stderr or f"{argv[0]} ended with {done.returncode}"))
    return done.stdout


def _class(server: int) -> str:
    return f"1:{server + 1:x}"


def _reason(said: str, proc: Path = Path("/proc/sys")) -> str:
    """Return a complaint's last line, and the setting that is to blame if one is seen."""
    last = programs.last_line(said) or "no reason is told"
    if "permitted" not in last.lower() and "no space" not in last.lower():
        return last
    blamed = [f"{name} is {text}" for name, text in _SETTINGS.items() if _is(proc, name, text)]
    return f"{last} ({', '.join(blamed) or 'a container, or the kernel, forbids it'})"


def _is(proc: Path, name: str, text: str) -> bool:
    try:
        return (proc / name.replace(".", "/")).read_text().strip() == text
    except OSError:
        return False
