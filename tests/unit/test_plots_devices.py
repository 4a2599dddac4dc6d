"""Pictures of disks, flash and arrays: the numbers in them, held to slow counts of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_plots_data import record, trace_of

from piotutor.engine.devices import DEAD, DISKS, ERASED, LIVE, Array, Flash
from piotutor.engine.library import library
from piotutor.errors import UsageError
from piotutor.plots.devices_array import STAGES, array_alt, array_data, array_finding, plot_array
from piotutor.plots.devices_disk import PARTS, disk_alt, disk_data, disk_finding, plot_disk
from piotutor.plots.devices_flash import (
    flash_alt,
    flash_data,
    flash_finding,
    plot_flash,
    published_amplification,
)
from piotutor.plots.style import Style, figure_png
from piotutor.trace import Op

pytestmark = pytest.mark.skipif(library() is None, reason="the engine isn't built")

DISK = DISKS["hp97560"]
FAR = 1000 * DISK.tracks * DISK.sectors * DISK.sector_bytes
"""Where cylinder 1000 begins."""


# ------------------------------------------------------------------------------------- a disk


@pytest.fixture(scope="module")
def disk():
    return disk_data({"far": ([FAR, 0, FAR], [4096] * 3), "one call": ([0], [12288])})


def test_the_arm_pays_for_cylinders_and_the_bytes_for_sectors(disk):
    """Three seeks over 1000 cylinders of 16 ms each; 8 sectors of 72 are a ninth of a turn."""
    found = disk.seconds("far")
    assert found["seek"] == pytest.approx(3 * 16e-3)
    assert found["overhead"] == pytest.approx(3 * 2.2e-3)
    assert found["transfer"] == pytest.approx(3 * DISK.rotation / 9, abs=1e-8)
    assert disk.total("far") == pytest.approx(sum(found.values()))
    assert disk.seconds("one call")["transfer"] == pytest.approx(found["transfer"], abs=1e-8)
    assert disk.bytes == {"far": 12288, "one call": 12288}


def test_the_arm_is_where_the_requests_are(disk):
    """Its way begins at cylinder 0, moves only in seeks and ends with the last request."""
    times, places = disk.arm("far")
    assert places.tolist() == [0, 1000, 1000, 0, 0, 1000, 1000]
    assert (np.diff(times) >= 0).all()
    assert times[0] == pytest.approx(2.2e-3)
    assert times[1] - times[0] == pytest.approx(16e-3)
    assert times[-1] == pytest.approx(disk.total("far"))


def test_a_trace_is_served_in_the_order_of_its_transfers():
    """The offsets of a run, on a disk that isn't there."""
    trace = trace_of(
        record(Op.OPEN, 0, 1),
        record(Op.READ, 5, 6, offset=0, length=4096),
        record(Op.READ, 2, 3, offset=FAR, length=4096),
    )
    found = disk_data({"run": trace})
    assert found.steps["run"]["cylinder"].tolist() == [1000, 0]
    assert found.badge.startswith("modelled")


def test_what_is_said_of_a_disk_is_what_was_counted(disk):
    total = disk.total("one call")
    share = disk.seconds("one call")["transfer"] / total
    assert disk_finding(disk).startswith("far takes ")
    assert disk_finding(disk).endswith(f"% of that, and in {100 * share:.2g}% of one call")
    alone = replace(disk, steps={"one call": disk.steps["one call"]})
    told = f"one call takes {total * 1e3:,.0f} ms; bytes move in {100 * share:.2g}% of it"
    assert disk_finding(alone) == told
    assert "far, 3 requests for 12,288 bytes" in disk_alt(disk)
    assert "one call, 1 request for" in disk_alt(disk)
    assert set(disk.seconds("far")) == set(PARTS)


def test_a_disk_that_is_not_known_is_refused():
    with pytest.raises(UsageError, match="choose hp97560"):
        disk_data({}, disk="floppy")


# -------------------------------------------------------------------------------------- flash


@pytest.fixture(scope="module")
def flash():
    return flash_data(blocks=32, collections=6, spares=(0.3,), curve_blocks=256)


def test_the_pages_of_flash_are_told_one_by_one():
    """As many are live as were written, and they are where a slow reading of the rules has them."""
    flash = Flash(0.5, pages_per_block=4, blocks=12)
    assert (flash.pages == ERASED).all()
    flash.write([0, 1, 2, 0, 3])
    assert flash.pages[0].tolist() == [DEAD, LIVE, LIVE, LIVE]
    assert np.bincount(flash.pages.ravel()).tolist() == [43, 4, 1]
    flash.write(range(flash.user_pages))
    flash.write_random(500)
    assert (flash.pages == LIVE).sum() == flash.user_pages


