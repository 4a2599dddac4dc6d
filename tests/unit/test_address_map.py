"""The picture of an address map: its numbers exactly, its words, and that it is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from layered import Layered
from matplotlib.figure import Figure

from piotutor import plots
from piotutor.capture.h5map import AddressMap, Kind, Range
from piotutor.errors import UsageError
from piotutor.plots import address_map
from piotutor.plots.address_map_data import (
    address_map_alt,
    address_map_data,
    address_map_finding,
)
from piotutor.plots.style import Style, figure_png
from piotutor.trace import Layer, Op

MIB = 2**20


def drawn(*parts, name="a.h5"):
    """Make a map of (length, kind, owner, what)."""
    ranges, place = [], 0
    for length, kind, *words in parts:
        ranges.append(Range(place, length, kind, *words))
        place += length
    return AddressMap(name, place, "1.10.8", tuple(ranges))


ONE = drawn(
    (96, Kind.SUPERBLOCK),
    (1952, Kind.HEADER, "/x"),
    (MIB, Kind.DATA, "/x", "contiguous"),
    (50, Kind.ATTRIBUTE, "/x", "unit"),
)
SEVERAL = drawn(
    (MIB, Kind.HEADER, "/"),
    (MIB, Kind.DATA, "/x", "contiguous"),
    (100, Kind.UNACCOUNTED),
    (MIB, Kind.DATA, "/y", "contiguous"),
    (100, Kind.FREE),
)
CHUNKED = drawn(
    (500, Kind.USERBLOCK),
    (500, Kind.INDEX, "/z"),
    *[(MIB, Kind.DATA, "/z", "chunk")] * 3,
)
MANY = drawn(*[(1000, Kind.DATA, f"/d{n}", "contiguous") for n in range(9)], (9, Kind.HEAP))
EMPTY = drawn((96, Kind.SUPERBLOCK))
MAPS = {"one": ONE, "several": SEVERAL, "chunked": CHUNKED, "many": MANY, "empty": EMPTY}


def writes(*extents, file="/scratch/a.h5", op=Op.WRITE):
    made = Layered(files=("/scratch/other.h5", file))
    for number, (offset, length) in enumerate(extents):
        made.add(Layer.POSIX, op, 0, number, number + 1, offset, length, file=1)
    made.add(Layer.POSIX, op, 0, 99, 100, 0, 5, file=0)
    return made.trace()


@pytest.mark.parametrize(
    ("which", "options", "words"),
    [
        (ONE, {"alignment": "1m"}, "The data of 'x' begin at 2,048: not aligned to 1 MiB"),
        (ONE, {"alignment": 2048}, "The data of 'x' begin at 2,048: aligned to 2 KiB"),
        (ONE, {}, "The data of 'x' begin at 2,048, behind 2,098 bytes of metadata in 2 pieces"),
        (
            SEVERAL,
            {"alignment": "1m"},
            "The data of 'y' begin at 2,097,252: of 2 datasets, 1 begin aligned to 1 MiB",
        ),
        (SEVERAL, {"alignment": 4}, "The data of all 2 datasets begin aligned to 4 bytes"),
        (
            CHUNKED,
            {},
            "3 MiB of data in 1 dataset (3 chunks), and 500 bytes of metadata in 1 piece",
        ),
        (
            EMPTY,
            {"alignment": 4},
            "0 bytes of data in 0 datasets, and 96 bytes of metadata in 1 piece",
        ),
    ],
)
def test_the_title_is_what_was_found(which, options, words):
    assert address_map_finding(address_map_data(which, **options)) == words


def test_the_lens_puts_metadata_side_by_side_with_gaps_between():
    lens = address_map_data(ONE).lens
    assert [(p.low, p.high) for p in lens[:2]] == [(0, 96), (96, 2048)]
    assert lens[2].low == pytest.approx(2048 + 0.03 * 2098)
    assert lens[2].high - lens[2].low == 50


def test_it_tells_which_transfers_moved_data_and_which_metadata():
    trace = writes((0, 96), (2048, MIB), (2000, 100), (2048 + MIB, 50), (0, ONE.size), (10**7, 9))
    found = address_map_data(ONE, trace=trace).touches
    assert found.data.tolist() == [0, MIB, 52, 0, MIB, 0]
    assert found.metadata.tolist() == [96, 0, 48, 50, 2098, 0]
    assert (found.only_data, found.only_metadata, found.both) == (1, 2, 2)
    words = address_map_finding(address_map_data(ONE, trace=trace))
    assert words == "6 writes: 1 to data, 2 to metadata, 2 to both"


def test_reads_and_other_layers_can_be_laid_over():
    trace = writes((2048, 8), op=Op.READ)
    words = address_map_finding(address_map_data(ONE, trace=trace, op="read"))
    assert words == "1 read: 1 of data"
    assert len(address_map_data(ONE, trace=trace, layer=Layer.MPIIO).touches.offset) == 0


def test_a_trace_of_another_file_and_sizes_that_are_none_are_refused():
    with pytest.raises(UsageError, match=r"the trace has no file 'a\.h5': it has other\.h5, b\.h5"):
        address_map_data(ONE, trace=writes(file="b.h5"))
    for options, words in (({"alignment": 0}, "must be positive"), ({"stripe": "much"}, "much")):
        with pytest.raises(UsageError, match=words):
            address_map_data(ONE, **options)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("projector", [False, True])
def test_it_is_drawn_with_its_words(name, projector):
    trace = writes((0, 96), (2048, 5000)) if projector else None
    data = address_map_data(MAPS[name], alignment="64k", stripe="1m", trace=trace)
    figure = address_map.plot_address_map(data, style=Style(projector=projector))
    assert figure_png(figure).startswith(b"\x89PNG")
    assert figure.get_supxlabel() == "measured · a.h5, HDF5 1.10.8"
    assert address_map_alt(data) in figure.alt
    assert figure.get_suptitle().replace("\n", " ") == address_map_finding(data)


def test_metadata_can_be_seen_beside_much_data():
    large = drawn((10, Kind.HEADER, "/x"), (2**40, Kind.DATA, "/x", "contiguous"))
    figure = address_map.plot_address_map(large)
    widths = [
        np.ptp(path.vertices[:, 0]) for c in figure.axes[0].collections for path in c.get_paths()
    ]
    assert min(widths) >= 2**40 / 401


def test_it_fits_into_axes_that_are_given():
    figure = Figure()
    assert address_map.plot_address_map(ONE, ax=figure.subplots()) is figure
    assert figure.axes[0].has_data()


def test_a_notebook_shows_it_and_it_stays_a_map(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros(10)
    import piotutor as pio

    shown = pio.h5map(tmp_path / "a.h5", alignment=8)
    assert "The data of &#x27;x&#x27; begin at" in shown._repr_html_()
    assert "<img alt=" in shown._repr_html_()
    assert shown.address("x") == address_map.read(tmp_path / "a.h5").address("x")
    assert pio.h5map(shown).ranges == shown.ranges
    with pytest.raises(UsageError):
        pio.h5map(tmp_path / "a.h5", alignment=-1)


def test_it_is_among_the_plots():
    assert plots.address_map is address_map
