"""Where the bytes of a striped file lie: extents to (target, object, object offset) and back.

Pure arithmetic on arrays. A file is striped over a list of objects; striping gives an index into
that list, and the list says on which target (an OST, an OSD, an NSD, a disk) each object is.

Examples
--------
>>> from piotutor import layout
>>> plain = layout.lustre("1MiB", 4, osts=8, start_ost=6)
>>> pieces = layout.place(plain, [0, 3_500_000], [47_008, 1_000_000])
>>> pieces.target.tolist(), pieces.object_offset.tolist(), pieces.source.tolist()
([6, 1, 6], [0, 354272, 1048576], [0, 1, 1])
>>> layout.bytes_by_target(plain, 0, 4 * 2**20)
{6: 1048576, 7: 1048576, 0: 1048576, 1: 1048576}
"""

from __future__ import annotations

from piotutor.layout.coded import Coded
from piotutor.layout.placing import (
    Located,
    Pieces,
    bytes_by_target,
    crossings,
    locate,
    place,
    redundancy,
    unaligned,
)
from piotutor.layout.shapes import Component, Composite, Layout, Striped, Target
from piotutor.layout.systems import (
    beegfs,
    cephfs,
    daos,
    gpfs,
    lustre,
    progressive,
    raid,
    striped,
)

__all__ = [
    "Coded",
    "Component",
    "Composite",
    "Layout",
    "Located",
    "Pieces",
    "Striped",
    "Target",
    "beegfs",
    "bytes_by_target",
    "cephfs",
    "crossings",
    "daos",
    "gpfs",
    "locate",
    "lustre",
    "place",
    "progressive",
    "raid",
    "redundancy",
    "striped",
    "unaligned",
]
