"""A Slurm of one's own on loopback, with two nodes on this machine, as root or without.

It is made of Debian's packages slurmctld, slurmd and slurm-client::

    with Slurm.start(directory) as slurm:
        subprocess.run(["srun", "-N2", "-n4", "hostname"], env={**os.environ, **slurm.env})

Nothing of it is left: its daemons are ended by their numbers, whatever becomes of us.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "slurmstepd", "srun", "sbatch", "squeue", "scancel", "scontrol")
PLACES = "/usr/sbin:/sbin"
PATIENCE = 20.0
"""Seconds for its nodes to come up, and for its daemons to end."""
# Its shell ends a daemon, by its number, when our end of the pipe is closed: also if we are killed.
_WHILE_WE_LIVE = '"$0" "$@" </dev/null & read -r _; kill $! 2>/dev/null; wait'
_CONFIGURATION = """\
ClusterName=piotutor
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool-%n
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd-%n.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd-%n.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerType=sched/builtin
KillWait=30
NodeName=n1 NodeHostname=n1 NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=1000
NodeName=n2 NodeHostname=n2 NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=1000
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=60 State=UP
"""


@dataclass(frozen=True)
class Slurm:
    """A Slurm that runs.

    Attributes
    ----------
    directory
        Where its files are.
    daemons
        Its processes: the controller, then the nodes'.
    """

    directory: Path
    daemons: tuple[subprocess.Popen[bytes], ...] = ()

    @property
    def env(self) -> dict[str, str]:
        """The variable by which its commands find it."""
        return {"SLURM_CONF": str(self.directory / "slurm.conf")}

    @staticmethod
    def why_not() -> str:
        """Say what of it isn't installed; empty where all is."""
        missing = [name for name in PROGRAMS if not _path(name)]
        if missing:
            return f"no {missing[0]} (Debian: slurmctld slurmd slurm-client)"
        try:
            socket.getaddrinfo("127.0.0.1", 1, socket.AF_INET, flags=socket.AI_ADDRCONFIG)
        except OSError:
            return "Slurm takes no address where there is loopback alone"
        return ""

    @classmethod
    @contextmanager
    def start(cls, directory: Path) -> Iterator[Slurm]:
        """Start it in a directory, wait for both nodes, and end it."""
        (directory / "state").mkdir(parents=True)
        text = _CONFIGURATION.format(directory=directory, ports=_ports(3), user=getpass.getuser())
        (directory / "slurm.conf").write_text(text)
        with ExitStack() as held:
            made = cls(directory)
            controller = made._daemon(held, "slurmctld", "-D", "-c")
            nodes = [
                made._daemon(held, "slurmd", "-D", "-N", name, "-d", _path("slurmstepd") or "")
                for name in ("n1", "n2")
            ]
            made = cls(directory, (controller, *nodes))
            made.wait()
            held.callback(made.cancel_all)
            yield made

    def run(self, *command: str) -> str:
        """Run one of its commands; return what it prints, whatever came of it."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        return done.stdout.strip()

    def wait(self) -> None:
        """Wait until both nodes take work."""
        last = time.monotonic() + PATIENCE
        while self.run("sinfo", "--noheader", "--format=%T %D") != "idle 2":
            if time.monotonic() > last or any(one.poll() is not None for one in self.daemons):
                raise RuntimeError(f"Slurm doesn't come up:\n{self._log()}")
            time.sleep(0.05)

    def jobs(self) -> dict[str, str]:
        """Return the state of each job that is known by its id."""
        lines = self.run("squeue", "--noheader", "--states=all", "--format=%i %T").splitlines()
        return {words[0]: words[1] for words in map(str.split, lines)}

    def cancel_all(self) -> None:
        """End all jobs, and wait until none is left."""
        last = time.monotonic() + PATIENCE
        self.run("scancel", "--full", "--signal=KILL", f"--user={getpass.getuser()}")
        self.run("scancel", f"--user={getpass.getuser()}")
        while self.run("squeue", "--noheader") and time.monotonic() < last:
            time.sleep(0.05)

    def _daemon(self, held: ExitStack, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of its daemons, to be ended with it."""
        with (self.directory / f"{name}.err").open("ab") as log:
            process = subprocess.Popen(
                ["sh", "-c", _WHILE_WE_LIVE, _path(name) or name, *arguments],
                env={**_clean_environment(), **self.env},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )
        held.callback(_end, process)
        return process

    def _log(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self.directory.glob("*.err"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a daemon, and wait until it is gone."""
    assert process.stdin is not None
    process.stdin.close()
    process.wait(PATIENCE)


def _path(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{PLACES}")


def _clean_environment() -> dict[str, str]:
    """Return our environment without what would mark the daemons as parts of a run."""
    return {name: text for name, text in os.environ.items() if not name.startswith("PIOTUTOR_")}


def _ports(count: int) -> list[int]:
    """Return free ports of loopback."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