def test_each_collection_moves_what_was_live_in_its_blocks(flash):
    """And the emptiest blocks go first."""
    assert len(flash.collections) == 6
    for one in flash.collections:
        live = (one.before == LIVE).sum(1)
        full = (one.before != ERASED).all(1)
        assert one.moved == live[one.blocks].sum()
        assert live[one.blocks].max() <= np.sort(live[full])[len(one.blocks) - 1]
        assert (one.after == LIVE).sum() == (one.before == LIVE).sum()


def test_the_published_curve_is_drawn_where_it_was_published():
    """Xiang and Kurkoski: 2.36 at 0.3; the other values follow from the form."""
    values = {0.07: 7.82, 0.1: 5.68, 0.15: 4.02, 0.2: 3.19, 0.28: 2.48, 0.3: 2.36, 0.5: 1.72}
    for spare, value in values.items():
        assert round(published_amplification(spare), 2) == value


def test_what_is_said_of_flash_is_what_was_counted(flash):
    one = flash.collections[2]
    assert f"{one.moved} live pages move first" in flash_finding(flash, 2)
    assert f"{flash.ours[0.3]:.2f} at 0.3" in flash_finding(flash, 2)
    assert "published 2.36" in flash_alt(flash, 2)
    assert flash.ours[0.3] == pytest.approx(2.36, rel=0.05)


def test_sequential_flash_has_nothing_to_show():
    none = flash_data(collections=0, spares=())
    assert flash_finding(none) == "Nothing is collected yet"
    assert figure_png(plot_flash(none)).startswith(b"\x89PNG")


# ----------------------------------------------------------------------------- an array of disks


def test_small_writes_cost_what_is_published():
    costs = {name.replace("\n", " "): each for name, each in array_data().costs.items()}
    assert costs == {
        "mirror": (0, 2),
        "RAID 5, 3 disks": (1, 2),
        "RAID 5, 8 disks": (2, 2),
        "RAID 5, 8 disks, reconstruct": (6, 2),
        "RAID 6, 8 disks": (3, 3),
        "RAID 6, 8 disks, reconstruct": (5, 3),
    }


def test_parity_turns_over_the_disks():
    """Five disks, five stripes: parity once on each; two of it in each stripe of RAID 6."""
    five = array_data(stripes=5)
    assert five.used.all()
    assert five.parity.sum(0).tolist() == [1] * 5
    six = array_data(Array(level=6, width=6), stripes=3)
    assert six.parity.sum(1).tolist() == [2] * 3
    mirror = array_data(Array(level=1, width=2), stripes=2)
    assert mirror.used.all()


def test_a_declustered_array_is_not_drawn_in_rows():
    with pytest.raises(UsageError, match="declustered"):
        array_data(Array(level=5, width=4, disks=9))


def test_a_full_stripe_reads_nothing():
    full = array_data(length=4 * 65536)
    assert (full.count(Op.READ), full.count(Op.WRITE)) == (0, 5)
    told = "One write of 256 KiB is 5 operations on disks: no reads, 5 writes"
    assert array_finding(full) == told
    assert full.costs["RAID 5, 3 disks"] == (0, 6)
    small = array_data(offset=5 * 65536)
    told = "One write of 4 KiB is 4 operations on disks: 2 reads first, then 2 writes"
    assert array_finding(small) == told
    assert "disk 0 reads data, disk 3 reads parity, disk 0 writes data" in array_alt(small)


# ---------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("projector", [False, True])
def test_all_are_drawn_and_say_that_they_are_modelled(disk, flash, projector):
    style, array = Style(projector=projector), array_data()
    drawn = [
        plot_disk(disk, request=("far", 1), style=style),
        plot_disk(disk, style=style),
        plot_flash(flash, number=1, style=style),
        *(plot_array(array, stage=stage, style=style) for stage in STAGES),
    ]
    for figure in drawn:
        assert figure_png(figure).startswith(b"\x89PNG")
        assert figure.get_supxlabel().startswith("modelled · ")
        assert figure.get_suptitle().replace("\n", " ") in figure.alt


def test_one_panel_is_drawn_into_axes(disk, flash):
    ax = Style().figure().subplots()
    for plot, data in ((plot_disk, disk), (plot_flash, flash), (plot_array, array_data())):
        assert plot(data, ax=ax) is ax.figure
