"""The program that stands beside a run's ranks and makes the servers that are emulated.

``python -m piotutor.storage.emulating RUN/storage.json``: makes the world that ranks share, says in
``storage-ready.json`` where it is, records what its servers do, and, told to ``stop``, writes down
where the files' bytes lay and how well the emulation was kept.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from piotutor.engine.again import think_time
from piotutor.engine.library import library_path
from piotutor.engine.machine import Machine
from piotutor.engine.model import targets_of
from piotutor.engine.shared import Passed, SharedWorld, Told
from piotutor.storage.beside import READY, serve, told_to_end, write_whole
from piotutor.storage.placing import layout_of
from piotutor.storage.striping import Component, Striping
from piotutor.stripemap import StripeMap
from piotutor.trace import Layer, Trace
from piotutor.trace.writer import TraceWriter
from piotutor.units import format_seconds

CALLS = "calls.piot"
"""In the run directory: when each call began in the engine, and when it was over there."""
MOST_NAMES = 3
"""Files that a note names, and then how many more there are."""
MOST_PIECES = 1 << 19
"""Pieces of all files in a map, which is written in a second or two; larger files aren't in it."""
LIMIT = 1.1
"""From so many times the emulated time on, the machine itself is said to be the limit."""


class Emulation:
    """The servers of one run.

    Parameters
    ----------
    orders : dict
        As stored by `Emulated.service`.
    """

    def __init__(self, orders: dict[str, Any]) -> None:
        self.run_dir, self.names = Path(orders["run_dir"]), orders["files"]
        self.machine = Machine(**orders["machine"])
        self.plan = orders["plan"]
        self.count = self.plan["stripe_count"]
        self.env = {
            "PIOTUTOR_EMULATE_PREFIX": orders["prefix"],
            "PIOTUTOR_EMULATE_WORLD": orders["world"],
            "PIOTUTOR_EMULATE_LIBRARY": str(library_path()),
        }
        self.world = SharedWorld(Path(orders["world"]), self.machine, **self.plan)
        self.servers = self._writer("trace/servers.piot")
        self.calls = self._writer(CALLS)

    def _writer(self, name: str) -> TraceWriter:
        path = self.run_dir / name
        about = {"system": "emulated"}
        return TraceWriter(path, rank=-1, writer=path.stem, provenance="emulated", notes=about)

    def run(self) -> None:
        """Let the ranks go, record until they are done, and say how it went."""
        write_whole(self.run_dir / READY, {"env": self.env})
        while not told_to_end():
            self._record()
        self._record(rest=True)
        told = self.world.told()
        self.servers.drop(told.dropped)
        self.servers.close()
        self.calls.close()
        placed = self._map()
        write_whole(self.run_dir / "map.json", placed)
        left_out = len(self.world.files()) - len(placed["files"])
        about = {
            "emulation": told._asdict() | {"think_time": self._think_time()},
            "clients": self.machine.clients,
            "ranks_per_client": self.plan["ranks_per_client"],
            "storage_notes": notes(told, self.world.passed(), left_out),
        }
        write_whole(self.run_dir / READY, {"env": self.env, "environment": about})

    def _record(self, *, rest: bool = False) -> None:
        records = self.world.collect(rest=rest)
        calls = records["layer"] == Layer.APP
        _write(self.calls, records[calls])
        _write(self.servers, records[~calls])

    def _think_time(self) -> float:
        return think_time(Trace.load(self.run_dir / CALLS).records)

    def _map(self) -> dict[str, Any]:
        """Return where every byte of every file lay."""
        order = {Path(name).name: index for index, name in enumerate(self.names)}
        entries, room = [], MOST_PIECES
        for number, (name, size) in enumerate(self.world.files()):
            index = order.setdefault(Path(name).name, len(order))
            pieces = size // self.plan["stripe_size"] + 1
            if pieces <= room:
                room -= pieces
                known = {"file": index, "name": name, "first_object": number * self.count}
                entries.append(self._lay(number, size).to_dict() | known)
        return {"system": "emulated", "source": "computed by the engine", "files": entries}

    def _lay(self, number: int, size: int) -> StripeMap:
        targets = tuple(targets_of(number, self.count, self.machine.targets))
        part = Component(self.plan["stripe_size"], self.count, targets=targets)
        layout = layout_of(Striping("emulated", (part,)))
        return StripeMap.computed(layout, size, system="emulated")


def _write(writer: TraceWriter, records: np.ndarray) -> None:
    if len(records):
        block = writer.claim(len(records))
        block.records[:] = records[: len(block)]
        writer.drop(len(records) - len(block))


def notes(told: Told, passed: Sequence[Passed] = (), left_out: int = 0) -> list[str]:
    """Return what a reader has to know of an emulation, a line each."""
    found = []
    if left_out:
        found.append(
            f"where bytes lay isn't told of {left_out} files: that is more than {MOST_PIECES:,} "
            "stripes in all"
        )
    if mapped := [each for each in passed if each.mapped]:
        found.append(f"the program mapped {_names(mapped)}: what it moved so was as fast as here")
    if notified := [each for each in passed if each.notified]:
        found.append(
            f"asynchronous calls on {_names(notified)} weren't delayed, as a signal or a thread "
            f"was to tell of their end: {sum(each.notified for each in notified)}"
        )
    if told.trouble:
        found.append(
            f"the emulation ended early, and nobody was delayed after that: {told.trouble}"
        )
    if told.missed:
        found.append(f"{told.missed} calls or files weren't emulated: there was no room")
    if told.spent > LIMIT * told.emulated:
        found.append(
            f"the machine itself was the limit: calls took {format_seconds(told.spent)} in all, "
            f"of the emulated {format_seconds(told.emulated)}"
        )
    return found


def _names(files: Sequence[Passed]) -> str:
    names = sorted({Path(file.name).name for file in files})
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


if __name__ == "__main__":
    serve(sys.argv[1:], lambda orders: Emulation(orders).run)
