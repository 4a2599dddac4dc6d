"""Verdicts on working together: independent requests, collective ones broken up, or refused."""

from __future__ import annotations

import numpy as np

from piotutor.diagnosis.requests import shares
from piotutor.diagnosis.seen import Requests, Seen, count, group, kind, laid
from piotutor.diagnosis.thresholds import Thresholds, source
from piotutor.diagnosis.verdict import Rule, Verdict
from piotutor.metrics import TRANSFERS, transfers
from piotutor.trace import Flag, Layer
from piotutor.trace.nesting import enclosing
from piotutor.units import format_size

_NO_MPIIO = "no MPI-IO calls were recorded"
_CAUSES = {
    1: "independent I/O was asked for",
    2: "a conversion of the data type",
    4: "a data transform",
    8: "the environment forbids MPI's optimised types",
    16: "a data space that is neither simple nor scalar",
    32: "a dataset that is neither contiguous nor chunked",
    64: "filtered writes in parallel are disabled, or of no use here",
    128: "an error while HDF5 looked for the cause",
}
"""Bits of `H5Pget_mpio_no_collective_cause` (HDF5 1.10)."""
_COLLECT = (
    "make the call collective: MPI_File_write_at_all or read_at_all, h5py with dataset.collective, "
    "IOR -c; with romio_cb_write=enable aggregators write large pieces"
)
_BUFFER = (
    "look whether collective buffering works: romio_cb_write=enable, a larger cb_buffer_size "
    "(16 MiB), cb_nodes and cb_config_list; move more bytes in each collective call"
)
_GRANT = (
    "give the array the dataset's own type (array.astype before the call), and choose a layout "
    "and filters that this HDF5 can move collectively"
)
_INDEPENDENT = (0, 1)  # of H5D_mpio_actual_io_mode_t: no collective I/O, or chunks independently


def independent(seen: Seen, limits: Thresholds) -> Verdict:
    """Judge whether many small interleaved requests to a shared file go their own way."""
    small = format_size(limits.small_bytes)
    rule = Rule(
        "independent",
        f"more than {limits.independent_share:.0%} of the pieces asked of MPI-IO are independent; "
        f"more than {limits.independent_count:,} of these are below {small} and in shared files, "
        f"where more than {limits.interleaved_share:.0%} of neighbours belong to different ranks",
        source("independent_share", "independent_count", "interleaved_share"),
    )
    if not seen.has(Layer.MPIIO):
        return rule.cannot(_NO_MPIIO)
    found = seen.extents(Layer.MPIIO)
    if not len(found):
        return rule.cannot("MPI-IO calls were recorded without their offsets")
    mine = found.keep((found.flags & Flag.COLLECTIVE) == 0)
    if not len(mine):
        return rule.no("every MPI-IO transfer was collective")
    mixed = interleaved(mine)
    suspects = mine.keep(shared(mine) & (mine.length < limits.small_bytes))
    share = len(mine) / len(found)
    bad = share > limits.independent_share and len(suspects) > limits.independent_count
    text = (
        f"{len(mine):,} of {count(len(found), 'piece')} asked of MPI-IO were independent, "
        f"{len(suspects):,} of them below {small} in shared files; {mixed:.0%} of neighbours "
        "there belong to different ranks"
    )
    evidence = {
        "layer": "mpiio",
        "independent": {"count": len(mine), "of": len(found), "share": share},
        "small_shared": {"count": len(suspects), "bytes": int(suspects.length.sum())},
        "interleaved_share": mixed,
        "worst": seen.worst_files(suspects.file),
    }
    return rule.say(bad and mixed > limits.interleaved_share, text, evidence, _COLLECT)


def shared(found: Requests) -> np.ndarray:
    """Tell which requests are to a file that several ranks use."""
    code, many = group(found.file)
    low, high = np.full(many, 2**31 - 1), np.full(many, -1)
    np.minimum.at(low, code, found.rank)
    np.maximum.at(high, code, found.rank)
    return np.asarray((high > low)[code])


