"""Targets made of devices: held to the devices by themselves, and to what is published of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from claims import MS, Claim, listed, near
from claims.devices import AMPLIFICATION, XIANG
from claims.queues import md1, waiting
from piotutor.engine.devices import DISKS
from piotutor.engine.machine import Machine
from piotutor.engine.world import OPERATION, World
from piotutor.trace import Layer, Op

WHOLE = 1 << 50
"""A stripe size with which a file is one object."""
SPARE = 0.3


def rows() -> Iterator[Claim]:
    """Compute them."""
    yield modern()
    yield disks()
    yield small_writes()
    yield flash()
    yield others()


def served(machine: Machine, op: Op, offsets: np.ndarray, length: int) -> np.ndarray:
    """Return the records of a device that did requests one after the other."""
    todo = np.zeros(len(offsets), OPERATION)
    todo["op"], todo["offset"], todo["length"] = op, offsets, length
    world = World(machine, [(WHOLE, [0])], [0], [Layer.DEVICE], 1 << 20)
    world.run(todo, np.array([len(todo)]))
    return world.records


def modern() -> Claim:
    disk = DISKS["hc310"]
    drawn = np.random.default_rng(6).integers(0, disk.bytes // 4096, 100_000) * 4096
    each = disk.serve(drawn, np.full(len(drawn), 4096))["seek"]
    ours = [disk.seek(1) * 1e3, float(each.mean()) / 1e6]
    return Claim(
        "a modern disk: a seek to the next track; on average",
        "Ultrastar DC HC310, specification (Western Digital 2018)",
        "0.23; 7.4 ms",
        "; ".join(f"{each:.2g}" for each in ours) + " ms",
        near([0.23, 7.4], ours),
    )


def disks() -> Claim:
    worst = 0
    for name, disk in DISKS.items():
        drawn = np.random.default_rng(7).integers(0, disk.bytes // 4096, 5000) * 4096
        drawn[1000:2000] = drawn[1000] + np.arange(1000) * 4096
        steps = disk.serve(drawn, np.full(len(drawn), 4096))
        alone = sum(steps[part] for part in ("overhead", "seek", "rotation", "transfer"))
        records = served(Machine(device="disk", disk=name), Op.READ, drawn, 4096)
        worst = max(worst, int(np.abs(records["end"] - records["start"] - alone).max()))
    return Claim(
        "a target that is a disk, drawn requests and some in a row: how long each takes",
        "the disk by itself",
        "the same",
        "equal, to the nanosecond" if not worst else f"{worst} ns off",
        not worst,
    )


def small_writes() -> Claim:
    ours = []
    for level, width in ((1, 2), (5, 8), (6, 8)):
        machine = Machine(device="array", array_level=level, array_width=width,
                          array_policy="read-modify-write")  # fmt: skip
        ours.append(len(served(machine, Op.WRITE, np.array([5 << 20]), 4096)))
    return Claim(
        "a target that is an array, RAID 1, 5, 6: requests to its disks for a small write",
        "textbook (read-modify-write)",
        "2, 4, 6",
        listed(ours),
        ours == [2, 4, 6],
    )


def flash() -> Claim:
    machine = Machine(device="ssd", ssd_channels=4, ssd_spare=SPARE, ssd_blocks=1000,
                      ssd_block_pages=256, ssd_rewritten=6)  # fmt: skip
    pages = np.random.default_rng(8).integers(0, int(4 * 256_000 / (1 + SPARE)), 400_000)
    records = served(machine, Op.WRITE, pages * 4096, 4096)
    written = records["length"][records["op"] == Op.WRITE].sum()
    ours = [float(written) / (len(pages) * 4096)]
    published = [AMPLIFICATION[SPARE]]
    return Claim(
        f"a target that is an SSD, drawn writes, {SPARE}: what flash writes over what is written",
        XIANG,
        listed(published, ".2f"),
        listed(ours, ".2f"),
        near(published, ours, 0.03),
    )


def others() -> Claim:
    mine, background = 0.3, 0.3
    gaps = np.random.default_rng(7).exponential(MS / mine, 400_000)
    ours = [waiting(gaps, background_load=background, background_time=MS)]
    published = [md1(mine + background)]
    return Claim(
        "waiting of random arrivals, load 0.3, beside others' at a load of 0.3",
        "Pollaczek and Khinchine (M/D/1)",
        f"as at 0.6: {listed(published)} D",
        f"{listed(ours)} D",
        near(published, ours),
    )
