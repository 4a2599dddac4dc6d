"""The address map of an HDF5 file: whole, without overlaps, and as HDF5 itself accounts for it."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

h5py = pytest.importorskip("h5py")

from piotutor.capture import h5map as h5map_module  # noqa: E402
from piotutor.capture.h5image import Image  # noqa: E402
from piotutor.capture.h5map import AddressMap, Kind, h5map  # noqa: E402
from piotutor.errors import UsageError  # noqa: E402

METADATA = set(Kind) - {Kind.DATA, Kind.UNACCOUNTED, Kind.FREE, Kind.USERBLOCK}
MEMBERS = {
    "contiguous": lambda g, n: g.create_dataset(n, data=np.arange(2000)),
    "tree": lambda g, n: g.create_dataset(n, data=np.ones((50, 50)), chunks=(7, 11)),
    "gzip": lambda g, n: g.create_dataset(n, data=np.ones((9, 9)), chunks=(2, 9), compression=4),
    "growing": lambda g, n: _filled(g, n, (900,), (2,), (None,)),
    "growing both ways": lambda g, n: _filled(g, n, (20, 20), (3, 3), (None, None)),
    "single": lambda g, n: g.create_dataset(n, data=np.ones((30, 30)), chunks=(30, 30)),
    "many chunks": lambda g, n: _filled(g, n, (2100,), (2,), (2100,)),
    "words": lambda g, n: g.create_dataset(n, data=["word"] * 40, dtype=h5py.string_dtype()),
    "nothing": lambda g, n: g.create_dataset(n, shape=(5,), dtype="f8"),
    "empty": lambda g, n: g.create_dataset(n, data=h5py.Empty("f4")),
    "members": lambda g, n: _members(g.create_group(n)),
    "type": lambda g, n: _named_type(g, n),
}
OPTIONS = (
    {},
    {"userblock_size": 1024},
    {"alignment_threshold": 1000, "alignment_interval": 4096},
    {"meta_block_size": 100_000},
    {"meta_block_size": 1},
    {"fs_strategy": "fsm", "fs_persist": True, "fs_threshold": 1},
    {"fs_strategy": "page"},
    {"track_order": True},
)


def _filled(group, name, shape, chunks, maxshape):
    group.create_dataset(name, shape, "i4", chunks=chunks, maxshape=maxshape)[...] = 1
    return group[name]


def _members(group):
    for number in range(60):
        group.create_group(f"{number}")
    return group


def _named_type(group, name):
    group[name] = np.dtype("f4")
    return group[name]


def account(file):
    """HDF5's own sums for each object: header, and its indexes and heaps, and raw data."""
    names = ["/"]
    file.visit(lambda found: names.append(f"/{found}"))
    for name in names:
        info = h5py.h5o.get_info(file[name].id)
        parts = (info.meta_size.obj, info.meta_size.attr)
        below = sum(part.index_size + part.heap_size for part in parts)
        data = file[name].id.get_storage_size() if isinstance(file[name], h5py.Dataset) else 0
        yield name, (info.hdr.space.total, below, data)


def found_of(drawn, name):
    mine = [r for r in drawn.ranges if r.owner == name]
    sums = [
        sum(r.length for r in mine if r.kind in kinds)
        for kinds in (
            (Kind.HEADER, Kind.ATTRIBUTE),
            (Kind.INDEX, Kind.SYMBOLS, Kind.HEAP),
            (Kind.DATA,),
        )
    ]
    return tuple(sums)


def whole(drawn):
    place = 0
    for one in drawn.ranges:
        assert one.offset == place
        assert one.length > 0
        place = one.end
    return place == drawn.size


def build(path, members, seed, **options):
    """Make a file with attributes, and say how HDF5 accounts for it just before it is closed."""
    chance = random.Random(seed)
    with h5py.File(path, "w", **options) as file:
        for number, member in enumerate(members):
            made = MEMBERS[member](
                file.require_group("g") if chance.random() < 0.4 else file, f"m{number}"
            )
            for n in range(chance.choice((0, 1, 12))):
                made.attrs[f"attribute {n}"] = np.arange(chance.choice((1, 300)))
        file.flush()
        return dict(account(file))


@given(
    st.lists(st.sampled_from(sorted(MEMBERS)), max_size=12),
    st.sampled_from(OPTIONS),
    st.sampled_from(("earliest", "v110", "latest")),
    st.integers(0, 99),
)
@settings(max_examples=60)
def test_every_byte_is_told_apart_as_hdf5_accounts_for_it(
    tmp_path_factory, members, options, libver, seed
):
    path = tmp_path_factory.mktemp("h5map") / "file.h5"
    accounted = build(path, members, seed, libver=libver, **options)
    drawn = h5map(path)
    assert whole(drawn)
    assert drawn.size == path.stat().st_size
    persisted = options.get("fs_persist")  # lists of free space are written when it is closed
    for name, sums in accounted.items():
        header, below, data = found_of(drawn, name)
        assert (header, data) == (sums[0], sums[2]), name
        assert below == sums[1] or persisted, name


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("userblock", [0, 512, 4096])
def test_the_addresses_are_those_of_the_bytes(tmp_path, libver, userblock):
    path = tmp_path / "file.h5"
    marks = np.arange(1, 13, dtype="u8") * 0x0123456789AB
    with h5py.File(path, "w", libver=libver, userblock_size=userblock) as file:
        file["x"] = marks
        file.create_dataset("y", data=marks[::-1], chunks=(4,))
    drawn, image = h5map(path), path.read_bytes()
    assert drawn.address("x") == drawn.address("/x") == image.index(marks.tobytes())
    for chunk in drawn.of(Kind.DATA, "y"):
        at = chunk.chunk[0]
        assert image[chunk.offset : chunk.end] == marks[::-1][at : at + 4].tobytes()
    assert drawn.datasets in (["/x", "/y"], ["/y", "/x"])
    assert drawn.bytes(Kind.USERBLOCK) == userblock
    assert image[drawn.of(Kind.SUPERBLOCK)[0].offset :].startswith(b"\x89HDF")


