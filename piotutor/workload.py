"""The workload: what a job reads and writes, in IOR's words and with IOR's rules.

Every parameter is defined once, as a field of `Workload` whose metadata holds an
`piotutor.option.Option`. Only consistency is checked here; limits of size, ranks and space
belong to a run.
"""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass, field
from typing import Any

from piotutor.errors import UsageError
from piotutor.option import INT32_MAX, Option
from piotutor.rules import RULES
from piotutor.units import INT64_MAX, format_size

APIS = ("NULL", "POSIX", "MPIIO", "HDF5")

_JOB, _PATTERN, _PHASES = "Job", "Pattern", "Phases"
_SYNC, _MPIIO, _HDF5 = "Caches and timing", "MPI-IO", "HDF5"


def _option(
    default: Any, kind: str, group: str, flag: str, directive: str, text: str, **more: Any
) -> Any:
    """Make a field: its default and, in its metadata, its `Option`."""
    side = "long" if flag.startswith("--") else "short"
    if kind in ("int", "counts"):
        more = {"maximum": INT32_MAX, **more}
    more = {side: flag, "directive": directive, **more}
    option = Option(kind=kind, group=group, help=text, **more)
    return field(default=default, metadata={"option": option})


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What a job reads and writes.

    Each field is an IOR parameter of the same meaning; `options` describes them. Where none of
    `write`, `read`, `verify_write`, `verify_read` is asked for, it does both, as IOR.

    Raises
    ------
    UsageError
        For a value that makes no sense, or options that IOR refuses together.

    Examples
    --------
    >>> w = Workload(api="MPIIO", num_tasks=2, block_size=2**20, transfer_size=2**18)
    >>> w.total_bytes
    2097152
    >>> w.replace(transfer_size="64k").transfer_size
    65536
    """

    api: str = _option(
        "POSIX", "choice", _JOB, "-a", "api", "the interface that moves the data", choices=APIS
    )
    num_tasks: int = _option(
        4, "int", _JOB, "-n", "numTasks", "number of ranks", aliases=("-N",), minimum=1
    )
    tasks_per_node: int | None = _option(
        None,
        "int",
        _JOB,
        "--tasks-per-node",
        "numTasksOnNode0",
        "ranks on one node, by which -C shifts; all of them if not given",
        minimum=1,
        optional=True,
    )
    block_size: int = _option(
        2**20,
        "size",
        _PATTERN,
        "-b",
        "blockSize",
        "bytes in one piece that a rank writes in each segment",
        minimum=8,
        multiple=8,
    )
    transfer_size: int = _option(
        2**18,
        "size",
        _PATTERN,
        "-t",
        "transferSize",
        "bytes that one call moves",
        minimum=8,
        multiple=8,
    )
    segment_count: int = _option(
        1,
        "int",
        _PATTERN,
        "-s",
        "segmentCount",
        "number of segments: in each, every rank has one block",
        minimum=1,
        maximum=INT64_MAX,
    )
    file_per_process: bool = _option(
        False, "flag", _PATTERN, "-F", "filePerProc", "every rank has a file of its own"
    )
    collective: bool = _option(
        False,
        "flag",
        _PATTERN,
        "-c",
        "collective",
        "all ranks make each call together",
        long="--collective",
        apis=("MPIIO", "HDF5"),
    )
    reorder_tasks: bool = _option(
        False,
        "flag",
        _PATTERN,
        "-C",
        "reorderTasksConstant",
        "read what a rank on another node wrote",
    )
    task_offset: int = _option(
        1, "int", _PATTERN, "-Q", "taskPerNodeOffset", "by how many nodes -C shifts"
    )
    random_offset: int = _option(
        0,
        "level",
        _PATTERN,
        "-z",
        "randomOffset",
        "-z: shuffled within each segment; -z -z: random blocks of the file",
        maximum=2,
    )
    random_offset_seed: int = _option(
        1,
        "int",
        _PATTERN,
        "--random-offset-seed",
        "",
        "seed of -z (IOR takes the clock if it isn't given)",
    )
    write: bool = _option(
        False,
        "flag",
        _PHASES,
        "-w",
        "writeFile",
        "write the file (no phase asked for: write and read)",
    )
    read: bool = _option(False, "flag", _PHASES, "-r", "readFile", "read the file")
    verify_write: bool = _option(
        False, "flag", _PHASES, "-W", "checkWrite", "after writing, read back and compare"
    )
    verify_read: bool = _option(False, "flag", _PHASES, "-R", "checkRead", "compare what is read")
    signature: int | None = _option(
        None,
        "int",
        _PHASES,
        "-G",
        "setTimeStampSignature",
        "seed of the data, needed to verify what another run wrote",
        minimum=1,
        optional=True,
    )
    repetitions: int = _option(
        1, "int", _PHASES, "-i", "repetitions", "how often all phases are run", minimum=1
    )
    keep: bool = _option(False, "flag", _PHASES, "-k", "keepFile", "keep the files")
    test_file: str | None = _option(
        None,
        "path",
        _PHASES,
        "-o",
        "testFile",
        "the file, or what the files' names begin with",
        optional=True,
    )
    fsync: bool = _option(
        False, "flag", _SYNC, "-e", "fsync", "fsync at the end of each write phase, within the time"
    )
    fsync_per_write: bool = _option(
        False, "flag", _SYNC, "-Y", "fsyncPerWrite", "fsync after every write"
    )
    direct_io: bool = _option(
        False,
        "flag",
        _SYNC,
        "--posix.odirect",
        "",
        "O_DIRECT: past the page cache",
        apis=("POSIX",),
    )
    queue_depth: tuple[int, ...] = _option(
        (1,),
        "counts",
        _SYNC,
        "--queue-depth",
        "",
        "reads that each rank keeps in flight; several, 1,2,4: one for each repetition in turn",
        minimum=1,
        maximum=1024,
        apis=("POSIX",),
        in_ior=False,
    )
    barriers: bool = _option(
        False,
        "flag",
        _SYNC,
        "-g",
        "intraTestBarriers",
        "wait for all ranks between open, transfers and close",
    )
    stonewall: int = _option(
        0,
        "int",
        _SYNC,
        "-D",
        "deadlineForStonewalling",
        "seconds after which a phase stops, wherever it is; 0: never",
    )
    stonewall_wear_out: bool = _option(
        False,
        "flag",
        _SYNC,
        "--stonewall-wear-out",
        "stoneWallingWearOut",
        "after the deadline every rank goes on until it has done as much as the first",
    )
    use_file_view: bool = _option(
        False,
        "flag",
        _MPIIO,
        "--mpiio.useFileView",
        "",
        "each rank sees only its own part of the file",
        apis=("MPIIO",),
    )
    use_strided_datatype: bool = _option(
        False,
        "flag",
        _MPIIO,
        "--mpiio.useStridedDatatype",
        "",
        "one call moves a transfer of every segment",
        apis=("MPIIO",),
    )
    hints: tuple[tuple[str, str], ...] = _option(
        (),
        "hints",
        _MPIIO,
        "--hints",
        "",
        "MPI-IO hints, name=value,name=value",
        apis=("MPIIO", "HDF5"),
        in_ior=False,
    )
    alignment: int = _option(
        1,
        "size",
        _HDF5,
        "--hdf5.setAlignment",
        "",
        "objects of at least so many bytes begin at a multiple of it",
        minimum=1,
        apis=("HDF5",),
    )
    chunk_size: int = _option(
        0,
        "int",
        _HDF5,
        "--hdf5.chunkSize",
        "",
        "elements of 8 bytes in a chunk; 0: contiguous",
        maximum=2**29 - 1,
        apis=("HDF5",),
    )
    collective_metadata: bool = _option(
        False,
        "flag",
        _HDF5,
        "--hdf5.collectiveMetadata",
        "",
        "metadata is read and written collectively",
        apis=("HDF5",),
    )
    meta_block_size: int | None = _option(
        None,
        "size",
        _HDF5,
        "--hdf5.metaBlockSize",
        "",
        "bytes of metadata that are allocated together",
        minimum=1,
        apis=("HDF5",),
        optional=True,
        in_ior=False,
    )

    def __post_init__(self) -> None:
        for option in options().values():
            value = option.check(getattr(self, option.name))
            object.__setattr__(self, option.name, value)
        if not (self.write or self.read or self.verify_write or self.verify_read):
            object.__setattr__(self, "write", True)
            object.__setattr__(self, "read", True)
        _check_interface(self)
        for broken, message in RULES:
            if broken(self):
                raise UsageError(_fill(message, self))

    @classmethod
    def make(cls, **values: Any) -> Workload:
        """Build one from values or text: sizes as ``"64k"``, hints as ``"cb_nodes=2"``."""
        known = options()
        for name in values:
            if name not in known:
                raise UsageError(_unknown(name, known))
        return cls(**{name: known[name].read(value) for name, value in values.items()})

    def replace(self, **changes: Any) -> Workload:
        """Return a copy with some parameters changed, given as for `make`."""
        return self.make(**{**_values(self), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return every parameter, ready for JSON."""
        return {**_values(self), "hints": dict(self.hints)}

    @classmethod
    def from_dict(cls, values: Any) -> Workload:
        """Build one from `to_dict`'s result; unknown names and wrong types are refused."""
        if not isinstance(values, dict):
            raise UsageError(f"a workload is a table of names and values, not {values!r:.60}")
        for name in values:
            if name not in options():
                raise UsageError(_unknown(name, options()))
        return cls(**values)

    @property
    def phases(self) -> tuple[str, ...]:
        """What one repetition does, in order: of ``write``, ``check_write`` and ``read``."""
        asked = {
            "write": self.write,
            "check_write": self.verify_write,
            "read": self.read or self.verify_read,
        }
        return tuple(op for op, wanted in asked.items() if wanted)

    @property
    def deep(self) -> bool:
        """Whether a rank keeps several reads in flight at any time."""
        return max(self.queue_depth) > 1

    def depth(self, repetition: int) -> int:
        """Return how many reads each rank keeps in flight in a repetition."""
        return self.queue_depth[repetition % len(self.queue_depth)]

    @property
    def bytes_per_rank(self) -> int:
        """Bytes that a rank moves in one phase (with ``-z`` on a shared file: the mean)."""
        return self.block_size * self.segment_count

    @property
    def total_bytes(self) -> int:
        """Bytes that all ranks move in one phase."""
        return self.bytes_per_rank * self.num_tasks

    @property
    def num_files(self) -> int:
        """Number of data files."""
        return self.num_tasks if self.file_per_process else 1

    @property
    def bytes_per_file(self) -> int:
        """Size of each data file, written whole."""
        return self.total_bytes // self.num_files


