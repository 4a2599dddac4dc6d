"""MPI-IO hints: which names are known, and what they ask for.

MPI ignores a hint that it does not know without a word, so a misspelt one is found here. The
names are those of the MPI standard (section "File Info"), of ROMIO (its `adio/common`), of OMPIO,
and, by their prefixes, those of the vendors' MPI libraries.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

from piotutor.errors import UsageError

KNOWN = {
    "access_style": "how the file will be used: read_once, write_mostly, sequential, random, ...",
    "collective_buffering": "whether aggregators collect data (MPI standard)",
    "cb_block_size": "block size of collective buffering (MPI standard)",
    "cb_buffer_size": "bytes that an aggregator holds at once",
    "cb_nodes": "number of aggregators",
    "cb_config_list": "which hosts aggregate, and how many ranks on each, as *:1",
    "chunked": "the shape of an array kept in chunks (MPI standard)",
    "chunked_item": "the size of one item of that array",
    "chunked_size": "the shape of one chunk",
    "file_perm": "permissions of a new file",
    "filename": "the file's name (MPI standard)",
    "io_node_list": "which devices hold the file (MPI standard)",
    "nb_proc": "number of processes that will use the file",
    "num_io_nodes": "number of devices of the system (MPI standard)",
    "striping_factor": "over how many targets a new file is striped",
    "striping_unit": "bytes on a target before the next one's turn",
    "start_iodevice": "the target with which a new file begins",
    "ind_rd_buffer_size": "buffer of data sieving, reading",
    "ind_wr_buffer_size": "buffer of data sieving, writing",
    "direct_read": "read past the page cache",
    "direct_write": "write past the page cache",
    "romio_cb_read": "collective buffering when reading: enable, disable, automatic",
    "romio_cb_write": "collective buffering when writing: enable, disable, automatic",
    "romio_cb_pfr": "persistent file realms",
    "romio_cb_fr_types": "kind of file realms",
    "romio_cb_fr_alignment": "alignment of file realms, in bytes",
    "romio_cb_ds_threshold": "when sieving is used within collective buffering",
    "romio_cb_alltoall": "exchange with MPI_Alltoall",
    "romio_ds_read": "data sieving when reading: enable, disable, automatic",
    "romio_ds_write": "data sieving when writing: enable, disable, automatic",
    "romio_no_indep_rw": "no independent access will follow: opens can be deferred",
    "romio_filesystem_type": "which driver to use",
    "romio_synchronized_flush": "synchronise at a flush",
    "romio_visibility_immediate": "others see writes at once",
    "romio_min_fdomain_size": "smallest file domain of an aggregator",
    "romio_lustre_co_ratio": "most clients of one object",
    "romio_lustre_coll_threshold": "size above which requests are not collected",
    "romio_lustre_ds_in_coll": "data sieving within collective buffering, Lustre",
    "romio_lustre_cb_ds_threshold": "when sieving is used, Lustre",
    "romio_lustre_start_iodevice": "first target of a new file, Lustre",
    "overstriping_ratio": "how many stripes on one target, Lustre",
    "num_aggregators": "number of aggregators, OMPIO",
    "panfs_concurrent_write": "concurrent writes, PanFS",
    "sharedfp_lockedfile_suffix": "name of the shared pointer's file, OMPIO",
}

# Vendors' libraries: HPE Cray, IBM, Intel, Open MPI, DAOS, GPFS, PVFS, PanFS.
_PREFIXES = ("cray_", "mpich_", "ibm_", "daos_", "gpfs_", "bg_", "pvfs2_", "panfs_", "ompi", "mca_")


def parse_hints(text: str) -> tuple[tuple[str, str], ...]:
    """Read ``name=value,name=value``; a part without ``=`` continues the value before it.

    Examples
    --------
    >>> parse_hints("cb_nodes=2,cb_config_list=a:1,b:1")
    (('cb_nodes', '2'), ('cb_config_list', 'a:1,b:1'))
    """
    pairs: list[tuple[str, str]] = []
    for part in text.split(",") if text.strip() else ():
        name, equals, value = part.partition("=")
        if equals:
            pairs.append((name.strip(), value.strip()))
        elif pairs and part.strip():
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]},{part.strip()}")
        else:
            raise UsageError(f"hint {part!r} has no value: write --hints name=value,name=value")
    return tuple(pairs)


def format_hints(hints: tuple[tuple[str, str], ...]) -> str:
    """Write hints as `parse_hints` reads them."""
    return ",".join(f"{name}={value}" for name, value in hints)


def check_hints(hints: tuple[tuple[str, str], ...]) -> None:
    """Refuse a hint that is unknown, empty or given twice (`UsageError`)."""
    names = [name for name, _ in hints]
    for name, value in hints:
        if name not in KNOWN and not name.lower().startswith(_PREFIXES):
            raise UsageError(f"hint {name!r} is unknown to MPI-IO{_suggestion(name)}")
        if not value or not value.isprintable() or "=" in value:
            raise UsageError(f"hint {name} has the value {value!r}: write --hints {name}=VALUE")
        if names.count(name) > 1:
            raise UsageError(f"hint {name} is given {names.count(name)} times: give it once")


class Answer(NamedTuple):
    """What became of a hint: as asked for, as the open file answers, and whether that is so.

    Attributes
    ----------
    asked
        ``name=value``.
    echoed
        The file's own value; None where it knows none of that name.
    obeyed
        ``yes``, ``no`` or ``can't tell``.
    why
        How that is known.
    """

    asked: str
    echoed: str | None
    obeyed: str
    why: str

    def __str__(self) -> str:
        told = "not answered" if self.echoed is None else f"answered {self.echoed}"
        return f"{self.asked}: {told}; obeyed: {self.obeyed}" + f" ({self.why})" * bool(self.why)


def answers(hints: Mapping[str, Any]) -> list[Answer]:
    """Return what became of each hint of a run, from its ``requested, echoed, verified``."""
    echoed, judged = hints.get("echoed") or {}, hints.get("verified") or {}
    found = []
    for name, value in (hints.get("requested") or {}).items():
        verdict = judged.get(name) or {}
        obeyed = {True: "yes", False: "no", None: "can't tell"}[verdict.get("obeyed")]
        why = str(verdict.get("why", ""))
        found.append(Answer(f"{name}={value}", echoed.get(name), obeyed, why))
    return found


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, KNOWN, 1)
    return f": did you mean {close[0]}?" if close else "; `pydoc piotutor.hints` lists those known"
