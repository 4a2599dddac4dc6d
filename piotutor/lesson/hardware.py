"""Devices that aren't here, played step by step, and what a lesson's runs would need of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piotutor.engine.devices import Array, Flash
from piotutor.engine.library import library
from piotutor.lesson import table
from piotutor.lesson.parity import CodedTable, coded
from piotutor.metrics import transfers
from piotutor.units import format_seconds, format_size, parse_size

SPARE, TURNS, BLOCKS, PAGES = 0.3, 8, 1024, 256
"""Of the flash whose pages are counted: its spare share, how often it is written, its size."""
_COUNTED = ("modelled flash, three tenths to spare", "counted")
_DISKS_OF = {"hp97560": "on a disk of 1994, modelled", "hc310": "on one of 2018, modelled"}
_TIMES = ("run", "calls", "bytes", "took, measured", *_DISKS_OF.values())
_DISKS = ("device", "has an arm, it says", "smallest request without waste", "best request")
_FACTS = ("rotational", "minimum_io_size", "optimal_io_size")


class Missing:
    """What can't be shown here, and why; in a notebook it says so."""

    def __init__(self, why: str) -> None:
        self.why = why

    def __repr__(self) -> str:
        return f"It can't be shown here: {self.why}"


@dataclass(frozen=True, repr=False)
class Counted(table.Shown):
    """What flash did in a while; in a notebook it shows itself.

    Attributes
    ----------
    written, moved
        Pages written by its user, and moved by the collection.
    erased
        Blocks.
    """

    written: int
    moved: int
    erased: int

    def _lines(self) -> Iterable[tuple[str, str]]:
        return (
            _COUNTED,
            ("pages written by the user", f"{self.written:,}"),
            ("live pages moved by the collection", f"{self.moved:,}"),
            (f"blocks erased, of {PAGES} pages each", f"{self.erased:,}"),
        )


ELSEWHERE = Counted(written=806_596, moved=1_101_009, erased=7_451)
"""What the engine counts, the same on each machine: for those where it isn't built."""


class Hardware:
    """A disk with an arm, flash, and arrays with parity, modelled by the engine.

    What is played closes the questions that it answers: those of ``disk``, ``flash``, ``array``.

    Parameters
    ----------
    find
        From a run's name to the run.
    play
        Told the name of a device before its steps are made.
    """

    def __init__(self, find: Callable[[str], Any], play: Callable[[str], None]) -> None:
        self._find, self._play = find, play

    def disk(self, *names: str, disk: str = "hp97560") -> Any:
        """Let a disk serve what runs asked for, call by call; play the requests of the first.

        Parameters
        ----------
        *names
            Runs of this lesson.
        disk
            One of `piotutor.engine.devices.DISKS`.
        """
        traces = {name: self._find(name).trace for name in names}

        def data() -> Any:
            from piotutor.plots.devices_disk import disk_data

            return disk_data(traces, disk=disk)

        return self._steps("disk", data)

    def flash(self, spare: float) -> Any:
        """Play what a small flash collects while random pages are overwritten.

        Parameters
        ----------
        spare
            Pages there are over pages that the user has, less 1.
        """

        def data() -> Any:
            from piotutor.plots.devices_flash import flash_data

            return flash_data(
                spare, blocks=44, pages_per_block=12, collections=6, spares=(spare,),
                curve_blocks=BLOCKS,
            )  # fmt: skip

        return self._steps("flash", data)

    def array(
        self, level: int, *, disks: int, offset: int | str = 0, length: int | str = "4k"
    ) -> Any:
        """Play what an array's disks do for one write.

        Parameters
        ----------
        level, disks
            Of RAID, and how many.
        offset, length
            The write, in bytes.
        """
        one = Array(level=level, width=disks)
        costs = {"mirror": Array(level=1, width=2), f"RAID {level}, {disks} disks": one}

        def data() -> Any:
            from piotutor.plots.devices_array import array_data

            size = parse_size(length)
            return array_data(one, offset=parse_size(offset), length=size, compared=costs)

        return self._steps("array", data)

    def arrays(self) -> Any:
        """Draw what one write of 4 KiB costs in several arrays."""
        from piotutor.plots.devices_array import array_data, plot_array

        return self._unless_missing(lambda: plot_array(array_data()))

    def count(self) -> Counted:
        """Overwrite random pages of a flash for long, then count for a while.

        Where the engine isn't built, what it counted elsewhere is told: it is the same.
        """
        if library() is None:
            return ELSEWHERE
        flash = Flash(SPARE, blocks=BLOCKS, pages_per_block=PAGES)
        flash.write(range(flash.user_pages))
        flash.write_random(TURNS * flash.user_pages, seed=1)
        before = flash.written, flash.moved, flash.erased
        flash.write_random(TURNS // 2 * flash.user_pages, seed=2)
        after = flash.written, flash.moved, flash.erased
        return Counted(*(now - was for now, was in zip(after, before, strict=True)))

    def times(self, *names: str) -> table.Rows:
        """Return a table of how long runs' calls took, and would take on disks with an arm."""
        traces = {name: self._find(name).trace for name in names}
        modelled = [_modelled(traces, disk) for disk in _DISKS_OF]
        rows = []
        for name, trace in traces.items():
            calls = trace.records[transfers(trace)]
            took = format_seconds(float((calls["end"] - calls["start"]).sum()) / 1e9)
            size = format_size(int(calls["length"].sum()))
            rows.append((name, f"{len(calls):,}", size, took, *(one[name] for one in modelled)))
        return table.Rows(_TIMES, tuple(rows))

    def written(self, *names: str) -> CodedTable:
        """Return a table of what the servers of a coded pool wrote in runs, and why."""
        return CodedTable({name: coded(self._find(name)) for name in names})

    @property
    def here(self) -> table.Rows | Missing:
        """What the disks of this machine say of themselves."""
        return disks()

    def _steps(self, name: str, data: Callable[[], Any]) -> Any:
        from piotutor.live.steps import steps

        self._play(name)
        return self._unless_missing(lambda: steps(data()))

    def _unless_missing(self, make: Callable[[], Any]) -> Any:
        if library() is not None:
            return make()
        return Missing("the engine isn't built; piotutor needs a C compiler when it is installed")


def _modelled(traces: Mapping[str, Any], disk: str) -> dict[str, str]:
    if library() is None:
        return dict.fromkeys(traces, table.UNKNOWN)
    from piotutor.plots.devices_disk import disk_data

    data = disk_data(traces, disk=disk)
    return {name: format_seconds(data.total(name)) for name in traces}


def disks(root: Path = Path("/sys/block")) -> table.Rows | Missing:
    """Return what block devices say of themselves: an arm or not, and the sizes they like.

    Parameters
    ----------
    root
        Where the kernel shows them.
    """
    rows = []
    for queue in sorted(root.glob("*/queue")):
        name = queue.parent.name
        if not name.startswith(("loop", "ram", "zram")):
            facts = (int((queue / fact).read_text()) for fact in _FACTS)
            arm, least, best = facts
            told = format_size(best) if best else "it doesn't say"
            rows.append((name, "yes" if arm else "no", format_size(least), told))
    return table.Rows(_DISKS, tuple(rows)) if rows else Missing("no disk is to be seen from here")
