"""Layouts in the words of the systems that have them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from piotutor.errors import UsageError
from piotutor.layout.coded import Coded
from piotutor.layout.shapes import Component, Composite, Striped, Target, need_positive
from piotutor.units import parse_size

_NO_CHUNK = 2**62  # RAID 1 cuts nothing: a chunk that no device fills
_CLASS = re.compile(
    r"(?:S(?P<shards>\d+|X)"
    r"|RP_(?P<replicas>\d+)G(?P<rp_groups>\d+|X)"
    r"|EC_(?P<data>\d+)P(?P<parity>\d+)G(?P<ec_groups>\d+|X))"
)

Pool: TypeAlias = int | Sequence[Target]


def striped(
    stripe_size: str | int,
    stripe_count: int = 1,
    *,
    targets: Pool = (),
    start: int = 0,
    object_size: str | int | None = None,
) -> Striped:
    """Return a layout that goes in turn over objects, these in turn over targets.

    Parameters
    ----------
    stripe_size : str or int
        Bytes that lie together, as ``"1MiB"``.
    stripe_count : int
        How many objects; -1 for one on each target. More than there are targets (overstriping) go
        over them again.
    targets : sequence of int or of str, or int
        The targets to choose from, a pool's or all, by number or name; a number n stands for 0 to
        n - 1. As many as objects are taken as they come: what ``lfs getstripe`` lists.
    start : int
        Which of `targets` has the first object, from 0.
    object_size : str or int, optional
        CephFS: how large an object becomes.

    Raises
    ------
    UsageError
        For a size, count or start that can't be.
    """
    pool = _pool(targets)
    count = len(pool) if stripe_count == -1 else stripe_count
    need_positive(stripe_count=count)
    if pool and not 0 <= start < len(pool):
        raise UsageError(f"start {start}: there are targets 0 to {len(pool) - 1}")
    chosen = tuple(pool[(start + index) % len(pool)] for index in range(count)) if pool else ()
    size = None if object_size is None else parse_size(object_size)
    return Striped(parse_size(stripe_size), count, size, chosen)


def lustre(
    stripe_size: str | int = "1MiB",
    stripe_count: int = 1,
    *,
    osts: Pool = (),
    start_ost: Target | None = None,
) -> Striped:
    """Return Lustre's plain layout: ``lfs setstripe -S -c -i``, or ``-o`` with a list of OSTs.

    Objects lie on the OSTs in turn. Lustre itself chooses OSTs also by their free space: what it
    chose is in ``lfs getstripe``, to be given as `osts`.

    Parameters
    ----------
    stripe_size, stripe_count
        As in `striped`.
    osts : sequence of int or of str, or int
        The OSTs of the pool or file system, by index or name, or how many there are.
    start_ost : int or str, optional
        The OST of the first object; else it is the first of `osts`.

    Raises
    ------
    UsageError
        As `striped`; or `start_ost` is none of `osts`.
    """
    pool = _pool(osts)
    if start_ost is not None and start_ost not in pool:
        raise UsageError(f"start_ost {start_ost}: it is none of the OSTs")
    start = 0 if start_ost is None else pool.index(start_ost)
    return striped(stripe_size, stripe_count, targets=pool, start=start)


def progressive(*parts: tuple[str | int | None, Striped]) -> Composite:
    """Return Lustre's progressive layout: ``lfs setstripe -E END ... -E END ...``.

    Parameters
    ----------
    parts : tuple of (str or int or None, Striped)
        Up to where in the file each component reaches, and its layout; -1 or None: to the end.

    Raises
    ------
    UsageError
        Ends don't rise, or one follows on the last.

    Examples
    --------
    >>> wider = progressive(("4MiB", lustre("1MiB", 1)), (-1, lustre("4MiB", 8)))
    >>> wider.objects
    9
    """
    ends = [None if end in (None, -1, "-1") else parse_size(end) for end, _ in parts]
    starts = [0, *(0 if end is None else end for end in ends[:-1])]
    layouts = (layout for _, layout in parts)
    return Composite(tuple(map(Component, starts, ends, layouts)))


def beegfs(chunk_size: str | int, targets: Pool) -> Striped:
    """Return BeeGFS's layout: chunks in turn over the file's targets, as ``beegfs-ctl`` lists them.

    Source: BeeGFS documentation, "Striping" (RAID 0; of buddy mirrors, give the groups).
    """
    return striped(chunk_size, -1, targets=targets)


def gpfs(block_size: str | int, nsds: Pool, *, start: int = 0) -> Striped:
    """Return GPFS's layout: blocks in turn over all NSDs (or disks) of a pool, from one of them.

    Source: IBM Storage Scale documentation, "Use of disk storage and file structure within a GPFS
    file system" (round robin). Which disk comes first differs from file to file; a disk that is
    full is passed over, and an `object` here is the file's blocks on one of them.
    """
    return striped(block_size, -1, targets=nsds, start=start)


def cephfs(
    stripe_unit: str | int = "4MiB",
    stripe_count: int = 1,
    object_size: str | int = "4MiB",
    *,
    targets: Iterable[Target] = (),
) -> Striped:
    """Return CephFS's layout, in the words of ``ceph.file.layout``.

    Parameters
    ----------
    stripe_unit, stripe_count, object_size
        A file's layout; the defaults are Ceph's.
    targets : iterable of int or of str
        The OSD of each object from the file's beginning on, as Ceph tells it (CRUSH places them).

    Raises
    ------
    UsageError
        `object_size` is no multiple of `stripe_unit`, or a size or count is 0.
    """
    need_positive(stripe_count=stripe_count)
    sizes = parse_size(stripe_unit), stripe_count, parse_size(object_size)
    return Striped(*sizes, tuple(targets))


def daos(
    object_class: str,
    *,
    chunk_size: str | int = "1MiB",
    cell_size: str | int | None = None,
    targets: Pool = (),
) -> Coded:
    """Return the layout of a file of DAOS (DFS) in an object class.

    Parameters
    ----------
    object_class : str
        ``S4``: four shards; ``RP_2G4``: four groups of two replicas; ``EC_4P2G1``: one group of
        four data and two parity shards; ``X`` in place of a number of groups: as many as `targets`
        have room for.
    chunk_size : str or int
        Bytes of the file in one group before the next one's turn (DFS: 1 MiB).
    cell_size : str or int, optional
        For erasure coding: bytes of a cell (the container's ``ec_cell_sz``).
    targets : sequence of int or of str, or int
        The target of each shard, group by group.

    Raises
    ------
    UsageError
        The class is none of these; cells are missing, or don't fill a chunk; not a target for each.

    Notes
    -----
    DAOS finds a chunk's group by a hash of the chunk's key (jump hash), and so, in erasure coding,
    where in the group it begins (hash modulo members; src/object/obj_layout.c); here both go in
    turn: the same load over many chunks, not the same place of each. Sizes and what shares a row
    are DAOS's. The object offset counts a shard's cells
    (parity too) as if they were packed: DAOS keeps them by chunk and offset.
    """
    match = _CLASS.fullmatch(object_class.upper())
    if match is None:
        raise UsageError(f"object_class {object_class!r}: give one such as S4, RP_2G1 or EC_4P2GX")
    chunk, pool = parse_size(chunk_size), _pool(targets)
    data, parity = int(match["data"] or 1), int(match["parity"] or 0)
    copies = int(match["replicas"] or 1) - 1
    if parity and cell_size is None:
        raise UsageError(f"cell_size: {object_class} needs one, such as 128k")
    cell = chunk if cell_size is None or not parity else parse_size(cell_size)
    asked = match["shards"] or match["rp_groups"] or match["ec_groups"]
    members = data + parity + copies
    groups = len(pool) // members if asked == "X" else int(asked)
    if groups < 1:
        raise UsageError(f"targets: {object_class} needs at least {members}, not {len(pool)}")
    rotation = 1 if parity else 0
    used = pool[: groups * members]
    return Coded(cell, chunk, data, parity, copies, groups, rotation, targets=used)


def raid(level: int, disks: Pool, *, chunk_size: str | int = "512k") -> Striped | Coded:
    """Return a RAID's layout as Linux md has it: an object is a disk.

    Parity moves as in md's default, left-symmetric: by one disk to the left from row to row, and
    data begin after it (Linux, drivers/md/raid5.c, raid5_compute_sector; md(4)). On RAID 4 it
    stays on the last disk. RAID 1 holds everything on each disk.

    Parameters
    ----------
    level : int
        0, 1, 4, 5 or 6.
    disks : sequence of int or of str, or int
        Their numbers or names, or how many.
    chunk_size : str or int
        Bytes that lie together (md's default is 512 KiB); RAID 1 has none.

    Raises
    ------
    UsageError
        There is no such level here, or it needs more disks.
    """
    names, chunk = _pool(disks), parse_size(chunk_size)
    need_positive(chunk_size=chunk)
    least = {0: 1, 1: 2, 4: 3, 5: 3, 6: 4}
    if level not in least:
        raise UsageError(f"level {level}: choose from 0, 1, 4, 5 and 6")
    if len(names) < least[level]:
        raise UsageError(f"disks: RAID {level} needs at least {least[level]}, not {len(names)}")
    if level == 0:
        return striped(chunk, -1, targets=names)
    if level == 1:
        return Coded(_NO_CHUNK, _NO_CHUNK, copies=len(names) - 1, targets=names)
    parity = 2 if level == 6 else 1
    data = len(names) - parity
    turning = (0, 0) if level == 4 else (-1, parity - 1)
    return Coded(chunk, data * chunk, data, parity, 0, 1, *turning, names)


def _pool(targets: Pool) -> tuple[Target, ...]:
    return tuple(range(targets)) if isinstance(targets, int) else tuple(targets)
