"""Targets made of devices: held to the same devices by themselves, and to what they count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import MIB, serve, took

from piotutor import metrics
from piotutor.engine import Machine, model
from piotutor.engine.devices import DISKS, MEMBERS, POLICIES, Array, Flash
from piotutor.engine.library import library
from piotutor.engine.world import OPERATION, WAIT, World
from piotutor.errors import UsageError
from piotutor.trace import Layer, Op
from piotutor.workload import Workload

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")

PARTS = ("overhead", "seek", "rotation", "transfer")


# ------------------------------------------------------------------------------------- a disk


@pytest.mark.parametrize("name", DISKS)
def test_a_disk_takes_as_long_as_by_itself(name):
    """Scattered requests and requests in a row: the same steps, to the nanosecond."""
    disk = DISKS[name]
    offsets = np.random.default_rng(3).integers(0, disk.bytes // 4096, 600) * 4096
    offsets[200:400] = offsets[200] + np.arange(200) * 4096
    records = serve(Machine(device="disk", disk=name), Op.READ, offsets, 4096)
    steps = disk.serve(offsets, [4096] * len(offsets))
    assert np.array_equal(took(records), sum(steps[part] for part in PARTS))
    assert np.array_equal(records["aux"], offsets.astype(np.uint64))
    assert (records["target"] == 0).all()
    assert (records["thread"] == 0).all()


def test_a_disk_with_memory_streams_and_one_without_misses_its_turn():
    """Requests in a row: the one is as fast as its platter, the other waits for every next turn."""
    for name, least, most in (("hc310", 0.9, 1.0), ("hp97560", 0.0, 0.7)):
        disk = DISKS[name]
        row = np.arange(4096) * 65536
        records = serve(Machine(device="disk", disk=name, rpc_size=65536), Op.READ, row, 65536)
        speed = 4096 * 65536 / (int(records["end"].max()) * 1e-9)
        track = disk.sectors * disk.sector_bytes / disk.rotation
        assert least * track < speed < most * track


def test_what_has_passed_by_is_read_from_memory_and_written_a_turn_later():
    """Behind the head and before it: a gap is passed over; only a write behind it has to wait."""
    disk = DISKS["hc310"]
    turn, overhead = round(disk.rotation * 1e9), round(disk.overhead * 1e9)
    machine = Machine(device="disk", disk="hc310")
    offsets = [0, 4 << 16, 2 << 16]  # the last one lies in the gap
    behind = {op: took(serve(machine, op, offsets, 1 << 16)) for op in (Op.READ, Op.WRITE)}
    gap = 4 * (1 << 16) // 4096 / disk.sectors * turn
    assert behind[Op.READ][1] == pytest.approx(gap, abs=2)
    assert behind[Op.READ][2] == overhead
    assert behind[Op.WRITE][1] == behind[Op.READ][1]
    assert behind[Op.WRITE][2] > turn - gap - 2


def test_the_modern_disk_is_as_its_specification_says():
    """Next track 0.23 ms; 7.4 ms on average over all pairs of cylinders; branches meet."""
    disk = DISKS["hc310"]
    far = np.arange(1, disk.cylinders, 100)
    share = 2 * (disk.cylinders - far) / disk.cylinders**2 * 100
    times = np.array([disk.seek(int(each)) for each in far])
    assert disk.seek(1) == pytest.approx(0.23e-3, rel=0.02)
    assert (times * share).sum() == pytest.approx(7.4e-3, rel=0.01)
    assert (np.diff(times) >= 0).all()
    assert disk.bytes == pytest.approx(6e12, rel=0.01)


def test_objects_lie_where_they_are_said_to():
    """Each the golden section of the disk further on, at a track; over the end at the beginning."""
    disk = DISKS["hp97560"]
    track = disk.sectors * disk.sector_bytes
    machine = Machine(device="disk", disk="hp97560")
    begins = serve(machine, Op.WRITE, np.zeros(50, np.int64), 512, objects=50)["aux"]
    assert (begins % track == 0).all()
    golden = np.arange(50) * (5**0.5 - 1) / 2 % 1
    assert begins / disk.bytes == pytest.approx(golden, abs=2 * track / disk.bytes)
    gaps = np.diff(np.sort(np.append(begins, disk.bytes)).astype(np.int64))
    assert gaps.min() > disk.bytes / 50 / 3
    over = serve(machine, Op.WRITE, [disk.bytes - 4096], 8192)
    assert over["aux"].tolist() == [disk.bytes - 4096, 0]
    assert over["length"].tolist() == [4096, 4096]


# ----------------------------------------------------------------------------- an array of disks


def members(records):
    """Return what disks were asked for, in the form of `Array.requests`."""
    found = np.zeros(len(records), MEMBERS)
    found["offset"], found["length"] = records["aux"], records["length"]
    found["disk"], found["op"] = records["thread"], records["op"]
    return found


@pytest.mark.parametrize(
    ("level", "width", "policy", "expected"),
    [
        (1, 2, "cheaper", 2),
        (5, 8, "read-modify-write", 4),
        (6, 8, "read-modify-write", 6),
        (5, 8, "reconstruct-write", 8),
        (5, 3, "cheaper", 3),
        (5, 8, "cheaper", 4),
    ],
)
def test_a_small_write_costs_what_is_published(level, width, policy, expected):
    """And writes begin when the last read that they need is done."""
    machine = Machine(
        device="array", array_level=level, array_width=width, array_policy=policy, disk="hc310"
    )
    records = serve(machine, Op.WRITE, [5 * MIB], 4096)
    assert len(records) == expected
    read, written = (records[records["op"] == op] for op in (Op.READ, Op.WRITE))
    if len(read):
        assert written["start"].min() == read["end"].max()


@settings(max_examples=60, deadline=None)
@given(
    level=st.sampled_from([0, 1, 5, 6]),
    width=st.integers(4, 7),
    more=st.sampled_from([0, 3]),
    policy=st.sampled_from(POLICIES),
    failed=st.integers(-1, 6),
    op=st.sampled_from([Op.READ, Op.WRITE]),
    offset=st.integers(0, 1 << 20),
    length=st.integers(1, 1 << 17),
)
def test_an_array_asks_its_disks_for_the_same(
    level, width, more, policy, failed, op, offset, length
):
    """Byte by byte what the array by itself asks for; what lies side by side is one request."""
    array = Array(level=level, width=width, disks=width + more, chunk=4096, policy=policy,
                  failed=min(failed, width + more - 1) if level else -1)  # fmt: skip
    machine = Machine(device="array", array_level=level, array_width=width, array_chunk=4096,
                      array_disks=width + more, array_policy=policy,
                      array_failed=array.failed)  # fmt: skip
    ours = members(serve(machine, op, [offset], length))
    alone = array.requests(op, offset, length)
    assert joined(ours) == joined(alone)
    assert ours["length"].sum() == alone["length"].sum()
    assert len(ours) <= len(alone)


def joined(requests):
    """Return what each disk reads and writes, what overlaps or lies side by side joined."""
    found: dict[tuple[int, int], list[list[int]]] = {}
    for offset, length, disk, op, _ in np.sort(requests).tolist():
        runs = found.setdefault((disk, op), [])
        if runs and runs[-1][1] >= offset:
            runs[-1][1] = max(runs[-1][1], offset + length)
        else:
            runs.append([offset, offset + length])
    return found


def test_a_full_stripe_needs_no_reads_and_one_that_is_off_does():
    """A request of eight chunks of 128 KiB, in its place and 4 KiB beside it, on RAID 6 of 8+2."""
    machine = Machine(device="array")
    aligned = serve(machine, Op.WRITE, [0, 3 * MIB], MIB)
    beside = serve(machine, Op.WRITE, [4096], MIB)
    assert (aligned["op"] == Op.WRITE).all()
    assert len(aligned) == 2 * 10
    assert np.count_nonzero(beside["op"] == Op.READ) > 0


def test_a_disk_that_is_gone_is_never_asked():
    """Degraded reads cost more; nothing reaches the disk that failed."""
    offsets = np.arange(64) * MIB
    whole = serve(Machine(device="array"), Op.READ, offsets, MIB)
    degraded = serve(Machine(device="array", array_failed=3), Op.READ, offsets, MIB)
    assert 3 in whole["thread"]
    assert 3 not in degraded["thread"]
    assert degraded["length"].sum() > whole["length"].sum()


# ----------------------------------------------------------------------------------------- an SSD

SSD = {"device": "ssd", "ssd_channels": 1, "ssd_blocks": 64, "ssd_block_pages": 16}


def test_an_ssd_collects_as_flash_by_itself():
    """The same pages written in the same order: as many are moved, to the page."""
    flash = Flash(0.3, pages_per_block=16, blocks=64)
    flash.write(range(flash.user_pages))
    flash.write_random(2 * flash.user_pages, seed=7)
    before = flash.moved
    pages = np.random.default_rng(3).integers(0, flash.user_pages, 5000)
    flash.write(pages)
    machine = Machine(**SSD, ssd_spare=0.3, ssd_rewritten=2, seed=7)
    records = serve(machine, Op.WRITE, pages * 4096, 4096)
    host, own = (records[(records["thread"] < 0) == side] for side in (False, True))
    assert host["length"].sum() == 5000 * 4096
    for op in (Op.READ, Op.WRITE):
        assert own["length"][own["op"] == op].sum() == (flash.moved - before) * 4096
    assert (own["rank"] == 0).all()


def test_all_ssds_begin_alike_whenever_they_are_first_written():
    """What the first does, with its garbage, the second does too, long after that."""
    machine = Machine(**SSD, ssd_spare=0.3, ssd_rewritten=2, targets=2)
    pages = np.random.default_rng(5).integers(0, 700, 500)
    todo = np.zeros(2 * len(pages), OPERATION)
    todo["op"], todo["length"] = Op.WRITE, 4096
    todo["offset"], todo["file"] = np.tile(pages * 4096, 2), np.repeat([0, 1], len(pages))
    world = World(machine, [(MIB, [0]), (MIB, [1])], [0], [Layer.DEVICE], 1 << 14)
    world.run(todo, np.array([len(todo)]))
    one, other = (world.records[world.records["target"] == target] for target in (0, 1))
    assert len(one) > len(pages)
    for column in ("op", "length", "thread", "aux"):
        assert (one[column] == other[column]).all()
    assert (took(one) == took(other)).all()


def test_an_ssd_amplifies_as_published():
    """Xiang and Kurkoski at 0.3: 2.36, seen in the device's records of a model."""
    machine = Machine(device="ssd", ssd_channels=1, ssd_spare=0.3, ssd_blocks=1000,
                      ssd_block_pages=256, ssd_rewritten=8)  # fmt: skip
    pages = np.random.default_rng(4).integers(0, int(256_000 / 1.3), 100_000)
    records = serve(machine, Op.WRITE, pages * 4096, 4096)
    written = records["length"][records["op"] == Op.WRITE].sum()
    assert written / (100_000 * 4096) == pytest.approx(2.36, rel=0.03)


