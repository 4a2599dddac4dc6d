"""CephFS: how files are striped over objects, told by extended attributes; no tool is needed.

Format: docs.ceph.com, "File Layouts": ``ceph.file.layout`` and ``ceph.dir.layout`` hold
``stripe_unit=4194304 stripe_count=1 object_size=4194304 pool=cephfs_data``. A directory has none
until one is given to it: its files get the nearest one above it, or the default.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from piotutor.storage.striping import Component, LayoutError, Striping, whole

_NAMES = ("stripe_unit", "stripe_count", "object_size", "pool")
_NONE = {errno.ENODATA} if hasattr(errno, "ENODATA") else set()
_DEFAULT = Component(stripe_size=1 << 22, stripe_count=1, object_size=1 << 22)


def striping(path: Path) -> Striping:
    """Read how a file, or each new file of a directory, is striped.

    Raises
    ------
    LayoutError
        There is no such attribute, or it can't be read.
    """
    name = "ceph.dir.layout" if path.is_dir() else "ceph.file.layout"
    for place in (path, *path.parents):
        try:
            return parse_layout(os.getxattr(place, name).decode(errors="replace"))
        except OSError as error:
            if error.errno not in _NONE:
                if place != path:
                    break  # beyond the mount point
                raise LayoutError(f"{path} has no {name}: {error.strerror}") from None
        except AttributeError:
            raise LayoutError("this system has no extended attributes") from None
    return Striping("ceph", (_DEFAULT,), note="no directory above has a layout: the usual one")


def parse_layout(text: str) -> Striping:
    """Read the value of ``ceph.file.layout`` or ``ceph.dir.layout``.

    Raises
    ------
    LayoutError
        It is damaged, or a layout that Ceph refuses.
    """
    said = dict(word.split("=", 1) for word in text.split() if "=" in word)
    missing = [name for name in _NAMES if name not in said]
    if missing:
        raise LayoutError(f"CephFS: no {missing[0]} in its layout: {text[:80]!r}")
    unit, count, size = (whole(said[name], name, "CephFS") for name in _NAMES[:3])
    if unit <= 0 or count <= 0 or size <= 0 or size % unit:
        raise LayoutError(f"CephFS: a layout that can't be: {text[:80]!r}")
    part = Component(stripe_size=unit, stripe_count=count, object_size=size, pool=said["pool"])
    return Striping("ceph", (part,))
