"""What a guard is told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Orders:
    """What a guard is told: plain values, stored as ``guard.json``.

    Attributes
    ----------
    run_dir
        The run directory.
    argv
        The command that starts the ranks.
    cancel
        A command that ends ranks which aren't processes of this machine: run before anything else
        is ended. What it says on failing is what may be left. Empty for none.
    relay
        Where a relay is to listen for hosts that don't see the run directory; empty for none.
    env
        Variables added to the environment of the ranks.
    unset
        Variables of our own that the ranks must not see.
    directory
        Where the ranks begin; empty for the run directory.
    streams
        Descriptors of ours that become the ranks' standard input, output and error; empty: they
        read nothing, and what they print is kept in ``output.txt``.
    data
        A `DataFiles` as a dict.
    service
        The command of what the storage needs beside the ranks: see `piotutor.launch.service`;
        empty for none.
    sampler
        A command that runs beside the ranks and is told to end after them; empty for none.
    block
        A `tracefs.Order` as a dict, of which the sampler makes records; empty for none.
    watched
        Whether the ranks wait until these records are being made: programs that aren't ours don't
        say where a file lay that they remove.
    timeout
        Seconds that the ranks may take, waiting for places not counted.
    ranks
        Places needed in each pool.
    pools
        Each a `Pool` as a dict.
    temporary
        A directory that is made for temporary files (Open MPI has some, a storage's servers, too),
        and removed.
    parent
        Process number of the one who started us.
    host, since
        Where and when (seconds since 1970) the run was prepared.
    """

    run_dir: str
    argv: list[str]
    env: dict[str, str]
    data: dict[str, Any]
    cancel: list[str] = field(default_factory=list)
    relay: str = ""
    service: list[str] = field(default_factory=list)
    sampler: list[str] = field(default_factory=list)
    block: dict[str, Any] = field(default_factory=dict)
    watched: bool = False
    unset: list[str] = field(default_factory=list)
    directory: str = ""
    streams: list[int] = field(default_factory=list)
    timeout: float = 600.0
    ranks: int = 1
    pools: list[dict[str, Any]] = field(default_factory=list)
    temporary: str = ""
    parent: int = 0
    host: str = ""
    since: float = 0.0

    def write(self, path: Path) -> None:
        """Store them."""
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> Orders:
        """Read them back; any damage is an error (ValueError, TypeError, OSError)."""
        return cls(**json.loads(path.read_text()))
