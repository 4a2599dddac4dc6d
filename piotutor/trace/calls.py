"""The exact call behind a record: pwrite, pwritev and write are all ``Op.WRITE``.

The high byte of the flags holds its number; 0 where it isn't known. The same table stands in
``piotutor/capture/interposer/calls.h``, and a test holds the two equal.
"""

from __future__ import annotations

import numpy as np

CALLS = {
    1: "open",
    2: "openat",
    3: "creat",
    4: "close",
    5: "read",
    6: "write",
    7: "pread",
    8: "pwrite",
    9: "readv",
    10: "writev",
    11: "preadv",
    12: "pwritev",
    13: "preadv2",
    14: "pwritev2",
    15: "lseek",
    16: "ftruncate",
    17: "truncate",
    18: "fallocate",
    19: "posix_fallocate",
    20: "fsync",
    21: "fdatasync",
    22: "sync_file_range",
    23: "fcntl",
    24: "flock",
    25: "lockf",
    26: "copy_file_range",
    27: "sendfile",
    28: "splice",
    29: "aio_read",
    30: "aio_write",
    31: "aio_fsync",
    32: "unlink",
    33: "unlinkat",
    34: "remove",
    35: "rename",
    36: "renameat",
    37: "renameat2",
    38: "mkstemp",
    64: "fopen",
    65: "freopen",
    66: "fclose",
    67: "fread",
    68: "fwrite",
    69: "fgets",
    70: "fputs",
    71: "fprintf",
    73: "getline",
    74: "fseek",
    76: "stdio",
    96: "MPI_File_open",
    97: "MPI_File_close",
    98: "MPI_File_delete",
    99: "MPI_File_set_size",
    100: "MPI_File_preallocate",
    101: "MPI_File_set_view",
    102: "MPI_File_set_info",
    103: "MPI_File_sync",
    104: "MPI_File_seek",
    105: "MPI_File_seek_shared",
    106: "MPI_File_set_atomicity",
    107: "MPI_File_read",
    108: "MPI_File_write",
    109: "MPI_File_read_all",
    110: "MPI_File_write_all",
    111: "MPI_File_read_at",
    112: "MPI_File_write_at",
    113: "MPI_File_read_at_all",
    114: "MPI_File_write_at_all",
    115: "MPI_File_read_shared",
    116: "MPI_File_write_shared",
    117: "MPI_File_read_ordered",
    118: "MPI_File_write_ordered",
    119: "MPI_File_iread",
    120: "MPI_File_iwrite",
    121: "MPI_File_iread_all",
    122: "MPI_File_iwrite_all",
    123: "MPI_File_iread_at",
    124: "MPI_File_iwrite_at",
    125: "MPI_File_iread_at_all",
    126: "MPI_File_iwrite_at_all",
    127: "MPI_File_iread_shared",
    128: "MPI_File_iwrite_shared",
    129: "MPI_File_read_all_begin",
    130: "MPI_File_read_all_end",
    131: "MPI_File_write_all_begin",
    132: "MPI_File_write_all_end",
    133: "MPI_File_read_at_all_begin",
    134: "MPI_File_read_at_all_end",
    135: "MPI_File_write_at_all_begin",
    136: "MPI_File_write_at_all_end",
    137: "MPI_File_read_ordered_begin",
    138: "MPI_File_read_ordered_end",
    139: "MPI_File_write_ordered_begin",
    140: "MPI_File_write_ordered_end",
    160: "H5Fcreate",
    161: "H5Fopen",
    162: "H5Fclose",
    163: "H5Fflush",
    164: "H5Dcreate2",
    165: "H5Dopen2",
    166: "H5Dclose",
    167: "H5Dread",
    168: "H5Dwrite",
    169: "H5Dset_extent",
    170: "H5Dflush",
    171: "H5Acreate2",
    172: "H5Aopen",
    173: "H5Aread",
    174: "H5Awrite",
    175: "H5Aclose",
    176: "H5Adelete",
    177: "H5Gcreate2",
    178: "H5Gopen2",
    179: "H5Gclose",
    180: "H5Lcreate_hard",
    181: "H5Lcreate_soft",
    182: "H5Ldelete",
    183: "H5Lmove",
    184: "H5Oopen",
    185: "H5Oclose",
}
"""Name of the call by its number; POSIX from 1, stdio from 64, MPI-IO from 96, HDF5 from 160."""

NUMBERS = {name: number for number, name in CALLS.items()}
"""Number of the call by its name."""

_SHIFT = 8


def call_of(flags: np.ndarray) -> np.ndarray:
    """Return the numbers of the calls from the ``flags`` of records; see `CALLS`."""
    calls: np.ndarray = flags >> _SHIFT
    return calls


def call_flag(name: str) -> int:
    """Return the bits of ``flags`` that name a call; 0 for one that has no number."""
    return NUMBERS.get(name, 0) << _SHIFT
