"""HDF5 under the interposer, as h5py uses it: 1.10 in parallel, and the 2.0 of its wheel."""

from __future__ import annotations

import json
from dataclasses import dataclass

import captured
import pytest

from piotutor.trace import Flag, Layer, Trace

pytestmark = pytest.mark.mpi
DATA = {"H5Dwrite", "H5Dread", "H5Dread_chunk", "H5Dcreate2", "H5Dset_extent", "H5Fcreate"}
DATA |= {"H5Fflush"}
CONTIGUOUS_COLLECTIVE = 4  # H5D_MPIO_CONTIGUOUS_COLLECTIVE
DATATYPE_CONVERSION = 2  # H5D_MPIO_DATATYPE_CONVERSION


@dataclass(frozen=True)
class Datasets:
    """What ``datasets.py`` did, with and without the interposer."""

    parallel: bool
    trace: Trace
    asked: list[list[dict]]
    plain: list[list[dict]]

    def calls(self, rank):
        return captured.rows(self.trace, layer=Layer.HDF5, rank=rank)

    def pairs(self):
        """Each call on data that was asked for, beside its record."""
        for rank, asked in enumerate(self.asked):
            wanted = [one for one in asked if one["call"] in DATA]
            calls = [call for call in self.calls(rank) if call["call"] in DATA]
            calls = [call for call in calls if call["name"].endswith("data.h5")]
            calls = calls[: len(wanted)]  # then comes the reading of all contents
            assert [call["call"] for call in calls] == [one["call"] for one in wanted]
            yield from zip(wanted, calls, strict=True)


def logs(directory):
    return [json.loads(path.read_text()) for path in sorted(directory.glob("rank-*.json"))]


@pytest.fixture(scope="module", params=["this", ".venv-openmpi"])
def datasets(request, tmp_path_factory, mpi_cache):
    """Run the program twice: on two ranks where HDF5 is parallel, else on one."""
    pytest.importorskip("h5py")
    launcher = captured.stack(request.param, mpi_cache)
    names = ("files", "out", "plain", "plain_out", "trace")
    files, out, plain, plain_out, trace = (tmp_path_factory.mktemp(name) for name in names)
    parallel = captured.run(launcher, 1, "parallel.py").strip() == "True"
    ranks = 2 if parallel else 1
    captured.run(launcher, ranks, "datasets.py", files, out, capture=trace, prefix=files)
    captured.run(launcher, ranks, "datasets.py", plain, plain_out)
    return Datasets(parallel, captured.load(trace), logs(out), logs(plain_out))


def test_programs_do_the_same_without_it(datasets):
    """Contents and error messages: HDF5's error stack is left alone."""
    assert datasets.asked == datasets.plain


def test_bytes_and_addresses(datasets):
    for asked, call in datasets.pairs():
        assert (call["offset"], call["length"]) == (asked["offset"], asked["length"]), asked
        assert call["result"] == call["length"]


def test_extents_of_selections_are_those_of_the_dataset(datasets):
    found = 0
    for asked, call in datasets.pairs():
        parts = captured.parts_of(datasets.trace, call)
        assert parts == [tuple(part) for part in asked["parts"]], asked
        found += len(parts)
    assert found > 100


def test_collective_writes_and_what_became_of_them(datasets):
    seen = set()
    for asked, call in datasets.pairs():
        how = asked.get("together")
        assert (Flag.COLLECTIVE in call["flags"]) == (how is not None), asked
        causes = (call["aux"] >> 8 & 0xFFFFFF, call["aux"] >> 32)
        if how == "collective":
            assert call["aux"] == CONTIGUOUS_COLLECTIVE
        elif how == "broken":
            assert causes == (DATATYPE_CONVERSION, DATATYPE_CONVERSION)
        else:
            assert call["aux"] == 0
        seen.add(how)
    assert seen == ({None, "collective", "broken"} if datasets.parallel else {None})


def test_metadata_operations(datasets):
    for rank in range(len(datasets.asked)):
        meta = [call for call in datasets.calls(rank) if call["op"] == "META"]
        names = [call["call"] for call in meta]
        for name in ("H5Acreate_by_name", "H5Awrite", "H5Aread", "H5Lcreate_soft", "H5Ldelete"):
            assert names.count(name) == 1, name
        assert names.count("H5Gcreate2") == 2
        (written,) = [call for call in meta if call["call"] == "H5Awrite"]
        assert written["length"] == written["result"] == 32


def test_files_are_opened_and_closed(datasets):
    """h5py closes by giving back the last reference."""
    for rank in range(len(datasets.asked)):
        calls = [call for call in datasets.calls(rank) if call["name"].endswith("data.h5")]
        opened = [call["call"] for call in calls if call["op"] == "OPEN"]
        assert opened == ["H5Fcreate", "H5Fopen"]
        assert (calls[-1]["call"], calls[-1]["op"]) == ("H5Idec_ref", "CLOSE")


def test_failures(datasets):
    for rank in range(len(datasets.asked)):
        failed = [call for call in datasets.calls(rank) if Flag.FAILED in call["flags"]]
        assert [call["call"] for call in failed] == ["H5Fopen", "H5Oopen"]
        assert all(call["result"] == -1 for call in failed)


def test_layers_below_lie_inside(datasets):
    """What one call of HDF5 wrote in one piece begins where the call of the layer below does."""
    if not datasets.parallel:
        pytest.skip("a serial HDF5 keeps small data back")
    checked = 0
    for asked, call in datasets.pairs():
        if call["call"] == "H5Dwrite" and not asked["parts"] and call["offset"] >= 0:
            moved = captured.inside(datasets.trace, call, Layer.MPIIO)
            found = [(one["offset"], one["length"]) for one in moved if one["op"] == "WRITE"]
            if asked.get("together") is None and call["length"] != 16:  # 16: converted from f4
                assert found == [(call["offset"], call["length"])]
                checked += 1
    assert checked > 10