def test_an_ssd_takes_its_pages_time_on_each_channel():
    """Channels take pages in turn; part of a page that holds something is read before it is
    written."""
    times = {"ssd_read_time": 1e-4, "ssd_write_time": 1e-3}
    machine = Machine(device="ssd", ssd_channels=4, **times)
    records = serve(machine, Op.WRITE, [0, 0, 1024], 16 * 4096)
    host = records[records["thread"] == 0]
    assert took(host).tolist() == [4_000_000, 4_000_000, 5_100_000]
    assert host["length"].tolist() == [16 * 4096, 16 * 4096, 17 * 4096]
    assert records["length"][records["op"] == Op.READ].tolist() == [4096]
    assert took(serve(machine, Op.READ, [0], 8 * 4096)).tolist() == [200_000]


def test_a_fresh_ssd_is_faster_than_a_full_one():
    """Nothing is moved before all was written once."""
    work = Workload(num_tasks=1, block_size=MIB, transfer_size=4096, write=True, random_offset=1)
    fresh, full = (
        model(work, Machine(device="ssd", ssd_channels=4, ssd_rewritten=times)) for times in (0, 3)
    )
    quick, slow = (metrics.phases(each)[0].seconds for each in (fresh, full))
    assert metrics.layers(fresh)["device"]["write"]["bytes"] == MIB
    assert metrics.layers(full)["device"]["write"]["bytes"] > 1.5 * MIB
    assert slow > 2 * quick