def options() -> dict[str, Option]:
    """Return every parameter's `Option` by its field's name, in the order of the fields."""
    return dict(_OPTIONS)


def _collect() -> dict[str, Option]:
    return {
        f.name: dataclasses.replace(f.metadata["option"], name=f.name, default=f.default)
        for f in dataclasses.fields(Workload)
    }


def _values(workload: Workload) -> dict[str, Any]:
    return {name: getattr(workload, name) for name in options()}


def _unknown(name: Any, known: dict[str, Option]) -> str:
    close = difflib.get_close_matches(str(name), known, 1)
    advice = f"did you mean {close[0]}?" if close else f"choose from {', '.join(known)}"
    return f"{name!r} is no parameter of a workload: {advice}"


def _check_interface(workload: Workload) -> None:
    """Refuse an option that would do nothing on this interface."""
    for option in options().values():
        idle = option.apis and workload.api not in option.apis
        if idle and getattr(workload, option.name) != option.default:
            raise UsageError(
                f"{option.label} does nothing with -a {workload.api}: "
                f"leave it out, or take -a {' or '.join(option.apis)}"
            )


def _fill(message: str, workload: Workload) -> str:
    shown = {name: option.format(getattr(workload, name)) for name, option in options().items()}
    return message.format(**shown, total=format_size(workload.total_bytes))


_OPTIONS = _collect()