def interleaved(found: Requests) -> float:
    """Return the share of neighbours in shared files that belong to different ranks.

    What is read and what is written are looked at apart.
    """
    found = found.keep(shared(found))
    if len(found) < 2:
        return 0.0
    code, many = group(found.file, found.op)
    order = np.argsort(laid(code, many, found.offset, found.length), kind="stable")
    code, rank = code[order], found.rank[order]
    beside = code[1:] == code[:-1]
    mixed, of = beside & (rank[1:] != rank[:-1]), int(np.count_nonzero(beside))
    return int(np.count_nonzero(mixed)) / max(1, of)


def split(seen: Seen, limits: Thresholds) -> Verdict:
    """Judge whether collective calls reached the file system as many small ones."""
    small = format_size(limits.small_bytes)
    rule = Rule(
        "split",
        f"more than {limits.small_count:,} system calls below {small} inside collective MPI-IO "
        f"calls, more than {limits.small_share:.0%} of those there, and more than there were "
        "collective calls",
        source("small_bytes", "small_share", "small_count"),
    )
    if not seen.has(Layer.MPIIO):
        return rule.cannot(_NO_MPIIO)
    if not seen.has(Layer.POSIX):
        return rule.cannot("no system calls were recorded")
    called = seen.requests(transfers(seen.trace, layer=Layer.MPIIO))
    asked = int(np.count_nonzero(called.flags & Flag.COLLECTIVE))
    if not asked:
        return rule.no("no MPI-IO call was collective")
    below = _inside_collective(seen)
    tiny = below.length < limits.small_bytes
    n = int(np.count_nonzero(tiny))
    text = (
        f"{count(asked, 'collective call')} became {count(len(below), 'system call')}, {n:,} of "
        f"them below {small}"
    )
    evidence = {
        "layer": "posix",
        "collective_calls": asked,
        **{kind(share.op): share.to_dict() for share in shares(below, tiny)},
        "worst": seen.worst_files(below.file[tiny]),
    }
    bad = n > max(limits.small_count, limits.small_share * len(below), asked)
    return rule.say(bad, text, evidence, _BUFFER)


def _inside_collective(seen: Seen) -> Requests:
    below = seen.reaching
    outer = enclosing(seen.trace, Layer.MPIIO, below.place)
    flags = np.append(seen.trace.column("flags"), np.uint16(0))[outer]
    return below.keep((outer >= 0) & ((flags & Flag.COLLECTIVE) != 0))


def refused(seen: Seen, limits: Thresholds) -> Verdict:
    """Judge whether HDF5 was asked for collective transfers and made independent ones."""
    rule = Rule(
        "refused",
        f"more than {limits.refused_count:,} transfers asked of HDF5 to be collective were not",
        source("refused_count"),
    )
    if not seen.has(Layer.HDF5):
        return rule.cannot("no HDF5 calls were recorded")
    mask = seen.trace.where(layer=Layer.HDF5, op=TRANSFERS, without=Flag.PART)
    mask &= (seen.trace.column("flags") & Flag.COLLECTIVE) != 0
    aux, file = (seen.trace.column(name).compress(mask) for name in ("aux", "file"))
    if not len(aux):
        return rule.no("no HDF5 transfer was asked to be collective")
    if not aux.any():
        return rule.cannot(f"HDF5 didn't say what became of {count(len(aux), 'collective call')}")
    gone = (aux != 0) & np.isin(aux & np.uint64(255), _INDEPENDENT)
    n, why = int(np.count_nonzero(gone)), causes(aux[gone])
    text = f"{n:,} of {count(len(aux), 'collective HDF5 transfer')} went independently"
    evidence = {
        "layer": "hdf5",
        "count": n,
        "of": len(aux),
        "causes": why,
        "worst": seen.worst_files(file[gone]),
    }
    told = text + (f": {', '.join(why)}" if why else "")
    return rule.say(n > limits.refused_count, told, evidence, _GRANT)


def causes(aux: np.ndarray) -> dict[str, int]:
    """Count why transfers weren't collective, by what HDF5 says of one rank and of all."""
    here, all_ranks = (aux >> np.uint64(8)) & np.uint64(0xFFFFFF), aux >> np.uint64(32)
    bits = (here | all_ranks).astype(np.int64)
    found = {why: int(np.count_nonzero(bits & bit)) for bit, why in _CAUSES.items()}
    return {why: n for why, n in found.items() if n}