# ------------------------------------------------------------------- slow, disturbed, unlimited


def test_a_slow_target_takes_as_many_times_as_long():
    """The others don't; a stripe waits for it."""
    plain = Machine(targets=4, target_overhead=1e-3)
    slow = plain.replace(slow_target=2, slow_factor=3.0)
    work = Workload(num_tasks=1, block_size=32 * MIB, transfer_size=4 * MIB, write=True)
    for machine, factor in ((plain, 1), (slow, 3)):
        trace = model(work, machine, stripe_count=4)
        server = trace.records[trace.where(layer=Layer.SERVER)]
        each = [int(took(server[server["target"] == t]).max()) for t in range(4)]
        assert each == [1_000_000, 1_000_000, factor * 1_000_000, 1_000_000]
        assert metrics.phases(trace)[0].seconds == pytest.approx(8 * factor * 1e-3)
    disk = Machine(device="disk", slow_factor=3.0)
    alone = serve(disk.replace(slow_factor=1.0), Op.READ, [MIB], 4096)
    assert took(serve(disk, Op.READ, [MIB], 4096)).tolist() == (3 * took(alone)).tolist()


def test_others_make_us_wait_as_md1_says():
    """Random arrivals of ours and of others: rho D / (2 (1 - rho)) for both together."""
    mine, others, service, count = 0.1, 0.7, 1e-3, 200_000
    gaps = np.random.default_rng(7).exponential(service / mine, count)
    todo = np.zeros(2 * count, OPERATION)
    todo["op"][0::2], todo["offset"][0::2] = WAIT, np.cumsum(gaps) * 1e9
    todo["op"][1::2], todo["length"][1::2] = Op.WRITE, 4096
    machine = Machine(target_overhead=service, rpcs_in_flight=1 << 30,
                      background_load=others, background_time=service)  # fmt: skip
    world = World(machine, [(MIB, [0])], [0] * count, [Layer.SERVER], count)
    world.run(todo, np.full(count, 2))
    waited = took(world.records).mean() * 1e-9 - service
    rho = mine + others
    assert waited == pytest.approx(rho * service / (2 * (1 - rho)), rel=0.04)


