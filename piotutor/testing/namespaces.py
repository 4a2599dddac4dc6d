"""Several hosts on one machine: each with a name, a network card and, if asked, a clock of its own.

A bridge joins them, in a network and mount namespace of ours; no rights are needed where users may
have namespaces. A small program stands in for ssh. Everything ends with this process.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

ENVIRONMENT = {"UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "eth0"}
"""For MPICH's ranks: else they would find that all hosts share one memory, and use it."""
SECONDS = 20
_TOOLS = ("unshare", "nsenter", "ip", "mount", "hostname")
_ADDRESS = "10.71.0."
_OURS = f"{_ADDRESS}254"
_ENTER = """
enter() {
  pid=$1; flags=$2; shift 2
  [ "$(readlink /proc/self/ns/user)" = "$(readlink /proc/$pid/ns/user)" ] ||
    flags="-U --preserve-credentials $flags"
  exec nsenter -t $pid $flags -- "$@"
}
"""
_REMOTE = """#!/bin/sh
# Stands in for ssh: a shell on another host of this machine.
while [ "${1#-}" != "$1" ]; do shift; done
host=$1; shift
case $host in
%s  silent) exec sleep 600;;
  *) echo "ssh: Could not resolve hostname $host: Name or service not known" >&2; exit 255;;
esac
enter $pid "-n -u -m $clock" sh -c "$*"
"""
_MPIEXEC = """#!/bin/sh
enter %d "-n -m" %s "$@"
"""


class UnavailableError(Exception):
    """Hosts can't be made here; the text says why."""


class Hosts:
    """Some hosts, from `start` until `close` or the end of this process.

    Parameters
    ----------
    directory : path
        Where the two programs are written that reach them.
    names : sequence of str
        The hosts' names.
    clocks : mapping of str to int
        Seconds by which the clock of a host is ahead of ours, if it is to have one of its own.
    hidden : mapping of str to path
        A directory that a host doesn't see: it has an empty one there.

    Attributes
    ----------
    remote : Path
        The program that stands in for ssh: ``remote HOST COMMAND``.
    address : str
        Our own address, as they reach us.
    """

    def __init__(
        self,
        directory: Path,
        names: Sequence[str],
        clocks: Mapping[str, int] | None = None,
        hidden: Mapping[str, Path] | None = None,
    ) -> None:
        self.directory = directory
        self.names = list(names)
        self.clocks = dict(clocks or {})
        self.hidden = dict(hidden or {})
        self.remote = directory / "remote"
        self.address = _OURS
        self._held = ExitStack()
        self._hub = 0

    def __enter__(self) -> Hosts:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Hosts:
        """Make them.

        Raises
        ------
        UnavailableError
            They can't be made here.
        """
        missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
        if missing:
            raise UnavailableError(f"hosts need {', '.join(missing)}")
        try:
            self._hub = self._hold(["unshare", "-Urnm", "sh", "-c", _HOLD])
            self._on_hub(self._hub_script())
            pids = [self._begin(number, name) for number, name in enumerate(self.names)]
        except BaseException:
            self.close()
            raise
        self._write_remote(pids)
        return self

    def close(self) -> None:
        """End them, and what still runs there is cut off."""
        self._held.close()

    def mpiexec(self, path: str) -> str:
        """Return a program that is an mpiexec, seen from the bridge between the hosts."""
        program = self.directory / "mpiexec"
        text = _MPIEXEC % (self._hub, shlex.quote(path))
        _write_program(program, text.replace("\n", _ENTER, 1))
        return str(program)

    def inside(self, argv: Sequence[str]) -> list[str]:
        """Return the command line that starts a program between the hosts, where they meet."""
        return [*self._enter(self._hub, "-n", "-m"), *argv]

    def _begin(self, number: int, name: str) -> int:
        """Start a host and join it to the bridge; return the number of a process on it."""
        seconds = self.clocks.get(name)
        clock = ["-T", "--fork", f"--monotonic={seconds}"] if seconds is not None else []
        hidden = self.hidden.get(name)
        hide = f"mount -t tmpfs none {shlex.quote(str(hidden))}; " if hidden else ""
        words = [
            "unshare",
            "-n",
            "-u",
            "-m",
            *clock,
            "sh",
            "-ec",
            f"hostname {name}; {hide}{_HOLD}",
        ]
        pid = self._hold([*self._enter(self._hub, "-n", "-m"), *words])
        self._on_hub(
            f"ip link add v{number} type veth peer name eth0 netns {pid}; "
            f"ip link set v{number} master hub up"
        )
        address = f"{_ADDRESS}{number + 1}/24"
        inside = f"ip link set lo up; ip addr add {address} dev eth0; ip link set eth0 up"
        _check([*self._enter(pid, "-n"), "sh", "-ec", inside])
        return pid

    def _hub_script(self) -> str:
        """Return the commands that make the bridge, and let the hosts' names be known."""
        known = [f"{_ADDRESS}{i + 1} {name}" for i, name in enumerate(self.names)]
        hosts = self.directory / "hosts"
        hosts.write_text("\n".join(["127.0.0.1 localhost", f"{_OURS} hub", *known]) + "\n")
        return (
            "ip link set lo up; ip link add hub type bridge; "
            f"ip addr add {_OURS}/24 dev hub; ip link set hub up; "
            f"mount --bind {shlex.quote(str(hosts))} /etc/hosts"
        )

    def _write_remote(self, pids: Sequence[int]) -> None:
        lines = ""
        for name, pid in zip(self.names, pids, strict=True):
            clock = "-T" if name in self.clocks else ""
            lines += f"  {name}) pid={pid}; clock={clock};;\n"
        _write_program(self.remote, (_REMOTE % lines).replace("\n", _ENTER, 1))

    def _hold(self, argv: Sequence[str]) -> int:
        """Start a process that lives until we close its input; return its number."""
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._held.callback(_finish, process)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.strip().isdigit():
            assert process.stderr is not None
            raise UnavailableError(f"no hosts in namespaces here: {process.stderr.read().strip()}")
        return int(line)

    def _on_hub(self, script: str) -> None:
        _check([*self._enter(self._hub, "-n", "-m"), "sh", "-ec", script])

    def _enter(self, pid: int, *flags: str) -> list[str]:
        return ["nsenter", "-t", str(pid), "-U", "--preserve-credentials", *flags, "--"]


_HOLD = "echo $$; exec cat >/dev/null"


def _finish(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _check(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise UnavailableError(f"no hosts in namespaces here: {done.stderr.strip()}")


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o700)
