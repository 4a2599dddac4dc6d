"""Which options can't stand together: IOR's own rules, and what would be silently wrong.

IOR's are those of its `ValidateTests` and of its backends' own checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from piotutor.units import INT64_MAX

if TYPE_CHECKING:
    from piotutor.workload import Workload

# (what is wrong, what to say: a workload's fields, and its `total`, are filled in).
RULES: tuple[tuple[Callable[[Workload], bool], str], ...] = (
    (
        lambda w: w.block_size < w.transfer_size,
        "block_size (-b, {block_size}) is smaller than transfer_size (-t, {transfer_size}): "
        "make -b at least -t",
    ),
    (
        lambda w: w.block_size % w.transfer_size != 0,
        "block_size (-b, {block_size}) is no multiple of transfer_size (-t, {transfer_size}): "
        "make -b a whole number of transfers",
    ),
    (
        lambda w: w.total_bytes > INT64_MAX,
        "block_size x segment_count x num_tasks (-b -s -n) is {total}: "
        "make it less than 2^63 bytes",
    ),
    (
        lambda w: w.random_offset == 1 and w.block_size == w.transfer_size,
        "random_offset (-z) shuffles the transfers of a block, and block_size (-b) is one "
        "transfer ({transfer_size}): make -b larger than -t, or take -z -z",
    ),
    (
        lambda w: w.random_offset > 0 and w.reorder_tasks and not w.file_per_process,
        "random_offset (-z) and reorder_tasks (-C) can't be joined on a shared file: "
        "drop one, or add -F",
    ),
    (
        lambda w: w.random_offset > 0 and w.api == "HDF5",
        "random_offset (-z) is not available with -a HDF5: take -a POSIX or -a MPIIO",
    ),
    (
        lambda w: w.random_offset > 0 and w.collective,
        "random_offset (-z) is not available with collective (-c): drop one",
    ),
    (
        lambda w: w.random_offset > 0 and w.use_file_view,
        "random_offset (-z) is not available with use_file_view (--mpiio.useFileView): drop one",
    ),
    (
        lambda w: w.use_strided_datatype and not w.use_file_view,
        "use_strided_datatype (--mpiio.useStridedDatatype) needs a view: add --mpiio.useFileView",
    ),
    (
        lambda w: w.stonewall_wear_out and not w.stonewall,
        "stonewall_wear_out (-O stoneWallingWearOut=1) needs a deadline: add -D with seconds",
    ),
    (
        lambda w: w.api == "NULL" and (w.verify_write or w.verify_read),
        "verify_write (-W) and verify_read (-R) compare data, and -a NULL keeps none: "
        "drop them, or take -a POSIX",
    ),
    (
        lambda w: w.verify_read and not w.write and w.signature is None,
        "verify_read (-R) without write (-w) can't know what was written: "
        "add -w, or give the signature (-G) of the run that wrote",
    ),
    (
        lambda w: w.random_offset == 2 and w.write and (w.verify_write or w.verify_read),
        "random_offset (-z -z) leaves blocks unwritten that verify_write (-W) or verify_read (-R) "
        "may meet: write and keep (-k) the file without -z, then read it",
    ),
    (
        lambda w: w.repetitions % len(w.queue_depth) != 0,
        "queue_depth (--queue-depth {queue_depth}) has a depth for each repetition in turn: make "
        "repetitions (-i, {repetitions}) a multiple of how many there are",
    ),
    (
        lambda w: w.deep and (not w.read or w.verify_read or bool(w.stonewall)),
        "queue_depth (--queue-depth {queue_depth}) is for reads to their end that nobody compares: "
        "take -r, and neither -R nor -D",
    ),
    (
        lambda w: w.chunk_size * 8 > w.bytes_per_file // w.segment_count,
        "chunk_size (--hdf5.chunkSize) of {chunk_size} elements of 8 bytes is larger than a "
        "segment's dataset: make it smaller",
    ),
)