def test_attributes_are_told_from_the_header_that_carries_them(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file["x"] = 1.0
        file["x"].attrs["unit"] = "metre"
    (one,) = h5map(path).of(Kind.ATTRIBUTE)
    assert (one.owner, one.what) == ("/x", "unit")
    assert b"unit" in path.read_bytes()[one.offset : one.end]


def test_what_hdf5_keeps_as_free_is_free_and_what_it_forgets_unaccounted(tmp_path):
    for persist, kind in ((True, Kind.FREE), (False, Kind.UNACCOUNTED)):
        path = tmp_path / f"{persist}.h5"
        with h5py.File(path, "w", fs_strategy="fsm", fs_persist=persist) as file:
            file["gone"], file["stays"] = np.zeros(5000), np.zeros(10)
            gone = file["gone"].id.get_offset()
            del file["gone"]
        (hole,) = [r for r in h5map(path).ranges if r.offset <= gone < r.end]
        assert hole.kind == kind
        assert hole.length >= 30_000


def test_alignment_moves_the_data_and_leaves_a_gap(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w", alignment_threshold=2**16, alignment_interval=2**16) as file:
        file["x"] = np.zeros(2**14)
    drawn = h5map(path)
    assert drawn.address("x") % 2**16 == 0
    assert drawn.bytes(Kind.UNACCOUNTED) > 2**15


def test_islands_of_metadata_are_counted(tmp_path):
    for size, islands in ((1, None), (2**20, 1)):
        path = tmp_path / "file.h5"
        with h5py.File(path, "w", meta_block_size=size) as file:
            for number in range(12):
                file[f"d{number}"] = np.ones(1000)
        drawn = h5map(path)
        # The superblock is written first, and stands alone where data follow.
        assert drawn.islands <= 2 if islands else drawn.islands > 5


def test_a_map_survives_json(tmp_path):
    build(tmp_path / "file.h5", ["tree", "contiguous", "words"], 1)
    drawn = h5map(tmp_path / "file.h5")
    assert AddressMap.from_dict(json.loads(json.dumps(drawn.to_dict()))) == drawn
    assert "object header" in repr(drawn)


def test_external_and_compact_data_have_no_address(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        outside = [(str(tmp_path / "raw.bin"), 0, 800)]
        file.create_dataset("x", (100,), "f8", external=outside)[:] = 1
    with pytest.raises(UsageError, match=r"file\.h5 has no data of 'x': it has data of none"):
        h5map(path).address("x")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "can't be read: No such file"),
        (lambda path: path.mkdir(), "is a directory: name an HDF5 file"),
        (lambda path: path.write_bytes(b""), "is no HDF5 file"),
        (lambda path: path.write_text("hello " * 900), "is no HDF5 file"),
        (
            lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\xff" * 90),
            "can't be read by HDF5",
        ),
    ],
)
def test_what_is_no_hdf5_file_is_refused_in_one_line(tmp_path, make, words):
    path = tmp_path / "file.h5"
    make(path)
    with pytest.raises(UsageError, match=words) as refused:
        h5map(path)
    assert "\n" not in str(refused.value)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "file.h5"
    build(path, ["contiguous"], 1)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UsageError, match=r"is truncated: it has [\d,]+ bytes"):
        h5map(path)


WRITER = """
import sys, h5py
with h5py.File(sys.argv[1], "w") as file:
    file["x"] = [1, 2, 3]
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_file_that_is_being_written_is_refused(tmp_path):
    path, words = tmp_path / "file.h5", "is open for writing elsewhere: close it there first"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(100)
        with pytest.raises(UsageError, match=words):
            h5map(path)
    ends = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], **ends) as writer:
        assert writer.stdout.readline() == b"ready\n"
        with pytest.raises(UsageError, match=words):
            h5map(path)
        writer.stdin.close()
    assert h5map(path).datasets == ["/x"]


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """A file of all structures, and what HDF5 says of its objects."""
    path = tmp_path_factory.mktemp("h5map") / "file.h5"
    build(
        path,
        sorted(MEMBERS) * 2,
        1,
        fs_strategy="fsm",
        fs_persist=True,
        libver=("earliest", "latest"),
    )
    return path.read_bytes(), h5map_module._ask(str(path), path.stat().st_size)[0]


@given(st.lists(st.tuples(st.integers(0, 2**32), st.binary(min_size=1, max_size=8)), max_size=60))
@settings(max_examples=60)
def test_pointers_of_a_damaged_file_lead_nowhere_else(tmp_path_factory, intact, damages):
    """HDF5 itself may crash on such a file: only what follows its answers is tried."""
    image, objects = bytearray(intact[0]), intact[1]
    for where, junk in damages:
        at = where % (len(image) - len(junk))
        image[at : at + len(junk)] = junk
    path = tmp_path_factory.mktemp("h5map") / "damaged.h5"
    path.write_bytes(image)
    with path.open("rb") as file:
        found = h5map_module._ranges(Image(file.fileno(), len(image)), objects)
        drawn = AddressMap("", len(image), "", tuple(h5map_module._cover(found, len(image))))
    assert whole(drawn)
