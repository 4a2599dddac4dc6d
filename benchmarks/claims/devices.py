"""Disks, flash and arrays: held to their published figures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from claims import Claim, listed, near
from piotutor.engine.devices import DISKS, Array, amplification
from piotutor.trace import Op

DISK = DISKS["hp97560"]
RUEMMLER = "Ruemmler and Wilkes 1994"
XIANG = "Xiang and Kurkoski, arXiv:1110.4245"
AMPLIFICATION = {0.1: 5.68, 0.15: 4.02, 0.2: 3.19, 0.28: 2.48, 0.3: 2.36, 0.5: 1.72}


def rows() -> Iterator[Claim]:
    """Compute them."""
    yield seeks()
    yield rotation()
    yield flash()
    yield little_spare()
    yield small_writes()
    yield other_data()
    yield chunks()


def seeks() -> Claim:
    distance = np.arange(1, DISK.cylinders)
    near_by, far = 3.24 + 0.400 * np.sqrt(distance), 8.00 + 0.008 * distance
    published = np.where(distance <= 383, near_by, far)
    ours = np.array([DISK.seek(int(each)) for each in distance]) * 1e3
    worst = float(np.abs(ours - published).max())
    return Claim(
        "HP 97560: each seek over d cylinders",
        RUEMMLER,
        "3.24 + 0.400 sqrt(d) ms, from 384 on 8.00 + 0.008 d",
        "equal, to the nanosecond" if worst < 1e-6 else f"{worst:.2g} ms off",
        worst < 1e-6,
    )


def rotation() -> Claim:
    offsets = np.random.default_rng(5).integers(0, DISK.bytes // 4096, 20_000) * 4096
    steps = DISK.serve(offsets, [4096] * len(offsets))
    half = DISK.rotation / 2 * 1e3
    ours = float(steps["rotation"].mean()) / 1e6
    return Claim(
        "the same: a drawn sector comes by after half a turn",
        RUEMMLER,
        f"{half:.2f} ms",
        f"{ours:.2f} ms",
        near([half], [ours]),
    )


def flash() -> Claim:
    published = AMPLIFICATION.values()
    ours = [amplification(spare, blocks=1000) for spare in AMPLIFICATION]
    return Claim(
        f"flash, drawn writes, overprovisioning {listed(AMPLIFICATION)}: amplification",
        XIANG,
        listed(published, ".2f"),
        listed(ours, ".2f"),
        near(published, ours, 0.03),
    )


def little_spare() -> Claim:
    large, small = (
        amplification(0.07, blocks=800, turns=12, pages_per_block=each) for each in (256, 64)
    )
    return Claim(
        "flash, 0.07, with 256 pages a block; with 64",
        XIANG,
        "7.82; smaller blocks do better",
        f"{large:.2f}; {small:.2f}",
        near([7.82], [large], 0.03) and small < 0.95 * large,
    )


def requests(level: int, disks: int, policy: str) -> set[int]:
    """Return how many requests a write of 4 KiB makes, wherever it lies."""
    array = Array(level=level, width=disks, policy=policy)
    places = range(0, 4 * array.chunk * disks, array.chunk // 4)
    return {len(array.requests(Op.WRITE, place, 4096)) for place in places}


def small_writes() -> Claim:
    ours = [requests(1, 2, "cheaper"), *(requests(n, 8, "read-modify-write") for n in (5, 6))]
    return Claim(
        "device operations of a small write: RAID 1, 5, 6",
        "textbook (read-modify-write)",
        "2, 4, 6",
        ", ".join(str(each).strip("{}") for each in ours),
        ours == [{2}, {4}, {6}],
    )


def other_data() -> Claim:
    disks = (3, 4, 5, 8)
    ours = [requests(5, n, "reconstruct-write") for n in disks]
    return Claim(
        f"the same on RAID 5, parity made of the other data, {listed(disks)} disks",
        "textbook (reconstruct-write)",
        f"N: {listed(disks)}",
        ", ".join(str(each).strip("{}") for each in ours),
        ours == [{n} for n in disks],
    )


def chunks() -> Claim:
    """DiskSim counted: nine HP 97560, chunks of 64 sectors, whole stripes of 512."""
    sizes, published = (1, 1.5, 2, 3, 4, 5, 6, 7, 8), [4, 6, 6, 8, 9, 9, 9, 9, 9]
    array = Array(level=5, width=9, chunk=64 * 512)
    ours = [len(array.requests(Op.WRITE, 0, int(each * array.chunk))) for each in sizes]
    return Claim(
        f"RAID 5 on nine disks, writes of {listed(sizes)} chunks, cheaper policy",
        "DiskSim 4.0, run beside",
        listed(published),
        listed(ours),
        ours == published,
    )