def test_what_is_drawn_is_the_same_for_the_same_seed():
    """Background and a used SSD: same input, same output; another seed, another run."""
    work = Workload(num_tasks=3, block_size=MIB, transfer_size=4096, write=True, random_offset=1)
    machine = Machine(clients=3, targets=2, device="ssd", ssd_channels=4, ssd_rewritten=2,
                      background_load=0.3)  # fmt: skip
    one, same, other = (
        model(work, machine.replace(seed=seed), stripe_count=2).records.tobytes()
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_channels_have_no_addresses_and_the_unlimited_take_no_time():
    """No records of theirs; with the one, a request takes what its network takes."""
    work = Workload(num_tasks=1, block_size=MIB, transfer_size=MIB, write=True)
    slow = Machine(latency=1e-3, target_overhead=1.0)
    for device, seconds in (("channels", 1.002), ("unlimited", 0.002)):
        trace = model(work, slow.replace(device=device))
        assert "device" not in metrics.layers(trace)
        assert metrics.phases(trace)[0].seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"device": "tape"}, "choose channels"),
        ({"disk": "quantum"}, "choose hp97560"),
        ({"device": "array", "array_level": 4}, "level=4"),
        ({"device": "array", "array_level": 0, "array_failed": 1}, "RAID 0"),
        ({"device": "array", "array_failed": 10}, "failed=10"),
        ({"device": "ssd", "ssd_spare": 0.01}, "spare blocks"),
        ({"background_load": 1.0}, "below 1"),
        ({"background_load": 0.5, "background_time": 0.0}, "how long"),
        ({"slow_target": 1}, "there are 1 targets"),
        ({"ssd_page": 0}, "at least 1"),
    ],
)
def test_devices_that_make_no_sense_are_refused(given, match):
    """One line: what, which value, what to do."""
    with pytest.raises(UsageError, match=match):
        Machine(**given)
